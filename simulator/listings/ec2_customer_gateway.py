"""Customer gateways of the organisation: the other end of each VPN connection, and one that was deleted a while ago."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_vpn_gateway
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list

CALL = ("ec2", "DescribeCustomerGateways")
RESULT = "CustomerGateways"
TRUTH = "customer_gateways"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One of each place with a VPN gateway; the hub has a second, which AWS lists although it is gone."""
    found = [
        _row(network, (account_id, region), "available", gateway["tags"])
        for gateway in ec2_vpn_gateway.rows(network, account_id, region)
    ]
    if found and account_id == network.world.operations:
        found.append(_row(network, (account_id, region), "deleted", {}))
    return found


def _row(network: Network, place: tuple[str, str], state: str, tags: dict[str, str]) -> dict[str, Any]:
    gateway_id = made_id("cgw", *place, state)
    row = network.owned(gateway_id, place, "customer-gateway", tags)
    return {**row, "customer_gateway_id": gateway_id, "state": state, "relations": []}


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return given(
        CustomerGatewayId=row["customer_gateway_id"],
        State=row["state"],
        Type="ipsec.1",
        IpAddress="203.0.113.7",
        BgpAsn="65000",
        DeviceName=None if row["tags"] else "office router",
    ) | tag_list(row["tags"])
