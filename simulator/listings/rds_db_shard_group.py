"""Shard groups of the organisation: one of each Aurora cluster."""

from __future__ import annotations

from typing import Any

from simulator.databases import estate_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBShardGroups")
RESULT = "DBShardGroups"
TRUTH = "db_shard_groups"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of Aurora alone."""
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:shard-group:shardgroup-{cluster.resource_id[8:].lower()}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "name": f"shards-of-{cluster.name}",
            "cluster": cluster.name,
        }
        for cluster in estate_of(network, account_id, region).clusters
        if cluster.engine != "neptune"
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "DBShardGroupArn": row["arn"],
        "DBShardGroupIdentifier": row["name"],
        "DBClusterIdentifier": row["cluster"],
        "Status": "available",
        "MinACU": 16.0,
        "MaxACU": 64.0,
        "ComputeRedundancy": 0,
        "PubliclyAccessible": False,
        "Endpoint": f"{row['name']}.shardgrp-{row['account_id']}.{row['region']}.rds.amazonaws.com",
        "TagList": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
