"""Months of the bill that somebody wants fetched again: in Dagster the partitions of two assets.

`bill_month/landing` and `bill_month/daily` are launched here as people launch them: one month by the job, and months of
a backfill through the UI's GraphQL and Dagster's daemon.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from chaos.live import Ui, World, awaited, home_of, served
from given import House
from nights import (
    DATABASE,
    cmdb_here,
    copy_of,
    environment_of,
    fingerprint,
    night_environment,
    preflight_here,
    query,
)
from test_bill import asked_of, cells, collect
from test_definitions import definitions as definitions_of
from test_gate import QUIET, Ended, ended

from pipelines import definitions
from pipelines.collection import bill_months
from pipelines.collection.bill_month_assets import BILL_MONTH, DAILY_KEY, LANDED_KEY, partitions
from pipelines.collection.cost_slices import TOTAL, Month, first_of
from pipelines.collection.seeds import every_slice
from pipelines.definitions import NIGHTLY, build_defs
from pipelines.reference import DEMO_FOLDER
from pipelines.settings import read_settings
from resources.audit.paid_requests import DailyLimitReached
from simulator.client import Simulator

TODAY = dt.date(2026, 11, 28)
SLICES = [one for one in every_slice(DEMO_FOLDER) if one != TOTAL]


def month(back: int) -> str:
    return f"{first_of(dt.datetime.now(dt.UTC).date(), back):%Y-%m}"


def months_since(back: int) -> list[str]:
    """The months from that one on, the oldest first, as far as they have a day of the bill: today has none."""
    newest = 0 if dt.datetime.now(dt.UTC).day > 1 else 1
    return [month(one) for one in range(back, newest - 1, -1)]


# ------------------------------------------------------------------------------------------------ the rules alone


@pytest.mark.parametrize(
    ("months", "history", "reason"),
    [
        ({"2026-11", "2026-10", "2025-10"}, 13, ""),
        ({"2026-10"}, 1, ""),
        ({"2026-11", "2025-09"}, 13, "Of 2025-09 Cost Explorer keeps no days any more: its oldest month is 2025-10."),
        (
            {"2026-08"},
            2,
            "2026-08 is outside of the history that CMDB_COST_MONTHS=2 asks for, which begins with 2026-09.",
        ),
        ({"2026-12"}, 13, "Of 2026-12 no day is complete yet."),
    ],
)
def test_a_month_is_refused_that_nobody_keeps_or_that_was_not_asked_for(
    months: set[str], history: int, reason: str
) -> None:
    assert bill_months.refusal(months, TODAY, history) == reason


def test_on_the_first_day_of_a_month_no_day_of_it_is_complete() -> None:
    assert bill_months.refusal({"2026-11"}, dt.date(2026, 11, 1), 13) == "Of 2026-11 no day is complete yet."
    assert bill_months.refusal({"2026-11"}, dt.date(2026, 11, 2), 13) == ""


def test_a_month_is_every_slice_of_it_and_the_newest_comes_first() -> None:
    november, march = (
        Month(dt.date(2026, 11, 1), TODAY),
        Month(dt.date(2026, 3, 1), dt.date(2026, 4, 1)),
    )
    found = bill_months.whole([*SLICES, TOTAL], {"2026-03", "2026-11"}, TODAY)
    assert found == [(one, each) for each in (november, march) for one in SLICES]


def test_the_partitions_are_the_configured_history_with_the_current_month() -> None:
    for history in (1, 13):
        made = partitions(read_settings({"CMDB_COST_MONTHS": str(history)}), dt.datetime.now(dt.UTC).date())
        oldest = bill_months.oldest(dt.datetime.now(dt.UTC).date(), history)
        keys = made.get_partition_keys()
        assert (keys[0], keys[-1]) == (f"{oldest:%Y-%m}", month(0))
        assert bill_months.refusal(keys[:-1], dt.datetime.now(dt.UTC).date(), history) == ""


def test_the_nightly_job_has_everything_but_the_months_and_no_partitions() -> None:
    defs = definitions_of()
    nightly, of_months = defs.resolve_job_def(NIGHTLY), defs.resolve_job_def(BILL_MONTH)
    everything = defs.resolve_asset_graph().get_all_asset_keys()
    assert nightly.partitions_def is None
    assert set(nightly.asset_layer.executable_asset_keys) == everything - {LANDED_KEY, DAILY_KEY}
    assert of_months.partitions_def is not None
    graph = defs.resolve_asset_graph()
    for key in (LANDED_KEY, DAILY_KEY):
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run()


# ------------------------------------------------------------------------------------- a simulated organisation


@pytest.mark.large
def test_what_is_known_is_fetched_again_and_nothing_else_if_the_limit_has_room(
    blank_home: House, small: Simulator
) -> None:
    settings = {"CMDB_COST_MONTHS": "2"}
    collect(blank_home, "night-1", budgets=False, **settings)
    wanted = frozenset({month(2)})
    whole = {f"{one.listing}:{one.name}:{month(2)}" for one in SLICES} | {"cost_monthly:total"}
    paid = sum(row["request_count"] for name, row in cells(blank_home, "night-1").items() if name in whole)
    assert paid >= len(whole)
    before = len(asked_of(small))

    # One request less than the month took the last time.
    with pytest.raises(DailyLimitReached) as refused:
        collect(blank_home, "again-1", whole_months=wanted, CMDB_COST_REQUEST_LIMIT=str(before + paid - 1), **settings)
    assert str(refused.value).startswith(f"To fetch {month(2)} again takes {paid} requests or more, and {before} of ")
    assert len(asked_of(small)) == before
    assert cells(blank_home, "again-1") == {}

    results = collect(blank_home, "again-2", budgets=False, whole_months=wanted, **settings)
    found = cells(blank_home, "again-2")
    assert set(found) == whole
    assert {row["outcome"] for row in found.values()} == {"found"}
    assert all(result.passed for result in results.values())
    with blank_home.store.read() as connection:
        (read,) = bill_months.read_in_run(connection, "again-2", SLICES).values()
        # The first night has fetched every month whole.
        first = bill_months.read_in_run(connection, "night-1", SLICES)
    assert (read.name, read.missing) == (month(2), ())
    assert read.cost_usd == read.request_count * Decimal("0.01")
    assert [name for name, one in first.items() if not one.missing] == months_since(2)


@pytest.mark.large
def test_a_month_with_a_slice_that_was_refused_was_not_fetched_whole(blank_home: House, small: Simulator) -> None:
    collect(blank_home, "night-1", budgets=False)
    small.configure(refused_actions={"billing": ["ce:*"]})
    results = collect(blank_home, "again", budgets=False, whole_months=frozenset({month(1)}))
    assert results["cost_daily"].blocks
    with blank_home.store.read() as connection:
        (read,) = bill_months.read_in_run(connection, "again", SLICES).values()
    assert set(read.missing) == {f"{one.listing}:{one.name}" for one in SLICES}
    assert "ce:GetCostAndUsage" in read.reason


# ------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture
def world(truthful_night: Path, tmp_path: Path, organisation: Simulator) -> World:
    """A truthful warehouse over an organisation that tells the truth."""
    database = copy_of(truthful_night, tmp_path)
    made = World(database, night_environment(organisation, database, DAGSTER_HOME=str(home_of(tmp_path / "dagster"))))
    preflight_here(made.environment)
    organisation.clear_log()
    return made


@pytest.fixture
def of_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code location that was loaded when older months were there, and a UI that shows next month already."""
    made = dg.MonthlyPartitionsDefinition(start_date="2020-01", fmt="%Y-%m", end_offset=2)
    monkeypatch.setattr(definitions, "partitions", lambda *_: made)


