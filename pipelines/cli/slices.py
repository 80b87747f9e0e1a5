"""Finds queries that add up the slices of the bill, each of which is the same money."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

SUMS = frozenset({"sum", "sum_no_overflow", "fsum", "sumkahan", "kahan_sum", "avg", "mean", "favg"})

SLICED = "select table_name from duckdb_columns() where schema_name = 'cost' and column_name = 'slice'"


def summed_across_slices(connection: "duckdb.DuckDBPyConnection", query: str) -> str:
    """A sentence that names the tables whose slices a query adds up; empty where it adds up none.

    A query that mentions the column `slice` anywhere is taken to know what it does.
    """
    lowered = query.lower()
    if not any(name in lowered for name in SUMS) or "slice" in lowered:
        return ""
    nodes = list(nodes_of(tree_of(connection, query)))
    if not any(node.get("type") == "FUNCTION" and node["function_name"].lower() in SUMS for node in nodes):
        return ""
    read = {
        node["table_name"].lower()
        for node in nodes
        if node.get("type") == "BASE_TABLE" and node["schema_name"].lower() == "cost"
    }
    tables = sorted(read & {name for (name,) in connection.execute(SLICED).fetchall()}) if read else []
    if not tables:
        return ""
    named = " and ".join(f"cost.{table}" for table in tables)
    return (
        f"{named} {'holds' if len(tables) == 1 else 'hold'} the same money once in each slice, and the query names no "
        "slice, so its sums count it several times. Add a condition such as slice = 'service', or read "
        "cost.daily_total or a cost.by_ view."
    )


def tree_of(connection: "duckdb.DuckDBPyConnection", query: str) -> dict[str, Any]:
    """A query as DuckDB parses it."""
    row = connection.execute("select json_serialize_sql($query)", {"query": query}).fetchone()
    found: dict[str, Any] = json.loads(row[0]) if row else {}
    return found


def nodes_of(tree: Any) -> Iterator[dict[str, Any]]:
    """Every structure in a query as `tree_of` has it."""
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from nodes_of(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from nodes_of(part)
