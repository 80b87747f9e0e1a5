"""The bill by difference: few requests on a usual night, and the rows of a warehouse that requests everything."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest
from conftest import lead_to, policies
from given import House, house
from test_bill import asked_of, collect

from pipelines.collection import cost_collector, cost_slices
from pipelines.collection.cost_changes import CostChanges
from pipelines.collection.cost_difference import (
    METRIC_COLUMNS,
    ChangedDays,
    changed_days,
    disputed_months,
    stored_slices,
)
from pipelines.collection.cost_difference import TABLES as TABLES_BY_ACCOUNT
from pipelines.collection.cost_slices import Month, Slice
from pipelines.collection.cost_turn import part_of_turn
from resources.aws.messages import CellKey
from simulator.client import Simulator, start

FIRST = dt.date(2026, 10, 21)
HISTORY = "3"
HOUR = dt.time(3, tzinfo=dt.UTC)
KEY = "bc:project"
TABLES = ("cost.daily", "stage.cost_tag_service_daily")
SUMS = ", ".join(
    ("unblended_cost", "amortized_cost", "net_unblended_cost", "net_amortized_cost", "billed_cost", "list_cost")
)


# ------------------------------------------------------------------------------------------------ the rule alone


def day(number: int) -> dt.date:
    return dt.date(2026, 11, number)


NOVEMBER = Month(day(1), day(28))


@pytest.mark.parametrize(
    ("days", "rows", "ranges"),
    [
        ((), 10, []),
        ((25, 26, 27), 10, [(25, 28)]),
        # What lies between is less than a page.
        ((3, 25, 26, 27), 10, [(3, 28)]),
        ((3, 25, 26, 27), 100, [(3, 4), (25, 28)]),
        ((3, 5, 27), 100, [(3, 6), (27, 28)]),
        (tuple(range(1, 28)), 100, [(1, 28)]),
    ],
)
def test_days_become_ranges_and_what_costs_less_than_a_page_is_fetched_too(
    days: tuple[int, ...], rows: int, ranges: list[tuple[int, int]]
) -> None:
    changed = ChangedDays(tuple(map(day, days)), {day(number): rows for number in range(1, 27)})
    found = changed.ranges(NOVEMBER, 1000)
    assert [(one.start.day, one.end.day) for one in found] == ranges
    # The 27th is not stored, and counts as the largest day that is.
    assert changed.pages(found, 100) == sum(-(-(until - since) * rows // 100) for since, until in ranges)


def test_a_day_that_the_bill_lacks_leaves_doubt() -> None:
    assert ChangedDays((day(3),), {day(3): 1}, is_doubtful=True).ranges(NOVEMBER, 1000) == (NOVEMBER,)


SERVICES = Slice("cost_tag_service_daily", KEY, (("TAG", KEY), cost_slices.BY_SERVICE))


def waiting(*, is_disputed: bool = False, reason: str = "request_limit") -> CostChanges:
    """What is known of November, of whose cells the last run fetched none."""
    keys = [
        CellKey("billing", "1", "aws-global", f"{one.listing}:{one.name}:2026-11")
        for one in (cost_slices.SERVICE, SERVICES)
    ]
    earlier = {key: SimpleNamespace(is_trusted=False, skip_reason=reason) for key in keys}
    state: Any = SimpleNamespace(listings=[], record_rules={}, is_by_cadence=True, earlier=earlier)
    return CostChanges(state, "1", day(28), {}, (), {"2026-11"} if is_disputed else ())


def trusted(disputed: set[str]) -> CostChanges:
    """What is known of November, whose cells are trusted."""
    keys = [CellKey("billing", "1", "aws-global", f"cost_daily:{name}:2026-11") for name in ("service", "region")]
    earlier = {key: SimpleNamespace(is_trusted=True, skip_reason=None) for key in keys}
    state: Any = SimpleNamespace(listings=[], record_rules={}, is_by_cadence=True, earlier=earlier)
    return CostChanges(state, "1", day(28), {}, (), disputed)


def test_what_waited_and_agrees_since_is_fetched_by_a_day_and_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    agrees, differs = ChangedDays((), {day(3): 1, day(9): 5}), ChangedDays((day(3),), {day(3): 1})

    def of(changes: CostChanges, one: Slice, found: ChangedDays) -> Any:
        monkeypatch.setitem(changes._found, (one, NOVEMBER.start), found)
        return changes.ranges(one, NOVEMBER)

    assert of(waiting(), cost_slices.SERVICE, agrees) == (Month(day(9), day(10)),)
    assert of(waiting(), cost_slices.SERVICE, differs) == (Month(day(3), day(4)),)
    assert of(waiting(is_disputed=True), cost_slices.SERVICE, agrees) is None
    assert of(waiting(reason=""), cost_slices.SERVICE, agrees) is None
    # What moved between accounts changed no total of a day, and the slices by account may agree since.
    assert of(waiting(), SERVICES, agrees) is None
    assert of(waiting(), SERVICES, differs) is None


def compared(tmp_path: Path, *slices: Slice, amounts: tuple[str, str] = ("2", "2")) -> dict[Slice, ChangedDays]:
    """November, of which a payer with the classic metrics has one day: what is stored of it and what is billed."""
    landed = tmp_path / "landed.ndjson"
    item = {
        "TimePeriod": {"Start": "2026-11-03"},
        "Keys": ["1"],
        "Metrics": {"UnblendedCost": {"Amount": amounts[1], "Unit": "USD"}},
        "Estimated": False,
    }
    landed.write_text(json.dumps({"listing": "cost_account_daily:account:2026-11", "item": item}))
    with duckdb.connect() as connection:
        for is_by_account, (schema, table) in TABLES_BY_ACCOUNT.items():
            connection.execute(f"create schema {schema}")
            listings = [
                f"{one.listing}:{one.name}:2026-11"
                for one in slices
                if (cost_slices.BY_ACCOUNT in one.groups) is is_by_account
            ]
            others = ", ".join(f"null::decimal(28, 10) as {one}" for one in METRIC_COLUMNS if one != "unblended_cost")
            connection.execute(
                f"""
                create table {schema}.{table} as
                select
                    unnest($listings) as listing, date '2026-11-03' as usage_date, '1' as account_id,
                    $amount::decimal(28, 10) as unblended_cost, {others}, 'USD' as currency, false as is_estimated,
                    'billing' as role, '1' as caller_account_id, timestamptz '2026-11-20 03:00+00' as collected_at
                """,
                {"listings": listings, "amount": amounts[0]},
            )
        return changed_days(connection, "1", NOVEMBER, slices, landed)


PAID = ("2026-09-03", "5", False)
"""Day, amount and whether it is an estimate, of one row of a payer's bill by service."""


