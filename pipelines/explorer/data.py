"""The data file of the explorer: what is published as one DuckDB file that a browser's engine reads in parts."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.catalogue.registry import listings
from pipelines.exports.files import Scope, published_name, scopes
from pipelines.exports.relations import Relation, read_relations
from pipelines.models.macros import RECORD
from resources import release
from resources.installation import code_version
from resources.store.engine import writing_file
from resources.store.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

QUERIES = Path(__file__).parent / "queries"

LEFT_OUT = {
    "cost.daily": "under Cost, by day",
    "cost.daily_total": "under Cost, by account",
    "cost.by_organizational_unit": "under Cost, by account",
    "cost.by_record_type": "under Cost, by record type",
    "cost.by_region": "under Cost, by region",
    "cost.by_service": "under Cost, by service",
    "cost.by_tag": "under Cost, by team",
    "cost.by_usage_type": "under Cost, by usage type",
    "cost.focus_cost_and_usage": "under Cost, in other words",
    "cost.tag_service_daily": "under Cost, by team and service",
    "audit.collection": "behind each row, as the cell that it came from",
    "audit.newest_cell": "under Cells",
    "audit.trail_call": "for `cmdb sql` alone: it has a row for each call",
}
"""Public relations that are no table of the file, with the place where their rows are shown.

They are the largest, and most are the same money once more."""

CELL = ("run_id", "role", "caller_account_id", "cell_region", "listing")
"""The columns by which a row leads to the cell that it came from."""

DATA = "data.duckdb"

REPORT = "report.html"
"""The report of the same run, to which the page leads, and which leads to the page where a server has both."""

BLOCK = 32768
"""Bytes of a block of the file: small, since a browser fetches blocks, and most tables have few rows."""

_RAW = ".raw"


def write_data(folder: Path, store: "Store") -> dict[str, Any]:
    """Write `data.duckdb` into a folder, from what is published, and return what it is.

    Each public relation is a table of its name, but for `LEFT_OUT`, and without its column `record`. The browser's
    engine has no time zones and no JSON: times are UTC without a zone, JSON is text. Schema `explorer` holds the bill
    in one shape, its sums by month, the cells behind all rows, and what is known of each relation.

    Raises:
        WarehouseError: nothing is published yet.
    """
    raw = folder / _RAW
    raw.mkdir()
    try:
        with store.exporting(raw) as connection:
            about = {
                "published": published_name(connection),
                "run_id": _run_id(connection),
                "as_of": _as_of(connection),
                "version": code_version(),
                "written_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            relations = [_shown(relation) for relation in read_relations(connection) if relation.name not in LEFT_OUT]
            known = scopes(connection)
            for relation in relations:
                _copy(connection, f"select {_portable(relation)} from {relation.sql}", raw / relation.name)
            _copy(connection, f"select {_UTC} from ({_query('cost_day')})", raw / "cost_day")
            _copy(connection, f"select {_CELL_UTC} from audit.collection", raw / "cell")
        with writing_file(folder / DATA, raw / "spill", BLOCK) as connection:
            _fill(connection, raw, relations, known, about)
    finally:
        shutil.rmtree(raw, ignore_errors=True)
    return about


def _shown(relation: Relation) -> Relation:
    """The relation without the whole records of AWS, which would be the most of what a browser fetches."""
    return replace(relation, columns=tuple(column for column in relation.columns if column.name != RECORD))


def _query(name: str) -> str:
    release.require("pipelines/explorer/queries")
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def _run_id(connection: "duckdb.DuckDBPyConnection") -> str:
    """The run that published the file."""
    row = connection.execute(
        "select run_id from audit.run where outcome = 'published' order by finished_at desc limit 1"
    ).fetchone()
    return str(row[0]) if row else ""


def _as_of(connection: "duckdb.DuckDBPyConnection") -> str:
    """When the newest run began whose rows these are, UTC."""
    row = connection.execute(
        "select strftime(max(started_at) at time zone 'UTC', '%Y-%m-%d %H:%M UTC') from audit.run"
    ).fetchone()
    return str(row[0]) if row and row[0] else "unknown time"


_UTC = "* replace (collected_at at time zone 'UTC' as collected_at)"

_CELL_UTC = """
    * exclude (raw_response) replace (
        evidence::varchar as evidence, started_at at time zone 'UTC' as started_at,
        ended_at at time zone 'UTC' as ended_at, accepted_at at time zone 'UTC' as accepted_at,
        confirmed_at at time zone 'UTC' as confirmed_at
    )
