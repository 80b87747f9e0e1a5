"""SQL files as tables: what their headers say, what they make of given answers, and how rows are replaced."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
from given import CASES, FIRST_NIGHT, MANAGEMENT, WORKLOAD, Given, House, build, built_file, cases, hours, house, rows
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nights import copy_of
from sqlglot import exp

from pipelines.catalogue.registry import listings
from pipelines.collection import landing
from pipelines.models import build as models_build
from pipelines.models import macros, parts
from pipelines.models.macros import RECORD
from pipelines.models.model import CELL_COLUMNS, RECORD_COLUMN, Model, ModelError, fingerprint, read_models
from pipelines.models.sql_files import read_header, reads
from pipelines.trust import outcomes
from resources.store.store import Store

if TYPE_CHECKING:
    from resources.aws.messages import Outcome

MODELS = read_models()
RESERVED = {"key", "materialized", "logs", "days", "in_parts_by", "owner", "resource", "relates", "rests_on"}
WITH_CASES = sorted(path.stem for path in CASES.glob("*.json"))

every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
IN_PARTS = [name for name, model in MODELS.items() if model.in_parts_by]


@pytest.mark.parametrize(("relation", "before"), [("stage.shared_account", "view"), ("stage.untagged_cost", "table")])
def test_a_view_of_an_earlier_release_becomes_a_table_and_the_other_way_round(
    blank_home: House, relation: str, before: str
) -> None:
    blank_home.execute(f"create {before} {relation} as select 'x' as account_id")
    blank_home.build(relation)
    assert blank_home.rows(f"from {relation}") == []


@pytest.mark.parametrize("relation", IN_PARTS)
def test_a_table_made_in_parts_has_the_rows_of_one_made_at_once(
    truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relation: str
) -> None:
    model = MODELS[relation]
    home = House(Store(copy_of(truthful_night, tmp_path)))
    key = model.key[0]
    keeps_what_is_gone = key.endswith("arn")
    # Each part reads the whole table: sixty-four take eight times as long and are split in no other way.
    monkeypatch.setattr(parts, "MOST_PARTS", 8)
    found = []
    with home.store.holding("in-parts", "a test", stays_attached=True):
        if keeps_what_is_gone:
            # What no response shows any more.
            gone = f"select * replace ({key} || '-gone' as {key}) from {relation}"
            home.execute(f"insert into {relation} by name {gone}")
        before = home.rows(f"from {relation} order by all")
        for rows_a_part in (10**9, 5):
            monkeypatch.setattr(Model, "rows_a_part", rows_a_part)
            with home.store.transaction() as connection:
                models_build.prepare(connection, queries=[model.query])
                models_build.build(connection, home.store, model)
            found.append(home.rows(f"from {relation} order by all"))
        at_once, in_parts = found
        assert in_parts == at_once
        assert not keeps_what_is_gone or at_once != before


def test_a_table_that_is_made_anew_keeps_its_columns_and_constraints(blank_home: House) -> None:
    declared = "select sql from duckdb_tables() where schema_name = 'cmdb' and table_name = 'resource'"
    blank_home.build("cmdb.resource")
    (once,) = blank_home.rows(declared)
    assert "arn VARCHAR NOT NULL" in once["sql"]
    build(blank_home.store, MODELS["cmdb.resource"])
    assert blank_home.rows(declared) == [once]
    with pytest.raises(duckdb.ConstraintException, match="resource_type"):
        blank_home.execute("insert into cmdb.resource by name select 'x' as arn")


def test_the_fingerprint_of_a_query_has_the_macros_that_it_calls_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(macro: str) -> set[str]:
        with monkeypatch.context() as patched:
            patched.setitem(macros._NAMED, macro, f"{macros._NAMED.get(macro, '')} -- changed")
            return {name for name, model in MODELS.items() if fingerprint(model) != before[name]}

    before = {name: fingerprint(model) for name, model in MODELS.items()}
    assert not changed("one_more")
    # By a macro that calls it, too.
    assert changed("aws_arn") < changed("aws_partition") < MODELS.keys()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    with house(tmp_path_factory.mktemp("empty"), working=built_file()) as made:
        return made.store


@dataclass
class Relation:
    """What an empty warehouse says of a relation.

    Attributes:
        yielded: the columns that a query of it has.
        comments: of the relation: one, where it is a table or a view and not both.
        columns: the comment of each.
    """

    yielded: list[str] = field(default_factory=list)
    comments: list[str | None] = field(default_factory=list)
    columns: dict[str, str | None] = field(default_factory=dict)


Described = Mapping[str, Relation]


@pytest.fixture(scope="module")
def described(empty: Store) -> Described:
    """Every relation by its name, read at once: opening the file for each case takes longer than the cases."""
    found: dict[str, Relation] = defaultdict(Relation)
    with empty.read() as connection:
        for schema, name, comment in connection.execute(
            """
            select schema_name, table_name, comment from duckdb_tables() where database_name = current_database()
            union all
            select schema_name, view_name, comment from duckdb_views() where database_name = current_database()
            """
        ).fetchall():
            found[f"{schema}.{name}"].comments.append(comment)
        for schema, name, column, comment in connection.execute(
            """
            select schema_name, table_name, column_name, comment from duckdb_columns()
            where database_name = current_database()
            """
        ).fetchall():
            found[f"{schema}.{name}"].columns[column] = comment
        for model in MODELS.values():
            named = connection.execute(f"describe {model.quoted}").fetchall()
            found[model.relation].yielded = [row[0] for row in named]
    return found


def instance(name: str, **other: Any) -> dict[str, Any]:
    """An instance as EC2 gives it, as far as a table needs it."""
    return {
        "OwnerId": WORKLOAD,
        "InstanceId": name,
        "State": {"Name": "running"},
        "LaunchTime": "2026-11-20T00:00:00+00:00",
        **other,
    }


def instances(*names: str, **cell: Any) -> Given:
    return Given("ec2_instance", [instance(name) for name in names], **cell)


def listed(home: House) -> dict[str, bool]:
    """Instances in the table, and whether they are stale."""
    rows = home.rows("select instance_id, is_stale from aws.ec2_instance order by all")
    assert len({row["instance_id"] for row in rows}) == len(rows), "a row stands in the table twice"
    return {row["instance_id"]: row["is_stale"] for row in rows}


def written(folder: Path, **files: str) -> Path:
    """A folder of SQL files, `org__account="select 1"` for `org/account.sql`."""
    for name, sql in files.items():
        path = folder / (name.replace("__", "/") + ".sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql, encoding="utf-8")
    return folder


# ---------------------------------------------------------------------------------------------------- headers


def test_a_header_is_a_description_then_names_with_text_that_may_go_on_over_lines() -> None:
    header = read_header(
        "-- One row per thing,\n-- and more: of it.\n-- key: a, b\n-- a: First, such as x: y\n--    and on.\n"
        "-- AWS: is no name, so it goes on.\n-- b:\nselect 1 -- c: is no header any more\n-- d: nor this\n"
    )
    assert header.description == "One row per thing, and more: of it."
    assert dict(header.entries) == {
        "key": "a, b",
        "a": "First, such as x: y and on. AWS: is no name, so it goes on.",
        "b": "",
    }


@every_model
def test_every_file_documents_the_columns_that_it_yields_and_no_other(model: Model, described: Described) -> None:
    yielded = described[model.relation].yielded
    # Of a table that is not collected, an owner is a column like any other.
    reserved = RESERVED if model.listings else RESERVED - {"owner"}
    named = [name for name in model.header.entries if name not in reserved]
    assert model.header.description, f"{model.relation} does not say what a row is"
    assert set(named) <= set(yielded)
    lineage = {*CELL_COLUMNS, *(RECORD_COLUMN if model.keeps_records else ())}
    assert set(yielded) - set(named) <= lineage, "only lineage and the record are documented once for all"
    assert all(model.header.entries.values()), "a column without a word about it"


@every_model
def test_every_file_names_its_key_or_says_why_it_has_none(model: Model) -> None:
    assert model.key or "no key" in model.header.description.lower()
    assert set(model.key) <= set(model.columns)


@every_model
def test_every_relation_and_column_of_an_empty_warehouse_carries_its_comment(
    model: Model, described: Described
) -> None:
    found = described[model.relation]
    assert found.comments == [model.header.description]
    assert found.columns == {name: model.columns[name] for name in found.yielded}
    assert all(found.columns.values())


def test_no_relation_of_the_warehouse_is_without_a_comment(empty: Store) -> None:
    with empty.read() as connection:
        silent = connection.execute(
            """
            select schema_name || '.' || table_name, column_name from duckdb_columns()
            where database_name = current_database() and not internal and coalesce(comment, '') = ''
            """
        ).fetchall()
        built = {
            f"{schema}.{name}"
            for schema, name in connection.execute(
                """
                select table_schema, table_name from information_schema.tables
                where table_catalog = current_database() and table_schema <> 'audit'
                """
            ).fetchall()
        }
    assert silent == []
    # Beside the models audit has the tables of the migrations.
    assert built == {name for name in MODELS if not name.startswith("audit.")}, (
        "a table without its SQL file, or a SQL file that makes none"
    )


def test_no_view_says_which_ctes_are_held_in_memory() -> None:
    """The file, which DuckDB 1.4 can read too, does not keep that of a view: it would hold only in this text."""
    hints = {
        model.relation
        for model in MODELS.values()
        if model.materialized == "view"
        for cte in sqlglot.parse_one(model.sql, dialect="duckdb").find_all(exp.CTE)
        if cte.args.get("materialized") is not None
    }
    assert hints == set()


# ------------------------------------------------------------------------------------------------ dependencies


@every_model
def test_the_dependencies_found_are_what_duckdb_itself_reads_out_of_the_query(model: Model) -> None:
    with duckdb.connect() as connection:
        row = connection.execute("select json_serialize_sql($sql::varchar)", {"sql": model.sql}).fetchone()
    assert row is not None
    tree = json.loads(row[0])
    assert tree["error"] is False
    # Tables without a schema are the query's own, and those that `build` prepares: landed_cell, incoming.
    assert model.uses == {
        f"{node['schema_name']}.{node['table_name']}"
        for node in nodes(tree)
        if node.get("type") == "BASE_TABLE" and node["schema_name"]
    }
    assert list(model.listings) == re.findall(r"landing\(\s*'(\w+)'", model.sql)


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document."""
    if isinstance(tree, dict):
        yield tree
    for branch in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(branch)


