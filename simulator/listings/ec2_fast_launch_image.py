"""Windows images of the organisation that start faster: each of its own."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.storage import storage_of
from simulator.world import EPOCH

CALL = ("ec2", "DescribeFastLaunchImages")
RESULT = "FastLaunchImages"
TRUTH = "fast_launch_images"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the images that can still be used."""
    return [
        {**image.row(), "image_id": image.resource_id}
        for image in storage_of(network).images(account_id, region)
        if image.is_windows and image.state == "available"
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "ImageId": row["image_id"],
        "ResourceType": "snapshot",
        "SnapshotConfiguration": {"TargetResourceCount": 5},
        "MaxParallelLaunches": 6,
        "OwnerId": row["account_id"],
        "State": "enabled",
        "StateTransitionReason": "Client.UserInitiated - Lifecycle state transition",
        "StateTransitionTime": EPOCH + dt.timedelta(days=300),
    }
