"""Dashboards of S3 Storage Lens: the one that AWS made for each account with buckets, in the first region."""

from __future__ import annotations

from typing import Any

from simulator.buckets import buckets_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("s3control", "ListStorageLensConfigurations")
RESULT = "StorageLensConfigurationList"
TRUTH = "storage_lens_configurations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One in the first region."""
    if region != network.world.regions[0] or not buckets_of(network, account_id, region):
        return []
    return [
        {
            "arn": f"arn:aws:s3:{region}:{account_id}:storage-lens/default-account-dashboard",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "storage_lens_configuration_id": "default-account-dashboard",
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "Id": row["storage_lens_configuration_id"],
        "StorageLensArn": row["arn"],
        "HomeRegion": row["region"],
        "IsEnabled": True,
    }
