"""Transit gateways of the organisation: one of the hub in each region, which all workload accounts share."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGateways")
RESULT = "TransitGateways"
TRUTH = "transit_gateways"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub's, where the hub has networks."""
    if account_id != network.world.operations or not network.own(account_id, region).vpcs:
        return []
    gateway_id = made_id("tgw", account_id, region)
    tags = network.own(account_id, region).vpcs[0].tags
    return [
        {
            **network.owned(gateway_id, (account_id, region), "transit-gateway", tags),
            "transit_gateway_id": gateway_id,
            "route_table_id": made_id("tgw-rtb", gateway_id, "main"),
            "relations": [],
        }
    ]


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS RAM shows the hub's to every account that has a network of its own."""
    hub = network.world.operations
    return rows(network, hub, region) if account_id != hub and network.own(account_id, region).vpcs else []


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: tags are the owner's alone."""
    table_id = row["route_table_id"]
    return {
        "TransitGatewayId": row["transit_gateway_id"],
        "TransitGatewayArn": row["arn"],
        "OwnerId": row["account_id"],
        "State": "available",
        "Description": "all networks",
        "CreationTime": EPOCH + dt.timedelta(days=3),
        "Options": {
            "AmazonSideAsn": 64512,
            "AutoAcceptSharedAttachments": "enable",
            "DefaultRouteTableAssociation": "enable",
            "AssociationDefaultRouteTableId": table_id,
            "DefaultRouteTablePropagation": "enable",
            "PropagationDefaultRouteTableId": table_id,
            "VpnEcmpSupport": "enable",
            "DnsSupport": "enable",
            "MulticastSupport": "disable",
        },
        **(tag_list(row["tags"]) if row["at"][0] == row["account_id"] else {}),
    }