@pytest.mark.parametrize(
    ("held", "reported", "disputed"),
    [
        ([PAID], ("2026-09-01", "5", False), set()),
        ([PAID], ("2026-09-01", "5.0000000001", False), set()),
        ([PAID], ("2026-09-01", "8.25", False), {"2026-09"}),
        # The month was known to cost nothing.
        ([], ("2026-09-01", "8.25", False), {"2026-09"}),
        ([], ("2026-09-01", "0", False), set()),
        # What AWS still estimates refuses no run.
        ([PAID], ("2026-09-01", "8.25", True), set()),
        ([("2026-09-03", "5", True)], ("2026-09-01", "8.25", False), set()),
        # An open month is compared with the bill by account.
        ([("2026-10-03", "5", False)], ("2026-10-01", "8.25", False), set()),
    ],
)
def test_a_month_is_disputed_by_the_total_of_this_run(
    tmp_path: Path, held: list[Any], reported: tuple[str, str, bool], disputed: set[str]
) -> None:
    landed = tmp_path / "landed.ndjson"
    start, amount, is_estimated = reported
    item = {
        "TimePeriod": {"Start": start},
        "Total": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}},
        "Estimated": is_estimated,
    }
    landed.write_text(json.dumps({"listing": "cost_monthly:total", "item": item}))
    with duckdb.connect() as connection:
        assert disputed_months(connection, "1", dt.date(2026, 10, 1), landed) == set()
        connection.execute(
            """
            create schema cost;
            create table cost.daily (
                usage_date date, unblended_cost decimal(28, 10), is_estimated boolean, role varchar, slice varchar,
                caller_account_id varchar
            )
            """
        )
        for row in held:
            # Another payer's bill and another slice count for nothing.
            for slice_, payer in (("service", "1"), ("service", "2"), ("region", "1")):
                connection.execute("insert into cost.daily values (?, ?, ?, 'billing', ?, ?)", [*row, slice_, payer])
        assert disputed_months(connection, "1", dt.date(2026, 10, 1), landed) == disputed


