"""How far a collection or a load is: in the run's log every few seconds, and to whoever else wants to see it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from resources.aws.messages import Progress, Response

LOG_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Part:
    """Which part of a step it is that is asked, from 1, and when the step began to ask (of `time.monotonic`)."""

    number: int
    count: int
    began: float

    def __str__(self) -> str:
        return f"part {self.number} of {self.count}"


@dataclass(frozen=True)
class Report:
    """One reading: of which work, how far.

    Attributes:
        unit: what is counted: the cells of a collection, or the tables of a load.
        part: of a step that is done in several.
    """

    what: str
    progress: Progress
    unit: Literal["cells", "tables"] = "cells"
    part: Part | None = None

    @property
    def detail(self) -> str:
        """What came of it so far: `3,204 records, 131 requests, 2 throttled`, or `3,204 rows`."""
        p = self.progress
        if self.unit == "tables":
            return f"{p.records:,} rows"
        return f"{p.records:,} records, {p.requests:,} requests, {p.throttles:,} throttled"

    @property
    def is_done(self) -> bool:
        """Whether nothing is left of it."""
        return self.progress.done == self.progress.total

    @property
    def left(self) -> float | None:
        """Estimated seconds until the end, of a step in parts until the end of the last; None where nothing tells."""
        p = self.progress
        if self.part is None:
            return p.elapsed / p.done * (p.total - p.done) if 0 < p.done < p.total else None
        share = (self.part.number - 1 + p.done / p.total) / self.part.count
        return (time.monotonic() - self.part.began) * (1 / share - 1) if 0 < share < 1 else None

    def sentence(self) -> str:
        """`ec2_instance: 120 of 480 cells, 3,204 records, 131 requests, 2 throttled, about 14 s left`."""
        p = self.progress
        left = "" if self.left is None else f", about {self.left:.0f} s left"
        return f"{self.what}: {p.done:,} of {p.total:,} {self.unit}, {self.detail}{left}"


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

    def __init__(self, what: str, log: Callable[[str], None], part: Part | None = None) -> None:
        self._what = what if part is None else f"{what}, {part}"
        self._part = part
        self._log = log
        self._lock = threading.Lock()
        self._logged_at = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take a reading; called from worker threads."""
        report = Report(self._what, progress, part=self._part)
        with self._lock:
            for watcher in _watchers:
                watcher(report)
            now = time.monotonic()
            if progress.done == progress.total or now - self._logged_at >= LOG_EVERY_SECONDS:
                self._logged_at = now
                self._log(report.sentence())


class Reports:
    """Says how far each of several listings is that are asked together, and what they come to.

    Of a step in parts only all of them together: a line a listing and part would be hundreds.

    Args:
        totals: how many questions each listing has, by its name.
        part: which part of a step these questions are; None where there is one only.
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
        """Take an answer into account; called from worker threads."""
        with self._lock:
            counted = self._counted[listing]
            counted[0] += 1
            counted[1] += response.record_count
            counted[2] += response.request_count
            counted[3] += response.throttle_count

    def __call__(self, whole: Progress) -> None:
        """Tell, where something has moved on."""
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
    """Counts what a run has built of its tables, for the watchers; a step's own log says what that step did."""

    def __init__(self) -> None:
        self._run_id = ""
        self._began = 0.0
        self._tables = 0
        self._rows = 0

    def built(self, run_id: str, rows: int, total: int) -> None:
        """Take one table in, of so many that the run builds. Another run begins anew."""
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
        for watcher in _watchers:
            watcher(Report("load", progress, "tables"))
