"""Closed months of the bill that AWS changes late: which slices a run fetches again, and what it records of them."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import lead_to
from given import House, house
from test_bill import asked_of, cells, collect, waiting

from pipelines.collection import cost_slices
from pipelines.collection.cost_slices import Month, Slice, first_of
from pipelines.collection.late_costs import Backfill, in_turn, reopened, succeeded, switched_at
from pipelines.collection.seeds import every_slice
from pipelines.reference import DEMO_FOLDER
from resources.store.store import Store
from simulator.client import Simulator, SimulatorError

KEY = "bc:project"
HISTORY = 4
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
MONTHLY = [one for one in every_slice(DEMO_FOLDER) if one != cost_slices.TOTAL]


# ------------------------------------------------------------------------------------------------ the rule alone

TAG = {one.tag_key: one for one in MONTHLY if one.listing == "cost_daily" and one.tag_key}
STARTS = [dt.date(2026, number, 1) for number in range(3, 10)]
READ = {(one, first): NOON - dt.timedelta(days=5) for one in MONTHLY for first in STARTS}
SINCE_JUNE = Backfill(dt.date(2026, 6, 1), NOON - dt.timedelta(days=2), NOON)


def found(backfill: Backfill, switched: dict[str, dt.datetime | None] | None) -> set[tuple[str, str]]:
    return {(one.name, month.name) for one, month in reopened(READ, [backfill], switched)}


@pytest.mark.parametrize(
    ("switched", "last"),
    [
        # Between the months and the request.
        (dt.datetime(2026, 11, 1, tzinfo=dt.UTC), 9),
        # In a month: the days before it had the other status.
        (dt.datetime(2026, 8, 3, tzinfo=dt.UTC), 8),
        (dt.datetime(2026, 6, 1, tzinfo=dt.UTC), 6),
        # Its status was the same on every day since June.
        (dt.datetime(2026, 5, 31, 23, 59, tzinfo=dt.UTC), 5),
        (dt.datetime(2024, 5, 1, tzinfo=dt.UTC), 5),
        # After the request: what was before is not known.
        (NOON, 9),
        # AWS does not say.
        (None, 9),
    ],
)
def test_a_backfill_changes_a_key_from_its_start_to_the_last_switch(switched: dt.datetime | None, last: int) -> None:
    others: dict[str, dt.datetime | None] = dict.fromkeys(
        (str(key) for key in TAG), dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    )
    months = {f"2026-{number:02d}" for number in range(6, last + 1)}
    assert found(SINCE_JUNE, others | {KEY: switched}) == {(f"tag:{KEY}", name) for name in months}


def test_a_key_cut_by_service_is_changed_in_both_slices_and_one_that_billing_never_saw_in_none() -> None:
    service = "bc:business-service"
    assert found(SINCE_JUNE, {service: None}) == {
        (name, f"2026-0{number}") for name in (f"tag:{service}", service) for number in range(6, 10)
    }
    assert found(SINCE_JUNE, {}) == set()
    # Where AWS does not list the keys, each may be changed; what is not cut by a tag never is.
    assert {name for name, _ in found(SINCE_JUNE, None)} == {one.name for one in MONTHLY if one.tag_key}


@pytest.mark.parametrize(("hours", "is_reopened"), [(0, True), (23, True), (24, False), (300, False)])
def test_a_slice_is_settled_once_it_was_fetched_a_day_after_the_backfill(hours: int, is_reopened: bool) -> None:
    cell = (TAG[KEY], dt.date(2026, 7, 1))
    readings = {cell: SINCE_JUNE.completed_at + dt.timedelta(hours=hours)}
    assert bool(reopened(readings, [SINCE_JUNE], {KEY: NOON})) is is_reopened


def test_only_a_backfill_that_succeeded_counts_and_its_times_may_be_in_any_zone() -> None:
    record = {
        "BackfillFrom": "2026-06-01T00:00:00Z",
        "RequestedAt": "2026-11-18T23:00:00+11:00",
        "CompletedAt": "2026-11-20T12:00:00Z",
    }
    for status in ("PROCESSING", "FAILED"):
        assert succeeded([{**record, "BackfillStatus": status}]) == ()
    assert succeeded([{**record, "BackfillStatus": "SUCCEEDED"}]) == (SINCE_JUNE,)
    assert switched_at([{"TagKey": "a", "LastUpdatedDate": "2026-11-20T12:00:00Z"}, {"TagKey": "b"}]) == {
        "a": NOON,
        "b": None,
    }


def test_every_closed_month_has_its_turn_once_before_any_has_it_twice() -> None:
    read: dict[tuple[Slice, dt.date], dt.datetime] = dict(READ)
    turns = []
    for night in range(3 * len(STARTS)):
        chosen = in_turn(read)
        (name,) = {month.start for _, month in chosen}
        assert {one for one, _ in chosen} == set(MONTHLY)
        turns.append(name)
        # A slice that a backfill re-opens meanwhile changes no month's turn.
        at = NOON + dt.timedelta(days=night)
        read[TAG[KEY], STARTS[night % len(STARTS)]] = at
        read |= {(one, month.start): at + dt.timedelta(hours=1) for one, month in chosen}
    for lap in range(3):
        assert Counter(turns[lap * len(STARTS) : (lap + 1) * len(STARTS)]) == Counter(STARTS)


def test_what_has_changed_is_fetched_before_missing_history_and_after_what_is_open() -> None:
    today, july = dt.date(2026, 11, 20), Month(dt.date(2026, 7, 1), dt.date(2026, 8, 1))
    planned = cost_slices.plan(today, 3, MONTHLY, lambda _: (), [(TAG[KEY], july)])
    place = planned.index((TAG[KEY], july))
    assert {month.start for _, month in planned[:place]} == {dt.date(2026, 10, 1), dt.date(2026, 11, 1)}
    assert {month.start for _, month in planned[place + 1 :]} == {dt.date(2026, 8, 1), dt.date(2026, 9, 1)}
    assert len(planned) == len(set(planned))


# ------------------------------------------------------------------------------------- a simulated organisation


@pytest.fixture(scope="module")
def warehouse(small_process: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A warehouse whose only run is three days old, with every slice of every month."""
    with pytest.MonkeyPatch.context() as patch, house(tmp_path_factory.mktemp("first")) as made:
        lead_to(small_process, patch)
        small_process.reset()
        night(made, "night-1")
        made.build("cost.daily", "cost.tag_service_daily")
        age(made, 3)
    return made.store