def test_a_month_that_its_services_explain_has_no_other_slice_fetched_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = trusted(disputed={"2026-11"})
    region = Slice("cost_daily", "region", (cost_slices.BY_ACCOUNT, ("DIMENSION", "REGION")))
    agrees, differs = ChangedDays((), {day(3): 1}), ChangedDays((day(3),), {day(3): 1})
    monkeypatch.setitem(changes._found, (region, NOVEMBER.start), agrees)
    monkeypatch.setitem(changes._found, (cost_slices.SERVICE, NOVEMBER.start), differs)
    assert changes.ranges(region, NOVEMBER) == ()
    assert changes.ranges(cost_slices.SERVICE, NOVEMBER) == (Month(day(3), day(4)),)
    # The bill by account explains nothing: all of the month is in doubt.
    monkeypatch.setitem(changes._found, (cost_slices.SERVICE, NOVEMBER.start), agrees)
    assert changes.ranges(region, NOVEMBER) is changes.ranges(cost_slices.SERVICE, NOVEMBER) is None


def test_a_metric_that_neither_has_does_not_differ(tmp_path: Path) -> None:
    assert compared(tmp_path, cost_slices.SERVICE)[cost_slices.SERVICE].days == ()
    assert compared(tmp_path, cost_slices.SERVICE, amounts=("2", "3"))[cost_slices.SERVICE].days == (day(3),)


def test_a_slice_without_accounts_is_compared_beside_one_that_has_them(tmp_path: Path) -> None:
    assert compared(tmp_path, cost_slices.SERVICE, SERVICES).keys() == {cost_slices.SERVICE, SERVICES}
    assert compared(tmp_path, SERVICES) == {}


