"""Policy tables: one of each transit gateway of the hub."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_transit_gateway
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGatewayPolicyTables")
RESULT = "TransitGatewayPolicyTables"
TRUTH = "transit_gateway_policy_tables"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the gateways that the account owns."""
    found = []
    for gateway in ec2_transit_gateway.rows(network, account_id, region):
        table_id = made_id("tgw-ptb", gateway["transit_gateway_id"])
        row = network.owned(table_id, (account_id, region), "transit-gateway-policy-table", {})
        relations = [("contained_in", gateway["arn"])]
        found.append(
            {
                **row,
                "policy_table_id": table_id,
                "transit_gateway_id": gateway["transit_gateway_id"],
                "relations": relations,
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TransitGatewayPolicyTableId": row["policy_table_id"],
        "TransitGatewayId": row["transit_gateway_id"],
        "State": "available",
        "CreationTime": EPOCH + dt.timedelta(days=6),
        **tag_list(row["tags"]),
    }
