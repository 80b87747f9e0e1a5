"""What stands as an anomaly: each event once, and nothing that happens every week or every month."""

from __future__ import annotations

import calendar
import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from bills import ACCOUNT, OTHER, Line, billed, days, seed, service
from given import House, build

from pipelines.models.model import Model

THRESHOLDS = [("service", "4", "25", "0.05"), ("usage_type", "4", "25", "0.05")]


@pytest.fixture
def home(blank_home: House) -> House:
    seed(blank_home, "ref.anomaly_threshold", THRESHOLDS)
    return blank_home


def events(home: House) -> list[dict[str, Any]]:
    home.build("cost.anomaly")
    return home.rows("from cost.anomaly order by usage_date, slice, dimension_value")


def told(home: House, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in events(home)]


def by_day(
    first: str, last: str, amount: Callable[[dt.date], float], name: str = "A", cut: str = "service"
) -> list[Line]:
    """What something costs on each day; where it costs nothing there is no line."""
    dated = [(day, amount(dt.date.fromisoformat(day))) for day in days(first, last)]
    return [(day, cut, ACCOUNT, name, f"{cost:.4f}") for day, cost in dated if cost]


def is_weekend(day: dt.date) -> bool:
    return day.weekday() >= 5


def test_a_fee_of_each_month_is_none_on_whichever_day_it_comes(home: House) -> None:
    billed(
        home,
        [
            *by_day("2026-03-01", "2026-11-23", lambda day: 100 + 200 * (day.day == 1), "first"),
            *by_day("2026-03-01", "2026-11-23", lambda day: 300 * (day.day == 31), "thirty-first"),
            *by_day(
                "2026-03-01",
                "2026-11-23",
                lambda day: 40 + 150 * (day.day == calendar.monthrange(day.year, day.month)[1]),
                "last",
            ),
            *by_day(
                "2026-03-01", "2026-11-23", lambda day: 90 * (day.day == 15) + 20 * (day.weekday() == 0), "fifteenth"
            ),
            # A quarter's, on the first of October.
            *by_day("2026-03-01", "2026-11-23", lambda day: 9 + 400 * (day.day == 1 and day.month % 3 == 1), "quarter"),
        ],
    )
    assert told(home, "usage_date", "dimension_value", "difference") == []


def test_a_fee_that_is_higher_than_in_the_months_before_is_reported(home: House) -> None:
    billed(home, by_day("2026-03-01", "2026-11-23", lambda day: 100 + (day.day == 1) * (200 + 300 * (day.month == 11))))
    assert told(home, "usage_date", "end_date", "kind", "expected", "observed", "state") == [
        ("2026-11-01", "2026-11-01", "high", "300.0000000000", "600.0000000000", "over")
    ]