@pytest.fixture
def home(warehouse: Store, tmp_path: Path) -> Iterator[House]:
    shutil.copytree(warehouse.landing, tmp_path / warehouse.landing.name)
    with house(tmp_path, working=warehouse.working.read_bytes()) as made:
        yield made


def month(back: int) -> str:
    return f"{first_of(dt.datetime.now(dt.UTC).date(), back):%Y-%m}"


CLOSED = range(2 if dt.datetime.now(dt.UTC).day > cost_slices.RESTATED_UNTIL_DAY + 4 else 3, HISTORY + 1)
"""How many months back those lie that are closed, and were some days ago."""


def night(home: House, run_id: str, **settings: Any) -> set[str]:
    """One run of the bill: the slices of closed months that it fetched."""
    collect(home, run_id, budgets=False, **{"CMDB_COST_MONTHS": str(HISTORY), **settings})
    names = {month(back) for back in CLOSED}
    return {name for name, cell in cells(home, run_id).items() if name[-7:] in names and cell["outcome"] == "found"}


def age(home: House, days: int) -> None:
    """Let everything have been fetched some days earlier."""
    home.execute(
        f"update audit.collection set started_at = started_at - to_days({days}), ended_at = ended_at - to_days({days})"
    )


def backfilled(simulator: Simulator, back: int, *, status: str | None = "SUCCEEDED") -> None:
    """Somebody requests a backfill, and AWS ends it."""
    simulator.change("start_tag_backfill", since=f"{month(back)}-01")
    if status:
        simulator.change("end_tag_backfill", status=status)


