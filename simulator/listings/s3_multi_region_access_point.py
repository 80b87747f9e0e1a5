"""Multi-Region Access Points: one over the buckets of the tenants, in the account that has some."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.buckets import buckets_of
from simulator.network import Network
from simulator.pages import Output
from simulator.world import digest

CALL = ("s3control", "ListMultiRegionAccessPoints")
RESULT = "AccessPoints"
TRUTH = "multi_region_access_points"
HOME = "us-west-2"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One, over a bucket of each region; it has no region, and counts once, with the first."""
    buckets = [own[0] for place in network.world.regions if (own := buckets_of(network, account_id, place, "tenant-"))]
    if region != network.world.regions[0] or len(buckets) < 2:
        return []
    alias = f"m{digest('mrap', account_id)[:12]}.mrap"
    return [
        {
            "arn": f"arn:aws:s3::{account_id}:accesspoint/{alias}",
            "account_id": account_id,
            "region": "aws-global",
            "tags": {},
            "created_at": "2026-11-02T09:00:00+00:00",
            "multi_region_access_point_name": "tenants-everywhere",
            "alias": alias,
            "buckets": {bucket.name: bucket.region for bucket in buckets},
            "relations": [("attached_to", bucket.arn) for bucket in buckets],
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    settings = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {
        "Name": row["multi_region_access_point_name"],
        "Alias": row["alias"],
        "CreatedAt": dt.datetime.fromisoformat(row["created_at"]),
        "PublicAccessBlock": dict.fromkeys(settings, True),
        "Status": "READY",
        "Regions": [
            {"Bucket": name, "Region": region, "BucketAccountId": row["account_id"]}
            for name, region in row["buckets"].items()
        ],
    }
