"""How much memory a table may take while it is built: what a large organisation has beyond it is spilled."""

from collections.abc import Callable
from typing import TypeVar

import duckdb

T = TypeVar("T")

MEMORY = 384 << 20
"""Bytes that DuckDB may hold while a table is built and its rules are run, its cache of the file included."""


def within_memory(make: Callable[[int | None], T]) -> T:
    """Do a transaction within `MEMORY`; what cannot be done so is done once more without a limit.

    Args:
        make: the transaction, for a memory limit in bytes or none.
    """
    try:
        return make(MEMORY)
    except duckdb.OutOfMemoryException:
        return make(None)
