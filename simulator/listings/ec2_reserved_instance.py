"""Reserved instances of the organisation: what the ledger says that somebody bought, and a purchase that has ended."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeReservedInstances")
RESULT = "ReservedInstances"
TRUTH = "reserved_instances"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One for each instance that is paid for by a reservation; the first account has an old one, without tags."""
    found = [
        _row(network, (account_id, region), "m5.large", {"Name": "one year"}, "active", instance.instance_id)
        for instance in network.world.instances(account_id, region)
        if instance.purchase == "reserved"
    ]
    if found and account_id == network.first_workload:
        found.append(_row(network, (account_id, region), "m4.large", {}, "retired"))
    return found


def _row(
    network: Network,
    place: tuple[str, str],
    instance_type: str,
    tags: dict[str, str],
    state: str,
    bought_for: str = "",
) -> dict[str, Any]:
    purchase_id = str(uuid.uuid5(uuid.NAMESPACE_OID, made_id("ri", *place, instance_type, state, bought_for)))
    return {
        **network.owned(purchase_id, place, "reserved-instances", tags),
        "reserved_instances_id": purchase_id,
        "instance_type": instance_type,
        "state": state,
        "relations": [],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: prices are numbers of floating point."""
    years = 1 if row["state"] == "active" else 3
    start = EPOCH + dt.timedelta(days=1000 if row["state"] == "active" else -1000)
    return given(
        ReservedInstancesId=row["reserved_instances_id"],
        State=row["state"],
        InstanceType=row["instance_type"],
        InstanceCount=1,
        ProductDescription="Linux/UNIX",
        OfferingClass="standard",
        OfferingType="Partial Upfront",
        Scope="Region",
        InstanceTenancy="default",
        Duration=years * 365 * 86400,
        FixedPrice=250.0,
        UsagePrice=0.0,
        RecurringCharges=[{"Amount": 0.029, "Frequency": "Hourly"}],
        CurrencyCode="USD",
        Start=start,
        End=start + dt.timedelta(days=365 * years),
    ) | tag_list(row["tags"])
