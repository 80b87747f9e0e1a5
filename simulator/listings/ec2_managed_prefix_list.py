"""Prefix lists of the organisation: AWS's own, which every account lists, and one of the hub, shared with the first."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeManagedPrefixLists")
RESULT = "PrefixLists"
TRUTH = "managed_prefix_lists"

AWS = "AWS"
"""The owner of AWS's own lists, whose ARNs have `aws` for an account."""


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The offices' addresses, where the hub has networks."""
    if account_id != network.world.operations or not network.own(account_id, region).vpcs:
        return []
    tags = network.own(account_id, region).vpcs[0].tags
    return [_row(network, made_id("pl", account_id, region), (account_id, region), "offices", tags)]


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """S3's and DynamoDB's, and the hub's where it is shared."""
    if region not in network.world.regions:
        return []
    found = [
        _row(network, list_id, (AWS, region), f"com.amazonaws.{region}.{service}", {})
        for list_id, service in (("pl-63a5400a", "s3"), ("pl-02cd2c6b", "dynamodb"))
    ]
    return found + (rows(network, network.world.operations, region) if account_id == network.first_workload else [])


def _row(network: Network, list_id: str, place: tuple[str, str], name: str, tags: dict[str, str]) -> dict[str, Any]:
    row = network.owned(list_id, place, "prefix-list", tags)
    return {
        **row,
        "arn": row["arn"].replace(f":{AWS}:", ":aws:"),
        "prefix_list_id": list_id,
        "prefix_list_name": name,
        "relations": [],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: its own lists have no size and no version."""
    is_aws = row["account_id"] == AWS
    return {
        "PrefixListId": row["prefix_list_id"],
        "AddressFamily": "IPv4",
        "State": "create-complete",
        "PrefixListArn": row["arn"],
        "PrefixListName": row["prefix_list_name"],
        "OwnerId": row["account_id"],
        **({} if is_aws else {"MaxEntries": 20, "Version": 3}),
        **(tag_list(row["tags"]) if row["at"][0] == row["account_id"] else {}),
    }
