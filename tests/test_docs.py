"""The documentation says what is there: generated pages are current, commands, queries, variables and links exist."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest
from commands import commands_of

from pipelines.cli.main import main
from pipelines.cli.slices import summed_across_slices
from pipelines.definitions import build_defs
from pipelines.models.model import read_models
from pipelines.settings import read_settings
from resources.contract import ROLES
from resources.store.store import Store
from tools.docs import contract as contract_docs
from tools.docs import dictionary, questions

REPOSITORY = Path(__file__).resolve().parent.parent
REFERENCE = REPOSITORY / "docs" / "reference"
CLI = (REFERENCE / "cli.md").read_text(encoding="utf-8")
ENVIRONMENT = (REFERENCE / "environment.md").read_text(encoding="utf-8")
COMMANDS = (REFERENCE / "contract-commands.md").read_text(encoding="utf-8")
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the first Markdown table after a heading, without its head."""
    lines = iter(text[text.index(heading) :].splitlines())
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]


def codes(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`\n]+)`", text)


@cache
def tracked() -> tuple[Path, ...]:
    """Files that belong to the repository, those included that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return tuple(path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file())


# ------------------------------------------------------------------------------------------- generated pages


@pytest.mark.large
def test_a_stale_dictionary_is_reported_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "dictionary.md"
    monkeypatch.setattr(dictionary, "PAGE", page)
    assert dictionary.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/reference/dictionary.md is stale; nothing was written. Run `make docs`.\n"
    assert not page.exists()
    assert dictionary.main([]) == 0
    assert dictionary.main(["--check"]) == 0
    page.write_text(page.read_text(encoding="utf-8").replace("12 digits", "eleven digits", 1), encoding="utf-8")
    assert dictionary.main(["--check"]) == 1
    assert "eleven digits" in page.read_text(encoding="utf-8")


def test_the_dictionary_has_every_table_and_every_column() -> None:
    page = dictionary.PAGE.read_text(encoding="utf-8")
    for model in read_models().values():
        suffix = " (view)" if model.materialized == "view" else ""
        begin = page.index(f"### {model.relation}{suffix}\n")
        part = page[begin : page.find("\n### ", begin + 1)]
        assert model.header.description in part
        for name in model.header.entries.keys() - {
            "key",
            "materialized",
            "logs",
            "days",
            "in_parts_by",
            "resource",
            "relates",
            "rests_on",
            *(["owner"] if model.listings else []),
        }:
            assert f"| `{name}` |" in part, f"{model.relation}.{name}"


def test_the_contract_page_has_a_part_for_every_role() -> None:
    page = (REPOSITORY / contract_docs.PAGE).read_text(encoding="utf-8")
    assert all(f"`{role}`" in page for role in ROLES)


# --------------------------------------------------------------------------------------------- the command line

BY_NAME = {
    f"{name} {inner}".strip(): command
    for name, group in commands_of(main).items()
    for inner, command in (commands_of(group).items() if isinstance(group, click.Group) else [("", group)])
}
"""Every command by its name, those of a group with both: `fx import`."""

SHOWN = {name: command for name, command in BY_NAME.items() if not command.hidden}


def options(command: click.Command) -> set[str]:
    """Long options of a command, without those that every command has."""
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
        if name.startswith("--")
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_every_command_takes_the_parameters_that_it_declares(name: str) -> None:
    """click passes each by the name that it makes of the option: a renamed argument fails only when it is called."""
    command = BY_NAME[name]
    assert command.callback is not None
    taken = inspect.signature(command.callback).parameters.keys() - {"context"}
    assert taken == {parameter.name for parameter in command.params if parameter.expose_value}


@pytest.mark.parametrize("name", SHOWN)
def test_every_command_has_its_line_in_the_reference(name: str) -> None:
    lines = [row for row in table(CLI, "# Commands") if row[0].startswith(f"`cmdb {name}")]
    assert len(lines) == 1
    used = codes(lines[0][0])[0]
    for parameter in SHOWN[name].params:
        if isinstance(parameter, click.Argument):
            assert parameter.human_readable_name.strip("[]").upper() in used


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name in SHOWN for option in sorted(options(SHOWN[name]))]
)
def test_every_option_of_a_command_stands_in_the_reference(name: str, option: str) -> None:
    """In the command's own line, or, for what several commands share, in the text below the table."""
    own = " ".join(row[0] + row[1] for row in table(CLI, "# Commands") if f"`cmdb {name}" in row[0])
    if re.search(rf"{option}\b", own):
        return
    below = CLI[CLI.index("## Shared options") :]
    shared = [sentence for sentence in re.split(r"(?<=\.)\s", below) if f"`{option}`" in sentence]
    assert any(f"`{name}`" in sentence for sentence in shared), f"cmdb {name} {option} is not documented"


def commands_in(text: str) -> Iterator[list[str]]:
    """Every `cmdb …` that a page shows, in words."""
    shown = [*codes(text), *re.findall(r"^(?:\.venv/bin/)?(cmdb .*)$", text, flags=re.MULTILINE)]
    for line in shown:
        found = re.match(r"(?:\.venv/bin/)?cmdb ([^#|>]*)", line)
        if found:
            yield shlex.split(found[1].replace("[", " ").replace("]", " "))


@every_page
def test_every_command_and_option_that_a_page_shows_exists(page: Path) -> None:
    for words in commands_in(page.read_text(encoding="utf-8")):
        if words[0].startswith("-"):
            continue
        name = next((name for name in (words[0], " ".join(words[:2])) if name in BY_NAME), "")
        assert name, f"{page.name}: cmdb {' '.join(words)}"
        known = options(BY_NAME[name]) | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, f"cmdb {' '.join(words)}"


def test_every_make_target_that_a_page_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = [*codes(text), *re.findall(r"^(make .*)$", text, flags=re.MULTILINE)]
        for line in shown:
            if line.startswith("make "):
                assert line.split()[1] in targets, f"{page.name}: {line}"


# ---------------------------------------------------------------------------------------- the contract's commands

ANSWERED = table(COMMANDS, "# The contract's commands")


@pytest.mark.parametrize("row", ANSWERED, ids=[row[0] for row in ANSWERED])
def test_every_query_of_the_commands_page_is_answered_by_the_published_file(
    row: list[str], truthful_night: Path
) -> None:
    _, role, asset, relation, query = row
    assert role in {*ROLES, "each"}
    (name,), (sql,) = codes(relation), codes(query)
    assert f"from {name}" in sql
    with Store(truthful_night / "aws_org.duckdb").published() as connection:
        rows = connection.execute(sql).fetchall()
    # After a first night nothing could be restated.
    assert bool(rows) is (name != "cost.restatement")
    if asset:
        keys = {"/".join(key.path) for key in build_defs({}).resolve_asset_graph().get_all_asset_keys()}
        assert set(codes(asset)) <= keys


@pytest.mark.parametrize("row", ANSWERED, ids=[row[0] for row in ANSWERED])
def test_every_query_of_the_commands_page_runs_on_the_file_as_analysts_open_it(
    row: list[str], truthful_night: Path
) -> None:
    """By the link's own name, without us: the schema `cmdb` must not be taken for a database of that name."""
    (sql,) = codes(row[4])
    with duckdb.connect(str(truthful_night / "aws_org.duckdb"), read_only=True) as connection:
        connection.execute(sql)


def test_every_command_of_the_contract_is_returned_once() -> None:
    names = [row[0] for row in ANSWERED]
    assert len(names) == len(set(names))
    assert "discover-rds" in names


# ------------------------------------------------------------------------------------------------ the questions

QUESTION_PAGES = questions.pages()


def questions_of(page: Path) -> list[tuple[str, str]]:
    """Each question of a page with its query."""
    return [(question.heading, question.sql) for question in questions.questions_of(page)]


QUESTIONS = [question for page in QUESTION_PAGES for question in questions_of(page)]
UNTROUBLED = {
    "2. Which accounts does no service control policy bind?",
    # A first night restates nothing.
    "7. What has AWS restated since the last report?",
}
"""Questions whose answer is, in the simulated organisation: none."""

BY_DAY = {"6. On which days was something out of the ordinary?": "select count(*) from cost.anomaly"}
"""Questions whose answer depends on the day on which the night is run, and how many rows it has then."""


def test_every_page_of_questions_stands_in_the_index_with_each_of_its_questions() -> None:
    index = questions.INDEX.read_text(encoding="utf-8")
    assert re.findall(r"^## \[.+\]\((.+)\)$", index, re.MULTILINE) == [page.name for page in QUESTION_PAGES]
    assert re.findall(r"^- \[(.+)\]\(", index, re.MULTILINE) == [question for question, _ in QUESTIONS]


def test_an_index_that_lacks_a_question_is_reported_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "README.md"
    stale.write_text(questions.index().replace("- [1. ", "- [one ", 1), encoding="utf-8")
    monkeypatch.setattr(questions, "INDEX", stale)
    assert questions.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/questions/README.md is stale; nothing was written. Run `make docs`.\n"
    assert "- [one " in stale.read_text(encoding="utf-8")
    assert questions.main([]) == 0
    assert questions.main(["--check"]) == 0


@pytest.mark.parametrize("page", QUESTION_PAGES, ids=lambda page: page.stem)
def test_the_questions_of_a_page_are_numbered_from_one_and_each_has_one_query(page: Path) -> None:
    found = questions_of(page)
    assert [question.partition(".")[0] for question, _ in found] == [str(n) for n in range(1, len(found) + 1)] != []
    assert all(sql for _, sql in found)
    assert page.read_text(encoding="utf-8").count("```sql\n") == len(found)


@pytest.mark.parametrize(("question", "sql"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_every_question_is_answered_by_the_published_file(question: str, sql: str, truthful_night: Path) -> None:
    with Store(truthful_night / "aws_org.duckdb").published() as connection:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall()
        counted = connection.execute(BY_DAY[question]).fetchall() if question in BY_DAY else None
        assert summed_across_slices(connection, sql) == ""
    assert len(names) == len(set(names)) > 1
    if counted is not None:
        assert counted == [(len(rows),)]
    else:
        assert bool(rows) is (question not in UNTROUBLED)


@every_page
def test_every_table_and_column_that_a_page_names_exists(page: Path, truthful_night: Path) -> None:
    """A column is looked for where it stands behind its table: `cost.daily.usage_date`."""
    with Store(truthful_night / "aws_org.duckdb").published() as connection:
        columns = connection.execute("select table_schema, table_name, column_name from information_schema.columns")
        known = {".".join(names[:length]) for names in columns.fetchall() for length in (2, 3)}
    schemas = {name.partition(".")[0] for name in known}
    named = {
        name
        for code in codes(page.read_text(encoding="utf-8"))
        # Written with the database before it: `cmdb.cmdb.resource`.
        for name in re.findall(r"(?<![\w./:*-])(?:cmdb\.(?=cmdb\.))?([a-z]+(?:\.[a-z_0-9]+){1,2})\b", code)
        if name.split(".")[0] in schemas
        and name.split(".")[1] not in ("duckdb", "work", "report", "history", "sql", "csv", "env")
    }
    assert named <= known


# ----------------------------------------------------------------------------------------------- the environment


class Reading(dict[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # of dict's overloads only this one is used
        self.names.add(name)
        return default

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)


VARIABLES = table(ENVIRONMENT, "# Environment")
DOCUMENTED = [name for row in VARIABLES for name in codes(row[0])]


def test_every_variable_that_the_settings_read_is_documented_and_every_documented_one_is_read() -> None:
    reading = Reading()
    read_settings(reading)
    # botocore reads these itself; the settings only want to know whether they have changed. They are named below
    # the table. CMDB_PORT belongs to `make dev`, which has no settings, CMDB_MCP_TOKEN is a secret, and CMDB_SETTINGS
    # names the file with others.
    botocore = {name for name in reading.names - set(DOCUMENTED) if name.startswith("AWS_")}
    assert {name for name in botocore if f"`{name}`" not in ENVIRONMENT} == set()
    assert reading.names - botocore == set(DOCUMENTED) - {"CMDB_PORT", "CMDB_MCP_TOKEN", "CMDB_SETTINGS"}
    assert len(DOCUMENTED) == len(set(DOCUMENTED))


def test_every_variable_of_ours_that_the_code_names_is_documented() -> None:
    named = {
        variable
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(REPOSITORY).parts[0] in ("pipelines", "resources")
        for variable in re.findall(r"\b(?:CMDB|DAGSTER)_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    # DAGSTER_YAML is the name of a constant.
    assert {name for name in named - {"DAGSTER_YAML"} if f"`{name}" not in ENVIRONMENT} == set()


def test_every_variable_that_a_page_names_exists() -> None:
    for page in PAGES:
        named = set(re.findall(r"\bCMDB_[A-Z_]+\b", page.read_text(encoding="utf-8")))
        assert named <= set(DOCUMENTED), page.name


def test_every_default_of_the_environment_table_is_the_default() -> None:
    plain = read_settings({})
    for name_cell, _, default_cell in VARIABLES:
        defaults = codes(default_cell)
        if not defaults or "CMDB_PORT" in name_cell or "<tenant>" in default_cell:
            continue
        names = codes(name_cell)
        assert len(names) == len(defaults), name_cell
        assert read_settings(dict(zip(names, defaults, strict=True))) == plain, name_cell


# ---------------------------------------------------------------------------------------------------- everything


@cache
def anchors(page: Path) -> list[str]:
    """What leads to each heading, by GitHub's rule: small letters, no punctuation, hyphens for blanks."""
    shown = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text) for text in re.findall(r"^#+ (.+)$", shown, re.MULTILINE)]
    return ["".join(c for c in text.lower() if c.isalnum() or c in "_- ").replace(" ", "-") for text in headings]


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
            if anchor:
                assert anchors(page.parent / target if target else page).count(anchor) == 1, f"{target}#{anchor}"


def test_every_folder_that_contributors_are_shown_is_there_and_every_folder_is_shown() -> None:
    page = (REPOSITORY / "docs" / "dev" / "contributing.md").read_text(encoding="utf-8")
    shown = {codes(row[0])[0].rstrip("/") for row in table(page, "## Where things are")}
    folders = {path.relative_to(REPOSITORY).parts[0] for path in tracked() if path.parent != REPOSITORY}
    assert shown <= folders
    assert {name for name in folders if not name.startswith(".")} - shown <= {"requirements", "scripts"}


def test_decisions_are_numbered_without_gaps_dated_and_in_the_index() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = sorted(folder.glob("0*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        parts = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
        assert parts == ["Context", "Decision", "Consequences"], page.name
        status = re.search(
            r"^Status: (?:accepted|superseded by \[.+\]\(.+\)) · Date: (\d{4}-\d\d-\d\d)$", text, re.MULTILINE
        )
        assert status, page.name
        title = text.partition("\n")[0].removeprefix("# ")
        assert f"| {page.name[:4]} | [{title}]({page.name}) | {status[1]} |" in index, page.name


TREE = {
    "tutorial": {"demo", "analyst"},
    "howto": {
        "connect-aws",
        "sso",
        "unattended",
        "failed-run",
        "exchange-rates",
        "exports",
        "servicenow",
        "deploy",
        "upgrade",
    },
    "concepts": {"architecture", "trust", "situations", "contract", "glossary"},
    "reference": {"cli", "environment", "dictionary", "cost-of-running", "retention"},
    "dev": {"contributing", "testing", "adding-a-resource-type", "release"},
}
"""The pages that a reader expects where they are."""


def test_every_page_is_where_it_is_expected_and_the_index_leads_to_it() -> None:
    docs = REPOSITORY / "docs"
    index = (docs / "README.md").read_text(encoding="utf-8")
    for folder, pages in TREE.items():
        found = {path.stem for path in (docs / folder).glob("*.md")}
        assert pages <= found
        assert all(f"]({folder}/{page}.md)" in index for page in found), folder


def test_the_glossary_defines_each_term_once_and_in_one_sentence() -> None:
    rows = table((REPOSITORY / "docs" / "concepts" / "glossary.md").read_text(encoding="utf-8"), "# Glossary")
    assert len(rows) >= 15
    assert len({term for term, _ in rows}) == len(rows)
    for term, meaning in rows:
        assert meaning.count(". ") == 0 and meaning.endswith("."), term


# Put together here, so that this file does not contain what it looks for.
HOSTS = re.compile(
    "|".join(["py" + r"pi\.", "python" + "hosted", "npm" + r"js\.", "artifact" + "ory", r"index" + "-url=?.https?:"]),
    re.IGNORECASE,
)
MACHINE = re.compile(
    r"(?<![\w.{}/~-])/(?:" + "|".join(["t" + "mp", "wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers"]) + r")/"
)


@pytest.mark.parametrize("pattern", [HOSTS, MACHINE], ids=["registry hosts", "paths of a machine"])
def test_no_tracked_file_names_a_registry_or_a_folder_of_the_machine_that_it_was_written_on(
    pattern: re.Pattern[str],
) -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(REPOSITORY)}:{number}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    assert found == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert HOSTS.search("see https://py" + "pi.org/simple")
    assert MACHINE.search("PATH=/wo" + "rk/main/x")
    assert MACHINE.search('"/t' + 'mp/x"')
    assert not MACHINE.search("https://example.com/wo" + "rk/x")


def test_no_file_of_a_warehouse_is_tracked() -> None:
    names = [str(path.relative_to(REPOSITORY)) for path in tracked()]
    assert [name for name in names if name.endswith((".duckdb", ".wal", ".ndjson"))] == []


# ------------------------------------------------------------------------------------------- for a newcomer

START = REPOSITORY / "docs" / "tutorial" / "analyst.md"
NOTEBOOK = REPOSITORY / "docs" / "tutorial" / "analyst.ipynb"


@pytest.fixture
def beside_the_demo(truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the newcomer's own, in which `make demo` has been run: only the published file and docs/."""
    (tmp_path / "docs" / "tutorial").mkdir(parents=True)
    (tmp_path / "warehouse" / "demo").mkdir(parents=True)
    (tmp_path / "warehouse" / "demo" / "aws_org.duckdb").symlink_to(truthful_night / "aws_org.duckdb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language: str) -> list[str]:
    """The examples of the newcomer's page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", START.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_query_of_the_newcomers_page_is_answered(beside_the_demo: Path) -> None:
    shown = re.findall(r'cmdb sql --demo "([^"]*)"', "".join(blocks("sh")))
    asked = [*shown, *(part for block in blocks("sql") for part in block.split(";") if part.strip())]
    assert len(asked) == 6
    with duckdb.connect("warehouse/demo/aws_org.duckdb", read_only=True) as connection:
        for sql in asked:
            assert connection.execute(sql).fetchall(), sql


def test_the_python_of_the_newcomers_page_runs(beside_the_demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = blocks("python")
    exec(compile(script, str(START), "exec"), {})
    assert re.search(r"\d{12}", capsys.readouterr().out)


def test_every_room_of_the_warehouse_stands_on_the_newcomers_page() -> None:
    assert {codes(row[0])[0] for row in table(START.read_text(encoding="utf-8"), "## Minute 1")} == {
        room for room in dictionary.SCHEMAS if room != "stage"
    }


def cells_of(notebook: Path) -> list[str]:
    """The code cells of a notebook."""
    return [
        "".join(cell["source"])
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]


def run_cells(sources: Iterable[str]) -> list[Any]:
    """What the cells of a notebook show: the value of the last expression of each, as Jupyter has it."""
    names: dict[str, Any] = {}
    shown = []
    for number, source in enumerate(sources, 1):
        tree = ast.parse(source, filename=f"cell {number}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names))
    return shown


def test_every_cell_of_the_notebook_runs(beside_the_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside_the_demo / "docs" / "tutorial")
    _, totals, picture, signals, claims, answers, _ = run_cells(cells_of(NOTEBOOK))
    assert totals.sum() > 0
    assert picture.to_dict(validate=True)["mark"]["type"] == "area"
    assert {"candidate", "unknown"} <= set(signals.columns)
    # One account has no profile: what could go there is unknown.
    assert dict(zip(claims["claim"], claims["unknown"] > 0, strict=True)) == {
        "cmdb.decommission_signal": True,
        "cost.by_service": False,
        "org.account": False,
    }
    assert list(answers.columns) == ["account_id", "region", "outcome", "cells"]


def test_a_cell_that_does_not_run_is_noticed(beside_the_demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beside_the_demo / "docs" / "tutorial")
    with pytest.raises(duckdb.CatalogException, match="no_such_table"):
        run_cells(source.replace("cost.by_service", "cost.no_such_table") for source in cells_of(NOTEBOOK))


def test_the_notebook_keeps_no_responses_and_is_what_jupyter_reads() -> None:
    """Answers of somebody's own organisation do not belong into a repository."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
