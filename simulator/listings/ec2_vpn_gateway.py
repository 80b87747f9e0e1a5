"""VPN gateways of the organisation: on the VPC of every third place, and one of the hub that nothing uses any more."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeVpnGateways")
RESULT = "VpnGateways"
TRUTH = "vpn_gateways"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub's VPN ends at its transit gateway, so its VPN gateway is attached to nothing."""
    vpcs = network.own(account_id, region).vpcs
    is_hub = account_id == network.world.operations
    if not vpcs or not (is_hub or network.number(account_id, region) % 3 == 0):
        return []
    gateway_id = made_id("vgw", account_id, region)
    return [
        {
            **network.owned(gateway_id, (account_id, region), "vpn-gateway", {} if is_hub else vpcs[0].tags),
            "vpn_gateway_id": gateway_id,
            "vpc_ids": [] if is_hub else [vpcs[0].resource_id],
            "relations": [] if is_hub else [("attached_to", vpcs[0].arn)],
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "VpnGatewayId": row["vpn_gateway_id"],
        "State": "available",
        "Type": "ipsec.1",
        "AmazonSideAsn": 64512,
        "VpcAttachments": [{"VpcId": vpc_id, "State": "attached"} for vpc_id in row["vpc_ids"]],
        **tag_list(row["tags"]),
    }
