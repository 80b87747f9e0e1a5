"""What each asset's page in Dagster shows, asset by asset: before any run, and after a truthful night."""

from __future__ import annotations

import base64
import functools
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dagster as dg
import pytest
from nights import DATABASE, Witness, environment_of, query

from pipelines import asset_metadata
from pipelines.catalogue.registry import listings
from pipelines.charts import sketches
from pipelines.definitions import build_defs
from pipelines.models.assets import asset_key
from pipelines.models.lineage import Lineage
from pipelines.models.model import CELL_COLUMNS, fingerprint, read_models
from pipelines.models.sources import Source, as_text
from pipelines.plain_text import as_markdown
from pipelines.settings import REPOSITORY, SettingsError, read_settings
from resources.store.store import Store

PREFLIGHT, PUBLISHED, REPORT = "audit/caller_identity", "published", "report"
CONFIRMATION = "audit/zero_confirmation"
MONTHS = {"bill_month/landing", "bill_month/daily"}


@functools.cache
def specs() -> dict[str, dg.AssetSpec]:
    """Every asset as it is defined."""
    return {spec.key.to_user_string(): spec for spec in build_defs({}).resolve_all_asset_specs()}


def lacks(spec: dg.AssetSpec) -> list[str]:
    """What an asset's page would lack before any run."""
    shown = {
        "description": spec.description,
        "owner": spec.owners,
        "kinds": spec.kinds,
        "group": spec.group_name not in (None, "default"),
        # A closed month is as old as it is.
        "freshness policy": spec.freshness_policy or spec.partitions_def,
        "page of documentation": spec.metadata.get(asset_metadata.DOCS),
    }
    return [name for name, there in shown.items() if not there]


