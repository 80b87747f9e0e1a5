"""Items and their versions by the rows alone: what is observed and answered, and what is remembered of it.

Nothing is landed and no other table is built, so that every case of a rule is a few rows.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from given import FIRST_NIGHT, House, build, hours, migrate

from pipelines.models.model import Model, read_models
from pipelines.settings import WAREHOUSE_FOLDER
from resources.store.sql import literal
from resources.store.store import Store


def _models() -> dict[str, Model]:
    """The two files alone: reading all of them takes longer than all cases."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("resource", "resource_version"):
            file = Path(folder, "cmdb", f"{name}.sql")
            file.parent.mkdir(exist_ok=True)
            file.write_text((WAREHOUSE_FOLDER / "cmdb" / file.name).read_text(encoding="utf-8"), encoding="utf-8")
        return read_models(Path(folder))


MODELS = _models()

OTHER = "111122223333"

MAP = "MAP(VARCHAR, VARCHAR)"
CELL = "run_id VARCHAR, role VARCHAR, caller_account_id VARCHAR, cell_region VARCHAR, listing VARCHAR"
VALUES = (
    f"arn VARCHAR, resource_type VARCHAR, account_id VARCHAR, name VARCHAR, state VARCHAR, availability_zone VARCHAR, "
    f"resource_id VARCHAR, created_at TIMESTAMPTZ, tags {MAP}, attributes JSON, collected_at TIMESTAMPTZ"
)
TABLES = {
    "stage.observed_resource": f"{VALUES}, {CELL}, is_terminated BOOLEAN, is_stale BOOLEAN",
    "stage.discovered_resource": f"{VALUES}, {CELL}, is_terminated BOOLEAN, is_stale BOOLEAN, discovered_by VARCHAR, "
    "seen_at TIMESTAMPTZ",
    "aws.tagged_resource": f"arn VARCHAR, tags {MAP}, is_stale BOOLEAN",
    "ref.tag_key": "tag_key VARCHAR, resource_column VARCHAR",
    "ref.tag_value_alias": "tag_key VARCHAR, alias VARCHAR, tag_value VARCHAR",
    "ref.account_default": "account_id VARCHAR, business_service VARCHAR, business_owner VARCHAR, cost_centre VARCHAR, "
    "capability VARCHAR, environment VARCHAR, project VARCHAR",
    "ref.volatile_attribute": "resource_type VARCHAR, attribute VARCHAR",
    "audit.coverage": "role VARCHAR, account_id VARCHAR, region VARCHAR, listing VARCHAR, is_known BOOLEAN, "
    "known_at TIMESTAMPTZ, skip_reason VARCHAR, ended_at TIMESTAMPTZ",
    # What the items themselves remember; the version's inputs are a part of it.
    "cmdb.resource": f"{VALUES}, {CELL}, is_stale BOOLEAN, tags_source VARCHAR, discovered_by VARCHAR, "
    "business_service VARCHAR, business_owner VARCHAR, cost_centre VARCHAR, "
    "capability VARCHAR, environment VARCHAR, project VARCHAR, owner_source VARCHAR, "
    "first_seen_at TIMESTAMPTZ, replaced_at TIMESTAMPTZ, last_seen_at TIMESTAMPTZ, "
    "missing_since TIMESTAMPTZ, retired_at TIMESTAMPTZ, status VARCHAR, retired_reason VARCHAR",
    "cmdb.resource_version": "arn VARCHAR, resource_type VARCHAR, account_id VARCHAR, attributes JSON, "
    "valid_from TIMESTAMPTZ, valid_to TIMESTAMPTZ, is_current BOOLEAN, status VARCHAR, change VARCHAR, "
    "changed_attributes VARCHAR[], raw_hash UBIGINT, run_id VARCHAR, listing VARCHAR",
}

Row = Mapping[str, Any]


class InMemory(Store):
    """A working file that is none: opening and syncing one takes longer than a case."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "cmdb.duckdb")
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("set timezone = 'UTC'")

    @contextmanager
    def write(self, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self.connection

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self.connection


@functools.cache
def _rooms() -> House:
    store = InMemory(Path("in memory"))
    migrate(store.connection)
    store.connection.execute("drop view audit.coverage")
    return House(store, MODELS)


def empty() -> House:
    """A warehouse in which every table that items are made of is empty."""
    home = _rooms()
    home.execute(*(f"create or replace table {name} ({columns})" for name, columns in TABLES.items()))
    return home


def sql(value: Any) -> str:
    if isinstance(value, dict):
        return "map {" + ", ".join(f"{literal(key)}: {literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, datetime):
        return f"timestamptz {literal(value.isoformat())}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else literal(value)


def put(home: House, table: str, *rows: Row) -> None:
    """The rows are all that the table holds."""
    home.execute(
        f"delete from {table}",
        *(f"insert into {table} ({', '.join(row)}) values ({', '.join(map(sql, row.values()))})" for row in rows),
    )


def make(home: House, relation: str) -> None:
    build(home.store, MODELS[relation])


def at(number: float) -> datetime:
    """The moment of an answer, so many hours after the first night."""
    return FIRST_NIGHT + hours(number)


def said(number: float) -> str:
    return at(number).isoformat().replace("+00:00", "Z")
