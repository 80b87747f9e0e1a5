"""The warehouse on disk: one working DuckDB file, short connections to it, and publishing.

The rest of the product uses `Store`; the other modules of this package do the work. Only they open or copy a `.duckdb`
file, which a test proves, because two rules need one owner. First, DuckDB's lock is a POSIX lock, which the process
loses when it closes *any* descriptor of the file. So nothing here reads a file as bytes while DuckDB has it open.
Second, a published file never changes. So a new run publishes a new file, and a symlink is swapped onto it.

This package knows nothing of Dagster, of AWS, or of the content of the tables.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from resources.store.engine import as_one
from resources.store.errors import explained
from resources.store.history.history import History
from resources.store.history.manifest import HistoryFolder
from resources.store.lock import Lock, check_run_id
from resources.store.migrations import MIGRATIONS, Migrator
from resources.store.opening import Opening
from resources.store.paths import Paths
from resources.store.process import Holder
from resources.store.publishing import PublishedFile, Publisher
from resources.store.versions import KEEP, Links, Version, Versions
from resources.store.working import WorkingFile


@dataclass(frozen=True)
class Store:
    """The files of one warehouse. Several instances may exist: locks and open files belong to the process.

    Attributes:
        database: path of the published file for analysts; a symlink. All other files are beside it, with its `stem` in
            their names.
        migrations: folder of the numbered SQL files.
        patience: seconds to wait for another process that has the working file open, before `WarehouseError`.
    """

    database: Path
    migrations: Path = MIGRATIONS
    patience: float = 10.0

    @cached_property
    def _paths(self) -> Paths:
        return Paths(self.database)

    @cached_property
    def _lock(self) -> Lock:
        return Lock(self._paths)

    @cached_property
    def _migrator(self) -> Migrator:
        return Migrator(self._paths, self.migrations)

    @cached_property
    def _working(self) -> WorkingFile:
        return WorkingFile(Opening(self._paths, self._lock, self._migrator, self.patience))

    @cached_property
    def _links(self) -> Links:
        return Links(self._paths)

    @cached_property
    def _versions(self) -> Versions:
        return Versions(self._paths, HistoryFolder(self._paths).published)

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(self._paths, self._lock, self._working, self._links, self._versions)

    @cached_property
    def _published(self) -> PublishedFile:
        return PublishedFile(self._paths, self._lock, self._migrator)

    @cached_property
    def history(self) -> History:
        """What each published file held."""
        return History(self._paths, self._lock, self._versions)

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return self._paths.folder

    @property
    def stem(self) -> str:
        """First part of the names of the working file, of versions and of the report."""
        return self._paths.stem

    @property
    def working(self) -> Path:
        """The file that runs write. Not for analysts."""
        return self._paths.working

    @property
    def versions_folder(self) -> Path:
        """The folder of the published files."""
        return self._paths.versions_folder

    @property
    def landing(self) -> Path:
        """The folder of AWS's verbatim responses, by run."""
        return self._paths.landing

    @property
    def lock_file(self) -> Path:
        """The file whose `flock` a run holds from start to end."""
        return self._paths.lock_file

    # -------------------------------------------------------------------------------------------------- lock

    def hold(self, run_id: str, what: str, *, stays_attached: bool = False) -> None:
        """Take the warehouse for a run. The same run may take it again in this process; each `hold` needs a `release`.

        Another process of the same run is waited for, up to a minute. Leftovers of killed runs are removed.

        Args:
            run_id: the run that holds the lock.
            what: what the run does, for the sentence that another run receives: `nightly`.
            stays_attached: keep the working file attached between connections, since to attach it takes long.

        Raises:
            LockHeld: another run works here; the message names it.
            WarehouseError: the folder cannot be used, or a plain file is in the place of the symlink.
        """
        check_run_id(run_id)
        with explained(self.lock_file):
            self._lock.make_folders()
            self._links.refuse_plain_file()
            is_first = self._lock.take(run_id, what, stays_attached=stays_attached)
        try:
            if is_first:
                with explained(self.lock_file):
                    self._publisher.tidy()
        except BaseException:
            self.release(run_id)
            raise

    def release(self, run_id: str) -> None:
        """Release one `hold` of this run; nothing happens where this process does not hold the lock.

        Raises:
            WarehouseError: the disk is full; what the run wrote is in the log, and the lock is free.
        """
        self._lock.release(run_id, self._working.let_go)

    def is_held_by(self, run_id: str) -> bool:
        """Whether this process holds the warehouse for this run."""
        return self._lock.is_held_by(run_id)

    def holder(self) -> Holder | None:
        """Who holds the warehouse now, in any process; None where nobody does. Nothing is created or changed."""
        return self._lock.holder()

    @contextmanager
    def holding(self, run_id: str, what: str, *, stays_attached: bool = False) -> Iterator[None]:
        """A block in which the warehouse is held: `hold` before, `release` after."""
        self.hold(run_id, what, stays_attached=stays_attached)
        try:
            yield
        finally:
            self.release(run_id)

    # ------------------------------------------------------------------------------------------- connections

    def write(self, memory: int | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A short connection to the working file, with the newest schema, in UTC; each statement commits by itself.

        A missing file is created: from the published version where there is one, else empty. Close the connection
        before slow work: no other process can open the file meanwhile.

        Args:
            memory: DuckDB's memory limit in bytes, which includes its cache; None for DuckDB's default.

        Raises:
            WarehouseError: the lock is not held, the file is open elsewhere, damaged, or of a newer schema.
        """
        return self._working.write(memory)

    @contextmanager
    def transaction(self, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """`write` as one transaction: committed when the block ends, rolled back when the block raises."""
        with self.write(memory) as connection, as_one(connection):
            yield connection

    def read(self, memory: int | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A short read-only connection to the working file, in UTC; `memory` as in `write`.

        Where this process holds the lock, the file is first created and migrated, as in `write`.

        Raises:
            WarehouseError: there is no working file yet, another process writes it, or it is damaged or of another
                schema.
        """
        return self._working.read(memory)

    # --------------------------------------------------------------------------------------------- publishing

    def publish(
        self,
        run_id: str,
        verify: Callable[[duckdb.DuckDBPyConnection], None],
        seal: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
        rules: Iterable[Callable[[duckdb.DuckDBPyConnection], None]] = (),
    ) -> Version:
        """Publish the content of the working file as a new version, in full or not at all.

        Args:
            run_id: the run, which holds the lock.
            verify: called with a read-only connection to the copy and nothing else. What it raises stops publishing.
            seal: called before that with a connection that writes the copy, in one transaction. It is for rows that are
                true only once published, so that the working file never has them for a run that was killed.
            rules: called like `verify`, before it and one after the other. They may get one connection each.

        Raises:
            WarehouseError: the lock is not held, a connection is open, the disk is full, or a plain file is in the
                place of the symlink. The published version is unchanged.
        """
        return self._publisher.publish(run_id, verify, seal, rules)

    def versions(self) -> list[Version]:
        """The published versions on disk, newest first. Files of killed runs that were never linked are left out."""
        return self._versions.all()

    def prune(self, keep: int = KEEP) -> None:
        """Remove all but the newest `keep` versions. The current one counts among them and is never removed."""
        self._lock.require_held()
        self._versions.prune(keep)

    def rollback(self, version: str | None = None) -> Version:
        """Point analysts to an earlier version again.

        The working file is not rolled back: it continues from the last run, and the next run publishes a new version.

        Args:
            version: name or run of a version; None for the one published before the current one.

        Raises:
            WarehouseError: there is no such version. Nothing was changed.
            LockHeld: a run works on the warehouse; it may be about to publish.
        """
        with self.holding(f"rollback-{os.getpid()}", "rollback"):
            target = self._versions.choose(version)
            with explained(self._paths.link):
                self._links.point_at(target.name)
            return self._versions.named(target.name)

    # --------------------------------------------------------------------------------------------- for readers

    def published(self, memory: int | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A read-only connection to the published version in UTC, safe for a person's SQL; `memory` as its `opened`.

        The connection can read this one file and no other. It keeps reading this version when another one is published.

        Raises:
            WarehouseError: nothing is published yet, or the version is missing or damaged.
        """
        return self._published.opened(memory=memory)

    def published_current(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """`published`, or a WarehouseError where the version has another schema than this version of the product."""
        return self._published.current()

    def exporting(self, folder: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """`published`, by a connection whose COPY may write into this one folder, and writes the same bytes each time.

        Raises:
            WarehouseError: nothing is published yet, or the version is missing or damaged.
        """
        return self._published.opened(folder)

    def published_schema(self) -> int:
        """Number of the newest migration in the published version."""
        return self._published.schema()

    def require_current_schema(self) -> None:
        """Raise a WarehouseError where the published version has another schema; an `OlderSchema` for an older one."""
        self._published.require_current_schema()
