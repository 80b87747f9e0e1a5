"""The status of each running instance of the organisation; AWS means to retire some, and some do not respond."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.world import EPOCH

CALL = ("ec2", "DescribeInstanceStatus")
RESULT = "InstanceStatuses"
TRUTH = "instance_statuses"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of what runs alone, as AWS lists it where nothing else is asked for."""
    found = []
    for instance in network.world.instances(account_id, region):
        if instance.state == "running":
            number = int(instance.instance_id[-2:], 16)
            found.append(
                {
                    "arn": instance.arn,
                    "account_id": account_id,
                    "region": region,
                    "instance_id": instance.instance_id,
                    "zone": instance.zone,
                    "is_impaired": number % 7 == 0,
                    "is_to_be_retired": number % 5 == 0,
                    "was_maintained": number % 5 == 1,
                }
            )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: what is over stays for some days, and says so in its description."""
    due = EPOCH + dt.timedelta(days=1500)
    events = []
    if row["is_to_be_retired"]:
        description = "The instance is running on degraded hardware"
        events.append({"Code": "instance-retirement", "Description": description, "NotBefore": due})
    if row["was_maintained"]:
        description = "[Completed] Scheduled reboot"
        over = {"NotBefore": due - dt.timedelta(days=30), "NotAfter": due - dt.timedelta(days=29)}
        events.append({"Code": "system-reboot", "Description": description, **over})
    summary = "impaired" if row["is_impaired"] else "ok"
    detail = {"Name": "reachability", "Status": "failed" if row["is_impaired"] else "passed"}
    return {
        "InstanceId": row["instance_id"],
        "AvailabilityZone": row["zone"],
        "InstanceState": {"Code": 16, "Name": "running"},
        "InstanceStatus": {"Status": summary, "Details": [detail]},
        "SystemStatus": {"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]},
        "AttachedEbsStatus": {"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]},
        "Events": [{**event, "InstanceEventId": f"instance-event-{row['instance_id'][2:]}"} for event in events],
    }
