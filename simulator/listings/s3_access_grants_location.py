"""Locations of S3 Access Grants: all buckets, and a part of the one with data."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.buckets import buckets_of
from simulator.listings import s3_access_grants_instance
from simulator.network import Network
from simulator.pages import Output

CALL = ("s3control", "ListAccessGrantsLocations")
RESULT = "AccessGrantsLocationsList"
TRUTH = "access_grants_locations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two of each instance."""
    found = []
    for instance in s3_access_grants_instance.rows(network, account_id, region):
        bucket = buckets_of(network, account_id, region, "data-")[0]
        for location_id, scope, arns in (
            ("default", "s3://", []),
            ("reports", f"s3://{bucket.name}/reports/*", [bucket]),
        ):
            found.append(
                {
                    **instance,
                    "arn": f"{instance['arn']}/location/{location_id}",
                    "access_grants_location_id": location_id,
                    "location_scope": scope,
                    "relations": [
                        ("contained_in", instance["arn"]),
                        *(("associated_with", one.arn) for one in arns),
                    ],
                }
            )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "CreatedAt": dt.datetime.fromisoformat(row["created_at"]),
        "AccessGrantsLocationId": row["access_grants_location_id"],
        "AccessGrantsLocationArn": row["arn"],
        "LocationScope": row["location_scope"],
        "IAMRoleArn": f"arn:aws:iam::{row['account_id']}:role/access-grants",
    }
