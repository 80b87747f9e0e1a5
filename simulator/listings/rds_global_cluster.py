"""Global clusters of the organisation: one of each Aurora cluster of the first region."""

from __future__ import annotations

from typing import Any

from simulator.databases import estate_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeGlobalClusters")
RESULT = "GlobalClusters"
TRUTH = "global_clusters"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of Aurora's clusters in the first region alone."""
    if region != network.world.regions[0]:
        return []
    return [
        {
            "arn": f"arn:aws:rds::{account_id}:global-cluster:everywhere-{cluster.name}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "name": f"everywhere-{cluster.name}",
            "cluster_arn": cluster.arn,
            "engine": cluster.engine,
            "version": cluster.version,
        }
        for cluster in estate_of(network, account_id, region).clusters
        if cluster.engine != "neptune"
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "GlobalClusterIdentifier": row["name"],
        "GlobalClusterArn": row["arn"],
        "Status": "available",
        "Engine": row["engine"],
        "EngineVersion": row["version"],
        "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "StorageEncrypted": True,
        "DeletionProtection": False,
        "GlobalClusterMembers": [{"DBClusterArn": row["cluster_arn"], "IsWriter": True, "Readers": []}],
        "TagList": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
