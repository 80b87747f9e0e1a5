"""Who published the rate of each day, how old it is, and the rule that warns of it."""

from __future__ import annotations

from bills import ACCOUNT, SPOT, billed, seed
from given import House, build

from pipelines.models.checks import read_checks, run

RULES = {check.name: check for check in read_checks()}
DAYS = ("2026-10-05", "2026-11-02", "2026-11-09", "2026-11-10")


def broken(home: House) -> set[tuple[str, str, int]]:
    with home.store.read() as connection:
        result = run(connection, RULES["rates_are_published_and_recent"])
    return {(row["why"], row["rate_kind"], row["rate_age_days"]) for row in result.rows}


def bill(home: House) -> None:
    billed(home, [(day, "service", ACCOUNT, "A", "1") for day in DAYS], open_from="2026-11-01")
    home.build("cost.by_service")


def test_each_day_says_who_published_its_rate_and_how_old_it_is(blank_home: House) -> None:
    seed(
        blank_home,
        "ref.fx_rate",
        [("USD", "NZD", "invoice", "2026-10-01", "1.6", "example"), (*SPOT, "2026-11-02", "1.7", "Reserve Bank")],
    )
    bill(blank_home)
    found = blank_home.rows(
        "select usage_date, rate_kind, rate_source, is_example_rate, rate_age_days from cost.by_service order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("2026-10-05", "invoice", "example", True, 4),
        ("2026-11-02", "spot", "Reserve Bank", False, 0),
        ("2026-11-09", "spot", "Reserve Bank", False, 7),
        ("2026-11-10", "spot", "Reserve Bank", False, 8),
    ]
    # A rate of the invoice holds for its month, whatever its age; a spot rate ages.
    assert broken(blank_home) == {("nobody published it", "invoice", 4), ("it is too old", "spot", 8)}


def test_rates_that_somebody_published_lately_are_in_order(blank_home: House) -> None:
    seed(
        blank_home,
        "ref.fx_rate",
        [(*SPOT, day, "1.7", "Reserve Bank") for day in ("2026-10-02", "2026-11-02", "2026-11-06")],
    )
    bill(blank_home)
    assert broken(blank_home) == set()


def test_a_rate_of_a_file_that_names_nobody_is_no_example(blank_home: House) -> None:
    seed(blank_home, "ref.fx_rate", [(*SPOT, day, "1.7") for day in DAYS])
    bill(blank_home)
    (source,) = blank_home.rows("select distinct rate_source, is_example_rate from cost.exchange_rate")
    assert (source["rate_source"], source["is_example_rate"]) == (None, False)
    assert broken(blank_home) == set()


def test_without_a_rate_there_is_no_word_of_it_and_the_billing_currency_needs_none(blank_home: House) -> None:
    seed(blank_home, "ref.fx_rate", [])
    bill(blank_home)
    columns = "select distinct rate, rate_source, is_example_rate, rate_age_days from cost.exchange_rate"
    assert blank_home.rows(columns) == [
        {"rate": None, "rate_source": None, "is_example_rate": None, "rate_age_days": None}
    ]
    for name in ("ref.setting", "cost.exchange_rate"):
        build(blank_home.store, blank_home.models[name], currency="USD")
    assert blank_home.rows(columns) == [
        {"rate": "1.0000000000", "rate_source": None, "is_example_rate": False, "rate_age_days": None}
    ]
