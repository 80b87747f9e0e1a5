"""CloudTrail does not answer in one account: the zeros there wait, are said, and stop nobody else's night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nights import DATABASE, cmdb_here, query, run_night

from simulator.client import Simulator

if TYPE_CHECKING:
    from conftest import MakeOrganisation

UNPROVED = """
    select distinct account_id, region from audit.coverage where outcome = 'empty_unconfirmed' and role = 'workload'
    order by all
"""
RESOURCES = "select arn, resource_type, status, is_stale from cmdb.resource order by all"


def broken(action: str, account: str, **more: Any) -> dict[str, Any]:
    return {"action": action, "service": "cloudtrail", "op": "LookupEvents", "account": account, **more}


def check(simulator: Simulator, database: Path, fault: dict[str, Any], *words: str) -> None:
    """A first run with a fault publishes with one sentence more, and the next run without it knows all."""
    simulator.faults([fault])
    night = run_night(simulator.env, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    places = query(database, UNPROVED)
    assert {account for account, _ in places} == {fault["account"]}
    if "region" in fault:
        assert {region for _, region in places} == {fault["region"]}
    (said,) = {sentence for sentence in night.warnings if fault["account"] in sentence}
    for word in words:
        assert word in said, word
    seen = cmdb_here({"CMDB_DATABASE": str(database)}, "coverage")
    assert fault["account"] in seen.stdout
    # What AWS does list there is published, and nothing is claimed of what it may hold besides.
    unknown = query(
        database,
        "select count(*) from audit.coverage where outcome = 'empty_unconfirmed' and role = 'workload' "
        "and last_trusted_at is not null",
    )
    assert unknown == [(0,)]
    found = query(database, RESOURCES)
    simulator.reset()
    night = run_night(simulator.env, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    assert query(database, UNPROVED) == []
    assert query(database, RESOURCES) == found


@pytest.mark.large
@pytest.mark.parametrize(
    ("action", "word"), [("denied", "grant cloudtrail:LookupEvents"), ("throttle", "Rate exceeded")]
)
def test_one_account_and_region_of_ten_stops_no_night(
    make_organisation: MakeOrganisation, tmp_path: Path, action: str, word: str
) -> None:
    simulator = make_organisation(accounts=10, regions=("us-east-1", "eu-west-1"), resources=1)
    account = simulator.truth("governance")["reachable"][3]
    check(simulator, tmp_path / DATABASE, broken(action, account, region="eu-west-1"), word)


@pytest.mark.large
@pytest.mark.parametrize("number", [0, 2])
def test_one_whole_account_of_few_stops_no_night(organisation: Simulator, tmp_path: Path, number: int) -> None:
    account = organisation.truth("governance")["reachable"][number]
    check(organisation, tmp_path / DATABASE, broken("denied", account), "grant cloudtrail:LookupEvents")


@pytest.mark.large
def test_two_accounts_of_four_are_more_than_the_tolerance(organisation: Simulator, tmp_path: Path) -> None:
    accounts = organisation.truth("governance")["reachable"][:2]
    organisation.faults([broken("denied", account) for account in accounts])
    night = run_night(organisation.env, tmp_path / DATABASE)
    assert (night.published, night.exit_code) == (False, 1)
    said = " ".join(night.sentences)
    assert "CMDB_UNTRUSTED_TOLERANCE=0.05" in said
    assert "CMDB_ZERO_EVIDENCE=identity" in said
    assert not (tmp_path / DATABASE).exists()
