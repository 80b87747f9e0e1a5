"""Announcements of route tables: of each transit gateway of the hub the main one, to a partner."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_transit_gateway
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGatewayRouteTableAnnouncements")
RESULT = "TransitGatewayRouteTableAnnouncements"
TRUTH = "transit_gateway_route_table_announcements"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the gateways that the account owns."""
    found = []
    for gateway in ec2_transit_gateway.rows(network, account_id, region):
        announcement_id = made_id("tgw-rtb-ann", gateway["transit_gateway_id"])
        row = network.owned(announcement_id, (account_id, region), "transit-gateway-route-table-announcement", {})
        table = network.owned(gateway["route_table_id"], (account_id, region), "transit-gateway-route-table", {})
        found.append(
            {
                **row,
                "announcement_id": announcement_id,
                "transit_gateway_id": gateway["transit_gateway_id"],
                "route_table_id": gateway["route_table_id"],
                "relations": [("contained_in", gateway["arn"]), ("associated_with", table["arn"])],
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TransitGatewayRouteTableAnnouncementId": row["announcement_id"],
        "TransitGatewayId": row["transit_gateway_id"],
        "PeerTransitGatewayId": made_id("tgw", "of a partner"),
        "PeeringAttachmentId": made_id("tgw-attach", "to a partner"),
        "AnnouncementDirection": "outgoing",
        "TransitGatewayRouteTableId": row["route_table_id"],
        "State": "available",
        "CreationTime": EPOCH + dt.timedelta(days=8),
        **tag_list(row["tags"]),
    }
