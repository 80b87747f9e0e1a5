"""Worker processes that fetch from AWS: the batches that each receives, and the results that return.

One interpreter uses one core, however many threads it has. Each worker process has its own `AwsClient` for each role:
it reads the same AWS files, applies the same contract and identifies every account by itself. It receives requests and
sends back responses; it opens no warehouse and writes nothing. An account stays with its process, so that it is
identified once and its rate limit is kept in one place.

    python -m resources.aws.workers DESCRIPTOR

starts such a process: it serves the connection that it inherits, until that connection is closed.
"""

import gc
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from types import MappingProxyType
from typing import Any

from resources.aws.client import AwsClient
from resources.aws.messages import Request, Response
from resources.aws.meter import PRICES_USD
from resources.aws.request_pool import Item, request_pool
from resources.contract import Role

BATCH_SIZE = 64
"""Results that are sent together; a batch is also full with ten times as many records."""

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
        home_region, concurrency: as of `AwsClient`; each process has this many threads.
    """

    def __init__(self, count: int, *, home_region: str, concurrency: int) -> None:
        self._count = count
        self._options = (home_region, concurrency)
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
            home = self._process_of[account] = min(range(self._count), key=self._accounts.__getitem__)
            self._accounts[home] += 1
        return home

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
    """One worker process, and the connection to it."""

    def __init__(self, options: tuple[str, int]) -> None:
        self.turn = threading.Lock()
        self.connection, theirs = Pipe()
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "resources.aws.workers", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self.connection.send(options)

    @property
    def code(self) -> int | None:
        """The exit code of the process, after at most `END_SECONDS`; None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(END_SECONDS)
        return self._popen.returncode

    def end(self, patience: float) -> None:
        """Let the process end, and kill it after this many seconds."""
        if patience:
            self.connection.close()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(patience)
        self._popen.kill()
        self._popen.wait()
        self.connection.close()


@dataclass
class _Batch:
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
            # A process has one batch at a time.
            with self._process.turn:
                self._process.connection.send(self._items)
                while not self._take(self._process.connection.recv()):
                    pass
        except (EOFError, OSError):
            if not self._stopped.is_set():
                self.error = ProcessEnded(
                    f"A worker process ended by itself (exit code {self._process.code}). {NOTHING_COUNTS}"
                )
        except BaseException as error:  # noqa: BLE001  # whatever it is, the calling thread raises it
            self.error = error

    def _take(self, batch: _Batch) -> bool:
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


def _packed(result: Any) -> Any:
    """A response without its request, which the other side has."""
    return tuple(getattr(result, name) for name in _SENT) if isinstance(result, Response) else result


def _unpacked(item: Item, result: Any) -> Any:
    if isinstance(item, Request):
        return Response(request=item, **dict(zip(_SENT, result, strict=True)))
    return result


# --------------------------------------------------------------------------------------- in the worker process


class _Sender:
    """Sends results to the parent process, in batches."""

    def __init__(self, connection: Connection, clients: Mapping[Role, AwsClient]) -> None:
        self._connection = connection
        self._clients = clients
        self._lock = threading.Lock()
        self._batch = _Batch()
        self._records = 0
        self._reported: dict[Role, tuple[int, int]] = {}

    def deliver(self, index: int, result: Any) -> None:
        """Add a result, and send the batch when it is full."""
        with self._lock:
            self._batch.results.append((index, _packed(result)))
            self._records += getattr(result, "record_count", 0)
            if len(self._batch.results) >= BATCH_SIZE or self._records >= BATCH_SIZE * 10:
                self._send()

    def flush(self) -> None:
        """Send the results so far."""
        with self._lock:
            self._send()

    def end(self, error: BaseException | None = None) -> None:
        """Send the remaining results, marked as the last batch."""
        with self._lock:
            self._batch.is_last, self._batch.error = True, error
            self._send()

    def _send(self) -> None:
        for role, client in self._clients.items():
            now, before = (client.counter.requests, client.counter.throttles), self._reported.get(role, (0, 0))
            self._batch.requests[role] = (now[0] - before[0], now[1] - before[1])
            self._reported[role] = now
        self._connection.send(self._batch)
        self._batch, self._records = _Batch(), 0


def serve(connection: Connection) -> None:
    """Serve the requests that arrive over a connection, until it is closed."""
    # An interrupt reaches the parent process too, which decides what happens to this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    clients: dict[Role, AwsClient] = {}
    try:
        home_region, concurrency = connection.recv()
        sender = _Sender(connection, clients)
        while True:
            items: dict[int, Item] = connection.recv()
            for role in {item.listing_role for item in items.values()} - clients.keys():
                clients[role] = AwsClient(role, home_region=home_region, concurrency=concurrency)
            try:
                request_pool(clients, items, sender.deliver).run(sender.flush)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001  # it is raised in the parent process
                sender.end(_sendable(error))
            else:
                sender.end()
    except (EOFError, OSError):
        # The parent process is gone, so nobody waits for a result.
        return


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # our own error
    except Exception:  # noqa: BLE001  # an error that cannot be pickled is sent as text
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    # Imported by name: pickle names a class by its module, which must not be `__main__`.
    from resources.aws import workers

    workers.serve(Connection(int(sys.argv[1])))
