"""Internet gateways of the organisation: one on each VPC but the hub's inner ones, and one that nothing uses."""

from __future__ import annotations

from typing import Any

from simulator.network import HUB, Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeInternetGateways")
RESULT = "InternetGateways"
TRUTH = "internet_gateways"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS makes one for a default VPC; people make one for their first VPC, and forget one in the hub."""
    own = network.own(account_id, region).vpcs
    found = [
        _row(network, vpc, {}) for vpc in network.default(account_id, region).vpcs if region in network.world.regions
    ]
    found += [_row(network, vpc, vpc.tags) for vpc in own[:1]]
    if len(own) > 1:
        gateway_id = made_id("igw", account_id, region, "left over")
        tags = {"Name": f"{HUB} (old)"}
        row = network.owned(gateway_id, (account_id, region), "internet-gateway", tags)
        found.append({**row, "internet_gateway_id": gateway_id, "vpc_ids": [], "relations": []})
    return found


def _row(network: Network, vpc: Any, tags: dict[str, str]) -> dict[str, Any]:
    gateway_id = made_id("igw", vpc.resource_id)
    return {
        **network.owned(gateway_id, (vpc.account_id, vpc.region), "internet-gateway", tags),
        "internet_gateway_id": gateway_id,
        "vpc_ids": [vpc.resource_id],
        "relations": [("attached_to", vpc.arn)],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: what is attached is `available` here, where the documentation says `attached`."""
    return {
        "InternetGatewayId": row["internet_gateway_id"],
        "OwnerId": row["account_id"],
        "Attachments": [{"VpcId": vpc_id, "State": "available"} for vpc_id in row["vpc_ids"]],
        **tag_list(row["tags"]),
    }
