"""What this process holds and has open of every warehouse, and the points at which a test may break it off.

Any number of `Store`s may stand for one warehouse, while DuckDB's locks and those of POSIX belong to the process: so
this is kept once, here, below all parts of the store, and a forked child forgets it. Opens nothing by itself.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
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
"""The names that `fault_point` is called with, in the order of a first night."""

CARRY_ON_POINTS = ("carry_on.linked", "carry_on.swapped", "carry_on.followed")
"""Its further names where a run finds the warehouse of an older release."""

FaultHook = Callable[[str], None]
"""Told of every fault point that is passed."""


class UnknownFaultPoint(ValueError):
    """A fault point is named that the store does not have."""


def require_fault_point(point: str) -> None:
    """Refuse a name that no step of the store has: what waits for it waits for ever, and a test of it cannot fail.

    Raises:
        UnknownFaultPoint: it is none of `FAULT_POINTS` and `CARRY_ON_POINTS`.
    """
    if point not in FAULT_POINTS and point not in CARRY_ON_POINTS:
        raise UnknownFaultPoint(
            f"The store has no fault point {point!r}; it has {', '.join((*FAULT_POINTS, *CARRY_ON_POINTS))}. Nothing "
            "happens at another name: correct it, or add it to the list in resources/store/process.py."
        )


def hook_at(point: str, action: Callable[[], None]) -> FaultHook:
    """A hook that acts whenever one point is passed.

    Raises:
        UnknownFaultPoint: the store has no such point.
    """
    require_fault_point(point)
    return lambda passed: action() if passed == point else None


def _no_fault(point: str) -> None:
    """Nothing breaks by itself."""


def fault_point(point: str) -> None:
    """Called around every step that changes a file; tests set `PROCESS.fault_hook`, to break off exactly there.

    Raises:
        UnknownFaultPoint: the name is missing from the lists above.
    """
    require_fault_point(point)
    PROCESS.fault_hook(point)


# ------------------------------------------------------------------------- what this process holds and has open


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as written in the lock file."""

    what: str
    run_id: str
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"{self.what} (run {self.run_id}, process {self.pid} on {self.host}, since {self.since})"


@dataclass
class Held:
    """A lock that this process holds, and how many times it was taken."""

    descriptor: int
    holder: Holder
    depth: int = 1


@dataclass
class Door:
    """Lets one connection at a time of this process to one working file.

    Two DuckDB instances of one process do not see each other's lock, and the first to close drops it for
    both.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: int | None = None


@dataclass(frozen=True)
class Engine:
    """A DuckDB in memory, which costs ten times what attaching a file to it does.

    Attributes:
        spill: where it puts what does not fit into memory.
        threads: how many work on a query; None for one a core.
        memory: bytes that it may hold; None for as many as DuckDB takes by itself.
    """

    spill: Path
    threads: int | None
    memory: int | None
    root: duckdb.DuckDBPyConnection


@dataclass
class ProcessState:
    """What the parts of the store share.

    Attributes:
        lock: held by whoever reads or changes the rest.
        held: the locks of warehouses, by lock file.
        doors: by working file.
        reading: how many read-only connections there are, by published file.
        idle: the engine that is kept for the next query, if any.
        inherited: engines of the parent of a forked child, which only the parent may close.
        private_depth: how many blocks want the files that are made meanwhile closed to the world.
        umask_before: the umask that stood before the first of those blocks.
        fault_hook: told of every fault point.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    held: dict[Path, Held] = field(default_factory=dict)
    doors: dict[Path, Door] = field(default_factory=dict)
    reading: Counter[Path] = field(default_factory=Counter)
    idle: list[Engine] = field(default_factory=list)
    inherited: list[Engine] = field(default_factory=list)
    private_depth: int = 0
    umask_before: int = 0
    fault_hook: FaultHook = _no_fault

    def forget_in_child(self) -> None:
        """A forked child shares the lock's descriptor: unless it lets go, the lock outlives a killed parent."""
        for held in self.held.values():
            with suppress(OSError):
                os.close(held.descriptor)
        self.held.clear()
        self.doors.clear()
        self.reading.clear()
        # Never closed here: that would wait for threads that only the parent has.
        self.inherited.extend(self.idle)
        self.idle.clear()
        # Another thread of the parent may have had it.
        self.lock = threading.RLock()


PROCESS = ProcessState()

os.register_at_fork(after_in_child=PROCESS.forget_in_child)
