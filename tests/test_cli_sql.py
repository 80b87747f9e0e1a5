"""`cmdb sql` for people and programs, its shell, `cmdb tables`; and what a command loads before it begins."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nights import DATABASE, REPOSITORY, cmdb_here

from pipelines.cli import sql
from pipelines.cli.results import Result, shown
from pipelines.cli.sql import BATCH, ON_A_TERMINAL, run_queries
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


@pytest.mark.parametrize(
    ("query", "is_warned"),
    [
        ("select sum(unblended_cost) from cost.daily", True),
        (
            "with every as (from cost.daily) select account_id, sum(net_unblended_cost) from every group by 1",
            True,
        ),
        ("select avg(m.change) from cost.movement as m", True),
        ("select sum(unblended_cost) from cost.daily where slice <> 'x'", True),
        ("select sum(unblended_cost) from cost.daily_total; select sum(unblended_cost) from cost.by_tag", True),
        ("select sum(unblended_cost) from cost.daily where slice = 'service'", False),
        ("select slice, sum(unblended_cost) from cost.daily group by all", False),
        ("select sum(unblended_cost) from cost.daily_total", False),
        ("select account_id, dimension_value, unblended_cost from cost.daily limit 1", False),
        ("select 'sum(cost.daily)' as text", False),
    ],
)
def test_a_sum_of_all_slices_is_warned_of(environment: dict[str, str], query: str, is_warned: bool) -> None:
    done = cmdb_here(environment, "sql", query)
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr.startswith("Warning: cost.") == is_warned
    assert ("the same money once in each " in done.stderr) == is_warned


def test_a_query_is_warned_of_before_it_runs(environment: dict[str, str]) -> None:
    done = cmdb_here(environment, "sql", "select sum(unblended_cost) / nothing from cost.by_tag")
    warning, refusal = done.stderr.split("\n", 1)
    assert warning.startswith("Warning: cost.by_tag holds the same money")
    assert "DuckDB refused the query" in refusal


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


def test_json_loses_no_column_and_holds_no_number_that_json_has_not(environment: dict[str, str]) -> None:
    twice = cmdb_here(environment, "sql", "select 1 as account_id, 2 as account_id", "--json")
    assert (twice.returncode, twice.stdout) == (2, "")
    assert twice.stderr == (
        "Two columns are called account_id, of which JSON would keep one, so nothing was printed: give one of them an "
        "alias.\n"
    )
    assert cmdb_here(environment, "sql", "select 1 as a, 2 as a", "--format", "csv").stdout == "a,a\n1,2\n"
    numbers = "select 'nan'::double as x, ['-inf'::float, 1.5] as y, map {'a': 'inf'::double} as z"
    printed = cmdb_here(environment, "sql", numbers, "--json").stdout

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    (row,) = json.loads(printed, parse_constant=refuse)
    assert row == {"x": "nan", "y": ["-inf", 1.5], "z": {"a": "inf"}}
    (cell,) = csv.DictReader(io.StringIO(cmdb_here(environment, "sql", numbers, "--format", "csv").stdout))
    assert json.loads(cell["y"], parse_constant=refuse) == ["-inf", 1.5]


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


def test_csv_holds_no_more_rows_in_memory_than_a_batch(
    environment: dict[str, str], truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    results = run_queries(
        Store(truthful_night / DATABASE), "from range(25000)", None, None,
        lambda names, batches: seen.extend(len(rows) for rows in batches),
    )  # fmt: skip
    assert (sum(seen), [result.rows for result in results]) == (25_000, [[]])
    assert max(seen) <= BATCH
    monkeypatch.setattr(sql, "IN_MEMORY", 1000)
    printed = cmdb_here(
        environment, "sql", "select range as a, 'x\r\ny' as b from range(25000)", "--format", "csv"
    ).stdout
    rows = list(csv.reader(io.StringIO(printed, newline="")))
    assert (rows[0], len(rows), rows[-1][0]) == (["a", "b"], 25_001, "24999")
    # What fails on the way prints no part of it.
    broken = "select case when range = 24999 then error('no') else 'x' end as a from range(25000)"
    done = cmdb_here(environment, "sql", broken, "--format", "csv")
    assert (done.returncode, done.stdout) == (2, "")


def test_numbers_stand_at_the_right_and_wide_characters_take_two_columns() -> None:
    lines = shown(Result(["n", "name", "m"], [(1, "出口", 5), (100, "ab", None)]), "table").splitlines()
    assert lines == ["  n  name  m", "  1  出口  5", "100  ab"]


def test_queries_are_read_from_a_file_and_from_a_pipe(environment: dict[str, str], tmp_path: Path) -> None:
    queries = tmp_path / "queries.sql"
    queries.write_text("select 1 as a;\nselect 'é' as c;\n", encoding="utf-8")
    assert cmdb_here(environment, "sql", "--file", str(queries)).stdout == "a\n1\n\nc\né\n"
    # The runner's standard input is empty, and no terminal.
    assert cmdb_here(environment, "sql").stderr.startswith("There is no query")
    both = cmdb_here(environment, "sql", "select 1", "--file", str(queries))
    assert (both.returncode, both.stdout) == (2, "")
    assert cmdb_here(environment, "sql", "--file", str(tmp_path / "none.sql")).returncode == 2


DEEP = f"select sum({'+'.join(map(str, range(1, 401)))}) as total from (from cost.by_service limit 1)"


def test_text_that_is_not_utf_8_is_one_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    queries = tmp_path / "queries.sql"
    queries.write_bytes("select 'é' as c".encode("latin-1"))
    for name, arguments in (
        (str(queries), ("--file", str(queries))),
        ("Standard input", ()),
        ("Standard input", ("--file", "-")),
        ("The query", (queries.read_bytes(),)),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli.main", "sql", *arguments],
            cwd=REPOSITORY, env={**os.environ, **environment}, input=queries.read_bytes(), capture_output=True,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, b""), arguments
        assert done.stderr.decode() == (
            f"{name} is not UTF-8, as queries have to be. No query ran. Convert it, such as with iconv.\n"
        )


def test_a_locale_that_is_not_utf_8_is_named_with_its_remedy(environment: dict[str, str]) -> None:
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    for utf_8, code in (("0", 2), ("1", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli.main", "sql", "select length('ü') as c"], cwd=REPOSITORY,
            env={**os.environ, **environment, **locale, "PYTHONUTF8": utf_8}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert ("Set PYTHONUTF8=1." in done.stderr) is (code == 2)


def test_a_value_that_python_cannot_hold_is_one_sentence_and_a_deep_sum_none(environment: dict[str, str]) -> None:
    far = cmdb_here(environment, "sql", "select interval 100000000 year")
    assert (far.returncode, far.stdout) == (2, "")
    assert far.stderr.startswith("A value of the result is beyond what Python holds (")
    assert far.stderr.endswith("so no row was returned. Cast its column to VARCHAR.\n")
    deep = cmdb_here(environment, "sql", DEEP)
    assert (deep.returncode, deep.stdout, deep.stderr) == (0, "total\n80200\n", "")
    nested = cmdb_here(
        environment, "sql", f"select sum(x) {'from (select * ' * 900}from (select 1 as x from cost.daily){')' * 900}"
    )
    assert nested.stderr.startswith("Warning: The query is nested too deeply to look at its sums")
    assert nested.returncode == 0


class Terminal:
    """A command at a real terminal, typed at as people do."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._master, ours = os.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli.main", *arguments],
            env={**environment, "PATH": os.environ["PATH"], "CMDB_SETTINGS": os.devnull, "TERM": "dumb"},
            cwd=REPOSITORY,
            stdin=ours,
            stdout=ours,
            stderr=ours,
            start_new_session=True,
        )
        os.close(ours)
        self._seen = ""

    def until(self, text: str, *, interrupting: bool = False) -> str:
        """What the terminal shows up to a text, which is waited for.

        Args:
            interrupting: interrupt until then: `input` does not notice what comes just before it waits.
        """
        deadline = time.monotonic() + 600
        next_interruption = time.monotonic()
        while text not in self._seen:
            if interrupting and time.monotonic() >= next_interruption:
                self.interrupt()
                next_interruption = time.monotonic() + 5
            assert time.monotonic() < deadline, self._seen
            if not select.select([self._master], [], [], 5)[0]:
                continue
            self._seen += os.read(self._master, 65536).decode().replace("\r\n", "\n")
        shown, found, self._seen = self._seen.partition(text)
        return shown + found

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self._process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        """Type at it."""
        os.write(self._master, text.encode())

    def ended(self) -> int:
        """Its exit code."""
        try:
            return self._process.wait()
        finally:
            self._process.kill()
            os.close(self._master)