@pytest.mark.parametrize(
    ("then", "now", "is_same"),
    [
        (("own", "1"), ("own", "1"), True),
        (("own", "1"), ("unknown", None), True),
        (("unknown", None), ("own", "1"), True),
        (("own", "1"), ("transferred", "2"), False),
    ],
)
def test_a_bill_that_could_not_be_found_out_is_not_another_one(
    then: tuple[str, str | None], now: tuple[str, str | None], *, is_same: bool
) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema audit; create schema cost;
            create table audit.bill (domain varchar, payer_account_id varchar, checked_at timestamptz);
            create table audit.collection (
                role varchar, account_id varchar, listing varchar, ended_at timestamptz, is_trusted boolean,
                record_count bigint, page_count bigint, evidence json
            );
            create table cost.daily as select
                'cost_daily:service:2026-11' as listing, timestamptz '2026-11-20 03:00+00' as collected_at,
                'billing' as role, '1' as caller_account_id
            """
        )
        for checked_at, bill in (("2026-11-20 02:00+00", then), ("2026-11-21 02:00+00", now)):
            connection.execute("insert into audit.bill values (?, ?, ?)", [*bill, checked_at])
        (stored,) = stored_slices(connection, "1").values()
    assert stored.is_of_this_bill is is_same


def test_the_days_that_were_fetched_longest_ago_come_first_and_as_many_as_have_room() -> None:
    rows = {day(number): 100 for number in range(1, 9)}
    read_at = {one: dt.datetime(2026, 11, 20 if one.day in (4, 5) else 21, tzinfo=dt.UTC) for one in rows}
    changed = ChangedDays((), rows, read_at)
    assert changed.longest_ago(NOVEMBER, 100, 0).days == ()
    assert changed.longest_ago(NOVEMBER, 100, 1).days == (day(4),)
    assert changed.longest_ago(NOVEMBER, 100, 3).days == (day(1), day(4), day(5))
    assert changed.longest_ago(NOVEMBER, 100, 8).days == tuple(rows)


AUGUST, JULY = Month(dt.date(2026, 8, 1), dt.date(2026, 9, 1)), Month(dt.date(2026, 7, 1), dt.date(2026, 8, 1))
SMALL, LARGE = (Slice("cost_daily", name, (cost_slices.BY_ACCOUNT,)) for name in ("small", "large"))


@pytest.mark.parametrize(
    ("left", "changed", "chosen"),
    [
        # The small slice whole, and the days of the large one that the rest has room for.
        (5, {}, {(SMALL, AUGUST): "whole", (LARGE, AUGUST): 4}),
        (10, {}, {(SMALL, AUGUST): "whole", (LARGE, AUGUST): "whole"}),
        # The bill by account needs one itself.
        (1, {}, {}),
        (5, {(LARGE, AUGUST): 3}, {(LARGE, AUGUST): "changed", (SMALL, AUGUST): "whole"}),
        # What August has changed has no room, and July has its turn all the same.
        (5, {(LARGE, AUGUST): 6}, {(SMALL, JULY): "whole", (LARGE, JULY): 4}),
        (5, {(LARGE, AUGUST): 6, (SMALL, JULY): 7}, {}),
    ],
)
def test_of_a_turn_without_room_for_all_changes_come_first_then_slices_then_days(
    left: int, changed: dict[Any, int], chosen: dict[Any, Any]
) -> None:
    cells = [(one, month) for month in (AUGUST, JULY) for one in (SMALL, LARGE)]
    found: dict[Any, Any] = dict.fromkeys(changed, "changed")

    class Closed:
        def in_turn(self, may: Callable[[Slice, Month], bool] = lambda *_: True) -> list[tuple[Slice, Month]]:
            wanted = [cell for cell in cells if may(*cell)]
            return [cell for cell in wanted if cell[1] == wanted[0][1]]

    class Changes:
        def is_unchanged(self, *cell: Any) -> bool:
            return cell not in found

        def whole(self, *cell: Any) -> None:
            found[cell] = "whole"

        def longest_ago(self, one: Slice, month: Month, room: int) -> bool:
            if room:
                found[one, month] = room
            return room > 0

    def needed(*cell: Any) -> int:
        whole = 9 if cell[0] == LARGE else 1
        return {"changed": changed.get(cell, 0), "whole": whole}.get(found.get(cell, "whole")) or found[cell]

    closed, changes, limit = cast(Any, Closed()), cast(Any, Changes()), cast(Any, SimpleNamespace(left=left))
    assert {cell: found[cell] for cell in part_of_turn(closed, changes, limit, needed, lambda _: None)} == chosen


# ----------------------------------------------------------------------------------- nights of an organisation


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with start(tmp_path / "world", policies(), accounts=2, resources=1, today=FIRST) as simulator:
        lead_to(simulator, monkeypatch)
        simulator.configure(page_sizes={"ce:GetCostAndUsage": 100_000})
        yield simulator


class Night:
    """One warehouse, night after night.

    Attributes:
        sent: the requests for the bill of each night.
        paid: all requests to Cost Explorer of each night.
    """

    def __init__(self, home: House, world: Simulator, patch: pytest.MonkeyPatch, *, is_by_cadence: bool) -> None:
        self.home, self._world, self._patch, self._is_by_cadence = home, world, patch, is_by_cadence
        self.sent: list[int] = []
        self.paid: list[int] = []
        self.log: list[str] = []

    def run(self, today: dt.date, *, is_built: bool = True, **options: Any) -> dict[str, Any]:
        """Collect and build as of a day; what was fetched carries its time. Returns the verdicts."""
        run_id = f"night-{len(self.sent) + 1}"
        at = dt.datetime.combine(today, HOUR)
        self._patch.setattr(cost_collector, "today", lambda: today)
        self._world.clear_log()
        self.log.clear()
        verdicts = collect(
            self.home,
            run_id,
            budgets=False,
            **{
                "is_by_cadence": self._is_by_cadence,
                "now": lambda: at,
                "log": self.log.append,
                "CMDB_COST_MONTHS": HISTORY,
                **options,
            },
        )
        self.paid.append(len(asked_of(self._world)))
        self.sent.append(sum(call["operation"] == "GetCostAndUsage" for call in asked_of(self._world)))
        began = dt.datetime.now(dt.UTC)
        self.home.execute(
            f"""
            update audit.collection set
                started_at = started_at - ($${began.isoformat()}$$::timestamptz - $${at.isoformat()}$$::timestamptz),
                ended_at = ended_at - ($${began.isoformat()}$$::timestamptz - $${at.isoformat()}$$::timestamptz)
            where run_id = '{run_id}'
            """
        )
        if is_built:
            self.home.build(*TABLES, "cost.reconciliation")
        return verdicts

    def rows(self) -> list[tuple[Any, ...]]:
        """What is published of the bill, with the amounts that were restated."""
        with self.home.store.read() as connection:
            return [
                row
                for query in (
                    f"select usage_date, slice, account_id, dimension_value, {SUMS}, is_estimated from cost.daily",
                    f"""
                    select usage_date, tag_key, written_value, service, {SUMS}, is_estimated
                    from stage.cost_tag_service_daily
                    """,
                    """
                    select usage_date, slice, account_id, dimension_value, old_unblended_cost, new_unblended_cost
                    from cost.restatement where run_id <> 'night-1'
                    """,
                )
                for row in connection.execute(f"{query} order by all").fetchall()
            ]

    def cells(self, *listings: str) -> list[dict[str, Any]]:
        """The cells of the last night."""
        return self.home.rows(
            """
            select listing, outcome, skip_reason, evidence ->> '$.days' as days from audit.collection
            where run_id = $run and list_contains($listings, split_part(listing, ':', 1))
            """,
            {"run": f"night-{len(self.sent)}", "listings": list(listings)},
        )

    def days(self, *, is_closed: bool = False) -> dict[str, tuple[int, ...] | str]:
        """By slice and open month that were fetched in the last night the days, or `whole`."""
        return {
            row["listing"]: tuple(int(one[-2:]) for one in json.loads(row["days"])) if row["days"] else "whole"
            for row in self.cells("cost_daily", "cost_tag_service_daily")
            if row["outcome"] == "found" and (row["listing"][-7:] < "2026-09") is is_closed
        }

    def read_since(self, month: str) -> dt.datetime:
        """When the row of a month was fetched that was fetched longest ago."""
        with self.home.store.read() as connection:
            found = [
                connection.execute(
                    f"select min(collected_at) from {table} where ends_with(listing, $month)", {"month": month}
                ).fetchone()
                for table in TABLES
            ]
        return min(row[0] for row in found if row is not None and row[0] is not None)

    def turn(self) -> dict[str, tuple[int, ...] | str]:
        """The same of closed months."""
        return self.days(is_closed=True)


@pytest.fixture
def night(world: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    (tmp_path / "by-difference").mkdir()
    with house(tmp_path / "by-difference") as home:
        yield Night(home, world, monkeypatch, is_by_cadence=True)


def restate(world: Simulator, date: dt.date, amount: str, service: str = "AmazonCloudWatch", **how: str) -> None:
    payer = world.truth("budgets")["central"]["billing"]
    world.change("restate", usage_date=date.isoformat(), account_id=payer, service=service, amount=amount, **how)


def tomorrow(world: Simulator) -> dt.date:
    """Let a day pass."""
    following = dt.date.fromisoformat(world.truth()["today"]) + dt.timedelta(days=1)
    world.configure(today=following.isoformat())
    return following


def test_a_usual_night_requests_the_newest_days_and_what_was_restated(night: Night, world: Simulator) -> None:
    night.run(FIRST)
    assert set(night.days().values()) == {"whole"}
    restate(world, dt.date(2026, 9, 12), "3.25")
    night.run(tomorrow(world))
    fetched = night.days()
    assert {days for name, days in fetched.items() if name.endswith("2026-10")} == {(19, 20, 21)}
    assert {days for name, days in fetched.items() if name.endswith("2026-09")} == {(12,)}
    assert night.home.rows("select usage_date, listing from cost.restatement where slice = 'service'") == [
        {"usage_date": "2026-09-12", "listing": "cost_daily:service:2026-09"}
    ]
    night.run(tomorrow(world))
    assert {days for name, days in night.days().items() if name.endswith("2026-10")} == {(20, 21, 22)}
    assert not [name for name in night.days() if name.endswith("2026-09")]
    rows = night.home.rows("select distinct is_stale from cost.daily")
    assert rows == [{"is_stale": False}]
    # Eleven slices of four months and the monthly totals; then the bill by account of two, and a closed month again.
    assert night.sent == [4 * 11 + 1, 2 + 2 * 11 + 1 + 11, 2 + 11 + 1 + 11]


def failed(night: Night, rule: str) -> list[str]:
    """What the last night's bill does not fulfil of a rule of `cost.reconciliation`."""
    rows = night.home.rows("select scope from cost.reconciliation where rule = $rule and not passed", {"rule": rule})
    return [row["scope"] for row in rows]


