"""Filters of traffic mirroring: one of the hub, which lets all through."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeTrafficMirrorFilters")
RESULT = "TrafficMirrorFilters"
TRUTH = "traffic_mirror_filters"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []

    filter_id = made_id("tmf", account_id)
    row = network.owned(filter_id, (account_id, home), "traffic-mirror-filter", {"Name": "all"})
    return [{**row, "traffic_mirror_filter_id": filter_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    rule = {
        "TrafficMirrorFilterRuleId": row["traffic_mirror_filter_id"].replace("tmf", "tmfr"),
        "TrafficDirection": "ingress",
        "RuleNumber": 100,
        "RuleAction": "accept",
        "DestinationCidrBlock": "0.0.0.0/0",
        "SourceCidrBlock": "0.0.0.0/0",
    }
    return {
        "TrafficMirrorFilterId": row["traffic_mirror_filter_id"],
        "IngressFilterRules": [rule],
        "EgressFilterRules": [],
        "NetworkServices": [],
        **tag_list(row["tags"]),
    }
