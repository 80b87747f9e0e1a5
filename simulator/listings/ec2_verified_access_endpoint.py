"""Verified Access endpoints of the organisation: one of the hub, and one of the account that shares its group."""

from __future__ import annotations

from typing import Any

from simulator.listings import Charge, ec2_verified_access_group
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeVerifiedAccessEndpoints")
RESULT = "VerifiedAccessEndpoints"
TRUTH = "verified_access_endpoints"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Each with the first security group of its network that is not the default one."""
    own = network.own(account_id, region)
    groups = [group for group in own.groups if not group.is_default]
    found = []
    for access in (
        *ec2_verified_access_group.rows(network, account_id, region),
        *ec2_verified_access_group.others(network, account_id, region),
    ):
        if groups:
            endpoint_id = made_id("vae", account_id, access["verified_access_group_id"])
            tags = own.vpcs[0].tags
            row = network.owned(endpoint_id, (account_id, region), "verified-access-endpoint", tags)
            found.append(
                {
                    **row,
                    "verified_access_endpoint_id": endpoint_id,
                    "verified_access_group_id": access["verified_access_group_id"],
                    "verified_access_instance_id": access["verified_access_instance_id"],
                    "security_group_ids": [groups[0].resource_id],
                    "relations": [("contained_in", access["arn"]), ("associated_with", groups[0].arn)],
                }
            )
    return found


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of the application, which the simulated AWS bills to the account of the endpoint."""
    return [Charge("VerifiedAccess-App-Hours", 64_800_000_000)]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: times are text."""
    balancer = (
        f"arn:aws:elasticloadbalancing:{row['region']}:{row['account_id']}:loadbalancer/app/staff/50dc6c495c0c9188"
    )
    return {
        "VerifiedAccessEndpointId": row["verified_access_endpoint_id"],
        "VerifiedAccessGroupId": row["verified_access_group_id"],
        "VerifiedAccessInstanceId": row["verified_access_instance_id"],
        "ApplicationDomain": "staff.example.com",
        "EndpointType": "load-balancer",
        "AttachmentType": "vpc",
        "EndpointDomain": f"staff.edge-0123456789abcdef0.vai-0.prod.verified-access.{row['region']}.amazonaws.com",
        "SecurityGroupIds": row["security_group_ids"],
        "LoadBalancerOptions": {"Protocol": "https", "Port": 443, "LoadBalancerArn": balancer, "SubnetIds": []},
        "Status": {"Code": "active"},
        "Description": "",
        "CreationTime": "2025-03-04T05:06:07",
        "LastUpdatedTime": "2025-03-04T05:06:07",
        **tag_list(row["tags"]),
    }
