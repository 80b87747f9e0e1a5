"""Fleets of the organisation: one of the first workload account, and one that it deleted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeFleets")
RESULT = "Fleets"
TRUTH = "fleets"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Both in the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []

    place = (account_id, region)
    found = []
    for state, tags in (("active", vpcs[0].tags), ("deleted", {})):
        fleet_id = made_id("fleet", *place, state)
        row = network.owned(fleet_id, place, "fleet", tags)
        found.append({**row, "fleet_id": fleet_id, "state": state, "relations": []})
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "FleetId": row["fleet_id"],
        "FleetState": row["state"],
        "ActivityStatus": "fulfilled",
        "Type": "maintain",
        "CreateTime": EPOCH + dt.timedelta(days=40),
        "FulfilledCapacity": 2.0,
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": 2,
            "OnDemandTargetCapacity": 1,
            "SpotTargetCapacity": 1,
            "DefaultTargetCapacityType": "spot",
        },
        "ReplaceUnhealthyInstances": False,
        **tag_list(row["tags"]),
    }