def test_a_closed_month_with_another_total_is_fetched_in_the_same_run_or_waits_for_room(
    night: Night, world: Simulator
) -> None:
    night.run(FIRST)
    night.run(tomorrow(world))
    assert {name[-7:] for name in night.turn()} == {"2026-08"}
    # The next turn is July's, so nothing but the total leads to August.
    restate(world, dt.date(2026, 8, 9), "3.25")
    night.run(tomorrow(world), CMDB_COST_REQUEST_LIMIT=str(night.paid[-1] - 11))
    fetched = night.turn()
    assert "cost_daily:service:2026-08" in fetched
    assert set(fetched.values()) == {(9,)}
    waiting = {row["skip_reason"] for row in night.cells("cost_daily") if row["listing"] not in fetched}
    assert "request_limit" in waiting
    assert failed(night, "daily_cost_is_the_monthly_total") == failed(night, "slices_agree") == []
    night.run(tomorrow(world))
    assert len([name for name in night.turn() if name.endswith("2026-08")]) == 11 - len(fetched)
    assert failed(night, "daily_cost_is_the_monthly_total") == failed(night, "slices_agree") == []
    assert night.home.rows("select usage_date from cost.restatement where slice = 'service'") == [
        {"usage_date": "2026-08-09"}
    ]


