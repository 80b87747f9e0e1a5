"""Worker processes (`worker_process`) that fetch from AWS: the batches that each receives, and the results that return.

One interpreter uses one core, however many threads it has. Each worker process has its own `AwsClient` for each role:
it reads the same AWS files, applies the same contract and identifies every account by itself. It receives requests and
sends back responses; it opens no warehouse and writes nothing. An account stays with its process, so that it is
identified once and its rate limit is kept in one place.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any

from resources.aws.client import AwsClient
from resources.aws.messages import Request, Response
from resources.aws.meter import PRICES_USD
from resources.aws.request_pool import Item
from resources.contract import Role

BATCH_SIZE = 64
"""Results that are sent together; a batch is also full with ten times as many records."""

BATCHES = 2
"""Batches that a process has at the same time, as many as parts of a step are requested at the same time."""

SHARE = 2
"""Accounts of a worker process for each one of this process, which also plans, judges and lands."""

END_SECONDS = 5.0
"""Seconds that a process has to end by itself once it is no longer needed."""


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


# pickle does not know the read-only mappings of listings by itself.
ForkingPickler.register(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))

_SENT = tuple(entry.name for entry in fields(Response) if entry.name != "request")


NOTHING_COUNTS = "So nothing of this step counts. Run it again; with CMDB_PROCESSES=1 there is no such process."


class ProcessEnded(Exception):
    """A worker process is gone or left out results. None of its requests count. The message says what to do."""


# --------------------------------------------------------------------------------------- in the parent process


class WorkerPool:
    """The worker processes of a run, started on first use.

    Args:
        count: number of all processes, this one included.
        home_region, concurrency: as of `AwsClient`; a worker process has `SHARE` times as many threads.
    """

    def __init__(self, count: int, *, home_region: str, concurrency: int) -> None:
        self._count = count
        self._options = (home_region, SHARE * concurrency)
        self._process_of: dict[str, int] = {}
        self._accounts = [0] * count
        self._running: list[_Process] = []
        # Two parts of a step may be requested at the same time.
        self._lock = threading.Lock()

    def split(self, items: Sequence[Item]) -> list[dict[int, Item]]:
        """The requests of each process, this one first.

        Requests of the central roles stay in this process, and so do those that AWS charges for: it holds their meter.
        """
        split: list[dict[int, Item]] = [{} for _ in range(self._count)]
        with self._lock:
            for index, item in enumerate(items):
                is_here = item.listing_role != "workload" or (
                    isinstance(item, Request) and item.listing.service in PRICES_USD
                )
                process = 0 if is_here else self._home(item.account_id)
                split[process][index] = item
        return split

    def _home(self, account: str) -> int:
        home = self._process_of.get(account)
        if home is None:
            home = self._process_of[account] = min(range(self._count), key=self._load)
            self._accounts[home] += 1
        return home

    def _load(self, process: int) -> int:
        return self._accounts[process] * (1 if process else SHARE)

    def _started(self) -> "list[_Process]":
        """All processes but this one."""
        with self._lock:
            if not self._running:
                self._running = [_Process(self._options) for _ in range(self._count - 1)]
            return self._running

    def hand_out(
        self,
        split: Sequence[Mapping[int, Item]],
        clients: Mapping[Role, AwsClient],
        deliver: Callable[[int, Any], None],
        stopped: threading.Event,
    ) -> "list[RemoteBatch]":
        """Send each worker process its batch, if it has one.

        Args:
            split: the batches of the worker processes, without that of this process.
            deliver: called with the index of each request and its result.
            stopped: once this event is set, nothing is delivered any more.
        """
        if not any(split):
            return []
        return [
            RemoteBatch(process, batch, clients, deliver, stopped)
            for process, batch in zip(self._started(), split, strict=True)
            if batch
        ]

    def kill(self) -> None:
        """End the worker processes at once, whatever they are doing."""
        with self._lock:
            running, self._running = self._running, []
        for process in running:
            process.end(0)

    def close(self) -> None:
        """Let the worker processes end. They are started again on the next use."""
        with self._lock:
            running, self._running = self._running, []
        for process in running:
            process.end(END_SECONDS)


class _Process:
    """One worker process, and a connection to it for each of its batches."""

    def __init__(self, options: tuple[str, int]) -> None:
        pairs = [Pipe() for _ in range(BATCHES)]
        descriptors = [theirs.fileno() for _, theirs in pairs]
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "resources.aws.worker_process", *map(str, descriptors)],
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self._connections = [ours for ours, _ in pairs]
        self._free: SimpleQueue[Connection] = SimpleQueue()
        for ours, theirs in pairs:
            theirs.close()
            self._free.put(ours)
        self._connections[0].send(options)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A block with a connection that no other batch uses; it waits for one."""
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)

    @property
    def code(self) -> int | None:
        """The exit code of the process, after at most `END_SECONDS`; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(END_SECONDS)
        return self._popen.returncode

    def end(self, patience: float) -> None:
        """Let the process end, and kill it after this many seconds."""
        if patience:
            self._close()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(patience)
        self._popen.kill()
        self._popen.wait()
        self._close()

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()


@dataclass
class Batch:
    """One message of a worker process: results, request counts, and whether it is the last one.

    Attributes:
        results: index of the request and its result.
        requests: requests and throttles by role since the previous batch.
    """

    results: list[tuple[int, Any]] = field(default_factory=list)
    requests: dict[Role, tuple[int, int]] = field(default_factory=dict)
    is_last: bool = False
    error: BaseException | None = None


class RemoteBatch:
    """The requests of one worker process, and a thread that receives its results."""

    def __init__(
        self,
        process: _Process,
        items: Mapping[int, Item],
        clients: Mapping[Role, AwsClient],
        deliver: Callable[[int, Any], None],
        stopped: threading.Event,
    ) -> None:
        self.done = 0
        self.error: BaseException | None = None
        self._process = process
        self._items = items
        self._awaited = set(items)
        self._clients = clients
        self._deliver = deliver
        self._stopped = stopped
        self._thread = threading.Thread(target=self._listen, name="request-dispatch", daemon=True)
        self._thread.start()

    def is_at_work(self, seconds: float) -> bool:
        """Whether the batch is unfinished after waiting for this many seconds."""
        self._thread.join(seconds)
        return self._thread.is_alive()

    def _listen(self) -> None:
        try:
            with self._process.connection() as connection:
                connection.send(self._items)
                while not self._take(connection.recv()):
                    pass
        except (EOFError, OSError):
            if not self._stopped.is_set():
                self.error = ProcessEnded(
                    f"A worker process ended by itself (exit code {self._process.code}). {NOTHING_COUNTS}"
                )
        except BaseException as error:  # noqa: BLE001  # whatever it is, the calling thread raises it
            self.error = error

    def _take(self, batch: Batch) -> bool:
        """Deliver the results of a received batch; returns whether it was the last one."""
        for role, (requests, throttles) in batch.requests.items():
            self._clients[role].counter.add(requests, throttles)
        for index, result in batch.results:
            if self._stopped.is_set():
                return True
            if index not in self._awaited:
                raise ProcessEnded(f"A worker process sent a result that nobody awaits. {NOTHING_COUNTS}")
            self._awaited.remove(index)
            delivered = _unpacked(self._items[index], result)
            if isinstance(delivered, Response) and len(delivered.records) != delivered.record_count:
                raise ProcessEnded(
                    f"A worker process sent {len(delivered.records):,} of {delivered.record_count:,} records of a "
                    f"response. {NOTHING_COUNTS}"
                )
            self._deliver(index, delivered)
            self.done += 1
        if batch.error is not None:
            raise batch.error
        if batch.is_last and self._awaited:
            raise ProcessEnded(
                f"A worker process left out {len(self._awaited)} of {len(self._items)} results. {NOTHING_COUNTS}"
            )
        return batch.is_last


def packed(result: Any) -> Any:
    """A response without its request, which the other side has."""
    return tuple(getattr(result, name) for name in _SENT) if isinstance(result, Response) else result


def _unpacked(item: Item, result: Any) -> Any:
    if isinstance(item, Request):
        return Response(request=item, **dict(zip(_SENT, result, strict=True)))
    return result
