"""Spot Fleet requests of the organisation: one that goes on, and one that was cancelled."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeSpotFleetRequests")
RESULT = "SpotFleetRequestConfigs"
TRUTH = "spot_fleets"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Both of the first workload account, in each region."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload:
        return []
    place = (account_id, region)
    found = []
    for state, tags in (("active", vpcs[0].tags), ("cancelled", {})):
        fleet_id = f"sfr-{uuid.uuid5(uuid.NAMESPACE_OID, made_id('sfr', *place, state))}"
        row = network.owned(fleet_id, place, "spot-fleet-request", tags)
        found.append({**row, "spot_fleet_request_id": fleet_id, "state": state, "relations": []})
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    is_active = row["state"] == "active"
    return {
        "SpotFleetRequestId": row["spot_fleet_request_id"],
        "SpotFleetRequestState": row["state"],
        "ActivityStatus": "fulfilled" if is_active else "pending_termination",
        "CreateTime": EPOCH + dt.timedelta(days=600),
        "SpotFleetRequestConfig": {
            "Type": "maintain",
            "AllocationStrategy": "priceCapacityOptimized",
            "TargetCapacity": 2,
            "OnDemandTargetCapacity": 0,
            "FulfilledCapacity": 2.0 if is_active else 0.0,
            "IamFleetRole": f"arn:aws:iam::{row['account_id']}:role/fleet",
            "LaunchSpecifications": [{"ImageId": "ami-0123456789abcdef0", "UserData": "bm90LWZvci1hbnlib2R5LWVsc2U="}],
        },
        **tag_list(row["tags"]),
    }
