"""Many questions of any roles at once: in threads, and where that is wanted in further processes.

One interpreter uses one core, however many threads it has. A further process has a `Reach` of its own for each role: it
reads the same AWS files, guards itself by the same contract and identifies every account by itself. It is given
questions and sends back answers; it opens no warehouse and writes nothing. An account stays with its process, so that
it is identified once and its pace is kept.

    python -m resources.aws.dispatch DESCRIPTOR

is such a process: it serves the connection that it inherits, until that is closed.
"""

import gc
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from types import MappingProxyType
from typing import Any

from resources.aws.client import Reach
from resources.aws.messages import Answer, Lookup, Progress, Question, TrailEvents
from resources.aws.thread_pool import TICK_SECONDS, FanOut
from resources.contract import Role

Item = Question | Lookup

PARCEL = 64
"""Answers that are sent together, or as many as have this many records ten times over."""

END_SECONDS = 5.0
"""How long a process has to end by itself once nothing is wanted of it."""


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


# Listings are made of read-only mappings, which pickle does not know by itself.
ForkingPickler.register(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))

_SENT = tuple(entry.name for entry in fields(Answer) if entry.name != "question")


class ProcessEnded(Exception):
    """A process that asked AWS is gone. Nothing of what it was asked counts. The message says what to do."""


def ask_all(
    reaches: Mapping[Role, Reach],
    questions: Sequence[Question],
    each: Callable[[Answer], None],
    *,
    progress: Callable[[Progress], None] | None = None,
    processes: "Processes | None" = None,
) -> None:
    """Ask many questions, each by the reach of its role; `each` is given the answers one by one, in the threads.

    An exception in `each` and an interruption stop everything: `each` is not called again after that.

    Raises:
        ContractViolation: as `Reach.ask`, before any question was sent.
        ValueError: as `Reach.ask`.
        ProcessEnded: a further process ended by itself.
    """
    for role, listing in {(q.listing_role, id(q.listing)): (q.listing_role, q.listing) for q in questions}.values():
        if role not in reaches:
            raise ValueError(f"{listing.name} of {role} was put to {', '.join(reaches)}.")
        reaches[role].check_listing(listing)
    records = 0
    lock = threading.Lock()
    before = _sent(reaches)
    began = time.monotonic()

    def deliver(_: int, answer: Any) -> None:
        nonlocal records
        each(answer)
        with lock:
            records += answer.record_count

    def tell(done: int) -> None:
        if progress is not None:
            requests, throttles = _sent(reaches)
            progress(
                Progress(
                    done=done,
                    total=len(questions),
                    records=records,
                    requests=requests - before[0],
                    throttles=throttles - before[1],
                    elapsed=time.monotonic() - began,
                )
            )

    _spread(reaches, questions, deliver, tell, processes)


def look_up_all(
    reaches: Mapping[Role, Reach], lookups: Sequence[Lookup], *, processes: "Processes | None" = None
) -> list[TrailEvents]:
    """Put many questions to CloudTrail; the answers in their order.

    Raises:
        ProcessEnded: a further process ended by itself.
    """
    found: dict[int, TrailEvents] = {}
    _spread(reaches, lookups, found.__setitem__, lambda _: None, processes)
    return [found[index] for index in range(len(lookups))]


def _sent(reaches: Mapping[Role, Reach]) -> tuple[int, int]:
    return (
        sum(reach.counter.requests for reach in reaches.values()),
        sum(reach.counter.throttles for reach in reaches.values()),
    )


def _crew(
    reaches: Mapping[Role, Reach], items: Mapping[int, Item], deliver: Callable[[int, Any], None]
) -> FanOut[int, tuple[int, Any]]:
    """The threads that put these questions."""

    def work(index: int) -> tuple[int, Any]:
        item = items[index]
        reach = reaches[item.listing_role]
        if isinstance(item, Question):
            return index, reach.ask(item, stopping=crew.stopping)
        return index, reach.trail_events(item)

    crew = FanOut(
        list(items),
        place=lambda index: (items[index].region, items[index].account_id),
        work=work,
        deliver=lambda result: deliver(*result),
        threads=max((reach.concurrency for reach in reaches.values()), default=1),
        per_account=max((reach.per_account for reach in reaches.values()), default=1),
    )
    return crew


def _spread(
    reaches: Mapping[Role, Reach],
    items: Sequence[Item],
    deliver: Callable[[int, Any], None],
    tell: Callable[[int], None],
    processes: "Processes | None",
) -> None:
    shares = [dict(enumerate(items))] if processes is None else processes.shares(items)
    crew = _crew(reaches, shares[0], deliver)
    if processes is None:
        crew.run(lambda: tell(crew.done))
        return
    stopped = threading.Event()
    others = []
    if any(shares[1:]):
        others = [
            _Elsewhere(process, share, reaches, deliver, stopped)
            for process, share in zip(processes.started(), shares[1:], strict=True)
            if share
        ]

    def tick() -> None:
        for other in others:
            if other.error is not None:
                raise other.error
        tell(crew.done + sum(other.done for other in others))

    try:
        crew.run(tick)
        for other in others:
            while other.is_at_work(TICK_SECONDS):
                tick()
        tick()
    except BaseException:
        stopped.set()
        processes.kill()
        for other in others:
            other.is_at_work(END_SECONDS)
        raise