def happens(world: Simulator, today: dt.date) -> None:
    """What changes in the bill before a night."""
    at = f"{today}T00:30:00+00:00"
    if today == dt.date(2026, 10, 24):
        restate(world, dt.date(2026, 10, 3), "12.5")
        restate(world, dt.date(2026, 9, 28), "-0.0000004")
    if today == dt.date(2026, 10, 28):
        # A credit for a month that is closed: its monthly total tells.
        restate(world, dt.date(2026, 8, 9), "-40", record_type="Credit")
    if today == dt.date(2026, 11, 3):
        world.change("activate_tag", key=KEY)
    if today == dt.date(2026, 11, 4):
        world.change("start_tag_backfill", since="2026-08-01", requested_at=at)
    if today == dt.date(2026, 11, 6):
        world.change("end_tag_backfill", completed_at=at)
    if today == UNSEEN_SINCE:
        for service, amount in (("AmazonCloudWatch", "7"), ("AWS Key Management Service", "-7")):
            restate(world, UNSEEN, amount, service)
    if today == dt.date(2026, 11, 12):
        restate(world, dt.date(2026, 10, 30), "2")
        world.change("add_account", name="New")


UNSEEN, UNSEEN_SINCE, CLOSED_ON = dt.date(2026, 10, 14), dt.date(2026, 11, 5), dt.date(2026, 11, 11)
"""A day on which money moves inside an account, the first night after that, and the night on which the month closes."""


@pytest.mark.large
@pytest.mark.timeout(1800)
def test_thirty_nights_publish_what_a_warehouse_publishes_that_requests_everything(
    night: Night, world: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "everything").mkdir()
    today, differing = FIRST, []
    with house(tmp_path / "everything") as home:
        other = Night(home, world, monkeypatch, is_by_cadence=False)
        while len(night.sent) < 30:
            happens(world, today)
            night.run(today)
            other.run(today)
            own, whole = night.rows(), other.rows()
            odd = {row[0] for row in set(own) ^ set(whole)}
            if odd:
                differing.append(today)
            assert odd <= ({UNSEEN} if UNSEEN_SINCE <= today < CLOSED_ON else set()), today
            today = tomorrow(world)
    # Money that moves inside an account and day is seen when the month closes, and nothing else is ever late.
    assert differing == [UNSEEN_SINCE + dt.timedelta(days=number) for number in range(6)]
    print(night.sent, other.sent)


