"""Runs requests of several roles concurrently: in threads, and optionally in worker processes (`CMDB_PROCESSES`)."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from resources.aws.client import AwsClient
from resources.aws.messages import Lookup, Progress, Request, Response, TrailEvents
from resources.aws.meter import Meter
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
    meter: Meter | None = None,
) -> None:
    """Fetch many requests, each with the client of its role; `each` receives the responses one by one, in the threads.

    An exception in `each` or an interrupt stops the fetch: `each` is not called again after that.

    Args:
        meter: counts the requests that AWS charges for; all of them are sent by this process.

    Raises:
        ContractViolation: as `AwsClient.fetch`, before any request was sent.
        ValueError: as `AwsClient.fetch`.
        ProcessEnded: a worker process ended unexpectedly.
    """
    for role, listing in {(q.listing_role, id(q.listing)): (q.listing_role, q.listing) for q in requests}.values():
        if role not in clients:
            raise ValueError(f"{listing.name} of {role} was requested through {', '.join(clients)}.")
        clients[role].check_listing(listing)
    records = sent = throttles = 0
    lock = threading.Lock()
    began = time.monotonic()

    def deliver(_: int, response: Any) -> None:
        nonlocal records, sent, throttles
        each(response)
        with lock:
            records += response.record_count
            sent += response.request_count
            throttles += response.throttle_count

    def report(done: int) -> None:
        if progress is not None:
            progress(
                Progress(
                    done=done,
                    total=len(requests),
                    records=records,
                    requests=sent,
                    throttles=throttles,
                    elapsed=time.monotonic() - began,
                )
            )

    spread(clients, requests, deliver, report, processes, meter)


def look_up_all(
    clients: Mapping[Role, AwsClient],
    lookups: Sequence[Lookup],
    tick: Callable[[], None] = lambda: None,
    *,
    processes: WorkerPool | None = None,
) -> list[TrailEvents]:
    """The results of many CloudTrail look-ups, in the order of `lookups`.

    Args:
        tick: called every half second and at the end; what it raises ends the look-ups.

    Raises:
        ProcessEnded: a worker process ended unexpectedly.
    """
    found: dict[int, TrailEvents] = {}
    spread(clients, lookups, found.__setitem__, lambda _: tick(), processes)
    return [found[index] for index in range(len(lookups))]


def spread(
    clients: Mapping[Role, AwsClient],
    items: Sequence[Item],
    deliver: Callable[[int, Any], None],
    report: Callable[[int], None],
    processes: WorkerPool | None,
    meter: Meter | None = None,
) -> None:
    """Run requests in this process and in the worker processes, and wait until all have ended.

    Args:
        deliver: called with the index of each request and its result, in any thread.
        report: called with the number of results so far, every half second and at the end.
        meter: as of `fetch_all`.

    Raises:
        ProcessEnded: a worker process ended unexpectedly.
    """
    batches = [dict(enumerate(items))] if processes is None else processes.split(items)
    pool = request_pool(clients, batches[0], deliver, meter)
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
