"""Dedicated hosts of the organisation: two of the first workload account, one a Mac, and one that it released."""

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
    """All in the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []
    place = (account_id, region)
    found = []
    for state, family, tags in (("available", "m5", vpcs[0].tags), ("available", "mac2", {}), ("released", "m5", {})):
        host_id = made_id("h", *place, state, *(["mac"] if family == "mac2" else []))
        row = network.owned(host_id, place, "dedicated-host", tags)
        found.append({**row, "host_id": host_id, "state": state, "family": family, "relations": []})
    return found


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of a host that is there; a reservation covers what the one that is no Mac costs."""
    if row["state"] != "available":
        return []
    if row["family"] == "mac2":
        return [Charge("HostUsage:mac2", 650_000_000_000, COMPUTE, "RunInstances")]
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
            "InstanceType": "mac2.metal" if row["family"] == "mac2" else "m5.large",
            "InstanceFamily": row["family"],
            "Sockets": 2,
            "TotalVCpus": 96,
        },
        AvailableCapacity={"AvailableVCpus": 94} if is_there else None,
        Instances=[],
        AllocationTime=EPOCH + dt.timedelta(days=60),
        ReleaseTime=None if is_there else EPOCH + dt.timedelta(days=90),
    ) | tag_list(row["tags"])
