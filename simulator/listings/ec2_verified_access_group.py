"""Verified Access groups of the organisation: one of the hub, which the first workload account shares."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_verified_access_instance
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeVerifiedAccessGroups")
RESULT = "VerifiedAccessGroups"
TRUTH = "verified_access_groups"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One of each instance."""
    found = []
    for instance in ec2_verified_access_instance.rows(network, account_id, region):
        group_id = made_id("vagr", instance["verified_access_instance_id"])
        row = network.owned(group_id, (account_id, region), "verified-access-group", {})
        found.append(
            {
                **row,
                "verified_access_group_id": group_id,
                "verified_access_instance_id": instance["verified_access_instance_id"],
                "relations": [("contained_in", instance["arn"])],
            }
        )
    return found


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS RAM shows the hub's to the first workload account."""
    return rows(network, network.world.operations, region) if account_id == network.first_workload else []


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: times are text."""
    return {
        "VerifiedAccessGroupId": row["verified_access_group_id"],
        "VerifiedAccessInstanceId": row["verified_access_instance_id"],
        "Description": "",
        "Owner": row["account_id"],
        "VerifiedAccessGroupArn": row["arn"],
        "CreationTime": "2025-03-04T05:06:07",
        "LastUpdatedTime": "2025-03-04T05:06:07",
        "SseSpecification": {"CustomerManagedKeyEnabled": False},
        **tag_list(row["tags"]),
    }
