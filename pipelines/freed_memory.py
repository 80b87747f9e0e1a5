"""Memory that DuckDB's queries have freed: it returns to the system soon."""

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
