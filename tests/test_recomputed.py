"""Every derived figure is what other means make of it: `tests/recomputed` says what each table has to show.

The large tests run three nights, of the first, the tenth and the 28th of a month, for each of five organisations that
are drawn anew. The month before has 28 days. Each night is the first of its warehouse.
"""

from __future__ import annotations

import ast
import datetime as dt
import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clocked import Clocked, clocked
from conftest import policies
from given import models
from nights import DATABASE, environment_of, query
from recomputed.figures import RECOMPUTED, Figures, differences, shared_out
from recomputed.listed import CALLS, records
from recomputed.witnesses import LISTED_BY
from recomputed.world import World, month_of, reference

FOLDER = Path(__file__).parent / "recomputed"
for _file in FOLDER.glob("*.py"):
    importlib.import_module(f"recomputed.{_file.stem}")

FIRST = dt.date(2027, 3, 1)
DAYS = (1, 10, 28)
MONTHS = 3
REGIONS = ("us-east-1", "ap-southeast-2", "eu-west-1")
SEEDS: dict[int, dict[str, Any]] = {
    1: {},
    2: {},
    3: {},
    # Of the newest day only a part of the costs has arrived.
    4: {"incomplete_days": 1},
    # The payer has not opted in to costs of single resources, so they are shared out by list price.
    5: {"has_resource_costs": False},
}
"""By seed what is configured of the organisation."""

LEFT_OUT = {
    "cost.application_service_monthly": "sums of cost.tag_service_daily by month; tests/test_joint_views.py",
    "cmdb.resource_overview": "columns of three tables beside each other; tests/test_joint_views.py",
    "cost.export_line": "the lines of a data export, none in these nights; tests/test_data_export.py",
    "cost.export_reconciliation": "a data export beside the bill, none in these nights; tests/test_data_export.py",
    "cost.export_resource_cost": "a data export by resource, none in these nights; tests/test_data_export.py",
    "cmdb.aggregator_coverage": "counts of cmdb.resource and cmdb.aggregator_unseen; tests/test_seen_by_operations.py",
    "cmdb.orphan_relationship": "the ends of relations that are no items; tests/test_relationship.py",
    "cmdb.relationship": "held to the simulator's truth, edge by edge, by tests/relations.py in test_relationship.py",
    "cmdb.service_map_edge": "counts of relations between the items of two applications; tests/test_cmdb_figures.py",
    "cmdb.servicenow_relationship": "the relations in ServiceNow's words; tests/test_cmdb_figures.py",
}
"""Derived tables that are recomputed elsewhere, and where."""

OF_RECORDS = {f"aws.{name}" for name in ("ec2_instance", "ec2_volume", "ec2_snapshot", "rds_db_instance")}
OF_RECORDS |= {"aws.ec2_image", "aws.rds_db_cluster", "aws.lambda_function"}
"""Tables of records whose further columns are recomputed as well."""


# ------------------------------------------------------------------------------------------- what is recomputed


def test_every_derived_table_is_recomputed_or_left_out_with_a_reason() -> None:
    derived = {name for name, model in models().items() if model.schema in ("org", "cost", "cmdb")}
    assert derived - RECOMPUTED.keys() == LEFT_OUT.keys()
    assert RECOMPUTED.keys() - derived == {"audit.claim", *OF_RECORDS}
    assert all(
        (FOLDER.parent / reason.rpartition(" ")[2].removeprefix("tests/")).exists() for reason in LEFT_OUT.values()
    )


def test_every_listing_that_explains_a_bill_is_counted_by_other_means() -> None:
    explaining = {row["listing"] for name in ("usage_family", "service_listing") for row in reference(name)} - {""}
    assert explaining - LISTED_BY.keys() == set()
    assert explaining - CALLS.keys() == set()