@every_model
def test_every_file_comes_after_what_it_reads_and_rests_on_the_listings_of_that(model: Model) -> None:
    order = list(MODELS)
    expected = set(model.listings)
    for name in model.uses & MODELS.keys() - {model.relation}:
        assert order.index(name) < order.index(model.relation)
        expected |= MODELS[name].sources
    assert model.sources == expected
    assert model.sources <= listings().keys()


@every_model
def test_every_relation_that_a_file_reads_is_there(model: Model, empty: Store) -> None:
    with empty.read() as connection:
        for name in model.uses:
            connection.execute(f"describe {name}")


def test_what_a_query_reads_is_found_in_joins_subqueries_and_under_names_of_its_own() -> None:
    found = reads(
        """
        with org as (select * from stage.one as org), "Odd" as (select 1)
        select *, (select max(x) from stage."two") from landing('a', 'STRUCT(Id VARCHAR)') as l
        join landing('b', 'STRUCT(Id VARCHAR)') using (x) join org on true
        where exists (select 1 from audit.coverage) and not exists (from cost.daily)
        -- from stage.comment
        union all select 'from stage.text', * from landing('a', 'STRUCT(Id VARCHAR)')
        """
    )
    assert found.relations == {"stage.one", "stage.two", "audit.coverage", "cost.daily"}
    assert found.listings == ("a", "b")


def test_files_that_depend_on_each_other_in_a_circle_are_refused_by_name(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        stage__apart="select 1 as a",
        org__one="select * from org.two",
        org__two="select * from cmdb.three",
        cmdb__three="select * from org.one",
    )
    with pytest.raises(ModelError) as refused:
        read_models(folder)
    assert str(refused.value) == ("These SQL files depend on each other in a circle: cmdb.three, org.one, org.two.")


def test_a_file_may_read_its_own_rows_of_the_run_before(tmp_path: Path) -> None:
    folder = written(tmp_path, cmdb__one="-- One.\n-- materialized: full_from_previous\nselect * from cmdb.one")
    assert list(read_models(folder)) == ["cmdb.one"]


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("select from where", id="nonsense"),
        pytest.param("select 'open", id="a quote that is not closed"),
        pytest.param("-- Only words.", id="no query"),
        pytest.param("select 1 as a; select 2 as b", id="two queries"),
        pytest.param("select * from landing()", id="a landing without a listing"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path, sql: str) -> None:
    with pytest.raises(ModelError, match=r"^warehouse/org/broken\.sql "):
        read_models(written(tmp_path, org__broken=sql))


def test_an_unknown_materialisation_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    folder = written(tmp_path, org__odd="-- Odd.\n-- materialized: incremental\nselect 1 as a")
    with pytest.raises(ModelError) as refused:
        _ = read_models(folder)["org.odd"].materialized
    assert str(refused.value) == (
        "warehouse/org/odd.sql: materialized: incremental is unknown; "
        "write one of incremental_by_cell, append_by_cell, full, full_from_previous, scd_type_2, log, view."
    )


# ------------------------------------------------------------------------------- given answers, expected rows

CASE_LIST = [(name, case) for name in WITH_CASES for case in cases(name)]


@pytest.mark.parametrize(("relation", "case"), CASE_LIST, ids=[f"{name}: {case['name']}" for name, case in CASE_LIST])
def test_given_responses_become_the_expected_rows(relation: str, case: dict[str, Any], blank_home: House) -> None:
    blank_home.night("night-1", [Given(**cell) for cell in case["given"]])
    blank_home.build(relation)
    model = blank_home.models[relation]
    found = blank_home.rows(f"select * from {model.quoted} order by {', '.join(model.key)}")
    shown = [{name: row[name] for name in expected} for row, expected in zip(found, case["expect"], strict=True)]
    assert shown == case["expect"]
    if model.keeps_records or RECORD in model.header.entries:
        given = [record for cell in case["given"] for record in cell.get("records", [])]
        assert all(_is_of(json.loads(row[RECORD]), given) for row in found)


LISTS_OF_PARENTS = ("FunctionUrlConfigs", "Aliases", "Targets", "AllowedPrincipals")
"""Fields of a record that is the page of a parent, each entry of which is a row."""


def _is_of(record: Any, given: list[Any]) -> bool:
    """Whether it is a record as it was given, or an entry of the list that is one of its parent."""
    return record in given or any(record in of.get(name, []) for of in given for name in LISTS_OF_PARENTS)


