"""Verdicts on budgets: in whose currency, up to which day, and over what has none."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bills import ACCOUNT, ASKED, OTHER, PAYER, SPOT, aws_budget, billed, days, seed, service, totals
from given import FIRST_NIGHT, Given, House, build, hours

from pipelines import report
from pipelines.charts import charts
from pipelines.models.checks import read_checks
from resources.audit.bills import record_bill
from resources.audit.runs import finish_run, record_run
from resources.bill_rules import Bill

RULES = {check.name: check for check in read_checks()}
QUERIES = Path(report.__file__).parent / "queries"
BUDGET_RATE = ("USD", "NZD", "budget", "2026-04-01", "1.70")


@pytest.fixture
def home(home: House) -> House:
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2")])
    seed(home, "ref.budget", [])
    seed(home, "ref.shared_cost", [("service", "Tax")])
    return home


def aws_budgets(home: House, asked: str, *budgets: tuple[str, str, str, str, str | None]) -> dict[str, dict[str, Any]]:
    """What is made of AWS's budgets (name, time unit, limit, actual, forecast), by name."""
    listed_budgets(home, f"night-{asked}", asked, *(aws_budget(*budget) for budget in budgets))
    return {row["budget_name"]: row for row in home.rows("from cost.spend_vs_budget where starts_with(scope, 'aws:')")}


def listed_budgets(home: House, run_id: str, asked: str, *records: dict[str, Any], **cell: Any) -> None:
    """A night on which the payer's budgets were listed, or were not where `cell` has another outcome."""
    given = Given("budget", records, account_id=cell.pop("account_id", PAYER), **cell)
    home.night(run_id, [given], dt.datetime.fromisoformat(asked))
    home.build("cost.spend_vs_budget")


def standing(home: House) -> dict[str, dict[str, Any]]:
    home.build("cost.spend_vs_budget")
    return {row["budget_name"]: row for row in home.rows("from cost.spend_vs_budget")}


# ------------------------------------------------------------------------------------------ by AWS's own count


@pytest.mark.parametrize(
    ("day", "spent"), [("2026-11-03", "200"), ("2026-11-02", "100"), ("2026-11-15", "1400"), ("2026-11-30", "2900")]
)
def test_a_budget_that_is_spent_evenly_is_on_pace_on_every_day_of_the_month(home: House, day: str, spent: str) -> None:
    asked = f"{day}T14:00:00Z"
    billed(home, service("2026-10-01", days("2026-10-01", day)[-2], "100"), asked=asked)
    found = aws_budgets(home, asked, ("even", "MONTHLY", "3000", spent, None))["even"]
    assert (found["pace_pct"], found["run_rate_forecast"], found["forecast_amount"], found["verdict"]) == (
        "100.00",
        "6000.0000000000",
        "3000.0000000000",
        "green",
    )


VIEW = f"arn:aws:billing::{PAYER}:billingview/"
UNHEALTHY = {"HealthStatus": {"Status": "UNHEALTHY", "StatusReason": "BILLING_VIEW_NO_ACCESS"}}
HEALTHY = {"HealthStatus": {"Status": "HEALTHY"}}


@pytest.mark.parametrize(
    ("spent", "forecast", "health", "verdict"),
    [
        ("200", "900", UNHEALTHY, None),
        ("200", "900", HEALTHY, "green"),
        ("200", "900", {}, "green"),
        ("200", "3900", UNHEALTHY, "amber"),
        ("3200", "3900", UNHEALTHY, "red"),
    ],
)
def test_a_budget_that_aws_does_not_count_is_not_green(
    home: House, spent: str, forecast: str, health: dict[str, Any], verdict: str | None
) -> None:
    asked = "2026-11-24T14:00:00Z"
    billed(home, service("2026-11-01", "2026-11-23", "100"), asked=asked)
    listed_budgets(home, "night", asked, aws_budget("team", "MONTHLY", "3000", spent, forecast) | health)
    found = standing(home)["team"]
    assert found["verdict"] == verdict
    reason = "AWS does not count the budget: BILLING_VIEW_NO_ACCESS" if health is UNHEALTHY else None
    assert found["unknown_reason"] == reason