def fetch(world: World, name: str, *assets: str) -> tuple[Ended, dict[dg.AssetKey, set[str]]]:
    """The job for one month, or some of its assets; how it ended, and the months that it showed."""
    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(os.environ).resolve_job_def(BILL_MONTH)
        result = job.execute_in_process(
            instance=instance,
            partition_key=name,
            asset_selection=[dg.AssetKey(asset.split("/")) for asset in assets] or None,
            raise_on_error=False,
            run_config=QUIET,
        )
        shown = {key: set(instance.get_materialized_partitions(key)) for key in (LANDED_KEY, DAILY_KEY)}
        return ended(result), shown


def bill_of(world: World, name: str, of: str) -> list[tuple[Any, ...]]:
    return query(
        world.database,
        "select account_id, dimension_value, sum(unblended_cost) from cost.daily "
        "where slice = 'service' and strftime(usage_date, '%Y-%m') = $month group by all order by all",
        {"month": name},
        of=of,
    )


def restate(simulator: Simulator) -> None:
    (account, *_) = [one for one in simulator.truth()["accounts"] if one["state"] == "ACTIVE"]
    simulator.change(
        "restate",
        usage_date=f"{month(1)}-10",
        account_id=account["account_id"],
        service="Amazon Elastic Compute Cloud - Compute",
        amount="41.5",
    )