def in_its_turn(fetched: set[str]) -> tuple[str, set[str]]:
    """The month that was fetched whole, and what else was."""
    (whole,) = {name[-7:] for name in fetched if name.startswith("cost_daily:service:")}
    every = {f"{one.listing}:{one.name}:{whole}" for one in MONTHLY}
    assert every <= fetched
    return whole, fetched - every


def slices(key: str, *backs: int) -> set[str]:
    return {f"cost_daily:tag:{key}:{month(back)}" for back in backs}


def restated(home: House) -> list[dict[str, Any]]:
    home.build("cost.daily", "cost.tag_service_daily")
    return home.rows(
        """
        select
            slice, strftime(usage_date, '%Y-%m') as name,
            sum(coalesce(new_unblended_cost, 0) - coalesce(old_unblended_cost, 0))::decimal(28, 10) as moved
        from cost.restatement group by all order by all
        """
    )


def test_a_backfill_reopens_the_changed_slices_and_nothing_else(home: House, small: Simulator) -> None:
    small.change("activate_tag", key=KEY)
    backfilled(small, 3)
    whole, others = in_its_turn(night(home, "night-2"))
    assert others == {name for name in slices(KEY, *CLOSED) if name[-7:] not in (whole, month(4))}
    rows = restated(home)
    # Money moves between the values of the key, and none of it is new.
    assert {row["slice"] for row in rows} == {f"tag:{KEY}"}
    assert month(3) in {row["name"] for row in rows}
    assert month(4) not in {row["name"] for row in rows}
    assert {Decimal(row["moved"]) for row in rows} == {Decimal(0)}
    since, until = (dt.date.fromisoformat(f"{month(back)}-01") for back in (4, 2))
    truth = {
        (row["usage_date"], row[f"tag:{KEY}"]): Decimal(row["unblended_cost"])
        for row in small.ledger_sums(since, until, "usage_date", f"tag:{KEY}")
    }
    stored = home.rows(
        "select usage_date, dimension_value, sum(unblended_cost) as cost from cost.daily "
        "where slice = $slice and usage_date >= $since and usage_date < $until group by all",
        {"slice": f"tag:{KEY}", "since": since, "until": until},
    )
    assert {(row["usage_date"], row["dimension_value"]): Decimal(row["cost"]) for row in stored} == truth
    assert {value for (day, value) in truth if day >= f"{month(3)}-01"} != {""}
    (row,) = (home.build("cost.tag_backfill"), home.rows("select * from cost.tag_backfill"))[1]
    assert (row["backfill_from"], row["status"]) == (f"{month(3)}-01", "SUCCEEDED")


@pytest.mark.large
def test_cost_explorer_refreshes_within_a_day_so_what_was_fetched_at_once_is_fetched_once_more(
    home: House, small: Simulator
) -> None:
    small.change("activate_tag", key=KEY)
    backfilled(small, 4)
    night(home, "night-2")
    for run_id, days, again in (("night-3", 0, slices(KEY, *CLOSED)), ("night-4", 2, set())):
        if days:
            # The backfill has ended two days before the fetch of the night before.
            home.execute("update audit.collection set ended_at = ended_at + interval 2 day where run_id = 'night-3'")
        whole, others = in_its_turn(night(home, run_id))
        assert others == {name for name in again if not name.endswith(whole)}


@pytest.mark.parametrize("status", [None, "FAILED"])
def test_a_backfill_that_is_processed_or_failed_reopens_nothing(
    home: House, small: Simulator, status: str | None
) -> None:
    small.change("activate_tag", key=KEY)
    backfilled(small, 4, status=status)
    assert in_its_turn(night(home, "night-2"))[1] == set()
    assert restated(home) == []
    home.build("cost.tag_backfill")
    (row,) = home.rows("select status, completed_at is null as is_open from cost.tag_backfill")
    assert row == {"status": status or "PROCESSING", "is_open": status is None}


def test_a_late_activation_changes_no_closed_month_and_is_there_from_its_day_on(home: House, small: Simulator) -> None:
    today = dt.date.fromisoformat(small.truth("budgets")["today"])
    late = today - dt.timedelta(days=1)
    small.change("activate_tag", key=KEY, on=late.isoformat())
    assert in_its_turn(night(home, "night-2"))[1] == set()
    home.build("cost.daily")
    days = home.rows(
        "select distinct usage_date from cost.daily where slice = $slice and dimension_value <> ''",
        {"slice": f"tag:{KEY}"},
    )
    assert days == [{"usage_date": late.isoformat()}]


