"""What is made of the bill: rates, budgets, movements, allocation, anomalies, reconciliation.

Small bills written down here, and the session's truthful night held against the simulator's ledger.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bills import ACCOUNT, ASKED, OTHER, PAYER, SPOT, aws_budget, billed, days, seed, service, weekly
from given import Given, House, build
from nights import query

from pipelines.charts import charts, drawing
from pipelines.collection import cost_slices, previous
from resources.store.store import Store

if TYPE_CHECKING:
    from simulator.client import Simulator

UNIT = Decimal("0.0000000001")


@pytest.fixture
def home(home: House) -> House:
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2")])
    return home


# ------------------------------------------------------------------------------------------------------ rates


def test_a_closed_month_has_the_invoices_rate_a_finished_one_its_average_and_other_days_the_last_spot_before(
    home: House,
) -> None:
    months = ["2026-08", "2026-09", "2026-10", "2026-11"]
    seed(
        home,
        "ref.fx_rate",
        [
            ("USD", "NZD", "invoice", "2026-09-01", "1.1"),
            # Not closed yet: AWS may still change October, and its invoice with it.
            ("USD", "NZD", "invoice", "2026-10-01", "1.2"),
            # The first is dated by its month's end.
            ("USD", "NZD", "month_average", "2026-08-31", "1.50"),
            *(("USD", "NZD", "month_average", f"{month}-01", f"1.5{n}") for n, month in enumerate(months) if n),
            (*SPOT, "2026-11-02", "1.72"),
            (*SPOT, "2026-11-04", "1.74"),
            ("USD", "NZD", "budget", "2026-01-01", "9"),
            ("USD", "AUD", "spot", "2026-01-01", "8"),
            ("EUR", "NZD", "spot", "2026-01-01", "7"),
        ],
    )
    billed(
        home,
        [
            (day, "service", ACCOUNT, "A", "1")
            for day in ("2026-08-30", "2026-08-31", "2026-09-30", "2026-10-01", *days("2026-11-01", "2026-11-05"))
        ],
        open_from="2026-10-01",
    )
    home.build("cost.by_service")
    found = home.rows(
        """
        select usage_date, rate, rate_kind, rate_date, reporting_unblended_cost, reporting_currency
        from cost.by_service order by 1
        """
    )
    assert [(row["usage_date"], (row["rate"] or "")[:4], row["rate_kind"], row["rate_date"]) for row in found] == [
        ("2026-08-30", "1.50", "month_average", "2026-08-31"),
        ("2026-08-31", "1.50", "month_average", "2026-08-31"),
        ("2026-09-30", "1.10", "invoice", "2026-09-01"),
        ("2026-10-01", "1.52", "month_average", "2026-10-01"),
        # November is running: its average is not known, and the second's rate holds for no day before.
        ("2026-11-01", "", None, None),
        ("2026-11-02", "1.72", "spot", "2026-11-02"),
        ("2026-11-03", "1.72", "spot", "2026-11-02"),
        ("2026-11-04", "1.74", "spot", "2026-11-04"),
        ("2026-11-05", "1.74", "spot", "2026-11-04"),
    ]
    assert [row["reporting_unblended_cost"] for row in found][3:6] == ["1.5200000000", None, "1.7200000000"]
    assert {row["reporting_currency"] for row in found} == {"NZD"}


def test_the_billing_currency_is_shown_as_it_is_where_it_is_the_reporting_currency(home: House) -> None:
    billed(home, service("2026-11-01", "2026-11-01", "0.0000000001"))
    home.build("cost.by_service")
    for name in ("ref.setting", "cost.exchange_rate"):
        build(home.store, home.models[name], currency="USD")
    assert home.rows("select reporting_unblended_cost, reporting_currency, rate, rate_kind from cost.by_service") == [
        {
            "reporting_unblended_cost": "0.0000000001",
            "reporting_currency": "USD",
            "rate": "1.0000000000",
            "rate_kind": "same_currency",
        }
    ]


# ------------------------------------------------------------------------------------------------- movements


def test_a_movement_is_usage_at_the_old_rate_and_what_the_rate_did(home: House) -> None:
    seed(
        home,
        "ref.fx_rate",
        [("USD", "NZD", "month_average", "2026-09-01", "1.6"), ("USD", "NZD", "month_average", "2026-10-01", "1.7")],
    )
    billed(
        home,
        [
            ("2026-09-30", "service", ACCOUNT, "grows", "100"),
            ("2026-10-31", "service", ACCOUNT, "grows", "110"),
            ("2026-09-30", "service", ACCOUNT, "stays", "0.0000000003"),
            ("2026-10-31", "service", OTHER, "stays", "0.0000000003"),
            ("2026-09-30", "service", ACCOUNT, "goes", "5"),
            ("2026-10-31", "service", ACCOUNT, "comes", "5"),
        ],
        open_from="2026-12-01",
    )
    home.build("cost.movement")
    found = home.rows(
        "select dimension_value, change, usage_effect, rate_effect from cost.movement "
        "where slice = 'service' order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("comes", "8.5000000000", "8.0000000000", "0.5000000000"),
        ("goes", "-8.0000000000", "-8.0000000000", "0.0000000000"),
        ("grows", "27.0000000000", "16.0000000000", "11.0000000000"),
        ("stays", "0.0000000000", "0.0000000000", "0.0000000000"),
    ]
    by_account = home.rows(
        "select dimension_value, previous_cost, cost, change from cost.movement where slice = 'account' order by 1"
    )
    assert [tuple(row.values()) for row in by_account] == [
        (ACCOUNT, "105.0000000003", "115.0000000000", "27.4999999995"),
        (OTHER, "0.0000000000", "0.0000000003", "0.0000000005"),
    ]


def test_the_running_month_is_compared_with_as_many_days_of_the_month_before(home: House) -> None:
    billed(home, [*service("2026-09-01", "2026-09-30", "1"), *service("2026-10-01", "2026-11-10", "3")])
    home.build("cost.movement")
    found = home.rows(
        "select month, through_date, previous_through_date, cost, previous_cost from cost.movement "
        "where slice = 'service' order by month"
    )
    assert [tuple(row.values()) for row in found] == [
        ("2026-10-01", "2026-10-31", "2026-09-30", "93.0000000000", "30.0000000000"),
        ("2026-11-01", "2026-11-10", "2026-10-10", "30.0000000000", "30.0000000000"),
    ]


def test_a_movement_over_a_day_without_a_rate_is_unknown_in_the_reporting_currency(home: House) -> None:
    seed(home, "ref.fx_rate", [(*SPOT, "2026-10-02", "2")])
    billed(home, service("2026-10-01", "2026-11-30", "1"), asked="2026-12-02T14:00:00Z")
    home.build("cost.movement")
    assert home.rows(
        "select cost, reporting_cost, change, usage_effect, rate_effect from cost.movement where slice = 'service'"
    ) == [{"cost": "30.0000000000", "reporting_cost": None, "change": None, "usage_effect": None, "rate_effect": None}]


# ------------------------------------------------------------------------------------------------- allocation


def allocated(home: House) -> list[tuple[Any, ...]]:
    home.build("cost.allocation")
    return [
        tuple(row.values())
        for row in home.rows(
            "select tag_value, status, direct_cost, shared_cost, allocated_pct from cost.allocation order by 1, 2"
        )
    ]


def test_shared_cost_is_spread_by_direct_cost_to_the_last_unit_and_the_rest_is_said_to_be_unallocated(
    home: House,
) -> None:
    seed(home, "ref.shared_cost", [("service", "Tax"), ("account", OTHER)])
    seed(home, "ref.tag_value_alias", [("k", "One", "one")])
    day = "2026-11-01"
    billed(
        home,
        [
            (day, "service", ACCOUNT, "Tax", "0.0000000007"),
            (day, "service", ACCOUNT, "A", "33.0000000000"),
            (day, "service", OTHER, "A", "0.0000000003"),
            *((day, "tag:k", ACCOUNT, value, "10") for value in ("One", "two", "three ")),
            (day, "tag:k", ACCOUNT, "credited", "-2"),
            (day, "tag:k", ACCOUNT, "", "5.0000000007"),
            # What an account that serves all leaves untagged is shared, whatever service it is.
            (day, "tag:k", OTHER, "", "0.0000000003"),
        ],
    )
    assert allocated(home) == [
        ("(unallocated)", "unallocated", "5.0000000000", "0.0000000000", "84.8485"),
        ("credited", "allocated", "-2.0000000000", "0.0000000000", "84.8485"),
        ("one", "allocated", "10.0000000000", "0.0000000004", "84.8485"),
        ("three", "allocated", "10.0000000000", "0.0000000003", "84.8485"),
        ("two", "allocated", "10.0000000000", "0.0000000003", "84.8485"),
    ]


def test_a_shared_credit_is_spread_as_a_shared_cost_is(home: House) -> None:
    seed(home, "ref.shared_cost", [("account", OTHER)])
    billed(
        home,
        [
            ("2026-11-01", "service", OTHER, "A", "1"),
            ("2026-11-01", "tag:k", OTHER, "", "-0.0000000003"),
            ("2026-11-01", "tag:k", ACCOUNT, "x", "2"),
            ("2026-11-01", "tag:k", ACCOUNT, "y", "1"),
        ],
    )
    assert [(row[0], row[3]) for row in allocated(home)] == [("x", "-0.0000000002"), ("y", "-0.0000000001")]


@pytest.mark.parametrize("amount", ["13000000000", "987654321987654"])
def test_a_bill_in_rupiah_or_won_is_spread_to_the_last_digit(home: House, amount: str) -> None:
    seed(home, "ref.shared_cost", [("account", OTHER)])
    billed(
        home,
        [
            ("2026-11-01", "service", OTHER, "A", amount),
            ("2026-11-01", "tag:k", OTHER, "", f"{amount}.0000000001"),
            *(("2026-11-01", "tag:k", ACCOUNT, value, amount) for value in ("x", "y", "z")),
        ],
    )
    spread = {row[0]: Decimal(row[3]) for row in allocated(home)}
    assert sum(spread.values()) == Decimal(amount) + UNIT
    assert max(spread.values()) - min(spread.values()) <= UNIT


def test_a_bill_of_which_a_cent_is_unallocated_is_not_allocated_whole(home: House) -> None:
    day = "2026-11-01"
    billed(
        home,
        [
            (day, "service", ACCOUNT, "A", "90000000.01"),
            (day, "tag:k", ACCOUNT, "x", "90000000"),
            (day, "tag:k", ACCOUNT, "", "0.01"),
        ],
    )
    assert {row[4] for row in allocated(home)} == {"99.9999"}


def test_an_account_without_a_shared_service_shares_nothing(home: House) -> None:
    seed(home, "ref.shared_cost", [("service", "Tax")])
    billed(
        home,
        [
            # The tax of the first is no tax of the second.
            ("2026-11-01", "service", ACCOUNT, "Tax", "2"),
            ("2026-11-02", "service", ACCOUNT, "A", "9"),
            ("2026-11-01", "service", OTHER, "A", "6"),
            ("2026-11-01", "tag:k", ACCOUNT, "", "2"),
            ("2026-11-02", "tag:k", ACCOUNT, "", "5"),
            ("2026-11-02", "tag:k", ACCOUNT, "x", "4"),
            ("2026-11-01", "tag:k", OTHER, "", "6"),
        ],
    )
    assert [row[:4] for row in allocated(home)] == [
        ("(unallocated)", "unallocated", "11.0000000000", "0.0000000000"),
        ("x", "allocated", "4.0000000000", "2.0000000000"),
    ]


def test_a_key_that_no_cost_carries_in_a_month_is_no_key_whose_cost_is_all_untagged(home: House) -> None:
    billed(
        home,
        [
            ("2026-10-01", "service", ACCOUNT, "A", "1"),
            ("2026-10-01", "tag:k", ACCOUNT, "", "1"),
            ("2026-11-01", "service", ACCOUNT, "A", "2"),
            ("2026-11-01", "tag:k", ACCOUNT, "x", "2"),
        ],
    )
    assert allocated(home) == [
        ("(unknown)", "not activated or not used", "1.0000000000", "0.0000000000", None),
        ("x", "allocated", "2.0000000000", "0.0000000000", "100.0000"),
    ]


def test_shared_cost_that_there_is_nothing_to_spread_over_has_a_row_of_its_own(home: House) -> None:
    seed(home, "ref.shared_cost", [("account", OTHER)])
    billed(
        home,
        [
            ("2026-11-01", "service", OTHER, "A", "3"),
            ("2026-11-01", "tag:k", OTHER, "", "4"),
            ("2026-11-01", "tag:k", ACCOUNT, "credited", "-1"),
        ],
    )
    assert allocated(home) == [
        ("(shared)", "shared", "0.0000000000", "4.0000000000", "-33.3333"),
        ("credited", "allocated", "-1.0000000000", "0.0000000000", "-33.3333"),
    ]


REACHED = """
    insert into audit.caller_identity by name
    select
        '{run}' as run_id, 'operations' as role, 'hub' as profile, '{account}' as caller_account_id,
        timestamptz '2026-11-24 03:0{minute}:00Z' as checked_at
