"""What analysts hold: the documented queries in the DuckDB command line and in Node, by the documented path.

Python alone does not show whether a name can be queried: its client opens what a link leads to, and names the
catalog after that; the others name it after the path as given.
"""

import json
import os
import re
import shutil
import subprocess
import sysconfig
from functools import cache
from pathlib import Path

import duckdb
import pytest
from nights import REPOSITORY, node_packages

from tools.docs.questions import pages, questions_of

CLI = Path(sysconfig.get_path("scripts")) / "duckdb"
PATH = "warehouse/demo/aws_org.duckdb"
FORMER_PATH = "warehouse/demo/cmdb.duckdb"
AMBIGUOUS = 'Ambiguous reference to catalog or schema "cmdb"'
ANALYST = "docs/tutorial/analyst.md"
START = REPOSITORY / ANALYST

ASK = """
const { DuckDBInstance } = require("@duckdb/node-api");
async function main() {
  const [path, queries] = JSON.parse(require("fs").readFileSync(0, "utf-8"));
  const instance = await DuckDBInstance.create(path, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  const refused = {};
  for (const query of queries) {
    try { await connection.runAndReadAll(query); } catch (error) { refused[query] = error.message; }
  }
  console.log(JSON.stringify(refused));
}
main();
"""
"""Asks a file every query; prints those that were refused, and why."""


def examples(page: Path, language: str) -> list[str]:
    """The examples of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def statements(page: Path) -> list[str]:
    """The SQL of a page: its examples, what it hands to `cmdb sql`, and what its tables hold as code."""
    text = page.read_text(encoding="utf-8")
    blocks = [part.strip() for block in examples(page, "sql") for part in block.split(";")]
    inline = [*re.findall(r'cmdb sql (?:--demo )?"([^"]*)"', text), *re.findall(r"`(select [^`]*)`", text)]
    return [sql for sql in (*blocks, *inline) if sql]


@cache
def documented() -> dict[str, tuple[str, ...]]:
    """Every query that the documentation shows, by page."""
    found = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return {str(page.relative_to(REPOSITORY)): tuple(shown) for page in found if (shown := statements(page))}


@pytest.fixture
def beside_the_demo(truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which `make demo` has been run, both names of the file included."""
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse" / "demo").symlink_to(truthful_night)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_cli(path: str, sql: str) -> subprocess.CompletedProcess[str]:
    """A query as a person types it into the command line."""
    return subprocess.run(
        [str(CLI), "-readonly", "-json", path],
        input=f"{sql};\n",
        capture_output=True,
        text=True,
        check=False,
    )


def in_node(script: str, given: str = "") -> str:
    """What a program of Node prints."""
    if shutil.which("node") is None:
        pytest.skip(
            "Node was not found on the PATH, so nothing was asked through it; `make setup-node` says what it needs."
        )
    packages = node_packages("@duckdb", "node-api")
    if not packages:
        pytest.skip("@duckdb/node-api was not found, so nothing was asked through Node: `make setup-node` installs it.")
    done = subprocess.run(
        ["node", "-e", script],
        input=given,
        env=os.environ | {"NODE_PATH": str(packages[0])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused_in_node(path: str, queries: list[str]) -> dict[str, str]:
    """Queries that Node was refused, and why."""
    refused: dict[str, str] = json.loads(in_node(ASK, json.dumps([path, queries])))
    return refused


def test_every_page_with_queries_is_requested() -> None:
    asked = documented()
    assert {"README.md", "docs/howto/failed-run.md", "docs/reference/contract-commands.md", ANALYST} <= asked.keys()
    for page in pages():
        assert len(asked[str(page.relative_to(REPOSITORY))]) >= len(list(questions_of(page))) > 0
    assert sum("cmdb." in sql for shown in asked.values() for sql in shown) > 20


def test_the_command_line_of_the_newcomers_page_is_the_one_that_is_tried() -> None:
    assert f"duckdb -readonly {PATH}\n" in examples(START, "sh")


@pytest.mark.parametrize("page", documented())
def test_every_documented_query_runs_in_the_duckdb_command_line(beside_the_demo: Path, page: str) -> None:
    for sql in documented()[page]:
        done = in_cli(PATH, sql)
        assert (done.returncode, done.stderr) == (0, ""), sql


def test_the_command_line_reads_the_rows_that_we_do(beside_the_demo: Path) -> None:
    sql = "select resource_type, count(*) as resources from cmdb.resource group by all order by all"
    with duckdb.connect(PATH, read_only=True) as connection:
        known = connection.execute(sql).fetchall()
    assert known
    assert [tuple(row.values()) for row in json.loads(in_cli(PATH, sql).stdout)] == known


def test_under_the_former_name_the_command_line_refuses_the_same_queries(beside_the_demo: Path) -> None:
    refused = [
        sql
        for sql in documented()[ANALYST]
        if AMBIGUOUS in (done := in_cli(FORMER_PATH, sql)).stderr and done.returncode
    ]
    assert [sql for sql in documented()[ANALYST] if "from cmdb." in sql] == refused
    assert refused


def test_python_reads_the_former_name_too(beside_the_demo: Path) -> None:
    for path in (PATH, FORMER_PATH):
        with duckdb.connect(path, read_only=True) as connection:
            assert connection.execute("select count(*) > 0 from cmdb.resource").fetchall() == [(True,)]


def test_every_documented_query_runs_in_node(beside_the_demo: Path) -> None:
    assert refused_in_node(PATH, [sql for shown in documented().values() for sql in shown]) == {}


def test_under_the_former_name_node_refuses_the_same_queries(beside_the_demo: Path) -> None:
    queries = [sql for sql in documented()[ANALYST] if "from cmdb." in sql]
    refused = refused_in_node(FORMER_PATH, queries)
    assert list(refused) == queries
    assert all(AMBIGUOUS in reason for reason in refused.values())


def test_the_program_of_the_newcomers_page_runs_in_node(beside_the_demo: Path) -> None:
    (script,) = examples(START, "js")
    assert "AWS::EC2::" in in_node(script)
