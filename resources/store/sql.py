"""SQL that cannot bind a parameter: quoted identifiers and literals; whether a relation exists; rows by column name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: Path | str) -> str:
    """A quoted SQL string, for statements that take no bound parameter: ATTACH, COMMENT ON."""
    return "'" + str(text).replace("'", "''") + "'"


def exists(connection: "duckdb.DuckDBPyConnection", schema: str, name: str) -> bool:
    """Whether a table or view of this name exists."""
    # By its columns: the information schema takes four times as long, and some hundreds of steps look here.
    found = connection.execute(
        "select 1 from duckdb_columns() where schema_name = $schema and table_name = $name limit 1",
        {"schema": schema, "name": name},
    )
    return found.fetchone() is not None


def named_rows(cursor: "duckdb.DuckDBPyConnection") -> list[dict[str, Any]]:
    """The rows of the query that ran last, each by the names of its columns."""
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
