"""FPGA images of the organisation: one of the first workload account."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeFpgaImages")
RESULT = "FpgaImages"
TRUTH = "fpga_images"
FILTERS = {"Owners": ["self"]}


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []
    image_id = made_id("afi", account_id, region)
    row = network.owned(image_id, (account_id, region), "fpga-image", {"Name": "frames"})
    return [{**row, "fpga_image_id": image_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    at = EPOCH + dt.timedelta(days=80)
    return {
        "FpgaImageId": row["fpga_image_id"],
        "FpgaImageGlobalId": f"agfi-{row['fpga_image_id'][4:]}",
        "Name": "frames",
        "State": {"Code": "available"},
        "CreateTime": at,
        "UpdateTime": at,
        "OwnerId": row["account_id"],
        "Public": False,
        "InstanceTypes": ["f2.12xlarge"],
        **tag_list(row["tags"]),
    }
