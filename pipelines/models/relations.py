"""What stands of a relation in DuckDB: its kind, its columns, and what they are commented with."""

import duckdb

from pipelines.models.model import Model
from resources.store.sql import identifier, literal


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    """Names and types of the columns of a relation, in order."""
    return [(row[0], row[1]) for row in connection.execute(f"describe {relation}").fetchall()]


def comment_on(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Describe the relation of a model and its columns, as their comments."""
    kind = "view" if model.materialized == "view" else "table"
    connection.execute(f"comment on {kind} {model.quoted} is {literal(model.header.description)}")
    standing = _column_comments(connection, model)
    for name, comment in standing.items():
        # It spares writing what stands, in tables that are not made anew.
        if name in model.columns and comment != model.columns[name]:
            connection.execute(f"comment on column {model.quoted}.{identifier(name)} is {literal(model.columns[name])}")


def _column_comments(connection: duckdb.DuckDBPyConnection, model: Model) -> dict[str, str | None]:
    """The columns of a relation and what each is commented with."""
    if model.materialized in ("view", "full", "full_from_previous"):  # made anew
        return {name: None for name, _ in columns_of(connection, model.quoted)}
    return dict(
        connection.execute(
            "select column_name, comment from duckdb_columns() "
            "where database_name = current_database() and schema_name = $schema and table_name = $name",
            {"schema": model.schema, "name": model.name},
        ).fetchall()
    )


def drop_other_kind(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Drop a view where a table is to be built, and the other way round: an earlier release built it so.

    DuckDB replaces neither by the other.
    """
    standing = connection.execute(
        """
        select table_type
        from information_schema.tables
        where table_catalog = current_database() and table_schema = $schema and table_name = $name
        """,
        {"schema": model.schema, "name": model.name},
    ).fetchone()
    if standing is not None and (standing[0] == "VIEW") != (model.materialized == "view"):
        connection.execute(f"drop {'view' if standing[0] == 'VIEW' else 'table'} {model.quoted}")
