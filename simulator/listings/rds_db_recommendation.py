"""Recommendations of RDS for the organisation's databases: one of each that is not encrypted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import estate_of
from simulator.network import Network, made_id
from simulator.pages import Output

CALL = ("rds", "DescribeDBRecommendations")
RESULT = "DBRecommendations"
TRUTH = "db_recommendations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of databases that are not encrypted."""
    return [
        {
            "arn": database.arn,
            "account_id": account_id,
            "region": region,
            "tags": {},
            "recommendation_id": made_id("rec", database.arn),
        }
        for database in estate_of(network, account_id, region).instances
        if not database.is_encrypted
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "RecommendationId": row["recommendation_id"],
        "TypeId": "config_recommendation::encryption_at_rest",
        "Severity": "medium",
        "ResourceArn": row["arn"],
        "Status": "active",
        "Category": "security",
        "TypeDetection": "**[resource-count] resources** are not encrypted",
        "TypeRecommendation": "Encrypt them",
        "CreatedTime": dt.datetime(2026, 10, 3, 9, tzinfo=dt.UTC),
        "UpdatedTime": dt.datetime(2026, 10, 3, 9, tzinfo=dt.UTC),
    }
