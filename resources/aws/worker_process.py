"""A worker process that fetches from AWS for the process that began it (`resources.aws.workers`).

    python -m resources.aws.worker_process DESCRIPTOR …

serves the connections that it inherits, each with a batch at a time, until one is closed.
"""

import gc
import pickle
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from resources.aws.client import AwsClient
from resources.aws.request_pool import Item, request_pool
from resources.aws.workers import BATCH_SIZE, Batch, packed
from resources.contract import Role


class Clients:
    """The clients of a worker process, which its batches share."""

    def __init__(self, home_region: str, concurrency: int) -> None:
        self._options = (home_region, concurrency)
        self._of: dict[Role, AwsClient] = {}
        self._reported: dict[Role, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def of(self, roles: Iterable[Role]) -> dict[Role, AwsClient]:
        """The clients of these roles, made at their first use."""
        home_region, concurrency = self._options
        with self._lock:
            for role in roles:
                if role not in self._of:
                    self._of[role] = AwsClient(role, home_region=home_region, concurrency=concurrency)
            return dict(self._of)

    def counts(self) -> dict[Role, tuple[int, int]]:
        """Requests and throttles by role since this was called last."""
        since = {}
        with self._lock:
            for role, client in self._of.items():
                now, before = (client.counter.requests, client.counter.throttles), self._reported.get(role, (0, 0))
                since[role] = (now[0] - before[0], now[1] - before[1])
                self._reported[role] = now
        return since


class Sender:
    """Sends results to the parent process, in batches."""

    def __init__(self, connection: Connection, clients: Clients) -> None:
        self._connection = connection
        self._clients = clients
        self._lock = threading.Lock()
        self._batch = Batch()
        self._records = 0

    def deliver(self, index: int, result: Any) -> None:
        """Add a result, and send the batch when it is full."""
        with self._lock:
            self._batch.results.append((index, packed(result)))
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
        self._batch.requests = self._clients.counts()
        self._connection.send(self._batch)
        self._batch, self._records = Batch(), 0


def serve(connections: Sequence[Connection]) -> None:
    """Serve the requests that arrive over connections, until one is closed."""
    # An interrupt reaches the parent process too, which decides what happens to this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    with suppress(EOFError, OSError):
        clients = Clients(*connections[0].recv())
        ended = threading.Event()
        for connection in connections:
            threading.Thread(target=_serve, args=(connection, clients, ended), daemon=True).start()
        ended.wait()


def _serve(connection: Connection, clients: Clients, ended: threading.Event) -> None:
    """Serve one connection; `ended` is set once the parent process is gone, so that nobody waits for a result."""
    sender = Sender(connection, clients)
    try:
        with suppress(EOFError, OSError):
            while True:
                _fetch(connection.recv(), clients, sender)
    finally:
        ended.set()


def _fetch(items: Mapping[int, Item], clients: Clients, sender: Sender) -> None:
    """Fetch one batch and send its results, or the error that ended it.

    Raises:
        OSError: the parent process is gone.
    """
    own = clients.of({item.listing_role for item in items.values()})
    failure: Exception | None = None
    try:
        request_pool(own, items, sender.deliver).run(sender.flush)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent process raises it
        failure = _sendable(error)
    sender.end(failure)


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # our own error
    except Exception:  # noqa: BLE001  # its class says how to copy it, and that code may raise anything
        # What cannot be copied is sent as text.
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    serve([Connection(int(descriptor)) for descriptor in sys.argv[1:]])
