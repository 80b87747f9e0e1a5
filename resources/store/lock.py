"""The lock of a warehouse: a `flock` that one run holds from start to end. The lock file names its holder."""

import fcntl
import json
import os
import re
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from resources.store.errors import LockHeld, StillOpen, WarehouseError
from resources.store.files import keeps_rights, make_folder, permitted
from resources.store.paths import Paths
from resources.store.process import PROCESS, Held, Holder

SAME_RUN_WAIT = 60.0
"""Seconds that a process waits for another process of its own run."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def check_run_id(run_id: str) -> None:
    """Check that a run id can be part of a file name."""
    if not _RUN_ID.fullmatch(run_id):
        raise WarehouseError(
            f"{run_id!r} cannot be a run id: it names a file, so letters, digits, '.', '_' and '-' only.",
            exit_code=2,
        )


@dataclass(frozen=True)
class Lock:
    """The lock of one warehouse; its state belongs to the process."""

    paths: Paths

    def take(self, run_id: str, what: str, *, stays_attached: bool = False) -> bool:
        """Take the lock, or take it again for the run that holds it here. Another process of the run is waited for.

        Args:
            stays_attached: whether the working file stays attached between connections, until the lock is released.

        Returns:
            Whether the run did not hold the lock here before.

        Raises:
            LockHeld: another run works here; the message names it.
        """
        deadline = time.monotonic() + SAME_RUN_WAIT
        while not self._try_hold(run_id, what, stays_attached):
            holder = self._holder()
            if holder is None or holder.run_id != run_id or time.monotonic() > deadline:
                raise self._lock_held(holder)
            time.sleep(0.1)
        return PROCESS.held[self.paths.lock_file].depth == 1

    def release(self, run_id: str, let_go: Callable[[], None]) -> None:
        """Release one `hold` of this run; nothing happens where this process does not hold the lock.

        Args:
            let_go: called before the lock is free, since who takes it next restores the blocks of a working file that
                was left attached. The lock is freed though it raises, but for `StillOpen`: then it is attached yet.
        """
        try:
            if self.is_last(run_id):
                let_go()
        except StillOpen:
            raise
        except BaseException:
            self._release(run_id)
            raise
        self._release(run_id)

    def _release(self, run_id: str) -> None:
        with PROCESS.lock:
            held = PROCESS.held.get(self.paths.lock_file)
            if held is None or held.holder.run_id != run_id:
                return
            held.depth -= 1
            if held.depth == 0:
                del PROCESS.held[self.paths.lock_file]
                with suppress(OSError):
                    os.ftruncate(held.descriptor, 0)
                os.close(held.descriptor)

    def is_last(self, run_id: str) -> bool:
        """Whether one more `release` of this run frees the lock."""
        with PROCESS.lock:
            held = PROCESS.held.get(self.paths.lock_file)
            return held is not None and held.holder.run_id == run_id and held.depth == 1

    def stays_attached(self) -> bool:
        """Whether who holds the lock here keeps the working file attached between connections."""
        with PROCESS.lock:
            held = PROCESS.held.get(self.paths.lock_file)
            return held is not None and held.stays_attached

    def is_held_by(self, run_id: str) -> bool:
        """Whether this process holds the warehouse for this run."""
        with PROCESS.lock:
            held = PROCESS.held.get(self.paths.lock_file)
            return held is not None and held.holder.run_id == run_id

    def holder(self) -> Holder | None:
        """Who holds the lock now, in any process; None where nobody does. Nothing is created or changed."""
        with PROCESS.lock:
            held = PROCESS.held.get(self.paths.lock_file)
        if held is not None:
            return held.holder
        try:
            descriptor = os.open(self.paths.lock_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            # A run needs a lock file that it can open, and this one is missing or no plain file.
            return None
        try:
            # A free lock is empty, unless its holder was killed. An empty one is not tried: for that moment a run that
            # begins would find the warehouse held.
            if not os.fstat(descriptor).st_size:
                return None
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._holder()
        finally:
            os.close(descriptor)
        return None

    def _try_hold(self, run_id: str, what: str, stays_attached: bool) -> bool:
        with PROCESS.lock:
            held = PROCESS.held.get(self.paths.lock_file)
            if held is not None:
                if held.holder.run_id != run_id:
                    raise self._lock_held(held.holder)
                held.depth += 1
                return True
            descriptor = self._open_lock()
            try:
                os.fchmod(descriptor, permitted(0o640))
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                since = datetime.now(UTC).isoformat(timespec="seconds")
                holder = Holder(what, run_id, os.getpid(), socket.gethostname(), since)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            PROCESS.held[self.paths.lock_file] = Held(descriptor, holder, stays_attached=stays_attached)
            return True

    def _open_lock(self) -> int:
        """A descriptor of the lock file. The file is truncated later, so it must not be a link to another file."""
        try:
            descriptor = os.open(self.paths.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
        except OSError as error:
            if not self.paths.lock_file.is_symlink():
                raise
            raise self._no_lock("a symbolic link") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._no_lock("no plain file")
        return descriptor

    def _no_lock(self, what: str) -> WarehouseError:
        return WarehouseError(
            f"{self.paths.lock_file} is {what}, and the lock has to be a file of its own. Nothing was started, and "
            "what it leads to is as it was. Find out who put it there, then remove it.",
            exit_code=2,
        )

    def make_folders(self) -> None:
        """Create the folders of the warehouse, and refuse folders in which other users could replace our files."""
        for folder in (self.paths.folder, self.paths.versions_folder, self.paths.landing):
            make_folder(folder)
        self._refuse_folder_of_everybody()

    def _refuse_folder_of_everybody(self) -> None:
        """Raise where any user of this machine could replace our files.

        A folder that only a group may write to is accepted. In a folder like /tmp, where all users may add files but
        not touch each other's, none of our files may belong to another user.
        """
        for folder in (self.paths.folder, self.paths.versions_folder, self.paths.landing):
            mode = folder.stat().st_mode
            if not mode & stat.S_IWOTH or not keeps_rights(folder):
                continue
            if not mode & stat.S_ISVTX:
                raise WarehouseError(
                    f"Everybody on this machine may write to {folder} (rights {stat.S_IMODE(mode):04o}), and so could "
                    f"change what is published. Nothing was started. Take that right away with `chmod o-w {folder}`, "
                    "or set CMDB_DATABASE to a file in a new folder, which is made closed.",
                    exit_code=2,
                )
            for path in (
                self.paths.lock_file,
                self.paths.working,
                self.paths.link,
                self.paths.versions_folder,
                self.paths.landing,
            ):
                if os.path.lexists(path) and path.lstat().st_uid not in (os.geteuid(), 0):
                    raise WarehouseError(
                        f"{path} belongs to another user, in a folder that everybody may write to. Nothing was "
                        "started. Set CMDB_DATABASE to a file in a new folder, which is made closed.",
                        exit_code=2,
                    )

    def _holder(self) -> Holder | None:
        """The holder of the lock. The holder's name may be written a moment after the lock is taken."""
        for _ in range(10):
            with suppress(OSError, ValueError, TypeError):
                return Holder(**json.loads(self.paths.lock_file.read_bytes()))
            time.sleep(0.02)
        return None

    def _lock_held(self, holder: Holder | None) -> LockHeld:
        return LockHeld(
            f"{holder or 'Another run'} works on {self.paths.database}, and one run at a time may. Nothing was "
            "started. Wait until it has ended, or end it; a process that dies frees the lock by itself."
        )

    def is_held(self) -> bool:
        """Whether this process holds the warehouse, for any run."""
        with PROCESS.lock:
            return self.paths.lock_file in PROCESS.held

    def require_held(self, run_id: str | None = None) -> None:
        """Check that this process holds the warehouse, and for this run where one is given."""
        with PROCESS.lock:
            held = PROCESS.held.get(self.paths.lock_file)
        if held is None or (run_id is not None and held.holder.run_id != run_id):
            raise WarehouseError(
                f"{self.paths.database} is not held by {run_id or 'this process'}, and only the run that holds it "
                "may write. Nothing was written. Call hold() first."
            )
