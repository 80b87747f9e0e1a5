"""What Cost Explorer is asked on which night: the restatement window always, history once, today never."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.collection.cost_slices import (
    CLASSIC_METRICS,
    METRICS,
    REQUEST_PRICE_USD,
    SERVICE,
    TOTAL,
    Dimension,
    Month,
    TagKey,
    cell,
    final_days_since,
    first_of,
    is_final,
    months_to_fetch,
    parameters,
    plan,
    slices,
)
from pipelines.collection.seeds import cost_dimensions, every_slice, tag_keys
from pipelines.reference import DEMO_FOLDER

DAYS = st.dates(date(2024, 1, 1), date(2032, 12, 31))
HISTORY = st.integers(1, 13)


def known_before(today: date) -> set[str]:
    """A warehouse that has every month of two years up to this one."""
    return {f"{first_of(today, back):%Y-%m}" for back in range(24)}


def asked_days(months: list[Month]) -> list[date]:
    return [m.start + timedelta(days=n) for m in months for n in range((m.end - m.start).days)]


@pytest.mark.parametrize(
    ("today", "names"),
    [
        (date(2026, 11, 25), ["2026-11", "2026-10"]),
        (date(2026, 11, 11), ["2026-11", "2026-10"]),
        (date(2026, 11, 10), ["2026-11", "2026-10", "2026-09"]),
        (date(2026, 11, 2), ["2026-11", "2026-10", "2026-09"]),
        (date(2026, 11, 1), ["2026-10", "2026-09"]),
        (date(2027, 1, 1), ["2026-12", "2026-11"]),
        (date(2027, 1, 31), ["2027-01", "2026-12"]),
        (date(2028, 2, 29), ["2028-02", "2028-01"]),
    ],
)
def test_a_run_reads_again_what_is_restated_and_until_the_tenth_the_month_before_it(
    today: date, names: list[str]
) -> None:
    assert [month.name for month in months_to_fetch(today, 13, known_before(today))] == names


def test_the_last_day_requested_is_yesterday_and_a_month_is_half_open() -> None:
    this, before = months_to_fetch(date(2026, 3, 15), 13, known_before(date(2026, 3, 15)))
    assert this == Month(date(2026, 3, 1), date(2026, 3, 15))
    assert before == Month(date(2026, 2, 1), date(2026, 3, 1))


def test_a_first_load_requests_thirteen_months_of_history_newest_first() -> None:
    months = months_to_fetch(date(2026, 11, 25), 13, set())
    assert [months[0].name, months[1].name, months[-1].name] == ["2026-11", "2026-10", "2025-10"]
    assert len(months) == 14


def test_an_interrupted_first_load_goes_on_with_the_months_that_are_missing() -> None:
    today = date(2026, 11, 25)
    known = known_before(today) - {"2026-02", "2025-12"}
    assert [m.name for m in months_to_fetch(today, 13, known)] == ["2026-11", "2026-10", "2026-02", "2025-12"]


@given(today=DAYS, history=HISTORY, forgotten=st.sets(st.integers(0, 15)))
def test_every_day_of_the_restatement_window_is_requested_exactly_once_and_today_never(
    today: date, history: int, forgotten: set[int]
) -> None:
    known = known_before(today) - {f"{first_of(today, back):%Y-%m}" for back in forgotten}
    days = asked_days(months_to_fetch(today, history, known))
    start = first_of(today, 2 if today.day <= 10 else 1)
    window = {start + timedelta(days=n) for n in range((today - start).days)}
    assert len(days) == len(set(days))
    assert window <= set(days)
    assert max(days) == today - timedelta(days=1)


@given(today=DAYS, history=HISTORY, known=st.sets(st.integers(0, 15)))
def test_together_with_what_is_known_the_whole_history_is_covered_without_a_gap(
    today: date, history: int, known: set[int]
) -> None:
    names = {f"{first_of(today, back):%Y-%m}" for back in known}
    asked = set(asked_days(months_to_fetch(today, history, names)))
    day = first_of(today, history)
    while day < today:
        assert day in asked or f"{day:%Y-%m}" in names
        day += timedelta(days=1)


@given(today=DAYS, history=HISTORY)
def test_a_trusted_month_outside_the_window_is_never_paid_for_again(today: date, history: int) -> None:
    assert len(months_to_fetch(today, history, known_before(today))) <= 3


@given(day=DAYS, back=st.integers(0, 40))
def test_months_are_counted_over_the_turn_of_the_year(day: date, back: int) -> None:
    first = first_of(day, back)
    assert first.day == 1
    assert (day.year - first.year) * 12 + day.month - first.month == back


def test_a_question_carries_half_open_days_every_metric_and_both_ways_of_cutting() -> None:
    sent = parameters(SERVICE, Month(date(2026, 10, 1), date(2026, 11, 1)))
    assert sent == {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-11-01"},
        "Granularity": "DAILY",
        "Metrics": list(METRICS),
        "GroupBy": [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {"Type": "DIMENSION", "Key": "SERVICE"}],
    }


def test_the_metrics_that_every_payer_is_granted_are_a_question_of_their_own() -> None:
    sent = parameters(SERVICE, Month(date(2026, 10, 1), date(2026, 11, 1)), CLASSIC_METRICS)
    assert sent["Metrics"] == ["UnblendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost"]


CUTS = slices(
    cost_dimensions(), [TagKey("bc:project"), TagKey("bc:business-service", is_grouped_by_service=True), TagKey("bc")]
)


def test_slices_have_names_of_their_own_and_request_no_more_than_aws_allows() -> None:
    assert len({(cut.listing, cut.name) for cut in CUTS}) == len(CUTS)
    for cut in CUTS:
        sent = parameters(cut, Month(date(2026, 10, 1), date(2026, 11, 1)))
        assert (len(sent.get("GroupBy", ())), sent["Granularity"]) == ((0, "MONTHLY") if cut == TOTAL else (2, "DAILY"))


def test_every_tag_key_is_a_slice_and_only_a_marked_one_is_cut_by_service() -> None:
    names = [f"{cut.listing}:{cut.name}" for cut in CUTS]
    assert names == [
        "cost_daily:service",
        "cost_daily:record_type",
        "cost_daily:tag:bc:project",
        "cost_daily:tag:bc:business-service",
        "cost_daily:tag:bc",
        "cost_daily:region",
        "cost_daily:usage_type",
        "cost_tag_service_daily:bc:business-service",
        "cost_monthly:total",
    ]
    assert [cut.name for cut in CUTS if cut.is_probed] == ["region"]
    grouped = parameters(CUTS[-2], Month(date(2026, 10, 1), date(2026, 11, 1)))["GroupBy"]
    assert grouped == [{"Type": "TAG", "Key": "bc:business-service"}, {"Type": "DIMENSION", "Key": "SERVICE"}]


def test_what_may_still_change_comes_first_then_the_witness_then_the_newest_months() -> None:
    cuts = [cut for cut in CUTS if cut.name in ("service", "record_type", "region")]
    asked = [f"{cut.name} {month.name}" for cut, month in plan(date(2026, 11, 25), 3, cuts, lambda _: ())]
    assert asked == [
        "service 2026-11",
        "service 2026-10",
        "record_type 2026-11",
        "region 2026-11",
        "record_type 2026-10",
        "region 2026-10",
        "service 2026-09",
        "service 2026-08",
        "record_type 2026-09",
        "region 2026-09",
        "record_type 2026-08",
        "region 2026-08",
    ]


@given(today=DAYS, history=HISTORY)
def test_an_ordinary_run_requests_every_slice_for_the_months_that_are_open_and_nothing_else(
    today: date, history: int
) -> None:
    asked = plan(today, history, CUTS, lambda _: known_before(today))
    open_months = months_to_fetch(today, history, known_before(today))
    by_month = [month for cut, month in asked if cut != TOTAL]
    assert len(by_month) == (len(CUTS) - 1) * len(open_months)
    assert set(by_month) == set(open_months)
    assert len(asked) == len(by_month) + 1


def test_a_first_load_takes_so_many_requests_at_least_as_the_documentation_says() -> None:
    """docs/reference/cost-of-running.md has these figures: six tag keys, of which one is cut by service."""
    keys = tag_keys(DEMO_FOLDER)
    assert (len(keys), sum(tag.is_grouped_by_service for tag in keys)) == (6, 1)
    cuts = every_slice(DEMO_FOLDER)
    assert len(plan(date(2026, 11, 25), 13, cuts, lambda _: ())) == 155
    assert len(plan(date(2026, 11, 25), 13, cuts, lambda _: known_before(date(2026, 11, 25)))) == 23
    assert len(plan(date(2026, 11, 5), 13, cuts, lambda _: known_before(date(2026, 11, 5)))) == 34


def test_the_price_of_a_request_is_exact() -> None:
    assert str(REQUEST_PRICE_USD * 100) == "1.00"


@given(today=DAYS)
def test_the_bill_bears_witness_for_the_two_months_before_this_one_and_no_longer(today: date) -> None:
    since = final_days_since(today)
    assert since <= first_of(today, 2)
    assert since > first_of(today, 3)


@pytest.mark.parametrize(
    ("read_on", "final"),
    [
        (date(2026, 10, 5), False),  # in the middle of the month
        (date(2026, 11, 1), False),
        (date(2026, 11, 10), False),  # AWS restates until about the tenth of the next month
        (date(2026, 11, 11), True),
        (date(2027, 3, 1), True),
    ],
)
def test_a_month_stands_only_if_it_was_read_when_it_had_stopped_changing(read_on: date, final: bool) -> None:
    assert is_final("2026-10", read_on) is final


def test_a_month_that_a_pause_left_half_read_is_requested_again() -> None:
    read = {"2026-10": date(2026, 10, 5), "2026-09": date(2026, 10, 5), "2026-08": date(2026, 10, 5)}
    known = {month for month, day in read.items() if is_final(month, day)}
    asked = {month.name for month in months_to_fetch(date(2026, 12, 15), 4, known)}
    assert {"2026-10", "2026-09"} <= asked
    assert "2026-08" not in asked


def test_a_slice_more_is_a_row_more() -> None:
    more = (*cost_dimensions(), Dimension("purchase_type", "PURCHASE_TYPE"))
    (added,) = set(slices(more, tag_keys(DEMO_FOLDER))) - set(every_slice(DEMO_FOLDER))
    month = Month(date(2026, 10, 1), date(2026, 11, 1))
    assert cell(added, month) == "purchase_type:2026-10"
    assert parameters(added, month)["GroupBy"] == [
        {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"},
        {"Type": "DIMENSION", "Key": "PURCHASE_TYPE"},
    ]
