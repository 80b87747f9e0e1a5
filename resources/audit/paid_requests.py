"""The ledger of paid requests: each is recorded before it is sent, and counted against the limit of its day.

The ledger has one file per UTC day, `paid_requests/2026-11-25.ndjson` beside the working file, with one line for each
request of every run and of `cmdb ask`. The working file cannot hold the count: only the run with the lock may write it,
and nobody may have it open during requests to AWS. A line is appended under a short `flock` of its own, so a `kill -9`
loses nothing: at worst a request is counted that was never sent.

A day is a UTC day, as in AWS's own bill. The last 24 hours would not do: a run that starts a minute earlier than
yesterday's would find yesterday's requests still counted, and send nothing.
"""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from resources.aws.errors import Failed
from resources.aws.messages import REQUEST_LIMIT
from resources.aws.meter import PRICES_USD, UNITS
from resources.store.errors import WarehouseError, explained
from resources.store.files import make_folder, permitted
from resources.store.store import Store

FOLDER = "paid_requests"

DAYS_KEPT = 35
"""Days that a day's file is kept; `audit.paid_request` keeps the sums for ever."""

RUNS_NAMED = 3
"""The most runs that a sentence names."""

ILLEGIBLE = ("", "")
"""The key of an incomplete line, after a power cut: it counts against every limit."""


class DailyLimitReached(WarehouseError):
    """The daily limit of paid requests is reached. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """The most units of a service (`resources.aws.meter.UNITS`) in one day, and the setting that defines this limit."""

    setting: str
    units: int


@dataclass(frozen=True, slots=True)
class PaidRequestCount:
    """The requests of one run to one API on one day: a row of `audit.paid_request`.

    Attributes:
        unit_count: what the limit counts, in `resources.aws.meter.UNITS`: requests, or metrics of CloudWatch.
    """

    usage_date: date
    run_id: str
    api: str
    request_count: int
    throttle_count: int
    cost_usd: Decimal
    unit_count: int = 0


@dataclass(slots=True)
class _Count:
    requests: int = 0
    units: int = 0
    throttles: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass
class _Day:
    """One day's file as far as it has been read; the file only grows."""

    path: Path
    offset: int = 0
    is_torn: bool = False
    counts: dict[tuple[str, str], _Count] = field(default_factory=dict)

    def read(self, descriptor: int) -> None:
        """Read the new lines. Only under the lock."""
        size = os.fstat(descriptor).st_size
        text = os.pread(descriptor, size - self.offset, self.offset)
        self.offset += len(text)
        if text:
            self.is_torn = not text.endswith(b"\n")
        for line in text.split(b"\n"):
            if line:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            key = (str(entry["run_id"]), str(entry["api"]))
            price, is_turned_away = Decimal(entry["price_usd"]), bool(entry.get("turned_away"))
            units = int(entry.get("units", 1))
        except (ValueError, KeyError, TypeError, ArithmeticError):
            key, price, is_turned_away, units = ILLEGIBLE, max(PRICES_USD.values()), False, 1
        count = self.counts.setdefault(key, _Count())
        if is_turned_away:
            count.throttles += 1
            count.cost_usd -= price * units
        else:
            count.requests += 1
            count.units += units
            count.cost_usd += price * units


