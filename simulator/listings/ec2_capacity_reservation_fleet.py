"""Fleets of capacity reservations: one of the first workload account."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeCapacityReservationFleets")
RESULT = "CapacityReservationFleets"
TRUTH = "capacity_reservation_fleets"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []

    place = (account_id, region)
    fleet_id = made_id("crf", *place)
    row = network.owned(fleet_id, place, "capacity-reservation-fleet", vpcs[0].tags)
    return [{**row, "capacity_reservation_fleet_id": fleet_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "CapacityReservationFleetId": row["capacity_reservation_fleet_id"],
        "CapacityReservationFleetArn": row["arn"],
        "State": "active",
        "TotalTargetCapacity": 4,
        "TotalFulfilledCapacity": 4.0,
        "Tenancy": "default",
        "CreateTime": EPOCH + dt.timedelta(days=50),
        "InstanceTypeSpecifications": [],
        **tag_list(row["tags"]),
    }
