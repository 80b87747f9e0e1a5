"""Who may connect to the organisation's endpoint services: an account and everybody, to the one that did not fail."""

from __future__ import annotations

from typing import Any

from simulator.listings import Parent, ec2_vpc_endpoint_service
from simulator.network import Network
from simulator.pages import Output

CALL = ("ec2", "DescribeVpcEndpointServicePermissions")
RESULT = "AllowedPrincipals"
TRUTH = "vpc_endpoint_service_permissions"
OF = Parent(
    "ServiceId", "vpc_endpoint_service_id", ec2_vpc_endpoint_service.rows, "InvalidVpcEndpointServiceId.NotFound"
)


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two of each service that is available."""
    return [
        {
            **service,
            # The truth tells rows apart by their ARN, and a permission has none.
            "arn": f"{service['arn']} {principal}",
            "relations": [],
            "principal": principal,
        }
        for service in ec2_vpc_endpoint_service.rows(network, account_id, region)
        if service["state"] == "Available"
        for principal in (f"arn:aws:iam::{account_id}:root", "*")
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "PrincipalType": "All" if row["principal"] == "*" else "Account",
        "Principal": row["principal"],
        "ServicePermissionId": f"vpce-svc-perm-{row['vpc_endpoint_service_id'][-17:]}",
        "ServiceId": row["vpc_endpoint_service_id"],
        "PermissionType": "vpc-endpoint",
    }
