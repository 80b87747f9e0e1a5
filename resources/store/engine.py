"""DuckDB connections: an in-memory engine that files are attached to, and published files opened read-only.

Besides `opening` this is the only module that may attach a `.duckdb` file, and the only one that connects. DuckDB's
lock is a POSIX lock, which the process loses when it closes *any* descriptor of the file.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb

from resources.store.errors import LOCK_CONFLICT, interruptible
from resources.store.process import PROCESS, Engine
from resources.store.sql import literal

STORAGE_VERSION = "v1.4.0"
"""The storage version of the files, so that analysts' tools from DuckDB 1.4 on can read them."""

CATALOG = "warehouse"
"""Name of the working file inside a connection. Not `cmdb`: with a schema of that name, `cmdb.resource` would be
ambiguous."""

RETRY_SECONDS = 0.05
"""How often a file is tried that another process has open."""

MOST_KEPT = 64 * 1024 * 1024
"""Bytes that DuckDB may hold between two uses of a file that stays open: the file's blocks, and rows that no checkpoint
has written. It holds them until the file is closed, up to its memory limit. Where it is less than what a step reads
again and again, each use reads it from the file: at 16 MB, when the file was attached again too, a night of the demo
took 1.7 times the computing time."""

_THRIFT = {
    # What a query has freed returns to the system: by default DuckDB keeps up to 128 MB of it. Where one megabyte is
    # enough to return it, small queries take twice their time.
    "allocator_flush_threshold": "8MB",
    "allocator_bulk_deallocation_flush_threshold": "8MB",
    # Without a thread of its own the allocator returns memory only while other queries use it.
    "allocator_background_threads": "true",
    # A group of rows that is whole is written at once: by default five wait in memory, 40 MB each of the daily bill.
    "write_buffer_row_group_count": "1",
}
_SANDBOX = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A name in a query means a table, never a Python variable in scope.
    "python_enable_replacements": "false",
}


