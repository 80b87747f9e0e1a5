"""VPN concentrators: one of the hub, in its first region."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_transit_gateway
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeVpnConcentrators")
RESULT = "VpnConcentrators"
TRUTH = "vpn_concentrators"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """On the gateway that the account owns there."""
    if region != network.world.regions[0]:
        return []
    found = []
    for gateway in ec2_transit_gateway.rows(network, account_id, region):
        concentrator_id = made_id("vcn", gateway["transit_gateway_id"])
        row = network.owned(concentrator_id, (account_id, region), "vpn-concentrator", {"Name": "shops"})
        found.append(
            {
                **row,
                "vpn_concentrator_id": concentrator_id,
                "transit_gateway_id": gateway["transit_gateway_id"],
                "relations": [("attached_to", gateway["arn"])],
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "VpnConcentratorId": row["vpn_concentrator_id"],
        "State": "available",
        "TransitGatewayId": row["transit_gateway_id"],
        "TransitGatewayAttachmentId": made_id("tgw-attach", row["vpn_concentrator_id"]),
        "Type": "ipsec.1",
        **tag_list(row["tags"]),
    }