def test_every_asset_says_whom_to_ask_how_old_it_may_be_and_where_to_read_on() -> None:
    # In one test: to make its cases every worker would load all assets.
    assert {name: found for name, spec in specs().items() if (found := lacks(spec))} == {}
    pages = {str(spec.metadata[asset_metadata.DOCS].value).removeprefix(f"{REPOSITORY}/") for spec in specs().values()}
    for page, _, anchor in (each.partition("#") for each in sorted(pages)):
        headings = re.findall(r"^#+ (.*)$", (REPOSITORY / page).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert not anchor or anchors.count(anchor) == 1, f"{page}#{anchor}"


def test_an_asset_that_says_nothing_is_noticed() -> None:
    assert lacks(dg.AssetSpec("mute")) == [
        "description",
        "owner",
        "kinds",
        "group",
        "freshness policy",
        "page of documentation",
    ]


def test_an_asset_of_a_group_that_nobody_owns_or_without_a_page_does_not_load() -> None:
    with pytest.raises(KeyError, match="nobodys"):
        asset_metadata.owner_of(dg.AssetSpec("loose", group_name="nobodys"))
    with pytest.raises(KeyError, match="has no page of documentation"):
        asset_metadata.page_of(dg.AssetKey(["landing", "unheard_of"]), {})


def test_the_page_is_an_address_where_people_read_the_repository_somewhere() -> None:
    address = "https://git.example.com/cmdb/-/blob/main/"
    found = build_defs({"CMDB_DOCS_URL": address}).resolve_asset_graph().get(dg.AssetKey(["cost", "daily"])).metadata
    assert found[asset_metadata.DOCS] == dg.MetadataValue.url(f"{address}docs/reference/dictionary.md#costdaily")
    with pytest.raises(SettingsError, match="CMDB_DOCS_URL='javascript:alert"):
        read_settings({"CMDB_DOCS_URL": "javascript:alert(1)"})


def test_groups_rest_on_each_other_in_one_direction_but_for_money_and_what_costs_it() -> None:
    """The UI shows groups first: circles among them would be drawn as lines to and fro.

    The internal tables of a domain come between its other tables.
    """
    graph = build_defs({}).resolve_asset_graph()
    rests = {
        (str(graph.get(parent).group_name).removeprefix("stage_"), str(node.group_name).removeprefix("stage_"))
        for node in graph.asset_nodes
        for parent in node.parent_keys
    }
    assert {frozenset(pair) for pair in rests if pair[0] != pair[1] and pair[::-1] in rests} == {
        frozenset({"cmdb", "cost"})
    }


def test_an_angle_bracket_in_a_description_is_no_element() -> None:
    assert as_markdown("slice: service or tag:<key> & more") == "slice: service or tag:&lt;key> &amp; more"
    shown = specs()["org/account"].description
    assert shown == as_markdown(read_models()["org.account"].header.description)


# ---------------------------------------------------------------------------------------------- after a night


@pytest.fixture(scope="module")
def shown(witnessed_night: Witness) -> Mapping[str, Mapping[str, dg.MetadataValue[Any]]]:
    """What the night showed of each asset."""
    with environment_of({"DAGSTER_HOME": str(witnessed_night.home)}), dg.DagsterInstance.get() as instance:
        assert os.environ["DAGSTER_HOME"]
        return {
            event.asset_materialization.asset_key.to_user_string(): event.asset_materialization.metadata
            for event in instance.all_logs(
                witnessed_night.night.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            if event.asset_materialization is not None
        }


Shown = Mapping[str, Mapping[str, dg.MetadataValue[Any]]]


def test_every_asset_was_made(shown: Shown) -> None:
    assert shown.keys() == specs().keys()


def test_every_asset_counts_its_rows(shown: Shown, truthful_night: Path) -> None:
    counted = {name: found["dagster/row_count"].value for name, found in shown.items() if "dagster/row_count" in found}
    # A page is no rows, no more are zeros that are looked up again, and what is staged as a view is not counted:
    # it takes as long as building upon it.
    views = {f"stage/{m.name}" for m in read_models().values() if m.schema == "stage" and m.materialized == "view"}
    assert specs().keys() - counted.keys() == {REPORT, CONFIRMATION} | views | MONTHS
    assert {"sentence", "lookups"} <= shown[CONFIRMATION].keys(), "it says instead what came of looking them up"
    with Store(truthful_night / DATABASE).published() as connection:
        for name, count in counted.items():
            schema, _, table = name.partition("/")
            if schema not in ("landing", "audit") and table:
                there = connection.execute(f'select count(*) from "{schema}"."{table}"').fetchall()
                assert there == [(count,)], name


def test_every_column_of_every_table_is_described(shown: Shown, truthful_night: Path) -> None:
    there = defaultdict(list)
    for name, column in query(
        truthful_night / DATABASE,
        "select table_schema || '/' || table_name, column_name from information_schema.columns "
        "order by table_schema, table_name, ordinal_position",
    ):
        there[name].append(column)
    for name, found in shown.items():
        if name in {PREFLIGHT, CONFIRMATION, PUBLISHED, REPORT} | MONTHS:
            continue
        known = found if "dagster/column_schema" in found else specs()[name].metadata
        schema = known["dagster/column_schema"]
        columns = (schema if isinstance(schema, dg.TableSchema) else schema.value).columns
        assert [column.name for column in columns if not column.description] == [], name
        if not name.startswith("landing/"):
            assert [column.name for column in columns] == there[name], name


def test_every_listing_shows_its_cells_by_outcome(shown: Shown) -> None:
    for listing in listings():
        found = shown[f"landing/{listing}"]
        outcomes = {key: value.value for key, value in found.items() if key.startswith("cells_")}
        assert sum(outcomes.values()) == found["cells"].value, listing


def test_every_table_shows_which_columns_its_columns_come_from(shown: Shown, truthful_night: Path) -> None:
    columns = {
        (name, column)
        for name, column in query(
            truthful_night / DATABASE,
            "select table_schema || '/' || table_name, column_name from information_schema.columns",
        )
    }
    graph = build_defs({}).resolve_asset_graph()
    without = set()
    for model in read_models().values():
        name = f"{model.schema}/{model.name}"
        known = specs()[name].metadata
        assert not {"dagster/column_lineage", "columns_come_from"} & shown[name].keys(), "each run stores it anew"
        if "dagster/column_lineage" not in known:
            without.add(name)
            continue
        above = {parent.to_user_string() for parent in graph.get(asset_key(model)).parent_keys} | {name}
        for column, deps in known["dagster/column_lineage"].deps_by_column.items():
            assert (name, column) in columns
            for dep in deps:
                source = dep.asset_key.to_user_string()
                assert source in above, f"{name}.{column} comes from {source}, on which it does not rest"
                assert source.startswith("landing/") or (source, dep.column_name) in columns, f"{name}.{column}"
        assert known["columns_come_from"].records
    # Seeds come from files, two tables from the catalogue and the queries, and of the evidence itself no asset is made.
    generated = {"audit/claim_listing", "audit/listing"}
    assert {name for name in without if not name.startswith("ref/")} == {"stage/slice_month", *generated}


def test_pictures_are_drawn_where_they_help(shown: Shown) -> None:
    for name, key in (
        ("cost/daily", "picture"),
        ("cost/spend_vs_budget", "picture"),
        (PUBLISHED, "what_can_be_trusted"),
    ):
        found = re.fullmatch(r"!\[.*\]\(data:image/svg\+xml;base64,(.*)\)", str(shown[name][key].value))
        assert found, name
        picture = ElementTree.fromstring(base64.b64decode(found[1]))
        assert len(list(picture.iter())) > 20, name


def test_the_page_of_the_published_file_says_what_is_in_it(shown: Shown, truthful_night: Path) -> None:
    rooms = {record.data["schema"]: record.data for record in shown[PUBLISHED]["tables"].value.records}
    ((accounts,),) = query(truthful_night / DATABASE, "select count(*) from duckdb_tables() where schema_name = 'org'")
    assert rooms["org"]["tables"] == str(accounts)
    assert int(str(shown[PUBLISHED]["dagster/row_count"].value)) == sum(int(room["rows"]) for room in rooms.values())


def test_a_refused_run_says_in_one_event_what_why_and_the_next_command(tmp_path: Path) -> None:
    defs = build_defs({"CMDB_DATABASE": str(tmp_path / DATABASE)})
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["org", "account"])], raise_on_error=False
        )
    (failure,) = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    assert failure is not None
    assert str(failure.description).startswith("org.account was not built. No pre-flight is recorded.")
    assert failure.metadata == {
        "exit_code": dg.MetadataValue.int(1),
        "next_command": dg.MetadataValue.text("cmdb preflight"),
    }


