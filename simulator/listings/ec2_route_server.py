"""Route servers of the organisation: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeRouteServers")
RESULT = "RouteServers"
TRUTH = "route_servers"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []

    server_id = made_id("rs", account_id)
    row = network.owned(server_id, (account_id, home), "route-server", {"Name": "appliances"})
    return [{**row, "route_server_id": server_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "RouteServerId": row["route_server_id"],
        "AmazonSideAsn": 65000,
        "State": "available",
        "PersistRoutesState": "disabled",
        "SnsNotificationsEnabled": False,
        **tag_list(row["tags"]),
    }
