"""The machine image of each instance of the organisation: most are Amazon's, some the account's own, one is no more."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.storage import PUBLIC_IMAGE, STRANGER, storage_of
from simulator.world import EPOCH

CALL = ("ec2", "DescribeInstanceImageMetadata")
RESULT = "InstanceImageMetadata"
TRUTH = "instance_images"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of what is not terminated; a moment after that AWS may still list it."""
    storage = storage_of(network)
    own = {image.resource_id: image for image in storage.images(account_id, region)}
    found = []
    for instance in network.world.instances(account_id, region):
        if instance.state == "terminated":
            continue
        image_id = storage.image_of(instance)
        image = own.get(image_id)
        row: dict[str, Any] = {"owner": account_id, "name": "golden, before", "state": "deregistered"}
        if image_id == PUBLIC_IMAGE:
            ends = EPOCH + dt.timedelta(days=1400)
            row = {"owner": STRANGER, "name": "linux", "state": "available", "deprecated_at": ends, "is_public": True}
        elif image is not None:
            row |= {"name": image.name, "state": image.state, "deprecated_at": image.deprecated_at}
        found.append(
            {
                "arn": instance.arn,
                "account_id": account_id,
                "region": region,
                "instance_id": instance.instance_id,
                "instance_state": instance.state,
                "image_id": image_id,
                "is_public": False,
                "relations": [] if image is None else [("created_from", image.arn)],
                **row,
                "deprecated_at": row["deprecated_at"].isoformat() if row.get("deprecated_at") else None,
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    alias = {"ImageOwnerAlias": "amazon"} if row["image_id"] == PUBLIC_IMAGE else {}
    ends = row["deprecated_at"]
    deprecated = {"DeprecationTime": f"{ends[:19]}.000Z"} if ends else {}
    return {
        "InstanceId": row["instance_id"],
        "OwnerId": row["account_id"],
        "State": {"Name": row["instance_state"]},
        "ImageMetadata": {
            "ImageId": row["image_id"],
            "Name": row["name"],
            "OwnerId": row["owner"],
            "State": row["state"],
            "CreationDate": f"{EPOCH:%Y-%m-%dT%H:%M:%S}.000Z",
            "ImageAllowed": True,
            "IsPublic": row["is_public"],
            **alias,
            **deprecated,
        },
    }
