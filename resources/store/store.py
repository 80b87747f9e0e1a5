"""The warehouse on disk: one working DuckDB file, short connections to it, and publishing.

`Store` is what the rest of the product uses; the parts of this package do the work. Only they open or copy a `.duckdb`
file (a test proves it), because two rules hold only if one place keeps them: DuckDB's lock is a POSIX lock, which the
process loses when it closes *any* descriptor of the file, so nothing here reads a file as bytes while DuckDB has it
open; and a published file never changes, so a new night is a new file and a symlink swapped onto it.

Knows nothing of Dagster, of AWS, or of what stands in the tables.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from resources.store.engine import as_one
from resources.store.errors import explained
from resources.store.lock import Lock, check_run_id
from resources.store.migrations import MIGRATIONS, Migrator
from resources.store.paths import Paths
from resources.store.publishing import PublishedFile, Publisher
from resources.store.versions import KEEP, Links, Version, Versions
from resources.store.working import WorkingFile


@dataclass(frozen=True)
class Store:
    """The files of one warehouse. Make any number of these: what is held and open belongs to the process.

    Attributes:
        database: where analysts find the published file; a symlink. Everything else stands beside it, and has
            its `stem` in its name.
        migrations: folder of the numbered SQL files.
        patience: seconds to wait for another process that has the working file open, before the sentence.
    """

    database: Path
    migrations: Path = MIGRATIONS
    patience: float = 10.0

    # ------------------------------------------------------------------------------------------------- parts

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
        return WorkingFile(self._paths, self._lock, self._migrator, self.patience)

    @cached_property
    def _links(self) -> Links:
        return Links(self._paths)

    @cached_property
    def _versions(self) -> Versions:
        return Versions(self._paths)

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(self._paths, self._lock, self._working, self._links, self._versions)

    @cached_property
    def _published(self) -> PublishedFile:
        return PublishedFile(self._paths, self._migrator)

    # ------------------------------------------------------------------------------------------------- paths

    @property
    def folder(self) -> Path:
        """The folder that everything stands in."""
        return self._paths.folder

    @property
    def stem(self) -> str:
        """First part of the name of the working file, of versions and of the report."""
        return self._paths.stem

    @property
    def working(self) -> Path:
        """The file that runs write. Never for analysts."""
        return self._paths.working

    @property
    def versions_folder(self) -> Path:
        """The published files."""
        return self._paths.versions_folder

    @property
    def landing(self) -> Path:
        """What AWS answered, verbatim, by run."""
        return self._paths.landing

    @property
    def lock_file(self) -> Path:
        """The file whose `flock` a run holds from beginning to end."""
        return self._paths.lock_file

    # -------------------------------------------------------------------------------------------------- lock

    def hold(self, run_id: str, what: str) -> None:
        """Take the warehouse for a run; again for the same run in this process is free, and needs a release.

        Another process of the same run is waited for, up to a minute. Left-overs of killed runs are removed.

        Args:
            run_id: whose the lock is.
            what: what the run does, for the sentence that another run gets: `nightly`.

        Raises:
            LockHeld: another run works here; the message names it.
            WarehouseError: the folder cannot be used, or a plain file stands where the symlink belongs.
        """
        check_run_id(run_id)
        with explained(self.lock_file):
            self._lock.make_folders()
            self._links.refuse_plain_file()
            is_first = self._lock.take(run_id, what)
        try:
            if is_first:
                with explained(self.lock_file):
                    self._publisher.tidy()
        except BaseException:
            self.release(run_id)
            raise

    def release(self, run_id: str) -> None:
        """Give back one `hold` of this run; nothing happens where this process does not hold it."""
        self._lock.release(run_id)

    def is_held_by(self, run_id: str) -> bool:
        """Whether this process holds the warehouse for this run."""
        return self._lock.is_held_by(run_id)

    @contextmanager
    def holding(self, run_id: str, what: str) -> Iterator[None]:
        """`hold` and `release` around a block."""
        self.hold(run_id, what)
        try:
            yield
        finally:
            self.release(run_id)

    # ------------------------------------------------------------------------------------------- connections

    def write(self, memory: int | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A short connection to the working file, of the newest schema, in UTC; each statement commits alone.

        The file is made when it is missing: from the published version where there is one, else empty.
        Close it before anything slow: nobody else can open the file meanwhile.

        Args:
            memory: bytes that DuckDB may hold, of what it has read and written too; None for its own measure.

        Raises:
            WarehouseError: the lock is not held, the file is open elsewhere, damaged, or of a newer schema.
        """
        return self._working.write(memory)

    @contextmanager
    def transaction(self, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """`write` as one transaction: all of it when the block ends, nothing of it when the block raises."""
        with self.write(memory) as connection, as_one(connection):
            yield connection

    def read(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A short read-only connection to the working file, in UTC.

        Where this process holds the lock, the file is first made and migrated, as in `write`.

        Raises:
            WarehouseError: there is no working file yet, another process writes it, it is damaged or of
                another schema.
        """
        return self._working.read()

    # --------------------------------------------------------------------------------------------- publishing

    def publish(
        self,
        run_id: str,
        verify: Callable[[duckdb.DuckDBPyConnection], None],
        seal: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    ) -> Version:
        """Make what the working file holds the published version, whole or not at all.

        Args:
            run_id: the run, which holds the lock.
            verify: gets a read-only connection to the copy, which cannot read anything else; what it raises
                stops the publishing and is raised here.
            seal: gets a connection that writes the copy before that, in one transaction: for what is true of it
                only when it is published, so that the working file never says so of a run that was killed.

        Raises:
            WarehouseError: the lock is not held, a connection is open, the disk is full, or a plain file
                stands where the symlink belongs. The published version is as it was.
        """
        return self._publisher.publish(run_id, verify, seal)

    def versions(self) -> list[Version]:
        """The published versions on disk, newest first; one that a killed run left without the link is none."""
        return self._versions.all()

    def prune(self, keep: int = KEEP) -> None:
        """Remove all but the newest versions, never the current one; it counts as one of those kept."""
        self._lock.require_held()
        self._versions.prune(keep)

    def rollback(self, version: str | None = None) -> Version:
        """Let analysts read an earlier version again.

        The working file is not rolled back: it goes on from the last run, and the next night publishes anew.

        Args:
            version: name or run of a version; the one published before the current one where None.

        Raises:
            WarehouseError: there is no such version. Nothing was changed.
            LockHeld: a run works on the warehouse; it may be about to publish.
        """
        with self.holding(f"rollback-{os.getpid()}", "rollback"):
            target = self._versions.choose(version)
            with explained(self._paths.link):
                self._links.point_at(target.name)
            return self._versions.named(target.name)

    # --------------------------------------------------------------------------------------------- for people

    def published(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A read-only connection to the published version, safe to hand to a person's SQL, in UTC.

        It can read that one file and nothing else of the machine, and stays on it when another version is
        published meanwhile.

        Raises:
            WarehouseError: nothing is published yet, or the version is missing or damaged.
        """
        return self._published.opened()

    def published_schema(self) -> int:
        """Number of the newest migration in the published version."""
        return self._published.schema()

    def require_current_schema(self) -> None:
        """Refuse to go on where the published version has another schema than this version of the product.

        Raises:
            WarehouseError: it has.
        """
        self._published.require_current_schema()
