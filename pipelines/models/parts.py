"""The parts in which a query is run, so that it takes less memory (`in_parts_by`, `in_part`)."""

import math
from collections.abc import Iterator

import duckdb

from pipelines.models.model import Model

MOST_PARTS = 64
"""Each part reads the whole table once more, so that a large one has larger parts instead of more."""


def in_parts(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[int]:
    """The parts of a model, from 0: one, or as many as its header says. Run its query in each."""
    count = 1
    if model.in_parts_by:
        rows = connection.execute(f"select count(*) from {model.in_parts_by}").fetchall()[0][0]
        count = min(max(1, math.ceil(rows / model.rows_a_part)), MOST_PARTS)
    connection.execute("set variable cmdb_part_count = $count", {"count": count})
    for part in range(count):
        connection.execute("set variable cmdb_part = $part", {"part": part})
        yield part
    connection.execute("reset variable cmdb_part_count")
    connection.execute("reset variable cmdb_part")
