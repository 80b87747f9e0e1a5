"""Finds queries that add up the same money several times, such as the slices of the bill.

What is a table, DuckDB's own parser decides; `additions` finds what becomes of each.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipelines.cli.repeated_money import LIST_SUMS, SLICES, SUMS, VIEWS

if TYPE_CHECKING:
    import duckdb

EXAMPLES = {"slice": "'service'", "tag_key": "'bc:project'", "as_of_date": "(select max(as_of_date) from …)"}
"""Conditions as a user may write them."""

BILL = frozenset({"cost.daily", "cost.by_tag", "cost.tag_service_daily", "stage.reported_cost"})
"""Relations that hold the whole bill more than once."""


def summed_across_slices(connection: "duckdb.DuckDBPyConnection", query: str) -> str:
    """A sentence that names the relations whose money a query adds up several times; empty where it does not.

    Where the text does not decide it, the sentence is there.
    """
    lowered = query.lower()
    if not any(name in lowered for name in SUMS):
        return ""
    try:
        found = _added_up(connection, query)
    except RecursionError:
        return "The query is nested too deeply to look at its sums, which may count the same money twice: use WITH."
    return _sentence(found) if found else ""


def _added_up(connection: "duckdb.DuckDBPyConnection", query: str) -> dict[str, str]:
    nodes = list(nodes_of(tree_of(connection, query)))
    if not any(str(node.get("function_name", "")).lower() in SUMS | LIST_SUMS for node in nodes):
        return {}
    read = Counter(
        f"{node['schema_name']}.{node['table_name']}".lower() for node in nodes if node.get("type") == "BASE_TABLE"
    )
    if not (read.keys() & SLICES.keys() or len(read.keys() & VIEWS.keys()) > 1):
        return {}
    # Parsing takes memory that a process does not give back, so only such a query is parsed.
    from pipelines.cli.additions import added_up

    return added_up(query, read)


def _sentence(found: dict[str, str]) -> str:
    """What is wrong with sums of these relations, each with its column, and what would be right."""
    relations = [name for name in sorted(found) if name in SLICES]
    views = [name for name in sorted(found) if name in VIEWS]
    held = [f"{name} holds the same money once in each {found[name]}" for name in relations]
    held += [f"{' and '.join(views)} show{'s' if len(views) == 1 else ''} the same money"] if views else []
    columns = sorted({found[name] for name in relations})
    such = " and ".join(f"{column} = {EXAMPLES[column]}" for column in columns if column in EXAMPLES)
    ways = []
    if columns:
        named = " and ".join(columns)
        ways.append(f"compare {named} with one value everywhere{f', such as {such}' if such else ''}, or group by it")
    if views or found.keys() & BILL:
        ways.append("read cost.daily_total, which holds the bill once")
    return (
        f"{', and '.join(held)}, so that the query's sums may count it several times. "
        f"{ways[0][0].upper()}{'; or '.join(ways)[1:]}."
    )


def tree_of(connection: "duckdb.DuckDBPyConnection", query: str) -> dict[str, Any]:
    """A query as DuckDB parses it."""
    row = connection.execute("select json_serialize_sql($query)", {"query": query}).fetchone()
    found: dict[str, Any] = json.loads(row[0]) if row else {}
    return found


def nodes_of(tree: Any) -> Iterator[dict[str, Any]]:
    """Every structure in a query as `tree_of` has it, each before its parts, however deep they are."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)
