"""Progress of a collection or a load, for the run's log every few seconds and for other watchers."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

from resources.aws.messages import Progress, Response

LOG_EVERY_SECONDS = 5.0

T = TypeVar("T")

PUBLISHING = "publishing"
"""The last step of a run, after the families of the catalogue."""


@dataclass(frozen=True)
class Part:
    """The number of the current batch in its step.

    Attributes:
        number: from 1.
        began: the step's start, of `time.monotonic`, in seconds.
    """

    number: int
    count: int
    began: float

    def __str__(self) -> str:
        return f"part {self.number} of {self.count}"


@dataclass(frozen=True)
class Report:
    """One progress report.

    Attributes:
        unit: what is counted: the cells of a collection, or the tables of a load.
        part: the batch, in a step of several batches.
    """

    what: str
    progress: Progress
    unit: Literal["cells", "tables"] = "cells"
    part: Part | None = None

    @property
    def detail(self) -> str:
        """The totals so far: `3,204 records, 131 requests, 2 throttled`, or `3,204 rows`."""
        p = self.progress
        if self.unit == "tables":
            return f"{p.records:,} rows"
        return f"{p.records:,} records, {p.requests:,} requests, {p.throttles:,} throttled"

    @property
    def is_done(self) -> bool:
        """Whether everything is done."""
        return self.progress.done == self.progress.total

    @property
    def left(self) -> float | None:
        """Estimated seconds until the end, in a step of several batches until the last one's end; None if unknown."""
        p = self.progress
        if self.part is None:
            return p.elapsed / p.done * (p.total - p.done) if 0 < p.done < p.total else None
        share = (self.part.number - 1 + p.done / p.total) / self.part.count
        return (time.monotonic() - self.part.began) * (1 / share - 1) if 0 < share < 1 else None

    def sentence(self) -> str:
        """As text: `ec2_instance: 120 of 480 cells, 3,204 records, 131 requests, 2 throttled, about 14 s left`."""
        p = self.progress
        left = "" if self.left is None else f", about {self.left:.0f} s left"
        return f"{self.what}: {p.done:,} of {p.total:,} {self.unit}, {self.detail}{left}"


@dataclass(frozen=True)
class Note:
    """A sentence about a run, or the beginning of a step.

    Attributes:
        step: the step that begins; empty for a mere sentence.
        text: the sentence, or what the step does.
    """

    text: str
    step: str = ""


_watchers: list[Callable[[Report], None]] = []
_listeners: list[Callable[[Note], None]] = []


@contextmanager
def watching(watcher: Callable[[Report], None], listener: Callable[[Note], None] = lambda note: None) -> Iterator[None]:
    """Give every progress report of this process to `watcher`, such as a progress bar, and every note to `listener`."""
    _watchers.append(watcher)
    _listeners.append(listener)
    try:
        yield
    finally:
        # One that failed is gone already.
        with suppress(ValueError):
            _watchers.remove(watcher)
        with suppress(ValueError):
            _listeners.remove(listener)


def begin_step(step: str, text: str) -> None:
    """Note that a step begins, and what it does."""
    _note(Note(text, step))


def note(text: str) -> None:
    """Note a sentence for whoever watches the run."""
    _note(Note(text))


def _note(given: Note) -> None:
    _give(_listeners, given)


def _give(receivers: list[Callable[[T], None]], given: T) -> None:
    """Give something to all receivers. One that cannot write it gets nothing more, and fails no step."""
    for receiver in tuple(receivers):
        try:
            receiver(given)
        except (OSError, ValueError):
            receivers.remove(receiver)


class Reporter:
    """Passes progress reports on: all to the watchers, and to the log one every few seconds and the last."""

    def __init__(self, what: str, log: Callable[[str], None], part: Part | None = None) -> None:
        self._what = what if part is None else f"{what}, {part}"
        self._part = part
        self._log = log
        self._lock = threading.Lock()
        self._logged_at = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take a progress report; called from worker threads."""
        report = Report(self._what, progress, part=self._part)
        with self._lock:
            _give(_watchers, report)
            now = time.monotonic()
            if progress.done == progress.total or now - self._logged_at >= LOG_EVERY_SECONDS:
                self._logged_at = now
                self._log(report.sentence())


class Reports:
    """Reports the progress of each of several listings that are requested together.

    In a step of several batches it reports all listings together: a line for each listing and batch would be hundreds.

    Args:
        totals: number of requests of each listing, by listing name.
        part: the batch of these requests; None where there is only one.
    """

    def __init__(self, totals: Mapping[str, int], log: Callable[[str], None], part: Part | None = None) -> None:
        self._totals = totals
        self._reporters = {name: Reporter(name, log) for name in totals} if part is None else {}
        together = f"{len(totals)} listings" if len(totals) > 1 else next(iter(totals), "")
        self._whole = Reporter(together, log, part) if len(totals) > 1 or part else None
        self._lock = threading.Lock()
        self._counted = {name: [0, 0, 0, 0] for name in totals}
        self._told: dict[str, int] = {}

    def count(self, listing: str, response: Response) -> None:
        """Count a response; called from worker threads."""
        with self._lock:
            counted = self._counted[listing]
            counted[0] += 1
            counted[1] += response.record_count
            counted[2] += response.request_count
            counted[3] += response.throttle_count

    def __call__(self, whole: Progress) -> None:
        """Report the listings that have made progress."""
        for name, reporter in self._reporters.items():
            with self._lock:
                done, records, requests, throttles = self._counted[name]
            if done != self._told.get(name, 0):
                self._told[name] = done
                reporter(
                    Progress(
                        done=done,
                        total=self._totals[name],
                        records=records,
                        requests=requests,
                        throttles=throttles,
                        elapsed=whole.elapsed,
                    )
                )
        if self._whole is not None:
            self._whole(whole)


class Load:
    """Counts the tables that a run has built, for the watchers; the log of each step reports that step's own work."""

    def __init__(self) -> None:
        self._run_id = ""
        self._began = 0.0
        self._tables = 0
        self._rows = 0

    def built(self, run_id: str, rows: int, total: int) -> None:
        """Count one built table of the run's `total` tables. Another run starts from zero."""
        if run_id != self._run_id:
            self._run_id, self._began, self._tables, self._rows = run_id, time.monotonic(), 0, 0
        self._tables += 1
        self._rows += rows
        progress = Progress(
            done=self._tables,
            total=max(total, self._tables),
            records=self._rows,
            requests=0,
            throttles=0,
            elapsed=time.monotonic() - self._began,
        )
        _give(_watchers, Report("load", progress, "tables"))
