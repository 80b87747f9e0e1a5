"""Security groups that can be used in a further VPC: of the hub, in its own, and one of an earlier time."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("ec2", "DescribeSecurityGroupVpcAssociations")
RESULT = "SecurityGroupVpcAssociations"
TRUTH = "security_group_vpc_associations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The first group that people made, in each VPC but its own; in the last one it is not any more."""
    own = network.own(account_id, region)
    group = next((group for group in own.groups if not group.is_default), None)
    if group is None:
        return []
    others = [vpc for vpc in own.vpcs if vpc.resource_id != group.vpc_id]
    return [
        {
            **network.owned(group.resource_id, (account_id, region), "security-group"),
            # The truth tells rows apart by their ARN, and an association has none.
            "arn": f"{group.arn}:{vpc.resource_id}",
            "group_arn": group.arn,
            "group_id": group.resource_id,
            "vpc_id": vpc.resource_id,
            "vpc_arn": vpc.arn,
            "state": "disassociated" if vpc is others[-1] else "associated",
        }
        for vpc in others
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "GroupId": row["group_id"],
        "VpcId": row["vpc_id"],
        "VpcOwnerId": row["account_id"],
        "State": row["state"],
        "GroupOwnerId": row["account_id"],
    }
