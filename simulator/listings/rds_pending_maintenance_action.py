"""Pending maintenance: an update of a database, where people made subnets."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import estate_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribePendingMaintenanceActions")
RESULT = "PendingMaintenanceActions"
TRUTH = "pending_maintenance_actions"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One action of one database."""
    if not estate_of(network, account_id, region).instances:
        return []
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:db:app",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "action": "system-update",
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    at = dt.datetime(2026, 12, 24, 9, tzinfo=dt.UTC)
    return {
        "ResourceIdentifier": row["arn"],
        "PendingMaintenanceActionDetails": [
            {"Action": row["action"], "AutoAppliedAfterDate": at, "CurrentApplyDate": at, "Description": "New update"}
        ],
    }
