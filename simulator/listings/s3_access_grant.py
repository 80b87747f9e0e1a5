"""Grants of S3 Access Grants: a role that reads reports, and a group of the directory that writes them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import s3_access_grants_location
from simulator.network import Network
from simulator.pages import Output

CALL = ("s3control", "ListAccessGrants")
RESULT = "AccessGrantsList"
TRUTH = "access_grants"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two of each location that is a part of a bucket."""
    found = []
    for location in s3_access_grants_location.rows(network, account_id, region):
        scope, location_id = location["location_scope"], location["access_grants_location_id"]
        instance, _, _ = location["arn"].partition("/location/")
        for grant_id, kind, grantee, permission in (
            ("reader", "IAM", f"arn:aws:iam::{account_id}:role/reader", "READ"),
            ("writers", "DIRECTORY_GROUP", "9067642ac7-8fbf5bb5-0a68-4e26-b5b1-0f8b36f0c1d2", "READWRITE"),
        ):
            if location_id == "default":
                continue
            found.append(
                {
                    "arn": f"{instance}/grant/{grant_id}",
                    "account_id": account_id,
                    "region": region,
                    "tags": {},
                    "created_at": "2026-11-02T09:00:00+00:00",
                    "access_grant_id": grant_id,
                    "access_grants_location_id": location_id,
                    "grantee_type": kind,
                    "grantee": grantee,
                    "permission": permission,
                    "grant_scope": scope.removesuffix("*") + "2026*",
                    "relations": [
                        ("contained_in", location["arn"]),
                        ("associated_with", f"arn:aws:s3:::{scope.split('/')[2]}"),
                    ],
                }
            )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "CreatedAt": dt.datetime.fromisoformat(row["created_at"]),
        "AccessGrantId": row["access_grant_id"],
        "AccessGrantArn": row["arn"],
        "Grantee": {"GranteeType": row["grantee_type"], "GranteeIdentifier": row["grantee"]},
        "Permission": row["permission"],
        "AccessGrantsLocationId": row["access_grants_location_id"],
        "AccessGrantsLocationConfiguration": {"S3SubPrefix": "2026*"},
        "GrantScope": row["grant_scope"],
        "ApplicationArn": f"arn:aws:sso::{row['account_id']}:application/ssoins-7223/apl-4ab1",
    }
