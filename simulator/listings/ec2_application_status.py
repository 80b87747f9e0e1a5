"""What checks of applications found: of the first two instances that run, one does not respond as it should."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_application_status_check
from simulator.network import Network
from simulator.pages import Output
from simulator.world import EPOCH

CALL = ("ec2", "DescribeApplicationStatus")
RESULT = "Instances"
TRUTH = "application_statuses"
WITHIN = "ApplicationStatuses"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where there is a check."""
    running = [one for one in network.world.instances(account_id, region) if one.state == "running"]
    return [
        {
            "arn": instance.arn,
            "account_id": account_id,
            "region": region,
            "instance_id": instance.instance_id,
            "zone": instance.zone,
            "is_impaired": is_impaired,
            "check_id": check["application_status_check_id"],
        }
        for check in ec2_application_status_check.rows(network, account_id, region)
        for instance, is_impaired in zip(running, (False, True), strict=False)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    is_impaired, since = row["is_impaired"], EPOCH + dt.timedelta(days=701)
    code = "ResponseCodeMismatch" if is_impaired else "ResponseCodeMatched"
    detail = {
        "ApplicationStatusCheckId": row["check_id"],
        "Aggregation": "included",
        "Status": "failed" if is_impaired else "passed",
        "StatusSince": since,
        "Reason": {"Code": code, "StatusCode": 503 if is_impaired else 200, "Protocol": "HTTPS"},
    }
    summary = "impaired" if is_impaired else "ok"
    return {
        "InstanceId": row["instance_id"],
        "AvailabilityZone": row["zone"],
        "ApplicationStatus": {"Status": summary, "StatusSince": since, "Details": [detail]},
    }
