"""The state of this process for every warehouse: held locks, open files, and the fault points of the tests.

Several `Store`s may exist for one warehouse, while DuckDB's locks and POSIX locks belong to the process. So this state
is kept once, here, below all parts of the store, and a forked child drops it. This module opens no files.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

# --------------------------------------------------------------------------------------------- fault points

FAULT_POINTS = (
    "migration.begun",
    "migration.applied",
    "migration.committed",
    "working.created",
    "publish.begun",
    "publish.checkpointed",
    "publish.detached",
    "publish.copying",
    "publish.copied",
    "publish.sealed",
    "publish.verified",
    "publish.versioned",
    "publish.linked",
    "publish.swapped",
    "publish.followed",
    "publish.pruned",
)
"""The names of the fault points, in the order of a first run."""

CARRY_ON_POINTS = ("carry_on.linked", "carry_on.swapped", "carry_on.followed")
"""Further fault points, where a run finds the warehouse of an older release."""

HISTORY_POINTS = ("history.begun", "history.written", "history.listed", "history.merged", "history.tidied")
"""Further fault points, where a published version is recorded in the history."""

FaultHook = Callable[[str], None]
"""Called with the name of every fault point that is passed."""


class UnknownFaultPoint(ValueError):
    """The store has no fault point of this name."""


def require_fault_point(point: str) -> None:
    """Check that a fault point exists: a test that waits for an unknown one would wait for ever or never fail.

    Raises:
        UnknownFaultPoint: the name is in none of the lists above.
    """
    known = (*FAULT_POINTS, *CARRY_ON_POINTS, *HISTORY_POINTS)
    if point not in known:
        raise UnknownFaultPoint(
            f"The store has no fault point {point!r}; it has {', '.join(known)}. Nothing happens at another name: "
            "correct it, or add it to the list in resources/store/process.py."
        )


def hook_at(point: str, action: Callable[[], None]) -> FaultHook:
    """A hook that calls `action` whenever one fault point is passed.

    Raises:
        UnknownFaultPoint: the store has no such point.
    """
    require_fault_point(point)
    return lambda passed: action() if passed == point else None


def _no_fault(point: str) -> None:
    """The default hook: do nothing."""


def fault_point(point: str) -> None:
    """Call the fault hook; called around every step that changes a file, so that tests can interrupt exactly there.

    Raises:
        UnknownFaultPoint: the name is missing from the lists above.
    """
    require_fault_point(point)
    PROCESS.fault_hook(point)


# ------------------------------------------------------------------------- held locks and open files


@dataclass(frozen=True)
class Holder:
    """The holder of the lock, as written in the lock file."""

    what: str
    run_id: str
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"{self.what} (run {self.run_id}, process {self.pid} on {self.host}, since {self.since})"


@dataclass
class Held:
    """A lock that this process holds.

    Attributes:
        depth: how many times it was taken.
        stays_attached: whether the working file stays attached between connections.
    """

    descriptor: int
    holder: Holder
    depth: int = 1
    stays_attached: bool = False


@dataclass
class Attachment:
    """A working file that stays attached for the next connection.

    Attributes:
        connection: the one that it was attached by.
        memory: the memory limit of those that wrote, in bytes; None for DuckDB's default.
        has_written: whether any did.
        ending: detaches it, closed or left with an exception.
        descriptor: of the file, open for as long as it is attached.
        headers: a hash of the file's headers as it was attached.
        since: when it was attached, on the monotonic clock.
        used: when its last connection ended, likewise.
    """

    connection: duckdb.DuckDBPyConnection
    memory: int | None
    has_written: bool
    ending: ExitStack
    descriptor: int
    headers: str
    since: float
    used: float


@dataclass
class Door:
    """Allows one connection of this process to one working file at a time.

    Two DuckDB instances of one process do not see each other's lock, and the first to close drops the lock for both.

    Attributes:
        lock: held for as long as there is a connection.
        thread: the one that has it.
        guard: held while the attachment is used, made or ended.
        attachment: of the run that keeps the file attached.
        free_since: when the file was last detached for the sake of other processes, on the monotonic clock.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: int | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)
    attachment: Attachment | None = None
    free_since: float = 0.0


@dataclass(frozen=True)
class Engine:
    """An in-memory DuckDB. Starting one costs ten times as much as attaching a file to it.

    Attributes:
        spill: folder for data that does not fit into memory.
        threads: threads of a query; None for one per core.
    """

    spill: Path
    threads: int | None
    root: duckdb.DuckDBPyConnection


@dataclass
class ProcessState:
    """The state that the parts of the store share.

    Attributes:
        lock: held while the other attributes are read or changed.
        held: the locks of warehouses, by lock file.
        doors: by working file.
        reading: number of read-only connections, by published file.
        idle: the engine that is kept for the next query, if any.
        inherited: engines and attachments of the parent of a forked child, which only the parent may close.
        private_depth: number of nested blocks in which new files are closed to other users.
        umask_before: the umask before the first of those blocks.
        fault_hook: called at every fault point.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    held: dict[Path, Held] = field(default_factory=dict)
    doors: dict[Path, Door] = field(default_factory=dict)
    reading: Counter[Path] = field(default_factory=Counter)
    idle: list[Engine] = field(default_factory=list)
    inherited: list[Engine | Attachment] = field(default_factory=list)
    private_depth: int = 0
    umask_before: int = 0
    fault_hook: FaultHook = _no_fault

    def forget_in_child(self) -> None:
        """Drop this state in a forked child, since its copy of the descriptor would keep the lock of a dead parent."""
        for held in self.held.values():
            with suppress(OSError):
                os.close(held.descriptor)
        self.held.clear()
        self.inherited.extend(door.attachment for door in self.doors.values() if door.attachment is not None)
        self.doors.clear()
        self.reading.clear()
        # Never closed here: closing would wait for threads that only the parent has.
        self.inherited.extend(self.idle)
        self.idle.clear()
        # Another thread of the parent may have held the lock during the fork.
        self.lock = threading.RLock()


PROCESS = ProcessState()

os.register_at_fork(after_in_child=PROCESS.forget_in_child)