@pytest.mark.large
def test_a_month_is_fetched_built_and_published_in_one_run(world: World, organisation: Simulator) -> None:
    before = bill_of(world, month(1), "published")
    restate(organisation)
    how, shown = fetch(world, month(1))
    assert how.success, how.said
    assert shown == {LANDED_KEY: {month(1)}, DAILY_KEY: {month(1)}}
    after = bill_of(world, month(1), "published")
    assert sum(row[2] for row in after) - sum(row[2] for row in before) == Decimal("41.5")
    start = dt.date.fromisoformat(f"{month(1)}-01")
    truth = organisation.ledger_sums(start, first_of(start, -1), "account_id", "service")
    assert {row[:2]: row[2] for row in after} == {
        (row["account_id"], row["service"]): Decimal(row["unblended_cost"]) for row in truth
    }
    # Nothing but the pre-flight and the month was requested.
    assert {call["service"] for call in organisation.log()} <= {"sts", "sso", "organizations", "ce"}


@pytest.mark.large
def test_a_month_that_is_not_trusted_changes_nothing_that_is_published(world: World, organisation: Simulator) -> None:
    before = fingerprint(world.database)
    restate(organisation)
    organisation.configure(refused_actions={"billing": ["ce:GetCostAndUsage"]})
    how, shown = fetch(world, month(1))
    assert not how.success
    assert "bill_month/landing may not be built upon. cost_" in how.said
    assert shown == {LANDED_KEY: set(), DAILY_KEY: set()}
    assert fingerprint(world.database) == before


@pytest.mark.large
@pytest.mark.parametrize(("back", "said"), [(14, "keeps no days any more"), (5, "CMDB_COST_MONTHS=1"), (-1, "no day")])
def test_a_month_that_cannot_be_fetched_is_refused_before_anything_is_sent(
    world: World, organisation: Simulator, of_long_ago: None, back: int, said: str
) -> None:
    before = world.state()
    how, _ = fetch(world, month(back), "/".join(LANDED_KEY.path))
    assert not how.success
    assert how.said.startswith("bill_month/landing was not requested. ")
    assert said in how.said
    assert organisation.log() == []
    assert world.state() == before


