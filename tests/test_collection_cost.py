"""What a fixed slice of collection costs in requests and connections: figures that other load does not disturb.

Whoever makes a collection ask twice, resolve an identity again or open a connection for each account fails here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bench import certificate, tree
from bench.canned import LISTINGS, World
from bench.stage import Stage, staged
from bench.work import Result

ACCOUNTS = 8
REGIONS = ["us-east-1", "eu-west-1"]
CENTRAL = 3


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, dict[str, Any], Result, str]]:
    folder = tmp_path_factory.mktemp("slice")
    with staged(folder, certificate.make(folder), ACCOUNTS, REGIONS, 0.0) as stage:
        ran = tree.run([sys.executable, "-m", "bench.ours", str(stage.work()), "--progress"], stage.environment, folder)
        assert ran.code == 0, ran.complained
        yield stage, stage.counters(), Result.read(ran.said), ran.complained


def test_every_question_is_requested_once(collected: tuple[Stage, dict[str, Any], Result, str]) -> None:
    stage, counted, result, _ = collected
    assert result.errors == 0
    asked = counted["by_operation"]
    pages = {
        listing.action: sum(
            max(1, -(-World().count(listing, [account], [region]) // 100)) if listing.is_paged else 1
            for account in stage.accounts
            for region in REGIONS
        )
        for listing in LISTINGS
    }
    # The operations account is asked too, by its own role, what the contract lets it ask.
    own = {action: asked[action] - expected for action, expected in pages.items()}
    assert set(own.values()) <= {0, len(REGIONS)}, own
    assert asked["AssumeRole"] == asked["GetCallerIdentity"] == ACCOUNTS + CENTRAL
    assert asked["DescribeRegions"] == ACCOUNTS + 1


def test_cloudtrail_is_requested_once_a_run_account_and_region_that_has_a_zero(
    collected: tuple[Stage, dict[str, Any], Result, str],
) -> None:
    stage, counted, *_ = collected
    empty = sum(World().place(account, region)[0] == "empty" for account in stage.accounts for region in REGIONS)
    places = (ACCOUNTS + 1) * len(REGIONS)
    assert empty <= counted["by_operation"]["LookupEvents"] <= places


def test_connections_are_shared_by_services_regions_and_accounts(
    collected: tuple[Stage, dict[str, Any], Result, str],
) -> None:
    *_, counted, _, _ = collected
    # The workload role has one pool of 64, the central ones have theirs, and what resolves credentials has two more.
    assert counted["connections"] <= 64 + 3 * 3 + 2 * ACCOUNTS + 1
    assert counted["connections"] < counted["requests"] / 3


def test_the_log_says_how_far_each_listing_and_the_whole_step_is(
    collected: tuple[Stage, dict[str, Any], Result, str],
) -> None:
    *_, said = collected
    lines = said.splitlines()
    for listing in LISTINGS:
        # Operations lists its own account's EC2, with the others'.
        cells = (ACCOUNTS + listing.name.startswith("ec2_")) * len(REGIONS)
        assert any(line.startswith(f"{listing.name}: {cells} of {cells} cells, ") for line in lines), listing.name
    whole = [line for line in lines if " listings: " in line]
    assert whole
    assert all("requests" in line for line in whole)
    assert json.loads(lines[-1])["cells"] > 0