def test_only_healthy_budgets_of_the_primary_view_are_held_against_the_bill(home: House) -> None:
    asked = "2026-11-24T14:00:00Z"
    billed(home, [("2026-11-10", "record_type", ACCOUNT, "Usage", "2300")], asked=asked)
    more = {
        "plain": {},
        "primary": HEALTHY | {"BillingViewArn": f"{VIEW}primary"},
        "custom": HEALTHY | {"BillingViewArn": f"{VIEW}custom-1"},
        "unhealthy": UNHEALTHY,
    }
    whole = {"CostTypes": {"IncludeTax": True}}
    budgets = [aws_budget(name, "MONTHLY", "3000", "200") | whole | own for name, own in more.items()]
    listed_budgets(home, "night", asked, *budgets)
    home.build("cost.reconciliation")
    rows = home.rows("select scope from cost.reconciliation where rule = 'budgets_count_what_the_bill_says'")
    assert {row["scope"].split(" ")[1] for row in rows} == {"plain", "primary"}


def test_on_the_first_of_its_period_a_budget_has_no_pace_and_no_green(home: House) -> None:
    asked = "2026-11-01T14:00:00Z"
    billed(home, service("2026-10-01", "2026-10-31", "100"), asked=asked)
    found = aws_budgets(
        home, asked, ("begins", "MONTHLY", "3000", "12", None), ("is overrun", "MONTHLY", "10", "12", None)
    )
    assert (found["begins"]["pace_pct"], found["begins"]["verdict"]) == (None, None)
    assert found["begins"]["unknown_reason"] == "AWS forecasts nothing, and no pace is known"
    assert found["is overrun"]["verdict"] == "red"


def test_quarters_and_years_have_a_pace_and_no_month_to_date(home: House) -> None:
    asked = "2026-11-24T14:00:00Z"
    billed(home, service("2026-10-01", "2026-11-23", "100"), asked=asked)
    found = aws_budgets(
        home, asked, ("quarter", "QUARTERLY", "9200", "5400", None), ("year", "ANNUALLY", "36500", "23700", None)
    )
    # 54 of 92 days, 237 of 365.
    assert [
        (row["period_start"], row["pace_pct"], row["forecast_amount"], row["month_to_date"], row["period_to_date"])
        for row in found.values()
    ] == [
        ("2026-10-01", "100.00", "9200.0000000000", None, "10800.0000000000"),
        ("2026-04-01", "100.00", "36500.0000000000", None, "47400.0000000000"),
    ]


def test_a_month_of_long_ago_that_is_stale_makes_no_budget_stale(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "600", "NZD")])
    billed(home, [*service("2026-06-01", "2026-11-23", "100"), *spenders(one="5")], asked="2026-11-24T14:00:00Z")
    home.build("cost.spend_vs_budget")
    for since, is_stale in (("2026-06-30", False), ("2026-10-31", True)):
        home.execute(
            f"update cost.daily set is_stale = true, collected_at = usage_date + 1 where usage_date = '{since}'"
        )
        build(home.store, home.models["cost.spend_vs_budget"])
        found = home.rows("select distinct is_stale from cost.spend_vs_budget")
        assert found == [{"is_stale": is_stale}], since


def test_budgets_of_a_run_that_could_not_request_them_stay_and_are_stale(home: House) -> None:
    billed(home, service("2026-10-01", "2026-11-23", "100"), asked="2026-11-24T14:00:00Z")
    aws_budgets(home, "2026-11-22T14:00:00Z", ("old", "MONTHLY", "3000", "2100", None))
    home.execute("update cost.budget set is_stale = true")
    build(home.store, home.models["cost.spend_vs_budget"])
    assert home.rows("select as_of_date, pace_pct, is_stale from cost.spend_vs_budget") == [
        {"as_of_date": "2026-11-24", "pace_pct": "100.00", "is_stale": True}
    ]


def night_of(home: House, number: int, payer: str, outcome: str, *others: str) -> None:
    """A run of a day, whose billing profile reaches an account with a budget; the last cells of others end."""
    record = aws_budget(f"of {payer}", "MONTHLY", "3000", "100")
    run = f"night-{number}"
    gone = [Given("budget", outcome="skipped", skip_reason="caller_changed", account_id=other) for other in others]
    home.night(run, [Given("budget", [record], account_id=payer), *gone], FIRST_NIGHT + hours(24 * number))
    reads_bill_of(home, run, payer)
    home.build("cost.spend_vs_budget")
    with home.store.transaction() as connection:
        finish_run(connection, run, outcome)


def published(home: House, run_id: str, account: str) -> None:
    """A run that publishes, whose billing profile reaches an account."""
    with home.store.transaction() as connection:
        record_run(connection, run_id, "test")
    reads_bill_of(home, run_id, account)
    with home.store.transaction() as connection:
        finish_run(connection, run_id, "published")


