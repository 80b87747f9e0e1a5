"""Dedicated hosts of the organisation: one of the first workload account, and one that it released."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.ledger import COMPUTE
from simulator.listings import Charge
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeHosts")
RESULT = "Hosts"
TRUTH = "hosts"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Both in the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []
    place = (account_id, region)
    found = []
    for state, tags in (("available", vpcs[0].tags), ("released", {})):
        host_id = made_id("h", *place, state)
        row = network.owned(host_id, place, "dedicated-host", tags)
        found.append({**row, "host_id": host_id, "state": state, "relations": []})
    return found


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of a host that is there, of which a reservation covers what it costs."""
    if row["state"] != "available":
        return []
    return [Charge("ReservedHostUsage:m5", 782_000_000_000, COMPUTE, "RunInstances", "DiscountedUsage")]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: what was released has no capacity."""
    is_there = row["state"] == "available"
    return given(
        HostId=row["host_id"],
        OwnerId=row["account_id"],
        State=row["state"],
        AvailabilityZone=f"{row['region']}a",
        AutoPlacement="on",
        HostRecovery="off",
        HostProperties={
            "Cores": 48,
            "InstanceType": "m5.large",
            "InstanceFamily": "m5",
            "Sockets": 2,
            "TotalVCpus": 96,
        },
        AvailableCapacity={"AvailableVCpus": 94} if is_there else None,
        Instances=[],
        AllocationTime=EPOCH + dt.timedelta(days=60),
        ReleaseTime=None if is_there else EPOCH + dt.timedelta(days=90),
    ) | tag_list(row["tags"])
