"""The thread pool of a process that sends requests to AWS."""

from collections.abc import Callable, Generator, Mapping
from typing import Any

from resources.aws.client import AwsClient
from resources.aws.messages import Lookup, Request, TrailEvents
from resources.aws.meter import Meter
from resources.aws.thread_pool import FanOut, Later
from resources.contract import Role

Item = Request | Lookup


def request_pool(
    clients: Mapping[Role, AwsClient],
    items: Mapping[int, Item],
    deliver: Callable[[int, Any], None],
    meter: Meter | None = None,
) -> FanOut[int, tuple[int, Any]]:
    """A thread pool that runs these requests, each with the client of its role.

    Args:
        deliver: called with the index of each request and its result, in the thread that sent it.
        meter: counts the requests that AWS charges for; without one, none of them is sent.
    """

    def work(index: int) -> tuple[int, Any] | Later[tuple[int, Any]]:
        item = items[index]
        client = clients[item.listing_role]
        if isinstance(item, Request):
            with client.slots:
                return index, client.fetch(item, stopping=pool.stopping, meter=meter)
        return look_up(index, client, client.trail_events(item))

    def look_up(
        index: int, client: AwsClient, search: Generator[float, None, TrailEvents]
    ) -> tuple[int, TrailEvents] | Later[tuple[int, Any]]:
        try:
            with client.slots:
                due = next(search)
        except StopIteration as ended:
            return index, ended.value
        return Later(due, lambda: look_up(index, client, search))

    pool = FanOut(
        list(items),
        place=lambda index: (items[index].region, items[index].account_id),
        work=work,
        deliver=lambda result: deliver(*result),
        threads=max((client.concurrency for client in clients.values()), default=1),
        per_account=max((client.per_account for client in clients.values()), default=1),
    )
    return pool
