"""What stands of a relation in DuckDB: its kind, its columns, and what they are commented with."""

import duckdb

from pipelines.models.model import Model
from resources.store.sql import identifier, literal


def columns_of(connection: duckdb.DuckDBPyConnection, model: Model) -> list[tuple[str, str]]:
    """Names and types of the columns of the relation of a model, in order."""
    return [(name, kind) for name, kind, _ in _columns(connection, "current_database()", model.schema, model.name)]


def temporary_columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    """Names and types of the columns of a temporary table or view, in order."""
    return [(column, kind) for column, kind, _ in _columns(connection, "'temp'", "main", name)]


def _columns(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str, name: str
) -> list[tuple[str, str, str | None]]:
    """Name, type and comment of each column, as the relation was made: to describe a view plans its query again."""
    return connection.execute(
        "select column_name, data_type, comment from duckdb_columns() "
        f"where database_name = {database} and schema_name = $schema and table_name = $name order by column_index",
        {"schema": schema, "name": name},
    ).fetchall()


def comment_on(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Describe the relation of a model and its columns, as their comments."""
    kind = "view" if model.materialized == "view" else "table"
    connection.execute(f"comment on {kind} {model.quoted} is {literal(model.header.description)}")
    standing = _columns(connection, "current_database()", model.schema, model.name)
    for name, _, comment in standing:
        # It spares writing what stands, in tables that are not made anew.
        if name in model.columns and comment != model.columns[name]:
            connection.execute(f"comment on column {model.quoted}.{identifier(name)} is {literal(model.columns[name])}")


def drop_other_kind(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Drop a view where a table is to be built, and the other way round: an earlier release built it so.

    DuckDB replaces neither by the other.
    """
    other = "table" if model.materialized == "view" else "view"
    standing = connection.execute(
        f"select 1 from duckdb_{other}s() "
        f"where database_name = current_database() and schema_name = $schema and {other}_name = $name",
        {"schema": model.schema, "name": model.name},
    ).fetchone()
    if standing is not None:
        connection.execute(f"drop {other} {model.quoted}")
