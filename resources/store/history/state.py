"""The SQL of a table as of one publication.

Rows are kept with the publication that has them first (`_from`) and, once it is known, the first one that lacks them
(`_to`). Files named `….ends` hold the `_to` of rows that stand in earlier segments.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from resources.store.history.manifest import Layout, Manifest, Segment
from resources.store.sql import identifier, literal

ROWS, STAMPS = "rows", "stamps"
"""The two parts of a table: what is kept by row, and the stamps of each group of rows."""

_IN_PARQUET = re.compile(
    r"VARCHAR|DECIMAL|TIMESTAMP( WITH TIME ZONE)?|DATE|BOOLEAN|U?(BIGINT|INTEGER|SMALLINT|TINYINT)|DOUBLE|FLOAT|BLOB"
    r"|JSON|MAP|STRUCT"
)
"""The types that Parquet gives back as they were written. Values of others are written as text."""

_WORD = re.compile(r'"(?:[^"]|"")*"|\b[A-Z][A-Z_]*(?: WITH TIME ZONE)?\b')


def file_name(layout: Layout, part: str) -> str:
    """Name of a part's file in each segment, without its ending."""
    return f"{layout.number}.{part}"


def stored(column: tuple[str, str]) -> str:
    """A column as it is written."""
    name, type_ = column
    words = [word for word in _WORD.findall(type_) if not word.startswith('"')]
    named = identifier(name)
    return named if all(_IN_PARQUET.fullmatch(word) for word in words) else f"cast({named} as varchar) as {named}"


def typed(column: tuple[str, str]) -> str:
    """A column as it is read back: with the type that it had."""
    name, type_ = column
    return f"cast({identifier(name)} as {type_}) as {identifier(name)}"


def paths(folder: Path, segments: Iterable[Segment], file: str) -> list[Path]:
    """The files of this name in segments."""
    return [folder / segment.folder / f"{file}.parquet" for segment in segments if file in segment.files]


def scan(files: Iterable[Path]) -> str:
    """A table function that reads Parquet files of the same columns."""
    return f"read_parquet([{', '.join(map(literal, files))}])"


def part_sql(manifest: Manifest, folder: Path, layout: Layout, part: str, number: int) -> str | None:
    """The rows of a part as of a publication, with `_row`; None where no publication so far has had any."""
    segments = [segment for segment in manifest.segments if segment.first <= number]
    rows = paths(folder, segments, file_name(layout, part))
    if not rows:
        return None
    ends = paths(folder, segments, f"{file_name(layout, part)}.ends")
    query = (
        f"select * exclude (_from, _to) from {scan(rows)} where _from <= {number} and (_to is null or _to > {number})"
    )
    if not ends:
        return query
    return f"select * from ({query}) anti join (select _row from {scan(ends)} where _to <= {number}) using (_row)"


def state_sql(manifest: Manifest, folder: Path, layout: Layout, number: int) -> str:
    """The query of a table as of a publication: its columns with their types, in order."""
    columns = ", ".join(map(typed, layout.columns))
    rows = part_sql(manifest, folder, layout, ROWS, number)
    if rows is None:
        nothing = ", ".join(f"cast(null as {type_}) as {identifier(name)}" for name, type_ in layout.columns)
        return f"select {nothing} where false"
    if not layout.stamps:
        return f"select {columns} from ({rows})"
    stamps = part_sql(manifest, folder, layout, STAMPS, number)
    return f"select {columns} from ({rows}) join (select * exclude (_row) from ({stamps})) using (_group)"
