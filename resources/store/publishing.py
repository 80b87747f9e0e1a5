"""Publishing: copies the working file into a new version for analysts, in full or not at all."""

import glob
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from resources.store.engine import CATALOG, as_one, close_read_only, open_read_only
from resources.store.errors import OlderSchema, WarehouseError, explained, interruptible, own_statements
from resources.store.files import (
    copy,
    make_folder,
    not_open_here,
    permitted,
    private_files,
    refuse_log_of,
    remove,
    sync,
)
from resources.store.lock import Lock
from resources.store.migrations import Migrator, applied
from resources.store.paths import Paths, with_wal
from resources.store.process import fault_point
from resources.store.versions import Links, Version, Versions
from resources.store.working import WorkingFile

RULES_MEMORY = 96 << 20
"""Bytes that DuckDB may hold while the rules are run, its cache included; it spills what is more. A rule that cannot be
run so on the copy is run again with twice as many, up to `MOST_RULES_MEMORY`, then without a limit."""

MOST_RULES_MEMORY = 8 * RULES_MEMORY
"""The largest limit that is tried."""


@dataclass(frozen=True)
class Publisher:
    """Creates versions of one warehouse and removes old ones, under its lock."""

    paths: Paths
    lock: Lock
    working: WorkingFile
    links: Links
    versions: Versions

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
            verify: called with a read-only connection to the copy, which cannot read anything else. An exception stops
                the publishing and is raised here.
            seal: called before that with a connection that writes the copy, in one transaction. It is for rows that are
                true only once published, so that the working file never has them for a run that was killed.
            rules: called like `verify`, before it and one after the other. A rule may get a connection of its own.

        Raises:
            WarehouseError: the lock is not held, a connection is open, the disk is full, or a plain file is in the
                place of the symlink. The published version is unchanged.
        """
        self.lock.require_held(run_id)
        name = f"{self.paths.stem}-{run_id}.duckdb"
        part = self.paths.versions_folder / f".{self.paths.stem}-{run_id}.part"
        with self.working.door(wait=False), private_files():
            try:
                with explained(self.paths.working):
                    self.links.refuse_plain_file()
                    fault_point("publish.begun")
                    self._checkpoint()
                with explained(part):
                    make_folder(self.paths.versions_folder)
                    for path in with_wal(part):
                        remove(path)
                    copy(self.paths.working, part)
                    fault_point("publish.copied")
                if seal is not None:
                    self._seal(part, seal)
                fault_point("publish.sealed")
                refuse_log_of(part)
                self._verify(part, [*rules, verify])
                fault_point("publish.verified")
                with explained(part):
                    part.chmod(permitted(0o440))
                    sync(part)
                    version = self.paths.versions_folder / name
                    self.versions.pending_mark(version).touch()
                    with not_open_here(version):
                        part.rename(version)
                    sync(self.paths.versions_folder)
                    fault_point("publish.versioned")
                    self.links.point_at(name)
                    self.versions.settle(version)
            except BaseException:
                with suppress(OSError):
                    for path in with_wal(part):
                        remove(path)
                    self.versions.settle(self.paths.versions_folder / name)
                raise
        self.versions.prune()
        fault_point("publish.pruned")
        return self.versions.named(name)

    def _checkpoint(self) -> None:
        """Write all changes into the one file that is copied."""
        with self.working.attached(writable=True) as connection:
            self.working.opening.migrator.migrate(connection)
            # equivalent: Detaching brings the log into the file as well.
            connection.execute(f"checkpoint {CATALOG}")
            fault_point("publish.checkpointed")
        fault_point("publish.detached")
        refuse_log_of(self.paths.working)

    def _seal(self, part: Path, seal: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        with self.working.attached(writable=True, file=part) as connection, own_statements(part), as_one(connection):
            seal(connection)

    def _verify(self, part: Path, rules: Sequence[Callable[[duckdb.DuckDBPyConnection], None]]) -> None:
        waiting = deque(rules)
        memory: int | None = RULES_MEMORY
        while waiting:
            with explained(part):
                connection = open_read_only(part, self.paths.spill, memory=memory)
            try:
                with interruptible(connection):
                    while waiting:
                        waiting[0](connection)
                        waiting.popleft()
                        if waiting and memory != RULES_MEMORY:
                            break
                memory = RULES_MEMORY
            except duckdb.OutOfMemoryException:
                if memory is None:
                    raise
                memory = 2 * memory if memory < MOST_RULES_MEMORY else None
            finally:
                close_read_only(part, connection)

    def tidy(self) -> None:
        """Remove what killed runs left incomplete. Only under the lock, so that no file found belongs to a live run."""
        self.links.carry_on()
        stem = glob.escape(self.paths.stem)
        for mark in self.paths.versions_folder.glob(f".{stem}-*.duckdb.pending"):
            self.versions.settle(mark.with_name(mark.name.removeprefix(".").removesuffix(".pending")))
        left = [
            *self.paths.versions_folder.glob(f".{stem}-*.part*"),
            # A published file has no log; a log beside it would break every reader.
            *self.paths.versions_folder.glob(f"{stem}-*.duckdb.wal"),
            *self.paths.folder.glob(f".{stem}.work.part*"),
            *self.paths.folder.glob(f".{stem}.work.journal.part"),
            *self.paths.folder.glob(f".{stem}.link-*"),
            *self.paths.folder.glob(f".{stem}.spill*"),
        ]
        for path in left:
            remove(path)


@dataclass(frozen=True)
class PublishedFile:
    """The published version of one warehouse, opened so that it cannot be changed."""

    paths: Paths
    lock: Lock
    migrator: Migrator

    @contextmanager
    def opened(self, writes_to: Path | None = None, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection to the published version in UTC, safe for a person's SQL.

        The connection can read this one file and no other. It keeps reading this version when another one is published.

        Args:
            writes_to: the one folder that COPY may write to.
            memory: DuckDB's memory limit in bytes, for the product's own queries: what they need beyond it a run spills
                beside the file; elsewhere they fail. None for DuckDB's default, which spills nothing. With either of
                the two no other connection of this process to this version may be open.

        Raises:
            WarehouseError: nothing is published yet, or the version is missing or damaged.
        """
        path, connection = self._open(writes_to, memory)
        try:
            with (
                nullcontext() if memory is None else private_files(),
                own_statements(path),
                interruptible(connection),
            ):
                yield connection
        finally:
            close_read_only(path, connection)

    def _open(self, writes_to: Path | None, memory: int | None) -> tuple[Path, duckdb.DuckDBPyConnection]:
        for attempt in range(3):
            path = self._serving_version()
            # Without the lock a run that begins would remove what is spilled.
            spill = self.paths.spill_of_readers if memory is not None and self.lock.is_held() else None
            with explained(path):
                try:
                    return path, open_read_only(path, spill, writes_to, memory)
                except duckdb.IOException as error:
                    if "Permission denied" in str(error):
                        raise _unreadable(path) from error
                    # Pruned between resolving and opening the link: the symlink points to a newer version by now.
                    if path.exists() or attempt == 2:
                        if path.exists():
                            raise
                        break
        raise WarehouseError(
            f"{self.paths.database} points to {path.name}, which is missing. Choose another version with `cmdb "
            "rollback VERSION`, or run `cmdb nightly`."
        )

    def _serving_version(self) -> Path:
        """The published version that the link leads to; it may be pruned by now."""
        try:
            serving = self.paths.serving
            serving.lstat()
            return serving.resolve()
        except PermissionError as error:
            raise _unreadable(self.paths.database) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise WarehouseError(
                f"Nothing is published at {self.paths.database} yet. Run `cmdb nightly` first."
            ) from error

    def schema(self) -> int:
        """Number of the newest migration in the published version."""
        with self.opened() as connection:
            return len(applied(connection))

    @contextmanager
    def current(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """`opened`, if the version has the schema of this version of the product.

        Raises:
            WarehouseError: the schemas differ, nothing is published yet, or the version is missing or damaged;
                `OlderSchema` where it is of an older release.
        """
        with self.opened() as connection:
            self._require_current(len(applied(connection)))
            yield connection

    def require_current_schema(self) -> None:
        """Check that the published version has the schema of this version of the product.

        Raises:
            WarehouseError: the schemas differ.
        """
        with self.current():
            pass

    def _require_current(self, schema: int) -> None:
        known = len(self.migrator.known())
        if schema < known:
            raise OlderSchema(
                f"The published version of {self.paths.database} has schema {schema}, and this version of the "
                f"product needs {known}. Nothing was changed. Run `cmdb nightly`, which brings it up to date "
                "and publishes."
            )
        if schema > known:
            raise WarehouseError(
                f"The published version of {self.paths.database} has schema {schema}, and this version of the "
                f"product knows {known}. Use the newer version of the product, or `cmdb rollback`.",
                exit_code=2,
            )


def _unreadable(path: Path) -> WarehouseError:
    return WarehouseError(
        f"{path} cannot be read by this user. Nothing was changed. Put this user into the group of {path.parent}, "
        "which may read what is published.",
        exit_code=2,
    )
