"""What of a published version is recorded: its tables, and what it says of its tables and views."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from resources.store.engine import CATALOG
from resources.store.history.manifest import RELATIONS
from resources.store.sql import identifier

_RELATIONS_QUERY = """
    create or replace temp table relation as
    with described as (
        select
            schema_name, table_name, first(database_name) as database_name,
            list(struct_pack(name := column_name, comment := comment) order by column_index) as column_comments
        from duckdb_columns()
        where database_name = $catalog
        group by schema_name, table_name
    )
    select schema_name, table_name as relation_name, 'table' as kind, null::varchar as sql, comment, column_comments
    from duckdb_tables() join described using (database_name, schema_name, table_name)
    union all
    select schema_name, table_name, 'view', sql, comment, column_comments
    from (select * rename (view_name as table_name) from duckdb_views() where not internal)
    join described using (database_name, schema_name, table_name)
    order by schema_name, relation_name
"""


@dataclass(frozen=True)
class Source:
    """A table of the published version.

    Attributes:
        name: with its schema, such as `cost.daily`.
        sql: the same for a query.
        columns: names and DuckDB types, in order.
    """

    name: str
    sql: str
    columns: tuple[tuple[str, str], ...]


def read_sources(connection: duckdb.DuckDBPyConnection) -> list[Source]:
    """The tables of the attached version, and one made here: its tables and views themselves, with their comments."""
    connection.execute(_RELATIONS_QUERY, {"catalog": CATALOG})
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, table, column, type_ in connection.execute(
        """
        select c.schema_name, c.table_name, c.column_name, c.data_type
        from duckdb_columns() as c
        join duckdb_tables() as t using (database_name, schema_name, table_name)
        where c.database_name = $catalog
        order by c.schema_name, c.table_name, c.column_index
        """,
        {"catalog": CATALOG},
    ).fetchall():
        found.setdefault((schema, table), []).append((column, type_))
    sources = [
        Source(f"{schema}.{table}", f"{CATALOG}.{identifier(schema)}.{identifier(table)}", tuple(columns))
        for (schema, table), columns in found.items()
    ]
    described = connection.execute("describe temp.main.relation").fetchall()
    return [*sources, Source(RELATIONS, "temp.main.relation", tuple((row[0], row[1]) for row in described))]


def hash_of(columns: Sequence[tuple[str, str]]) -> str:
    """The hash of a row's columns, in their order, as an expression."""
    return f"hash({', '.join(identifier(name) for name, _ in columns)})"


def checksum_sql(columns: Sequence[tuple[str, str]], rows: str) -> str:
    """A query of row count and two checksums, which do not depend on the order of rows."""
    return (
        "select count(*)::varchar, coalesce(bit_xor(h), 0)::varchar, coalesce(sum(h), 0)::varchar, version() "
        f"from (select {hash_of(columns)} as h from {rows})"
    )
