"""Route tables of the organisation's transit gateways: the default one of each, and one for inspection."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_transit_gateway
from simulator.network import INSPECTION, Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGatewayRouteTables")
RESULT = "TransitGatewayRouteTables"
TRUTH = "transit_gateway_route_tables"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two of each transit gateway of the account: AWS made the first, which has no tags."""
    return [
        {
            **network.owned(table_id, (account_id, region), "transit-gateway-route-table", tags),
            "transit_gateway_route_table_id": table_id,
            "transit_gateway_id": gateway["transit_gateway_id"],
            "is_default": not tags,
            "relations": [("contained_in", gateway["arn"])],
        }
        for gateway in ec2_transit_gateway.rows(network, account_id, region)
        for table_id, tags in (
            (gateway["route_table_id"], {}),
            (made_id("tgw-rtb", gateway["transit_gateway_id"], INSPECTION), {"Name": INSPECTION}),
        )
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TransitGatewayRouteTableId": row["transit_gateway_route_table_id"],
        "TransitGatewayId": row["transit_gateway_id"],
        "State": "available",
        "DefaultAssociationRouteTable": row["is_default"],
        "DefaultPropagationRouteTable": row["is_default"],
        "CreationTime": EPOCH + dt.timedelta(days=3),
        **tag_list(row["tags"]),
    }