def reads_bill_of(home: House, run_id: str, account: str) -> None:
    """The pre-flight of a run, whose billing profile reaches an account."""
    with home.store.transaction() as connection:
        bill = Bill("own", "As AWS invoices it.", account_id=account)
        record_bill(connection, run_id, bill, organization_id="o-1", config_hash="x")


@pytest.mark.parametrize(
    ("outcome", "kept"), [("refused", []), ("died", []), ("preflight", []), ("published", [("2026-11-25", OTHER)])]
)
def test_budgets_of_another_account_stay_only_if_a_run_published_them(
    home: House, outcome: str, kept: list[tuple[str, str]]
) -> None:
    billed(home, service("2026-10-01", "2026-11-23", "100"), asked="2026-11-23T14:00:00Z")
    night_of(home, 0, PAYER, "published")
    night_of(home, 1, OTHER, outcome, PAYER)
    before = [("2026-11-24", PAYER), ("2026-11-25", OTHER)]
    assert _kept(home) == {"cost.budget": before, "cost.spend_vs_budget": before}
    night_of(home, 2, PAYER, "published", OTHER)
    after = sorted([("2026-11-24", PAYER), *kept, ("2026-11-26", PAYER)])
    assert _kept(home) == {"cost.budget": after, "cost.spend_vs_budget": after}


def _kept(home: House) -> dict[str, list[tuple[str, str]]]:
    """Days and accounts of AWS's budgets."""
    accounts = {"cost.budget": "account_id", "cost.spend_vs_budget": "substr(scope, 5)"}
    return {
        table: [
            (row["as_of_date"], row["account"])
            for row in home.rows(
                f"select as_of_date, {account} as account from {table} where budget_name like 'of %' order by all"
            )
        ]
        for table, account in accounts.items()
    }


@pytest.mark.parametrize("next_night", ["2026-11-24T20:00:00Z", "2026-11-25T14:00:00Z"])
def test_a_budget_that_is_deleted_is_judged_no_more(home: House, next_night: str) -> None:
    billed(home, service("2026-10-01", "2026-11-23", "100"))
    both = (aws_budget("stays", "MONTHLY", "3000", "2300"), aws_budget("goes", "MONTHLY", "3000", "2300"))
    published(home, "night-2", PAYER)
    listed_budgets(home, "night-2", ASKED, *both)
    assert _judged(home) == {"goes": ("green", False), "stays": ("green", False)}
    listed_budgets(home, "night-3", next_night, both[0])
    assert _judged(home) == {"stays": ("green", False)}
    assert [row["budget_name"] for row in home.rows((QUERIES / "aws_budgets.sql").read_text())] == ["stays"]
    with home.store.read() as connection:
        assert len(charts.newest_budgets(connection)) == 1
    last = dt.datetime.fromisoformat(next_night) + hours(24)
    # The last is deleted as well: the bill of that night has no budget of AWS beside it.
    home.execute(f"update cost.daily set collected_at = '{last}'")
    listed_budgets(home, "night-4", last.isoformat())
    assert _judged(home) == {}
    # How it stood before is kept, and shown as nothing of now.
    kept = home.rows("select max(as_of_date) as day from cost.spend_vs_budget where budget_name = 'stays'")
    assert kept == [{"day": next_night[:10]}]
    assert home.rows((QUERIES / "aws_budgets.sql").read_text()) == []
    with home.store.read() as connection:
        assert charts.newest_budgets(connection) == []


def test_budgets_of_a_response_that_is_not_trusted_stay_and_are_stale(home: House) -> None:
    billed(home, service("2026-10-01", "2026-11-23", "100"))
    listed_budgets(home, "night-2", ASKED, aws_budget("old", "MONTHLY", "3000", "2300"))
    for number, outcome in ((3, "denied"), (4, "empty_unconfirmed")):
        listed_budgets(home, f"night-{number}", f"2026-11-2{number + 2}T14:00:00Z", outcome=outcome)
        assert _judged(home) == {"old": ("green", True)}


@pytest.mark.parametrize("outcome", ["empty_unconfirmed", "denied"])
def test_a_new_payer_has_no_budget_of_the_payer_before(home: House, outcome: str) -> None:
    billed(home, service("2026-10-01", "2026-11-23", "100"))
    published(home, "night-2", PAYER)
    listed_budgets(home, "night-2", ASKED, aws_budget("old", "MONTHLY", "3000", "2300"))
    # Nobody knows yet what the new one has, so that the rows of the other are not taken away.
    reads_bill_of(home, "night-3", OTHER)
    listed_budgets(home, "night-3", "2026-11-25T14:00:00Z", account_id=OTHER, outcome=outcome)
    assert _judged(home) == {}


