"""Capacity reservations of the organisation: one of the hub, shared with the first workload account, and ended ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.ledger import COMPUTE
from simulator.listings import Charge
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeCapacityReservations")
RESULT = "CapacityReservations"
TRUTH = "capacity_reservations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub's in each region; a workload's of every fourth place was cancelled, and has no tags."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs:
        return []
    if account_id == network.world.operations:
        return [_row(network, (account_id, region), "active", vpcs[0].tags)]
    return [_row(network, (account_id, region), "cancelled", {})] if network.number(account_id, region) % 4 == 0 else []


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS RAM shows the hub's to the first workload account."""
    return rows(network, network.world.operations, region) if account_id == network.first_workload else []


def _row(network: Network, place: tuple[str, str], state: str, tags: dict[str, str]) -> dict[str, Any]:
    reservation_id = made_id("cr", *place)
    row = network.owned(reservation_id, place, "capacity-reservation", tags)
    return {**row, "capacity_reservation_id": reservation_id, "state": state, "relations": []}


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of what is reserved and not used."""
    if row["state"] != "active":
        return []
    return [Charge("UnusedBox:m5.large", 23_040_000_000, COMPUTE, "RunInstances")]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    is_active = row["state"] == "active"
    return given(
        CapacityReservationId=row["capacity_reservation_id"],
        OwnerId=row["account_id"],
        CapacityReservationArn=row["arn"],
        InstanceType="m5.large",
        InstancePlatform="Linux/UNIX",
        AvailabilityZone=f"{row['region']}a",
        Tenancy="default",
        TotalInstanceCount=4 if is_active else 0,
        AvailableInstanceCount=3 if is_active else 0,
        EbsOptimized=False,
        EphemeralStorage=False,
        State=row["state"],
        EndDateType="unlimited" if is_active else "limited",
        EndDate=None if is_active else EPOCH + dt.timedelta(days=400),
        InstanceMatchCriteria="open",
        ReservationType="default",
        CreateDate=EPOCH + dt.timedelta(days=300),
    ) | (tag_list(row["tags"]) if row["at"][0] == row["account_id"] else {})
