"""Which questions Cost Explorer is asked: slices, months, and what a day may cost. Pure.

Cost Explorer restates recent days until about the tenth of the next month, so a night reads again from the first
of the previous month (until the tenth, of the month before that), and whatever older month is still missing.
One cell a slice and month keeps every answer small and lets an interrupted first load go on where it stopped.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.catalogue.names import COST_DAILY, COST_MONTHLY, COST_TAG_SERVICE
from resources.audit.paid_requests import DailyLimit
from resources.aws.meter import PRICES_USD

REQUEST_PRICE_USD = PRICES_USD["ce"]
"""What AWS charges for a request to Cost Explorer: each page is one."""

RESTATED_UNTIL_DAY = 10

MAX_MONTHS = 13
"""How many months before the current one AWS keeps by day."""

RESOURCE_DAYS = timedelta(days=14)
"""How far back AWS knows what a single resource cost."""

METRICS = (
    "UnblendedCost",
    "AmortizedCost",
    "NetUnblendedCost",
    "NetAmortizedCost",
    "BilledCost",
    "ContractedCost",
    "ListCost",
)

CLASSIC_METRICS = METRICS[:4]
"""What every payer is granted; the others are asked for and given up when AWS refuses them."""


def daily_limits(request_limit: int) -> dict[str, DailyLimit]:
    """The limits of a day's paid requests, by service, from `Settings.cost_request_limit`."""
    return {"ce": DailyLimit("CMDB_COST_REQUEST_LIMIT", request_limit)}


@dataclass(frozen=True)
class Dimension:
    """A row of `ref.cost_slice`: the daily bill by account and one dimension of Cost Explorer.

    Attributes:
        slice: the slice's name; `TAG_SLICE` stands for one slice for each tag key.
        name: the dimension of GroupBy, such as `SERVICE`.
        is_probed: whether a refusal means that this payer is not offered the slice.
    """

    slice: str
    name: str
    is_probed: bool = False


TAG_SLICE = "tag"
"""The row of `ref.cost_slice` in place of which the slices of the tag keys stand."""


@dataclass(frozen=True)
class TagKey:
    """A key of `ref.tag_key`: a slice of the bill, and where it is marked so, one that is cut by service too."""

    key: str
    is_grouped_by_service: bool = False


Group = tuple[str, str]
"""What Cost Explorer groups by: type and key."""

BY_ACCOUNT: Group = ("DIMENSION", "LINKED_ACCOUNT")
BY_SERVICE: Group = ("DIMENSION", "SERVICE")


@dataclass(frozen=True)
class Slice:
    """One way of cutting the bill: every amount once, by at most two things, which is all that AWS allows.

    Attributes:
        listing: whose cells hold the answers.
        name: the part of the cell's name before the month.
        is_probed: AWS does not document this cut, so a refusal means that it is not offered.
    """

    listing: str
    name: str
    groups: tuple[Group, ...]
    is_probed: bool = False


SERVICE = Slice(COST_DAILY, "service", (BY_ACCOUNT, BY_SERVICE))
"""The cut that bears witness against zeros, and that all others have to agree with."""


TOTAL = Slice(COST_MONTHLY, "total", ())
"""The bill uncut, month by month: what the days of the others have to add up to."""


def slices(dimensions: Iterable[Dimension], tag_keys: Iterable[TagKey]) -> tuple[Slice, ...]:
    """Return every slice of the bill, in the order in which they are requested."""
    keys = tuple(tag_keys)
    daily: list[Slice] = []
    for dimension in dimensions:
        if dimension.slice == TAG_SLICE:
            daily += [Slice(COST_DAILY, f"{TAG_SLICE}:{tag.key}", (BY_ACCOUNT, ("TAG", tag.key))) for tag in keys]
        else:
            groups = (BY_ACCOUNT, ("DIMENSION", dimension.name))
            daily.append(Slice(COST_DAILY, dimension.slice, groups, dimension.is_probed))
    return (
        *daily,
        *(
            Slice(COST_TAG_SERVICE, tag.key, (("TAG", tag.key), BY_SERVICE))
            for tag in keys
            if tag.is_grouped_by_service
        ),
        TOTAL,
    )