def test_in_parts_of_the_accounts_the_events_are_the_same_and_older_ones_stay_once(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fee(day: dt.date) -> float:
        return 100 + 300 * (day == dt.date(2026, 11, 12))

    lines = by_day("2026-03-01", "2026-11-23", fee)
    billed(home, [*lines, *((day, cut, OTHER, name, cost) for day, cut, _, name, cost in lines)])
    at_once = events(home)
    assert {row["account_id"] for row in at_once} == {ACCOUNT, OTHER}
    home.execute(
        "insert into cost.anomaly by name select * replace (date '2026-05-01' as usage_date, null as end_date) "
        "from cost.anomaly"
    )
    # More parts than accounts, so that some have none.
    monkeypatch.setattr(Model, "rows_a_part", 100)
    in_parts = events(home)
    assert [row for row in in_parts if row["usage_date"] == "2026-11-12"] == at_once
    assert len(in_parts) == 2 * len(at_once)


def test_switching_off_at_weekends_is_none_and_leaving_it_on_is_one(home: House) -> None:
    left_on = {dt.date(2026, 11, 14), dt.date(2026, 11, 15)}
    billed(
        home,
        [
            *by_day("2026-06-01", "2026-11-23", lambda day: 10 if is_weekend(day) else 100, "steady"),
            *by_day(
                "2026-06-01", "2026-11-23", lambda day: 0 if is_weekend(day) and day not in left_on else 100, "left on"
            ),
        ],
    )
    assert told(home, "usage_date", "end_date", "dimension_value", "kind", "difference") == [
        ("2026-11-14", "2026-11-15", "left on", "high", "200.0000000000")
    ]


def test_a_doubling_that_stays_is_one_event_and_then_usual(home: House) -> None:
    def doubled(day: dt.date) -> float:
        usual = 10 if is_weekend(day) else 100
        return usual * (2 if day >= dt.date(2026, 10, 14) else 1)

    billed(home, by_day("2026-06-01", "2026-11-23", doubled))
    assert told(home, "usage_date", "end_date", "kind", "state", "day_count") == [
        # The weekend's ten more are below the floor of money, and do not end it.
        ("2026-10-14", "2026-10-20", "high", "lasting", 5)
    ]


def test_what_passes_is_one_event_and_its_end_is_no_fall(home: House) -> None:
    def burst(day: dt.date) -> float:
        return 400 if dt.date(2026, 10, 12) <= day <= dt.date(2026, 10, 21) else 100

    billed(home, by_day("2026-06-01", "2026-11-23", burst))
    assert told(home, "usage_date", "kind", "state") == [("2026-10-12", "high", "over")]


def test_what_runs_still_is_said_to_and_grows_no_second_row(home: House) -> None:
    lines = by_day("2026-06-01", "2026-11-23", lambda day: 300 if day >= dt.date(2026, 11, 19) else 100)
    billed(home, [line for line in lines if line[0] <= "2026-11-20"], asked="2026-11-22T14:00:00Z")
    assert told(home, "usage_date", "end_date", "state") == [("2026-11-19", "2026-11-20", "running")]
    billed(home, [line for line in lines if line[0] > "2026-11-20"], asked="2026-11-25T14:00:00Z")
    assert told(home, "usage_date", "end_date", "state", "difference") == [
        ("2026-11-19", "2026-11-23", "running", "1000.0000000000")
    ]


def test_the_same_money_stands_once_whichever_slices_tell_of_it(home: House) -> None:
    def spiked(day: dt.date) -> float:
        return 302 if day == dt.date(2026, 11, 20) else 100

    billed(
        home,
        [
            *by_day("2026-06-01", "2026-11-23", spiked, "EC2"),
            *by_day("2026-06-01", "2026-11-23", lambda day: spiked(day) - 30, "BoxUsage", "usage_type"),
            *by_day("2026-06-01", "2026-11-23", lambda _: 30, "EBS", "usage_type"),
            # Too small a part of its service to be told by it.
            *by_day("2026-06-01", "2026-11-23", lambda day: 4000 + 60 * (day == dt.date(2026, 11, 5)), "RDS"),
            *by_day("2026-06-01", "2026-11-23", lambda _: 4000, "db", "usage_type"),
            *by_day(
                "2026-06-01", "2026-11-23", lambda day: 60 * (day == dt.date(2026, 11, 5)) + 1, "backup", "usage_type"
            ),
            # The same days in another account are another event.
            *((day, "usage_type", OTHER, "BoxUsage", "100") for day in days("2026-06-01", "2026-11-19")),
            ("2026-11-20", "usage_type", OTHER, "BoxUsage", "400"),
            *((day, "usage_type", OTHER, "BoxUsage", "100") for day in days("2026-11-21", "2026-11-23")),
        ],
    )
    assert told(home, "usage_date", "slice", "account_id", "dimension_value", "difference", "details") == [
        ("2026-11-05", "usage_type", ACCOUNT, "backup", "60.0000000000", None),
        ("2026-11-20", "service", ACCOUNT, "EC2", "202.0000000000", ["usage_type: BoxUsage"]),
        ("2026-11-20", "usage_type", OTHER, "BoxUsage", "300.0000000000", None),
    ]


def test_what_begins_stands_once_though_it_is_billed_by_usage_types_that_others_have_too(home: House) -> None:
    begins = dt.date(2026, 10, 14)

    def grown(day: dt.date) -> float:
        """On its first day a part of what it costs from then on."""
        return 0 if day < begins else 30 if day == begins else 90

    billed(
        home,
        [
            *by_day("2026-06-01", "2026-11-23", lambda _: 200, "EC2"),
            *by_day("2026-06-01", "2026-11-23", grown, "MQ"),
            *by_day("2026-06-01", "2026-11-23", lambda day: 200 + grown(day), "Bytes-Out", "usage_type"),
            # More than what has begun: something else happens too.
            *by_day(
                "2026-06-01", "2026-11-23", lambda day: 100 + 4 * (day >= begins) * grown(day), "Requests", "usage_type"
            ),
        ],
    )
    assert told(home, "usage_date", "slice", "dimension_value", "kind", "difference", "details") == [
        ("2026-10-14", "service", "MQ", "new", "30.0000000000", ["usage_type: Bytes-Out"]),
        ("2026-10-14", "usage_type", "Requests", "high", "2520.0000000000", None),
    ]


def test_a_day_that_the_bill_lacks_is_not_known_and_is_no_fall(home: House) -> None:
    billed(home, [line for line in service("2026-06-01", "2026-11-23", "500") if line[0] != "2026-11-11"])
    assert events(home) == []


def test_a_bill_that_has_just_begun_is_not_judged_by_days_that_it_has_not(home: House) -> None:
    billed(home, by_day("2026-10-01", "2026-11-23", lambda day: 10 if is_weekend(day) else 100 + 300 * (day.day == 1)))
    assert events(home) == []


def year(seed_of: int) -> tuple[list[Line], dict[tuple[str, str], str]]:
    """Thirteen months of a payer, and what was planted in them: (name, first day) to what it is."""
    luck = random.Random(seed_of)
    planted = {
        ("web", "2026-03-17"): "a spike of a day",
        ("web", "2026-08-05"): "a doubling that stays",
        ("batch", "2026-05-11"): "a week of five times as much",
        ("data", "2026-06-23"): "an outage of three days",
        ("support", "2026-10-01"): "a fee that trebles",
        ("lab", "2026-07-13"): "what begins anew",
        ("office", "2026-09-19"): "a weekend left on",
    }

    def web(day: dt.date) -> float:
        cost = (200 if is_weekend(day) else 600) * (1 + 0.0005 * (day - dt.date(2025, 12, 1)).days)
        cost *= 2 if day >= dt.date(2026, 8, 5) else 1
        return cost * (2.5 if day == dt.date(2026, 3, 17) else 1)

    def batch(day: dt.date) -> float:
        return 150 * (5 if dt.date(2026, 5, 11) <= day <= dt.date(2026, 5, 17) else 1)

    def data(day: dt.date) -> float:
        return 5 if dt.date(2026, 6, 23) <= day <= dt.date(2026, 6, 25) else 400

    def support(day: dt.date) -> float:
        return 0 if day.day != 1 else 1500 if day >= dt.date(2026, 10, 1) else 500

    def lab(day: dt.date) -> float:
        return 80 if day >= dt.date(2026, 7, 13) else 0

    def office(day: dt.date) -> float:
        left_on = dt.date(2026, 9, 19) <= day <= dt.date(2026, 9, 20)
        return 0 if is_weekend(day) and not left_on else 120

    def reserved(day: dt.date) -> float:
        return 50 + (900 if day.day == 1 else 0)

    def tax(day: dt.date) -> float:
        return 300 if day.day == 3 else 0

    def backup(day: dt.date) -> float:
        return 200 if day.day == calendar.monthrange(day.year, day.month)[1] else 20

    steady = {"reserved": reserved, "tax": tax, "backup": backup}
    moving = {"web": web, "batch": batch, "data": data, "support": support, "lab": lab, "office": office}
    lines: list[Line] = []
    for name, cost in (moving | steady).items():
        for day in days("2025-12-01", "2026-12-31"):
            amount = cost(dt.date.fromisoformat(day)) * max(0.5, luck.gauss(1, 0.04))
            if amount:
                lines.append((day, "service", ACCOUNT, name, f"{amount:.6f}"))
                lines.append((day, "usage_type", ACCOUNT, f"{name}-hours", f"{amount * 0.8:.6f}"))
                lines.append((day, "usage_type", ACCOUNT, f"{name}-bytes", f"{amount * 0.2:.6f}"))
    return lines, planted


@pytest.mark.parametrize("seed_of", [1, 2, 3])
def test_in_a_year_each_planted_event_is_found_once_and_at_most_one_a_month_is_false(home: House, seed_of: int) -> None:
    lines, planted = year(seed_of)
    home.build("cost.anomaly")
    rest = lines
    for month in range(2, 14):
        asked = dt.date(2026, month, 2) if month < 13 else dt.date(2027, 1, 2)
        now, rest = [line for line in rest if line[0] < str(asked)], [line for line in rest if line[0] >= str(asked)]
        billed(home, now, open_from=str(asked.replace(day=1) - dt.timedelta(days=28)), asked=f"{asked}T14:00:00Z")
        for name in ("cost.month_coverage", "cost.anomaly"):
            build(home.store, home.models[name])
    found = home.rows(
        "select usage_date, slice, dimension_value, kind, difference, state from cost.anomaly order by all"
    )
    times: dict[tuple[str, str], int] = defaultdict(int)
    false: dict[str, int] = defaultdict(int)
    for row in found:
        place = (row["dimension_value"].partition("-")[0], row["usage_date"])
        if place in planted:
            times[place] += 1
        else:
            false[row["usage_date"][:7]] += 1
    assert times == dict.fromkeys(planted, 1), found
    assert max(false.values(), default=0) <= 1, found
    assert sum(Decimal(row["difference"]) for row in found if row["usage_date"] == "2026-03-17") > 700
