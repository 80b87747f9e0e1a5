"""Listings that are AWS's own: one account of a region is requested for all, and another takes over from it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from nights import copy_of, query
from steps import asked

from pipelines.catalogue.rds_parts import SHARED
from pipelines.collection.plan import ACCOUNTS_TRIED
from resources.audit.cells import Cell
from simulator.client import Simulator

VERSIONS = SHARED.listings[0]
CALL = VERSIONS.operation

Place = tuple[str, str]
"""Region, and the cell's listing with its engine."""


@pytest.fixture
def database(truthful_night: Path, tmp_path: Path) -> Path:
    return copy_of(truthful_night, tmp_path)


def night(organisation: Simulator, database: Path, run: str, **settings: str) -> list[Cell]:
    """The cells of one more night."""
    with asked(organisation, database, VERSIONS, run=run, CMDB_ZERO_EVIDENCE="identity", **settings) as cells:
        return list(cells)


def found(cells: list[Cell]) -> dict[Place, str]:
    """The account that has the records of each engine in a region."""
    return {(cell.region, cell.listing): cell.account_id for cell in cells if cell.outcome == "found"}


def newest(database: Path, account: str, place: Place) -> tuple[str, str | None]:
    """Outcome and skip reason of an account's newest cell."""
    ((outcome, reason),) = query(
        database,
        "select outcome, skip_reason from audit.coverage "
        "where account_id = $account and region = $region and listing = $listing",
        {"account": account, "region": place[0], "listing": place[1]},
        of="working",
    )
    return outcome, reason


def shared_by_several(database: Path, cells: list[Cell]) -> tuple[Place, str]:
    """An engine in a region that several accounts have, and the one that is requested."""
    own = query(database, "select region, engine, count(distinct account_id) from aws.rds_db_instance group by all")
    several = {(region, f"{VERSIONS.name}:{engine}") for region, engine, accounts in own if accounts > ACCOUNTS_TRIED}
    return min((place, account) for place, account in found(cells).items() if place in several)


def test_one_account_is_requested_for_each_engine_of_a_region_and_it_stays_the_same(
    organisation: Simulator, database: Path
) -> None:
    cells = night(organisation, database, "second")
    requested = Counter((cell.region, cell.listing) for cell in cells if cell.attempt_count)
    assert set(requested.values()) == {1}
    assert {cell.skip_reason for cell in cells if not cell.attempt_count} <= {
        "requested_elsewhere", "no_parents", "no_profile", "account_suspended",
    }  # fmt: skip
    assert any(cell.skip_reason == "requested_elsewhere" for cell in cells)
    ((each_account,),) = query(database, "select count(distinct (account_id, region, engine)) from aws.rds_db_instance")
    assert each_account > 1.5 * len(requested)
    assert found(night(organisation, database, "third")) == found(cells)
    rows = query(
        database, "select region, engine, count(distinct account_id) from aws.rds_db_major_engine_version group by all"
    )
    assert {accounts for _, _, accounts in rows} == {1}


def test_another_account_takes_over_from_one_that_is_refused_and_stays(organisation: Simulator, database: Path) -> None:
    place, refused = shared_by_several(database, night(organisation, database, "second"))
    organisation.faults([{"op": CALL, "account": refused, "action": "denied"}])
    cells = night(organisation, database, "third")
    # The refusal is shown, and takes nothing away: its rows stay until another account has the same.
    assert newest(database, refused, place) == ("denied", None)
    successor = found(cells)[place]
    assert successor != refused
    organisation.control("DELETE", "/faults")
    assert found(night(organisation, database, "fourth"))[place] == successor
    assert newest(database, refused, place) == ("skipped", "caller_changed")


def test_another_account_takes_over_from_one_that_no_profile_reaches(organisation: Simulator, database: Path) -> None:
    place, gone = shared_by_several(database, night(organisation, database, "second"))
    profiles = [
        account["profile"]
        for account in organisation.truth()["accounts"]
        if account["kind"] == "workload" and account["profile"] and account["account_id"] != gone
    ]
    cells = night(organisation, database, "third", CMDB_WORKLOAD_PROFILES=",".join(profiles))
    assert found(cells)[place] not in ("", gone)
    assert newest(database, gone, place) == ("skipped", "caller_changed")


def test_where_all_refuse_a_run_tries_a_few_and_nothing_is_gone(organisation: Simulator, database: Path) -> None:
    place, first = shared_by_several(database, night(organisation, database, "second"))
    organisation.faults([{"op": CALL, "region": place[0], "action": "denied"}])
    tried = []
    for run in ("third", "fourth"):
        cells = night(organisation, database, run)
        tried.append({cell.account_id for cell in cells if (cell.region, cell.listing) == place and cell.attempt_count})
        assert len(tried[-1]) == ACCOUNTS_TRIED
        assert place not in found(cells)
    assert first in tried[0]
    # The next run begins with those that were not tried.
    assert tried[1] != tried[0]
    assert newest(database, first, place)[0] == "denied"