@dataclass(frozen=True)
class Month:
    """A calendar month as far as it has passed, or of the total all of them: half open, as Cost Explorer has it."""

    start: date
    end: date

    @property
    def name(self) -> str:
        """`2026-11`."""
        return f"{self.start:%Y-%m}"


def first_of(day: date, months_back: int) -> date:
    """The first day of the month that lies `months_back` before the month of `day`."""
    number = day.year * 12 + day.month - 1 - months_back
    return date(number // 12, number % 12 + 1, 1)


def months_to_fetch(today: date, history: int, known: Collection[str]) -> list[Month]:
    """The months that tonight must be asked, newest first.

    Args:
        today: UTC. Its own costs are not complete, so the last day asked is yesterday.
        history: months before the current one on a first load.
        known: names of the months that stand final in the warehouse.
    """
    restated = _restated_months(today)
    wanted_months = []
    for back in range(max(history, restated) + 1):
        start = first_of(today, back)
        end = min(first_of(today, back - 1), today)
        month = Month(start, end)
        if start < end and (back <= restated or month.name not in known):
            wanted_months.append(month)
    return wanted_months


def _restated_months(today: date) -> int:
    """How many months before the current one AWS may still change."""
    return 2 if today.day <= RESTATED_UNTIL_DAY else 1


def plan(
    today: date, history: int, bill_slices: Sequence[Slice], known: Callable[[Slice], Collection[str]]
) -> list[tuple[Slice, Month]]:
    """What a night asks, most needed first, since the limit of requests may end it anywhere.

    First what AWS may still change, then history; of both the service slice first, then month by month from the newest.

    Args:
        known: names of the months of a slice that stand final in the warehouse.
    """
    open_since = first_of(today, _restated_months(today))
    wanted = [
        (bill_slice, month)
        for bill_slice in bill_slices
        if bill_slice != TOTAL
        for month in months_to_fetch(today, history, known(bill_slice))
    ]
    wanted.sort(key=lambda cell: (cell[1].start < open_since, cell[0] != SERVICE, -cell[1].start.toordinal()))
    if TOTAL in bill_slices:
        # One request tells all months, those too that are not read again: whether AWS changed one after it was closed.
        place = sum(month.start >= open_since for _, month in wanted)
        wanted.insert(place, (TOTAL, whole_history(today, history)))
    return wanted


def whole_history(today: date, history: int) -> Month:
    """All months that a first load asks, as one period."""
    return Month(first_of(today, max(history, _restated_months(today))), today)


def cell(bill_slice: Slice, month: Month) -> str:
    """What a cell's listing is named by after the listing itself; the total has one cell for all months."""
    return bill_slice.name if bill_slice == TOTAL else f"{bill_slice.name}:{month.name}"


def is_final(month: str, read_on: date) -> bool:
    """Whether a month named like `2026-11` had stopped changing when it was read, so that it need not be read again."""
    year, number = (int(part) for part in month.split("-"))
    following = first_of(date(year, number, 1), -1)
    return read_on > following.replace(day=RESTATED_UNTIL_DAY)


def parameters(bill_slice: Slice, month: Month, metrics: tuple[str, ...] = METRICS) -> dict[str, Any]:
    """What GetCostAndUsage is sent for one cell."""
    return {
        "TimePeriod": {"Start": month.start.isoformat(), "End": month.end.isoformat()},
        "Granularity": "MONTHLY" if bill_slice == TOTAL else "DAILY",
        "Metrics": list(metrics),
        **({"GroupBy": [{"Type": kind, "Key": key} for kind, key in bill_slice.groups]} if bill_slice.groups else {}),
    }


def resource_parameters(service: str, today: date) -> dict[str, Any]:
    """What GetCostAndUsageWithResources is sent for one service: as many days as AWS keeps."""
    return {
        "TimePeriod": {"Start": (today - RESOURCE_DAYS).isoformat(), "End": today.isoformat()},
        "Granularity": "DAILY",
        "Metrics": list(CLASSIC_METRICS),
        "Filter": {"Dimensions": {"Key": "SERVICE", "Values": [service]}},
        "GroupBy": [{"Type": kind, "Key": key} for kind, key in (BY_ACCOUNT, ("DIMENSION", "RESOURCE_ID"))],
    }


def final_days_since(today: date) -> date:
    """From when on the bill may still bear witness: days older than two months say nothing of today."""
    return first_of(today, 2) - timedelta(days=1)
