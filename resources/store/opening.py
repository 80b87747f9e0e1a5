"""How the working file is opened: made where it is missing, attached, brought up to date, and detached."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from resources.store import rollback_journal
from resources.store.engine import CATALOG, attach, engine
from resources.store.errors import explained, interruptible, lacks_memory
from resources.store.files import copy, is_small, not_open_here, permitted, private_files, remove, sync
from resources.store.lock import Lock
from resources.store.migrations import Migrator
from resources.store.paths import Paths, with_wal
from resources.store.process import fault_point


class _Unwritten(duckdb.OutOfMemoryException):
    """What was committed could not be written into the file, for which there was too little memory; its log has it."""


@dataclass(frozen=True)
class Opening:
    """Opens the working file of one warehouse, or another file in its place; whoever calls has its door.

    Attributes:
        patience: seconds to wait for another process that has the file open, before `WarehouseError`.
    """

    paths: Paths
    lock: Lock
    migrator: Migrator
    patience: float

    @contextmanager
    def migrated(self, memory: int | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        """The working file attached for writing, with the newest schema; and a descriptor of it."""
        with ExitStack() as stack:
            connection, descriptor = stack.enter_context(self.opened(writable=True, memory=memory))
            if self._is_migrated(connection):
                # The kept blocks are valid only until the first checkpoint, so the file is attached again.
                stack.close()
                connection, descriptor = stack.enter_context(self.opened(writable=True, memory=memory))
            yield connection, descriptor

    def _is_migrated(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Bring the file up to date; whether there was anything to do."""
        with interruptible(connection):
            if self.migrator.pending(connection):
                self.migrator.migrate(connection)
                return True
        return False

    @contextmanager
    def opened(
        self, *, writable: bool, file: Path | None = None, memory: int | None = None
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        """A file attached to an in-memory DuckDB; and a descriptor of the working file where it is written, else -1.

        Attached, so that it can be detached: `detach` raises when the last checkpoint fails, while `close` hides the
        failure. A checkpoint that needs more than `memory` is done again without a limit.
        """
        try:
            with self._opened(writable=writable, file=file, memory=memory) as found:
                yield found
        except _Unwritten:
            with self._opened(writable=True, file=file):
                pass

    @contextmanager
    def _opened(
        self, *, writable: bool, file: Path | None, memory: int | None = None
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        path = file or self.paths.working
        with ExitStack() as stack:
            stack.enter_context(private_files())
            if writable and file is None:
                self._make_working()
            if file is None and self.lock.is_held():
                with explained(path):
                    rollback_journal.undo(self.paths.journal, path)
            descriptor = -1
            if writable and file is None:
                # Stays open until DuckDB has closed the file: closing a descriptor earlier would drop the locks of this
                # process.
                with explained(path):
                    descriptor = os.open(path, os.O_RDONLY)
                stack.callback(os.close, descriptor)
            connection = stack.enter_context(engine(self.paths.spill, 1 if is_small(path) else None, memory))
            with explained(path):
                attach(connection, path, writable, self.patience)
                if descriptor >= 0:
                    kept = self._keep_blocks(connection, descriptor)
            yield connection, descriptor
            with explained(path):
                if descriptor >= 0 and rollback_journal.headers_of(descriptor) != kept:
                    # A checkpoint came between, and detaching is the next one.
                    self._keep_blocks(connection, descriptor)
                connection.execute("use memory")
                try:
                    connection.execute(f"detach {CATALOG}")
                except duckdb.IOException as error:
                    if lacks_memory(error):
                        raise _Unwritten(str(error)) from error
                    raise
                if descriptor >= 0:
                    self.paths.journal.unlink()

    def _keep_blocks(self, connection: duckdb.DuckDBPyConnection, descriptor: int) -> str:
        """Copy the blocks that the next checkpoint may overwrite; returns a hash of the headers before it."""
        blocks = connection.execute("select block_id from pragma_metadata_info() where free_blocks > 0").fetchall()
        sizes = connection.execute(
            "select block_size from pragma_database_size() where database_name = $name", {"name": CATALOG}
        ).fetchall()
        return rollback_journal.keep(self.paths.journal, descriptor, [block for (block,) in blocks], sizes[0][0])

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
            with self.opened(writable=True, file=part) as (connection, _), interruptible(connection):
                self.migrator.migrate(connection)
            part.chmod(permitted(0o640))
            sync(part)
            fault_point("working.created")
            # A leftover log without its file would be replayed into the new one.
            remove(with_wal(self.paths.working)[1])
            part.rename(self.paths.working)
            sync(self.paths.folder)