def test_a_backfill_takes_the_values_of_a_deactivated_key_out_of_closed_months(home: House, small: Simulator) -> None:
    small.change("deactivate_tag", key="bc:capability")
    backfilled(small, 3)
    whole, others = in_its_turn(night(home, "night-2"))
    changed = slices("bc:capability", *(back for back in CLOSED if back <= 3))
    assert others == {name for name in changed if not name.endswith(whole)}
    assert {row["slice"] for row in restated(home)} == {"tag:bc:capability"}
    left = home.rows(
        "select distinct strftime(usage_date, '%Y-%m') as name from cost.daily "
        "where slice = 'tag:bc:capability' and dimension_value <> '' order by name"
    )
    assert month(4) in {row["name"] for row in left}
    assert month(3) not in {row["name"] for row in left}


@pytest.mark.parametrize("unlisted", ["ce:ListCostAllocationTagBackfillHistory", "ce:ListCostAllocationTags"])
def test_without_an_optional_grant(home: House, small: Simulator, unlisted: str) -> None:
    small.configure(refused_actions={"billing": [unlisted]})
    small.change("activate_tag", key=KEY)
    backfilled(small, 3)
    said: list[str] = []
    verdicts = collect(home, "night-2", budgets=False, log=said.append, CMDB_COST_MONTHS=str(HISTORY))
    assert all(verdict.passed for verdict in verdicts.values())
    names = {month(back) for back in CLOSED}
    whole, others = in_its_turn({name for name in cells(home, "night-2") if name[-7:] in names})
    reported = [sentence for sentence in said if "Backfills of cost allocation tags are not seen" in sentence]
    if unlisted == "ce:ListCostAllocationTags":
        # Which key was switched is not known, so that each may be changed.
        keyed = {f"{one.listing}:{one.name}" for one in MONTHLY if one.tag_key}
        assert others == {
            f"{name}:{month(back)}" for name in keyed for back in CLOSED if month(back) not in (whole, month(4))
        }
        assert reported == []
    else:
        assert others == set()
        (sentence,) = reported
        assert f"{KEY} became active or inactive after closed months were fetched" in sentence
        assert cells(home, "night-2")["cost_tag_backfill"]["skip_reason"] == "optional_grant_not_given"


# ------------------------------------------------------------------------------------------------ a month in turn


@pytest.mark.large
def test_each_run_fetches_one_closed_month_again_and_each_once_before_any_twice(home: House, small: Simulator) -> None:
    closed = {month(back) for back in CLOSED}
    turns = []
    for number in range(2 * len(closed)):
        whole, others = in_its_turn(night(home, f"night-{number + 2}"))
        assert others == set()
        turns.append(whole)
    assert Counter(turns[: len(closed)]) == Counter(turns[len(closed) :]) == Counter(closed)


def open_months(simulator: Simulator) -> set[str]:
    today = dt.date.fromisoformat(simulator.truth("budgets")["today"])
    every = {f"{first_of(today, back):%Y-%m}" for back in range(24)}
    return {one.name for one in cost_slices.months_to_fetch(today, 1, every)}


@pytest.mark.large
def test_a_change_that_nobody_announces_shows_when_its_month_has_its_turn(home: House, small: Simulator) -> None:
    payer = small.truth("budgets")["central"]["billing"]
    day = f"{month(3)}-05"
    # Two changes of one day that leave its total as it was, so that no monthly total tells.
    for service, amount in (("AmazonCloudWatch", "7"), ("AWS Key Management Service", "-7")):
        small.change("restate", usage_date=day, account_id=payer, service=service, amount=amount)
    for number in range(2, 8):
        night(home, f"night-{number}")
        home.build("cost.daily")
        rows = home.rows("select distinct usage_date from cost.restatement where slice = 'service'")
        if rows:
            break
        age(home, 1)
    assert rows == [{"usage_date": day}]


