"""The macros of queries: a bill of any size is shared out exactly, an address is the number that Python has for it."""

from __future__ import annotations

import ipaddress
import random

import duckdb
import pytest

from pipelines.models.macros import MACROS, called_by


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    for macro in MACROS:
        made.execute(macro)
    return made


def named(statements: list[str]) -> list[str]:
    return [statement.split("temp macro ")[1].partition("(")[0] for statement in statements]


@pytest.mark.parametrize(
    ("query", "macros"),
    [
        ("select 1", []),
        ("select landing from aws_arn", []),
        ("select AWS_ARN ('ec2', region)", ["aws_partition", "aws_arn"]),
        ("from landing('x', 'JSON') where ip_address(a) > 1", ["landing", "ipv6_words", "ip_address"]),
    ],
)
def test_a_query_gets_the_macros_that_it_calls_and_what_those_call(query: str, macros: list[str]) -> None:
    assert named(called_by([query])) == macros


def test_each_macro_calls_only_those_before_it() -> None:
    connection = duckdb.connect()
    for statement in MACROS:
        connection.execute(statement)
    for statement in MACROS:
        alone = duckdb.connect()
        for needed in called_by([statement]):
            alone.execute(needed)
    assert called_by(MACROS) == list(MACROS)


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


def numbers(connection: duckdb.DuckDBPyConnection, addresses: list[str]) -> list[int | None]:
    found = connection.execute("select list_transform($1, lambda address: ip_address(address))", [addresses]).fetchone()
    assert found is not None
    return list(found[0])


def test_an_address_is_the_number_that_python_has_for_it(connection: duckdb.DuckDBPyConnection) -> None:
    luck = random.Random(21)
    known = [ipaddress.ip_address(address) for address in ("::", "::1", "1::", "2000::", "0.0.0.0", "255.255.255.255")]
    for _ in range(500):
        # Words of zeros, so that some are left out.
        kept = sum(0xFFFF << 16 * place for place in range(8) if luck.random() < 0.5)
        known += [ipaddress.IPv4Address(luck.getrandbits(32)), ipaddress.IPv6Address(luck.getrandbits(128) & kept)]
    written = [*map(str, known), *(address.exploded for address in known)]
    assert numbers(connection, written) == [int(address) for address in known] * 2


@pytest.mark.parametrize(
    "written", ["pl-12345678", "", "1.2.3", "1:2", "::ffff:10.0.0.1", "1.2.3.4/8", f"{10**40}.1.1.1"]
)
def test_what_is_no_address_is_no_number(connection: duckdb.DuckDBPyConnection, written: str) -> None:
    assert numbers(connection, [written]) == [None]
