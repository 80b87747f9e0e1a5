"""What a free query reads, found in its text: the relations, and where it provably reads only a part of one.

Only what is proven makes a scope smaller. A part of a relation counts as read alone where the query compares its column
with literals, in a condition that every row has to meet, beside that very table. Whatever else the text does, the whole
relation counts; what cannot be named counts as everything that is collected.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp

from pipelines.cli.added_sources import conjuncts
from pipelines.cli.slices import nodes_of
from pipelines.models.queries import argument

EVERYTHING = "*"
"""In place of a relation: every cell that ought to have been requested."""

NARROWING = ("account_id", "region", "slice")
"""Columns whose comparison with literals may make the scope of a relation smaller."""

GENERATORS = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"})
"""Table functions that read no table."""

CATALOGUES = frozenset(
    f"duckdb_{name}" for name in ("columns", "constraints", "functions", "schemas", "tables", "types", "views")
)
"""Table functions that describe the file; some of them count rows, so that everything counts as read."""


SYSTEM = ("duckdb_", "pg_", "pragma_", "sqlite_")
"""Beginnings of names of views that DuckDB has beside the tables of the file."""


class NotOneQuery(ValueError):
    """The text is refused. The message is a sentence."""


@dataclass(frozen=True)
class Read:
    """A relation that is read, or a part of one; an empty set narrows nothing.

    Attributes:
        relation: by `schema.table`, or `EVERYTHING`.
        accounts: only rows of these accounts are read.
        regions: only rows of these regions are read.
        slices: of the bill, only these kinds of slices are read.
        listings: only rows that came in these listings are read.
        is_exact: the cells of these accounts and regions alone count, without those of the organisation.
        is_own: whoever reads vouches that which rows of an account there are rests on its own cells and the
            organisation's.
    """

    relation: str
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    slices: frozenset[str] = frozenset()
    listings: frozenset[str] = frozenset()
    is_exact: bool = False
    is_own: bool = False


def reads_of(sql: str, tree: Mapping[str, Any], columns: Mapping[str, Collection[str]]) -> frozenset[Read]:
    """What one query reads.

    Args:
        tree: the query as DuckDB itself parses it (`json_serialize_sql`): it alone decides what is a table.
        columns: of each relation the columns that it has.

    Raises:
        NotOneQuery: the text is not one SELECT, or calls a table function that is not on the list.
    """
    if tree.get("error") or len(tree.get("statements", ())) != 1:
        raise NotOneQuery(
            "Write one SELECT: nothing else runs here, and nothing ran."
            + (f" DuckDB says: {tree['error_message']}" if tree.get("error_type") == "parser" else "")
        )
    nodes = list(nodes_of(tree))
    local = {entry["key"].lower() for node in nodes for entry in (node.get("cte_map") or {}).get("map", ())}
    named: Counter[str] = Counter()
    for node in nodes:
        if node.get("type") == "TABLE_FUNCTION":
            name = str(node["function"]["function_name"]).lower()
            if name in CATALOGUES:
                named[EVERYTHING] += 1
            elif name not in GENERATORS:
                raise NotOneQuery(
                    f"The table function {name} is not allowed here, and nothing ran: query the published tables."
                )
        elif node.get("type") == "SHOW_REF":
            named[EVERYTHING] += 1
        elif node.get("type") == "BASE_TABLE":
            schema, name = str(node["schema_name"]).lower(), str(node["table_name"]).lower()
            if schema or name not in local or name.startswith(SYSTEM):
                relation = f"{schema}.{name}"
                named[relation if relation in columns else EVERYTHING] += 1
    parts = _parts(sql, columns)
    found: set[Read] = set()
    for relation, times in named.items():
        # Where both parsers see a relation as often, the parts are those of every occurrence.
        narrowed = parts.get(relation, [])
        found |= set(narrowed) if len(narrowed) == times else {Read(relation)}
    return frozenset(found)


def _parts(sql: str, columns: Mapping[str, Collection[str]]) -> dict[str, list[Read]]:
    """Of each relation the part that each occurrence of it reads; nothing where the text cannot be read."""
    try:
        statement = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return {}
    found: dict[str, list[Read]] = {}
    for table in statement.find_all(exp.Table):
        relation = f"{table.db}.{table.name}".lower()
        bound = {name: _bound(table, name) for name in NARROWING if name in columns.get(relation, ())}
        read = Read(
            relation,
            accounts=bound.get("account_id", frozenset()),
            regions=bound.get("region", frozenset()),
            slices=frozenset(value.partition(":")[0] for value in bound.get("slice", frozenset())),
        )
        found.setdefault(relation, []).append(read)
    return found


def _bound(table: exp.Table, column: str) -> frozenset[str]:
    """The only values of a column that the query lets through of this table; empty where that is not proven."""
    clause = table.parent
    select = clause.parent if isinstance(clause, exp.From | exp.Join) else None
    is_renamed = bool(table.args.get("pivots") or table.args.get("joins") or table.alias_column_names)
    if not isinstance(select, exp.Select) or is_renamed:
        return frozenset()
    is_alone = isinstance(clause, exp.From) and not select.args.get("joins") and not select.args.get("laterals")
    for shown in select.expressions:
        # Where a shown value has the column's name, a condition might be about that.
        if shown.alias.lower() == column and not (isinstance(shown, exp.Alias) and isinstance(shown.this, exp.Column)):
            return frozenset()
    where = argument(select, "where")
    if where is None:
        return frozenset()
    for conjunct in conjuncts(where.this):
        values = _literals(conjunct, column, table.alias_or_name, is_alone=is_alone)
        if values:
            return values
    return frozenset()


def _literals(condition: "exp.Expr", column: str, alias: str, *, is_alone: bool) -> frozenset[str]:
    if isinstance(condition, exp.EQ):
        sides = [condition.this, condition.expression]
        compared = next((side for side in sides if isinstance(side, exp.Column)), None)
        values = [side for side in sides if side is not compared]
    elif isinstance(condition, exp.In) and condition.expressions:
        compared, values = condition.this, condition.expressions
    else:
        return frozenset()
    if not isinstance(compared, exp.Column) or compared.name.lower() != column:
        return frozenset()
    is_of_this = compared.table.lower() == alias.lower() if compared.table else is_alone
    if not is_of_this or not all(isinstance(value, exp.Literal) and value.is_string for value in values):
        return frozenset()
    return frozenset(str(value.this) for value in values)
