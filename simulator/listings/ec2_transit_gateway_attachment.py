"""Attachments of the organisation's transit gateways: networks of all accounts, the hub's VPN."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import Charge, ec2_transit_gateway, ec2_vpn_connection
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGatewayAttachments")
RESULT = "TransitGatewayAttachments"
TRUTH = "transit_gateway_attachments"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One of the first VPC that people made, but for every fifth place, which nobody attached yet."""
    hub = network.world.operations
    found = []
    for gateway in ec2_transit_gateway.rows(network, hub, region):
        vpcs = network.own(account_id, region).vpcs[:1]
        if account_id == hub or network.number(account_id, region) % 5 != 4:
            found += [_row(network, gateway, "vpc", vpc.row() | {"id": vpc.resource_id}) for vpc in vpcs]
        found += [
            _row(network, gateway, "vpn", connection | {"id": connection["vpn_connection_id"]})
            for connection in ec2_vpn_connection.rows(network, account_id, region)
            if connection["transit_gateway_id"]
        ]
    return found


def _row(network: Network, gateway: dict[str, Any], kind: str, attached: dict[str, Any]) -> dict[str, Any]:
    attachment_id = made_id("tgw-attach", gateway["transit_gateway_id"], attached["id"])
    place = (attached["account_id"], attached["region"])
    return {
        **network.owned(attachment_id, place, "transit-gateway-attachment", attached["tags"]),
        "transit_gateway_attachment_id": attachment_id,
        "transit_gateway_id": gateway["transit_gateway_id"],
        "transit_gateway_owner_id": gateway["account_id"],
        "route_table_id": gateway["route_table_id"],
        "attachment_type": kind,
        "attached_id": attached["id"],
        "relations": [("attached_to", gateway["arn"]), ("attached_to", attached["arn"])],
    }


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The owner of the transit gateway lists what all others attached."""
    if account_id != network.world.operations:
        return []
    accounts = (other for other in network.world.accounts if other != account_id)
    return [row for other in accounts for row in rows(network, other, region)]


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of the attachment, which its own account pays."""
    return [Charge("TransitGateway-Hours", 12_000_000_000, operation="TransitGatewayVPC")]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TransitGatewayAttachmentId": row["transit_gateway_attachment_id"],
        "TransitGatewayId": row["transit_gateway_id"],
        "TransitGatewayOwnerId": row["transit_gateway_owner_id"],
        "ResourceOwnerId": row["account_id"],
        "ResourceType": row["attachment_type"],
        "ResourceId": row["attached_id"],
        "State": "available",
        "Association": {"TransitGatewayRouteTableId": row["route_table_id"], "State": "associated"},
        "CreationTime": EPOCH + dt.timedelta(days=5),
        **(tag_list(row["tags"]) if row["at"][0] == row["account_id"] else {}),
    }