"""


def test_a_profile_that_leads_elsewhere_shares_no_other_account_until_something_is_built(home: House) -> None:
    seed(home, "ref.shared_cost", [("account", "operations")])
    home.execute(REACHED.format(run="run-1", account=OTHER, minute=0))
    billed(home, [("2026-11-01", "service", OTHER, "A", "3"), ("2026-11-01", "tag:k", OTHER, "", "4")])
    home.build("stage.untagged_cost")
    shared = "select account_id, shared_cost from stage.untagged_cost"
    before = home.rows(shared)
    assert before == [{"account_id": OTHER, "shared_cost": "4.0000000000"}]
    home.execute(REACHED.format(run="run-2", account=ACCOUNT, minute=1))
    assert home.rows(shared) == before
    assert home.rows("from stage.shared_account") == [{"account_id": OTHER}]


# -------------------------------------------------------------------------------------------------- anomalies


def anomalies(home: House) -> list[tuple[Any, ...]]:
    home.build("cost.anomaly")
    return [
        tuple(row.values())
        for row in home.rows(
            """
            select usage_date, end_date, dimension_value, kind, expected, score, is_estimated
            from cost.anomaly order by all
            """
        )
    ]


def test_a_day_far_from_all_that_is_usual_is_reported_with_what_was_expected(home: House) -> None:
    usual = service("2026-10-01", "2026-11-23", "100")
    wave = [
        (day, "service", ACCOUNT, "waves", str(200 + 20 * (n % 5)))
        for n, day in enumerate(days("2026-10-01", "2026-11-23"))
    ]
    billed(
        home,
        [
            *(line for line in usual if line[0] != "2026-11-20"),
            ("2026-11-20", "service", ACCOUNT, "A", "160"),
            # Within its usual swing, though farther in money.
            *wave,
            # A day without a row is a zero: it stopped on the 21st.
            *service("2026-10-01", "2026-11-20", "50", "stops"),
            # Ten thousand times the usual, and below the floor of money.
            *service("2026-10-01", "2026-11-22", "0.0001", "tiny"),
            ("2026-11-23", "service", ACCOUNT, "tiny", "1"),
            *service("2026-11-10", "2026-11-23", "70", "begins"),
            # Billed on the first of each month, and on the 15th for the first time.
            ("2026-10-01", "service", ACCOUNT, "monthly", "500"),
            ("2026-11-01", "service", ACCOUNT, "monthly", "510"),
            ("2026-11-15", "service", ACCOUNT, "monthly", "900"),
        ],
        asked="2026-11-25T14:00:00Z",
    )
    seed(home, "ref.anomaly_threshold", [("service", "4", "25", "0.05")])
    assert anomalies(home) == [
        ("2026-11-10", "2026-11-10", "begins", "new", "0.0000000000", None, True),
        ("2026-11-15", "2026-11-15", "monthly", "occasional", "510.0000000000", None, True),
        # 60 above what never varied: its spread counts as a twentieth of it.
        ("2026-11-20", "2026-11-20", "A", "high", "100.0000000000", "12.00", True),
        # 50 on each of three days.
        ("2026-11-21", "2026-11-23", "stops", "low", "150.0000000000", "-20.00", True),
    ]


def test_what_aws_does_not_change_any_more_keeps_its_result(home: House) -> None:
    billed(home, [*service("2026-08-01", "2026-09-29", "1"), ("2026-09-30", "service", ACCOUNT, "A", "1000")])
    assert [row[0] for row in anomalies(home)] == ["2026-09-30"]
    billed(home, service("2026-10-01", "2026-11-20", "1"))
    assert [row[0] for row in anomalies(home)] == ["2026-09-30"]
    with home.store.transaction() as connection:
        connection.execute("delete from cost.daily where usage_date > '2026-10-31'")
    assert [row[0] for row in anomalies(home)] == ["2026-09-30"], "judged again, and found once"


# ----------------------------------------------------------------------------------------------------- budgets


def standing(home: House, *columns: str) -> list[tuple[Any, ...]]:
    home.build("cost.spend_vs_budget")
    selected = ", ".join(("scope", "budget_name", *columns))
    return [tuple(row.values()) for row in home.rows(f"select {selected} from cost.spend_vs_budget order by all")]


def test_spend_is_held_against_budgets_day_by_day_and_goes_on_as_its_weekdays_do(home: House) -> None:
    seed(
        home,
        "ref.budget",
        [
            ("k", "one", "2026-11-01", "600", "NZD"),
            ("k", "two", "2026-11-01", "10", "NZD"),
            ("k", "two", "2026-12-01", "9999", "NZD"),
            ("k", "three", "2026-11-01", "100", "USD"),
        ],
    )
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2"), ("USD", "NZD", "budget", "2026-04-01", "3")])
    seed(home, "ref.tag_value_alias", [("k", "Two", "two")])
    billed(
        home,
        [
            *weekly("2026-10-01", "2026-11-23", "10", "4", "service", ACCOUNT, "A"),
            *weekly("2026-10-01", "2026-11-23", "10", "4", "tag:k", ACCOUNT, "one"),
            # A fee once a month does not come every week.
            ("2026-11-02", "tag:k", ACCOUNT, "Two", "30"),
            ("2026-11-03", "tag:k", ACCOUNT, "", "7"),
        ],
    )
    # Asked on the 24th: the 22nd is the last day that is surely complete. 15 workdays and 7 days of weekends so far;
    # to come are 6 workdays and 2 of weekends.
    spent, to_come = 2 * (15 * 10 + 7 * 4), 2 * (6 * 10 + 2 * 4)
    assert standing(home, "month_to_date", "budget", "run_rate_forecast", "variance", "verdict") == [
        ("k", "(unallocated)", "14.0000000000", None, "14.0000000000", None, "no budget"),
        (
            "k",
            "one",
            f"{spent}.0000000000",
            "600.0000000000",
            f"{spent + to_come}.0000000000",
            "-108.0000000000",
            "green",
        ),
        ("k", "three", "0.0000000000", "300.0000000000", "0.0000000000", "-300.0000000000", "green"),
        ("k", "two", "60.0000000000", "10.0000000000", "60.0000000000", "50.0000000000", "red"),
        # The total is its parts, and its budgets are held against what has one.
        (
            *("total", "k", f"{spent + 74}.0000000000", "910.0000000000"),
            *(f"{spent + to_come + 74}.0000000000", "-358.0000000000", "partly budgeted"),
        ),
    ]


def test_budgets_of_aws_are_shown_one_by_one_at_the_rate_that_they_were_set_at(home: House) -> None:
    seed(home, "ref.budget", [])
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2"), ("USD", "NZD", "budget", "2026-04-01", "3")])
    billed(home, weekly("2026-10-01", "2026-11-23", "10", "4", "service", ACCOUNT, "A"))
    records = [
        aws_budget("all", "MONTHLY", "300", "178"),
        aws_budget("a part", "MONTHLY", "100", "80", "110"),
        aws_budget("a part, longer", "ANNUALLY", "1000", "600", "900"),
        aws_budget("a day", "DAILY", "10", "11"),
        aws_budget("hours", "MONTHLY", "100", "80", kind="USAGE"),
        aws_budget("no limit yet", "MONTHLY", None, "1"),
    ]
    home.night("night-2", [Given("budget", records, account_id=PAYER)])
    home.build("cost.spend_vs_budget")
    found = home.rows(
        """
        select
            budget_name, period_start, period_to_date, budget, pace_pct, forecast, forecast_source, verdict, rate_kind,
            budget_rate_kind, scope
        from cost.spend_vs_budget order by budget_name
        """
    )
    assert {row["scope"] for row in found} == {f"aws:{PAYER}"}
    assert {(row["rate_kind"], row["budget_rate_kind"]) for row in found} == {("spot", "budget")}
    assert [tuple(row.values())[:8] for row in found] == [
        # 11 of 10 dollars are spent, whatever a dollar is worth.
        ("a day", "2026-11-24", "22.0000000000", "30.0000000000", None, None, None, "red"),
        # 110 of 100 dollars will be.
        ("a part", "2026-11-01", "160.0000000000", "300.0000000000", "104.35", "220.0000000000", "aws", "amber"),
        (
            *("a part, longer", "2026-04-01", "1200.0000000000", "3000.0000000000"),
            *("92.41", "1800.0000000000", "aws", "green"),
        ),
        # AWS counted it to the end of the 23rd day: 178 in 23 days are 232.17 in 30.
        ("all", "2026-11-01", "356.0000000000", "900.0000000000", "77.39", "464.3478260870", "run_rate", "green"),
        ("no limit yet", "2026-11-01", "2.0000000000", None, None, "2.6086956522", "run_rate", None),
    ]


def test_spend_of_a_day_without_a_rate_is_unknown_and_no_result_is_passed(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "600", "NZD")])
    seed(home, "ref.fx_rate", [(*SPOT, "2026-11-05", "2")])
    billed(
        home,
        [(day, cut, ACCOUNT, "one", "1") for cut in ("service", "tag:k") for day in days("2026-11-01", "2026-11-23")],
    )
    unknown = (None, "600.0000000000", None, None)
    assert standing(home, "month_to_date", "budget", "run_rate_forecast", "verdict") == [
        ("k", "one", *unknown),
        ("total", "k", *unknown),
    ]


def test_each_day_keeps_how_spend_stood_on_it(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "10", "NZD")])
    billed(home, service("2026-11-01", "2026-11-22", "1"))
    standing(home)
    home.execute("update cost.daily set collected_at = collected_at + interval 1 day")
    assert standing(home, "as_of_date") == [
        ("k", "one", "2026-11-24"),
        ("k", "one", "2026-11-25"),
        ("total", "k", "2026-11-24"),
        ("total", "k", "2026-11-25"),
    ]


def test_the_chart_has_a_bar_for_each_budget_and_survives_any_name() -> None:
    bars = [
        charts.Bar('k </svg>&"', Decimal(50), Decimal(100), Decimal(150), "amber", "NZD"),
        charts.Bar("a budget with a name that is too long to be shown", Decimal(900), Decimal(100), None, None, "NZD"),
        charts.Bar("refunded", Decimal(-5), Decimal(100), Decimal(-5), "green", "NZD"),
    ]
    drawn = ElementTree.fromstring(drawing.svgs([partial(charts.spend_against_budget, bars)])[0])
    space = "{http://www.w3.org/2000/svg}"

    def lengths(colour: str) -> list[float]:
        # A bar is drawn as a path: from its start by its length to the right.
        return [
            float(path.attrib["d"].partition("h")[2].partition("v")[0])
            for path in drawn.iter(f"{space}path")
            if path.attrib.get("fill") == colour and path.attrib.get("aria-roledescription") == "bar"
        ]

    half = lengths(charts.TRACK)[0]
    assert lengths(charts.TRACK) == [half] * 3
    # Twice the budget is as long as a bar gets.
    assert lengths(charts.COLOURS["amber"])[0] == pytest.approx(half / 2)
    assert lengths(charts.UNJUDGED) == [pytest.approx(half * 2)]
    assert lengths(charts.COLOURS["green"])[0] == 0
    texts = [text.text or "" for text in drawn.iter(f"{space}text")]
    assert texts[:3] == ['k </svg>&"', "a budget with a name that…", "refunded"]
    assert "50 of 100" in texts


# ---------------------------------------------------------------------------------------------- reconciliation


def reconciled(home: House, rule: str) -> dict[str, bool]:
    return {
        row["scope"]: row["passed"]
        for row in home.rows("select scope, passed from cost.reconciliation where rule = $rule", {"rule": rule})
    }


def test_slices_may_differ_by_the_rounding_of_what_was_added_and_by_no_more(home: House) -> None:
    day = "2026-10-01"
    billed(
        home,
        [
            (day, "service", ACCOUNT, "A", "0.0000000004"),
            (day, "service", ACCOUNT, "B", "0.0000000004"),
            (day, "service", OTHER, "A", "1"),
            # Four rows, half a unit each: two units.
            (day, "region", ACCOUNT, "a", "0.0000000005"),
            (day, "region", ACCOUNT, "b", "0.0000000005"),
            (day, "region", OTHER, "a", "1"),
            (day, "usage_type", ACCOUNT, "a", "0.0000000010"),
            (day, "usage_type", OTHER, "a", "0.9999999998"),
        ],
    )
    home.build("cost.reconciliation")
    assert reconciled(home, "slices_agree") == {"region 2026-10": True, "usage_type 2026-10": False}
    found = home.rows("select account_id, slice, difference, tolerance from stage.slice_difference order by account_id")
    # One account's loss is not made good by another's gain.
    assert [tuple(row.values()) for row in found] == [
        (ACCOUNT, "usage_type", "0.0000000002", "0.00000000015"),
        (OTHER, "usage_type", "-0.0000000002", "0.00000000010"),
    ]


def test_a_slice_that_was_not_responded_for_a_month_is_not_held_against_the_others(home: House) -> None:
    billed(home, [("2026-10-01", "service", ACCOUNT, "A", "1"), ("2026-11-01", "service", ACCOUNT, "A", "1")])
    billed(home, [("2026-11-01", "region", ACCOUNT, "a", "1")])
    home.build("cost.reconciliation")
    assert reconciled(home, "slices_agree") == {"region 2026-11": True}
    home.execute("update audit.collection set is_trusted = false, outcome = 'failed' where listing like '%region%'")
    assert reconciled(home, "slices_agree") == {}


def test_a_closed_month_that_does_not_add_up_is_read_again(home: House) -> None:
    with home.store.read() as connection:
        assert previous.disputed_months(connection) == set()
    billed(home, [*service("2026-09-01", "2026-09-30", "1"), *service("2026-10-01", "2026-11-23", "1")])
    home.build("cost.reconciliation")
    with home.store.transaction() as connection:
        connection.executemany(
            """
            insert into stage.cost_monthly by name
            select
                $1::date as month, $2::date as period_end, $3::decimal(28, 10) as unblended_cost, 'USD' as currency,
                $4::boolean as is_estimated, false as is_stale
            """,
            [
                ("2026-09-01", "2026-10-01", "30.0000000001", False),
                ("2026-10-01", "2026-11-01", "32", False),
                ("2026-11-01", "2026-11-22", "99", True),
            ],
        )
    assert reconciled(home, "daily_cost_is_the_monthly_total") == {"2026-09": True, "2026-10": False, "2026-11": False}
    # The running month is read again anyway.
    with home.store.read() as connection:
        assert previous.disputed_months(connection) == {"2026-10"}


def test_a_budget_may_lag_by_the_last_three_days_and_not_by_all_that_was_fetched_when_they_were_new(
    home: House,
) -> None:
    billed(home, [(day, "record_type", ACCOUNT, "Usage", "1") for day in days("2026-11-01", "2026-11-23")])
    home.build("cost.reconciliation")
    home.execute(
        # A day that has settled was last fetched three days after it.
        "update cost.daily set collected_at = least(collected_at, usage_date + interval 3 days)",
        f"""
        insert into cost.budget by name
        select
            timestamptz '{ASKED}'::date as as_of_date, '{PAYER}' as account_id, 'whole' as budget_name,
            'COST' as budget_type, 'MONTHLY' as time_unit, 19::decimal(28, 10) as actual_amount, 'USD' as currency,
            '{{}}'::json as cost_types, false as is_stale, timestamptz '{ASKED}' as collected_at,
            'night-1' as run_id, 'budget' as listing
        """,
    )
    rule = "budgets_count_what_the_bill_says"
    assert reconciled(home, rule) == {f"{PAYER} whole": False}
    home.execute("update cost.budget set actual_amount = 20")
    assert reconciled(home, rule) == {f"{PAYER} whole": True}


def test_a_closed_month_may_change_if_the_change_is_recorded(home: House) -> None:
    billed(home, service("2026-10-01", "2026-10-31", "1"))
    home.build("cost.reconciliation")
    rule = "closed_months_are_unchanged_or_restated"
    assert reconciled(home, rule) == {"2026-10": True}
    home.execute("update cost.daily set unblended_cost = 3 where usage_date = '2026-10-05'")
    home.build("cost.reconciliation")
    assert reconciled(home, rule) == {"2026-10": False}
    home.execute(
        f"""
        insert into cost.restatement by name
        select
            usage_date, slice, account_id, dimension_value, run_id, listing, collected_at,
            1 as old_unblended_cost, unblended_cost as new_unblended_cost,
            timestamptz '{ASKED}' + interval 1 day as observed_at
        from cost.daily where usage_date = '2026-10-05'
        """
    )
    assert reconciled(home, rule) == {"2026-10": True}
    # Another payer's bill is another bill.
    home.execute(
        """
        update cost.daily
        set unblended_cost = 7, caller_account_id = '000000000043', collected_at = collected_at + interval 2 days
        """
    )
    home.build("cost.reconciliation")
    assert reconciled(home, rule) == {"2026-10": True}


def test_the_total_is_one_question_and_comes_first() -> None:
    today = dt.date(2026, 11, 25)
    asked = cost_slices.plan(today, 3, [cost_slices.SERVICE, cost_slices.TOTAL], lambda _: ())
    assert [(cost_slices.cell(cut, month), month.start, month.end) for cut, month in asked] == [
        ("total", dt.date(2026, 8, 1), today),
        ("service:2026-11", dt.date(2026, 11, 1), today),
        ("service:2026-10", dt.date(2026, 10, 1), dt.date(2026, 11, 1)),
        ("service:2026-09", dt.date(2026, 9, 1), dt.date(2026, 10, 1)),
        ("service:2026-08", dt.date(2026, 8, 1), dt.date(2026, 9, 1)),
    ]
    sent = cost_slices.parameters(*asked[0])
    assert (sent["Granularity"], "GroupBy" in sent) == ("MONTHLY", False)
    assert [len(cost_slices.parameters(cut, month)["GroupBy"]) for cut, month in asked if cut != cost_slices.TOTAL] == [
        2
    ] * 4


# ------------------------------------------------------------------------------------------ the truthful night


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(UNIT, ROUND_HALF_UP)


LedgerRow = tuple[dt.date, str, str, Decimal]
"""Day, account, service, unblended cost."""


@pytest.fixture(scope="module")
def ledger(truthful_night: Path, simulator_process: Simulator) -> list[LedgerRow]:
    """The simulator's ledger over the days of the published bill."""
    sql = "select min(usage_date), max(usage_date) from cost.daily"
    ((first, last),) = query(truthful_night / "aws_org.duckdb", sql)
    sums = simulator_process.ledger_sums(first, last + dt.timedelta(days=1), "usage_date", "account_id", "service")
    return [
        (dt.date.fromisoformat(row["usage_date"]), row["account_id"], row["service"], Decimal(row["unblended_cost"]))
        for row in sums
    ]


