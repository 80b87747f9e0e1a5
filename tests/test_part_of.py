"""The macro by which the bill is shared out: exact, however large the amounts are."""

from __future__ import annotations

import random

import duckdb
import pytest

from pipelines.models.macros import MACROS


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    for macro in MACROS:
        made.execute(macro)
    return made


def part_of(connection: duckdb.DuckDBPyConnection, units: int, weight: int, total: int) -> tuple[int, int]:
    found = connection.execute(
        "select part_of($1::hugeint, $2::hugeint, $3::hugeint)", [units, weight, total]
    ).fetchone()
    assert found is not None
    return found[0]["whole"], found[0]["rest"]


@pytest.mark.parametrize(
    ("units", "weight", "total"),
    [
        (0, 0, 1),
        (7, 1, 3),
        (10**28 - 1, 10**28 - 1, 10**28 - 1),
        (10**24, 10**27, 10**30),
        (999_999, 10**27, 10**27 + 1),
    ],
)
def test_a_part_is_whole_and_rest_of_the_product(
    connection: duckdb.DuckDBPyConnection, units: int, weight: int, total: int
) -> None:
    assert part_of(connection, units, weight, total) == divmod(units * weight, total)


def test_parts_of_any_size_are_exact(connection: duckdb.DuckDBPyConnection) -> None:
    luck = random.Random(19)
    for _ in range(300):
        units, weight = (luck.randrange(10 ** luck.randrange(1, 29)) for _ in range(2))
        total = weight + luck.randrange(10 ** luck.randrange(1, 30)) + 1
        assert part_of(connection, units, weight, total) == divmod(units * weight, total), (units, weight, total)
