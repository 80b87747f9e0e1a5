"""Capacity reservations for databases: one of the first workload account, in its first region."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output

CALL = ("rds", "DescribeDBCapacityReservations")
RESULT = "DBCapacityReservations"
TRUTH = "db_capacity_reservations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where it has networks."""
    is_there = account_id == network.first_workload and region == network.world.regions[0]
    if not is_there or not network.own(account_id, region).vpcs:
        return []
    reservation_id = made_id("dbcr", account_id)
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:capacity-reservation:{reservation_id}",
            "account_id": account_id,
            "region": region,
            "tags": {"Name": "peak"},
            "db_capacity_reservation_id": reservation_id,
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "DBCapacityReservationArn": row["arn"],
        "DBCapacityReservationIdentifier": row["db_capacity_reservation_id"],
        "DBCapacityReservationName": "peak",
        "DBInstanceClass": "db.r6g.large",
        "Engine": "postgres",
        "State": "active",
        "ReservedCapacityPerAvailabilityZone": 2,
        "AvailableCapacityPerAvailabilityZoneList": [{"AvailabilityZone": f"{row['region']}a", "AvailableCapacity": 2}],
        "StartDate": dt.datetime(2026, 3, 3, 9, tzinfo=dt.UTC),
        "TagList": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