def test_the_recomputation_knows_neither_the_product_nor_a_database() -> None:
    known = {"boto3", "botocore", "jmespath", "recomputed", "__future__"}
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.partition(".")[0] for name in names}
            assert roots.isdisjoint({"pipelines", "resources", "duckdb", "given", "nights", "chaos", "simulator"}), file
            assert all(root in known or root in sys.stdlib_module_names for root in roots), (file, roots)


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ([{"name": "a", "cost": Decimal("1.5")}, {"name": "b", "cost": None}], []),
        ([{"name": "a", "cost": Decimal("1.5")}], ["no row ('b',): {'name': 'b', 'cost': None}"]),
        (
            [{"name": "a", "cost": Decimal("1.6")}, {"name": "b", "cost": Decimal(0)}],
            ["('a',): cost is Decimal('1.6'), not Decimal('1.5')", "('b',): cost is Decimal('0'), not None"],
        ),
        ([{"name": "a", "cost": Decimal("1.5")}] * 2 + [{"name": "b", "cost": None}], ["1 rows stand twice"]),
    ],
)
def test_a_table_that_shows_something_else_is_found(shown: list[dict[str, Any]], says: list[str]) -> None:
    wanted = Figures(("name",), [{"name": "a", "cost": Decimal("1.5")}, {"name": "b", "cost": None}])
    assert differences(wanted, shown) == says


def test_a_sum_is_shared_out_to_the_last_unit() -> None:
    parts = shared_out(Decimal("-1"), {"a": 1, "b": 1, "c": 1})
    assert sum(parts.values()) == -1
    assert [parts[name] for name in "abc"] == [
        Decimal("-0.3333333334"),
        Decimal("-0.3333333333"),
        Decimal("-0.3333333333"),
    ]


# --------------------------------------------------------------------------------------------- against the truth


@dataclass(frozen=True)
class Told:
    """A night, and what other means know of its world."""

    database: Path
    world: World


def told(made: Clocked, day: dt.date, **known: bool) -> Told:
    """A first night of a day; `known` is what else the recomputation has to know."""
    made.set(day)
    database = made.folder / f"warehouse-{day}" / DATABASE
    ended = made.night(database, CMDB_COST_MONTHS=str(MONTHS))
    assert ended["published"], ended["sentences"]
    truth = made.simulator.truth()
    hub = truth["central"]["operations"]
    profiles = {
        account["account_id"]: account["profile"]
        for account in truth["accounts"]
        if account["account_id"] in (*truth["reachable"], hub)
    }
    with environment_of({**os.environ, **made.simulator.env}):
        found = records(profiles, truth["regions"], hub)
    return Told(database, World(truth, made.simulator.ledger(month_of(day, MONTHS), day), found, **known))


@pytest.fixture(scope="module", params=SEEDS)
def nights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Told]]:
    """The nights of one organisation with every kind of account, resource, charge and budget that the simulator has."""
    seed: int = request.param
    folder, region = tmp_path_factory.mktemp(f"seed-{seed}"), REGIONS[seed % len(REGIONS)]
    options = {"accounts": 10, "regions": (region,), "resources": 8, "seed": seed, "page_size": 100}
    with clocked(folder, policies(), FIRST, **options) as made:
        if SEEDS[seed]:
            made.simulator.configure(**SEEDS[seed])
        known = {name: value for name, value in SEEDS[seed].items() if name == "has_resource_costs"}
        yield [told(made, FIRST.replace(day=day), **known) for day in DAYS]


def rows(database: Path, sql: str) -> list[dict[str, Any]]:
    """What the published file shows, with the names of its columns."""
    from resources.store.store import Store

    with Store(database).published() as connection:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.large
@pytest.mark.timeout(3600)
def test_every_derived_figure_is_what_other_means_make_of_it(nights: list[Told]) -> None:
    wrong: dict[tuple[str, str], list[str]] = {}
    for night in nights:
        for relation, recompute in RECOMPUTED.items():
            wanted = recompute(night.world)
            found = differences(wanted, rows(night.database, wanted.sql(relation)))
            if found:
                wrong[str(night.world.today), relation] = [f"{len(found)} differences", *found[:5]]
    assert wrong == {}


@pytest.mark.large
@pytest.mark.timeout(3600)
def test_the_cost_of_resources_adds_up_to_the_bill_to_the_last_digit(nights: list[Told]) -> None:
    """Of one resource a double takes part in it: where two of them differ, their sum does not."""
    for night in nights:
        places: dict[tuple[dt.date, str, str], Decimal] = {}
        for day, account, service, amounts in night.world.cells("service"):
            place = (month_of(day), account, service)
            places[place] = places.get(place, Decimal(0)) + amounts["unblended_cost"]
        by_place = query(
            night.database, 'select "month", account_id, service, sum(cost) from cost.resource_cost group by all'
        )
        assert {row[:3]: row[3] for row in by_place} == places