@pytest.mark.large
def test_the_command_fetches_a_range_of_months_builds_and_publishes(world: World, organisation: Simulator) -> None:
    before = bill_of(world, month(1), "published")
    restate(organisation)
    done = cmdb_here(world.environment, "bill-month", month(1), months_since(1)[-1], "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(one["month"], one["is_whole"]) for one in found["months"]] == [(one, True) for one in months_since(1)]
    assert found["published"] is True
    after = bill_of(world, month(1), "published")
    assert sum(row[2] for row in after) - sum(row[2] for row in before) == Decimal("41.5")
    done = cmdb_here({**world.environment, "CMDB_COST_REQUEST_LIMIT": "1"}, "bill-month", month(1))
    assert done.returncode != 0
    assert "Nothing was requested of it" in done.stdout + done.stderr


@pytest.mark.large
def test_a_closed_month_whose_total_changed_is_fetched_too_or_named_where_it_has_no_room(
    blank_home: House, small: Simulator
) -> None:
    settings = {"CMDB_COST_MONTHS": "3"}
    collect(blank_home, "night-1", budgets=False, **settings)
    blank_home.build("cost.daily", "cost.reconciliation")
    payer = small.truth("budgets")["central"]["billing"]
    small.change("restate", usage_date=f"{month(3)}-10", account_id=payer, service="AmazonCloudWatch", amount="41.5")
    before = len(asked_of(small))
    whole = {f"{one.listing}:{one.name}:{month(1)}" for one in SLICES} | {"cost_monthly:total"}
    paid = sum(row["request_count"] for name, row in cells(blank_home, "night-1").items() if name in whole)
    limit = str(before + paid)
    with pytest.raises(DailyLimitReached, match=f"AWS has changed the total of {month(3)}, so that it has to be"):
        collect(blank_home, "again-1", whole_months=frozenset({month(1)}), CMDB_COST_REQUEST_LIMIT=limit, **settings)
    assert len(asked_of(small)) == before + 1
    collect(blank_home, "again-2", budgets=False, whole_months=frozenset({month(1)}), **settings)
    assert {name[-7:] for name in cells(blank_home, "again-2")} - {"y:total"} == {month(1), month(3)}


def test_a_month_that_was_never_loaded_is_not_one_that_aws_has_changed(blank_home: House, small: Simulator) -> None:
    settings = {"CMDB_COST_MONTHS": "3"}
    limit = str(len(SLICES) + 3)
    collect(blank_home, "night-1", budgets=False, CMDB_COST_REQUEST_LIMIT=limit, **settings)
    blank_home.build("cost.daily", "cost.reconciliation")
    waiting = {name[-7:] for name, row in cells(blank_home, "night-1").items() if row["skip_reason"] == "request_limit"}
    assert waiting >= {month(2), month(3)}
    collect(blank_home, "again-1", budgets=False, whole_months=frozenset({month(0)}), **settings)
    assert {name[-7:] for name in cells(blank_home, "again-1")} - {"y:total"} == {month(0)}


@pytest.mark.parametrize(
    ("months", "sentence"),
    [
        (["2026-13"], "'2026-13' is no month."),
        (["August"], "'August' is no month."),
        (["0000-01"], "'0000-01' is no month."),
        ([month(0), month(1)], f"{month(1)} comes before {month(0)}."),
        (["2020-01"], "Cost Explorer keeps no days any more"),
        ([month(5)], "CMDB_COST_MONTHS=1"),
        ([month(1)], "there was no run yet"),
    ],
)
def test_what_is_no_month_that_can_be_fetched_is_a_sentence_of_the_command(
    tmp_path: Path, months: list[str], sentence: str
) -> None:
    environment = {"CMDB_DATABASE": str(tmp_path / DATABASE), "CMDB_COST_MONTHS": "1"}
    done = cmdb_here(environment, "bill-month", *months)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Nothing was requested." in done.stderr


# --------------------------------------------------------------------------------------------------- in the UI

BACKFILLS = """
query($filter: RunsFilter!) {
  runsOrError(filter: $filter) {
    __typename
    ... on Runs { results { runId status assetSelection { path } tags { key value } } }
  }
}
"""

MONTHS = """
query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    __typename
    ... on AssetNode {
      assetPartitionStatuses {
        ... on TimePartitionStatuses { ranges { status startKey endKey } }
      }
      partitionStats { numMaterialized numFailed numPartitions }
    }
  }
}
"""

LAUNCH = """
mutation($backfillParams: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfillParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""

PREFLIGHT = "audit/caller_identity"


def backfill(ui: Ui, names: list[str], *assets: str) -> list[dict[str, Any]]:
    """Materialize months of assets, as the UI's dialog does; the runs once they have ended, oldest first."""
    launched = ui.ask(
        LAUNCH,
        "LaunchBackfillSuccess",
        backfillParams={"assetSelection": [{"path": one.split("/")} for one in assets], "partitionNames": names},
    )["backfillId"]
    tags = [{"key": "dagster/backfill", "value": launched}]

    def runs() -> list[dict[str, Any]]:
        found = ui.ask(BACKFILLS, "Runs", filter={"tags": tags})["results"]
        return list(reversed(found))

    wanted = 1 + (PREFLIGHT in assets)
    awaited(
        lambda: (
            "there"
            if len(runs()) >= wanted and all(run["status"] in ("SUCCESS", "FAILURE") for run in runs())
            else None
        ),
        "the backfill has not ended",
        600,
    )
    return runs()


def statuses(ui: Ui, key: dg.AssetKey) -> tuple[dict[str, int], list[dict[str, str]]]:
    found = ui.ask(MONTHS, "AssetNode", key={"path": list(key.path)})
    return found["partitionStats"], found["assetPartitionStatuses"]["ranges"]


@pytest.mark.large
def test_a_backfill_in_the_ui_is_one_run_of_all_months_after_the_pre_flight_and_the_gate_holds_in_both(
    world: World, organisation: Simulator, tmp_path: Path
) -> None:
    landed, daily = ("/".join(key.path) for key in (LANDED_KEY, DAILY_KEY))
    before = fingerprint(world.database)
    restate(organisation)
    with served(tmp_path / "dagster", world) as ui, ui.daemon():
        # No pre-flight is recorded: the second run of a split backfill has nothing to rest upon without the first.
        world.change("delete from audit.check_result where scope = 'pre-flight'")
        (alone,) = backfill(ui, [month(1)], landed)
        assert "No pre-flight is recorded." in ui.ended(alone["runId"]).said
        assert statuses(ui, LANDED_KEY)[0]["numMaterialized"] == 0

        first, second = backfill(ui, months_since(1), PREFLIGHT, landed, daily)
        assert [one["status"] for one in (first, second)] == ["SUCCESS", "SUCCESS"]
        assert [[one["path"] for one in run["assetSelection"]] for run in (first, second)] == [
            [PREFLIGHT.split("/")],
            [list(DAILY_KEY.path), list(LANDED_KEY.path)],
        ]
        for key in (LANDED_KEY, DAILY_KEY):
            stats, ranges = statuses(ui, key)
            fetched = months_since(1)
            assert (stats["numMaterialized"], stats["numFailed"]) == (len(fetched), 0)
            assert ranges == [{"status": "MATERIALIZED", "startKey": fetched[0], "endKey": fetched[-1]}]
    assert fingerprint(world.database) == before
    working, published = (sum(row[2] for row in bill_of(world, month(1), of)) for of in ("working", "published"))
    assert working - published == Decimal("41.5")
