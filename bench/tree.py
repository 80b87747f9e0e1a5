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
class Sample:
    """What a tree of processes had taken at one moment.

    Attributes:
        at: seconds since 1970.
        cpu: seconds of CPU until then.
        memory: bytes; pages that several processes share count once.
        disk: bytes of the files below the watched folder, of at most a second ago.
    """

    at: float
    cpu: float
    memory: int
    disk: int


@dataclass(frozen=True)
class Ran:
    """How a program went.

    Attributes:
        cpu: seconds of CPU of the whole tree, as the kernel counted them.
        peak: bytes; pages that several processes share count once.
        said: its standard output; `complained` what it wrote to standard error.
        samples: in the order of time.
    """

    code: int
    wall: float
    cpu: float
    peak: int
    said: str
    complained: str
    samples: Sequence[Sample] = ()


def sampled(process: psutil.Process, disk: int = 0) -> Sample:
    """What a process and its children have taken until now; the CPU also of those that ended and were waited for."""
    cpu, memory = 0.0, 0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            cpu += sum(one.cpu_times()[:4])
            # Where the system does not tell what is shared, it counts for each.
            full = one.memory_full_info()
            memory += getattr(full, "pss", 0) or one.memory_info().rss
    return Sample(time.time(), cpu, memory, disk)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; of what another process removes meanwhile, none."""
    whole = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            whole += path.lstat().st_size if path.is_file() else 0
    return whole


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    timeout: float = 900.0,
    watched: Path | None = None,
) -> Ran:
    """Run a program to its end.

    Args:
        timeout: seconds.
        watched: a folder whose size the samples have.

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
    samples: list[Sample] = []
    ended = threading.Event()

    def watch() -> None:
        disk, looked = 0, 0.0
        with suppress(psutil.Error):
            process = psutil.Process(child.pid)
            while not ended.wait(EVERY_SECONDS):
                if watched is not None and time.monotonic() - looked > 1:
                    disk, looked = size_of(watched), time.monotonic()
                samples.append(sampled(process, disk))

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
        max((sample.memory for sample in samples), default=0),
        out.read_text(errors="replace"),
        err.read_text(errors="replace"),
        samples,
    )
