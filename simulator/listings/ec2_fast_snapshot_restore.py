"""Fast restores of snapshots: one of the first workload account."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.ledger import OTHER
from simulator.listings import Charge
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.world import EPOCH

CALL = ("ec2", "DescribeFastSnapshotRestores")
RESULT = "FastSnapshotRestores"
TRUTH = "fast_snapshot_restores"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []

    snapshot_id = made_id("snap", account_id, region, "fast")
    row = network.owned(snapshot_id, (account_id, region), "snapshot", {})
    return [{**row, "snapshot_id": snapshot_id}]


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours in the zone for which it is enabled."""
    return [Charge("EBS:FastSnapshotRestore", 180_000_000_000, OTHER)]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "SnapshotId": row["snapshot_id"],
        "AvailabilityZone": f"{row['region']}a",
        "OwnerId": row["account_id"],
        "State": "enabled",
        "StateTransitionReason": "Client.UserInitiated - Lifecycle state transition",
        "EnablingTime": EPOCH + dt.timedelta(days=70),
        "EnabledTime": EPOCH + dt.timedelta(days=70, hours=1),
    }
