"""What a query reads, found by a parser. Nothing loads this module for a query of which that is kept.

sqlglot and the trees of all queries take some 90 MB, which a process does not give back (`stored_facts`).
"""

import functools
from typing import Any

import sqlglot
from sqlglot import exp

from pipelines.errors import UnreadableQueryError
from pipelines.models.sources import LANDING, WHOLE_BILL, Reads


def argument(node: "exp.Expr", name: str) -> Any:
    """An argument of a node whose name is a word of Python: versions of sqlglot write it with and without `_`."""
    return node.args.get(f"{name}_") or node.args.get(name)


@functools.cache
def parsed(sql: str) -> "exp.Expr":
    """The tree of a query, which nobody may change: all who look at the text get the same one.

    Trees take some 50 MB in all, so `query_facts.forget_trees` follows when every query has been looked at.

    Raises:
        UnreadableQueryError: it is not one query.
    """
    try:
        statements = sqlglot.parse(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise UnreadableQueryError(str(error)) from error
    if len(statements) != 1 or statements[0] is None:
        raise UnreadableQueryError(f"one query is wanted, and there are {len(statements)}")
    return statements[0]


def read(sql: str) -> Reads:
    """Find what a query reads.

    Raises:
        UnreadableQueryError: it is not one query, or `landing` does not name its listing as a string.
    """
    query = parsed(sql)
    relations: set[str] = set()
    listings: list[str] = []
    for table in query.find_all(exp.Table):
        call = table.this
        if isinstance(call, exp.Anonymous) and call.name.lower() == LANDING:
            named = call.expressions[0] if call.expressions else None
            if not (isinstance(named, exp.Literal) and named.is_string):
                raise UnreadableQueryError("landing(…) does not name its listing as a string")
            listings.append(str(named.this))
        elif table.db:
            relations.add(f"{table.db}.{table.name}")
    slices = _slices(query) if relations & WHOLE_BILL else frozenset[str]()
    return Reads(frozenset(relations), tuple(dict.fromkeys(listings)), slices)


def _slices(query: "exp.Expr") -> frozenset[str]:
    """The cuts of the bill that a query reads, where each of its parts names them; else none."""
    found: set[str] = set()
    for select in query.find_all(exp.Select):
        sources = [argument(select, "from"), *(select.args.get("joins") or [])]
        tables = [source.this for source in sources if source is not None]
        if not any(isinstance(table, exp.Table) and f"{table.db}.{table.name}" in WHOLE_BILL for table in tables):
            continue
        conditions = [select.args.get("where"), *(join.args.get("on") for join in select.args.get("joins") or [])]
        named = {
            name
            for condition in conditions
            if condition is not None
            for conjunct in _conjuncts(condition.this if isinstance(condition, exp.Where) else condition)
            for name in _named_slices(conjunct)
        }
        if not named:
            return frozenset()
        found |= named
    return frozenset(found)


def _conjuncts(condition: "exp.Expr") -> "list[exp.Expr]":
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _named_slices(condition: "exp.Expr") -> set[str]:
    """The cuts that a condition lets through; none where it is about something else."""
    if isinstance(condition, exp.EQ | exp.StartsWith):
        column, value = condition.this, condition.expression
        if isinstance(value, exp.DPipe):
            # `'tag:' || tag_key`
            value = value.this
        values = [value]
    elif isinstance(condition, exp.In):
        column, values = condition.this, condition.expressions
    else:
        return set()
    is_named = isinstance(column, exp.Column) and column.name == "slice" and bool(values)
    if not is_named or not all(isinstance(value, exp.Literal) and value.is_string for value in values):
        return set()
    return {str(value.this).partition(":")[0] for value in values}
