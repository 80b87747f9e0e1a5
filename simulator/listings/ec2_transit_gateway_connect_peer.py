"""Connect peers: one of each transit gateway of the hub."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_transit_gateway, ec2_transit_gateway_attachment
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGatewayConnectPeers")
RESULT = "TransitGatewayConnectPeers"
TRUTH = "transit_gateway_connect_peers"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the gateways that the account owns, where something is attached."""
    found = []
    for gateway in ec2_transit_gateway.rows(network, account_id, region):
        attached = ec2_transit_gateway_attachment.rows(network, account_id, region)
        if attached:
            peer_id = made_id("tgw-connect-peer", gateway["transit_gateway_id"])
            row = network.owned(peer_id, (account_id, region), "transit-gateway-connect-peer", {})
            attachment_id = attached[0]["transit_gateway_attachment_id"]
            found.append({**row, "connect_peer_id": peer_id, "attachment_id": attachment_id, "relations": []})
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TransitGatewayConnectPeerId": row["connect_peer_id"],
        "TransitGatewayAttachmentId": row["attachment_id"],
        "State": "available",
        "CreationTime": EPOCH + dt.timedelta(days=7),
        "ConnectPeerConfiguration": {
            "TransitGatewayAddress": "10.1.0.9",
            "PeerAddress": "10.0.0.9",
            "InsideCidrBlocks": ["169.254.6.0/29"],
            "Protocol": "gre",
            "BgpConfigurations": [{"TransitGatewayAsn": 64512, "PeerAsn": 65001, "BgpStatus": "up"}],
        },
        **tag_list(row["tags"]),
    }
