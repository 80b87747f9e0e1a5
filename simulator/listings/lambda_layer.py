"""Layers: one that functions share, where people made subnets."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("lambda", "ListLayers")
RESULT = "Layers"
TRUTH = "layers"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    return [
        {
            "arn": f"arn:aws:lambda:{region}:{account_id}:layer:shared",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "layer_name": "shared",
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "LayerName": row["layer_name"],
        "LayerArn": row["arn"],
        "LatestMatchingVersion": {
            "LayerVersionArn": f"{row['arn']}:3",
            "Version": 3,
            "Description": "what functions share",
            "CreatedDate": "2026-11-02T09:00:00.000+0000",
            "CompatibleRuntimes": ["python3.13", "python3.12"],
        },
    }
