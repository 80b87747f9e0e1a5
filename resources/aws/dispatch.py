"""Many questions of any roles at once: in threads, and where that is wanted in further processes."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from resources.aws.client import AwsClient
from resources.aws.messages import Lookup, Progress, Request, Response, TrailEvents
from resources.aws.request_pool import Item, request_pool
from resources.aws.thread_pool import TICK_SECONDS
from resources.aws.workers import END_SECONDS, WorkerPool
from resources.contract import Role


def fetch_all(
    clients: Mapping[Role, AwsClient],
    requests: Sequence[Request],
    each: Callable[[Response], None],
    *,
    progress: Callable[[Progress], None] | None = None,
    processes: WorkerPool | None = None,
) -> None:
    """Ask many questions, each by the reach of its role; `each` is given the answers one by one, in the threads.

    An exception in `each` and an interruption stop everything: `each` is not called again after that.

    Raises:
        ContractViolation: as `AwsClient.fetch`, before any question was sent.
        ValueError: as `AwsClient.fetch`.
        ProcessEnded: a further process ended by itself.
    """
    for role, listing in {(q.listing_role, id(q.listing)): (q.listing_role, q.listing) for q in requests}.values():
        if role not in clients:
            raise ValueError(f"{listing.name} of {role} was put to {', '.join(clients)}.")
        clients[role].check_listing(listing)
    records = 0
    lock = threading.Lock()
    before = _sent(clients)
    began = time.monotonic()

    def deliver(_: int, response: Any) -> None:
        nonlocal records
        each(response)
        with lock:
            records += response.record_count

    def report(done: int) -> None:
        if progress is not None:
            sent, throttles = _sent(clients)
            progress(
                Progress(
                    done=done,
                    total=len(requests),
                    records=records,
                    requests=sent - before[0],
                    throttles=throttles - before[1],
                    elapsed=time.monotonic() - began,
                )
            )

    spread(clients, requests, deliver, report, processes)


def look_up_all(
    clients: Mapping[Role, AwsClient], lookups: Sequence[Lookup], *, processes: WorkerPool | None = None
) -> list[TrailEvents]:
    """Put many questions to CloudTrail; the answers in their order.

    Raises:
        ProcessEnded: a further process ended by itself.
    """
    found: dict[int, TrailEvents] = {}
    spread(clients, lookups, found.__setitem__, lambda _: None, processes)
    return [found[index] for index in range(len(lookups))]


def _sent(clients: Mapping[Role, AwsClient]) -> tuple[int, int]:
    return (
        sum(client.counter.requests for client in clients.values()),
        sum(client.counter.throttles for client in clients.values()),
    )


def spread(
    clients: Mapping[Role, AwsClient],
    items: Sequence[Item],
    deliver: Callable[[int, Any], None],
    report: Callable[[int], None],
    processes: WorkerPool | None,
) -> None:
    """Put questions here and in further processes, and wait for the end of all of them.

    Args:
        deliver: given the index of each question and what came of it, in any thread.
        report: given the number of answers so far, every half second and at the end.

    Raises:
        ProcessEnded: a further process ended by itself.
    """
    batches = [dict(enumerate(items))] if processes is None else processes.split(items)
    pool = request_pool(clients, batches[0], deliver)
    if processes is None:
        pool.run(lambda: report(pool.done))
        return
    stopped = threading.Event()
    others = processes.hand_out(batches[1:], clients, deliver, stopped)

    def tick() -> None:
        for other in others:
            if other.error is not None:
                raise other.error
        report(pool.done + sum(other.done for other in others))

    try:
        pool.run(tick)
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
