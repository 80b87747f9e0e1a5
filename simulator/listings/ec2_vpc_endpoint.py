"""VPC endpoints of the organisation: a gateway endpoint of S3 for each VPC, and some interface endpoints."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import Charge
from simulator.network import Interface, Network, Vpc, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeVpcEndpoints")
RESULT = "VpcEndpoints"
TRUTH = "vpc_endpoints"

INTERFACE = "VPC Endpoint Interface"
"""What the description of an endpoint's network interface begins with."""


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """S3's endpoint in each VPC that people made, and one for each interface that says that it is of an endpoint."""
    own = network.own(account_id, region)
    vpcs = {vpc.resource_id: vpc for vpc in own.vpcs}
    found = [_row(network, vpc, None) for vpc in own.vpcs]
    found += [
        _row(network, vpcs[interface.vpc_id], interface)
        for interface in own.interfaces
        if interface.description.startswith(INTERFACE)
    ]
    return found


def _row(network: Network, vpc: Vpc, interface: Interface | None) -> dict[str, Any]:
    endpoint_id = made_id("vpce", vpc.resource_id, interface.resource_id if interface else "s3")
    place = (vpc.account_id, vpc.region)
    start = vpc.arn.partition(":vpc/")[0]
    row = {
        # People tag what costs them something, and forget the others.
        **network.owned(endpoint_id, place, "vpc-endpoint", {"Name": "secrets", **vpc.tags} if interface else {}),
        "vpc_endpoint_id": endpoint_id,
        "endpoint_type": "Interface" if interface else "Gateway",
        "service_name": f"com.amazonaws.{vpc.region}.{'secretsmanager' if interface else 's3'}",
        "vpc_id": vpc.resource_id,
        "subnet_ids": [interface.subnet_id] if interface else [],
        "security_group_ids": sorted(interface.group_ids) if interface else [],
        "network_interface_ids": [interface.resource_id] if interface else [],
    }
    row["relations"] = [
        ("contained_in", vpc.arn),
        *(("attached_to", f"{start}:subnet/{subnet_id}") for subnet_id in row["subnet_ids"]),
        *(("associated_with", f"{start}:security-group/{group_id}") for group_id in row["security_group_ids"]),
        *(("associated_with", f"{start}:network-interface/{other}") for other in row["network_interface_ids"]),
    ]
    return row


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of an interface endpoint; a gateway endpoint is free."""
    is_interface = row["endpoint_type"] == "Interface"
    return [Charge("VpcEndpoint-Hours", 2_400_000_000, operation="VpcEndpoint")] if is_interface else []


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    is_interface = row["endpoint_type"] == "Interface"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    return given(
        VpcEndpointId=row["vpc_endpoint_id"],
        VpcEndpointType=row["endpoint_type"],
        VpcId=row["vpc_id"],
        ServiceName=row["service_name"],
        ServiceRegion=row["region"],
        # AWS writes it small, whatever its documentation says.
        State="available",
        PolicyDocument=str({"Statement": [statement]}).replace("'", '"'),
        RouteTableIds=[] if is_interface else [made_id("rtb", row["vpc_id"], "main")],
        SubnetIds=row["subnet_ids"],
        Groups=[{"GroupId": group_id, "GroupName": "endpoints"} for group_id in row["security_group_ids"]],
        NetworkInterfaceIds=row["network_interface_ids"],
        IpAddressType="ipv4" if is_interface else None,
        PrivateDnsEnabled=is_interface,
        RequesterManaged=False,
        DnsEntries=[{"DnsName": f"{row['vpc_endpoint_id']}.{row['region']}.vpce.amazonaws.com", "HostedZoneId": "Z1"}]
        if is_interface
        else [],
        CreationTimestamp=EPOCH + dt.timedelta(days=40),
        OwnerId=row["account_id"],
    ) | tag_list(row["tags"])
