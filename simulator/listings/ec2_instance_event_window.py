"""Event windows of the organisation: one of the first workload account, for what is of production."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeInstanceEventWindows")
RESULT = "InstanceEventWindows"
TRUTH = "instance_event_windows"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []

    place = (account_id, region)
    window_id = made_id("iew", *place)
    row = network.owned(window_id, place, "instance-event-window", vpcs[0].tags)
    return [{**row, "event_window_id": window_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "InstanceEventWindowId": row["event_window_id"],
        "Name": "sunday mornings",
        "CronExpression": "* 0-4 * * SUN",
        "AssociationTarget": {"Tags": [{"Key": "bc:environment", "Value": "prod"}]},
        "State": "active",
        **tag_list(row["tags"]),
    }