def _judged(home: House) -> dict[str, tuple[str | None, bool]]:
    """Verdicts on AWS's budgets as the newest night left them, and whether they are stale."""
    found = home.rows(
        """
        select budget_name, verdict, is_stale from cost.spend_vs_budget
        where
            starts_with(scope, 'aws:')
            and as_of_date = (
                select greatest(max((collected_at at time zone 'UTC')::date), (
                    select max(as_of_date) from cost.budget
                )) from cost.daily
            )
        """
    )
    return {row["budget_name"]: (row["verdict"], row["is_stale"]) for row in found}


def test_a_budget_has_a_period_only_between_its_own_first_and_last_day(home: House) -> None:
    billed(home, service("2026-10-01", "2026-11-23", "100"))
    records = [
        aws_budget("not begun", "MONTHLY", "3000", "0", start="2026-12-01"),
        aws_budget("ended", "MONTHLY", "3000", "100", end="2026-10-31"),
        aws_budget("ended today", "MONTHLY", "3000", "100", end="2026-11-24"),
        aws_budget("begun within the month", "MONTHLY", "3000", "1300", start="2026-11-11"),
        aws_budget("ends within the quarter", "QUARTERLY", "9000", "5400", end="2026-12-01"),
        aws_budget("begins today", "DAILY", "10", "1", start="2026-11-24"),
        aws_budget("begins tomorrow", "DAILY", "10", "1", start="2026-11-25"),
        aws_budget("a project over", "CUSTOM", "10", "1", start="2026-01-01", end="2026-10-01"),
        aws_budget("a project", "CUSTOM", "9000", "5400", start="2026-10-01", end="2027-01-01"),
    ]
    listed_budgets(home, "night-2", ASKED, *records)
    found = home.rows("select budget_name, period_start, period_end, pace_pct from cost.spend_vs_budget order by all")
    assert [tuple(row.values()) for row in found] == [
        ("a project", "2026-10-01", "2027-01-01", "102.22"),
        ("begins today", "2026-11-24", "2026-11-25", None),
        # 1,300 in 13 of 20 days; 5,400 in 54 of 61.
        ("begun within the month", "2026-11-11", "2026-12-01", "66.67"),
        ("ends within the quarter", "2026-10-01", "2026-12-01", "67.78"),
    ]


# ------------------------------------------------------------------------------------- in the budget's currency


@pytest.mark.parametrize(
    ("spot", "actual", "forecast", "verdict"),
    [
        ("1.64", "1020", "1020", "red"),
        ("1.78", "970", "990", "green"),
        ("1.78", "970", "1010", "amber"),
        ("0.01", "1020", "1020", "red"),
    ],
)
def test_a_budget_in_dollars_is_overrun_in_dollars_whatever_they_are_worth(
    home: House, spot: str, actual: str, forecast: str, verdict: str
) -> None:
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", spot), BUDGET_RATE])
    billed(home, service("2026-10-01", "2026-11-23", "40"))
    found = aws_budgets(home, "2026-11-24T14:00:00Z", ("dollars", "MONTHLY", "1000", actual, forecast))["dollars"]
    assert found["verdict"] == verdict
    # What the reporting currency shows is parted: dollars too many at the planned rate, and the rate.
    rate, planned = Decimal(spot), Decimal("1.70")
    assert Decimal(found["variance"]) == Decimal(forecast) * rate - 1000 * planned
    assert Decimal(found["usage_effect"]) == (Decimal(forecast) - 1000) * planned
    assert Decimal(found["rate_effect"]) == Decimal(forecast) * (rate - planned)
    assert Decimal(found["variance"]) == Decimal(found["usage_effect"]) + Decimal(found["rate_effect"])


