"""Reservations of dedicated hosts: one of the first workload account, for the host that it has, paid upfront."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_host
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeHostReservations")
RESULT = "HostReservationSet"
TRUTH = "host_reservations"

BOUGHT = EPOCH + dt.timedelta(days=730)
"""It was paid before the months that the bill still shows, so that each day's part is all that stands there."""

TERM = dt.timedelta(days=3 * 365)


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    found = []
    for host in ec2_host.rows(network, account_id, region):
        if host["state"] == "available":
            reservation_id = made_id("hr", host["host_id"])
            row = network.owned(reservation_id, (account_id, region), "host-reservation", {"Name": "m5"})
            found.append({**row, "host_reservation_id": reservation_id, "host_id": host["host_id"], "relations": []})
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "HostReservationId": row["host_reservation_id"],
        "State": "active",
        "InstanceFamily": "m5",
        "Count": 1,
        "HostIdSet": [row["host_id"]],
        "PaymentOption": "AllUpfront",
        "HourlyPrice": "0.000",
        "UpfrontPrice": "51377.400",
        "Duration": TERM.days * 86400,
        "Start": BOUGHT,
        "End": BOUGHT + TERM,
        **tag_list(row["tags"]),
    }
