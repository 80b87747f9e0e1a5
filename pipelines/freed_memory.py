"""Memory that has been freed, by DuckDB's queries or by others: it returns to the system soon."""

import ctypes
from collections.abc import MutableMapping

DUCKDB_ALLOCATOR = "DUCKDB_JE_MALLOC_CONF"
"""The variable that DuckDB's allocator reads as DuckDB is loaded. It has none on macOS and Windows."""


def return_soon(environment: MutableMapping[str, str]) -> None:
    """Let DuckDB keep what its queries have freed for a tenth of a second, unless the environment says otherwise.

    DuckDB's allocator would keep it for a second or longer, some 30 MB after each large query. To return it at once
    would double the time of small queries. It counts for a process that has not loaded DuckDB yet, and for those that
    it starts.
    """
    environment.setdefault(DUCKDB_ALLOCATOR, "dirty_decay_ms:100,muzzy_decay_ms:0")


def return_now() -> None:
    """Return what the C library keeps of freed memory: after some thousand responses in threads, 20 MB.

    It takes a millisecond. Only glibc keeps that much, and only glibc has such a function.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
