"""VPN connections of the organisation: the hub's to its transit gateway, others to VPN gateways, one tunnel up."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import Charge, ec2_customer_gateway, ec2_transit_gateway, ec2_vpn_gateway
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeVpnConnections")
RESULT = "VpnConnections"
TRUTH = "vpn_connections"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One between each customer gateway that is there and AWS's side of the same place."""
    sides = ec2_transit_gateway.rows(network, account_id, region) or ec2_vpn_gateway.rows(network, account_id, region)
    return [
        _row(network, (account_id, region), customer, side)
        for customer in ec2_customer_gateway.rows(network, account_id, region)
        if customer["state"] == "available"
        for side in sides
    ]


def _row(network: Network, place: tuple[str, str], customer: dict[str, Any], side: dict[str, Any]) -> dict[str, Any]:
    connection_id = made_id("vpn", customer["customer_gateway_id"])
    return {
        **network.owned(connection_id, place, "vpn-connection", side["tags"]),
        "vpn_connection_id": connection_id,
        "customer_gateway_id": customer["customer_gateway_id"],
        "vpn_gateway_id": side.get("vpn_gateway_id"),
        "transit_gateway_id": side.get("transit_gateway_id"),
        "relations": [("attached_to", side["arn"]), ("associated_with", customer["arn"])],
    }


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of the connection."""
    return [Charge("VPN-Usage-Hours:ipsec.1", 12_000_000_000, operation="CreateVpnConnection")]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: with keys that nobody should keep."""
    secret = "not-for-anybody-else"
    tunnels = ("198.51.100.11", "198.51.100.12")
    return given(
        VpnConnectionId=row["vpn_connection_id"],
        State="available",
        Type="ipsec.1",
        Category="VPN",
        CustomerGatewayId=row["customer_gateway_id"],
        VpnGatewayId=row["vpn_gateway_id"],
        TransitGatewayId=row["transit_gateway_id"],
        GatewayAssociationState="associated",
        CustomerGatewayConfiguration=f"<vpn_connection><pre_shared_key>{secret}</pre_shared_key></vpn_connection>",
        Options={
            "EnableAcceleration": False,
            "StaticRoutesOnly": row["transit_gateway_id"] is None,
            "LocalIpv4NetworkCidr": "0.0.0.0/0",
            "RemoteIpv4NetworkCidr": "0.0.0.0/0",
            "TunnelInsideIpVersion": "ipv4",
            "TunnelOptions": [{"OutsideIpAddress": address, "PreSharedKey": secret} for address in tunnels],
        },
        Routes=[]
        if row["transit_gateway_id"]
        else [{"DestinationCidrBlock": "192.168.0.0/16", "State": "available", "Source": "Static"}],
        VgwTelemetry=[
            {
                "OutsideIpAddress": address,
                "Status": status,
                "StatusMessage": message,
                "AcceptedRouteCount": 1 if status == "UP" else 0,
                "LastStatusChange": EPOCH + dt.timedelta(days=100),
            }
            for address, status, message in zip(tunnels, ("UP", "DOWN"), ("", "IPSEC IS DOWN"), strict=True)
        ],
    ) | tag_list(row["tags"])
