"""Recording published versions: each becomes a segment, which is read back before the manifest lists it."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from resources.store.engine import CATALOG, attach, engine
from resources.store.errors import explained, interruptible
from resources.store.files import is_small, make_folder, private_files, remove
from resources.store.history.changes import ChangeWriter
from resources.store.history.manifest import HistoryFolder, Manifest, Publication, Segment, without_forgotten
from resources.store.history.merging import merged
from resources.store.history.segments import settled
from resources.store.lock import Lock
from resources.store.paths import Paths
from resources.store.process import fault_point
from resources.store.versions import Version, Versions

RECORDING_MEMORY = 256 << 20
"""Bytes that DuckDB may hold while it records or merges, beyond which it spills: whatever a table has in rows, this
comes on top of what the process of a run holds."""
LEAST_MEMORY = 64 << 20
"""Bytes that it may hold for a file of no more. For a larger one they are as many as the file has, up to
`RECORDING_MEMORY`: with a fifth of the file recording takes twice as long."""


@dataclass(frozen=True)
class Recorder:
    """Records the published versions of one warehouse, under its lock."""

    paths: Paths
    lock: Lock
    versions: Versions
    history: HistoryFolder

    def catch_up(self, most: int) -> list[Publication]:
        """Record every published version that is not recorded yet, oldest first.

        A killed or failed recording changes nothing that readers see, and the next call repeats it. Merges segments,
        and forgets publications older than the newest `most`.

        Raises:
            WarehouseError: the lock is not held, the disk is full, or the manifest is damaged. What is published and
                what is recorded are as they were.
        """
        self.lock.require_held()
        recorded = []
        with explained(self.history.folder), private_files():
            manifest = self.history.read()
            make_folder(self.history.folder)
            for left in self.history.strangers(manifest):
                remove(left)
            for version in self._missing(manifest):
                manifest = self._record(manifest, version)
                recorded.append(manifest.publications[-1])
            if recorded:
                manifest = self._tidied(manifest, most)
        return recorded

    def _missing(self, manifest: Manifest) -> Sequence[Version]:
        """The published versions that are not recorded, oldest first."""
        return unrecorded(manifest, self.versions.all())

    def _has_gap(self, manifest: Manifest) -> bool:
        """Whether a version may have come and gone since the last recorded one, whose file is no longer there."""
        on_disk = {version.name for version in self.versions.all()}
        return bool(manifest.publications) and manifest.publications[-1].version not in on_disk

    def _record(self, manifest: Manifest, version: Version) -> Manifest:
        memory = min(max(version.path.stat().st_size, LEAST_MEMORY), RECORDING_MEMORY)
        try:
            return self._record_within(memory, manifest, version)
        except duckdb.OutOfMemoryException:
            if memory == RECORDING_MEMORY:
                raise
            return self._record_within(RECORDING_MEMORY, manifest, version)

    def _record_within(self, memory: int, manifest: Manifest, version: Version) -> Manifest:
        """Write the segment of one version, read it back, then list it."""
        number = manifest.newest + 1
        name = f"{number:06}-{number:06}-{secrets.token_hex(4)}"
        folder = self.history.folder / name
        fault_point("history.begun")
        try:
            make_folder(folder)
            with self._opened(version.path, memory) as connection:
                writer = ChangeWriter(connection, self.history.folder, folder, manifest, number)
                layouts = writer.write()
                made = Segment(name, number, number, settled(folder))
                fault_point("history.written")
                published = Publication(
                    number, version.run_id, _to_the_second(version), version.name, is_after_gap=self._has_gap(manifest)
                )
                after = replace(
                    manifest,
                    publications=(*manifest.publications, published),
                    layouts=layouts,
                    segments=(*manifest.segments, made),
                    # The layout with the highest number may be forgotten, and its files are named by it.
                    layout_count=max(manifest.layout_count, *(layout.number for layout in layouts)),
                )
                writer.require_equal(after)
        except BaseException:
            remove(folder)
            raise
        # Outside of the block: once it may be listed the folder stays; an unlisted one goes with the next run.
        self.history.write(after)
        fault_point("history.listed")
        return after

    @contextmanager
    def _engine(self, threads: int | None, memory: int) -> Iterator[duckdb.DuckDBPyConnection]:
        with engine(self.paths.spill, threads, memory) as connection, interruptible(connection):
            # No table has an order, and to keep one holds what is to be written in memory.
            connection.execute("set preserve_insertion_order = false")
            yield connection

    @contextmanager
    def _opened(self, version: Path, memory: int) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._engine(1 if is_small(version) else None, memory) as connection:
            attach(connection, version, writable=False, patience=10)
            yield connection
            connection.execute("use memory")
            connection.execute(f"detach {CATALOG}")

    def _tidied(self, manifest: Manifest, most: int) -> Manifest:
        """Forget and merge; the files that are replaced stay until the next recording, for readers who have begun."""
        before = manifest
        manifest = without_forgotten(manifest, most)
        with self._engine(None, RECORDING_MEMORY) as connection:
            manifest = merged(connection, self.history.folder, manifest)
        if manifest != before:
            self.history.write(manifest)
            fault_point("history.merged")
        fault_point("history.tidied")
        return manifest


def unrecorded(manifest: Manifest, versions: Sequence[Version]) -> list[Version]:
    """The published versions that are not recorded, oldest first.

    One that is older than the oldest recorded one was forgotten. The newest recorded one says nothing: the clock may
    have been ahead when it was published.

    Args:
        versions: newest first.
    """
    since = manifest.publications[0].published_at if manifest.publications else None
    known = {publication.run_id for publication in manifest.publications}
    return [v for v in versions if v.run_id not in known and (since is None or v.published_at > since)][::-1]


def _to_the_second(version: Version) -> datetime:
    """When it was published, as precisely as people are shown it and can ask for it."""
    return version.published_at.replace(microsecond=0)