"""


def _portable(relation: Relation) -> str:
    """The relation's columns in types that the browser's engine has without an extension."""
    return ", ".join(_portable_column(column.name, column.type) for column in relation.columns)


def _portable_column(name: str, type_: str) -> str:
    quoted = identifier(name)
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f"{quoted} at time zone 'UTC' as {quoted}"
    plain = re.sub(r"\bJSON\b", "VARCHAR", type_)
    # Parquet has no integer of 128 bits, and within a structure a time is shown as it is written.
    plain = plain.replace("HUGEINT", "DECIMAL(38, 0)").replace("TIMESTAMP WITH TIME ZONE", "VARCHAR")
    return quoted if plain == type_ else f"{quoted}::{plain} as {quoted}"


def _copy(connection: "duckdb.DuckDBPyConnection", query: str, target: Path) -> None:
    connection.execute(f"copy ({query}) to {literal(f'{target}.parquet')} (format parquet, compression zstd)")


def _fill(
    connection: "duckdb.DuckDBPyConnection",
    raw: Path,
    relations: Sequence[Relation],
    known: dict[str, Scope],
    about: dict[str, Any],
) -> None:
    """Make every table. Rows are sorted by what people filter by, so that a filter reads few blocks of the file."""
    for schema in sorted({relation.name.partition(".")[0] for relation in relations} | {"explorer"}):
        connection.execute(f"create schema {identifier(schema)}")

    def source(name: str) -> str:
        return f"read_parquet({literal(raw / f'{name}.parquet')})"

    counts = {}
    for relation in relations:
        columns = {column.name for column in relation.columns}
        order = [name for name in ("account_id", "region") if name in columns]
        ordered = f" order by {', '.join(order)}" if order else ""
        connection.execute(f"create table {relation.sql} as from {source(relation.name)}{ordered}")
        row = connection.execute(f"select count(*) from {relation.sql}").fetchone()
        counts[relation.name] = row[0] if row else 0
    connection.execute(
        f"""
        create table explorer.cost_day as
        from {source("cost_day")} order by slice, date_trunc('month', usage_date), account_id, value, usage_date
        """
    )
    connection.execute(f"create table explorer.cost_month as {_query('cost_month')}")
    connection.execute(f"create table explorer.choice as {_query('choice')}")
    leading = [relation.sql for relation in relations if set(CELL) <= {column.name for column in relation.columns}]
    keys = " union ".join(f"select distinct {', '.join(CELL)} from {name}" for name in [*leading, "explorer.cost_day"])
    connection.execute(
        f"""
        create table explorer.cell as
        select cell.* from {source("cell")} as cell
        semi join ({keys}) as key
            on cell.run_id = key.run_id and cell.role = key.role and cell.account_id = key.caller_account_id
            and cell.region = key.cell_region and cell.listing = key.listing
        order by cell.account_id, cell.region, cell.listing
        """
    )
    _describe(connection, relations, known, about, counts)


def _describe(
    connection: "duckdb.DuckDBPyConnection",
    relations: Sequence[Relation],
    known: dict[str, Scope],
    about: dict[str, Any],
    counts: dict[str, int],
) -> None:
    connection.execute("create table explorer.about (name varchar, value varchar)")
    connection.executemany("insert into explorer.about values (?, ?)", [[name, str(it)] for name, it in about.items()])
    connection.execute(
        """
        create table explorer.relation (
            name varchar, comment varchar, row_count bigint, judged bigint, unknown bigint, unknown_reason varchar,
            as_of varchar, has_cell boolean
        )
        """
    )
    connection.execute(
        """
        create table explorer.relation_column (
            relation varchar, place integer, name varchar, type varchar, comment varchar
        )
        """
    )
    for relation in relations:
        scope = known.get(relation.name)
        told = [None] * 4 if scope is None else [scope.judged, scope.unknown, scope.unknown_reason, scope.as_of]
        has_cell = set(CELL) <= {column.name for column in relation.columns}
        connection.execute(
            "insert into explorer.relation values (?, ?, ?, ?, ?, ?, ?, ?)",
            [relation.name, relation.comment, counts[relation.name], *told, has_cell],
        )
        connection.executemany(
            "insert into explorer.relation_column values (?, ?, ?, ?, ?)",
            [[relation.name, place, c.name, c.type, c.comment] for place, c in enumerate(relation.columns)],
        )
    connection.execute("create table explorer.left_out (name varchar, place varchar)")
    connection.executemany("insert into explorer.left_out values (?, ?)", [list(item) for item in LEFT_OUT.items()])
    connection.execute("create table explorer.listing (name varchar, resource_type varchar, call varchar)")
    connection.executemany(
        "insert into explorer.listing values (?, ?, ?)",
        [[name, listing.resource_type or None, listing.call] for name, listing in listings().items()],
    )
