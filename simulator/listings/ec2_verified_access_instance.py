"""Verified Access of the organisation: one instance of the hub in its first region."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeVerifiedAccessInstances")
RESULT = "VerifiedAccessInstances"
TRUTH = "verified_access_instances"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []
    instance_id = made_id("vai", account_id)
    row = network.owned(instance_id, (account_id, home), "verified-access-instance", {"Name": "staff"})
    return [{**row, "verified_access_instance_id": instance_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: times are text."""
    return {
        "VerifiedAccessInstanceId": row["verified_access_instance_id"],
        "Description": "",
        "VerifiedAccessTrustProviders": [
            {"VerifiedAccessTrustProviderId": "vatp-0123456789abcdef0", "TrustProviderType": "user"}
        ],
        "CreationTime": "2025-03-04T05:06:07",
        "LastUpdatedTime": "2025-03-04T05:06:07",
        "FipsEnabled": False,
        **tag_list(row["tags"]),
    }
