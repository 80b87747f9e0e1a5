"""DB cluster parameter groups of the organisation: two where people made subnets."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBClusterParameterGroups")
RESULT = "DBClusterParameterGroups"
TRUTH = "db_cluster_parameter_groups"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two that people made."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    names = ("app-aurora", "reports-aurora")
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:cluster-pg:{name}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "db_cluster_parameter_group_name": name,
        }
        for name in names
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "DBClusterParameterGroupName": row["db_cluster_parameter_group_name"],
        "DBParameterGroupFamily": "aurora-postgresql16",
        "Description": "made by hand",
        "DBClusterParameterGroupArn": row["arn"],
    }
