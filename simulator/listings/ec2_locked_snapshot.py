"""Locked snapshots of the organisation: the oldest one of some accounts, so that it cannot be deleted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.storage import given, storage_of
from simulator.world import EPOCH

CALL = ("ec2", "DescribeLockedSnapshots")
RESULT = "Snapshots"
TRUTH = "locked_snapshots"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The first of every second account."""
    number = network.number(account_id, region) if region in network.world.regions else 1
    if number % 2:
        return []
    return [
        {**snapshot.row(), "snapshot_id": snapshot.resource_id, "is_compliance": number % 4 == 0}
        for snapshot in storage_of(network).snapshots(account_id, region)[:1]
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: only a lock for compliance cools off."""
    locked = EPOCH + dt.timedelta(days=400)
    return given(
        OwnerId=row["account_id"],
        SnapshotId=row["snapshot_id"],
        LockState="compliance" if row["is_compliance"] else "governance",
        LockDuration=3650,
        CoolOffPeriod=24 if row["is_compliance"] else None,
        CoolOffPeriodExpiresOn=locked + dt.timedelta(hours=24) if row["is_compliance"] else None,
        LockCreatedOn=locked,
        LockDurationStartTime=locked,
        LockExpiresOn=locked + dt.timedelta(days=3650),
    )
