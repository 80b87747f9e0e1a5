"""Views of the published file tell every reader the same, whatever the time zone of their session.

DuckDB turns a TIMESTAMPTZ into a day, a month or a text by the session's time zone, and a view is computed where it is
read.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from nights import copy_of

from pipelines.models.model import read_models
from resources.store.sql import identifier

ZONES = (
    "Pacific/Auckland",
    "America/Los_Angeles",
    # Whatever the hour, it is another day than in UTC in one of the two.
    "Pacific/Kiritimati",
    "Etc/GMT+12",
)


def views(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every view of the file, quoted for SQL."""
    found = connection.execute(
        """
        select schema_name, view_name from duckdb_views()
        where database_name = current_database() and not internal
        order by all
        """
    ).fetchall()
    return [f"{identifier(schema)}.{identifier(name)}" for schema, name in found]


def contents(connection: duckdb.DuckDBPyConnection, zone: str) -> dict[str, tuple[int, int]]:
    """Number of rows and sum of their hashes of every view, as a reader of that time zone computes them."""
    connection.execute(f"set TimeZone = '{zone}'")
    found = {}
    for view in views(connection):
        counted = connection.execute(
            f"select count(*), coalesce(sum(hash(row_of)), 0) from {view} as row_of"
        ).fetchone()
        assert counted is not None
        found[view] = counted
    return found


def differing(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The views that tell a reader of another time zone something else, by time zone."""
    expected = contents(connection, "UTC")
    return {
        zone: differ
        for zone in ZONES
        if (differ := [view for view, counted in contents(connection, zone).items() if counted != expected[view]])
    }


def moved_to_the_end_of_a_month(source: Path, target: Path) -> None:
    """Copy a file with every time moved by one interval, so that the newest lies on the last day of a month.

    What is cut to a month differs by time zone only there.
    """
    with duckdb.connect(str(target)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{source}' as source (read_only)")
        columns = connection.execute(
            """
            select columns.schema_name, columns.table_name, list(columns.column_name) filter (
                where columns.data_type = 'TIMESTAMP WITH TIME ZONE'
            )
            from duckdb_columns() as columns
            inner join duckdb_tables() as tables using (database_name, table_oid)
            where database_name = 'source'
            group by all
            """
        ).fetchall()
        newest = connection.execute(
            "select date_trunc('day', last_day(max(ended_at) at time zone 'UTC')) + interval 12 hours"
            " - max(ended_at) at time zone 'UTC' from source.audit.collection"
        ).fetchone()
        assert newest is not None
        for schema, table, times in columns:
            connection.execute(f"create schema if not exists {identifier(schema)}")
            name = f"{identifier(schema)}.{identifier(table)}"
            replaced = ", ".join(f"{identifier(time)} + $by as {identifier(time)}" for time in times or ())
            connection.execute(
                f"create table {name} as select *{f' replace ({replaced})' if replaced else ''} from source.{name}",
                {"by": newest[0]} if replaced else {},
            )
        modelled = {model.relation: model for model in read_models().values() if model.materialized == "view"}
        for name, sql in connection.execute(
            """
            select schema_name || '.' || view_name, sql from duckdb_views()
            where database_name = 'source' and not internal and schema_name = 'audit'
            """
        ).fetchall():
            if name not in modelled:
                connection.execute(sql)
        for model in modelled.values():
            connection.execute(f"create view {model.quoted} as {model.sql}")


@pytest.mark.parametrize("at", ["as the night ran", "at the end of a month"])
def test_every_view_of_the_published_file_is_the_same_in_every_time_zone(
    truthful_night: Path, tmp_path: Path, at: str
) -> None:
    file = copy_of(truthful_night, tmp_path).resolve()
    if at == "at the end of a month":
        moved_to_the_end_of_a_month(file, tmp_path / "moved.duckdb")
        file = tmp_path / "moved.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        assert len(views(connection)) > 20
        assert differing(connection) == {}