def test_the_reporting_currency_is_the_ledger_times_the_rates_to_the_last_digit(
    truthful_night: Path, ledger: list[LedgerRow]
) -> None:
    database = truthful_night / "aws_org.duckdb"
    rates = dict(query(database, "select usage_date, rate from cost.exchange_rate"))
    expected = {(day, account, name): rounded(amount * rates[day]) for day, account, name, amount in ledger}
    found = query(database, "select usage_date, account_id, service, reporting_unblended_cost from cost.by_service")
    assert {row[:3]: row[3] for row in found} == expected
    total = sum(amount for *_, amount in ledger)
    for name in ("service", "region", "record_type", "usage_type"):
        assert query(database, f"select sum(unblended_cost) from cost.by_{name}") == [(total,)]
    by_tag = query(database, "select tag_key, sum(unblended_cost) from cost.by_tag group by tag_key")
    assert len(by_tag) == 6
    assert {amount for _, amount in by_tag} == {total}


def test_movements_allocations_and_month_to_date_are_the_ledgers(truthful_night: Path, ledger: list[LedgerRow]) -> None:
    database = truthful_night / "aws_org.duckdb"
    rates = dict(query(database, "select usage_date, rate from cost.exchange_rate"))
    by_month: dict[dt.date, Decimal] = defaultdict(Decimal)
    ((until, to_date, as_of),) = query(
        database, "select last_complete_date, month_to_date, as_of_date from cost.spend_vs_budget where scope = 'total'"
    )
    assert until == as_of - dt.timedelta(days=2)
    by_service: dict[tuple[dt.date, str], Decimal] = defaultdict(Decimal)
    for day, _, name, amount in ledger:
        by_month[day.replace(day=1)] += amount
        if day <= until:
            by_service[day.replace(day=1), name] += amount
    allocations = query(
        database, "select month, tag_key, sum(unblended_cost) from cost.allocation group by month, tag_key"
    )
    assert len(allocations) == 6 * len(by_month)
    assert all(amount == by_month[month] for month, _, amount in allocations)
    moved = query(database, "select month, dimension_value, cost from cost.movement where slice = 'service'")
    assert moved
    assert all(amount == by_service[month, name] for month, name, amount in moved)
    assert query(database, "select count(*) from cost.movement where change <> usage_effect + rate_effect") == [(0,)]
    expected = sum(amount * rates[day] for day, _, _, amount in ledger if until.replace(day=1) <= day <= until)
    # Each row of the tag's slice is rounded by itself.
    assert abs(to_date - expected) < 100_000 * UNIT
    assert query(
        database,
        f"""
        select sum(cost.reporting_unblended_cost) from cost.by_tag as cost
        where
            cost.tag_key = 'bc:cost-centre'
            and cost.usage_date between date '{until.replace(day=1)}' and date '{until}'
        """,
    ) == [(to_date,)]


