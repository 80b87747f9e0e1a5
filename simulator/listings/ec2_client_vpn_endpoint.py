"""Client VPN endpoints of the organisation: one of the hub in each region, one that nobody can connect to yet."""

from __future__ import annotations

from typing import Any

from simulator.listings import Charge
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list

CALL = ("ec2", "DescribeClientVpnEndpoints")
RESULT = "ClientVpnEndpoints"
TRUTH = "client_vpn_endpoints"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub's is associated with its first VPC, with that VPC's default group."""
    own = network.own(account_id, region)
    if account_id != network.world.operations or not own.vpcs:
        return []
    vpc = own.vpcs[0]
    group = next(group for group in own.groups if group.vpc_id == vpc.resource_id and group.is_default)
    place = (account_id, region)
    ids = {state: made_id("cvpn-endpoint", *place, state) for state in ("available", "pending-associate")}
    return [
        {
            **network.owned(endpoint_id, place, "client-vpn-endpoint", vpc.tags if state == "available" else {}),
            "client_vpn_endpoint_id": endpoint_id,
            "state": state,
            "vpc_id": vpc.resource_id if state == "available" else None,
            "security_group_ids": [group.resource_id] if state == "available" else [],
            "relations": [("attached_to", vpc.arn), ("associated_with", group.arn)] if state == "available" else [],
        }
        for state, endpoint_id in ids.items()
    ]


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of an endpoint that is associated with a subnet; one without is free."""
    is_associated = row["state"] == "available"
    return [Charge("ClientVPN-EndpointHours", 24_000_000_000, operation="ClientVPNEndpoints")] if is_associated else []


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: times are text."""
    endpoint_id = row["client_vpn_endpoint_id"]
    return given(
        ClientVpnEndpointId=endpoint_id,
        Description="people at home",
        Status={"Code": row["state"]},
        CreationTime="2025-03-04T05:06:07",
        DnsName=f"*.{endpoint_id}.prod.clientvpn.{row['region']}.amazonaws.com",
        ClientCidrBlock="10.240.0.0/22",
        DnsServers=[],
        SplitTunnel=True,
        VpnProtocol="openvpn",
        TransportProtocol="udp",
        VpnPort=443,
        ServerCertificateArn=f"arn:aws:acm:{row['region']}:{row['account_id']}:certificate/1",
        AuthenticationOptions=[{"Type": "federated-authentication"}],
        ConnectionLogOptions={"Enabled": True, "CloudwatchLogGroup": "people"},
        SecurityGroupIds=row["security_group_ids"],
        VpcId=row["vpc_id"],
    ) | tag_list(row["tags"])
