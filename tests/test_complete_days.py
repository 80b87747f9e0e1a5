"""A day that AWS has not counted whole is judged by nothing, whatever it costs so far."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from bills import ACCOUNT, PAYER, SPOT, billed, days, seed, service
from given import FIRST_NIGHT, Given, House, build
from test_bill import collect, months

from simulator.client import Simulator

if TYPE_CHECKING:
    from resources.aws.messages import Outcome

SPEND = [*service("2026-09-01", "2026-11-22", "1000"), ("2026-11-23", "service", ACCOUNT, "A", "300")]
"""A thousand a day, and a tenth of November the 23rd, of which AWS had counted a part when it was asked on the 24th."""


@pytest.fixture
def home(blank_home: House) -> House:
    seed(blank_home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2")])
    seed(blank_home, "ref.anomaly_threshold", [("service", "4", "25", "0.05"), ("region", "4", "25", "0.05")])
    return blank_home


def test_a_day_is_complete_a_day_after_it_ended_in_each_slice_by_itself(home: House) -> None:
    billed(home, SPEND, open_from="2026-10-01")
    billed(
        home,
        [(day, "region", ACCOUNT, "r", "1000") for day in days("2026-11-02", "2026-11-20") if day != "2026-11-09"],
        asked="2026-11-21T00:30:00Z",
    )
    home.build("cost.month_coverage")
    found = home.rows(
        """
        select slice, month, first_date, through_date, day_count, days_missing, is_estimated, is_final
        from cost.month_coverage order by slice, month
        """
    )
    assert [tuple(row.values()) for row in found] == [
        # Asked half an hour into the 21st: the 20th has just ended. The 1st and the 9th never came.
        ("region", "2026-11-01", "2026-11-01", "2026-11-19", 17, 2, True, False),
        ("service", "2026-09-01", "2026-09-01", "2026-09-30", 30, 0, False, True),
        ("service", "2026-10-01", "2026-10-01", "2026-10-31", 31, 0, True, False),
        ("service", "2026-11-01", "2026-11-01", "2026-11-22", 22, 0, True, False),
    ]


def test_days_on_which_nothing_cost_anything_are_known_and_of_no_slice_missing(
    blank_home: House, small: Simulator
) -> None:
    """A small organisation: some days without costs, in the middle and at the end of a month that is over."""
    newest, older, *_ = months(small)
    last = (dt.date.fromisoformat(f"{newest}-01") - dt.timedelta(days=1)).isoformat()
    unused = [f"{older}-09", f"{older}-10", last]
    small.configure(unused_days=unused)
    assert all(verdict.passed for verdict in collect(blank_home, "night-1", budgets=False).values())
    blank_home.build("cost.month_coverage", "cost.reconciliation", "cost.movement")
    assert blank_home.rows(f"select count(*) as n from cost.daily where usage_date in {tuple(unused)}") == [{"n": 0}]
    of_older = f"from cost.month_coverage where month = '{older}-01'"
    assert blank_home.rows(f"select distinct through_date, days_missing {of_older}") == [
        {"through_date": last, "days_missing": 0}
    ]
    assert (
        blank_home.rows("select scope from cost.reconciliation where rule = 'no_day_is_missing' and not passed") == []
    )

    # Each of these months is compared with one that has such days.
    assert blank_home.rows(f"select distinct days_missing from cost.movement where month >= '{older}-01'") == [
        {"days_missing": 0}
    ]

    # A day that one slice has is missing of the others; a day that no slice has, but AWS's total of the month.
    missing = "select distinct days_missing from cost.month_coverage where slice = 'service' and month = $month"
    for lost in (
        f"delete from cost.daily where slice <> 'region' and usage_date = '{older}-05'",
        f"delete from cost.daily where usage_date = '{older}-05'",
    ):
        blank_home.execute(lost)
        build(blank_home.store, blank_home.models["cost.month_coverage"])
        failed = blank_home.rows(
            "select scope from cost.reconciliation where rule = 'no_day_is_missing' and not passed order by scope"
        )
        assert {"scope": f"service {older}"} in failed
        assert blank_home.rows(missing, {"month": f"{older}-01"})[0]["days_missing"] > 0


@pytest.mark.parametrize(
    ("outcome", "total", "is_known"),
    [
        ("empty_verified", "0", True),
        ("empty_verified", None, True),
        ("empty_verified", "7", False),
        ("empty_unconfirmed", "0", False),
    ],
)
def test_a_month_that_was_read_and_is_empty_costs_nothing_and_is_compared(
    home: House, outcome: Outcome, total: str | None, *, is_known: bool
) -> None:
    billed(home, [*service("2026-09-01", "2026-09-30", "100"), *service("2026-11-01", "2026-11-22", "100")])
    amounts = {name: {"Amount": total, "Unit": "USD"} for name in ("UnblendedCost", "BilledCost")}
    record = {"TimePeriod": {"Start": "2026-10-01", "End": "2026-11-01"}, "Estimated": False, "Total": amounts}
    control = [] if total is None else [Given("cost_monthly", [record], account_id=PAYER, role="billing")]
    empty = Given("cost_daily:service:2026-10", outcome=outcome, account_id=PAYER, role="billing")
    home.night("night-2", [empty, *control], FIRST_NIGHT)
    home.build("cost.month_coverage", "cost.movement")
    found = home.rows(
        "select through_date, day_count, days_missing, is_final from cost.month_coverage where month = '2026-10-01'"
    )
    is_final = total is not None
    assert [tuple(row.values()) for row in found] == ([("2026-10-31", 31, 0, is_final)] if is_known else [])
    moved = home.rows(
        "select month, previous_cost, cost, change, usage_effect, rate_effect, days_missing from cost.movement "
        "where slice = 'service' order by month"
    )
    nothing, september, november = (f"{cost}.0000000000" for cost in (0, 3000, 2200))
    assert [tuple(row.values()) for row in moved] == (
        [
            ("2026-10-01", september, nothing, "-6000.0000000000", "-6000.0000000000", nothing, 0),
            # October has no rate, since no day of it has a cost.
            ("2026-11-01", nothing, november, "4400.0000000000", "4400.0000000000", nothing, 0),
        ]
        if is_known
        else []
    )


def test_the_session_of_the_reader_does_not_move_the_last_complete_day(home: House) -> None:
    billed(home, service("2026-10-01", "2026-11-23", "1"), asked="2026-11-24T23:30:00Z")
    home.build("cost.month_coverage")
    assert home.rows("select max(through_date) as day from cost.month_coverage") == [{"day": "2026-11-22"}]
    # The store's own connections are in UTC, so the query itself is run in other zones.
    coverage = home.models["cost.month_coverage"].sql
    for zone in ("Pacific/Auckland", "America/Los_Angeles", "UTC"):
        with home.store.transaction() as connection:
            connection.execute(f"set TimeZone = '{zone}'")
            found = connection.execute(f"select max(through_date)::varchar from (\n{coverage}\n)").fetchall()
        assert found == [("2026-11-22",)], zone


def test_a_day_that_aws_has_counted_in_part_is_no_movement_and_no_anomaly(home: House) -> None:
    billed(home, SPEND)
    home.build("cost.movement", "cost.anomaly")
    assert home.rows(
        "select through_date, previous_through_date, change from cost.movement "
        "where slice = 'service' and month > '2026-10-31'"
    ) == [{"through_date": "2026-11-22", "previous_through_date": "2026-10-22", "change": "0.0000000000"}]
    assert home.rows("select * from cost.anomaly") == []
    # Asked a day later, and still no more: now it is judged.
    home.execute("update cost.daily set collected_at = timestamptz '2026-11-25 14:00:00+00'")
    home.build("cost.movement", "cost.anomaly")
    assert home.rows("select change from cost.movement where slice = 'service' and month > '2026-10-31'") == [
        {"change": "-1400.0000000000"}
    ]
    assert [row["usage_date"] for row in home.rows("select usage_date from cost.anomaly")] == ["2026-11-23"]


def test_a_month_of_which_no_day_is_complete_has_not_fallen(home: House) -> None:
    billed(
        home,
        [*service("2026-10-01", "2026-11-01", "1000"), ("2026-11-02", "service", ACCOUNT, "A", "300")],
        asked="2026-11-02T14:00:00Z",
    )
    home.build("cost.movement")
    assert home.rows("select month from cost.movement") == []


def test_each_slice_is_compared_as_far_as_it_was_fetched_and_says_which_days_it_lacks(home: House) -> None:
    billed(home, service("2026-10-01", "2026-11-22", "10"))
    billed(home, [(day, "region", ACCOUNT, "r", "10") for day in days("2026-10-01", "2026-10-31")])
    billed(
        home,
        [(day, "region", ACCOUNT, "r", "10") for day in days("2026-11-01", "2026-11-14") if day != "2026-11-05"],
        asked="2026-11-15T14:00:00Z",
    )
    home.build("cost.movement")
    found = home.rows(
        """
        select slice, through_date, previous_through_date, cost, previous_cost, days_missing, is_final
        from cost.movement where slice <> 'account' order by slice
        """
    )
    assert [tuple(row.values()) for row in found] == [
        ("region", "2026-11-13", "2026-10-13", "120.0000000000", "130.0000000000", 1, False),
        ("service", "2026-11-22", "2026-10-22", "220.0000000000", "220.0000000000", 0, False),
    ]


def test_two_closed_months_that_are_whole_are_final(home: House) -> None:
    billed(home, service("2026-09-01", "2026-11-22", "10"))
    home.build("cost.movement")
    assert home.rows("select month, is_final from cost.movement where slice = 'service' order by month") == [
        {"month": "2026-10-01", "is_final": True},
        {"month": "2026-11-01", "is_final": False},
    ]