@contextmanager
def engine(spill: Path, threads: int | None, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an in-memory DuckDB. Its settings and temporary objects end with the block.

    A signal does not end its queries: whoever runs some is `interruptible`. The engine is kept for the next block,
    unless a block raised or spilled: spilled files are removed only when the engine closes.
    """
    with PROCESS.lock:
        kept = PROCESS.idle.pop() if PROCESS.idle else None
    if kept is not None and not ((kept.spill, kept.threads) == (spill, threads) and is_limited(kept.root, memory)):
        kept.root.close()
        kept = None
    if kept is None:
        config: dict[str, str | bool | int | float | list[str]] = {**_SANDBOX, **_THRIFT, "temp_directory": str(spill)}
        if threads is not None:
            config["threads"] = str(threads)
        if memory is not None:
            config["memory_limit"] = f"{memory}B"
        kept = Engine(spill, threads, duckdb.connect(":memory:", config=config))
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


def memory_of(connection: duckdb.DuckDBPyConnection) -> int:
    """Bytes that the DuckDB of a connection holds, its cache included."""
    row = connection.execute("select coalesce(sum(memory_usage_bytes), 0)::bigint from duckdb_memory()").fetchone()
    return int(row[0]) if row is not None else 0


def let_go_of_blocks(connection: duckdb.DuckDBPyConnection, most: int, memory: int | None) -> bool:
    """Drop cached blocks of files until DuckDB holds at most this many bytes; False where that would spill rows.

    Args:
        memory: the memory limit of the engine, in bytes; None for DuckDB's default.
    """
    unwritten = "select coalesce(sum(memory_usage_bytes), 0) from duckdb_memory() where tag = 'IN_MEMORY_TABLE'"
    if connection.execute(unwritten).fetchone() != (0,):
        return False
    return is_limited(connection, most) and is_limited(connection, memory)


def is_limited(connection: duckdb.DuckDBPyConnection, memory: int | None) -> bool:
    """Set DuckDB's memory limit, for which it drops cached blocks at once; False where it holds more that it needs.

    Args:
        memory: in bytes; None for DuckDB's default.
    """
    try:
        connection.execute("reset memory_limit" if memory is None else f"set memory_limit = '{memory}B'")
    except duckdb.OutOfMemoryException:
        return False
    return True


def release_memory() -> None:
    """Close the engine that is kept for the next query, so that its memory is free for other work."""
    with PROCESS.lock:
        while PROCESS.idle:
            PROCESS.idle.pop().root.close()


def attach(
    connection: duckdb.DuckDBPyConnection, path: Path, writable: bool, patience: float, block_size: int | None = None
) -> None:
    """Attach a file as `CATALOG`, and `use` it.

    Args:
        patience: seconds to wait for another process that has the file open.
        block_size: bytes of a block of a new file; DuckDB's own (262,144) where None.
    """
    options = f"storage_version {literal(STORAGE_VERSION)}" if writable else "read_only"
    if block_size is not None:
        options += f", block_size {block_size}"
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute(f"attach {literal(path)} as {CATALOG} ({options})")
            break
        except duckdb.IOException as error:
            # Other processes of the product have the file open for milliseconds only.
            if LOCK_CONFLICT not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
    use(connection)


def use(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the attached file the connection's default, with times in UTC."""
    connection.execute(f"use {CATALOG}")
    connection.execute("set TimeZone = 'UTC'")


@contextmanager
def as_one(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction: committed when the block ends, rolled back when the block raises."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        # After some errors DuckDB has already rolled back.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")


def open_read_only(
    path: Path, spill: Path | None = None, writes_to: Path | None = None, memory: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection that can read one published file and nothing else; its settings are locked.

    The file is opened as the database itself, not attached: DuckDB then refuses to attach anything for writing, even
    this file.

    Args:
        path: the file.
        spill: folder for data that does not fit into memory; None for people's queries, so that no copy of the data
            stays on a disk.
        writes_to: the one folder that COPY may write to, for an export; None for none.
        memory: DuckDB's memory limit in bytes, which includes its cache; None for DuckDB's default.
    """
    with PROCESS.lock:
        outside = "false" if writes_to is None else "true"
        limit = {} if memory is None else {"memory_limit": f"{memory}B"}
        connection = duckdb.connect(
            str(path),
            read_only=True,
            config={**_SANDBOX, "enable_external_access": outside, "temp_directory": str(spill or ""), **limit},
        )
        try:
            row = connection.execute("select current_setting('lock_configuration')").fetchone()
            # Connections to one file share one DuckDB instance, so only the first has to set this.
            if row is not None and not row[0]:
                connection.execute("set global TimeZone = 'UTC'")
                if writes_to is not None:
                    # DuckDB takes the folder only from a database that is open.
                    connection.execute(f"set global allowed_directories = [{literal(f'{writes_to}/')}]")
                    connection.execute("set global enable_external_access = false")
                    # Of several threads the fastest writes first, and the same rows are other bytes the next time.
                    connection.execute("set global threads = 1")
                connection.execute("set lock_configuration = true")
        except BaseException:
            connection.close()
            raise
        PROCESS.reading[path] += 1
        return connection


@contextmanager
def reading_folder(
    folder: Path, catalogs: Sequence[str] = (), *, spill: Path | None = None, memory: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty in-memory DuckDB in UTC, whose queries can read files of one folder and no others.

    COPY could write there too, so a person's statement may run only if it is a SELECT. Its settings are locked.

    Args:
        catalogs: names of further empty in-memory databases that are attached.
        spill: folder for data that does not fit into memory; None for people's queries, as in `open_read_only`.
        memory: memory limit in bytes, for one thread and rows of no order, which take the least; None for DuckDB's
            defaults.
    """
    config: dict[str, str | bool | int | float | list[str]] = {**_SANDBOX, "temp_directory": str(spill or "")}
    if memory is not None:
        config |= {**_THRIFT, "memory_limit": f"{memory}B", "threads": "1", "preserve_insertion_order": "false"}
    alone = duckdb.connect(":memory:", config=config)
    with closing(alone) as connection, interruptible(connection):
        for catalog in catalogs:
            connection.execute(f"attach ':memory:' as {catalog}")
        connection.execute("set global TimeZone = 'UTC'")
        # A query binds each file's columns, then reads it: once opened is enough, since the files never change.
        connection.execute("set global parquet_metadata_cache = true")
        connection.execute(f"set global allowed_directories = [{literal(f'{folder}/')}]")
        connection.execute("set global enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


@contextmanager
def writing_file(file: Path, spill: Path, block_size: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a new DuckDB file, in UTC, whose queries can read and write files of the file's folder alone.

    The file is whole when the block ends, without a journal beside it.

    Args:
        spill: folder for data that does not fit into memory.
        block_size: bytes of a block, from 16,384 on; a table takes a block at least.
    """
    alone = duckdb.connect(":memory:", config={**_SANDBOX, "temp_directory": str(spill)})
    with closing(alone) as connection, interruptible(connection):
        attach(connection, file, writable=True, patience=0, block_size=block_size)
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute(f"set global allowed_directories = [{literal(f'{file.parent}/')}]")
        connection.execute("set global enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
        connection.execute("use memory")
        connection.execute(f"detach {CATALOG}")


def close_read_only(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Close a connection that `open_read_only` returned."""
    with PROCESS.lock:
        connection.close()
        PROCESS.reading[path] -= 1