def test_without_a_query_it_is_a_shell(environment: dict[str, str]) -> None:
    shell = Terminal(environment, "sql")
    shell.until("cmdb> ")
    shell.type("select 40 + 2\n")
    shell.until("  ... ")
    shell.type("as answer;\n")
    assert "answer\n    42\n" in shell.until("cmdb> ")
    # A refused query is a sentence, and the shell goes on.
    shell.type("create table org.mine (a int);\n")
    assert "read-only" in shell.until("Nothing was changed.")
    shell.until("cmdb> ")
    # Half a query is forgotten by Ctrl-C.
    shell.type("select nothing\n")
    shell.until("  ... ")
    shell.until("cmdb> ", interrupting=True)
    shell.type("select 7 as seven;\n")
    shell.until("seven\n    7\n")
    shell.until("cmdb> ")
    shell.type("\x04")
    assert shell.ended() == 0


@pytest.mark.large
def test_a_query_that_runs_is_ended_and_the_shell_goes_on(environment: dict[str, str]) -> None:
    shell = Terminal(environment, "sql")
    shell.until("cmdb> ")
    shell.type("select count(*) from range(100000000000000) as r where hash(r.range) % 7 = 1;\n")
    shell.until("= 1;\n")
    # Nothing shows that it has begun; interrupted sooner, this would only forget what is typed.
    time.sleep(1)
    # People press it more than once.
    for _ in range(3):
        shell.interrupt()
        time.sleep(0.03)
    shell.until("cmdb> ")
    shell.type("select 8 as eight;\n")
    shell.until("eight\n    8\n")
    shell.until("cmdb> ")
    shell.type("\x04")
    assert shell.ended() == 0


