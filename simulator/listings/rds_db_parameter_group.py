"""DB parameter groups of the organisation: two where people made subnets."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBParameterGroups")
RESULT = "DBParameterGroups"
TRUTH = "db_parameter_groups"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two that people made."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    names = ("app-postgres16", "reports-postgres16")
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:pg:{name}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "db_parameter_group_name": name,
        }
        for name in names
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "DBParameterGroupName": row["db_parameter_group_name"],
        "DBParameterGroupFamily": "postgres16",
        "Description": "made by hand",
        "DBParameterGroupArn": row["arn"],
    }
