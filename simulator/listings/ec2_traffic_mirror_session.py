"""Sessions of traffic mirroring: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.listings import Charge, ec2_traffic_mirror_target
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeTrafficMirrorSessions")
RESULT = "TrafficMirrorSessions"
TRUTH = "traffic_mirror_sessions"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has a target."""
    found = []
    for target in ec2_traffic_mirror_target.rows(network, account_id, region):
        session_id = made_id("tms", target["traffic_mirror_target_id"])
        row = network.owned(session_id, (account_id, region), "traffic-mirror-session", {})
        found.append(
            {
                **row,
                "traffic_mirror_session_id": session_id,
                "target_id": target["traffic_mirror_target_id"],
                "relations": [],
            }
        )
    return found


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of the interface that is mirrored."""
    return [Charge("ENI-Mirror", 3_600_000_000)]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TrafficMirrorSessionId": row["traffic_mirror_session_id"],
        "TrafficMirrorTargetId": row["target_id"],
        "TrafficMirrorFilterId": made_id("tmf", row["account_id"]),
        "NetworkInterfaceId": made_id("eni", row["account_id"], "mirrored"),
        "OwnerId": row["account_id"],
        "SessionNumber": 1,
        "VirtualNetworkId": 7,
        **tag_list(row["tags"]),
    }