# --------------------------------------------------------------------------------------- from this process


class Processes:
    """The further processes of a run, begun when first needed.

    Args:
        count: of all processes, this one included.
        home_region, concurrency: as of `Reach`; each process has so many threads.
    """

    def __init__(self, count: int, *, home_region: str, concurrency: int) -> None:
        self._count = count
        self._options = (home_region, concurrency)
        self._process_of: dict[str, int] = {}
        self._accounts = [0] * count
        self._running: list[_Process] = []

    def shares(self, items: Sequence[Item]) -> list[dict[int, Item]]:
        """Who is asked what: by process, this one first. The central roles' questions stay here."""
        shares: list[dict[int, Item]] = [{} for _ in range(self._count)]
        for index, item in enumerate(items):
            process = 0 if item.listing_role != "workload" else self._home(item.account_id)
            shares[process][index] = item
        return shares

    def _home(self, account: str) -> int:
        home = self._process_of.get(account)
        if home is None:
            home = self._process_of[account] = min(range(self._count), key=self._accounts.__getitem__)
            self._accounts[home] += 1
        return home

    def started(self) -> "list[_Process]":
        """All but this one."""
        if not self._running:
            self._running = [_Process(self._options) for _ in range(self._count - 1)]
        return self._running

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
            [sys.executable, "-m", "resources.aws.dispatch", str(theirs.fileno())],
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
class _Parcel:
    """What a process sends: answers, what they took, and whether there will be more.

    Attributes:
        results: index of the question and what came of it.
        requests: requests and throttles by role since the last parcel.
    """

    results: list[tuple[int, Any]] = field(default_factory=list)
    requests: dict[Role, tuple[int, int]] = field(default_factory=dict)
    is_last: bool = False
    error: BaseException | None = None


class _Elsewhere:
    """The questions that another process was given, and a thread that takes in its answers."""

    def __init__(
        self,
        process: _Process,
        items: Mapping[int, Item],
        reaches: Mapping[Role, Reach],
        deliver: Callable[[int, Any], None],
        stopped: threading.Event,
    ) -> None:
        self.done = 0
        self.error: BaseException | None = None
        self._process = process
        self._items = items
        self._reaches = reaches
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

    def _take(self, parcel: _Parcel) -> bool:
        """Hand on what a parcel holds; whether it is the last one."""
        for role, (requests, throttles) in parcel.requests.items():
            self._reaches[role].counter.add(requests, throttles)
        for index, result in parcel.results:
            if self._stopped.is_set():
                return True
            self._deliver(index, _unpacked(self._items[index], result))
            self.done += 1
        if parcel.error is not None:
            raise parcel.error
        return parcel.is_last


def _packed(result: Any) -> Any:
    """An answer without its question, which the other side has."""
    return tuple(getattr(result, name) for name in _SENT) if isinstance(result, Answer) else result


def _unpacked(item: Item, result: Any) -> Any:
    if isinstance(item, Question):
        return Answer(question=item, **dict(zip(_SENT, result, strict=True)))
    return result


# ------------------------------------------------------------------------------------------ in the other one


class _Sender:
    """Sends what comes, in parcels."""

    def __init__(self, connection: Connection, reaches: Mapping[Role, Reach]) -> None:
        self._connection = connection
        self._reaches = reaches
        self._lock = threading.Lock()
        self._parcel = _Parcel()
        self._records = 0
        self._told: dict[Role, tuple[int, int]] = {}

    def deliver(self, index: int, result: Any) -> None:
        """Take a result; send what has come together when it is enough."""
        with self._lock:
            self._parcel.results.append((index, _packed(result)))
            self._records += getattr(result, "record_count", 0)
            if len(self._parcel.results) >= PARCEL or self._records >= PARCEL * 10:
                self._send()

    def flush(self) -> None:
        """Send what has come."""
        with self._lock:
            self._send()

    def end(self, error: BaseException | None = None) -> None:
        """Send the rest, and that it is the last."""
        with self._lock:
            self._parcel.is_last, self._parcel.error = True, error
            self._send()

    def _send(self) -> None:
        for role, reach in self._reaches.items():
            now, told = (reach.counter.requests, reach.counter.throttles), self._told.get(role, (0, 0))
            self._parcel.requests[role] = (now[0] - told[0], now[1] - told[1])
            self._told[role] = now
        self._connection.send(self._parcel)
        self._parcel, self._records = _Parcel(), 0


def serve(connection: Connection) -> None:
    """Answer what comes through a connection, until it is closed."""
    # Who started it is interrupted too, and decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    reaches: dict[Role, Reach] = {}
    try:
        home_region, concurrency = connection.recv()
        sender = _Sender(connection, reaches)
        while True:
            items: dict[int, Item] = connection.recv()
            for role in {item.listing_role for item in items.values()} - reaches.keys():
                reaches[role] = Reach(role, home_region=home_region, concurrency=concurrency)
            try:
                _crew(reaches, items, sender.deliver).run(sender.flush)
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
    from resources.aws import dispatch

    dispatch.serve(Connection(int(sys.argv[1])))
