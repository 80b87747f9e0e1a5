"""How much memory a table may take while it is built: what a large organisation has beyond it is spilled."""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import duckdb

T = TypeVar("T")

MEMORY = 256 << 20
"""Bytes that DuckDB may hold while a table is built and its rules are run, its cache of the file included."""

TIMES = (1, 1.375, 2.75, 5.5)
"""Of the limit, one after the other: without one DuckDB takes five times what it can do with. The second is what
`cmdb.relationship` takes at 2,000 accounts; an attempt in vain costs seconds."""


def within_memory(make: Callable[[int | None], T], limit: int = MEMORY) -> T:
    """Do something within a memory limit, in the memory that others have freed.

    What cannot be done within the limit is done once more within each of the larger ones, then without one.

    Args:
        make: what to do, for a memory limit in bytes or none.
        limit: in bytes.
    """
    for times in TIMES:
        return_freed()
        with suppress(duckdb.OutOfMemoryException):
            return make(int(times * limit))
    return_freed()
    return make(None)


def return_freed() -> None:
    """Return what the C library keeps of freed memory: after some thousand responses in threads, 20 MB.

    It takes a millisecond. Only glibc keeps that much, and only glibc has such a function.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
