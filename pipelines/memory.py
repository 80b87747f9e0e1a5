"""How much memory a table may take while it is built: what a large organisation has beyond it is spilled."""

import ctypes
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import duckdb

from resources.store.store import Store

T = TypeVar("T")

MEMORY = 256 << 20
"""Bytes that DuckDB may hold while a table is built and its rules are run, or while a step stores what it has found,
its cache of the file included."""

TIMES = (1, 1.375, 2.75, 5.5)
"""Of the limit, one after the other: without one DuckDB takes five times what it can do with. An attempt in vain costs
seconds."""

READING_MEMORY = 128 << 20
"""The same, while rows of the working file are read for a part of a step, whose own rows are in memory too."""


def within_memory(make: Callable[[int | None], T], limit: int = MEMORY) -> T:
    """Do something within a memory limit, in the memory that others have freed.

    What cannot be done within the limit is done once more within each of the larger ones, then without one.

    Args:
        make: what to do, for a memory limit in bytes or none.
        limit: in bytes.
    """

    def in_freed(memory: int | None) -> T:
        return_freed()
        return make(memory)

    return _with_more(in_freed, limit)


def _with_more(make: Callable[[int | None], T], limit: int) -> T:
    for times in TIMES:
        with suppress(duckdb.OutOfMemoryException):
            return make(int(times * limit))
    return make(None)


def read_within_memory(store: Store, query: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
    """What a query on the working file returns, within a memory limit (`within_memory`)."""

    def read(memory: int | None) -> T:
        with store.read(memory) as connection:
            return query(connection)

    return _with_more(read, READING_MEMORY)


def rows_within_memory(store: Store, sql: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """The rows of a SELECT on the working file, as `read_within_memory`."""
    return read_within_memory(store, lambda connection: connection.execute(sql, parameters).fetchall())


def return_freed() -> None:
    """Return what the C library keeps of freed memory: after some thousand responses in threads, 20 MB.

    It takes a millisecond. Only glibc keeps that much, and only glibc has such a function.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
