"""SQL that cannot bind a parameter: quoted identifiers and literals, and whether a relation exists."""

from pathlib import Path
from typing import TYPE_CHECKING

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
    found = connection.execute(
        "select 1 from information_schema.tables where table_schema = $schema and table_name = $name",
        {"schema": schema, "name": name},
    )
    return found.fetchone() is not None
