"""What the next run is expected to cost, against what runs were seen to request."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from given import house
from nights import DATABASE, cmdb_here, copy_of, query, run_night

from pipelines.collection.forecast import Estimate, Forecast, forecast
from pipelines.reference import DEMO_FOLDER
from pipelines.settings import Settings, read_settings
from resources.store.store import Store
from simulator.client import Simulator

TODAY = date(2026, 11, 24)


def settings(**variables: str) -> Settings:
    return read_settings({"CMDB_REFERENCE": str(DEMO_FOLDER), **variables})


def of(found: Forecast, service: str, *, ordinary: bool = False) -> Estimate:
    return next(one for one in (found.ordinary if ordinary else found.next_run) if one.service == service)


def paid(database: Path, service: str) -> list[int]:
    """The units of each run, oldest first."""
    rows = query(
        database,
        """
        select sum(unit_count)::bigint from audit.paid_request join audit.run using (run_id)
        where api like $service || ':%' group by run_id order by min(started_at)
        """,
        {"service": service},
    )
    return [units for (units,) in rows]


# ----------------------------------------------------------------------------------------------- before any run


def test_a_first_load_takes_every_slice_of_every_month() -> None:
    found = forecast(settings(), None, TODAY)
    # 155 for the bill as tests/test_cost_plan.py counts them, and one of each optional grant.
    assert of(found, "ce").units == 155 + 3
    assert of(found, "ce").cost_usd == Decimal("1.58")
    assert of(found, "ce").runs == 2, "the default limit of 100 spreads it"
    assert found.is_first_load
    assert found.missing_months == 12
    # The bill by account of two months, 11 slices of the newest days, the months' totals, the optional grants, and one
    # closed month again in its 11 slices.
    assert of(found, "ce", ordinary=True).units == 2 + 11 + 1 + 3 + 11
    # Every slice of two months where everything is requested.
    every_night = forecast(settings(CMDB_EVERY_NIGHT="yes"), None, TODAY)
    assert of(every_night, "ce", ordinary=True).units == 23 + 3 + 11


def test_before_a_run_nobody_knows_how_much_there_is_to_measure() -> None:
    found = forecast(settings(CMDB_METRIC_LIMIT="2000"), None, TODAY)
    metrics = of(found, "cloudwatch")
    assert (metrics.units, metrics.cost_usd) == (None, Decimal("0.02"))
    assert "not known before a run; at most 2,000 metrics" in str(metrics)
    # The next run spends what the limits allow at most: 100 requests, 2,000 metrics.
    assert found.cost_usd == Decimal("1.02")


@pytest.mark.parametrize(
    ("months", "limit", "runs"), [("13", "158", 1), ("13", "157", 2), ("1", "100", 1), ("13", "10", 16)]
)
def test_what_the_limit_does_not_allow_takes_more_runs(months: str, limit: str, runs: int) -> None:
    found = of(forecast(settings(CMDB_COST_MONTHS=months, CMDB_COST_REQUEST_LIMIT=limit), None, TODAY), "ce")
    assert found.runs == runs
    assert ("CMDB_COST_REQUEST_LIMIT allows" in str(found)) is (runs > 1)


def test_an_empty_warehouse_is_as_none(tmp_path: Path) -> None:
    with house(tmp_path) as home, home.store.read() as connection:
        assert forecast(settings(), connection, TODAY) == forecast(settings(), None, TODAY)


# ---------------------------------------------------------------------------------------------- after a run


def test_the_metrics_of_the_next_run_are_those_of_the_last(truthful_night: Path) -> None:
    database = truthful_night / DATABASE
    with Store(database).published() as connection:
        found = forecast(settings(), connection, datetime.now(UTC).date())
    assert of(found, "cloudwatch").units == paid(database, "cloudwatch")[-1] > 0


def test_status_says_what_the_next_run_costs(truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)
    environment = {"CMDB_DATABASE": str(database), "CMDB_REFERENCE": str(DEMO_FOLDER)}
    done = cmdb_here(environment, "status")
    assert "next run       at most" in done.stdout
    assert "Cost Explorer:" in done.stdout
    facts = json.loads(cmdb_here(environment, "status", "--json").stdout)["forecast"]
    apis = {one["service"]: one for one in facts["next_run"]}
    assert apis["ce"]["setting"] == "CMDB_COST_REQUEST_LIMIT"
    assert Decimal(facts["most_usd"]) == min(apis["ce"]["units"], 100) * Decimal("0.01") + apis["cloudwatch"][
        "units"
    ] * Decimal("0.00001")


def test_a_reference_file_that_stops_the_next_run_is_a_problem(truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)
    own = tmp_path / "reference"
    own.mkdir()
    (own / "tag_key.csv").write_text("tag_key,colour\nOwner,blue\n")
    done = cmdb_here({"CMDB_DATABASE": str(database), "CMDB_REFERENCE": str(own)}, "status")
    assert done.returncode == 2, done.stdout
    assert "The next run would not begin." in done.stdout
    assert "tag_key.csv" in done.stdout


def test_rows_that_a_release_before_made_are_foreseen_whole(truthful_night: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.duckdb"
    shutil.copyfile(truthful_night / DATABASE, older)
    limits, today = {"CMDB_COST_MONTHS": "1", "CMDB_COST_REQUEST_LIMIT": "100000"}, datetime.now(UTC).date()
    with duckdb.connect(older) as connection:
        slices = connection.execute(
            """
            update audit.collection set page_count = 30
            where starts_with(listing, 'cost_daily:service:')
            """
        ).fetchone()
        by_days = of(forecast(settings(**limits), connection, today), "ce").units
        connection.execute("update audit.collection set evidence = json_merge_patch(evidence, '{\"made_by\": null}')")
        whole = of(forecast(settings(**limits), connection, today), "ce").units
    assert slices is not None
    assert slices[0]
    assert by_days is not None
    assert whole is not None
    # A slice of thirty pages takes three at most by its newest days.
    assert whole >= by_days + 20


@pytest.mark.large
@pytest.mark.parametrize("months", ["1", "4"])
def test_the_second_run_requests_what_was_foreseen(small: Simulator, tmp_path: Path, months: str) -> None:
    database = tmp_path / "warehouse" / DATABASE
    environment = {**small.env, "CMDB_COST_MONTHS": months}
    limits = {"CMDB_COST_MONTHS": months, "CMDB_COST_REQUEST_LIMIT": "100000"}
    first = forecast(settings(**limits), None, datetime.now(UTC).date())
    assert run_night(environment, database).published
    (sent,) = paid(database, "ce")
    assert of(first, "ce").units <= sent, "nobody knows the pages before"
    with Store(database).read() as connection:
        second = forecast(settings(**limits), connection, datetime.now(UTC).date())
    assert not second.is_first_load
    assert run_night(environment, database).published
    assert paid(database, "ce")[-1] == of(second, "ce").units
