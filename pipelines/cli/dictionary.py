"""The data dictionary of the published file, as its comments hold it: which table or column is about a word."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

DESCRIBED = """
    with described as (
        select
            schema_name || '.' || table_name as relation,
            '' as column_name,
            '' as data_type,
            comment as description,
            0 as position
        from duckdb_tables()
        where not internal and schema_name not in ('main', 'stage')
        union all
        select schema_name || '.' || view_name, '', '', comment, 0
        from duckdb_views()
        where not internal and schema_name not in ('main', 'stage')
        union all
        select schema_name || '.' || table_name, column_name, data_type, comment, column_index
        from duckdb_columns()
        where not internal and schema_name not in ('main', 'stage')
    )

    select relation, column_name, data_type, description
    from described
    where
        case
            when $word = '' then column_name = ''
            when relation = lower($word) then true
            when column_name = '' then contains(lower(concat_ws(' ', relation, description)), lower($word))
            else contains(lower(concat_ws(' ', column_name, description)), lower($word))
        end
    order by column_name <> '', relation, position
"""
"""Tables and columns about `$word`, tables first. Of a whole name, such as cost.daily, every column."""


@dataclass(frozen=True)
class Entry:
    """A table or view, or a column of one.

    Attributes:
        relation: schema and name.
        column: empty where the entry is of the whole relation.
        data_type: empty likewise.
    """

    relation: str
    column: str
    data_type: str
    description: str


def entries(connection: "duckdb.DuckDBPyConnection", word: str) -> list[Entry]:
    """What the dictionary says about a word; all relations where it is empty."""
    return [Entry(*row) for row in connection.execute(DESCRIBED, {"word": word}).fetchall()]
