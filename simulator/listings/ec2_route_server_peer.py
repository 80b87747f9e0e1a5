"""Peers of route servers: one of each endpoint."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_route_server_endpoint
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeRouteServerPeers")
RESULT = "RouteServerPeers"
TRUTH = "route_server_peers"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has an endpoint."""
    found = []
    for endpoint in ec2_route_server_endpoint.rows(network, account_id, region):
        peer_id = made_id("rsp", endpoint["route_server_endpoint_id"])
        row = network.owned(peer_id, (account_id, region), "route-server-peer", {})
        found.append(
            {
                **row,
                "route_server_peer_id": peer_id,
                "route_server_id": endpoint["route_server_id"],
                "route_server_endpoint_id": endpoint["route_server_endpoint_id"],
                "vpc_id": endpoint["vpc_id"],
                "relations": [],
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "RouteServerPeerId": row["route_server_peer_id"],
        "RouteServerEndpointId": row["route_server_endpoint_id"],
        "RouteServerId": row["route_server_id"],
        "VpcId": row["vpc_id"],
        "State": "available",
        "PeerAddress": "10.0.0.9",
        "BgpOptions": {"PeerAsn": 65001, "PeerLivenessDetection": "bgp-keepalive"},
        "BgpStatus": {"Status": "up"},
        **tag_list(row["tags"]),
    }
