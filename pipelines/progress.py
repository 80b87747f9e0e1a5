"""How far a collection is: in the run's log every few seconds, and to whoever else wants to see it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from resources.answer import Progress

LOG_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Report:
    """One reading: of which work, how far."""

    what: str
    progress: Progress

    def sentence(self) -> str:
        """`ec2_instance: 120 of 480 cells, 3,204 records, 131 requests, 2 throttled, about 14 s left`."""
        p = self.progress
        left = f", about {p.elapsed / p.done * (p.total - p.done):.0f} s left" if 0 < p.done < p.total else ""
        return (
            f"{self.what}: {p.done:,} of {p.total:,} cells, {p.records:,} records, {p.requests:,} requests, "
            f"{p.throttles:,} throttled{left}"
        )


_watchers: list[Callable[[Report], None]] = []


@contextmanager
def watching(watcher: Callable[[Report], None]) -> Iterator[None]:
    """Hand every reading of this process to `watcher`, such as a progress bar."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


class Reporter:
    """Passes readings on: all to the watchers, one every few seconds and the last to the log."""

    def __init__(self, what: str, log: Callable[[str], None]) -> None:
        self._what = what
        self._log = log
        self._lock = threading.Lock()
        self._logged_at = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take a reading; called from worker threads."""
        report = Report(self._what, progress)
        with self._lock:
            for watcher in _watchers:
                watcher(report)
            now = time.monotonic()
            if progress.done == progress.total or now - self._logged_at >= LOG_EVERY_SECONDS:
                self._logged_at = now
                self._log(report.sentence())
