"""Automated backups of the organisation's databases, and in some places of one that is gone."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import estate_of, key_arn
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given

CALL = ("rds", "DescribeDBInstanceAutomatedBackups")
RESULT = "DBInstanceAutomatedBackups"
TRUTH = "db_instance_automated_backups"

MADE_AT = dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC)


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of databases that keep backups and are of no cluster; of every third place one that outlived its database."""
    kept = [
        _row(database.name, database.resource_id, database.arn, database.engine, database.version, database.storage_gb)
        | {
            "status": "active",
            "retention_days": database.retention_days,
            "is_encrypted": database.is_encrypted,
            "tags": database.tags,
        }
        for database in estate_of(network, account_id, region).instances
        if database.retention_days and not database.cluster
    ]
    if kept and network.number(account_id, region) % 3 == 0:
        resource_id = "db-" + made_id("x", account_id, region, "retained")[2:].upper()
        arn = f"arn:aws:rds:{region}:{account_id}:db:old-shop"
        gone = _row("old-shop", resource_id, arn, "mysql", "8.0.35", 200)
        kept.append(gone | {"status": "retained", "retention_days": 35, "is_encrypted": True, "tags": {}})
    return [
        {
            **row,
            "arn": f"arn:aws:rds:{region}:{account_id}:auto-backup:ab-{row['source_resource_id'][3:].lower()}",
            "account_id": account_id,
            "region": region,
        }
        for row in kept
    ]


def _row(name: str, resource_id: str, arn: str, engine: str, version: str, storage_gb: int) -> dict[str, Any]:
    return {
        "source_name": name,
        "source_resource_id": resource_id,
        "source_arn": arn,
        "engine": engine,
        "version": version,
        "storage_gb": storage_gb,
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "DBInstanceAutomatedBackupsArn": row["arn"],
        "DBInstanceArn": row["source_arn"],
        "DBInstanceIdentifier": row["source_name"],
        "DbiResourceId": row["source_resource_id"],
        "Region": row["region"],
        "Status": row["status"],
        "Engine": row["engine"],
        "EngineVersion": row["version"],
        "AllocatedStorage": row["storage_gb"],
        "BackupRetentionPeriod": row["retention_days"],
        "Encrypted": row["is_encrypted"],
        **given(KmsKeyId=key_arn(row["account_id"], row["region"]) if row["is_encrypted"] else None),
        "RestoreWindow": {"EarliestTime": MADE_AT, "LatestTime": MADE_AT + dt.timedelta(days=1)},
        "InstanceCreateTime": MADE_AT,
        "TagList": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
