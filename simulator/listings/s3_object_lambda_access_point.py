"""Object Lambda Access Points: one over every second access point that is open to the internet."""

from __future__ import annotations

from typing import Any

from simulator.listings import s3_access_point
from simulator.network import Network
from simulator.pages import Output
from simulator.world import digest

CALL = ("s3control", "ListAccessPointsForObjectLambda")
RESULT = "ObjectLambdaAccessPointList"
TRUTH = "object_lambda_access_points"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One in every second account, beside the access point that it stands on."""
    if network.world.numbers[account_id] % 2:
        return []
    return [
        {
            "arn": f"arn:aws:s3-object-lambda:{region}:{account_id}:accesspoint/redacted",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "object_lambda_access_point_name": "redacted",
        }
        for point in s3_access_point.rows(network, account_id, region)
        if not point["vpc_id"] and point["access_point_name"] == "partners"
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "Name": row["object_lambda_access_point_name"],
        "ObjectLambdaAccessPointArn": row["arn"],
        "Alias": {"Value": f"redacted-{digest('alias', row['arn'])[:20]}--ol-s3", "Status": "READY"},
    }
