"""Zero-ETL integrations of the organisation: one of each Aurora cluster, whose copy goes to its own account."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from simulator.databases import estate_of
from simulator.network import Network
from simulator.pages import Output
from simulator.world import digest

CALL = ("rds", "DescribeIntegrations")
RESULT = "Integrations"
TRUTH = "integrations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of Aurora alone."""
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:integration:"
            f"{uuid.UUID(digest('integration', cluster.resource_id)[:32])}",
            "account_id": account_id,
            "region": region,
            "tags": cluster.tags,
            "source_arn": cluster.arn,
        }
        for cluster in estate_of(network, account_id, region).clusters
        if cluster.engine != "neptune"
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "IntegrationArn": row["arn"],
        "IntegrationName": "to-warehouse",
        "SourceArn": row["source_arn"],
        "TargetArn": f"arn:aws:redshift-serverless:{row['region']}:{row['account_id']}:namespace/{row['account_id']}",
        "Status": "active",
        "CreateTime": dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC),
        "Tags": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