def test_every_collected_table_has_given_rows_and_every_column_is_expected_with_a_value() -> None:
    """A new SQL file comes with a data file below tests/cases, a new column with a value in it."""
    missing = []
    for model in MODELS.values():
        if model.materialized in ("incremental_by_cell", "append_by_cell"):
            expected = {
                name
                for case_of, case in CASE_LIST
                if case_of == model.relation
                for row in case["expect"]
                for name, value in row.items()
                if value is not None
            }
            missing += [f"{model.relation}.{name}" for name in model.columns if name not in {*expected, RECORD}]
    assert missing == []


def test_seeds_hold_what_their_files_hold_and_name_listings_of_the_catalogue(blank_home: House) -> None:
    blank_home.build("ref.service_listing")
    found = blank_home.rows("select * from ref.service_listing")
    assert {
        "service": "Amazon Elastic Compute Cloud - Compute",
        "listing": "ec2_instance",
        "is_witness": True,
        "explains_rest": True,
        "witness_from": None,
    } in found
    assert {row["listing"] for row in found} <= listings().keys()


def test_a_warehouse_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    with house(tmp_path / "a [b] {c} * '\" ō", blank=False) as home:
        home.night("night-1", [instances("i-1")])
        home.build("aws.ec2_instance")
        assert listed(home) == {"i-1": False}


def test_the_same_record_in_two_cells_stands_twice_and_breaks_the_key(blank_home: House) -> None:
    """The pages of two regions never hold one instance: were it so, the rule `key_is_unique` says it."""
    blank_home.night("night-1", [instances("i-1", region="us-east-1"), instances("i-1", "i-1", region="us-east-2")])
    blank_home.build("aws.ec2_instance")
    found = blank_home.rows("select arn, count(*) as n from aws.ec2_instance group by all order by all")
    assert [row["n"] for row in found] == [1, 2]


# ------------------------------------------------------------------------------------- replaced cell by cell


