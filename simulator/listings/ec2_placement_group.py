"""Placement groups of the organisation: one of each strategy, in places that differ; the hub shares its own."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list

CALL = ("ec2", "DescribePlacementGroups")
RESULT = "PlacementGroups"
TRUTH = "placement_groups"

STRATEGIES = ("cluster", "spread", "partition")


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One where people have a network."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs:
        return []
    strategy = STRATEGIES[network.number(account_id, region) % 3]
    group_id = made_id("pg", account_id, region)
    # Its ARN has its name.
    row = network.owned(f"{strategy} nodes", (account_id, region), "placement-group", vpcs[0].tags)
    return [{**row, "placement_group_id": group_id, "strategy": strategy, "relations": []}]


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS RAM shows the hub's to the first workload account."""
    return rows(network, network.world.operations, region) if account_id == network.first_workload else []


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    strategy = row["strategy"]
    return given(
        GroupName=f"{strategy} nodes",
        GroupId=row["placement_group_id"],
        GroupArn=row["arn"],
        State="available",
        Strategy=strategy,
        PartitionCount=3 if strategy == "partition" else None,
        SpreadLevel="rack" if strategy == "spread" else None,
    ) | (tag_list(row["tags"]) if row["at"][0] == row["account_id"] else {})
