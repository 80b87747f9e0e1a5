"""Targets of the organisation's proxies: a cluster with the instances in it, or a database of none."""

from __future__ import annotations

from typing import Any

from simulator.listings import Parent, rds_db_proxy
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBProxyTargets")
RESULT = "Targets"
TRUTH = "db_proxy_targets"
OF = Parent("DBProxyName", "db_proxy_name", rds_db_proxy.rows, "DBProxyNotFoundFault")


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of every proxy; one before no database has none."""
    return [
        {
            "arn": f"{proxy['arn']} {target.arn}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "db_proxy_name": proxy["db_proxy_name"],
            "target_arn": target.arn,
        }
        for proxy in rds_db_proxy.rows(network, account_id, region)
        for target in rds_db_proxy.targets(network, account_id, region)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without the ARN of the database, and a cluster without an endpoint."""
    kind, name = row["target_arn"].split(":")[5:]
    if kind == "cluster":
        return {"RdsResourceId": name, "TrackedClusterId": name, "Type": "TRACKED_CLUSTER", "Port": 5432}
    return {
        "RdsResourceId": name,
        "Type": "RDS_INSTANCE",
        "Port": 5432,
        "Endpoint": f"{name}.{row['account_id']}.{row['region']}.rds.amazonaws.com",
        "Role": "READ_WRITE",
        "TargetHealth": {"State": "UNAVAILABLE", "Reason": "AUTH_FAILURE", "Description": "The secret was refused."},
    }
