"""The working file of a warehouse: short connections to it, and its creation where it is missing."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from resources.store import rollback_journal
from resources.store.engine import CATALOG, attach, engine
from resources.store.errors import WarehouseError, explained, own_statements
from resources.store.files import copy, is_small, not_open_here, permitted, private_files, remove, sync
from resources.store.lock import Lock
from resources.store.migrations import Migrator
from resources.store.paths import Paths, with_wal
from resources.store.process import PROCESS, Door, fault_point


@dataclass(frozen=True)
class WorkingFile:
    """The file that the runs of one warehouse write.

    Attributes:
        patience: seconds to wait for another process that has the file open, before `WarehouseError`.
    """

    paths: Paths
    lock: Lock
    migrator: Migrator
    patience: float

    @contextmanager
    def write(self, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A short connection to the working file, with the newest schema, in UTC; each statement commits by itself.

        A missing file is created: from the published version where there is one, else empty. Close the connection
        before slow work: no other process can open the file meanwhile.

        Args:
            memory: DuckDB's memory limit in bytes, which includes its cache; None for DuckDB's default.

        Raises:
            WarehouseError: the lock is not held, the file is open elsewhere, damaged, or of a newer schema.
        """
        self.lock.require_held()
        with self.door(), ExitStack() as stack:
            connection = stack.enter_context(self.attached(writable=True, memory=memory))
            if self.migrator.pending(connection):
                self.migrator.migrate(connection)
                # The kept blocks are valid only until the first checkpoint, so the file is attached again.
                stack.close()
                connection = stack.enter_context(self.attached(writable=True, memory=memory))
            with own_statements(self.paths.working):
                yield connection

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A short read-only connection to the working file, in UTC.

        Where this process holds the lock, the file is first created and migrated, as in `write`.

        Raises:
            WarehouseError: there is no working file yet, another process writes it, or it is damaged or of another
                schema.
        """
        with self.door(), ExitStack() as stack:
            held = self.lock.is_held()
            if held and not self.paths.working.exists():
                self._bring_up_to_date()
            if not self.paths.working.exists():
                raise WarehouseError(f"There is no warehouse at {self.paths.database} yet. Run `cmdb nightly` first.")
            connection = stack.enter_context(self.attached(writable=False))
            if self.migrator.pending(connection):
                if not held:
                    raise WarehouseError(
                        f"{self.paths.working} has an older schema than this version of the product. The next "
                        "`cmdb nightly` brings it up to date."
                    )
                stack.close()
                self._bring_up_to_date()
                connection = stack.enter_context(self.attached(writable=False))
            with own_statements(self.paths.working):
                yield connection

    def _bring_up_to_date(self) -> None:
        with self.attached(writable=True) as connection:
            self.migrator.migrate(connection)

    @contextmanager
    def door(self, *, wait: bool = True) -> Iterator[None]:
        """The exclusive right of this thread to open or copy the working file."""
        with PROCESS.lock:
            door = PROCESS.doors.setdefault(self.paths.working, Door())
        here = threading.get_ident()
        if door.thread == here or not door.lock.acquire(timeout=self.patience if wait else 0):
            raise WarehouseError(
                f"This process has a connection to {self.paths.working.name} open, and a second one could lose "
                "DuckDB's lock. Nothing was changed. Close it first: connections are for single statements, "
                "not for keeping."
            )
        door.thread = here
        try:
            yield
        finally:
            door.thread = None
            door.lock.release()

    @contextmanager
    def attached(
        self, *, writable: bool, file: Path | None = None, memory: int | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The working file, attached to an in-memory DuckDB.

        Attached, so that it can be detached: `detach` raises when the last checkpoint fails, while `close` hides the
        failure.
        """
        path = file or self.paths.working
        with ExitStack() as stack:
            stack.enter_context(private_files())
            if writable and file is None:
                self._make_working()
            if file is None and self.lock.is_held():
                with explained(path):
                    rollback_journal.undo(self.paths.journal, path)
            descriptor = None
            if writable and file is None:
                # Stays open until DuckDB has closed the file: closing a descriptor earlier would drop the locks of this
                # process.
                with explained(path):
                    descriptor = os.open(path, os.O_RDONLY)
                stack.callback(os.close, descriptor)
            connection = stack.enter_context(engine(self.paths.spill, 1 if is_small(path) else None, memory))
            with explained(path):
                attach(connection, path, writable, self.patience)
                if descriptor is not None:
                    self._keep_blocks(connection, descriptor)
            yield connection
            with explained(path):
                connection.execute("use memory")
                connection.execute(f"detach {CATALOG}")
                if descriptor is not None:
                    self.paths.journal.unlink()

    def _keep_blocks(self, connection: duckdb.DuckDBPyConnection, descriptor: int) -> None:
        """Copy the blocks that the next checkpoint may overwrite."""
        blocks = connection.execute("select block_id from pragma_metadata_info() where free_blocks > 0").fetchall()
        sizes = connection.execute(
            "select block_size from pragma_database_size() where database_name = $name", {"name": CATALOG}
        ).fetchall()
        rollback_journal.keep(self.paths.journal, descriptor, [block for (block,) in blocks], sizes[0][0])

    def _make_working(self) -> None:
        """Create a missing working file under another name, then rename it: DuckDB refuses an incomplete one."""
        with explained(self.paths.working):
            if self.paths.working.exists():
                if self.paths.working.stat().st_mode & 0o007:
                    self.paths.working.chmod(permitted(0o640))
                return
            part = self.paths.folder / f".{self.paths.stem}.work.part"
            for path in with_wal(part):
                remove(path)
            published = self.paths.serving.resolve()
            if published.is_file():
                with not_open_here(published):
                    copy(published, part)
            with self.attached(writable=True, file=part) as connection:
                self.migrator.migrate(connection)
            part.chmod(permitted(0o640))
            sync(part)
            fault_point("working.created")
            # A leftover log without its file would be replayed into the new one.
            remove(with_wal(self.paths.working)[1])
            part.rename(self.paths.working)
            sync(self.paths.folder)