def test_a_seeded_budget_in_dollars_and_one_in_the_reporting_currency_are_each_judged_in_their_own(home: House) -> None:
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "1.50"), (*SPOT, "2026-11-11", "2.50"), BUDGET_RATE])
    seed(
        home,
        "ref.budget",
        [("k", "dollars", "2026-11-01", "3000", "USD"), ("k", "own", "2026-11-01", "5500", "NZD")],
    )
    billed(
        home,
        [
            *service("2026-10-01", "2026-11-23", "200"),
            *(
                (day, "tag:k", ACCOUNT, name, "100")
                for day in days("2026-10-01", "2026-11-23")
                for name in ("dollars", "own")
            ),
        ],
    )
    found = standing(home)
    # Ten days at 1.50 and twelve at 2.50.
    assert found["dollars"]["period_to_date"] == found["own"]["period_to_date"] == "4500.0000000000"
    assert (found["dollars"]["actual_amount"], found["dollars"]["forecast_amount"]) == (
        "2200.0000000000",
        "3000.0000000000",
    )
    assert found["dollars"]["verdict"] == "green"
    assert (found["own"]["actual_amount"], found["own"]["budget_currency"]) == ("4500.0000000000", "NZD")
    assert found["own"]["verdict"] == "amber"
    # 3,000 dollars at the planned rate are 5,100: the plan holds, the rate breaks it.
    assert found["own"]["usage_effect"] == "-400.0000000000"
    assert Decimal(found["own"]["rate_effect"]) == Decimal(found["own"]["variance"]) + 400
    # Budgets of two currencies can only be added in one.
    assert (found["k"]["budget_currency"], found["k"]["limit_amount"]) == ("NZD", "10600.0000000000")


@pytest.mark.parametrize("has_rate", [True, False])
def test_a_budget_in_a_currency_that_nothing_is_billed_in_needs_its_rate(home: House, has_rate: bool) -> None:
    euro = [("EUR", "NZD", "spot", day, rate) for day, rate in (("2026-10-01", "4"), ("2026-11-22", "2"))]
    # Of a day that is not complete.
    euro.append(("EUR", "NZD", "spot", "2026-11-23", "8"))
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2"), *(euro if has_rate else euro[2:])])
    own = [("k", "euros", "2026-11-01", "200", "EUR"), ("k", "dollars", "2026-11-01", "600", "USD")]
    seed(home, "ref.budget", own)
    billed(home, spenders(euros="5", dollars="10"))
    found = standing(home)
    columns = ("actual_amount", "budget", "budget_rate_kind", "verdict", "unknown_reason")
    shown = {name: tuple(row[column] for column in columns) for name, row in found.items()}
    assert shown.pop("dollars") == ("220.0000000000", "1200.0000000000", "spot", "green", None)
    reason = "the currency of the budget has no exchange rate"
    with_rate = {
        "euros": ("110.0000000000", "400.0000000000", "spot", "green", None),
        "k": ("660.0000000000", "1600.0000000000", "spot", "green", None),
    }
    without_rate = {"euros": (None, None, None, None, reason), "k": ("660.0000000000", None, "spot", None, reason)}
    assert shown == (with_rate if has_rate else without_rate)


def test_a_budget_under_another_spelling_is_one_of_the_value_that_counts(home: House) -> None:
    seed(home, "ref.tag_value_alias", [("k", "One", "one"), ("k", "Two", "two"), ("k", "Three", "three")])
    own = [
        ("One ", "2026-11-01", "250", "USD"),
        ("Two", "2026-11-01", "200", "USD"),
        ("two", "2026-11-01", "50", "USD"),
        # Three hundred of the reporting currency.
        ("Three", "2026-11-01", "100", "USD"),
        ("three", "2026-11-01", "100", "NZD"),
        ("Three", "2026-10-01", "100", "NZD"),
    ]
    seed(home, "ref.budget", [("k", *line) for line in own])
    billed(home, spenders(one="10", two="10", Two="1", three="10"))
    found = standing(home)
    columns = ("actual_amount", "limit_amount", "budget_currency", "budget", "verdict")
    assert {name: tuple(row[column] for column in columns) for name, row in found.items()} == {
        "one": ("220.0000000000", "250.0000000000", "USD", "500.0000000000", "amber"),
        "two": ("242.0000000000", "250.0000000000", "USD", "500.0000000000", "amber"),
        "three": ("440.0000000000", "300.0000000000", "NZD", "300.0000000000", "red"),
        "k": ("1364.0000000000", "1300.0000000000", "NZD", "1300.0000000000", "red"),
    }
    assert without_budget(home) == []


def test_budgets_of_two_spellings_of_which_one_has_no_rate_are_not_judged(home: House) -> None:
    seed(home, "ref.tag_value_alias", [("k", "One", "one")])
    seed(home, "ref.budget", [
        ("k", "One", "2026-11-01", "9", "EUR"), ("k", "one", "2026-11-01", "9", "NZD"),
        ("k", "two", "2026-11-01", "300", "NZD"),
    ])  # fmt: skip
    billed(home, spenders(one="20", two="1"))
    reason = "the currency of the budget has no exchange rate"
    assert {name: (row["verdict"], row["unknown_reason"]) for name, row in standing(home).items()} == {
        "one": (None, reason),
        "two": ("green", None),
        # What one of its budgets is, is not known: the sum of the others is no limit of both.
        "k": (None, reason),
    }