@pytest.mark.large
def test_without_a_bill_by_account_everything_is_requested_and_nothing_is_blocked(
    night: Night, world: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.run(FIRST)
    refused = cost_slices.Slice("cost_account_daily", "account", (("DIMENSION", "NOBODY"),))
    monkeypatch.setattr(cost_slices, "ACCOUNT", refused)
    verdicts = night.run(tomorrow(world))
    assert set(night.days().values()) == {"whole"}
    assert {key[-7:] for key in night.days()} >= {"2026-10", "2026-09"}
    assert all(verdict.passed for verdict in verdicts.values()), verdicts
    (cell,) = [row for row in night.cells("cost_account_daily") if row["listing"].endswith("2026-10")]
    assert (cell["outcome"], cell["skip_reason"]) == ("skipped", "not_compared")
    assert any("so its slices are requested whole" in sentence for sentence in night.log)


@pytest.mark.large
def test_a_run_that_goes_on_compares_what_it_does_not_keep(night: Night, world: Simulator) -> None:
    night.run(FIRST)
    night.run(tomorrow(world), only_untrusted=True)
    assert {days for name, days in night.days().items() if name.endswith("2026-10")} == {(19, 20, 21)}
    assert not [name for name in night.days() if name.endswith("2026-09")]


@pytest.mark.large
def test_what_is_in_doubt_is_requested_whole(night: Night, world: Simulator) -> None:
    night.run(FIRST)
    # Somebody names the month; a month of which the last response was never built.
    night.run(tomorrow(world), whole_months=frozenset({"2026-09"}), is_built=False)
    assert {days for name, days in night.days().items() if name.endswith("2026-09")} == {"whole"}
    night.run(tomorrow(world))
    assert {days for name, days in night.days().items() if name.endswith("2026-09")} == {"whole"}
    # A row that somebody changed by hand, and one that is gone.
    night.home.execute(
        "update cost.daily set billed_cost = billed_cost + 1 where slice = 'region' and usage_date = '2026-09-07'",
        "delete from cost.daily where slice = 'usage_type' and usage_date = '2026-10-04'",
    )
    night.run(tomorrow(world))
    assert night.days()["cost_daily:region:2026-09"] == (7,)
    assert "cost_daily:service:2026-09" not in night.days()
    assert night.days()["cost_daily:usage_type:2026-10"] == (4, 21, 22, 23)


@pytest.mark.large
def test_a_closed_month_that_has_no_room_is_fetched_in_parts_and_its_changed_days_first(
    night: Night, world: Simulator
) -> None:
    world.configure(page_sizes={"ce:GetCostAndUsage": 300})
    options: dict[str, Any] = {"CMDB_COST_MONTHS": "2"}
    night.run(FIRST, **options)
    night.run(tomorrow(world), **options)
    (turn,) = night.home.rows(
        "select sum(page_count)::int as pages from audit.collection where run_id = 'night-2' and listing like '%-08'"
    )
    # Money moves from one account to another, so the month's total stays.
    truth = world.truth("budgets")["central"]
    for role, amount in (("billing", "5"), ("operations", "-5")):
        world.change(
            "restate", usage_date="2026-08-09", account_id=truth[role], service="AmazonCloudWatch", amount=amount
        )
    # All that a usual night sends, the bill by account of the month, and its changed day in all slices but one.
    usual = night.paid[-1] - turn["pages"] + 1
    night.run(tomorrow(world), **options, CMDB_COST_REQUEST_LIMIT=str(usual + 10))
    assert not night.turn()
    assert any("It is the turn of 2026-08" in sentence and "waits" in sentence for sentence in night.log)
    night.run(tomorrow(world), **options, CMDB_COST_REQUEST_LIMIT=str(usual + 13))
    assert len([days for days in night.turn().values() if days == (9,)]) >= 9
    assert len(night.turn()) == 11
    # Whole slices where they have room, and of the largest, which never has, the days that were fetched longest ago.
    began, parts = dt.datetime.combine(tomorrow(world), HOUR), set[str]()
    while night.read_since("2026-08") < began and len(night.paid) < 16:
        night.run(tomorrow(world), **options, CMDB_COST_REQUEST_LIMIT=str(usual + 13))
        assert night.turn()
        assert night.paid[-1] <= usual + 13
        parts |= {name for name, days in night.turn().items() if days != "whole"}
    assert night.read_since("2026-08") >= began
    assert parts
    print(night.paid, parts)
