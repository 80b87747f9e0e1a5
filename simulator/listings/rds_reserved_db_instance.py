"""Reserved DB instances: one where people made subnets."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import SERVICE
from simulator.listings import Charge
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeReservedDBInstances")
RESULT = "ReservedDBInstances"
TRUTH = "reserved_db_instances"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:ri:three-years",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "reserved_db_instance_id": "three-years",
        }
    ]


def charges(row: dict[str, Any]) -> list[Charge]:
    """The fee of each month, and each day's part of it, of which no database makes use."""
    day = 29_520_000_000
    same = Charge("HeavyUsage:db.m6g.large", day, SERVICE, "CreateDBInstance:0014", "RIFee")
    return [same._replace(rate=day * 365 // 12, mode="monthly"), same._replace(share="RIFee, unused")]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "ReservedDBInstanceId": row["reserved_db_instance_id"],
        "ReservedDBInstancesOfferingId": "438012d3-4052-4cc7-b2e3-8d3372e0e706",
        "DBInstanceClass": "db.m6g.large",
        "StartTime": dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC),
        "Duration": 3 * 365 * 86_400,
        "FixedPrice": 0.0,
        "UsagePrice": 0.0,
        "CurrencyCode": "USD",
        "DBInstanceCount": 1,
        "ProductDescription": "postgresql",
        "OfferingType": "No Upfront",
        "MultiAZ": False,
        "State": "active",
        "RecurringCharges": [{"RecurringChargeAmount": 0.123, "RecurringChargeFrequency": "Hourly"}],
        "ReservedDBInstanceArn": row["arn"],
    }
