"""Targets of traffic mirroring: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeTrafficMirrorTargets")
RESULT = "TrafficMirrorTargets"
TRUTH = "traffic_mirror_targets"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []

    target_id = made_id("tmt", account_id)
    row = network.owned(target_id, (account_id, home), "traffic-mirror-target", {"Name": "audit"})
    return [{**row, "traffic_mirror_target_id": target_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TrafficMirrorTargetId": row["traffic_mirror_target_id"],
        "OwnerId": row["account_id"],
        "Type": "network-load-balancer",
        "NetworkLoadBalancerArn": (
            f"arn:aws:elasticloadbalancing:{row['region']}:{row['account_id']}:loadbalancer/net/audit/50dc6c495c0c9188"
        ),
        **tag_list(row["tags"]),
    }
