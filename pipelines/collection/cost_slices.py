"""The requests to Cost Explorer: slices, months, and the day's limit. Pure.

Cost Explorer restates recent days until about the tenth of the next month. So a run fetches again from the first of the
previous month (until the tenth, of the month before that), and every older month that is still missing. One cell for
each slice and month keeps responses small and lets an interrupted first load continue where it stopped.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.catalogue.names import COST_ACCOUNT, COST_DAILY, COST_MONTHLY, COST_TAG_SERVICE
from resources.aws.meter import PRICES_USD

REQUEST_PRICE_USD = PRICES_USD["ce"]
"""AWS's price of a request to Cost Explorer in US$; each page is one request."""

RESTATED_UNTIL_DAY = 10

MAX_MONTHS = 13
"""Number of months before the current one for which AWS keeps daily costs."""

RESOURCE_DAYS = timedelta(days=14)
"""How far back AWS keeps the cost of single resources."""

METRIC_COLUMNS: Mapping[str, str] = {
    "unblended_cost": "UnblendedCost",
    "amortized_cost": "AmortizedCost",
    "net_unblended_cost": "NetUnblendedCost",
    "net_amortized_cost": "NetAmortizedCost",
    "billed_cost": "BilledCost",
    "contracted_cost": "ContractedCost",
    "list_cost": "ListCost",
}
"""The metrics of Cost Explorer by the column that holds them."""

METRICS = tuple(METRIC_COLUMNS.values())

CLASSIC_METRICS = METRICS[:4]
"""The metrics that every payer has; a run drops the others when AWS refuses them."""


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
"""The row of `ref.cost_slice` that stands for the slices of the tag keys."""


@dataclass(frozen=True)
class TagKey:
    """A key of `ref.tag_key`: a slice of the bill, and a second slice by service where the key is marked so."""

    key: str
    is_grouped_by_service: bool = False


Group = tuple[str, str]
"""A group of Cost Explorer's GroupBy: type and key."""

BY_ACCOUNT: Group = ("DIMENSION", "LINKED_ACCOUNT")
BY_SERVICE: Group = ("DIMENSION", "SERVICE")


@dataclass(frozen=True)
class Slice:
    """A slice of the bill: every amount once, grouped by at most two dimensions, which is AWS's limit.

    Attributes:
        listing: the listing whose cells hold the responses.
        name: the part of the cell's name before the month.
        groups: the groups of GroupBy.
        is_probed: AWS does not document this slice, so a refusal means that it is not offered.
    """

    listing: str
    name: str
    groups: tuple[Group, ...]
    is_probed: bool = False

    @property
    def tag_key(self) -> str | None:
        """The key of the tag by whose values the bill is grouped; None where it is grouped by none."""
        return next((key for kind, key in self.groups if kind == "TAG"), None)


SERVICE = Slice(COST_DAILY, "service", (BY_ACCOUNT, BY_SERVICE))
"""The slice that is the witness against zeros; all other slices must agree with its amounts."""


ACCOUNT = Slice(COST_ACCOUNT, "account", (BY_ACCOUNT,))
"""The bill by account alone: few pages, which show on which days the other slices have changed."""


TOTAL = Slice(COST_MONTHLY, "total", ())
"""The monthly totals of the bill, without groups; the days of the other slices must add up to them."""


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
    """A calendar month up to yesterday, or for the total all months; half open, as in Cost Explorer."""

    start: date
    end: date

    @property
    def name(self) -> str:
        """The month's name, such as `2026-11`."""
        return f"{self.start:%Y-%m}"


