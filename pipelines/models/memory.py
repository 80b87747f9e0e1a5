"""How much memory a table may take while it is built: what a large organisation has beyond it is spilled."""

from collections.abc import Callable
from typing import TypeVar

import duckdb

from pipelines.freed_memory import return_now

T = TypeVar("T")

MEMORY = 384 << 20
"""Bytes that DuckDB may hold while a table is built and its rules are run, its cache of the file included."""


def within_memory(make: Callable[[int | None], T], limit: int = MEMORY) -> T:
    """Do something within a memory limit, in the memory that others have freed.

    What cannot be done within the limit is done once more without one.

    Args:
        make: what to do, for a memory limit in bytes or none.
        limit: in bytes.
    """
    return_now()
    try:
        return make(limit)
    except duckdb.OutOfMemoryException:
        return make(None)
