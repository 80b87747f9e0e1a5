"""Endpoints of the organisation's clusters: a writer's and a reader's of each."""

from __future__ import annotations

from typing import Any

from simulator.databases import estate_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBClusterEndpoints")
RESULT = "DBClusterEndpoints"
TRUTH = "db_cluster_endpoints"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of every cluster, Neptune's too."""
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:cluster-endpoint:{cluster.name}:{kind.lower()}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "cluster": cluster.name,
            "endpoint_type": kind,
        }
        for cluster in estate_of(network, account_id, region).clusters
        for kind in ("WRITER", "READER")
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: those that RDS made have neither a name nor an ARN."""
    read_only = "-ro" if row["endpoint_type"] == "READER" else ""
    return {
        "DBClusterIdentifier": row["cluster"],
        "Endpoint": f"{row['cluster']}.cluster{read_only}-{row['account_id']}.{row['region']}.rds.amazonaws.com",
        "Status": "available",
        "EndpointType": row["endpoint_type"],
    }
