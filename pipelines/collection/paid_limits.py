"""The daily limits of the services that AWS charges for, and how a batch of accounts keeps within them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pipelines.collection.progress import Part
from pipelines.settings import Settings
from resources.audit.paid_requests import DailyLimit
from resources.aws.messages import CellKey, Request
from resources.aws.meter import PRICES_USD, units_of

COST_EXPLORER = "ce"
"""The service whose requests `cost_collector` plans one by one."""

NEVER = datetime.min.replace(tzinfo=UTC)


def daily_limits(settings: Settings) -> dict[str, DailyLimit]:
    """The limits of a day's paid requests, by service."""
    return {
        COST_EXPLORER: DailyLimit("CMDB_COST_REQUEST_LIMIT", settings.cost_request_limit),
        "cloudwatch": DailyLimit("CMDB_METRIC_LIMIT", settings.metric_limit),
    }


def units(request: Request) -> int:
    """The units that AWS charges for in all batches of a request."""
    batches = request.batches or [request.parameters]
    return sum(units_of(request.listing.service, batch) for batch in batches)


def is_limited(request: Request) -> bool:
    """Whether AWS charges for a request that no plan of its own keeps within the limit."""
    return request.listing.service in PRICES_USD and request.listing.service != COST_EXPLORER


def within(
    requests: Sequence[Request], left: int, part: Part | None, answered_at: Mapping[CellKey, datetime]
) -> tuple[list[Request], list[Request]]:
    """Divide requests to one service into those that the day's limit allows, and those that wait for a later run.

    The cells whose last trusted response is oldest come first, so that no cell waits for ever. Of several batches of
    accounts each may use its part of what is left, so that the first one does not use it up.

    Args:
        left: units that the limit still allows.
        part: the batch; None where there is only one.
        answered_at: when each cell was last answered with a trusted response.
    """
    allowed = left if part is None else left // (part.count - part.number + 1)
    sent: list[Request] = []
    waiting: list[Request] = []
    for request in sorted(requests, key=lambda request: answered_at.get(request.key, NEVER)):
        needed = units(request)
        if needed > allowed:
            waiting.append(request)
        else:
            allowed -= needed
            sent.append(request)
    return sent, waiting
