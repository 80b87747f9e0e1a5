"""The files of a segment: written by DuckDB, then closed to change and flushed to the disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from resources.store.files import permitted, sync
from resources.store.history.state import stored
from resources.store.sql import literal


@dataclass(frozen=True)
class NewRows:
    """Rows that get a number in a history.

    Attributes:
        publication: the first one that has them.
        given: numbers given so far.
        columns: names and DuckDB types of what is written of them.
        has_group: whether the number of their group is written too.
    """

    publication: int
    given: int
    columns: Sequence[tuple[str, str]]
    has_group: bool


def write(connection: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write the result of a query as one file of a segment; `file` is without its ending."""
    target = literal(file.with_name(f"{file.name}.parquet"))
    # By default a group has so many rows, however wide, and what is written waits in memory until it has them.
    connection.execute(f"copy ({query}) to {target} (format parquet, compression zstd, row_group_size_bytes '32MB')")


def write_new(connection: duckdb.DuckDBPyConnection, source: str, rows: NewRows, file: Path) -> None:
    """Write rows that no publication before had as one file of a segment.

    Args:
        source: what stands after `from`: the table, and what tells the `_group` of each row where it has one.
    """
    # Files of several segments are read by the place of their columns. Rows are numbered as the scan gives them: to
    # sort them would hold whole rows in memory.
    query = f"""
        select
            {rows.given} + row_number() over () as _row, {"_group," if rows.has_group else ""}
            {rows.publication}::integer as _from, null::integer as _to, {", ".join(map(stored, rows.columns))}
        from {source}
    """
    write(connection, query, file)


def settled(folder: Path) -> tuple[str, ...]:
    """Close the files of a segment to change, flush them and their names to the disk, and return their names."""
    files = sorted(folder.glob("*.parquet"))
    for path in files:
        path.chmod(permitted(0o440))
        sync(path)
    sync(folder)
    sync(folder.parent)
    return tuple(path.stem for path in files)