def first_of(day: date, months_back: int) -> date:
    """The first day of the month that is `months_back` months before the month of `day`."""
    number = day.year * 12 + day.month - 1 - months_back
    return date(number // 12, number % 12 + 1, 1)


def months_to_fetch(today: date, history: int, known: Collection[str]) -> list[Month]:
    """The months that a run must fetch, newest first.

    Args:
        today: the current day, UTC. Its costs are not complete, so the last fetched day is yesterday.
        history: number of months before the current one on a first load.
        known: names of the months whose stored costs are final.
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


def first_open_month(today: date) -> date:
    """The first day of the oldest month that AWS may still change in the ordinary way."""
    return first_of(today, _restated_months(today))


def _restated_months(today: date) -> int:
    """Number of months before the current one that AWS may still change."""
    return 2 if today.day <= RESTATED_UNTIL_DAY else 1


def plan(
    today: date,
    history: int,
    bill_slices: Sequence[Slice],
    known: Callable[[Slice], Collection[str]],
    reopened: Sequence[tuple[Slice, Month]] = (),
) -> list[tuple[Slice, Month]]:
    """The slices and months that a run fetches, most needed first, since the request limit may end it anywhere.

    The total comes first, since it shows which closed months have changed. Months that AWS may still change follow,
    then closed months that it has changed, then missing history. In the second and the last, the service slice comes
    first, then each month from the newest.

    Args:
        today: the current day, UTC.
        history: number of months before the current one on a first load.
        bill_slices: the slices to fetch.
        known: returns the names of a slice's months whose stored costs are final.
        reopened: slices of closed months that AWS has changed since they were fetched.
    """
    open_since = first_open_month(today)
    wanted = [
        (bill_slice, month)
        for bill_slice in bill_slices
        if bill_slice != TOTAL
        for month in months_to_fetch(today, history, known(bill_slice))
    ]
    wanted.sort(key=lambda cell: (cell[1].start < open_since, cell[0] != SERVICE, -cell[1].start.toordinal()))
    place = sum(month.start >= open_since for _, month in wanted)
    missing = [cell for cell in wanted[place:] if cell not in reopened]
    return [*total(today, history, bill_slices), *wanted[:place], *reopened, *missing]


def total(today: date, history: int, bill_slices: Collection[Slice]) -> list[tuple[Slice, Month]]:
    """The one cell of the totals of all months, where they are among the slices; a page holds them all."""
    return [(TOTAL, whole_history(today, history))] if TOTAL in bill_slices else []


def whole_history(today: date, history: int) -> Month:
    """All months of a first load as one period."""
    return Month(first_of(today, max(history, _restated_months(today))), today)


def cell(bill_slice: Slice, month: Month) -> str:
    """The cell's suffix after the listing's name; the total has one cell for all months."""
    return bill_slice.name if bill_slice == TOTAL else f"{bill_slice.name}:{month.name}"


def name_of(suffix: str) -> str:
    """The slice's name in a cell's suffix, such as `tag:owner` in `tag:owner:2026-11`."""
    return suffix.rpartition(":")[0] or suffix


def cell_listing(bill_slice: Slice, month: Month) -> str:
    """The listing of a cell with its parameter, such as `cost_daily:service:2026-09`."""
    return f"{bill_slice.listing}:{cell(bill_slice, month)}"


def is_final(month: str, read_on: date) -> bool:
    """Whether a month such as `2026-11` was final on the day of its fetch, so that no run need fetch it again."""
    year, number = (int(part) for part in month.split("-"))
    following = first_of(date(year, number, 1), -1)
    return read_on > following.replace(day=RESTATED_UNTIL_DAY)


def period(days: Month) -> dict[str, Any]:
    """The parameter of GetCostAndUsage for a month, or for some of its days."""
    return {"TimePeriod": {"Start": days.start.isoformat(), "End": days.end.isoformat()}}


def parameters(bill_slice: Slice, month: Month, metrics: tuple[str, ...] = METRICS) -> dict[str, Any]:
    """The parameters of GetCostAndUsage for one cell."""
    return {
        **period(month),
        "Granularity": "MONTHLY" if bill_slice == TOTAL else "DAILY",
        "Metrics": list(metrics),
        **({"GroupBy": [{"Type": kind, "Key": key} for kind, key in bill_slice.groups]} if bill_slice.groups else {}),
    }


def resource_parameters(service: str, today: date) -> dict[str, Any]:
    """The parameters of GetCostAndUsageWithResources for one service, over the days that AWS keeps."""
    return {
        "TimePeriod": {"Start": (today - RESOURCE_DAYS).isoformat(), "End": today.isoformat()},
        "Granularity": "DAILY",
        "Metrics": list(CLASSIC_METRICS),
        "Filter": {"Dimensions": {"Key": "SERVICE", "Values": [service]}},
        "GroupBy": [{"Type": kind, "Key": key} for kind, key in (BY_ACCOUNT, ("DIMENSION", "RESOURCE_ID"))],
    }


def final_days_since(today: date) -> date:
    """The first day whose bill may still be a witness: costs of more than two months ago say nothing about today."""
    return first_of(today, 2) - timedelta(days=1)
