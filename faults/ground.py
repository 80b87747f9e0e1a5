"""What every part stands on: work in processes of their own, which can be killed.

A process is forked from one that has loaded the product but opened nothing and started no thread: it is as much a
process of its own as a fresh one, without the seconds that loading takes.
"""

import contextlib
import io
import os
import pickle
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from faults.report import Shown
from resources.warehouse import WarehouseError

T = TypeVar("T")

DATABASE = "cmdb.duckdb"

LONGEST = 600.0
"""Seconds after which a process that has not ended is a failure of its own."""


class Broken(Exception):
    """A process did not do what it was started for; the message has its last words."""


@dataclass
class Child:
    """A running process, and where it leaves what comes of it."""

    pid: int
    folder: Path
    began: float = field(default_factory=time.monotonic)

    def kill(self) -> None:
        """As a power cut would: nothing is tidied up."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def ended(self) -> bool:
        """Whether it has; it is not waited for."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def wait(self, seconds: float = LONGEST) -> int:
        """Its exit code, negative for a signal."""
        until = self.began + seconds
        while not self.ended():
            if time.monotonic() > until:
                self.kill()
            time.sleep(0.01)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def result(self) -> Any:
        """What its work returned.

        Raises:
            Broken: it raised, or was killed.
        """
        code = self.wait()
        if code != 0:
            raise Broken(f"exit code {code}: {self.said[-2000:]}")
        value = pickle.loads((self.folder / "result").read_bytes())  # our own child wrote it
        shutil.rmtree(self.folder, ignore_errors=True)
        return value

    @property
    def said(self) -> str:
        """What it has printed."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "said").read_text(encoding="utf-8", errors="replace")
        return ""


_count = 0


def begin(work: Callable[[], Any], scratch: Path) -> Child:
    """Start work in a process of its own."""
    global _count
    _count += 1
    folder = scratch / f"process-{os.getpid()}-{_count}"
    folder.mkdir(parents=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, folder)
    code = 1
    try:
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
        value = work()
        (folder / "result").write_bytes(pickle.dumps(value))
        code = 0
    except BaseException:  # noqa: BLE001  # it is the last thing that this process says
        traceback.print_exc()
    finally:
        os._exit(code)


def apart(work: Callable[[], T], scratch: Path) -> T:
    """Do work in a process of its own; gives back what it returns."""
    value: T = begin(work, scratch).result()
    return value


def shown(part: str, case: str, expected: str, work: Callable[[], str]) -> Shown:
    """Do the work of a case: what it returns is said, what it raises is the failure."""
    began = time.monotonic()
    said = failure = ""
    try:
        said = work()
    except AssertionError as error:
        failure = str(error) or "an assertion failed"
    except (RuntimeError, OSError, WarehouseError, duckdb.Error) as error:
        failure = f"{type(error).__name__}: {str(error)[:600]}"
    made = Shown(part, case, expected, said, failure, seconds=time.monotonic() - began)
    print(made.line(), flush=True)
    return made
