"""Groups of S3 Storage Lens: two of the account whose tenants have buckets of their own."""

from __future__ import annotations

from typing import Any

from simulator.buckets import buckets_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("s3control", "ListStorageLensGroups")
RESULT = "StorageLensGroupList"
TRUTH = "storage_lens_groups"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two in the first region."""
    if region != network.world.regions[0] or not buckets_of(network, account_id, region, "tenant-"):
        return []
    return [
        {
            "arn": f"arn:aws:s3:{region}:{account_id}:storage-lens-group/{name}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "storage_lens_group_name": name,
        }
        for name in ("pictures", "older-than-a-year")
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "Name": row["storage_lens_group_name"],
        "StorageLensGroupArn": row["arn"],
        "HomeRegion": row["region"],
    }
