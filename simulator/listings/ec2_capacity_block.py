"""Capacity blocks: one of the first workload account, which is over."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeCapacityBlocks")
RESULT = "CapacityBlocks"
TRUTH = "capacity_blocks"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []

    place = (account_id, region)
    block_id = made_id("cb", *place)
    row = network.owned(block_id, place, "capacity-block", {})
    return [{**row, "capacity_block_id": block_id, "state": "expired", "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "CapacityBlockId": row["capacity_block_id"],
        "State": row["state"],
        "AvailabilityZone": f"{row['region']}a",
        "CapacityReservationIds": [],
        "CreateDate": EPOCH + dt.timedelta(days=50),
        "StartDate": EPOCH + dt.timedelta(days=55),
        "EndDate": EPOCH + dt.timedelta(days=57),
        **tag_list(row["tags"]),
    }