def test_the_dictionary_is_searched_by_a_word(environment: dict[str, str]) -> None:
    all_of_them = cmdb_here(environment, "tables").stdout
    with Store(Path(environment["CMDB_DATABASE"])).published() as connection:
        relations = connection.execute(PUBLIC_RELATIONS).fetchall()
    assert [name for (name,) in relations if name not in all_of_them] == []
    assert "stage." not in all_of_them
    found = json.loads(cmdb_here(environment, "tables", "Owner", "--json").stdout)
    assert ("cmdb.resource", "business_owner") in [(one["relation"], one["column"]) for one in found]
    assert all("owner" in " ".join(one.values()).lower() for one in found)
    # The whole name of a table lists its columns, in their order.
    columns = json.loads(cmdb_here(environment, "tables", "cost.daily", "--json").stdout)
    with Store(Path(environment["CMDB_DATABASE"])).published() as connection:
        described = connection.execute("select * from cost.daily limit 0").description
    of_it = [one["column"] for one in columns if one["relation"] == "cost.daily"]
    assert of_it == ["", *(name for name, *_ in described)]
    missed = cmdb_here(environment, "tables", "cost.dayly")
    assert (missed.returncode, missed.stdout) == (2, "")
    assert "Did you mean cost.daily" in missed.stderr


PUBLIC_RELATIONS = """
    select schema_name || '.' || table_name from duckdb_tables() where schema_name not in ('main', 'stage')
    union all
    select schema_name || '.' || view_name from duckdb_views()
    where not internal and schema_name not in ('main', 'stage')
"""

HEAVY = ("dagster", "pandas", "botocore", "altair", "sqlglot", "mcp")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("sql", "select 1"), ("coverage",), ("tables", "owner")], ids=" ".join
)
def test_reading_loads_neither_dagster_nor_pandas(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    # Whoever asks for help reads no file.
    heavy = (*HEAVY, "duckdb") if arguments == ("--help",) else HEAVY
    script = (
        "import sys\nfrom pipelines.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
