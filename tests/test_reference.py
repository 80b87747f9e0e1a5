"""The organisation's own reference files: checked to the cell, read as they are checked, and none of them shipped."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from given import House, build, house, models
from nights import cmdb_here, copy_of, query, run_night
from sqlglot import exp

from pipelines import reference, reference_schema
from pipelines.collection.seeds import every_slice, tag_keys
from pipelines.models.reference_guide import guide
from pipelines.models.sql_files import read_header
from pipelines.reference import DEMO_FOLDER, ReferenceFileError
from pipelines.reference_schema import FILES, SHIPPED_FOLDER
from simulator.client import Simulator

TYPES = {
    "text": {"VARCHAR"},
    "account": {"VARCHAR"},
    "date": {"DATE"},
    "month": {"DATE"},
    "amount": {"DECIMAL(28, 10)", "DECIMAL(18, 4)"},
    "rate": {"DECIMAL(18, 10)"},
    "threshold": {"DECIMAL(18, 2)"},
    "boolean": {"BOOLEAN"},
    "currency": {"VARCHAR"},
}
"""The types of DuckDB that hold what a kind of column takes."""

RIGHT: dict[str, str] = {
    "tag_key": "Owner,business_owner,true,Who answers\n",
    "tag_value_alias": "Stage,PRD,prod\n",
    "account_default": "012345678901,,ana@example.com,,,prod,,finance\n",
    "former_account": "012345678902,2026-01-31,sold\n",
    "budget": "Stage,prod,2026-11-01,0.0000000001,USD,FY2027,board\n",
    "fx_rate": "USD,EUR,spot,2026-11-01,0.9123456789,bank\n",
    "approved_service": "guardduty.amazonaws.com,security,\n",
    "accepted_finding": "arn:aws:ec2:*,gp2_volume,ana,cheap,2026-11-01,\n",
    "kpi_threshold": "accounts_under_root,,,,3,,9.50,\n",
    "anomaly_threshold": "service,6.00,100,0.1\n",
    "unit_price": "AmazonEC2,EBS:VolumeUsage.gp2,,GB-month,0.01,USD,2025-01-01,contract\n",
    "shared_cost": "service,Tax,all of us\n",
}
"""A row of each file that can be used."""


def header(name: str) -> str:
    return ",".join(FILES[name].header) + "\n"


def begun(folder: Path) -> contextlib.AbstractContextManager[House]:
    folder.mkdir()
    return house(folder)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def read(home: House, name: str) -> list[dict[str, Any]]:
    """The table of a file, built."""
    build(home.store, home.models[f"ref.{name}"], own=home.reference)
    return home.rows(f"select * from ref.{name}")


# -------------------------------------------------------------------------------------- the schema and the queries


@pytest.mark.parametrize("name", FILES)
def test_the_schema_that_is_checked_is_the_one_that_the_query_reads(name: str) -> None:
    """Names, order and types: DuckDB takes columns by their place."""
    (call,) = (
        found for found in sqlglot.parse_one(models()[f"ref.{name}"].sql, dialect="duckdb").find_all(exp.ReadCSV)
    )
    struct = next(node.expression for node in call.find_all(exp.PropertyEQ, exp.EQ) if "columns" in node.this.sql())
    read_columns = {
        pair.this.name: pair.expression.name.upper()
        for pair in struct.find_all(exp.PropertyEQ, exp.EQ)
        if pair.this.name
    }
    assert list(read_columns) == FILES[name].header
    for column in FILES[name].columns:
        assert read_columns[column.name] in TYPES[column.kind], column.name
    assert set(FILES[name].key) <= {column.name for column in FILES[name].columns}
    assert tuple(models()[f"ref.{name}"].key) == FILES[name].key


def test_nothing_of_an_organisation_is_shipped_and_everything_shipped_can_be_used() -> None:
    for name, file in FILES.items():
        lines = file.shipped.read_text(encoding="utf-8").splitlines()
        assert lines[0] + "\n" == header(name)
        assert (len(lines) == 1) == (file.use == "own"), name
    assert reference.problems(None) == []
    assert reference.problems(DEMO_FOLDER) == []
    # What is shipped and may be replaced is what the check would let an organisation write.
    for file in FILES.values():
        assert [*reference._problems_of(file.shipped, file)] == []


def test_no_file_with_an_example_in_it_is_shipped() -> None:
    assert [path.name for path in SHIPPED_FOLDER.glob("*.csv") if ",example" in path.read_text(encoding="utf-8")] == []


def test_every_file_and_column_is_explained() -> None:
    text = guide()
    for name, file in FILES.items():
        documented = read_header(file.shipped.with_suffix(".sql").read_text(encoding="utf-8")).entries
        for column in file.columns:
            assert f"| `{column.name}` |" in text and documented[column.name] in text, (name, column.name)
    assert text.count("\n## ") + 1 == len(FILES)


# ---------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_right_file_is_read_row_for_row(own: Path, tmp_path: Path, name: str, end: str) -> None:
    """Also where a line was added by an editor that ends lines in another way."""
    text = header(name) + RIGHT[name].replace("\n", end) + "," * (len(FILES[name].header) - 1) + "\n"
    (own / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    assert reference.problems(own) == []
    (written,) = csv.DictReader(io.StringIO(header(name) + RIGHT[name]))
    with begun(tmp_path / "house") as home:
        shipped = read(dataclasses.replace(home, reference=None), name)
        home.reference = own
        found = read(home, name)
    key = FILES[name].key
    mine = [row for row in found if all((row[column] or "") == written[column] for column in key)]
    assert len(mine) == 1
    others = [row for row in shipped if any((row[column] or "") != written[column] for column in key)]
    if FILES[name].use == "rows":
        assert sorted(map(str, [*others, *mine])) == sorted(map(str, found)) and len(others) > 0
    else:
        assert found == mine
    for column in FILES[name].columns:
        text = written[column.name]
        if not text:
            # Of a figure that stands in the seed too, what is left empty is the seed's.
            assert mine[0][column.name] is None or column.kind == "text"
        elif column.kind in ("amount", "rate", "threshold"):
            assert Decimal(mine[0][column.name]) == Decimal(text)
        else:
            assert str(mine[0][column.name]).lower() == text.lower()


def test_without_any_file_nothing_is_the_organisations_own(tmp_path: Path, own: Path) -> None:
    for folder in (None, own):
        with begun(tmp_path / f"house-{folder is None}") as home:
            home.reference = folder
            for name, file in FILES.items():
                assert (read(home, name) == []) == (file.use == "own"), name
        assert tag_keys(folder) == ()
        assert [found.name for found in every_slice(folder)] == [
            *("service", "record_type", "region", "usage_type", "total")
        ]


def test_own_thresholds_take_the_place_of_the_shipped_ones_and_keep_their_evidence(own: Path, tmp_path: Path) -> None:
    (own / "kpi_threshold.csv").write_text(header("kpi_threshold") + RIGHT["kpi_threshold"])
    with begun(tmp_path / "house") as home:
        before = {row["kpi"]: row for row in read(dataclasses.replace(home, reference=None), "kpi_threshold")}
        home.reference = own
        after = {row["kpi"]: row for row in read(home, "kpi_threshold")}
    changed = after.pop("accounts_under_root")
    kept = before.pop("accounts_under_root")
    assert after == before
    bounds = {"green_min": None, "green_max": "3.00", "amber_min": None, "amber_max": "9.50"}
    assert changed == {**kept, **bounds}


def test_awkward_cells_are_read_as_they_were_checked(own: Path, tmp_path: Path) -> None:
    cells = [
        'with "quotes"',
        "two\nlines",
        "a, b",
        " blanks ",
        "’; drop table ref.budget; --",
        "#1",
        "\\",
        "NULL",
        "é🥝",
    ]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(FILES["tag_value_alias"].header)
    writer.writerows(["Stage", cell, "x"] for cell in cells)
    text = "\ufeff" + out.getvalue() + ",,\r\n\r\n"
    (own / "tag_value_alias.csv").write_text(text, encoding="utf-8", newline="")
    assert reference.problems(own) == []
    with begun(tmp_path / "house") as home:
        home.reference = own
        assert {row["alias"] for row in read(home, "tag_value_alias")} == set(cells)


@pytest.mark.parametrize("ends", [("\n", "\r\n"), ("\r\n", "\n"), ("\r", "\r")])
def test_quoted_line_breaks_are_read_whatever_ends_the_lines(own: Path, tmp_path: Path, ends: tuple[str, str]) -> None:
    cells = ["two\nlines", "two\r\nlines", "two\rlines", 'a "b", c']
    lines = [header("tag_value_alias").strip(), *(f'Stage,"{cell.replace(chr(34), chr(34) * 2)}",x' for cell in cells)]
    text = "".join(line + ends[number % 2] for number, line in enumerate([*lines, "", ",,"]))
    (own / "tag_value_alias.csv").write_text(text, encoding="utf-8", newline="")
    assert reference.problems(own) == []
    with begun(tmp_path / "house") as home:
        home.reference = own
        assert {row["alias"] for row in read(home, "tag_value_alias")} == set(cells)


# ---------------------------------------------------------------------------------------------- what is refused

WRONG: list[tuple[str, str, str]] = [
    ("budget", "Stage,prod,2026-11-01,12x,USD,,\n", "line 2, column amount: '12x' cannot be used; write a number"),
    ("budget", "Stage,prod,2026-11-02,1,USD,,\n", "line 2, column month: '2026-11-02' cannot be used; write the first"),
    ("budget", "Stage,prod,2026-11-01,1,usd,,\n", "line 2, column currency: 'usd' cannot be used"),
    ("budget", "Stage,prod,2026-11-01,,USD,,\n", "line 2, column amount: the cell is empty"),
    ("budget", "Stage,prod,2026-11-01,-1,USD,,\n", "line 2, column amount: '-1'"),
    ("budget", "Stage,prod,2026-11-01,1e3,USD,,\n", "line 2, column amount: '1e3'"),
    ("budget", "Stage,prod,2026-11-01,0.00000000001,USD,,\n", "line 2, column amount:"),
    ("budget", "Stage,prod,2026-11-01,1,USD,,\n" * 2, "line 3, columns scope, budget_name, month: line 2 has the same"),
    ("budget", "Stage,prod,2026-11-01,1,USD,\n", "line 2: 6 cells where the header has 7 columns"),
    ("fx_rate", "USD,NZD,guess,2026-11-01,1,x\n", "line 2, column kind: 'guess' cannot be used; write one of invoice"),
    ("fx_rate", "USD,NZD,spot,2026-02-30,1,x\n", "line 2, column valid_from: '2026-02-30'"),
    ("fx_rate", "USD,NZD,spot,20261130,1,x\n", "line 2, column valid_from: '20261130'"),
    ("fx_rate", "USD,NZD,spot,2026-11-01,0,x\n", "line 2, column rate: '0'"),
    ("fx_rate", "USD,NZD,spot,2026-11-01,NaN,x\n", "line 2, column rate: 'NaN'"),
    ("former_account", "12345678902,,\n", "line 2, column account_id: '12345678902'"),
    ("tag_key", "Owner,owner,true,\n", "line 2, column resource_column: 'owner'"),
    ("tag_key", "Owner,business_owner,yes,\n", "line 2, column is_cut_by_service: 'yes'"),
    ("approved_service", '"ram\n.amazonaws.com",network,\nx,home,\n', "line 4, column domain: 'home'"),
    ("accepted_finding", '"open,1\n', "this is no CSV with commas and double quotes"),
    ("accepted_finding", "a,b,c,d,2026-11-01,\r", "up to line 2 some lines end with a carriage return alone"),
]


@pytest.mark.parametrize(("name", "text", "why"), WRONG)
def test_a_wrong_cell_is_named_by_file_line_and_column(own: Path, name: str, text: str, why: str) -> None:
    (own / f"{name}.csv").write_text(header(name) + text, encoding="utf-8", newline="")
    (problem,) = reference.problems(own)
    assert f"{own / name}.csv" in problem and why in problem
    with pytest.raises(ReferenceFileError):
        reference.files(own)


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ("", "line 1: the header is missing; begin the file with account_id,left_date,note"),
        ("account_id,note\n", "line 1: the header lacks the column left_date; it must be account_id,left_date,note"),
        ("account,left_date,note\n", "lacks the column account_id and has the unknown column 'account'"),
        ("left_date,account_id,note\n", "has its columns in another order"),
        ("account_id;left_date;note\n", "lacks the column account_id, left_date, note"),
    ],
)
def test_a_wrong_header_is_named(own: Path, first: str, why: str) -> None:
    (own / "former_account.csv").write_text(first + "012345678901,,\n" * bool(first))
    (problem,) = reference.problems(own)
    assert why in problem


@pytest.mark.parametrize("above", ["\n", ",,\n", "\r\n\r\n", '"",,\n', "\ufeff\n"])
def test_a_line_above_the_header_is_refused(own: Path, above: str) -> None:
    text = above + header("approved_service") + RIGHT["approved_service"]
    (own / "approved_service.csv").write_text(text, encoding="utf-8", newline="")
    (problem,) = reference.problems(own)
    assert f"line {above.count(chr(10)) + 1}: the header must be line 1" in problem


def test_a_folder_or_a_name_that_means_nothing_is_refused(own: Path, tmp_path: Path) -> None:
    assert "is no folder: create it with `cmdb reference init" in reference.problems(tmp_path / "gone")[0]
    assert "inside the product's own folder" in reference.problems(SHIPPED_FOLDER)[0]
    (own / "budgets.csv").write_text("")
    (own / ".budget.csv").write_text("an editor's")
    (own / "notes.txt").write_text("ours")
    (problem,) = reference.problems(own)
    assert "budgets.csv: no table is read from a file of this name; rename it to budget.csv" in problem
    (own / "budgets.csv").rename(own / "budget.CSV")
    (problem,) = reference.problems(own)
    assert "budget.CSV: no table is read from a file of this name; rename it to budget.csv" in problem
    (own / "budget.CSV").rename(own / "budgets.csv")
    (own / "budgets.csv").write_bytes(b"\xff\xfe")
    (own / "budgets.csv").rename(own / "budget.csv")
    assert "no text in UTF-8" in reference.problems(own)[0]


def test_rows_that_stayed_in_the_products_file_are_reported_where_they_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "budget.csv").write_text(header("budget") + RIGHT["budget"])
    monkeypatch.setattr(reference_schema, "SHIPPED_FOLDER", tmp_path)
    (problem,) = reference.problems(None)
    assert f"{tmp_path / 'budget.csv'} holds rows of yours, and no run reads them there any more" in problem
    assert "set CMDB_REFERENCE to that folder" in problem and "git restore warehouse/ref/budget.csv" in problem


# ------------------------------------------------------------------------------------------------- the commands

Cmdb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cmdb(tmp_path: Path) -> Cmdb:
    def run(*arguments: str, folder: Path | None = None) -> tuple[int, str, str]:
        environment = {"CMDB_DATABASE": str(tmp_path / "house" / "cmdb.duckdb")}
        done = cmdb_here(environment | ({"CMDB_REFERENCE": str(folder)} if folder else {}), *arguments)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_folder_is_begun_and_nothing_in_it_is_written_over(cmdb: Cmdb, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "reference"
    folder.mkdir(parents=True)
    (folder / "budget.csv").write_text(header("budget") + RIGHT["budget"])
    code, said, _ = cmdb("reference", "init", str(folder))
    assert code == 0 and f"12 file(s) written to {folder}, 1 left as they were." in said
    assert f"Set CMDB_REFERENCE={folder}" in said
    assert {path.stem for path in folder.glob("*.csv")} == set(FILES)
    assert (folder / "budget.csv").read_text() == header("budget") + RIGHT["budget"]
    assert "| `is_cut_by_service` | yes | true or false |" in (folder / "README.md").read_text()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, said, _ = cmdb("reference", "init", folder=folder)
    assert code == 0 and "0 file(s) written" in said
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    # A folder that was only begun changes no table.
    code, said, _ = cmdb("reference", "check", folder=folder)
    assert (code, "12 reference file(s)" in said) == (0, True)
    (folder / "budget.csv").unlink()
    with begun(tmp_path / "a") as mine, begun(tmp_path / "b") as theirs:
        mine.reference, theirs.reference = folder, None
        for name in FILES:
            assert read(mine, name) == read(theirs, name), name


def test_no_folder_is_begun_where_the_product_is_or_without_a_name(cmdb: Cmdb) -> None:
    code, _, said = cmdb("reference", "init", str(SHIPPED_FOLDER / "mine"))
    assert code == 2 and "inside the product's own folder" in said and not (SHIPPED_FOLDER / "mine").exists()
    code, _, said = cmdb("reference", "init")
    assert code == 2 and "CMDB_REFERENCE is unset" in said


def test_all_problems_are_said_at_once_and_no_run_begins(cmdb: Cmdb, own: Path, tmp_path: Path) -> None:
    (own / "budget.csv").write_text(header("budget") + "Stage,,2026-11-01,x,USD,,\n")
    (own / "fx_rate.csv").write_text(header("fx_rate") + "USD,USD,spot,2026-11-01,none,\n")
    for command in (("reference", "check"), ("nightly",), ("preflight",)):
        code, out, said = cmdb(*command, folder=own)
        assert (code, out) == (2, ""), command
        first, *lines = said.splitlines()
        assert first == f"The reference files in {own} have 3 problems. Nothing was requested or changed."
        assert [line.partition(":")[0].rpartition("/")[2] for line in lines] == [
            "budget.csv, line 2, column budget_name",
            "budget.csv, line 2, column amount",
            "fx_rate.csv, line 2, column rate",
        ]
    assert not (tmp_path / "house").exists()


# ------------------------------------------------------------------------------------------------- whole runs


def test_a_file_that_became_wrong_stops_the_next_step_and_changes_nothing(
    truthful_night: Path, organisation: Simulator, tmp_path: Path, own: Path
) -> None:
    """A run that Dagster starts knows nothing of the command line."""
    database = copy_of(truthful_night, tmp_path)
    (own / "tag_key.csv").write_text("wrong\n")
    served = database.readlink()
    ended = run_night(organisation.env | {"CMDB_REFERENCE": str(own)}, database)
    assert not ended.published and ended.exit_code == 2
    assert any("tag_key.csv, line 1: the header lacks" in sentence for sentence in ended.sentences)
    assert database.readlink() == served
    assert not organisation.log()


@pytest.mark.large
def test_a_first_run_with_nothing_of_its_own_has_no_warning_and_no_rate_that_nobody_published(
    organisation: Simulator, tmp_path: Path
) -> None:
    database = tmp_path / "warehouse" / "cmdb.duckdb"
    environment = {
        name: value for name, value in organisation.env.items() if name not in ("CMDB_REFERENCE", "CMDB_CURRENCY")
    }
    ended = run_night(environment, database)
    assert ended.published, ended.sentences
    own = [name for name, file in FILES.items() if file.use == "own"]
    for name in own:
        assert query(database, f"select count(*) from ref.{name}") == [(0,)], name
    assert query(database, "select count(*) from cost.exchange_rate where is_example_rate") == [(0,)]
    assert query(database, "select distinct rate, rate_kind from cost.exchange_rate") == [(Decimal(1), "same_currency")]
    # What nobody has approved or named is not judged.
    assert dict(query(database, "select kpi, verdict from org.governance_kpi where value is null")) == {
        "accounts_without_owner_pct": None,
        "delegated_administrators_finance": None,
        "delegated_administrators_network": None,
        "delegated_administrators_security": None,
        "unapproved_services": None,
    }
    ours = ("example", "bc:", "ref.", "budget", "rate")
    assert [said for said in ended.warnings if any(word in said for word in ours)] == []
