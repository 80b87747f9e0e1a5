"""Writing what changed in each table between the last publication and this one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from resources.store.errors import WarehouseError
from resources.store.history.manifest import Layout, Manifest
from resources.store.history.segments import NewRows, write, write_new
from resources.store.history.sources import Source, checksum_sql, hash_of, read_sources
from resources.store.history.state import ROWS, STAMPS, file_name, part_sql, state_sql, typed

STAMP_COLUMNS = frozenset(
    {
        "run_id", "collected_at", "last_seen_at", "judged_at", "fetched_at", "recorded_at", "built_at", "is_estimated",
        "newest", "found_at", "trusted_at", "trusted",
    }
)  # fmt: skip
"""Columns that a run sets anew in rows that it leaves as they are. A name too many or too few costs space alone."""


class NotRecorded(WarehouseError):
    """What was written does not read back as the published file has it."""


@dataclass
class ChangeWriter:
    """Writes the segment of one publication, with an engine that has the published version attached."""

    connection: duckdb.DuckDBPyConnection
    history: Path
    folder: Path
    manifest: Manifest
    number: int

    def __post_init__(self) -> None:
        self._sources = {source.name: source for source in read_sources(self.connection)}
        self._changed: list[Layout] = []

    def write(self) -> tuple[Layout, ...]:
        """Write what changed in every table.

        Returns:
            the layouts after it, those that ended included.
        """
        last = self.manifest.layouts_of(self.number - 1)
        after = {layout.number: layout for layout in self.manifest.layouts}
        count = self.manifest.layout_count
        for name, source in self._sources.items():
            layout = last.get(name)
            if layout is None or layout.columns != source.columns:
                count += 1
                layout = Layout(count, name, self.number, None, source.columns, _stamps(self.connection, source))
            after[layout.number] = self._write_table(source, layout)
        for name, layout in last.items():
            if name not in self._sources or self._sources[name].columns != layout.columns:
                after[layout.number] = replace(layout, last=self.number - 1)
        return tuple(after.values())

    def require_equal(self, manifest: Manifest) -> None:
        """Check that every table that changed reads back from the history as it is published.

        Raises:
            NotRecorded: one does not. That is a fault of this program.
        """
        for layout in self._changed:
            query = state_sql(manifest, self.history, layout, self.number)
            if self._checksum(layout.columns, f"({query})") != layout.checksum:
                raise NotRecorded(
                    f"{layout.name} does not read back from the history as it was published, so this run was not "
                    "recorded. What is published stands. Report it: this is a fault of the program."
                )

    def _checksum(self, columns: Sequence[tuple[str, str]], rows: str) -> tuple[str, ...]:
        found = self.connection.execute(checksum_sql(columns, rows)).fetchone()
        return tuple(found or ())

    def _write_table(self, source: Source, layout: Layout) -> Layout:
        """Write what changed in one table since the last publication.

        Returns:
            the layout with the numbers that are given now.
        """
        checksum = self._checksum(layout.columns, source.sql)
        if checksum == layout.checksum:
            return layout
        after = self._write_changes(source, layout) if layout.checksum else self._write_first(source, layout)
        self._changed.append(replace(after, checksum=checksum))
        return self._changed[-1]

    def _write_first(self, source: Source, layout: Layout) -> Layout:
        """Write a table of which nothing is recorded: without the dozen queries that look for what changed."""
        if not layout.stamps:
            self._make("placed", f"select rowid as _id, null::bigint as _row from {source.sql}")
            return replace(layout, row_count=self._copy_rows(source, layout))
        stamp = hash_of(layout.stamped)
        groups = self._make(
            "stamps_new",
            f"""
            select row_number() over (order by min(rowid)) as _group, min(rowid) as _id, {stamp} as _stamp
            from {source.sql}
            group by _stamp
            """,
        )
        self._make(
            "placed",
            f"""
            select p.rowid as _id, null::bigint as _row, n._group
            from {source.sql} as p join temp.main.stamps_new as n on {stamp} = n._stamp
            """,
        )
        self._copy_stamps(source, layout, groups)
        return replace(layout, row_count=self._copy_rows(source, layout), group_count=groups, stamp_count=groups)

    def _write_changes(self, source: Source, layout: Layout) -> Layout:
        """Write what changed in a table that was recorded before; returns the layout with the numbers given now."""
        self._match(source, layout)
        if layout.stamps:
            self._place_in_groups(layout)
            layout = self._write_stamps(source, layout)
        else:
            self._make("placed", "select _id, _row from temp.main.paired where _id is not null")
        return replace(layout, row_count=self._write_rows(source, layout))

    def _match(self, source: Source, layout: Layout) -> None:
        """Pair the rows of the published table with those of the last publication, by the hash of what is kept by row.

        Makes `paired`: id of the published row with the hash of its stamps, number and group of the recorded row; one
        side may be missing. Rows that are alike are told apart by their place among their like. Two rows that differ
        have the same hash with a probability of 2^-64; reading back would notice it.
        """
        before = part_sql(self.manifest, self.history, layout, ROWS, self.number - 1)
        columns = ", ".join(map(typed, layout.kept))
        group = "_group" if layout.stamps else "null::bigint as _group"
        kept = hash_of(layout.kept)
        self._make(
            "recorded",
            f"select {kept} as _hash, _row, _group from (select _row, {group}, {columns} from ({before}))"
            if before
            else "select null::ubigint as _hash, null::bigint as _row, null::bigint as _group where false",
        )
        stamp = hash_of(layout.stamped) if layout.stamps else "null::ubigint"
        self._make("published", f"select {kept} as _hash, rowid as _id, {stamp} as _stamp from {source.sql}")
        are_alike = self._one(
            """
            select
                exists (select 1 from temp.main.published group by _hash having count(*) > 1)
                or exists (select 1 from temp.main.recorded group by _hash having count(*) > 1)
            """
        )
        place = "row_number() over (partition by _hash order by {})" if are_alike else "1"
        self._make(
            "paired",
            f"""
            select published._id, published._stamp, recorded._row, recorded._group
            from (select *, {place.format("_id")} as _place from temp.main.published) as published
            full join (select *, {place.format("_row")} as _place from temp.main.recorded) as recorded
                using (_hash, _place)
            """,
        )

    def _place_in_groups(self, layout: Layout) -> None:
        """Give every published row a group whose rows all have the same stamps.

        A group goes on with the stamps that most of its rows have now. Its other rows count as gone and as new, and new
        rows join a group of their stamps or begin one. Makes `placed` (id; number of the recorded row or NULL; group).
        """
        self._make(
            "chosen",
            """
            select _group, arg_max(_stamp, size) as _stamp
            from (
                select _group, _stamp, count(*) as size from temp.main.paired
                where _id is not null and _row is not null
                group by _group, _stamp
            )
            group by _group
            """,
        )
        self._make(
            "group_of",
            f"""
            with known as (select _stamp, min(_group) as _group from temp.main.chosen group by _stamp)
            from known
            union all
            select _stamp, {layout.group_count} + row_number() over (order by min(_id)) as _group
            from temp.main.paired anti join known using (_stamp)
            where _id is not null
            group by _stamp
            """,
        )
        self._make(
            "placed",
            """
            select
                p._id,
                if(p._stamp = c._stamp, p._row, null) as _row,
                if(p._stamp = c._stamp, p._group, g._group) as _group
            from temp.main.paired as p
            join temp.main.group_of as g using (_stamp)
            left join temp.main.chosen as c on p._group = c._group
            where p._id is not null
            """,
        )

    def _write_rows(self, source: Source, layout: Layout) -> int:
        """Write the rows that are new, and the numbers of those that are gone; returns how many numbers are given."""
        given = self._copy_rows(source, layout)
        query = "select _row from temp.main.paired anti join temp.main.placed using (_row) where _row is not null"
        self._write_ends(query, file_name(layout, ROWS))
        return given

    def _copy_rows(self, source: Source, layout: Layout) -> int:
        """Write the rows of `placed` that have no number yet; returns how many numbers are given."""
        new = self._one("select count(*) from temp.main.placed where _row is null")
        if new:
            write_new(
                self.connection,
                f"{source.sql} as p join (from temp.main.placed where _row is null) as n on p.rowid = n._id",
                NewRows(self.number, layout.row_count, layout.kept, has_group=bool(layout.stamps)),
                self.folder / file_name(layout, ROWS),
            )
        return layout.row_count + new

    def _write_stamps(self, source: Source, layout: Layout) -> Layout:
        """Write the stamps of groups that have others than before; returns the layout with the numbers given now."""
        stamp = hash_of(layout.stamped)
        columns = ", ".join(map(typed, layout.stamped))
        before = part_sql(self.manifest, self.history, layout, STAMPS, self.number - 1)
        self._make(
            "stamps_before",
            f"select _row, _group, {stamp} as _stamp from (select _row, _group, {columns} from ({before}))"
            if before
            else "select null::bigint as _row, null::bigint as _group, null::ubigint as _stamp where false",
        )
        self._make(
            "stamps_now",
            f"""
            select g._group, g._id, {stamp} as _stamp
            from (select _group, min(_id) as _id from temp.main.placed group by _group) as g
            join {source.sql} as p on p.rowid = g._id
            """,
        )
        new = self._make(
            "stamps_new", "select * from temp.main.stamps_now anti join temp.main.stamps_before using (_group, _stamp)"
        )
        self._copy_stamps(source, layout, new)
        query = "select _row from temp.main.stamps_before anti join temp.main.stamps_now using (_group, _stamp)"
        self._write_ends(query, file_name(layout, STAMPS))
        groups = self._one(f"select greatest({layout.group_count}, max(_group)) from temp.main.placed")
        return replace(layout, group_count=groups, stamp_count=layout.stamp_count + new)

    def _copy_stamps(self, source: Source, layout: Layout, new: int) -> None:
        """Write the stamps of the groups in `stamps_new`, if there are any."""
        if new:
            write_new(
                self.connection,
                f"{source.sql} as p join temp.main.stamps_new as n on p.rowid = n._id",
                NewRows(self.number, layout.stamp_count, layout.stamped, has_group=True),
                self.folder / file_name(layout, STAMPS),
            )

    def _write_ends(self, query: str, file: str) -> None:
        """Write the numbers of rows that this publication is the first to lack."""
        if self._make("gone", query):
            ends = f"select _row, {self.number}::integer as _to from temp.main.gone order by _row"
            write(self.connection, ends, self.folder / f"{file}.ends")

    def _make(self, table: str, query: str) -> int:
        """Make a table of this connection; returns how many rows it has."""
        return self._one(f"create or replace temp table {table} as {query}")

    def _one(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()
        return int(row[0] or 0) if row else 0


def _stamps(connection: duckdb.DuckDBPyConnection, source: Source) -> tuple[str, ...]:
    """The stamps of a new table: none where rows differ by them alone."""
    stamps = tuple(name for name, _ in source.columns if name in STAMP_COLUMNS)
    kept = [column for column in source.columns if column[0] not in stamps]
    if not stamps or not kept:
        return ()
    # `count(distinct …)` says the same, but does not spill.
    alike = f"select 1 from {source.sql} group by {hash_of(kept)} having count(*) > 1 limit 1"
    return () if connection.execute(alike).fetchone() else stamps