# ---------------------------------------------------------------------------------------------- the pictures


def test_the_picture_of_the_coverage_has_a_colour_for_each_way_of_answering() -> None:
    squares = [
        sketches.Square("one <b>&amp;", "aws-global", 3, 3),
        sketches.Square("one <b>&amp;", "eu-west-1", 3, 1),
        sketches.Square("two\u202e\x00", "eu-west-1", 3, 0),
        sketches.Square("two\u202e\x00", "us-east-1", 0, 0),
    ]
    drawn = ElementTree.fromstring(sketches.grid(squares))
    colours = [rect.get("fill") for rect in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    told = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert set(sketches.COLOURS.values()) <= set(colours)
    assert told == [
        "one <b>&amp; aws-global: 3 of 3",
        "one <b>&amp; eu-west-1: 1 of 3",
        "two\ufffd\ufffd eu-west-1: 0 of 3",
        "two\ufffd\ufffd us-east-1: 0 of 0",
    ]


def test_the_picture_of_the_spend_is_in_proportion_and_reports_estimates() -> None:
    first = date(2026, 2, 28)
    costs = [Decimal(50), Decimal(100), Decimal(-5)]
    days = [sketches.Day(first + timedelta(days=n), cost, n > 1) for n, cost in enumerate(costs)]
    drawn = ElementTree.fromstring(sketches.bars(days, "USD"))
    bars = [rect for rect in drawn.iter("{http://www.w3.org/2000/svg}rect") if rect.get("y")]
    assert [float(str(bar.get("height"))) for bar in bars] == [55.0, 110.0, 0.0]
    assert [bar.get("fill-opacity") for bar in bars] == ["1", "1", "0.45"]
    said = "".join(drawn.itertext())
    assert "up to 100 USD a day" in said
    # The name of a month that begins a day after the first label would stand upon it.
    assert "28 Feb 2026" in said
    assert "Mar" not in said


# ------------------------------------------------------------------------------------------------ the lineage


@functools.cache
def lineage() -> Lineage:
    return Lineage(read_models())


@pytest.mark.parametrize(
    ("relation", "column", "sources"),
    [
        ("aws.ec2_instance", "state", "landing/ec2_instance State.Name"),
        ("org.account", "account_name", "stage.account.account_name"),
        ("cost.by_service", "reporting_unblended_cost", "stage.reported_cost.reporting_unblended_cost"),
        ("cost.by_service", "service", "stage.reported_cost.dimension_value"),
        ("cmdb.resource", "arn", "cmdb.resource.arn, stage.discovered_resource.arn, stage.observed_resource.arn"),
    ],
)
def test_a_column_comes_from_where_a_person_would_say(relation: str, column: str, sources: str) -> None:
    found = lineage().of(relation).get(column, frozenset())
    assert as_text(found) == sources


def made(sql: str) -> dict[str, str]:
    """The lineage of a query over two tables, in words."""

    class Given:
        def __init__(self, name: str, sql: str, columns: str, listings: tuple[str, ...] = ()):
            self.schema, self.name, self.sql = "org", name, sql
            self.documented = columns.split()
            self.listings = listings
            self.uses = {f"org.{name}"} if f"org.{name}" in sql else set()

    models: Any = {
        "org.a": Given(
            "a", "select item.X as x, item.Y.Z as y, cell.* from landing('things', 'S')", "x y", ("things",)
        ),
        "org.b": Given("b", "select x, 1 as one from org.a", "x one"),
        "org.c": Given("c", sql, ""),
    }
    return {name: as_text(sources) for name, sources in Lineage(models).of("org.c").items()}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from org.a", {"x": "org.a.x", "y": "org.a.y"}),
        ("select * exclude (x) replace (x + 1 as y) from org.a", {"y": "org.a.x"}),
        ("select * rename (y as k) from org.a", {"x": "org.a.x", "k": "org.a.y"}),
        ("select count(*) as n, 5 as five, 'x' as x from org.a", {"n": "", "five": "", "x": ""}),
        ("with t as (select y as z from org.a) select t.z || 'x' as w from t", {"w": "org.a.y"}),
        ("select x from org.a union all select one from org.b", {"x": "org.a.x, org.b.one"}),
        (
            "select x, y from org.a union all by name select one as y from org.b",
            {"x": "org.a.x", "y": "org.a.y, org.b.one"},
        ),
        ("select x from org.a union all by name select before.* from org.c as before", {"x": "org.a.x, org.c.x"}),
        ("select x from org.a join org.b using (x)", {"x": "org.a.x, org.b.x"}),
        ("select a.x from org.a as a join org.b as b on a.x = b.one", {"x": "org.a.x"}),
        ("select (select max(b.one) from org.b as b where b.x = a.x) as most from org.a as a", {"most": "org.b.one"}),
        ("select q.k from (select y from org.a) as q(k)", {"k": "org.a.y"}),
        ("select y as k, k + 1 as next from org.a", {"k": "org.a.y", "next": "org.a.y"}),
        ("select a.y.inner_field as f from org.a as a", {"f": "org.a.y"}),
        ("select u.v from org.a, unnest(org.a.y) as u(v)", {"v": "org.a.y"}),
        ("with recursive t as (select x from org.a union all select t.x from t) select x from t", {"x": "org.a.x"}),
    ],
)
def test_every_way_of_writing_a_query_is_followed(sql: str, expected: dict[str, str]) -> None:
    assert made(sql) == expected


