"""Commands in processes of their own, each forked from one that has loaded the product but opened nothing.

Such a fork is as much a process of its own as a fresh one, without the seconds that loading takes. So that it may be
forked, no process that runs these tests opens a warehouse: it looks into one `apart`.
"""

import contextlib
import gc
import importlib
import io
import itertools
import os
import pickle
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from simulator.client import is_foreign

T = TypeVar("T")

LONGEST = 7200.0
"""Seconds after which a process that has not ended hangs: many times what the longest takes on a busy machine."""

FAILED = 97
"""The exit code of work that an assertion ended."""


class Broken(Exception):
    """A process did not do what it was started for; the message has its last words."""


_RUNNING: dict[int, "Child"] = {}
"""What this process has begun and not waited for."""


def end_all() -> None:
    """End what was begun and not waited for, with all that it has started."""
    for child in [*_RUNNING.values()]:
        child.kill_all()
        child.wait()


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

    def kill_all(self) -> None:
        """The same for everything that it has started, and that those have, in whatever session."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for started in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    started.kill()
        self.kill()

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
        _RUNNING.pop(self.pid, None)
        return os.waitstatus_to_exitcode(status)

    def result(self, seconds: float = LONGEST) -> Any:
        """What its work returned.

        Raises:
            AssertionError: its work raised one, of the same words.
            Broken: it raised another, or was killed.
        """
        code = self.wait(seconds)
        result = self.folder / "result"
        if code == FAILED:
            raise AssertionError(pickle.loads(result.read_bytes()))  # our own child wrote it
        if code != 0:
            raise Broken(f"exit code {code}: {self.said[-2000:]}")
        value = pickle.loads(result.read_bytes())
        shutil.rmtree(self.folder, ignore_errors=True)
        return value

    @property
    def said(self) -> str:
        """What it has printed."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "said").read_text(encoding="utf-8", errors="replace")
        return ""


def load() -> None:
    """Load the product and what it reads once in a process, so that no process that is forked later has to."""
    from pipelines.definitions import NIGHTLY, build_defs

    for name in ("alerts", "cli.run", "cli.terminal", "event_log", "kept_event_log", "report.writing"):
        importlib.import_module(f"pipelines.{name}")
    for name in ("execution.submit_asset_runs", "executor.in_process", "instance.factory", "storage.legacy_storage"):
        importlib.import_module(f"dagster._core.{name}")
    build_defs({}).resolve_job_def(NIGHTLY)
    # What is there already is no garbage: a collection in a forked process would copy every page of it.
    gc.collect()
    gc.freeze()


_numbers = itertools.count(1)


def begin(work: Callable[[], Any], scratch: Path, environment: Mapping[str, str] | None = None) -> Child:
    """Start work in a process of its own.

    Args:
        environment: in place of everything of this process that leads anywhere.
    """
    folder = scratch / f"process-{os.getpid()}-{next(_numbers)}"
    folder.mkdir(parents=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        _RUNNING[pid] = child = Child(pid, folder)
        return child
    code = 1
    try:
        _RUNNING.clear()
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
        if environment is not None:
            kept = {n: v for n, v in os.environ.items() if not is_foreign(n) and n != "DAGSTER_HOME"}
            os.environ.clear()
            os.environ.update(kept | dict(environment))
        value = work()
        (folder / "result").write_bytes(pickle.dumps(value))
        code = 0
    except AssertionError as error:
        (folder / "result").write_bytes(pickle.dumps(str(error) or "an assertion failed"))
        code = FAILED
    except BaseException:  # noqa: BLE001  # it is the last thing that this process says
        traceback.print_exc()
    finally:
        os._exit(code)


def apart(
    work: Callable[[], T], scratch: Path, environment: Mapping[str, str] | None = None, *, seconds: float = LONGEST
) -> T:
    """Do work in a process of its own; gives back what it returns."""
    value: T = begin(work, scratch, environment).result(seconds)
    return value


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, what it printed, what it cost."""

    code: int
    said: str
    seconds: float
    cpu: float = 0.0

    def told(self, *words: str, at: str = "the night") -> list[str]:
        """The lines of what it printed that hold any of these words.

        Args:
            at: what a failure is of.

        Raises:
            AssertionError: there is none, or there is a traceback.
        """
        lines = [line.strip() for line in self.said.splitlines() if any(word in line for word in words)]
        assert lines, f"{at}: nothing says {' or '.join(words)}: {self.said[-800:]}"
        assert "Traceback" not in self.said, f"{at}: a traceback: {self.said[-800:]}"
        return lines


def command(*arguments: str, prepare: Callable[[], None] = lambda: None) -> Callable[[], Ended]:
    """The work of one `cmdb` command, for `apart`; `prepare` is called in its process before it."""

    def work() -> Ended:
        from pipelines.cli.main import main

        prepare()
        out = io.StringIO()
        began = time.monotonic()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                main.main(list(arguments), prog_name="cmdb")
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Ended(code, out.getvalue(), time.monotonic() - began, used.ru_utime + used.ru_stime)

    return work
