"""Automated backups of the organisation's Aurora clusters."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import estate_of, key_arn
from simulator.network import Network
from simulator.pages import Output
from simulator.storage import given

CALL = ("rds", "DescribeDBClusterAutomatedBackups")
RESULT = "DBClusterAutomatedBackups"
TRUTH = "db_cluster_automated_backups"

MADE_AT = dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC)


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of every cluster of Aurora."""
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:cluster-auto-backup:ab-{cluster.resource_id[8:].lower()}",
            "account_id": account_id,
            "region": region,
            "tags": cluster.tags,
            "source_name": cluster.name,
            "source_resource_id": cluster.resource_id,
            "source_arn": cluster.arn,
            "engine": cluster.engine,
            "version": cluster.version,
            "storage_gb": 1,
            "status": "active",
            "retention_days": 7,
            "is_encrypted": True,
        }
        for cluster in estate_of(network, account_id, region).clusters
        if cluster.engine != "neptune"
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "DBClusterAutomatedBackupsArn": row["arn"],
        "DBClusterArn": row["source_arn"],
        "DBClusterIdentifier": row["source_name"],
        "DbClusterResourceId": row["source_resource_id"],
        "Region": row["region"],
        "Status": row["status"],
        "Engine": row["engine"],
        "EngineVersion": row["version"],
        "AllocatedStorage": row["storage_gb"],
        "BackupRetentionPeriod": row["retention_days"],
        "StorageEncrypted": row["is_encrypted"],
        **given(KmsKeyId=key_arn(row["account_id"], row["region"]) if row["is_encrypted"] else None),
        "RestoreWindow": {"EarliestTime": MADE_AT, "LatestTime": MADE_AT + dt.timedelta(days=1)},
        "ClusterCreateTime": MADE_AT,
        "TagList": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
