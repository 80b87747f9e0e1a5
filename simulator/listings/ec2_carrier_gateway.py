"""Carrier gateways of the organisation: one of the first workload account, where Wavelength is tried."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeCarrierGateways")
RESULT = "CarrierGateways"
TRUTH = "carrier_gateways"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []
    gateway_id = made_id("cagw", vpcs[0].resource_id)
    return [
        {
            **network.owned(gateway_id, (account_id, region), "carrier-gateway", vpcs[0].tags),
            "carrier_gateway_id": gateway_id,
            "vpc_id": vpcs[0].resource_id,
            "relations": [("attached_to", vpcs[0].arn)],
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "CarrierGatewayId": row["carrier_gateway_id"],
        "VpcId": row["vpc_id"],
        "OwnerId": row["account_id"],
        "State": "available",
        **tag_list(row["tags"]),
    }
