"""What DuckDB knows of a built relation: its columns, and what they are commented with."""

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
    if model.materialized in ("view", "full"):  # made anew
        return {name: None for name, _ in columns_of(connection, model.quoted)}
    return dict(
        connection.execute(
            "select column_name, comment from duckdb_columns() "
            "where database_name = current_database() and schema_name = $schema and table_name = $name",
            {"schema": model.schema, "name": model.name},
        ).fetchall()
    )
