"""The status of each volume of the organisation; with some AWS has lost touch."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.storage import given, storage_of
from simulator.world import EPOCH

CALL = ("ec2", "DescribeVolumeStatus")
RESULT = "VolumeStatuses"
TRUTH = "volume_statuses"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of every volume, whether or not it is attached."""
    return [
        {
            **volume.row(),
            "volume_id": volume.resource_id,
            "zone": volume.zone,
            "is_impaired": int(volume.resource_id[-2:], 16) % 13 == 0,
            "is_of_snapshot": bool(volume.snapshot_id),
        }
        for volume in storage_of(network).volumes(account_id, region)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: what is well has neither events nor actions."""
    is_impaired = row["is_impaired"]
    event_id = f"evol-{row['volume_id'][4:]}"
    kind = "potential-data-inconsistency"
    event = {"EventId": event_id, "EventType": kind, "Description": "No I/O", "NotBefore": EPOCH + dt.timedelta(days=9)}
    action = {"Code": "enable-volume-io", "Description": "Enable I/O", "EventId": event_id, "EventType": kind}
    return given(
        VolumeId=row["volume_id"],
        AvailabilityZone=row["zone"],
        VolumeStatus={
            "Status": "impaired" if is_impaired else "ok",
            "Details": [
                {"Name": "io-enabled", "Status": "failed" if is_impaired else "passed"},
                {"Name": "io-performance", "Status": "not-applicable"},
            ],
        },
        Events=[event] if is_impaired else [],
        Actions=[action] if is_impaired else [],
        InitializationStatusDetails={"InitializationType": "default", "Progress": 100}
        if row["is_of_snapshot"]
        else None,
    )
