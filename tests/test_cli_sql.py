"""`cmdb sql` for people and programs: several queries, maps, wide rows; and what a command loads before it begins."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from nights import DATABASE, REPOSITORY, cmdb_here

from pipelines.cli.sql import ON_A_TERMINAL, Result, run_queries, shown
from resources.store.store import Store

MAPS = """
    select
        map {'a"b': 'c, d', 'é': 'x'} as tags, [1, 2] as list, {'k': null} as item, map {1: date '2026-01-02'} as days
"""


@pytest.fixture(scope="module")
def environment(truthful_night: Path) -> dict[str, str]:
    return {"CMDB_DATABASE": str(truthful_night / DATABASE)}


@pytest.mark.parametrize("query", ["", ";", " ; ; ", "/* a comment alone */"])
def test_no_query_is_one_sentence(environment: dict[str, str], query: str) -> None:
    done = cmdb_here(environment, "sql", query)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "There is no query in what was given, so nothing ran. Write one, such as: select 1\n"


def test_each_of_several_queries_is_returned(environment: dict[str, str]) -> None:
    done = cmdb_here(environment, "sql", "select 1 as a; select 'b' as c;")
    assert done.stdout == "a\n1\n\nc\nb\n"
    for output in ("csv", "json"):
        refused = cmdb_here(environment, "sql", "select 1; select 2", "--format", output)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "ask one at a time" in refused.stderr
    stopped = cmdb_here(environment, "sql", "select 1; select nothing; select 3")
    assert (stopped.returncode, stopped.stdout) == (2, "")


@pytest.mark.parametrize("more", [(), ("--raw",)])
def test_a_map_is_json_in_csv(environment: dict[str, str], more: tuple[str, ...]) -> None:
    printed = cmdb_here(environment, "sql", MAPS, "--format", "csv", *more).stdout
    (row,) = csv.DictReader(io.StringIO(printed))
    assert {name: json.loads(text) for name, text in row.items()} == {
        "tags": {'a"b': "c, d", "é": "x"},
        "list": [1, 2],
        "item": {"k": None},
        "days": {"1": "2026-01-02"},
    }
    assert json.loads(cmdb_here(environment, "sql", MAPS, "--json").stdout)[0]["days"] == {"1": "2026-01-02"}


def test_a_terminal_gets_no_more_rows_and_columns_than_it_shows(truthful_night: Path) -> None:
    store = Store(truthful_night / DATABASE)
    (result,) = run_queries(store, "from range(100000)", ON_A_TERMINAL)
    assert (len(result.rows), result.left_out) == (ON_A_TERMINAL, True)
    (whole,) = run_queries(store, f"from range({ON_A_TERMINAL})", ON_A_TERMINAL)
    assert (len(whole.rows), whole.left_out) == (ON_A_TERMINAL, False)
    wide = Result([f"column_{number}" for number in range(20)], [tuple("x" * 100 for _ in range(20))])
    lines = shown(wide, "table", width=80).splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1].startswith("… and 17 more columns: column_3, ")
    # A pipe gets all.
    assert max(map(len, shown(wide, "table").splitlines())) > 2000


def test_numbers_stand_at_the_right_and_wide_characters_take_two_columns() -> None:
    lines = shown(Result(["n", "name", "m"], [(1, "出口", 5), (100, "ab", None)]), "table").splitlines()
    assert lines == ["  n  name  m", "  1  出口  5", "100  ab"]


HEAVY = ("dagster", "pandas", "botocore", "altair", "sqlglot", "mcp")


@pytest.mark.parametrize("arguments", [("--help",), ("sql", "select 1"), ("coverage",)], ids=" ".join)
def test_reading_loads_neither_dagster_nor_pandas(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    script = (
        "import sys\nfrom pipelines.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
