"""Keeping the segments few: neighbours are merged, so that a query reads a few dozen files, and old rows go."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from resources.store.files import make_folder, remove
from resources.store.history.manifest import Manifest, Segment
from resources.store.history.segments import settled, write
from resources.store.history.state import ROWS, STAMPS, file_name, paths, scan

MERGED_AT_ONCE = 8
"""Number of neighbours of like size that become one segment: a row is written again log8(publications) times."""

FORGOTTEN_AT_ONCE = 32
"""Number of forgotten publications whose rows are removed together, since the oldest segment is written anew for it."""


def merged(connection: duckdb.DuckDBPyConnection, history: Path, manifest: Manifest) -> Manifest:
    """The manifest with its segments merged where enough of them are alike, and without rows that are forgotten.

    The segments that were merged stay on disk; the same manifest is returned where nothing was to do.
    """
    while group := _alike(manifest.segments):
        manifest = _replaced(connection, history, manifest, group)
    oldest = manifest.publications[0].number
    if oldest - max(manifest.cleared, 1) >= FORGOTTEN_AT_ONCE:
        group = [segment for segment in manifest.segments if segment.first <= oldest]
        manifest = replace(_replaced(connection, history, manifest, group), cleared=oldest)
    return manifest


def _alike(segments: Sequence[Segment]) -> Sequence[Segment]:
    """The newest segments of like size, if there are enough of them; else none."""
    group: list[Segment] = []
    for segment in reversed(segments):
        if group and _size(segment) != _size(group[0]):
            break
        group.insert(0, segment)
    return group if len(group) >= MERGED_AT_ONCE else ()


def _size(segment: Segment) -> int:
    """How many times a segment was merged, if each time as many as `MERGED_AT_ONCE` were."""
    size, span = 0, segment.span
    while span >= MERGED_AT_ONCE:
        span //= MERGED_AT_ONCE
        size += 1
    return size


def _replaced(
    connection: duckdb.DuckDBPyConnection, history: Path, manifest: Manifest, group: Sequence[Segment]
) -> Manifest:
    """The manifest with one new segment in the place of a group of neighbours."""
    first, last = group[0].first, group[-1].last
    name = f"{first:06}-{last:06}-{secrets.token_hex(4)}"
    folder = history / name
    make_folder(folder)
    try:
        oldest = manifest.publications[0].number
        is_first = group[0] == manifest.segments[0]
        for layout in manifest.layouts:
            for part in (ROWS, STAMPS):
                _merge(connection, history, folder, group, file_name(layout, part), oldest, keeps_ends=not is_first)
        made = Segment(name, first, last, settled(folder))
    except BaseException:
        remove(folder)
        raise
    segments = [segment for segment in manifest.segments if segment not in group]
    return replace(manifest, segments=tuple(sorted([*segments, made], key=lambda segment: segment.first)))


def _merge(
    connection: duckdb.DuckDBPyConnection,
    history: Path,
    folder: Path,
    group: Sequence[Segment],
    file: str,
    oldest: int,
    *,
    keeps_ends: bool,
) -> None:
    """Write one part of one table, whose rows know their ends as far as the group does.

    Args:
        oldest: number of the oldest publication that is kept; rows that it lacks, and that ended before it, go.
        keeps_ends: write the ends of rows that stand in segments before the group.
    """
    rows, ends = paths(history, group, file), paths(history, group, f"{file}.ends")
    if rows and ends:
        ended = f"select _row, _to as _ended from {scan(ends)}"
        query = (
            f"select * exclude (_ended) replace (coalesce(_to, _ended) as _to) "
            f"from {scan(rows)} left join ({ended}) using (_row)"
        )
    elif rows:
        query = f"select * from {scan(rows)}"
    if rows:
        write(connection, f"select * from ({query}) where _to is null or _to > {oldest}", folder / file)
    if ends and keeps_ends:
        known = f"anti join (select _row from {scan(rows)}) using (_row)" if rows else ""
        query = f"select * from {scan(ends)} {known} order by _row"
        write(connection, query, folder / f"{file}.ends")
