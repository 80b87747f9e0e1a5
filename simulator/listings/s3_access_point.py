"""Access points of buckets: one that is open to the internet, and one of a vault that is open to a VPC alone."""

from __future__ import annotations

from typing import Any

from simulator.buckets import buckets_of
from simulator.network import Network
from simulator.pages import Output
from simulator.world import digest

CALL = ("s3control", "ListAccessPoints")
RESULT = "AccessPointList"
TRUTH = "access_points"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One of each bucket with data, and one of each vault, from the first VPC where people made some."""
    vpcs = network.own(account_id, region).vpcs
    found: list[dict[str, Any]] = []
    for kind, name in (("data", "partners"), ("vault", "auditors")):
        for bucket in buckets_of(network, account_id, region, f"{kind}-"):
            vpc = vpcs[0] if vpcs and kind == "vault" else None
            found.append(
                {
                    "arn": f"arn:aws:s3:{region}:{account_id}:accesspoint/{name}",
                    "account_id": account_id,
                    "region": region,
                    "tags": {},
                    "access_point_name": name,
                    "bucket_name": bucket.name,
                    "vpc_id": vpc.resource_id if vpc else None,
                    "relations": [
                        ("attached_to", bucket.arn),
                        *([("associated_with", vpc.arn)] if vpc else []),
                    ],
                }
            )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "Name": row["access_point_name"],
        "NetworkOrigin": "VPC" if row["vpc_id"] else "Internet",
        **({"VpcConfiguration": {"VpcId": row["vpc_id"]}} if row["vpc_id"] else {}),
        "Bucket": row["bucket_name"],
        "AccessPointArn": row["arn"],
        "Alias": f"{row['access_point_name']}-{digest('alias', row['arn'])[:34]}-s3alias",
        "BucketAccountId": row["account_id"],
    }
