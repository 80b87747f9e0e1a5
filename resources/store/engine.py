"""DuckDB opened: an engine in memory to attach a file to, and published files read as they are.

With `working` the only module that may attach a `.duckdb` file, and the only one that connects: DuckDB's lock is a
POSIX lock, which the process loses when it closes *any* descriptor of the file.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb

from resources.store.errors import LOCK_CONFLICT
from resources.store.process import PROCESS, Engine
from resources.store.sql import literal

STORAGE_VERSION = "v1.4.0"
"""What the files are written for: analysts' tools back to DuckDB 1.4 can read them."""

CATALOG = "warehouse"
"""Name of the working file inside a connection. Not `cmdb`: with a schema of that name, `cmdb.resource` would
be ambiguous."""

_THRIFT = {
    # What a query has freed goes back to the system at once: by default DuckDB keeps up to 128 MB of it.
    "allocator_flush_threshold": "1MB",
    "allocator_bulk_deallocation_flush_threshold": "1MB",
}
_SANDBOX = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A name in a query means a table, never a Python variable that happens to be in scope.
    "python_enable_replacements": "false",
}


@contextmanager
def engine(spill: Path, threads: int | None, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own to a DuckDB in memory: what was set or made in it ends with the block.

    The last engine is kept for the next block, unless something went wrong in it, or it has spilled: what it
    spilled is removed only when it closes.
    """
    with PROCESS.lock:
        kept = PROCESS.idle.pop() if PROCESS.idle else None
    if kept is not None and (kept.spill, kept.threads, kept.memory) != (spill, threads, memory):
        kept.root.close()
        kept = None
    if kept is None:
        config: dict[str, str | bool | int | float | list[str]] = {**_SANDBOX, **_THRIFT, "temp_directory": str(spill)}
        if threads is not None:
            config["threads"] = str(threads)
        if memory is not None:
            config["memory_limit"] = f"{memory}B"
        kept = Engine(spill, threads, memory, duckdb.connect(":memory:", config=config))
    try:
        with closing(kept.root.cursor()) as connection:
            yield connection
    except BaseException:
        kept.root.close()
        raise
    with PROCESS.lock:
        if not PROCESS.idle and not spill.exists():
            PROCESS.idle.append(kept)
            return
    kept.root.close()


def release_memory() -> None:
    """Close the DuckDB that is kept for the next query: for when other things need the memory more."""
    with PROCESS.lock:
        while PROCESS.idle:
            PROCESS.idle.pop().root.close()


def attach(connection: duckdb.DuckDBPyConnection, path: Path, writable: bool, patience: float) -> None:
    """Attach a file as `CATALOG`, in UTC, and use it.

    Args:
        patience: seconds to wait for another process that has it open.
    """
    options = f"storage_version {literal(STORAGE_VERSION)}" if writable else "read_only"
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute(f"attach {literal(path)} as {CATALOG} ({options})")
            break
        except duckdb.IOException as error:
            # Others of the product open it for milliseconds.
            if LOCK_CONFLICT not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    connection.execute(f"use {CATALOG}")
    connection.execute("set TimeZone = 'UTC'")


@contextmanager
def as_one(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One transaction: all of it when the block ends, nothing of it when the block raises."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        # After some errors DuckDB has rolled back by itself.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")


def open_read_only(path: Path, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a file that never changes: it alone can be read, nothing written, no setting undone.

    Opened as the database itself, not attached: DuckDB then refuses to attach anything for writing, even this
    file.

    Args:
        path: the file.
        spill: where DuckDB may put what does not fit into memory; nowhere for people, so that no copy of the
            data is left on a disk.
    """
    with PROCESS.lock:
        connection = duckdb.connect(
            str(path),
            read_only=True,
            config={**_SANDBOX, "enable_external_access": "false", "temp_directory": str(spill or "")},
        )
        try:
            row = connection.execute("select current_setting('lock_configuration')").fetchone()
            # Connections to one file share one DuckDB: a further one finds all this done.
            if row is not None and not row[0]:
                connection.execute("set global TimeZone = 'UTC'")
                connection.execute("set lock_configuration = true")
        except BaseException:
            connection.close()
            raise
        PROCESS.reading[path] += 1
        return connection


def close_read_only(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Close what `open_read_only` has opened."""
    with PROCESS.lock:
        connection.close()
        PROCESS.reading[path] -= 1
