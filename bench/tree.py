"""Runs a program and measures it with all its children: wall, CPU, and the most memory that they held at once."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Ran:
    """How a program went.

    Attributes:
        cpu: seconds of CPU of the whole tree, as the kernel counted them.
        peak: bytes; pages that several processes share count once.
        said: its standard output; `complained` what it wrote to standard error.
    """

    code: int
    wall: float
    cpu: float
    peak: int
    said: str
    complained: str


def held(process: psutil.Process) -> int:
    """Bytes of a process and its children, each shared page once."""
    whole = 0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            # Where the system does not tell what is shared, it counts for each.
            memory = one.memory_full_info()
            whole += getattr(memory, "pss", 0) or one.memory_info().rss
    return whole


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float = 900.0) -> Ran:
    """Run a program to its end.

    Raises:
        TimeoutError: it took longer; it was killed.
    """
    out, err = folder / "stdout", folder / "stderr"
    began = time.monotonic()
    with out.open("wb") as said, err.open("wb") as complained:
        child = subprocess.Popen(
            list(command), env=dict(environment), cwd=Path(__file__).resolve().parent.parent, stdout=said,
            stderr=complained, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    peak = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        with suppress(psutil.Error):
            process = psutil.Process(child.pid)
            while not ended.wait(EVERY_SECONDS):
                peak = max(peak, held(process))

    late = threading.Timer(timeout, lambda: os.killpg(child.pid, 9))
    late.start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    # wait4 has the CPU of the child and of all whose end it waited for.
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    timed_out = late.finished.is_set()
    late.cancel()
    ended.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    if timed_out:
        raise TimeoutError(f"{' '.join(command)} took longer than {timeout:.0f} s and was killed.")
    return Ran(
        child.returncode,
        wall,
        usage.ru_utime + usage.ru_stime,
        peak,
        out.read_text(errors="replace"),
        err.read_text(errors="replace"),
    )
