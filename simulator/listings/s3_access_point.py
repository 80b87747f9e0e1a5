"""Access points: one of a bucket, open to the internet, and of a vault and of a file system, open to a VPC alone."""

from __future__ import annotations

from typing import Any

from simulator.buckets import buckets_of
from simulator.network import Network
from simulator.pages import Output
from simulator.world import digest

CALL = ("s3control", "ListAccessPoints")
RESULT = "AccessPointList"
TRUTH = "access_points"
FILTERS = {"DataSourceType": "ALL"}
FILE_SYSTEM = "FSX_OPENZFS"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One of each bucket with data; of each vault one, and one of a file system, from the first VPC people made."""
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
                    "data_source_type": None,
                }
            )
            if vpc:
                name = f"{name}-files"
                arn = f"arn:aws:s3:{region}:{account_id}:accesspoint/{name}"
                relations = [("associated_with", vpc.arn)]
                of_files = {"arn": arn, "access_point_name": name, "bucket_name": None, "relations": relations}
                found.append({**found[-1], **of_files, "data_source_type": FILE_SYSTEM})
    return found


def is_hidden(row: dict[str, Any]) -> bool:
    """Those of file systems are."""
    return row["data_source_type"] is not None


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "Name": row["access_point_name"],
        "NetworkOrigin": "VPC" if row["vpc_id"] else "Internet",
        **({"VpcConfiguration": {"VpcId": row["vpc_id"]}} if row["vpc_id"] else {}),
        "Bucket": row["bucket_name"] or "",
        "AccessPointArn": row["arn"],
        "Alias": f"{row['access_point_name']}-{digest('alias', row['arn'])[:34]}-s3alias",
        **(
            {"DataSourceType": row["data_source_type"], "DataSourceId": _volume(row)}
            if is_hidden(row)
            else {"BucketAccountId": row["account_id"]}
        ),
    }


def _volume(row: dict[str, Any]) -> str:
    file_system, volume = f"fs-{digest('fs', row['arn'])[:17]}", f"vol-{digest('vol', row['arn'])[:17]}"
    return f"arn:aws:fsx:{row['region']}:{row['account_id']}:file-system/{file_system}/volume/{volume}"
