"""Key pairs of the organisation: one wherever people have a network, and an old one of the first workload account."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeKeyPairs")
RESULT = "KeyPairs"
TRUTH = "key_pairs"

MADE_AT = EPOCH + dt.timedelta(days=1)


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS has not kept when the old one was imported."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs:
        return []
    found = [_row(network, (account_id, region), "deploy", vpcs[0].tags)]
    return found + ([_row(network, (account_id, region), "old", {})] if account_id == network.first_workload else [])


def _row(network: Network, place: tuple[str, str], name: str, tags: dict[str, str]) -> dict[str, Any]:
    key_id = made_id("key", *place, name)
    row = network.owned(key_id, place, "key-pair", tags)
    return {**row, "key_pair_id": key_id, "key_name": name, "relations": []}


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    is_old = row["key_name"] == "old"
    return given(
        KeyPairId=row["key_pair_id"],
        KeyName=row["key_name"],
        KeyType="rsa" if is_old else "ed25519",
        KeyFingerprint="1f:51:ae:28:bf:89:e9:d8:1f:25:5d:37:2d:7d:b8:ca:9f:f5:f1:6f",
        CreateTime=None if is_old else MADE_AT,
    ) | tag_list(row["tags"])
