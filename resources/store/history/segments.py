"""The files of a segment: written by DuckDB, then closed to change and flushed to the disk."""

from pathlib import Path

import duckdb

from resources.store.files import permitted, sync
from resources.store.sql import literal


def write(connection: duckdb.DuckDBPyConnection, query: str, folder: Path, file: str) -> None:
    """Write the result of a query as one file of a segment."""
    target = literal(folder / f"{file}.parquet")
    connection.execute(f"copy ({query}) to {target} (format parquet, compression zstd)")


def settled(folder: Path) -> tuple[str, ...]:
    """Close the files of a segment to change, flush them and their names to the disk, and return their names."""
    files = sorted(folder.glob("*.parquet"))
    for path in files:
        path.chmod(permitted(0o440))
        sync(path)
    sync(folder)
    sync(folder.parent)
    return tuple(path.stem for path in files)
