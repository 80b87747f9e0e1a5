"""Checks of applications: one of the first workload account."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeApplicationStatusChecks")
RESULT = "ApplicationStatusChecks"
TRUTH = "application_status_checks"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    if account_id != network.first_workload or region != network.world.regions[0]:
        return []
    check_id = made_id("asc", account_id, region)
    row = network.owned(check_id, (account_id, region), "application-status-check", {"Name": "front"})
    return [{**row, "application_status_check_id": check_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "ApplicationStatusCheckId": row["application_status_check_id"],
        "Aggregation": "included",
        "Protocol": "https",
        "Port": 443,
        "Path": "/",
        "IpVersion": "ipv4",
        "Interval": 60,
        "Timeout": 6,
        "FailureThreshold": 2,
        "SuccessThreshold": 2,
        "StatusCodeMatcher": "200",
        "TargetTagAssociations": [{"Key": "bc:environment", "Value": "prod"}],
        "CreationTime": EPOCH + dt.timedelta(days=700),
        **tag_list(row["tags"]),
    }
