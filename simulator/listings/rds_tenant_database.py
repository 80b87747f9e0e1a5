"""Tenant databases of the organisation: one of each database that people still call legacy."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import estate_of
from simulator.network import Network, made_id
from simulator.pages import Output

CALL = ("rds", "DescribeTenantDatabases")
RESULT = "TenantDatabases"
TRUTH = "tenant_databases"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the databases called legacy."""
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:tenant-database:{made_id('tdb', database.arn)}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "tenant_database_id": made_id("tdb", database.arn),
            "database": database.name,
        }
        for database in estate_of(network, account_id, region).instances
        if database.name.startswith("legacy")
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TenantDatabaseARN": row["arn"],
        "TenantDatabaseResourceId": row["tenant_database_id"],
        "TenantDBName": "HR",
        "DBInstanceIdentifier": row["database"],
        "Status": "available",
        "MasterUsername": "admin",
        "CharacterSetName": "AL32UTF8",
        "DeletionProtection": False,
        "TenantDatabaseCreateTime": dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC),
        "TagList": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
