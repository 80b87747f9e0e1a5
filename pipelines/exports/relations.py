"""The public relations of a published file: columns, types, keys and comments, as they stand in the file itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.models.model import SCHEMAS, read_models
from resources.store.sql import identifier

if TYPE_CHECKING:
    import duckdb

PUBLIC = (*(schema for schema in SCHEMAS if schema != "stage"),)
"""The schemas that analysts use; `stage` is an intermediate step."""

DAY = "usage_date"
"""The column by which relations of one row a day are partitioned, by month."""

PARTITION = "usage_month"


@dataclass(frozen=True)
class Column:
    """A column: its DuckDB type, what it means, and its place in the key from 1 on, or None."""

    name: str
    type: str
    comment: str
    key_position: int | None


@dataclass(frozen=True)
class Relation:
    """A public table or view.

    Attributes:
        name: with its schema, such as `cost.daily`.
        is_daily: it has one row or more a day, keyed by `DAY`.
    """

    name: str
    kind: str
    comment: str
    columns: tuple[Column, ...]
    is_daily: bool

    @property
    def sql(self) -> str:
        """The name as SQL."""
        return ".".join(identifier(part) for part in self.name.split(".", 1))


def read_relations(connection: "duckdb.DuckDBPyConnection") -> tuple[Relation, ...]:
    """All public relations, by name."""
    found = connection.execute(
        """
        select schema_name || '.' || table_name as relation, 'table' as kind, comment
        from duckdb_tables() where list_contains($public, schema_name)
        union all
        select schema_name || '.' || view_name, 'view', comment
        from duckdb_views() where list_contains($public, schema_name) and not internal
        order by relation
        """,
        {"public": list(PUBLIC)},
    ).fetchall()
    columns: dict[str, list[tuple[str, str, str | None]]] = {}
    for relation, *column in connection.execute(
        """
        select schema_name || '.' || table_name, column_name, data_type, comment
        from duckdb_columns() where list_contains($public, schema_name) and not internal
        order by schema_name, table_name, column_index
        """,
        {"public": list(PUBLIC)},
    ).fetchall():
        columns.setdefault(relation, []).append((column[0], column[1], column[2]))
    keys = {name: model.key for name, model in read_models().items()}
    return tuple(
        _relation(name, kind, comment or "", columns[name], tuple(keys.get(name, ()))) for name, kind, comment in found
    )


def _relation(
    name: str, kind: str, comment: str, columns: list[tuple[str, str, str | None]], key: tuple[str, ...]
) -> Relation:
    places = {column: place for place, column in enumerate(key, start=1)}
    return Relation(
        name,
        kind,
        comment,
        tuple(Column(column, type_, said or "", places.get(column)) for column, type_, said in columns),
        DAY in key,
    )
