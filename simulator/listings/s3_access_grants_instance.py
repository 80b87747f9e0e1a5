"""Instances of S3 Access Grants: where every third account keeps data."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.buckets import buckets_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("s3control", "ListAccessGrantsInstances")
RESULT = "AccessGrantsInstancesList"
TRUTH = "access_grants_instances"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One."""
    if network.world.numbers[account_id] % 3 or not buckets_of(network, account_id, region, "data-"):
        return []
    return [
        {
            "arn": f"arn:aws:s3:{region}:{account_id}:access-grants/default",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "created_at": "2026-11-02T09:00:00+00:00",
            "access_grants_instance_id": "default",
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it, with the older member beside the newer ones."""
    application = f"arn:aws:sso::{row['account_id']}:application/ssoins-7223/apl-4ab1"
    return {
        "AccessGrantsInstanceId": row["access_grants_instance_id"],
        "AccessGrantsInstanceArn": row["arn"],
        "CreatedAt": dt.datetime.fromisoformat(row["created_at"]),
        "IdentityCenterArn": application,
        "IdentityCenterInstanceArn": "arn:aws:sso:::instance/ssoins-7223",
        "IdentityCenterApplicationArn": application,
    }
