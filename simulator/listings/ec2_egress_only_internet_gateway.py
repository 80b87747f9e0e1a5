"""Egress-only internet gateways of the organisation: on the VPC of every fourth place."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeEgressOnlyInternetGateways")
RESULT = "EgressOnlyInternetGateways"
TRUTH = "egress_only_internet_gateways"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """With the tags of its VPC, which may have none."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or network.number(account_id, region) % 4 != 0:
        return []
    gateway_id = made_id("eigw", vpcs[0].resource_id)
    return [
        {
            **network.owned(gateway_id, (account_id, region), "egress-only-internet-gateway", vpcs[0].tags),
            "egress_only_internet_gateway_id": gateway_id,
            "vpc_ids": [vpcs[0].resource_id],
            "relations": [("attached_to", vpcs[0].arn)],
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "EgressOnlyInternetGatewayId": row["egress_only_internet_gateway_id"],
        "Attachments": [{"VpcId": vpc_id, "State": "attached"} for vpc_id in row["vpc_ids"]],
        **tag_list(row["tags"]),
    }