def test_what_a_cell_gives_a_row_comes_from_no_column_of_aws() -> None:
    found = lineage().of("aws.ec2_instance")
    assert {found[name] for name in CELL_COLUMNS} == {frozenset()}
    assert Source(("landing", "ec2_instance"), "InstanceId") in found["instance_id"]


def test_a_model_leads_to_its_sql_file_and_changes_its_version_with_it() -> None:
    found = {name: spec for name, spec in specs().items() if asset_metadata.SOURCE in spec.metadata}
    files = {name: spec.metadata[asset_metadata.SOURCE].code_references[0].file_path for name, spec in found.items()}
    models = read_models()
    assert {name.replace("/", ".") for name in found} == set(models)
    assert [name for name, file in files.items() if not Path(file).is_file()] == []
    assert files["cost/daily"].endswith("warehouse/cost/daily.sql")
    daily = models["cost.daily"]
    changed = replace(daily, sql=f"{daily.sql} ")
    assert specs()["cost/daily"].code_version == fingerprint(daily) != fingerprint(changed)


def test_a_page_of_the_repository_that_people_read_is_offered_beside_the_file() -> None:
    found = build_defs({"CMDB_DOCS_URL": "https://code.example/cmdb/"}).resolve_asset_graph()
    references = found.get(dg.AssetKey(["cost", "daily"])).metadata[asset_metadata.SOURCE].code_references
    assert references[1].url == "https://code.example/cmdb/warehouse/cost/daily.sql"


def test_every_asset_has_a_version_of_its_code_and_the_views_are_virtual() -> None:
    assert [name for name, spec in specs().items() if not spec.code_version] == []
    views = {name.replace(".", "/") for name, model in read_models().items() if model.materialized == "view"}
    assert {name for name, spec in specs().items() if spec.is_virtual} == views != set()


def test_loading_says_nothing_on_a_terminal() -> None:
    program = "from pipelines.definitions import build_defs; build_defs({}).resolve_job_def('nightly')"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
