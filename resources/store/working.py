"""The working file of a warehouse: connections to it, one at a time, for which a run may keep it attached."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from resources.store import rollback_journal
from resources.store.engine import MOST_KEPT, RETRY_SECONDS, is_limited, let_go_of_blocks, memory_of, use
from resources.store.errors import OlderSchema, StillOpen, WarehouseError, interruptible, own_statements
from resources.store.files import private_files
from resources.store.opening import Opening
from resources.store.process import PROCESS, Attachment, Door

UNUSED_SECONDS = 1.0
"""Seconds without a connection after which a file that is kept attached is detached."""

TURN_SECONDS = 2.0
"""Seconds after which it is detached between two connections, so that waiting processes get their turn."""


@dataclass(frozen=True)
class WorkingFile:
    """The file that the runs of one warehouse write."""

    opening: Opening

    @property
    def _path(self) -> Path:
        return self.opening.paths.working

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
        self.opening.lock.require_held()
        with self.door() as door:
            if self.opening.lock.stays_attached():
                with self._kept(door, memory, writes=True) as connection:
                    yield connection
            else:
                with (
                    self.opening.migrated(memory) as (connection, _),
                    own_statements(self._path),
                    interruptible(connection),
                ):
                    yield connection

    @contextmanager
    def read(self, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A short read-only connection to the working file, in UTC.

        Where this process holds the lock, the file is first created and migrated, as in `write`.

        Args:
            memory: as in `write`.

        Raises:
            WarehouseError: there is no working file yet, another process writes it, or it is damaged or of another
                schema; `OlderSchema` of an older one.
        """
        with self.door() as door, ExitStack() as stack:
            if self.opening.lock.stays_attached():
                connection = stack.enter_context(self._kept(door, memory, writes=False))
                connection.execute("begin transaction read only")
                yield connection
                connection.execute("rollback")
                return
            held = self.opening.lock.is_held()
            if held and not self._path.exists():
                self._bring_up_to_date()
            if not self._path.exists():
                raise WarehouseError(
                    f"There is no warehouse at {self.opening.paths.database} yet. Run `cmdb nightly` first."
                )
            connection = stack.enter_context(self.attached(writable=False, memory=memory))
            if self.opening.migrator.pending(connection):
                if not held:
                    raise OlderSchema(
                        f"{self._path} has an older schema than this version of the product. The next "
                        "`cmdb nightly` brings it up to date."
                    )
                stack.close()
                self._bring_up_to_date()
                connection = stack.enter_context(self.attached(writable=False, memory=memory))
            with own_statements(self._path):
                yield connection

    def _bring_up_to_date(self) -> None:
        with self.attached(writable=True) as connection:
            self.opening.migrator.migrate(connection)

    # ------------------------------------------------------------------------------------ kept attached by its run

    @contextmanager
    def _kept(self, door: Door, memory: int | None, *, writes: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection by the attachment that the run keeps, which is made where there is none.

        As without one, all that is left of a connection goes with it, and a block that raises ends the attachment.
        """
        with door.guard, private_files():
            if (kept := door.attachment) is not None and (
                # What was written within one limit is written into the file within the same one.
                (writes and kept.has_written and kept.memory != memory) or not is_limited(kept.connection, memory)
            ):
                self._end(door)
            attachment = door.attachment or self._keep(door, memory)
            if writes:
                attachment.memory, attachment.has_written = memory, True
            try:
                with (
                    own_statements(self._path),
                    closing(attachment.connection.cursor()) as connection,
                    interruptible(connection),
                ):
                    use(connection)
                    yield connection
            except BaseException as error:
                door.attachment = None
                attachment.ending.__exit__(type(error), error, error.__traceback__)
                raise
            attachment.used = time.monotonic()
            if rollback_journal.headers_of(attachment.descriptor) != attachment.headers:
                # A checkpoint came to its end, so the journal keeps the wrong blocks for the next one.
                self._end(door)
            elif attachment.used - attachment.since > TURN_SECONDS:
                self._end(door)
                door.free_since = time.monotonic()
            elif memory_of(attachment.connection) > MOST_KEPT and not let_go_of_blocks(
                attachment.connection, MOST_KEPT, memory
            ):
                # Rows that no checkpoint has written take the room; detaching writes them.
                self._end(door)

    def _keep(self, door: Door, memory: int | None) -> Attachment:
        """Attach the file for this connection and the next ones."""
        # Whoever waits in another process tries again within this time.
        time.sleep(max(0.0, door.free_since + RETRY_SECONDS * 1.2 - time.monotonic()))
        with ExitStack() as stack:
            connection, descriptor = stack.enter_context(self.opening.migrated(memory))
            headers = rollback_journal.headers_of(descriptor)
            now = time.monotonic()
            attachment = Attachment(connection, memory, False, stack.pop_all(), descriptor, headers, now, now)
        door.attachment = attachment
        threading.Thread(target=self._end_unused, args=(door, attachment), daemon=True).start()
        return attachment

    def _end(self, door: Door) -> None:
        """Detach the file; the guard is held."""
        attachment, door.attachment = door.attachment, None
        if attachment is not None:
            # Those that read since then had limits of their own.
            is_limited(attachment.connection, attachment.memory)
            with private_files():
                attachment.ending.close()

    def _end_unused(self, door: Door, attachment: Attachment) -> None:
        """Detach the file once nobody has used it for a while: other processes may want it, and memory is freed."""
        while True:
            time.sleep(UNUSED_SECONDS)
            with door.guard:
                if door.attachment is not attachment:
                    return
                if time.monotonic() - attachment.used >= UNUSED_SECONDS:
                    # What could not be written into the file is in its log, and whoever opens it next says so.
                    with suppress(WarehouseError, duckdb.Error):
                        self._end(door)
                    return

    def let_go(self) -> None:
        """Detach the file where a run keeps it attached, so that it can be copied or opened by other processes.

        Raises:
            StillOpen: a connection by it is in use, here or in another thread.
            WarehouseError: the disk has no room for what is in its log.
        """
        with PROCESS.lock:
            door = PROCESS.doors.get(self._path)
        if door is None:
            return
        if not door.guard.acquire(timeout=self.opening.patience):
            raise self._still_open()
        try:
            self._end(door)
        finally:
            door.guard.release()

    def _still_open(self) -> StillOpen:
        return StillOpen(
            f"This process has a connection to {self._path.name} open, and a second one could lose "
            "DuckDB's lock. Nothing was changed. Close it first: connections are for single statements, "
            "not for keeping."
        )

    # --------------------------------------------------------------------------------------------------- attaching

    @contextmanager
    def door(self, *, wait: bool = True) -> Iterator[Door]:
        """The exclusive right of this thread to open or copy the working file."""
        with PROCESS.lock:
            door = PROCESS.doors.setdefault(self._path, Door())
        here = threading.get_ident()
        if door.thread == here or not door.lock.acquire(timeout=self.opening.patience if wait else 0):
            raise self._still_open()
        door.thread = here
        try:
            yield door
        finally:
            door.thread = None
            door.lock.release()

    @contextmanager
    def attached(
        self, *, writable: bool, file: Path | None = None, memory: int | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The working file, or another one in its place, attached to an in-memory DuckDB until the block ends."""
        if file is None:
            self.let_go()
        with (
            self.opening.opened(writable=writable, file=file, memory=memory) as (connection, _),
            interruptible(connection),
        ):
            yield connection