def test_the_last_complete_day_may_have_cost_nothing(home: House) -> None:
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2")])
    lines = service("2026-10-01", "2026-11-21", "10")
    billed(home, lines)
    totals(home, lines)
    found = aws_budgets(home, "2026-11-24T14:00:00Z", ("month", "MONTHLY", "1000", "210", "280"))["month"]
    covered = home.rows("select through_date from cost.month_coverage where slice = 'service' and month = '2026-11-01'")
    assert (covered, found["verdict"]) == ([{"through_date": "2026-11-22"}], "green")
    assert (found["rate"], found["rate_kind"], found["aws_forecast"]) == ("2.0000000000", "spot", "560.0000000000")


def test_a_years_spend_is_shown_at_the_rates_of_its_days(home: House) -> None:
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "1"), (*SPOT, "2026-11-01", "3")])
    billed(home, [*service("2026-03-31", "2026-10-31", "1"), *service("2026-11-01", "2026-11-22", "10")])
    found = aws_budgets(home, "2026-11-24T14:00:00Z", ("year", "ANNUALLY", "1000", "434", "500"))["year"]
    # 214 days of a dollar at 1, 22 days of ten at 3: a dollar of the year was 874/434.
    assert abs(Decimal(found["period_to_date"]) - 874) < Decimal("0.0001")
    assert (found["rate"], found["spend_rate"][:6]) == ("3.0000000000", "2.0138")


# ------------------------------------------------------------------------------------------- what has no budget


def without_budget(home: House) -> list[str]:
    """The values that the check names."""
    return sorted(row["budget_name"] for row in home.rows(RULES["every_spender_has_a_budget"].sql))


def spenders(**daily: str) -> list[tuple[str, str, str, str, str]]:
    """A bill by day: what each value of the tag costs; `untagged` has none."""
    lines = []
    for day in days("2026-10-01", "2026-11-23"):
        lines += [(day, "tag:k", ACCOUNT, "" if name == "untagged" else name, cost) for name, cost in daily.items()]
        lines.append((day, "service", ACCOUNT, "A", str(sum(map(Decimal, daily.values())))))
    return lines


def test_values_that_spend_without_a_budget_are_reported_and_the_total_is_its_parts(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "600", "NZD")])
    billed(
        home,
        [
            *spenders(one="5", stray="7.0000000001", untagged="3"),
            ("2026-11-02", "service", ACCOUNT, "Tax", "4"),
            ("2026-11-02", "tag:k", ACCOUNT, "", "4"),
        ],
    )
    found = standing(home)
    assert {name: (row["period_to_date"], row["budget"], row["verdict"]) for name, row in found.items()} == {
        "one": ("220.0000000000", "600.0000000000", "green"),
        "stray": ("308.0000000044", None, "no budget"),
        "(unallocated)": ("132.0000000000", None, "no budget"),
        "(shared)": ("8.0000000000", None, "no budget"),
        "k": ("668.0000000044", "600.0000000000", "partly budgeted"),
    }
    assert without_budget(home) == ["stray"]
    parts = [row for name, row in found.items() if name != "k"]
    for column in ("period_to_date", "run_rate_forecast"):
        assert sum(Decimal(row[column]) for row in parts) == Decimal(found["k"][column])
    assert Decimal(found["k"]["unbudgeted_to_date"]) == Decimal("448.0000000044")
    # The budgets are held against what has one: on pace for 300 of 600.
    assert (found["k"]["pace_pct"], found["k"]["variance"]) == ("50.00", "-300.0000000000")
    bill = home.rows(
        """
        select sum(reporting_unblended_cost) as cost from cost.by_service
        where usage_date between date '2026-11-01' and date '2026-11-22'
        """
    )
    assert bill == [{"cost": found["k"]["period_to_date"]}]


def test_a_month_whose_budgets_were_forgotten_is_no_silence(home: House) -> None:
    seed(
        home,
        "ref.budget",
        [
            ("k", "gone", "2026-08-01", "600", "NZD"),
            ("k", "one", "2026-10-01", "600", "NZD"),
            ("k", "asleep", "2026-10-01", "5", "NZD"),
            ("k", "one", "2026-12-01", "600", "NZD"),
        ],
    )
    billed(home, spenders(one="5"))
    found = standing(home)
    assert {name: (row["period_to_date"], row["budget"], row["verdict"]) for name, row in found.items()} == {
        "one": ("220.0000000000", None, "no budget"),
        "asleep": ("0.0000000000", None, "no budget"),
        "k": ("220.0000000000", None, "no budget"),
    }
    assert without_budget(home) == ["one"]


