"""Exports of Capacity Manager: one of the hub."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeCapacityManagerDataExports")
RESULT = "CapacityManagerDataExports"
TRUTH = "capacity_manager_data_exports"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region, where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []
    export_id = made_id("cmde", account_id)
    row = network.owned(export_id, (account_id, region), "capacity-manager-data-export", {})
    return [{**row, "capacity_manager_data_export_id": export_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "CapacityManagerDataExportId": row["capacity_manager_data_export_id"],
        "S3BucketName": "capacity-of-everybody",
        "S3BucketPrefix": "ec2/",
        "Schedule": "hourly",
        "OutputFormat": "parquet",
        "CreateTime": EPOCH + dt.timedelta(days=600),
        "LatestDeliveryStatus": "delivered",
        "LatestDeliveryTime": EPOCH + dt.timedelta(days=1400),
        **tag_list(row["tags"]),
    }