@pytest.mark.parametrize("outcome", ["empty_unconfirmed", "empty_suspect", "denied", "wrong_account", "failed"])
def test_a_cell_that_is_not_trusted_keeps_its_rows_stale(blank_home: House, outcome: Outcome) -> None:
    blank_home.night("night-1", [instances("i-1", "i-2"), instances("i-9", region="us-east-1")])
    blank_home.build("aws.ec2_instance")
    blank_home.night(
        "night-2",
        [Given("ec2_instance", outcome=outcome), instances("i-8", region="us-east-1")],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-1": True, "i-2": True, "i-8": False}
    kept = blank_home.rows("select distinct run_id, collected_at from aws.ec2_instance where is_stale")
    assert kept == [{"run_id": "night-1", "collected_at": "2026-11-24T14:00:00Z"}]
    blank_home.night("night-3", [instances("i-2")], FIRST_NIGHT + hours(48))
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-2": False, "i-8": False}


@pytest.mark.parametrize("reason", ["no_longer_asked", "no_profile", "account_suspended", "region_not_enabled"])
def test_a_question_that_was_not_requested_keeps_the_rows_stale(blank_home: House, reason: str) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("aws.ec2_instance")
    blank_home.night(
        "night-2",
        [Given("ec2_instance", outcome="skipped", skip_reason=reason)],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-1": True}


@pytest.mark.parametrize("reason", sorted(outcomes.RETIRING))
def test_a_question_that_was_not_requested_because_its_cause_is_gone_removes_the_rows(
    blank_home: House, reason: str
) -> None:
    blank_home.night("night-1", [instances("i-1"), instances("i-9", region="us-east-1")])
    blank_home.build("aws.ec2_instance")
    blank_home.night(
        "night-2",
        [Given("ec2_instance", outcome="skipped", skip_reason=reason), instances("i-9", region="us-east-1")],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-9": False}


@pytest.mark.parametrize("pruned", [False, True], ids=["landing kept", "landing pruned"])
def test_rows_that_went_with_their_account_do_not_come_back_without_a_response(blank_home: House, pruned: bool) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("cmdb.resource")
    blank_home.night(
        "night-2",
        [Given("ec2_instance", outcome="skipped", skip_reason="account_left")],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("cmdb.resource")
    if pruned:
        shutil.rmtree(blank_home.store.landing / "night-1")
    blank_home.night("night-3", [Given("ec2_instance", outcome="denied")], FIRST_NIGHT + hours(48))
    blank_home.build("cmdb.resource")
    assert listed(blank_home) == {}
    assert blank_home.rows("select status, retired_reason from cmdb.resource") == [
        {"status": "retired", "retired_reason": "account_left"}
    ]


def test_a_response_without_records_that_is_trusted_removes_the_rows(blank_home: House) -> None:
    blank_home.night("night-1", [instances("i-1"), instances("i-9", region="us-east-1")])
    blank_home.build("aws.ec2_instance")
    blank_home.night("night-2", [Given("ec2_instance", outcome="empty_verified")], FIRST_NIGHT + hours(24))
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-9": False}


def test_a_zero_that_somebody_accepted_removes_the_rows_and_they_stay_away(blank_home: House) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("aws.ec2_instance")
    blank_home.night(
        "night-2", [Given("ec2_instance", outcome="empty_suspect", accepted=True)], FIRST_NIGHT + hours(24)
    )
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {}
    blank_home.night("night-3", [Given("ec2_instance", outcome="empty_suspect")], FIRST_NIGHT + hours(48))
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {}
    blank_home.night("night-4", [Given("ec2_instance", outcome="denied")], FIRST_NIGHT + hours(72))
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {}, "the newest trusted answer is the accepted zero, not the one before it"


def test_the_newest_trusted_response_counts_even_when_it_was_never_loaded_and_a_newer_one_is_not_trusted(
    blank_home: House,
) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("aws.ec2_instance")
    blank_home.night("night-2", [instances("i-2")], FIRST_NIGHT + hours(24))
    blank_home.night("night-3", [Given("ec2_instance", outcome="failed")], FIRST_NIGHT + hours(48))
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-2": True}


def test_rows_outlive_the_landing_that_they_came_in(blank_home: House) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("aws.ec2_instance")
    for number in range(2, 6):
        blank_home.night(
            f"night-{number}",
            [instances(f"i-{number}", region="us-east-1")],
            FIRST_NIGHT + hours(24 * number),
        )
        blank_home.build("aws.ec2_instance")
        landing.prune(blank_home.store.landing, keep=2)
    assert not (blank_home.store.landing / "night-1").exists()
    assert listed(blank_home) == {"i-1": False, "i-5": False}
    blank_home.night("night-6", [Given("ec2_instance", outcome="denied")], FIRST_NIGHT + hours(24 * 6))
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-1": True, "i-5": False}


def test_a_record_may_be_longer_than_duckdb_takes_by_itself(blank_home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is reserved for the longest line that there is, not for the longest that may be landed."""
    whole = instances("i-1")
    long = [{**record, "StateTransitionReason": "x" * (33 << 20)} for record in whole.records]
    blank_home.night("night-1", [dataclasses.replace(whole, records=long)])
    with monkeypatch.context() as patched:
        patched.setattr(models_build, "longest_line", lambda path: 1 << 24)
        with pytest.raises(ModelError, match="maximum_object_size"):
            blank_home.build("aws.ec2_instance")
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {"i-1": False}


def test_a_trusted_zero_removes_rows_even_when_its_landing_is_gone(blank_home: House) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("aws.ec2_instance")
    blank_home.night("night-2", [Given("ec2_instance", outcome="empty_verified")], FIRST_NIGHT + hours(24))
    shutil.rmtree(blank_home.store.landing / "night-2")
    blank_home.build("aws.ec2_instance")
    assert listed(blank_home) == {}


@pytest.mark.large
def test_building_again_from_the_same_landing_changes_nothing(blank_home: House) -> None:
    blank_home.night("night-1", [instances("i-1", "i-2"), *bill(("2026-11-01", "A", "1"))])
    blank_home.build(*blank_home.models)
    before = everything(blank_home)
    blank_home.build(*blank_home.models)
    blank_home.build("cmdb.resource", "cost.daily")
    after = everything(blank_home)
    assert {name: after[name] for name in before} == before


def test_a_column_that_a_query_gains_is_added_and_documented(blank_home: House) -> None:
    blank_home.night("night-1", [instances("i-1"), instances("i-9", region="us-east-1")])
    blank_home.build("aws.ec2_instance")
    model = blank_home.models["aws.ec2_instance"]
    sql = model.sql.replace(
        "item.InstanceId as instance_id,", 'item.InstanceId as instance_id, 7 as "a ""b", true as c,'
    )
    entries = {**model.header.entries, 'a "b': "It's new.", "c": "So is this."}
    blank_home.models["aws.ec2_instance"] = dataclasses.replace(
        model, sql=sql, header=dataclasses.replace(model.header, entries=entries)
    )
    blank_home.night("night-2", [Given("ec2_instance", outcome="denied")], FIRST_NIGHT + hours(24))
    blank_home.night("night-3", [instances("i-8", region="us-east-1")], FIRST_NIGHT + hours(24))
    shutil.rmtree(blank_home.store.landing / "night-1")
    blank_home.build("aws.ec2_instance")
    assert blank_home.rows('select instance_id, is_stale, "a ""b" as a, c from aws.ec2_instance order by all') == [
        {"instance_id": "i-1", "is_stale": True, "a": None, "c": None},
        {"instance_id": "i-8", "is_stale": False, "a": 7, "c": True},
    ]
    said = blank_home.rows("select column_name, comment from duckdb_columns() where table_name = 'ec2_instance'")
    assert {"column_name": 'a "b', "comment": "It's new."} in said


def test_a_column_that_a_query_gives_as_another_type_is_refused_and_nothing_changes(blank_home: House) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("aws.ec2_instance")
    before = everything(blank_home)
    model = blank_home.models["aws.ec2_instance"]
    blank_home.models["aws.ec2_instance"] = dataclasses.replace(
        model, sql=model.sql.replace("item.InstanceType as instance_type", "42 as instance_type, 1 as new_one")
    )
    blank_home.night("night-2", [instances("i-2")], FIRST_NIGHT + hours(24))
    with pytest.raises(ModelError) as refused:
        blank_home.build("aws.ec2_instance")
    assert str(refused.value) == (
        "warehouse/aws/ec2_instance.sql gives instance_type as INTEGER, but the table holds VARCHAR. "
        "Nothing was changed. Cast it in the query, or write a migration."
    )
    assert everything(blank_home)["aws.ec2_instance"] == before["aws.ec2_instance"]


def spoiled_record(home: House) -> None:
    """A landed line that is no instance."""
    home.night("night-2", [Given("ec2_instance", [instance("i-2", LaunchTime="yesterday")])], FIRST_NIGHT + hours(24))


def spoiled_file(home: House) -> None:
    """A landing that somebody cut off in the middle of a line."""
    home.night("night-2", [instances("i-2", "i-3")], FIRST_NIGHT + hours(24))
    path = landing.records_path(home.store.landing, "night-2", "ec2_instance")
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("spoil", [spoiled_record, spoiled_file], ids=["a record", "a file"])
def test_a_failure_in_the_middle_leaves_the_table_as_it_was(blank_home: House, spoil: Callable[[House], None]) -> None:
    blank_home.night("night-1", [instances("i-1")])
    blank_home.build("aws.ec2_instance")
    before = everything(blank_home)["aws.ec2_instance"]
    spoil(blank_home)
    with pytest.raises(ModelError) as failed:
        blank_home.build("aws.ec2_instance")
    assert str(failed.value).startswith("warehouse/aws/ec2_instance.sql ")
    assert "records.ndjson" in str(failed.value)
    assert "ignore_errors" not in str(failed.value), "DuckDB's advice would lose rows"
    assert everything(blank_home)["aws.ec2_instance"] == before


def test_a_log_that_fails_leaves_the_table_and_the_log_as_they_were(blank_home: House) -> None:
    blank_home.night("night-1", bill(("2026-11-01", "A", "1")))
    blank_home.build("cost.daily")
    before = everything(blank_home)
    log = blank_home.models["cost.restatement"]
    blank_home.models["cost.restatement"] = dataclasses.replace(log, sql=f"{log.sql} and error('broken log') is null")
    blank_home.night("night-2", bill(("2026-11-01", "A", "2")), FIRST_NIGHT + hours(24))
    with pytest.raises(ModelError, match="broken log"):
        blank_home.build("cost.daily")
    after = everything(blank_home)
    assert {name: after[name] for name in ("cost.daily", "cost.restatement")} == {
        name: before[name] for name in ("cost.daily", "cost.restatement")
    }


def everything(home: House) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that is there, sorted."""
    with home.store.read() as connection:
        names = rows(
            connection,
            """
            select table_schema || '.' || table_name as name from information_schema.tables
            where table_catalog = current_database() and table_schema <> 'audit' order by all
            """,
        )
        return {row["name"]: sorted(rows(connection, f"select * from {row['name']}"), key=repr) for row in names}


# ------------------------------------------------------------------------------- what stands is not read again


def test_only_rows_of_one_record_each_are_left_standing() -> None:
    """Where a row is of several records, of records of other tables or of other accounts, all must be read together."""
    accumulated = [model for model in MODELS.values() if model.materialized == "append_by_cell"]
    assert {model.relation for model in accumulated} == {
        "cost.daily",
        "cost.export_line",
        "stage.cost_tag_service_daily",
    }
    for model in accumulated:
        assert len(model.listings) == 1
        assert (model.uses, model.owner) == (frozenset(), "")
        query = sqlglot.parse_one(model.sql, dialect="duckdb")
        assert list(query.find_all(exp.Join, exp.Group, exp.Window, exp.Distinct, exp.AggFunc, exp.Subquery)) == []


def standing(home: House) -> list[tuple[str, str, str]]:
    """Day, amount and run of each row of the bill."""
    rows = home.rows("select usage_date, unblended_cost, run_id from cost.daily order by all")
    return [(row["usage_date"], row["unblended_cost"], row["run_id"]) for row in rows]


def two_months(home: House) -> None:
    """October and November are loaded; then what was landed of them cannot be read any more."""
    home.night("night-1", [*bill(("2026-10-31", "A", "1"), month="2026-10"), *bill(("2026-11-01", "A", "2"))])
    home.build("cost.daily")
    landing.records_path(home.store.landing, "night-1", "cost_daily").write_text("no record")


def test_a_month_that_stands_is_not_read_again(blank_home: House) -> None:
    two_months(blank_home)
    blank_home.night("night-2", bill(("2026-11-01", "A", "3")), FIRST_NIGHT + hours(24))
    for _ in range(2):
        blank_home.build("cost.daily")
        assert standing(blank_home) == [
            ("2026-10-31", "1.0000000000", "night-1"),
            ("2026-11-01", "3.0000000000", "night-2"),
        ]
        assert restated(blank_home) == [("2026-11-01", "A", "2.0000000000", "3.0000000000", "night-2")]


def test_another_query_reads_everything_again(blank_home: House) -> None:
    two_months(blank_home)
    model = blank_home.models["cost.daily"]
    blank_home.models["cost.daily"] = dataclasses.replace(model, sql=f"{model.sql} where true")
    with pytest.raises(ModelError, match=r"records\.ndjson"):
        blank_home.build("cost.daily")


def test_rows_of_a_query_that_nobody_remembers_are_read_again(blank_home: House) -> None:
    """A warehouse that an earlier version of the product built."""
    two_months(blank_home)
    blank_home.execute("update audit.relation_build set query_sha256 = null")
    with pytest.raises(ModelError, match=r"records\.ndjson"):
        blank_home.build("cost.daily")


def test_a_month_that_was_requested_again_in_its_run_is_read_again(blank_home: House) -> None:
    two_months(blank_home)
    blank_home.night("night-1", bill(("2026-11-01", "A", "4")), FIRST_NIGHT + hours(1))
    blank_home.build("cost.daily")
    assert standing(blank_home) == [
        ("2026-10-31", "1.0000000000", "night-1"),
        ("2026-11-01", "4.0000000000", "night-1"),
    ]


def test_rows_that_are_lost_are_read_again(blank_home: House) -> None:
    blank_home.night("night-1", bill(("2026-11-01", "A", "2")))
    blank_home.build("cost.daily")
    before = everything(blank_home)["cost.daily"]
    blank_home.execute("delete from cost.daily")
    blank_home.build("cost.daily")
    assert everything(blank_home)["cost.daily"] == before


# ------------------------------------------------------------------------ any nights whatever (a property)


@dataclass(frozen=True)
class Event:
    """What one night brings to one cell."""

    outcome: Outcome
    count: int = 0
    skip_reason: str | None = None
    accepted: bool = False


NOTHING = None
FOUND = Event("found", 2)
EMPTY = Event("empty_verified")
SUSPECT = Event("empty_suspect")
ACCEPTED = Event("empty_suspect", accepted=True)
DENIED = Event("denied")
NOT_ASKED = Event("skipped", skip_reason="no_profile")
LEFT = Event("skipped", skip_reason="account_left")
KINDS = (NOTHING, FOUND, EMPTY, SUSPECT, ACCEPTED, DENIED, NOT_ASKED, LEFT)

History = tuple[Event | None, ...]
"""What every night brings to one cell; None where it says nothing of it."""


@dataclass(frozen=True)
class Plan:
    """What becomes of each night: whether its models are built, and whether older landings go afterwards.

    The last night is always built. Only a night that published, and so has built, forgets landings.
    """

    built: tuple[bool, ...]
    pruned: tuple[bool, ...]


def believed(history: History) -> tuple[list[str], bool]:
    """The instances of a cell's newest answer that can be believed, and whether they are stale: the rule in words.

    An accepted zero, and every later one until something is found, can be believed; so can it that an account left.
    """
    names: list[str] = []
    accepted = stale = False
    for number, event in enumerate(history):
        if event is None:
            continue
        if event.outcome == "found":
            names, accepted, stale = [f"{number}-{n}" for n in range(event.count)], False, False
            continue
        accepted = accepted or event.accepted
        if (
            event.outcome == "empty_verified"
            or event.skip_reason == "account_left"
            or (event.outcome == "empty_suspect" and accepted)
        ):
            names, stale = [], False
        else:
            stale = True
    return names, stale


def lived(
    folder: Path, histories: Sequence[History], plan: Plan, materialized: str
) -> dict[History, list[tuple[str, bool]]]:
    """What the table holds of each cell after all nights, where it is not what can be believed."""
    cells = {f"{number:012}": history for number, history in enumerate(histories)}
    with house(folder) as home:
        model = home.models["aws.ec2_instance"]
        header = dataclasses.replace(model.header, entries={**model.header.entries, "materialized": materialized})
        home.models["aws.ec2_instance"] = dataclasses.replace(model, header=header)
        for number, (built, pruned) in enumerate(zip(plan.built, plan.pruned, strict=True)):
            home.night(
                f"night-{number}",
                [
                    Given(
                        "ec2_instance",
                        [instance(f"{number}-{n}", OwnerId=owner) for n in range(event.count)],
                        event.outcome,
                        account_id=owner,
                        skip_reason=event.skip_reason,
                        accepted=event.accepted,
                    )
                    for owner, history in cells.items()
                    if (event := history[number]) is not None
                ],
                FIRST_NIGHT + hours(24 * number),
            )
            if built or number == len(plan.built) - 1:
                home.build("aws.ec2_instance")
                if pruned:
                    landing.prune(home.store.landing, keep=1)
        rows = home.rows("select account_id, instance_id, is_stale from aws.ec2_instance order by all")
    found: dict[str, list[tuple[str, bool]]] = {owner: [] for owner in cells}
    for row in rows:
        found[row["account_id"]].append((row["instance_id"], row["is_stale"]))
    wrong = {}
    for owner, history in cells.items():
        names, stale = believed(history)
        if found[owner] != [(name, stale) for name in names]:
            wrong[history] = found[owner]
    return wrong


@pytest.mark.large
@pytest.mark.parametrize("materialized", ["incremental_by_cell", "append_by_cell"])
@pytest.mark.parametrize("pruned", [False, True], ids=["landings kept", "landings pruned"])
@pytest.mark.parametrize(
    "built",
    [(True, True, True), (False, False, True), (True, False, True)],
    ids=["every night built", "the last night built", "the first and the last night built"],
)
def test_after_any_three_runs_a_cell_holds_the_records_of_its_newest_trusted_response(
    built: tuple[bool, ...], pruned: bool, materialized: str, tmp_path: Path
) -> None:
    """Every history of three nights there is: 512 cells, side by side in one warehouse."""
    histories = list(itertools.product(KINDS, repeat=3))
    assert lived(tmp_path, histories, Plan(built, (pruned,) * 3), materialized) == {}


@st.composite
def many_nights(draw: st.DrawFn) -> tuple[list[History], Plan]:
    """Some cells, each with a history of its own, over four to seven nights."""
    count = draw(st.integers(4, 7))
    found = st.integers(1, 3).map(lambda number: Event("found", number))
    event = st.one_of(st.sampled_from(KINDS), st.sampled_from([Event("failed"), Event("wrong_account")]), found)
    history = st.lists(event, min_size=count, max_size=count).map(tuple)
    flags = st.lists(st.booleans(), min_size=count, max_size=count).map(tuple)
    cells = draw(st.sampled_from([1, 2, 30]))
    histories = draw(st.lists(history, min_size=cells, max_size=cells))
    return histories, Plan(draw(flags), draw(flags))


@pytest.mark.large
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(many_nights(), st.sampled_from(["incremental_by_cell", "append_by_cell"]))
def test_whatever_the_runs_bring_a_cell_holds_the_records_of_its_newest_trusted_response(
    tmp_path_factory: pytest.TempPathFactory, nights: tuple[list[History], Plan], materialized: str
) -> None:
    folder = tmp_path_factory.mktemp("nights")
    assert lived(folder, *nights, materialized) == {}
    shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------- cmdb.resource


def item(home: House, name: str = "i-1") -> dict[str, Any]:
    """One configuration item."""
    (found,) = home.rows("select * from cmdb.resource where resource_id = $name", {"name": name})
    return found


def night(home: House, number: float, *cells: Given) -> None:
    """Land and build the night that begins `number` hours after the first."""
    home.night(f"night-{number}", cells, FIRST_NIGHT + hours(number))
    home.build("cmdb.resource")


def test_a_resource_is_active_from_the_run_that_first_finds_it(home: House) -> None:
    tags = [
        {"Key": "Name", "Value": "web-1"},
        {"Key": "bc:business-service", "Value": "Payments"},
        {"Key": "bc:business-owner", "Value": "O'Brien"},
        {"Key": "bc:cost-centre", "Value": "0042"},
        {"Key": "bc:capability", "Value": ""},
        {"Key": "bc:environment", "Value": "prod"},
        {"Key": "bc:project", "Value": "Ōtautahi"},
    ]
    record = instance("i-1", Tags=tags, InstanceType="m7g.large", Placement={"AvailabilityZone": "ap-southeast-2a"})
    night(home, 0, Given("ec2_instance", [record, instance("i-2")]))
    night(home, 24, Given("ec2_instance", [record, instance("i-2")]))
    found = item(home)
    assert '"instance_type":"m7g.large"' in found.pop("attributes")
    assert found == {
        "arn": f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:instance/i-1",
        "resource_type": "AWS::EC2::Instance",
        "resource_id": "i-1",
        "name": "web-1",
        "account_id": WORKLOAD,
        "region": "ap-southeast-2",
        "availability_zone": "ap-southeast-2a",
        "state": "running",
        "created_at": "2026-11-20T00:00:00Z",
        "tags": {tag["Key"]: tag["Value"] for tag in tags},
        "business_service": "Payments",
        "business_owner": "O'Brien",
        "cost_centre": "0042",
        "capability": None,
        "environment": "prod",
        "project": "Ōtautahi",
        "owner_source": "resource tag",
        "tags_source": "ec2_instance",
        "discovered_by": "listing",
        "replaced_at": None,
        "first_seen_at": "2026-11-24T14:00:00Z",
        "last_seen_at": "2026-11-25T14:00:00Z",
        "missing_since": None,
        "retired_at": None,
        "retired_reason": None,
        "status": "active",
        "is_stale": False,
        "run_id": "night-24",
        "listing": "ec2_instance",
        "role": "workload",
        "caller_account_id": WORKLOAD,
        "cell_region": "ap-southeast-2",
        "collected_at": "2026-11-25T14:00:00Z",
    }
    assert {name: item(home, "i-2")[name] for name in ("owner_source", "business_owner", "tags", "name")} == {
        "owner_source": "none",
        "business_owner": None,
        "tags": {},
        "name": None,
    }


def states(home: House, name: str = "i-1") -> tuple[str, str | None, str | None, str | None, bool]:
    """Status, missing since, retired at, why, stale."""
    found = item(home, name)
    return (
        found["status"],
        found["missing_since"],
        found["retired_at"],
        found["retired_reason"],
        found["is_stale"],
    )


def test_a_resource_is_missing_by_one_trusted_response_and_retired_by_another_twelve_hours_later(
    home: House,
) -> None:
    night(home, 0, instances("i-1", "i-2"))
    night(home, 24, instances("i-2"))
    assert states(home) == ("missing", "2026-11-25T14:00:00Z", None, None, False)
    night(home, 35, instances("i-2"))
    assert states(home) == ("missing", "2026-11-25T14:00:00Z", None, None, False), "eleven hours are too few"
    night(home, 36, instances("i-2"))
    assert states(home) == ("retired", "2026-11-25T14:00:00Z", "2026-11-26T02:00:00Z", "not_found", False)
    night(home, 60, instances("i-2"))
    assert states(home) == ("retired", "2026-11-25T14:00:00Z", "2026-11-26T02:00:00Z", "not_found", False)
    assert item(home)["last_seen_at"] == "2026-11-24T14:00:00Z"
    assert item(home)["run_id"] == "night-0"
    assert states(home, "i-2") == ("active", None, None, None, False)


@pytest.mark.large
def test_building_a_run_again_makes_nothing_retire(home: House) -> None:
    night(home, 0, instances("i-1", "i-2"))
    night(home, 24, instances("i-2"))
    for _ in range(3):
        home.build("cmdb.resource")
    assert states(home) == ("missing", "2026-11-25T14:00:00Z", None, None, False)


@pytest.mark.large
def test_responses_that_are_not_trusted_make_nothing_missing_and_nothing_retired(home: House) -> None:
    night(home, 0, instances("i-1", "i-2"))
    night(home, 24, Given("ec2_instance", outcome="empty_suspect"))
    assert states(home) == ("active", None, None, None, True)
    night(home, 48, instances("i-2"))
    assert states(home) == ("missing", "2026-11-26T14:00:00Z", None, None, False)
    night(home, 72, Given("ec2_instance", outcome="denied"))
    assert states(home) == ("missing", "2026-11-26T14:00:00Z", None, None, True), "a refusal is no second answer"
    assert states(home, "i-2") == ("active", None, None, None, True)
    night(home, 96, Given("ec2_instance", outcome="empty_verified"))
    assert states(home) == ("retired", "2026-11-26T14:00:00Z", "2026-11-28T14:00:00Z", "not_found", False)
    assert states(home, "i-2") == ("missing", "2026-11-28T14:00:00Z", None, None, False)


@pytest.mark.large
def test_a_resource_that_returns_is_active_and_keeps_the_day_on_which_it_was_first_seen(home: House) -> None:
    night(home, 0, instances("i-1"))
    night(home, 24, Given("ec2_instance", outcome="empty_verified"))
    night(home, 48, instances("i-1"))
    assert states(home) == ("active", None, None, None, False)
    night(home, 72, Given("ec2_instance", outcome="empty_verified"))
    night(home, 96, Given("ec2_instance", outcome="empty_verified"))
    assert states(home)[0] == "retired"
    night(home, 120, instances("i-1"))
    assert states(home) == ("active", None, None, None, False)
    assert item(home)["first_seen_at"] == "2026-11-24T14:00:00Z"
    assert item(home)["last_seen_at"] == "2026-11-29T14:00:00Z"


@pytest.mark.large
def test_a_terminated_instance_is_retired_at_once_and_stays_so_when_aws_forgets_it(home: House) -> None:
    gone = Given("ec2_instance", [instance("i-1", State={"Name": "terminated"}), instance("i-2")])
    night(home, 0, instances("i-1", "i-2"))
    night(home, 24, gone)
    assert states(home) == ("retired", None, "2026-11-25T14:00:00Z", "terminated", False)
    night(home, 25, gone)
    assert states(home) == ("retired", None, "2026-11-25T14:00:00Z", "terminated", False)
    for number in (48, 72):
        night(home, number, instances("i-2"))
        assert states(home) == ("retired", None, "2026-11-25T14:00:00Z", "terminated", False)


@pytest.mark.large
def test_resources_of_an_account_that_left_are_retired_at_once(home: House) -> None:
    left = Given("ec2_instance", outcome="skipped", skip_reason="account_left")
    night(home, 0, instances("i-1"))
    night(home, 24, left)
    assert states(home) == ("retired", None, "2026-11-25T14:00:00Z", "account_left", False)
    night(home, 48, left)
    assert states(home) == ("retired", None, "2026-11-25T14:00:00Z", "account_left", False)


def test_resources_of_a_cell_that_is_requested_no_longer_stay_as_they_are_stale(home: House) -> None:
    night(home, 0, instances("i-1"))
    night(home, 24, Given("ec2_instance", outcome="skipped", skip_reason="no_longer_asked"))
    assert states(home) == ("active", None, None, None, True)


def test_a_resource_outlives_the_landing_that_it_came_in(home: House) -> None:
    night(home, 0, instances("i-1"))
    shutil.rmtree(home.store.landing / "night-0")
    night(home, 24, Given("ec2_instance", outcome="failed"))
    assert states(home) == ("active", None, None, None, True)


# -------------------------------------------------------------------------------------- org.account over nights

ORGANISATION = [
    Given("organizations_root", [{"Id": "r-1", "Name": "Root"}]),
    Given("organizations_organizational_unit:r-1", [{"Id": "ou-1", "Name": "A"}, {"Id": "ou-2", "Name": "B"}]),
]


def account(number: str, **other: Any) -> dict[str, Any]:
    return {"Id": number, "Name": f"Account {number}", "State": "ACTIVE", **other}


def placed(home: House, number: str) -> dict[str, Any]:
    """What an analyst reads of an account."""
    (found,) = home.rows(
        """
        select state, ou_path, tags, is_stale, is_management, first_seen_at, last_seen_at
        from org.account where account_id = $number
        """,
        {"number": number},
    )
    return found


def test_an_account_that_a_trusted_list_has_no_more_has_left(blank_home: House) -> None:
    blank_home.night(
        "night-1",
        [
            *ORGANISATION,
            Given("organizations_account", [account(MANAGEMENT), account(WORKLOAD)]),
            Given("organizations_account_parent:ou-1", [{"Id": WORKLOAD}]),
            Given(f"organizations_account_tag:{WORKLOAD}", [{"Key": "a", "Value": "b"}]),
        ],
    )
    blank_home.build("org.account")
    blank_home.night("night-2", [Given("organizations_account", outcome="failed")], FIRST_NIGHT + hours(24))
    blank_home.build("org.account")
    assert (placed(blank_home, WORKLOAD)["state"], placed(blank_home, WORKLOAD)["is_stale"]) == ("ACTIVE", True)
    blank_home.night(
        "night-3",
        [
            Given("organizations_account", [account(MANAGEMENT)]),
            Given("organizations_account_parent:ou-1"),
            Given(f"organizations_account_tag:{WORKLOAD}", outcome="skipped", skip_reason="parent_gone"),
        ],
        FIRST_NIGHT + hours(48),
    )
    blank_home.build("org.account")
    assert placed(blank_home, WORKLOAD) == {
        "state": "LEFT",
        "ou_path": "/A",
        "tags": {"a": "b"},
        "is_stale": False,
        "is_management": False,
        "first_seen_at": "2026-11-24T14:00:00Z",
        "last_seen_at": "2026-11-24T14:00:00Z",
    }
    blank_home.night(
        "night-4",
        [Given("organizations_account", [account(MANAGEMENT), account(WORKLOAD)])],
        FIRST_NIGHT + hours(72),
    )
    blank_home.build("org.account")
    assert placed(blank_home, WORKLOAD)["state"] == "ACTIVE"
    assert placed(blank_home, WORKLOAD)["first_seen_at"] == "2026-11-24T14:00:00Z"


def test_an_account_that_moved_stands_once_where_the_newer_response_has_it(blank_home: House) -> None:
    blank_home.night(
        "night-1",
        [
            *ORGANISATION,
            Given("organizations_account", [account(WORKLOAD)]),
            Given("organizations_account_parent:ou-1", [{"Id": WORKLOAD}]),
            Given("organizations_account_parent:ou-2"),
        ],
    )
    blank_home.build("org.account")
    blank_home.night(
        "night-2",
        [
            Given("organizations_account_parent:ou-1", outcome="failed"),
            Given("organizations_account_parent:ou-2", [{"Id": WORKLOAD}]),
        ],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("org.account")
    assert placed(blank_home, WORKLOAD)["ou_path"] == "/B"


def test_a_unit_that_is_gone_takes_its_children_with_it_and_a_refused_parent_does_not(blank_home: House) -> None:
    def units() -> dict[str, bool]:
        return {
            row["ou_path"]: row["is_stale"]
            for row in blank_home.rows("select ou_path, is_stale from org.organizational_unit")
        }

    blank_home.night(
        "night-1", [*ORGANISATION, Given("organizations_organizational_unit:ou-1", [{"Id": "ou-3", "Name": "C"}])]
    )
    blank_home.build("org.organizational_unit")
    blank_home.night(
        "night-2",
        [Given("organizations_organizational_unit:ou-1", outcome="denied")],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("org.organizational_unit")
    assert units() == {"/A": False, "/A/C": True, "/B": False}
    blank_home.night(
        "night-3",
        [
            Given("organizations_organizational_unit:r-1", [{"Id": "ou-2", "Name": "B"}]),
            Given("organizations_organizational_unit:ou-1", outcome="skipped", skip_reason="parent_gone"),
        ],
        FIRST_NIGHT + hours(48),
    )
    blank_home.build("org.organizational_unit")
    assert units() == {"/B": False}


def test_the_profile_of_an_account_is_that_of_the_newest_identity_check(blank_home: House) -> None:
    blank_home.night(
        "night-1", [*ORGANISATION, Given("organizations_account", [account(WORKLOAD), account("222222222222")])]
    )
    blank_home.execute(
        *(
            f"""
            insert into audit.caller_identity (run_id, role, profile, caller_account_id, checked_at)
            values ('{run}', '{role}', '{profile}', {who}, timestamptz '{at}+00')
            """
            for run, role, profile, who, at in [
                ("night-1", "workload", "acme-old", "'222222222222'", "2026-11-24 14:00:00"),
                ("night-2", "management", "acmeManagement", "'222222222222'", "2026-11-25 14:00:00"),
                ("night-2", "workload", "acme-b", f"'{WORKLOAD}'", "2026-11-25 14:00:00"),
                ("night-2", "workload", "acme-a", f"'{WORKLOAD}'", "2026-11-25 14:00:00"),
                ("night-2", "workload", "acme-broken", "null", "2026-11-25 14:00:00"),
            ]
        )
    )
    blank_home.build("org.account")
    assert blank_home.rows("select account_id, profile, has_profile from org.account order by all") == [
        {"account_id": WORKLOAD, "profile": "acme-a", "has_profile": True},
        {"account_id": "222222222222", "profile": None, "has_profile": False},
    ]


# ------------------------------------------------------------------------------------------ cost.restatement


def bill(*lines: tuple[str, str, str], month: str = "2026-11") -> list[Given]:
    """A month's cell: day, service, amount."""
    return [
        Given(
            f"cost_daily:service:{month}",
            [
                {
                    "Keys": [WORKLOAD, service],
                    "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}},
                    "TimePeriod": {"Start": day, "End": day},
                    "Estimated": True,
                }
                for day, service, amount in lines
            ],
        )
    ]


def restated(home: House) -> list[tuple[str, str, str | None, str | None, str]]:
    """Day, service, before, after, run."""
    return [
        (
            row["usage_date"],
            row["dimension_value"],
            row["old_unblended_cost"],
            row["new_unblended_cost"],
            row["run_id"],
        )
        for row in home.rows("select * from cost.restatement order by all")
    ]


def test_a_restatement_is_what_changed_vanished_or_came_within_the_days_that_were_known(blank_home: House) -> None:
    blank_home.night("night-1", bill(("2026-11-01", "A", "1"), ("2026-11-01", "B", "2"), ("2026-11-02", "A", "3")))
    blank_home.build("cost.daily")
    assert restated(blank_home) == []
    blank_home.night(
        "night-2",
        bill(
            ("2026-11-01", "A", "1.0"),
            ("2026-11-01", "C", "0.0000000001"),
            ("2026-11-02", "A", "3.5"),
            ("2026-11-03", "A", "9"),
        ),
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("cost.daily")
    expected = [
        ("2026-11-01", "B", "2.0000000000", None, "night-2"),
        ("2026-11-01", "C", None, "0.0000000001", "night-2"),
        ("2026-11-02", "A", "3.0000000000", "3.5000000000", "night-2"),
    ]
    assert restated(blank_home) == expected
    first = blank_home.rows("select * from cost.restatement order by all limit 1")
    assert first == [
        {
            "usage_date": "2026-11-01",
            "slice": "service",
            "account_id": WORKLOAD,
            "dimension_value": "B",
            "run_id": "night-2",
            "old_unblended_cost": "2.0000000000",
            "new_unblended_cost": None,
            "currency": "USD",
            "observed_at": "2026-11-25T14:00:00Z",
            "listing": "cost_daily:service:2026-11",
            "collected_at": "2026-11-25T14:00:00Z",
        }
    ]
    blank_home.build("cost.daily")
    blank_home.build("cost.daily")
    assert restated(blank_home) == expected, "the same answer loaded again restates nothing"


def test_a_month_that_is_new_or_was_not_trusted_restates_nothing(blank_home: House) -> None:
    blank_home.night("night-1", bill(("2026-11-01", "A", "1")))
    blank_home.build("cost.daily")
    blank_home.night(
        "night-2",
        [
            Given("cost_daily:service:2026-11", outcome="failed"),
            *bill(("2026-10-31", "A", "5"), month="2026-10"),
        ],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("cost.daily")
    assert restated(blank_home) == []
    blank_home.night("night-3", bill(("2026-11-01", "A", "2"), ("2026-11-02", "A", "2")), FIRST_NIGHT + hours(48))
    blank_home.build("cost.daily")
    assert restated(blank_home) == [("2026-11-01", "A", "1.0000000000", "2.0000000000", "night-3")]


def test_a_bill_that_another_account_gives_now_takes_the_place_of_the_old_one_and_restates_nothing(
    blank_home: House,
) -> None:
    (old,) = bill(("2026-11-01", "A", "1"), ("2026-11-01", "B", "1"))
    (new,) = bill(("2026-11-01", "A", "7"))
    payer = "000000000042"
    blank_home.night("night-1", [old])
    blank_home.build("cost.daily")
    blank_home.night(
        "night-2",
        [
            Given(old.listing, outcome="skipped", skip_reason="caller_changed"),
            dataclasses.replace(new, account_id=payer),
        ],
        FIRST_NIGHT + hours(24),
    )
    blank_home.build("cost.daily")
    assert blank_home.rows("select dimension_value, unblended_cost, caller_account_id from cost.daily") == [
        {"dimension_value": "A", "unblended_cost": "7.0000000000", "caller_account_id": payer}
    ]
    assert restated(blank_home) == []
    (newer,) = bill(("2026-11-01", "A", "8"))
    blank_home.night("night-3", [dataclasses.replace(newer, account_id=payer)], FIRST_NIGHT + hours(48))
    blank_home.build("cost.daily")
    assert restated(blank_home) == [("2026-11-01", "A", "7.0000000000", "8.0000000000", "night-3")]


def test_every_restatement_is_remembered(blank_home: House) -> None:
    for number, amount in enumerate(["1", "2", "1"]):
        blank_home.night(f"night-{number}", bill(("2026-11-01", "A", amount)), FIRST_NIGHT + hours(24 * number))
        blank_home.build("cost.daily")
    assert [entry[2:] for entry in restated(blank_home)] == [
        ("1.0000000000", "2.0000000000", "night-1"),
        ("2.0000000000", "1.0000000000", "night-2"),
    ]


def test_runs_that_were_not_built_are_one_restatement_from_what_was_known_to_what_is(blank_home: House) -> None:
    blank_home.night("night-1", bill(("2026-11-01", "A", "1")))
    blank_home.build("cost.daily")
    blank_home.night("night-2", bill(("2026-11-01", "A", "2")), FIRST_NIGHT + hours(24))
    blank_home.night("night-3", bill(("2026-11-01", "A", "3")), FIRST_NIGHT + hours(48))
    blank_home.build("cost.daily")
    assert restated(blank_home) == [("2026-11-01", "A", "1.0000000000", "3.0000000000", "night-3")]


# ------------------------------------------------------------------------- what AWS says of a day and forgets again


def budget(name: str, actual: str) -> Given:
    return Given(
        "budget", [{"BudgetName": name, "CalculatedSpend": {"ActualSpend": {"Amount": actual, "Unit": "USD"}}}]
    )


def test_a_budget_is_kept_as_it_stood_each_day_and_the_last_response_of_a_day_counts(blank_home: House) -> None:
    for number, (name, actual, at) in enumerate(
        [("a", "1", 0), ("b", "2", 24), ("b", "3", 25)],
    ):
        blank_home.night(f"night-{number}", [budget(name, actual)], FIRST_NIGHT + hours(at - 5))
        blank_home.build("cost.budget")
    rows = blank_home.rows("select as_of_date, budget_name, actual_amount from cost.budget order by all")
    assert [tuple(row.values()) for row in rows] == [
        ("2026-11-24", "a", "1.0000000000"),
        ("2026-11-25", "b", "3.0000000000"),
    ]


def resource_cost(*lines: tuple[str, str]) -> Given:
    """Day and amount of one resource."""
    return Given(
        "cost_resource_daily:EC2",
        [
            {
                "Keys": [WORKLOAD, "i-1"],
                "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}},
                "TimePeriod": {"Start": day, "End": day},
                "Estimated": True,
            }
            for day, amount in lines
        ],
    )


def test_what_a_resource_cost_stays_when_aws_forgets_it_and_is_replaced_as_long_as_it_does_not(
    blank_home: House,
) -> None:
    blank_home.night("night-1", [resource_cost(("2026-11-01", "1"), ("2026-11-02", "2"), ("2026-11-03", "3"))])
    blank_home.build("cost.resource_daily")
    blank_home.night("night-2", [resource_cost(("2026-11-02", "20"), ("2026-11-04", "4"))], FIRST_NIGHT + hours(24))
    blank_home.build("cost.resource_daily")
    rows = blank_home.rows("select usage_date, unblended_cost from cost.resource_daily order by all")
    assert [tuple(row.values()) for row in rows] == [
        ("2026-11-01", "1.0000000000"),
        ("2026-11-02", "20.0000000000"),
        ("2026-11-04", "4.0000000000"),
    ]
    blank_home.night("night-3", [Given("cost_resource_daily:EC2", outcome="denied")], FIRST_NIGHT + hours(48))
    blank_home.build("cost.resource_daily")
    assert blank_home.rows("select count(*) as days from cost.resource_daily") == [{"days": 3}]