class PaidRequests:
    """The meter of one run, or of one `cmdb ask`: see `resources.aws.meter.Meter`.

    Args:
        run_id: the run that sends the requests.
        limits: daily limits by service.
        now: the clock.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        limits: Mapping[str, DailyLimit],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = store.folder / FOLDER
        self._run_id = run_id
        self._limits = limits
        self._now = now
        self._day: _Day | None = None
        self._days: set[date] = set()
        self._lock = threading.RLock()

    def reserve(self, service: str, operation: str, units: int = 1) -> None:
        """Record that one request is about to be sent; free requests are not counted.

        Args:
            units: what AWS charges for in the request.

        Raises:
            Failed: with `REQUEST_LIMIT`: the day's limit is reached. Nothing was written.
            WarehouseError: the ledger cannot be written, so the request must not be sent.
        """
        if service not in PRICES_USD:
            return
        with self._open(writable=True) as (day, descriptor):
            limit = self._limits.get(service)
            if limit is not None and _units(day, service) + units > limit.units:
                raise Failed("failed", REQUEST_LIMIT, self._refusal(day, service, limit))
            self._append(day, descriptor, service, operation, units)
        self._days.add(date.fromisoformat(day.path.stem))

    def turned_away(self, service: str, operation: str, units: int = 1) -> None:
        """Record that AWS throttled the last request: it counts against the limit, but AWS does not charge for it."""
        if service in PRICES_USD:
            with self._open(writable=True) as (day, descriptor):
                self._append(day, descriptor, service, operation, units, turned_away=True)

    def require(self, service: str) -> None:
        """Check that at least one more unit may be requested today.

        Raises:
            DailyLimitReached: the limit is reached. Nothing was sent.
        """
        limit = self._limits.get(service)
        with self._open() as (day, _):
            if limit is not None and _units(day, service) >= limit.units:
                raise DailyLimitReached(f"{self._refusal(day, service, limit)} Nothing was sent.")

    def left(self, service: str) -> int:
        """The number of units that may still be requested today."""
        with self._open() as (day, _):
            return max(0, self._limits[service].units - _units(day, service))

    def cost_today(self, service: str) -> Decimal:
        """The cost of today's requests of all runs, in US dollars."""
        with self._open() as (day, _):
            return sum((count.cost_usd for key, count in day.counts.items() if _is_of(key, service)), Decimal(0))

    def explanation(self, service: str) -> str:
        """How many units each run requested today, when the limit is free again, and which setting to raise."""
        with self._open() as (day, _):
            return self._refusal(day, service, self._limits[service])

    def counts(self) -> list[PaidRequestCount]:
        """The ledger's counts of all runs, for the days on which this meter has counted a request."""
        return _counts(self._folder, self._days)

    def _refusal(self, day: _Day, service: str, limit: DailyLimit) -> str:
        sent: dict[str, int] = {}
        for key, count in day.counts.items():
            if _is_of(key, service):
                sent[key[0]] = sent.get(key[0], 0) + count.units
        most = sorted(sent.items(), key=lambda item: -item[1])
        named = [f"{number} by {_who(run_id)}" for run_id, number in most[:RUNS_NAMED]]
        if len(most) > RUNS_NAMED:
            named.append(f"{sum(number for _, number in most[RUNS_NAMED:])} by {len(most) - RUNS_NAMED} more")
        today = date.fromisoformat(day.path.stem)
        whose = f" ({', '.join(named)})" if named else ""
        return (
            f"{sum(sent.values())} of the {limit.units} paid {UNITS[service]}s that {limit.setting} allows for {today} "
            f"(UTC) were sent{whose}. The limit is free again on {today + timedelta(days=1)} at 00:00 UTC; raise "
            f"{limit.setting} to go on today (US${PRICES_USD[service]} a {UNITS[service]})."
        )

    def _append(
        self, day: _Day, descriptor: int, service: str, operation: str, units: int, *, turned_away: bool = False
    ) -> None:
        entry = {
            "api": f"{service}:{operation}",
            "run_id": self._run_id,
            "at": self._now().isoformat(),
            "price_usd": str(PRICES_USD[service]),
            **({"units": units} if units != 1 else {}),
            **({"turned_away": True} if turned_away else {}),
        }
        line = (b"\n" if day.is_torn else b"") + json.dumps(entry).encode() + b"\n"
        with explained(day.path):
            try:
                _write_whole(descriptor, line)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, day.offset)
                raise
        day.read(descriptor)

    @contextmanager
    def _open(self, *, writable: bool = False) -> Iterator[tuple[_Day, int]]:
        """Today's file, read to its end and locked for a moment; an empty day where there is no file to read."""
        with self._lock, self._open_locked(writable=writable) as opened:
            yield opened

    @contextmanager
    def _open_locked(self, *, writable: bool) -> Iterator[tuple[_Day, int]]:
        path = self._folder / f"{self._now().astimezone(UTC):%Y-%m-%d}.ndjson"
        if self._day is None or self._day.path != path:
            self._day = _Day(path)
        with explained(path):
            descriptor = _opened(path, writable=writable)
        if descriptor is None:
            # The counts of a removed file no longer apply.
            self._day = _Day(path)
            yield self._day, -1
            return
        try:
            with explained(path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_size < self._day.offset:
                    self._day = _Day(path)
                self._day.read(descriptor)
            yield self._day, descriptor
        finally:
            os.close(descriptor)


def all_counts(store: Store) -> list[PaidRequestCount]:
    """The counts of a warehouse's whole ledger, by day, run and API."""
    folder = store.folder / FOLDER
    return _counts(folder, [day for day, _ in _files(folder)])


def prune(store: Store, today: date) -> int:
    """Remove the files of days before the last `DAYS_KEPT`; returns how many. The warehouse keeps their sums."""
    old = [path for day, path in _files(store.folder / FOLDER) if day < today - timedelta(days=DAYS_KEPT)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _files(folder: Path) -> list[tuple[date, Path]]:
    found = []
    for path in sorted(folder.glob("*.ndjson")):
        # Other files in the folder are not ours.
        with suppress(ValueError):
            found.append((date.fromisoformat(path.stem), path))
    return found


def _counts(folder: Path, days: Collection[date]) -> list[PaidRequestCount]:
    found = []
    for of_day in sorted(days):
        day = _Day(folder / f"{of_day}.ndjson")
        with explained(day.path):
            descriptor = _opened(day.path, writable=False)
            if descriptor is None:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                day.read(descriptor)
            finally:
                os.close(descriptor)
        for (run_id, api), count in day.counts.items():
            sums = (count.requests, count.throttles, count.cost_usd, count.units)
            found.append(PaidRequestCount(of_day, run_id, api, *sums))
    return found


def _opened(path: Path, *, writable: bool) -> int | None:
    """A descriptor of a day's file, created if it is to be written; None where there is no file to read."""
    if not writable:
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
    make_folder(path.parent)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    if is_new:
        os.fchmod(descriptor, permitted(0o640))
    return descriptor


def _write_whole(descriptor: int, line: bytes) -> None:
    """Append a line and flush it to the disk."""
    if os.write(descriptor, line) != len(line):
        # A disk that is filling up writes only a part of the line.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _units(day: _Day, service: str) -> int:
    return sum(count.units for key, count in day.counts.items() if _is_of(key, service))


def _is_of(key: tuple[str, str], service: str) -> bool:
    return key == ILLEGIBLE or key[1].partition(":")[0] == service


def _who(run_id: str) -> str:
    if not run_id:
        return "a line that cannot be read"
    return run_id.replace("ask-", "cmdb ask ", 1) if run_id.startswith("ask-") else f"run {run_id}"