def test_a_total_whose_spend_is_all_budgeted_can_be_green(home: House) -> None:
    seed(
        home,
        "ref.budget",
        [("k", name, "2026-11-01", "600", "NZD") for name in ("one", "(unallocated)", "(shared)")],
    )
    billed(home, spenders(one="5", untagged="3"))
    found = standing(home)
    assert {row["verdict"] for row in found.values()} == {"green"}
    assert found["k"]["unbudgeted_to_date"] == "0.0000000000"
    assert without_budget(home) == []


@pytest.mark.parametrize(
    ("others", "left", "verdict", "shares"),
    [
        ({"untagged": "-3"}, "-132.0000000000", "green", (None, None)),
        ({"untagged": "-3", "stray": "3"}, "0.0000000000", "partly budgeted", (100.0, 0.0)),
        ({"untagged": "-3", "stray": "1"}, "-88.0000000000", "partly budgeted", (None, None)),
        # Less than nothing has no parts.
        ({"untagged": "-15"}, "-660.0000000000", "green", (None, None)),
        ({"untagged": "5"}, "220.0000000000", "partly budgeted", (50.0, 50.0)),
    ],
)
def test_credits_without_a_budget_are_no_spend_and_hide_none(
    home: House, others: dict[str, str], left: str, verdict: str, shares: tuple[float | None, float | None]
) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "600", "NZD")])
    billed(home, spenders(one="5", **others))
    found = standing(home)["k"]
    assert (found["unbudgeted_to_date"], found["verdict"]) == (left, verdict)
    (row,) = home.rows((QUERIES / "spend_total.sql").read_text())
    assert (row["budgeted_pct"], row["unbudgeted_pct"]) == shares


def test_no_value_is_green_under_a_tag_that_was_not_read_or_that_no_cost_carries(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "600", "NZD"), ("other", "two", "2026-11-01", "1", "NZD")])
    billed(home, spenders(untagged="3"))
    found = standing(home)
    assert {name: (row["period_to_date"], row["verdict"], row["unknown_reason"]) for name, row in found.items()} == {
        "one": (None, None, "no cost carries this tag: it is not activated, or not used"),
        "k": (None, None, "no cost carries this tag: it is not activated, or not used"),
        "two": (None, None, "the bill by this tag was not read"),
        "other": (None, None, "the bill by this tag was not read"),
    }


def test_a_day_that_is_missing_makes_no_green_and_hides_no_red(home: House) -> None:
    seed(
        home,
        "ref.budget",
        [("k", "one", "2026-11-01", "600", "NZD"), ("k", "two", "2026-11-01", "60", "NZD")],
    )
    billed(home, [line for line in spenders(one="5", two="5") if line[0] != "2026-11-09"])
    found = standing(home)
    assert {name: (row["days_missing"], row["verdict"]) for name, row in found.items()} == {
        "one": (1, None),
        "two": (1, "red"),
        "k": (1, None),
    }
    assert found["one"]["unknown_reason"] == "days of the bill are missing"


@pytest.mark.parametrize("unused", [["2026-11-09"], ["2026-11-04", "2026-11-11"]], ids=["one day", "a weekday twice"])
def test_a_day_that_is_known_to_cost_nothing_is_not_missing(home: House, unused: list[str]) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "600", "USD"), ("k", "two", "2026-11-01", "500", "USD")])
    lines = [line for line in spenders(one="10", two="7") if line[0] not in unused]
    billed(home, lines)
    totals(home, lines)
    found = standing(home)
    spent = Decimal(10) * (22 - len(unused))
    # Of the eight days to come one is a Wednesday: the median of four of which two cost nothing is half.
    forecast = spent + 10 * 8 - (5 if len(unused) == 2 else 0)
    assert (Decimal(found["one"]["actual_amount"]), Decimal(found["one"]["forecast_amount"])) == (spent, forecast)
    assert {
        name: (row["days_missing"], row["verdict"], row["unknown_reason"]) for name, row in found.items() if name != "k"
    } == {"one": (0, "green", None), "two": (0, "green", None)}
    assert found["k"]["days_missing"] == 0


