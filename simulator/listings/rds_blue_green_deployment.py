"""Blue/green deployments: one where people made subnets."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import estate_of
from simulator.network import Network, made_id
from simulator.pages import Output

CALL = ("rds", "DescribeBlueGreenDeployments")
RESULT = "BlueGreenDeployments"
TRUTH = "blue_green_deployments"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One, where there is a database."""
    if not estate_of(network, account_id, region).instances:
        return []
    deployment_id = made_id("bgd", account_id, region)
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:deployment:{deployment_id}",
            "account_id": account_id,
            "region": region,
            "tags": {"Name": "upgrade"} if region == network.world.regions[0] else {},
            "blue_green_deployment_id": deployment_id,
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    database = f"arn:aws:rds:{row['region']}:{row['account_id']}:db:app"
    return {
        "BlueGreenDeploymentIdentifier": row["blue_green_deployment_id"],
        "BlueGreenDeploymentName": "upgrade",
        "Source": database,
        "Target": f"{database}-green-abcdef",
        "Status": "AVAILABLE",
        "CreateTime": dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC),
        "TagList": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
