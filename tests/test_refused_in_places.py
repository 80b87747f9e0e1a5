"""What AWS refuses in some regions, partitions or moments, and which no operator can mend: it blocks nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nights import copy_of
from steps import asked, landed

from pipelines.catalogue.registry import listings
from pipelines.settings import read_settings
from pipelines.trust.gate import listing_checks
from resources.audit.cells import Cell
from resources.store.store import Store
from simulator.client import Simulator


@pytest.fixture
def database(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> Path:
    return copy_of(truthful_night, tmp_path)


def refuse(organisation: Simulator, operation: str, code: str, message: str, **where: Any) -> None:
    organisation.faults(
        [{"action": "error", "op": operation, "code": code, "message": message, "times": 9999, "status": 400, **where}]
    )


def blocks(database: Path, listing: str) -> bool:
    with Store(database).read() as connection:
        return listing_checks(connection, [listing], read_settings({}))[listing].blocks


def outcomes(cells: list[Cell], listing: str) -> set[tuple[str, str | None]]:
    """Outcomes and reasons of the cells of a listing or of one of its parameters."""
    return {(cell.outcome, cell.skip_reason) for cell in cells if cell.listing == listing}


def test_a_region_without_proxies_of_databases_has_none(organisation: Simulator, database: Path) -> None:
    words = "DescribeDBProxies is not supported"
    refuse(organisation, "DescribeDBProxies", "InvalidAction", words, service="rds", region="ap-southeast-2")
    with asked(organisation, database, "rds_db_proxy") as cells:
        there = {
            (cell.outcome, cell.skip_reason)
            for cell in cells
            if (cell.listing, cell.region) == ("rds_db_proxy", "ap-southeast-2")
        }
        assert there == {("skipped", "not_offered")}
    assert not blocks(database, "rds_db_proxy")


@pytest.mark.parametrize("is_requested", [True, False])
def test_what_a_service_keeps_in_an_account_is_listed(
    organisation: Simulator, database: Path, is_requested: bool
) -> None:
    """The wrong world: a request that leaves out what the account hides."""
    volume = next(one for one in organisation.truth("storage")["volumes"] if one["state"] == "available")
    organisation.change("manage_volume", volume_id=volume["volume_id"])
    listing = listings()["ec2_volume"]
    requested = listing if is_requested else replace(listing, parameters={"MaxResults": 1000})
    with asked(organisation, database, requested):
        pass
    found = {json.loads(record)["item"]["VolumeId"] for record in landed(database)["ec2_volume"]}
    assert (volume["volume_id"] in found) is is_requested


def test_tags_of_buckets_that_s3_has_no_call_for_are_unknown(organisation: Simulator, database: Path) -> None:
    words = "The specified method is not allowed against this resource."
    refuse(organisation, "ListTagsForResource", "MethodNotAllowed", words, service="s3control", status=405)
    with asked(organisation, database, "s3_bucket_tag") as cells:
        assert {cell.outcome for cell in cells if cell.outcome != "skipped"} == {"found"}
    records = [json.loads(record)["item"] for record in landed(database)["s3_bucket_tag"]]
    assert {(record.get("ErrorCode"), record.get("Tags")) for record in records} == {("MethodNotAllowed", None)}
    assert not blocks(database, "s3_bucket_tag")


def test_an_account_that_leaves_before_its_tags_are_requested_has_none(organisation: Simulator, database: Path) -> None:
    account = organisation.truth()["reachable"][-1]
    words = "You specified a target that doesn't exist."
    refuse(
        organisation,
        "ListTagsForResource",
        "TargetNotFoundException",
        words,
        service="organizations",
        contains=account,
    )
    with asked(organisation, database, "organizations_account_tag") as cells:
        assert outcomes(cells, f"organizations_account_tag:{account}") == {("skipped", "parent_gone")}
    assert not blocks(database, "organizations_account_tag")


@pytest.mark.parametrize(
    ("action", "is_refused"), [("cloudformation:DescribeStacks", False), ("resource-groups:ListGroupResources", True)]
)
def test_members_of_a_stacks_group_are_unknown_and_of_a_denied_one_refused(
    organisation: Simulator, database: Path, action: str, is_refused: bool
) -> None:
    group = next(one["name"] for one in organisation.truth("hub")["resource_groups"] if "stack" in one["name"])
    words = f"User is not authorized to perform: {action}"
    refuse(organisation, "ListGroupResources", "ForbiddenException", words, contains=group, status=403)
    with asked(organisation, database, "resource_group", "resource_group_member") as cells:
        expected = ("denied", None) if is_refused else ("skipped", "group_unresolved")
        assert outcomes(cells, f"resource_group_member:{group}") == {expected}
    assert blocks(database, "resource_group_member") is is_refused