def test_the_picture_of_a_run_is_an_image_that_needs_nothing_else(truthful_night: Path) -> None:
    with Store(truthful_night / "aws_org.duckdb").published() as connection:
        bars = charts.newest_budgets(connection)
    assert bars
    markdown = drawing.as_markdown(partial(charts.spend_against_budget, bars), "spend against budget")
    found = re.fullmatch(r"!\[spend against budget\]\(data:image/svg\+xml;base64,(.+)\)", markdown)
    assert found is not None
    assert ElementTree.fromstring(base64.b64decode(found[1]).decode()).tag.endswith("svg")


def test_drawing_leaves_nothing_behind_in_the_process_that_wants_a_picture() -> None:
    """Altair and vl-convert hold 150 MB for as long as the process lives that loaded them."""
    code = (
        "import sys; from decimal import Decimal; from functools import partial; "
        "from pipelines.charts import charts, drawing; "
        "bar = charts.Bar('b', Decimal(1), Decimal(2), None, 'green', 'NZD'); "
        "assert '<svg' in drawing.svgs([partial(charts.spend_against_budget, [bar])])[0]; "
        "print(sorted({'altair', 'vl_convert'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_chart_that_cannot_be_drawn_is_one_sentence() -> None:
    bar = charts.Bar("b", Decimal(1), Decimal(0), None, "green", "NZD")
    with pytest.raises(drawing.DrawingError, match="DivisionByZero") as found:
        drawing.svgs([partial(charts.spend_against_budget, [bar])])
    assert "Install" not in str(found.value)
    assert drawing.svgs([]) == []
    good = partial(charts.spend_against_budget, [replace(bar, budget=Decimal(2))])
    drawn = drawing.each_svg({"bad": partial(charts.spend_against_budget, [bar]), "good": good})
    assert str(drawn["bad"]) == str(found.value) and str(drawn["good"]).startswith("<svg")


def test_only_a_library_that_is_not_there_is_to_be_installed() -> None:
    with pytest.raises(drawing.DrawingError, match=r"No module named 'not_there'\. Install the pinned requirements\."):
        drawing._run("specify", b"cnot_there\nchart\n.")


def test_no_emoji_is_halved_and_names_that_begin_alike_stay_apart() -> None:
    month = dt.date(2026, 11, 1)
    names = [
        "Zählerdaten Produktion Europa 📈📈📈📈📈📈",
        *(f"platform engineering produc{'t' * more}📈 shared account of the team" for more in range(6)),
        "payments 🇳🇿🇦🇺🇳🇿🇦🇺🇳🇿🇦🇺🇳🇿🇦🇺 production",
    ]
    parts = [charts.Part(month, name, place, Decimal(5)) for place, name in enumerate(names, 1)]
    (svg,) = drawing.svgs([partial(charts.monthly_stack, parts, [month], {})])
    texts = [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert len({text for text in texts if "…" in text}) == len(names)
    assert all(f"November 2026, {name}: 5.00" in svg for name in names)
