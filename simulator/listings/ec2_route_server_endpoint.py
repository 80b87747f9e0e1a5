"""Endpoints of route servers: one in a subnet of the hub."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_route_server
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeRouteServerEndpoints")
RESULT = "RouteServerEndpoints"
TRUTH = "route_server_endpoints"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has a route server and a subnet."""
    found = []
    for server in ec2_route_server.rows(network, account_id, region):
        vpc = network.own(account_id, region).vpcs[0]
        endpoint_id = made_id("rse", server["route_server_id"])
        row = network.owned(endpoint_id, (account_id, region), "route-server-endpoint", {})
        found.append(
            {
                **row,
                "route_server_endpoint_id": endpoint_id,
                "route_server_id": server["route_server_id"],
                "vpc_id": vpc.resource_id,
                "relations": [("contained_in", vpc.arn)],
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "RouteServerId": row["route_server_id"],
        "RouteServerEndpointId": row["route_server_endpoint_id"],
        "VpcId": row["vpc_id"],
        "EniAddress": "10.0.0.7",
        "State": "available",
        **tag_list(row["tags"]),
    }
