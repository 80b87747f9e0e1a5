"""Further processes that ask AWS: what each is given, and what comes back.

One interpreter uses one core, however many threads it has. A further process has an `AwsClient` of its own for each
role: it reads the same AWS files, guards itself by the same contract and identifies every account by itself. It is
given requests and sends back responses; it opens no warehouse and writes nothing. An account stays with its process,
so that it is identified once and its pace is kept.

    python -m resources.aws.workers DESCRIPTOR

is such a process: it serves the connection that it inherits, until that is closed.
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
from resources.aws.request_pool import Item, request_pool
from resources.contract import Role

BATCH_SIZE = 64
"""Answers that are sent together, or as many as have this many records ten times over."""

END_SECONDS = 5.0
"""How long a process has to end by itself once nothing is wanted of it."""


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


# Listings are made of read-only mappings, which pickle does not know by itself.
ForkingPickler.register(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))

_SENT = tuple(entry.name for entry in fields(Response) if entry.name != "request")


class ProcessEnded(Exception):
    """A process that asked AWS is gone. Nothing of what it was asked counts. The message says what to do."""


# --------------------------------------------------------------------------------------- from this process


class WorkerPool:
    """The further processes of a run, begun when first needed.

    Args:
        count: of all processes, this one included.
        home_region, concurrency: as of `AwsClient`; each process has so many threads.
    """

    def __init__(self, count: int, *, home_region: str, concurrency: int) -> None:
        self._count = count
        self._options = (home_region, concurrency)
        self._process_of: dict[str, int] = {}
        self._accounts = [0] * count
        self._running: list[_Process] = []

    def split(self, items: Sequence[Item]) -> list[dict[int, Item]]:
        """Who is asked what: by process, this one first. The central roles' questions stay here."""
        split: list[dict[int, Item]] = [{} for _ in range(self._count)]
        for index, item in enumerate(items):
            process = 0 if item.listing_role != "workload" else self._home(item.account_id)
            split[process][index] = item
        return split

    def _home(self, account: str) -> int:
        home = self._process_of.get(account)
        if home is None:
            home = self._process_of[account] = min(range(self._count), key=self._accounts.__getitem__)
            self._accounts[home] += 1
        return home

    def _started(self) -> "list[_Process]":
        """All but this one."""
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
        """Give each further process its share, where there is one.

        Args:
            split: without that of this process.
            deliver: given the index of each question and what came of it.
            stopped: once it is set, nothing is delivered any more.
        """
        if not any(split):
            return []
        return [
            RemoteBatch(process, batch, clients, deliver, stopped)
            for process, batch in zip(self._started(), split, strict=True)
            if batch
        ]

    def kill(self) -> None:
        """End them at once, whatever they are at."""
        running, self._running = self._running, []
        for process in running:
            process.end(0)

    def close(self) -> None:
        """Let them end. They are begun again when needed."""
        running, self._running = self._running, []
        for process in running:
            process.end(END_SECONDS)


class _Process:
    """One of them, and the connection to it."""

    def __init__(self, options: tuple[str, int]) -> None:
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
        """Its exit code, once it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(END_SECONDS)
        return self._popen.returncode

    def end(self, patience: float) -> None:
        """Let it end, or end it when it takes longer than so many seconds."""
        if patience:
            self.connection.close()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(patience)
        self._popen.kill()
        self._popen.wait()
        self.connection.close()


@dataclass
class _Batch:
    """What a process sends: answers, what they took, and whether there will be more.

    Attributes:
        results: index of the question and what came of it.
        requests: requests and throttles by role since the last parcel.
    """

    results: list[tuple[int, Any]] = field(default_factory=list)
    requests: dict[Role, tuple[int, int]] = field(default_factory=dict)
    is_last: bool = False
    error: BaseException | None = None


class RemoteBatch:
    """The questions that another process was given, and a thread that takes in its answers."""

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
        self._clients = clients
        self._deliver = deliver
        self._stopped = stopped
        self._thread = threading.Thread(target=self._listen, name="ask-elsewhere", daemon=True)
        self._thread.start()

    def is_at_work(self, seconds: float) -> bool:
        """Whether it still is after so many seconds."""
        self._thread.join(seconds)
        return self._thread.is_alive()

    def _listen(self) -> None:
        try:
            self._process.connection.send(self._items)
            while not self._take(self._process.connection.recv()):
                pass
        except (EOFError, OSError):
            if not self._stopped.is_set():
                self.error = ProcessEnded(
                    f"A process that asked AWS ended by itself (exit code {self._process.code}), so nothing of this "
                    "step counts. Run it again; with CMDB_PROCESSES=1 there is none."
                )
        except BaseException as error:  # noqa: BLE001  # whatever it is, the asking thread raises it
            self.error = error

    def _take(self, batch: _Batch) -> bool:
        """Hand on what a parcel holds; whether it is the last one."""
        for role, (requests, throttles) in batch.requests.items():
            self._clients[role].counter.add(requests, throttles)
        for index, result in batch.results:
            if self._stopped.is_set():
                return True
            self._deliver(index, _unpacked(self._items[index], result))
            self.done += 1
        if batch.error is not None:
            raise batch.error
        return batch.is_last


def _packed(result: Any) -> Any:
    """An answer without its question, which the other side has."""
    return tuple(getattr(result, name) for name in _SENT) if isinstance(result, Response) else result


def _unpacked(item: Item, result: Any) -> Any:
    if isinstance(item, Request):
        return Response(request=item, **dict(zip(_SENT, result, strict=True)))
    return result


# ------------------------------------------------------------------------------------------ in the other one


class _Sender:
    """Sends what comes, in parcels."""

    def __init__(self, connection: Connection, clients: Mapping[Role, AwsClient]) -> None:
        self._connection = connection
        self._clients = clients
        self._lock = threading.Lock()
        self._batch = _Batch()
        self._records = 0
        self._reported: dict[Role, tuple[int, int]] = {}

    def deliver(self, index: int, result: Any) -> None:
        """Take a result; send what has come together when it is enough."""
        with self._lock:
            self._batch.results.append((index, _packed(result)))
            self._records += getattr(result, "record_count", 0)
            if len(self._batch.results) >= BATCH_SIZE or self._records >= BATCH_SIZE * 10:
                self._send()

    def flush(self) -> None:
        """Send what has come."""
        with self._lock:
            self._send()

    def end(self, error: BaseException | None = None) -> None:
        """Send the rest, and that it is the last."""
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
    """Answer what comes through a connection, until it is closed."""
    # Who started it is interrupted too, and decides what becomes of it.
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
            except Exception as error:  # noqa: BLE001  # it is raised where the questions came from
                sender.end(_sendable(error))
            else:
                sender.end()
    except (EOFError, OSError):
        # Nobody is there any more who would want an answer.
        return


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # our own error
    except Exception:  # noqa: BLE001  # whatever cannot be sent is told in words
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    # Under its own name: what is sent is named after the module that it is of.
    from resources.aws import workers

    workers.serve(Connection(int(sys.argv[1])))
