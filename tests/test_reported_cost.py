"""The bill in the reporting currency is the exact product, rounded half away from zero, at every size of amount."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import product

import duckdb
import pytest
from nights import REPOSITORY

SQL = REPOSITORY / "warehouse" / "stage" / "reported_cost.sql"

AMOUNTS = (
    "unblended_cost",
    "amortized_cost",
    "net_unblended_cost",
    "net_amortized_cost",
    "billed_cost",
    "contracted_cost",
    "list_cost",
)

UNIT = Decimal("1e-10")

HALF = "0.00000000005"


@pytest.fixture(scope="module")
def bill() -> Iterator[duckdb.DuckDBPyConnection]:
    """A bill of amounts from a ten-thousand-millionth to a thousand million, many of which convert to half a unit."""
    chosen = random.Random(22)
    rates = [Decimal("1"), Decimal("0.5"), Decimal("1.7147"), Decimal("0.0000000001"), Decimal("16250.1234567891")]
    sizes = [Decimal(10) ** power for power in range(-10, 10)]
    amounts = [sign * size * chosen.randrange(1, 10) for sign, size in product((1, -1), sizes)]
    amounts += [(Decimal(chosen.randrange(10**19)) * UNIT) for _ in range(2000)]
    # An odd count of units at half a rate is a tie.
    amounts += [sign * (2 * chosen.randrange(10**17) + 1) * UNIT for sign, _ in product((1, -1), range(500))]
    amounts += [Decimal(0)]
    with duckdb.connect() as connection:
        connection.execute("""
            create schema cost;
            create schema ref;
            create table ref.setting as select 'NZD' as reporting_currency;
            create table cost.exchange_rate (
                usage_date date, currency varchar, rate decimal(18, 10), rate_kind varchar, rate_date date,
                rate_source varchar, is_example_rate boolean, rate_age_days integer
            );
        """)
        columns = ", ".join(f"{name} decimal(28, 10)" for name in AMOUNTS)
        connection.execute(f"""
            create table cost.daily (
                usage_date date, slice varchar, account_id varchar, dimension_value varchar, {columns},
                currency varchar, is_estimated boolean, is_stale boolean, run_id varchar, listing varchar,
                collected_at timestamptz
            )
        """)
        for day, rate in enumerate(rates):
            connection.execute(
                "insert into cost.exchange_rate (usage_date, currency, rate) select date '2026-01-01' + $1, 'USD', $2",
                [day, rate],
            )
        given = ", ".join(["amount::decimal(28, 10)"] * (len(AMOUNTS) - 1))
        # The day after has no rate.
        for day in range(len(rates) + 1):
            connection.execute(
                f"""
                insert into cost.daily (usage_date, currency, {", ".join(AMOUNTS)})
                select date '2026-01-01' + $day, 'USD', {given}, null
                from (select unnest($amounts::varchar[]) as amount)
                """,
                {"day": day, "amounts": [format(amount, "f") for amount in amounts]},
            )
        yield connection


def converted(bill: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Decimal | None, ...]]:
    """Rate, amount, and the seven amounts in the reporting currency."""
    names = ", ".join(f"reporting_{name}" for name in AMOUNTS)
    return bill.execute(f"select rate, unblended_cost, {names} from ({sql})").fetchall()


def wrong(rows: list[tuple[Decimal | None, ...]]) -> int:
    """How many rows are not the exact product, rounded."""
    found = 0
    with localcontext() as context:
        context.prec = 60
        for rate, amount, *others, listed in rows:
            assert amount is not None
            exact = None if rate is None else (amount * rate).quantize(UNIT, ROUND_HALF_UP)
            found += {*others} != {exact} or listed is not None
    return found


def test_every_amount_is_the_exact_product_rounded_half_away_from_zero(bill: duckdb.DuckDBPyConnection) -> None:
    sql = SQL.read_text(encoding="utf-8")
    rows = converted(bill, sql)
    assert len(rows) > 15_000 and wrong(rows) == 0
    # A bound that takes what is nearly right is noticed in each column, and so is one without the exact product.
    assert sql.count(f"< {HALF}") == len(AMOUNTS)
    for number in range(len(AMOUNTS) - 1):
        parts = sql.split(f"< {HALF}")
        loose = f"< {HALF}".join(parts[: number + 1]) + "< 1" + f"< {HALF}".join(parts[number + 1 :])
        assert wrong(converted(bill, loose)) > 0, AMOUNTS[number]