def test_the_turn_waits_for_room_within_the_limit_and_harms_nothing(home: House, small: Simulator) -> None:
    small.clear_log()
    said: list[str] = []
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    limit = {"CMDB_COST_MONTHS": str(HISTORY), "budgets": False, "log": said.append}
    # Until the tenth a third month is open, after its first day.
    first = "55" if len(open_months(small)) == 3 else "45"
    collect(home, "night-2", now=lambda: tomorrow, CMDB_COST_REQUEST_LIMIT=first, **limit)
    sent = len(asked_of(small))
    assert sent <= int(first)
    assert not {name for name in cells(home, "night-2") if name[-7:] in {month(back) for back in CLOSED}}
    (sentence,) = [one for one in said if "It is the turn of" in one]
    assert "waits for a run with room for it" in sentence
    untrusted = home.rows("select listing from audit.coverage where not is_trusted and listing like 'cost_daily:%'")
    assert untrusted == []
    # With room for it and for no more, it goes.
    small.clear_log()
    later = tomorrow + dt.timedelta(days=1)
    room = str(sent + int(re.findall(r"which takes (\d+) requests", sentence)[0]))
    collect(home, "night-3", now=lambda: later, CMDB_COST_REQUEST_LIMIT=room, **limit)
    assert len(asked_of(small)) == int(room), said
    in_its_turn({name for name in cells(home, "night-3") if name[-7:] in {month(back) for back in CLOSED}})


def test_what_a_backfill_changed_waits_for_the_next_run_where_the_limit_ends_the_asking(
    home: House, small: Simulator
) -> None:
    small.change("activate_tag", key=KEY)
    backfilled(small, 4)
    still_open = len(open_months(small)) * len(MONTHLY)
    small.clear_log()
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    # Tags, backfills, what is open, the totals, and one of the slices that the backfill changed.
    limit = str(still_open + 4)
    collect(
        home,
        "night-2",
        budgets=False,
        now=lambda: tomorrow,
        CMDB_COST_MONTHS=str(HISTORY),
        CMDB_COST_REQUEST_LIMIT=limit,
    )
    assert len(asked_of(small)) == int(limit)
    left = waiting(home, "night-2") & slices(KEY, *CLOSED)
    assert len(left) >= 2
    fetched = night(home, "night-3")
    assert left <= fetched


def test_a_run_of_untrusted_cells_takes_no_turn(home: House, small: Simulator) -> None:
    age(home, -3)
    small.clear_log()
    collect(home, "night-2", budgets=False, only_untrusted=True, CMDB_COST_MONTHS=str(HISTORY))
    assert not [name for name in cells(home, "night-2") if name.startswith("cost_daily")]


# ------------------------------------------------------------------------------------------------ the simulator


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([("start_tag_backfill", {"since": "2026-02-02"})], "first of a month"),
        ([("start_tag_backfill", {"since": "2020-01-01"})], "reaches back 12 months"),
        ([("end_tag_backfill", {})], "no backfill is in progress"),
        ([("activate_tag", {"key": "no such key"})], "no tag key"),
    ],
)
def test_a_backfill_that_aws_would_refuse(small: Simulator, changes: list[Any], why: str) -> None:
    with pytest.raises(SimulatorError, match=why):
        for name, arguments in changes:
            small.change(name, **arguments)


def test_two_backfills_are_not_processed_at_once(small: Simulator) -> None:
    backfilled(small, 2, status=None)
    with pytest.raises(SimulatorError, match="in progress"):
        backfilled(small, 2)


def test_a_backfill_shows_once_it_has_succeeded(small: Simulator) -> None:
    since, until = (dt.date.fromisoformat(f"{month(back)}-01") for back in (3, 2))

    def values() -> set[str]:
        return {row[f"tag:{KEY}"] for row in small.ledger_sums(since, until, "usage_date", f"tag:{KEY}")}

    small.change("activate_tag", key=KEY)
    backfilled(small, 3, status=None)
    assert values() == {""}
    small.change("end_tag_backfill")
    assert len(values()) > 2