@pytest.mark.parametrize(
    ("case", "asked", "limit", "spent"),
    [
        ("the tag was read from November on", "2026-11-12T14:00:00Z", "2500", "1000.0000000000"),
        ("a payer is new", "2026-11-04T14:00:00Z", "1000", "200.0000000000"),
    ],
)
def test_a_forecast_needs_four_days_of_each_weekday_to_come(
    home: House, case: str, asked: str, limit: str, spent: str
) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", limit, "USD"), ("k", "over", "2026-11-01", "1", "USD")])
    first = "2026-11-01" if case == "a payer is new" else "2026-10-01"
    lines = service(first, days("2026-11-01", asked[:10])[-2], "200")
    for day in days("2026-11-01", asked[:10])[:-1]:
        lines += [(day, "tag:k", ACCOUNT, name, "100") for name in ("one", "over")]
    billed(home, lines, asked=asked)
    found = standing(home)
    assert found["one"]["actual_amount"] == spent
    reason = "fewer than four days of a weekday to come were read"
    assert {name: (row["verdict"], row["forecast_amount"], row["unknown_reason"]) for name, row in found.items()} == {
        "one": (None, None, reason),
        "over": ("red", None, reason),
        "k": (None, None, reason),
    }


def test_a_forecast_needs_no_weekday_that_does_not_come_again(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "3000", "USD")])
    lines = service("2026-10-01", "2026-11-29", "100")
    # A Tuesday was not read; of November the 29th and the 30th are to come: a Sunday and a Monday.
    lines += [(day, "tag:k", ACCOUNT, "one", "100") for day in days("2026-10-01", "2026-11-29") if day != "2026-11-03"]
    billed(home, lines, asked="2026-11-30T14:00:00Z")
    found = standing(home)["one"]
    assert (found["forecast_amount"], found["unknown_reason"]) == ("2900.0000000000", "days of the bill are missing")


def test_on_the_last_day_of_its_month_a_budget_of_a_new_payer_is_judged(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "1100", "USD")])
    lines = service("2026-11-20", "2026-11-30", "100")
    lines += [(day, "tag:k", ACCOUNT, "one", "100") for day in days("2026-11-20", "2026-11-30")]
    billed(home, lines, asked="2026-12-02T14:00:00Z")
    found = standing(home)["one"]
    assert (found["forecast_amount"], found["verdict"]) == ("1100.0000000000", "green")


def waits_for_the_limit(home: House, month: str) -> None:
    """A night that leaves a month of the tag's slice for a later one."""
    cell = Given(
        f"cost_daily:tag:k:{month}", outcome="skipped", skip_reason="request_limit", role="billing", account_id=PAYER
    )
    home.night("night-2", [cell], dt.datetime.fromisoformat(ASKED) + hours(1))


@pytest.mark.parametrize("read_on", ["2026-11-01T14:00:00Z", "2026-11-02T14:00:00Z"])
def test_a_month_before_the_running_one_is_no_green_of_a_tag_that_waits(home: House, read_on: str) -> None:
    limits = {"one": "1000", "two": "1"}
    months = ("2026-10-01", "2026-11-01")
    seed(home, "ref.budget", [("k", name, month, limits[name], "NZD") for name in ("one", "two") for month in months])
    billed(home, service("2026-10-01", "2026-11-23", "10"))
    read = days("2026-10-01", read_on[:10])[:-1]
    billed(home, [(day, "tag:k", ACCOUNT, name, "5") for day in read for name in ("one", "two")], asked=read_on)
    waits_for_the_limit(home, "2026-11")
    found = standing(home)
    reason = "the bill by this tag was not read up to the running month"
    columns = ("period_start", "verdict", "unknown_reason", "is_stale", "fetched_at")
    assert {name: tuple(row[column] for column in columns) for name, row in found.items()} == {
        "one": ("2026-10-01", None, reason, True, read_on),
        "two": ("2026-10-01", "red", reason, True, read_on),
        "k": ("2026-10-01", None, reason, True, read_on),
    }


def test_a_tag_that_waits_within_the_month_is_judged_as_it_stood_and_stale(home: House) -> None:
    seed(home, "ref.budget", [("k", "one", "2026-11-01", "1000", "NZD")])
    billed(home, service("2026-10-01", "2026-11-23", "5"))
    read_on = "2026-11-20T14:00:00Z"
    billed(home, [(day, "tag:k", ACCOUNT, "one", "5") for day in days("2026-10-01", "2026-11-19")], asked=read_on)
    assert standing(home)["one"]["is_stale"] is False
    waits_for_the_limit(home, "2026-11")
    found = standing(home)["one"]
    assert (found["last_complete_date"], found["verdict"], found["unknown_reason"]) == ("2026-11-18", "green", None)
    assert (found["is_stale"], found["fetched_at"]) == (True, read_on)
