"""SQL Server in two instances of the first workload account: one is active, the other its standby."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.world import EPOCH

CALL = ("ec2", "DescribeInstanceSqlHaStates")
RESULT = "Instances"
TRUTH = "instance_sql_ha_states"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of its first region the first two that run."""
    if account_id != network.first_workload or region != network.world.regions[0]:
        return []
    running = [one for one in network.world.instances(account_id, region) if one.state == "running"]
    return [
        {
            "arn": instance.arn,
            "account_id": account_id,
            "region": region,
            "instance_id": instance.instance_id,
            "ha_status": ha_status,
        }
        for instance, ha_status in zip(running, ("active", "standby"), strict=False)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "InstanceId": row["instance_id"],
        "SqlServerLicenseUsage": "waived" if row["ha_status"] == "standby" else "full",
        "HaStatus": row["ha_status"],
        "LastUpdatedTime": EPOCH + dt.timedelta(days=500),
    }
