"""What the report's queries make of bills that are written down: one meaning a number, and nobody hidden."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from bills import ACCOUNT, OTHER, PAYER, SPOT, Line, aws_budget, billed, days, seed, totals
from given import Given, House, insert
from test_bill import collect, months

from pipelines.charts import charts
from pipelines.models.sql_files import reads
from pipelines.report.caveats import caveats
from pipelines.report.figures import read_queries
from simulator.client import Simulator

QUERIES = {query.name: query.sql for query in read_queries()}


@pytest.fixture
def home(home: House) -> House:
    seed(home, "ref.fx_rate", [(*SPOT, "2020-01-01", "2")])
    seed(home, "ref.budget", [])
    return home


def figure(home: House, name: str) -> list[dict[str, Any]]:
    """The rows of a query of the report, once what it reads is built."""
    home.build(*(relation for relation in reads(QUERIES[name]).relations if relation in home.models))
    return home.rows(QUERIES[name])


def bill(account: str, first: str, last: str, amount: str, service: str = "A") -> list[Line]:
    return [(day, "service", account, service, amount) for day in days(first, last)]


def crowd(count: int, amount: str) -> list[Line]:
    """As many accounts that cost the same each day since September."""
    return [line for n in range(count) for line in bill(f"{n:012d}", "2026-09-01", "2026-11-22", amount)]


# ---------------------------------------------------------------------------------------------- who is seen


@pytest.mark.parametrize(
    ("grower", "why"),
    [
        (bill(OTHER, "2026-10-01", "2026-11-22", "300"), "it is new in the last whole month"),
        (bill(OTHER, "2026-09-01", "2026-09-30", "400"), "it went in the last whole month"),
        (bill(OTHER, "2026-11-10", "2026-11-22", "300"), "it began in the running month"),
    ],
)
def test_who_moved_most_has_a_series_of_its_own(home: House, grower: list[Line], why: str) -> None:
    """Nine others cost more over the months that are shown."""
    billed(home, [*crowd(9, "500"), *grower], open_from="2026-11-01")
    found = figure(home, "monthly_by_account")
    assert OTHER in {row["account_id"] for row in found}, why
    assert len({row["account_id"] for row in found if row["account_id"]}) == 8
    (others,) = {row["account_count"] for row in found if row["place"] == 9 and row["month"] == "2026-10-01"}
    assert others == 2
    # Nobody is lost to the others: each month's parts are its bill.
    months = {row["month"]: Decimal(row["cost"]) for row in figure(home, "months")}
    for month, cost in months.items():
        assert sum(Decimal(row["cost"]) for row in found if row["month"] == month) == cost


def test_the_largest_movers_are_named_by_account_service_and_tag_with_what_moved_in_them(home: House) -> None:
    seed(home, "ref.budget", [("bc:cost-centre", "001", "2026-11-01", "10", "USD")])
    lines = [*crowd(2, "10"), *bill(ACCOUNT, "2026-10-01", "2026-11-22", "5", "B")]
    billed(home, [*lines, *bill(ACCOUNT, "2026-09-01", "2026-11-22", "1")])
    tagged = [(day, "tag:bc:cost-centre", ACCOUNT, "001", "7") for day in days("2026-10-01", "2026-11-22")]
    billed(
        home, [*tagged, *((day, "tag:bc:cost-centre", ACCOUNT, "", "1") for day in days("2026-09-01", "2026-11-22"))]
    )
    found = figure(home, "movers")
    whole = {row["cut"]: row for row in reversed(found) if row["is_whole"]}
    # 31 days at 5, and the one more day at 1, at two for one.
    assert (whole["account"]["account_id"], whole["account"]["change"]) == (ACCOUNT, "312.0000000000")
    assert (whole["account"]["mostly"], whole["account"]["mostly_change"]) == ("B", "310.0000000000")
    assert (whole["service"]["name"], whole["service"]["mostly"]) == ("B", ACCOUNT)
    assert (whole["bc:cost-centre"]["name"], whole["bc:cost-centre"]["change"]) == ("001", "434.0000000000")
    assert Decimal(whole["bill"]["change"]) == sum(
        Decimal(row["change"]) for row in found if row["is_whole"] and row["cut"] == "account"
    )
    running = {row["cut"]: row for row in reversed(found) if not row["is_whole"]}
    assert running["bill"]["through_date"] == "2026-11-22"
    assert running["bill"]["previous_through_date"] == "2026-10-22"
    assert running["bill"]["change"] == "0.0000000000"


def test_a_fall_below_nothing_is_a_fall_and_of_equal_movements_one_is_named_whole(home: House) -> None:
    """Two services with credits of a dollar a day, from October on half as much again, at two for one."""
    lines = [
        line
        for service in ("B", "A")
        for line in (
            *bill(ACCOUNT, "2026-09-01", "2026-09-30", "-1", service),
            *bill(ACCOUNT, "2026-10-01", "2026-11-22", "-1.5", service),
        )
    ]
    billed(home, lines, open_from="2026-11-01")
    (row,) = [row for row in figure(home, "movers") if row["is_whole"] and row["cut"] == "account"]
    assert (row["previous_cost"], row["change"]) == ("-120.0000000000", "-66.0000000000")
    assert float(row["change_pct"]) == -55
    assert (row["mostly"], row["mostly_change"]) == ("A", "-33.0000000000")


# ------------------------------------------------------------------------------------ through the same day


def test_every_figure_of_the_running_month_ends_at_its_last_complete_day(home: House) -> None:
    """Asked on the 24th: of the 23rd AWS has counted a tenth."""
    billed(home, [*bill(ACCOUNT, "2026-10-01", "2026-11-22", "100"), ("2026-11-23", "service", ACCOUNT, "A", "10")])
    to_date = "4400.0000000000"
    months = figure(home, "months")
    assert [(row["through_date"], row["cost"], row["state"]) for row in months][-1] == (
        "2026-11-22",
        to_date,
        "running",
    )
    by_account = [row for row in figure(home, "monthly_by_account") if row["month"] == "2026-11-01"]
    by_service = [row for row in figure(home, "monthly_by_service") if row["month"] == "2026-11-01"]
    assert [row["cost"] for row in (*by_account, *by_service)] == [to_date, to_date]
    last = figure(home, "spend_by_day")[-1]
    assert (last["usage_date"], last["cost_so_far"]) == ("2026-11-22", to_date)
    assert last["previous_cost_so_far"] == to_date
    assert [row["cost"] for row in figure(home, "movers") if row["cut"] == "bill" and not row["is_whole"]] == [to_date]
    assert [row["to_date"] for row in figure(home, "forecast_range")] == [to_date]


def test_a_month_of_which_no_day_is_complete_has_not_begun(home: House) -> None:
    """Asked on the 2nd, November has one day, which is not complete: October is the newest month."""
    billed(home, bill(ACCOUNT, "2026-09-01", "2026-11-01", "100"), asked="2026-11-02T09:00:00Z", open_from="2026-10-01")
    assert [(row["month"], row["state"]) for row in figure(home, "months")] == [
        ("2026-09-01", "closed"),
        ("2026-10-01", "estimated"),
    ]
    assert figure(home, "spend_by_day")[-1]["usage_date"] == "2026-10-31"
    (reach,) = figure(home, "forecast_range")
    # Nothing is to come.
    assert reach["lowest"] == reach["forecast"] == reach["highest"] == "6200.0000000000"


# --------------------------------------------------------------------------------------------- the forecast


def test_the_range_of_the_forecast_is_how_far_it_was_off_before(home: House) -> None:
    lines = bill(ACCOUNT, "2026-01-01", "2026-11-22", "100")
    # In June the rest of the month after the 22nd came to a half more: 400 on top of 800.
    billed(home, [*lines, ("2026-06-25", "service", ACCOUNT, "B", "400")], open_from="2026-10-01")
    (found,) = figure(home, "forecast_range")
    # January has no four weeks before its 22nd.
    assert found["month_count"] == 9
    assert found["forecast"] == "6000.0000000000"
    assert found["lowest"] == "6000.0000000000"
    assert found["highest"] == "6800.0000000000"


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "missing"])
def test_a_day_that_is_known_to_cost_nothing_counts_in_the_forecast(home: House, is_known: bool) -> None:
    # One day of the weeks before the day of the forecast, and one of the rest of an earlier month.
    unused = ("2026-11-10", "2026-06-25")
    lines = [line for line in bill(ACCOUNT, "2026-01-01", "2026-11-22", "100") if line[0] not in unused]
    billed(home, lines, open_from="2026-10-01")
    if is_known:
        totals(home, lines)
    (found,) = figure(home, "forecast_range")
    expected = ("5800.0000000000", "5600.0000000000", "5800.0000000000", 9)
    assert tuple(found[name] for name in ("forecast", "lowest", "highest", "month_count")) == (
        expected if is_known else (None, None, None, 7)
    )


def test_there_is_no_range_where_too_few_months_can_be_tried(home: House) -> None:
    billed(home, bill(ACCOUNT, "2026-06-01", "2026-11-22", "100"), open_from="2026-10-01")
    (found,) = figure(home, "forecast_range")
    assert found["month_count"] == 4
    assert found["forecast"] == "6000.0000000000"
    assert (found["lowest"], found["highest"]) == (None, None)


def test_a_bill_younger_than_four_weeks_has_no_forecast(home: House) -> None:
    billed(home, bill(ACCOUNT, "2026-11-01", "2026-11-22", "100"))
    (found,) = figure(home, "forecast_range")
    assert (found["to_date"], found["forecast"], found["lowest"]) == ("4400.0000000000", None, None)


# -------------------------------------------------------------------------------------------- the anomalies


def test_an_anomaly_is_told_in_the_reporting_currency_and_what_is_judged_is_said(home: House) -> None:
    seed(home, "ref.anomaly_threshold", [("service", "4", "25", "0.05")])
    lines = [line for line in bill(ACCOUNT, "2026-07-01", "2026-11-22", "100") if line[0] != "2026-11-12"]
    billed(home, [*lines, ("2026-11-12", "service", ACCOUNT, "A", "900")], open_from="2026-10-01")
    (found,) = figure(home, "anomalies")
    assert (found["usage_date"], found["difference"], found["currency"]) == ("2026-11-12", "1600.0000000000", "NZD")
    assert found["explanation"]
    (judged,) = figure(home, "anomalies_judged")
    assert (judged["first_date"], judged["through_date"]) == ("2026-10-01", "2026-11-22")


def test_where_the_bill_is_too_short_nothing_is_judged(home: House) -> None:
    seed(home, "ref.anomaly_threshold", [("service", "4", "25", "0.05"), ("region", "4", "25", "0.05")])
    billed(home, bill(ACCOUNT, "2026-11-01", "2026-11-22", "100"))
    found = figure(home, "anomalies_judged")
    assert [(row["slice"], row["first_date"]) for row in found] == [("region", None), ("service", None)]
    assert figure(home, "anomalies") == []


# ------------------------------------------------------------------------------------------ in one currency


def test_a_day_without_a_rate_is_unknown_and_hides_nobody(home: House) -> None:
    seed(home, "ref.fx_rate", [(*SPOT, "2026-11-02", "2")])
    billed(home, [*crowd(2, "100"), *bill(OTHER, "2026-10-01", "2026-11-22", "900")], open_from="2026-10-01")
    found = figure(home, "monthly_by_account")
    assert {row["cost"] for row in found} == {None}
    assert [row["account_id"] for row in found if row["place"] == 1][-1] == OTHER
    assert {row["change"] for row in figure(home, "movers")} == {None}
    assert dt.date.fromisoformat(figure(home, "spend_by_day")[-1]["usage_date"]) == dt.date(2026, 11, 22)


# ------------------------------------------------------------------------------------------ what is not known


def banner(**found: list[dict[str, Any]]) -> list[str]:
    """The sentences of the banner, by figures of which only these have rows."""
    named = {query.name: replace(query, rows=tuple(found.get(query.name, ()))) for query in read_queries()}
    return [caveat.sentence for caveat in caveats(named, dt.datetime.now(dt.UTC))]


def test_the_banner_counts_also_what_the_table_has_no_line_for(home: House) -> None:
    denied = [Given("ec2_vpc", outcome="denied", account_id=f"{n:012d}") for n in range(70)]
    left_out = [
        *(
            Given(f"cost_daily:service:{m}", outcome="skipped", skip_reason="request_limit")
            for m in ("2026-05", "2026-06")
        ),
        Given("cloudwatch_metric", outcome="skipped", skip_reason="request_limit"),
    ]
    home.night("night-1", [*denied, Given("ec2_subnet", outcome="failed"), *left_out])
    home.build(*(one for one in reads(QUERIES["untrusted"]).relations if one in home.models))
    found = home.rows(QUERIES["untrusted"])
    assert len(found) == 60
    assert not [row for row in found if row["outcome"] == "skipped"]
    sentences = banner(untrusted=found)
    (untrusted,) = [one for one in sentences if "cannot be trusted" in one]
    assert untrusted.startswith("71 response(s) of AWS cannot be trusted (denied, failed): ")
    (bill_limit,) = [one for one in sentences if "CMDB_COST_REQUEST_LIMIT" in one]
    (metric_limit,) = [one for one in sentences if "CMDB_METRIC_LIMIT" in one]
    assert bill_limit.startswith("2 part(s) of the bill") and metric_limit.startswith("1 account(s)")


def test_a_month_lacks_days_only_where_one_is_not_known(home: House) -> None:
    lines = bill(ACCOUNT, "2026-08-10", "2026-11-22", "100")
    billed(home, [line for line in lines if line[0] != "2026-10-09"], open_from="2026-11-01")
    assert [(row["month"], row["state"], row["day_count"]) for row in figure(home, "months")] == [
        # The bill begins in August, so nothing of it lacks.
        ("2026-08-01", "closed", 22),
        ("2026-09-01", "closed", 30),
        ("2026-10-01", "days missing", 30),
        ("2026-11-01", "running", 22),
    ]


def test_a_month_whose_last_days_never_came_lacks_them(home: House) -> None:
    billed(home, [*bill(ACCOUNT, "2026-09-01", "2026-09-20", "100"), *bill(ACCOUNT, "2026-10-01", "2026-11-22", "100")])
    assert [row["state"] for row in figure(home, "months")] == ["days missing", "closed", "running"]


def test_a_known_day_without_costs_is_not_missing_of_its_month(blank_home: House, small: Simulator) -> None:
    older = months(small)[1]
    small.configure(unused_days=[f"{older}-09"])
    collect(blank_home, "night-1", budgets=False)
    (found,) = [row for row in figure(blank_home, "months") if row["month"] == f"{older}-01"]
    assert found["state"] in ("closed", "estimated")


def test_a_month_that_was_read_and_is_empty_is_one_without_cost_and_not_one_that_was_not_read(home: House) -> None:
    billed(home, [*bill(ACCOUNT, "2026-08-01", "2026-08-31", "100"), *bill(ACCOUNT, "2026-11-01", "2026-11-22", "100")])
    cells = [
        Given(f"cost_daily:service:{month}", outcome=outcome, account_id=PAYER, role="billing")
        for month, outcome in (("2026-09", "empty_verified"), ("2026-10", "empty_unconfirmed"))
    ]
    home.night("night-2", cells)
    found = figure(home, "months")
    assert [(row["month"], row["state"], row["day_count"], row["cost"]) for row in found] == [
        ("2026-08-01", "closed", 31, "6200.0000000000"),
        ("2026-09-01", "no cost", 30, "0.0000000000"),
        ("2026-10-01", "not read", 0, None),
        ("2026-11-01", "running", 22, "4400.0000000000"),
    ]
    dated = [{**row, "month": dt.date.fromisoformat(row["month"])} for row in found]
    assert [one for one in banner(months=dated) if "2026" in one] == [
        "October 2026: not read; it is not in any figure."
    ]


def test_without_a_bill_the_budgets_that_aws_keeps_are_shown_all_the_same(home: House) -> None:
    budget = aws_budget("kept", "MONTHLY", "3000", "100")
    home.night("night-1", [Given("budget", [budget], account_id=PAYER)])
    assert [row["budget_name"] for row in figure(home, "aws_budgets")] == ["kept"]
    # Its amounts have no rate in another currency than AWS's, since the bill weighs the rates.
    home.execute("update cost.spend_vs_budget set period_to_date = 100, budget = 3000")
    with home.store.read() as connection:
        assert [bar.name for bar in charts.newest_budgets(connection)] == [f"aws:{PAYER} kept"]
    home.execute("update cost.spend_vs_budget set is_stale = true")
    stale = {row["what"]: row["stale_count"] for row in home.rows(QUERIES["stale"])}
    assert stale["budgets that AWS keeps"] == 1
    assert home.rows(QUERIES["spend_total"]) == home.rows(QUERIES["months"]) == []
    assert not [sentence for sentence in banner() if "No budget is set" in sentence]
    billed(home, bill(ACCOUNT, "2026-11-01", "2026-11-22", "100"))
    assert [sentence for sentence in banner(months=figure(home, "months")) if "No budget is set" in sentence]


def test_what_the_whole_bill_does_not_name_costs_nothing_and_of_a_part_of_it_nothing_is_known(home: House) -> None:
    billed(home, [*bill(ACCOUNT, "2026-11-01", "2026-11-22", "300"), *bill(OTHER, "2026-11-01", "2026-11-22", "100")])
    figure(home, "unreached")
    seen = dict.fromkeys(("first_seen_at", "last_seen_at", "collected_at"), dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
    row = {"state": "ACTIVE", "is_management": False, "is_stale": False, "run_id": "night-1", "listing": "l", **seen}
    with home.store.transaction() as connection:
        for account in (ACCOUNT, "000000000007"):
            insert(connection, "stage.account", {"account_id": account, **row})
    shares = f"select account_id, share_pct from ({QUERIES['unreached']})"
    assert {row["account_id"]: Decimal(str(row["share_pct"])) for row in home.rows(shares)} == {
        ACCOUNT: 75,
        OTHER: 25,
        "000000000007": 0,
    }
    seed(home, "ref.fx_rate", [(*SPOT, "2026-11-02", "2")])
    figure(home, "unreached")
    assert {row["share_pct"] for row in home.rows(shares)} == {None}
