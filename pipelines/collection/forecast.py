"""What the next run will request of the APIs that AWS charges for, and what that costs, without a request.

Cost Explorer's part follows from the plan that the collection itself makes (`cost_slices`) and from the pages that each
slice had last. Of what is stored it counts the bill by account and the newest days, as if nothing else had changed
(`cost_difference`). CloudWatch's part follows from the resources of the last run. Both are what is to be expected, and
the daily limits are the most that can be spent.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipelines.catalogue.metrics import MEASURED
from pipelines.catalogue.names import (
    COST_BY_MONTH,
    COST_RESOURCE,
    COST_TAG,
    COST_TAG_BACKFILL,
    METRIC,
)
from pipelines.collection import cost_difference, cost_slices, late_costs, previous
from pipelines.collection.cost_slices import Month, Slice
from pipelines.collection.metrics import QUERIES_A_REQUEST, SAMPLES
from pipelines.collection.paid_limits import COST_EXPLORER, daily_limits
from pipelines.collection.seeds import every_slice, services_of_listings
from pipelines.settings import Settings
from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT
from resources.aws.meter import PRICES_USD, UNITS
from resources.store.sql import exists

if TYPE_CHECKING:
    import duckdb

CLOUDWATCH = "cloudwatch"

DAYS_OF_A_MONTH = 30

NAMES: Mapping[str, str] = {COST_EXPLORER: "Cost Explorer", CLOUDWATCH: "CloudWatch metrics"}


@dataclass(frozen=True)
class Estimate:
    """What one API is expected to be asked for, and what AWS charges for it.

    Attributes:
        units: what AWS prices, all that is wanted: requests, or metrics of CloudWatch. None where nothing shows it yet.
        limit: the most units of one day (UTC), by `setting`.
    """

    service: str
    units: int | None
    limit: int
    setting: str

    @property
    def unit_usd(self) -> Decimal:
        """AWS's price of one unit, in US dollars."""
        return PRICES_USD[self.service]

    @property
    def allowed(self) -> int:
        """The units that one day's limit allows."""
        return self.limit if self.units is None else min(self.units, self.limit)

    @property
    def cost_usd(self) -> Decimal:
        """The price of all units in US dollars; of the limit where the number of units is unknown."""
        return (self.limit if self.units is None else self.units) * self.unit_usd

    @property
    def runs(self) -> int:
        """How many runs on different days the units take at the limit."""
        return 1 if self.units is None else max(1, -(-self.units // self.limit))

    def facts(self) -> dict[str, Any]:
        """The estimate for programs."""
        return {
            "service": self.service,
            "unit": UNITS[self.service],
            "units": self.units,
            "limit": self.limit,
            "setting": self.setting,
            "cost_usd": self.cost_usd,
            "runs": self.runs,
        }

    def __str__(self) -> str:
        unit, name = UNITS[self.service], NAMES[self.service]
        if self.units is None:
            return f"{name}: not known before a run; at most {self.limit:,} {unit}s, {self.cost_usd:,.2f} USD a day"
        text = f"{name}: {self.units:,} {unit}s or more, {self.cost_usd:,.2f} USD"
        if self.units <= self.limit:
            return f"{text}; at most {self.limit:,} ({self.limit * self.unit_usd:,.2f} USD) a day"
        return f"{text}; {self.setting} allows {self.limit:,} a day, so {self.runs} runs on different days"


@dataclass(frozen=True)
class Forecast:
    """What runs cost in requests that AWS charges for.

    Attributes:
        next_run: what the next run wants, by API.
        ordinary: what a run wants once the bill's history is complete, by API.
        missing_months: months of the bill's history that the next run would load, in any slice.
    """

    next_run: tuple[Estimate, ...]
    ordinary: tuple[Estimate, ...]
    missing_months: int = 0

    @property
    def is_first_load(self) -> bool:
        """Whether some of the bill's history is still to be loaded."""
        return self.missing_months > 0

    @property
    def cost_usd(self) -> Decimal:
        """The most that the next run may cost in US dollars, within the daily limits."""
        return sum((one.allowed * one.unit_usd for one in self.next_run), Decimal(0))

    def facts(self) -> dict[str, Any]:
        """The forecast for programs; `most_usd` is what the limits of one day allow."""
        return {
            "most_usd": self.cost_usd,
            "missing_months": self.missing_months,
            "next_run": [one.facts() for one in self.next_run],
            "ordinary_run": [one.facts() for one in self.ordinary],
        }


@dataclass(frozen=True)
class _Stored:
    """What the warehouse holds of the bill and of the metrics.

    Attributes:
        readings: the slices of closed months that are stored, as `late_costs.Readings`.
        pages: the pages that the newest whole response of a slice or a service had, by the cell's name without the
            month.
        compared: the cells whose stored rows a run compares with the bill by account; none that a release made which
            did not record how.
        granted: the listings of which a cell was requested and not refused as an optional grant.
        metrics: metrics of the resources to be measured; None where no run has looked for any.
    """

    readings: late_costs.Readings = field(default_factory=dict)
    pages: Mapping[str, int] = field(default_factory=dict)
    compared: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()
    metrics: int | None = None


def forecast(settings: Settings, connection: "duckdb.DuckDBPyConnection | None", today: date) -> Forecast:
    """What the next run and an ordinary one cost.

    Args:
        connection: the working or the published file; None where there is no warehouse yet.
        today: the current day, UTC.

    Raises:
        ReferenceFileError: a reference file cannot be used.
        ProductFileError: a seed of the product is missing.
    """
    bill_slices = every_slice(settings.reference)
    stored = _Stored() if connection is None else _read(connection, bill_slices)
    limits = daily_limits(settings)
    is_by_difference = not settings.every_night
    planned = cost_slices.plan(today, settings.cost_months, bill_slices, _months(stored.readings))
    open_since = cost_slices.first_open_month(today)
    missing = {month.name for one, month in planned if one != cost_slices.TOTAL and month.start < open_since}
    ordinary = [(one, month) for one, month in planned if one == cost_slices.TOTAL or month.start >= open_since]
    # One closed month again, in every slice, where the limit has room for all of it.
    in_turn = [one for one, _ in late_costs.in_turn(late_costs.closed(stored.readings, today))]
    has_closed = cost_slices.first_of(today, settings.cost_months) < open_since
    once_loaded = [one for one in bill_slices if has_closed and one != cost_slices.TOTAL]

    def estimates(
        cells: Sequence[tuple[Slice, Month]], in_turn: Sequence[Slice], is_compared: Callable[[Slice, Month], bool]
    ) -> tuple[Estimate, ...]:
        limit, metrics = limits[COST_EXPLORER], limits[CLOUDWATCH]
        requests = _extras(stored)
        for one, month in cells:
            is_by_days = is_by_difference and one != cost_slices.TOTAL and is_compared(one, month)
            requests += _pages_of_days(stored, one, month, today) if is_by_days else _pages(stored, one)
        if is_by_difference:
            months = {month for one, month in cells if one != cost_slices.TOTAL and is_compared(one, month)}
            requests += len(months) * _pages(stored, cost_slices.ACCOUNT)
        again = sum(_pages(stored, one) for one in in_turn)
        if requests + again <= limit.units:
            requests += again
        elif is_by_difference and (room := limit.units - requests) > 0:
            # Whole slices and some days of the others, as many as there is room for.
            requests += min(room, _pages(stored, cost_slices.ACCOUNT) + again)
        return (
            Estimate(COST_EXPLORER, requests, limit.units, limit.setting),
            Estimate(CLOUDWATCH, stored.metrics, metrics.units, metrics.setting),
        )

    def is_stored(one: Slice, month: Month) -> bool:
        return cost_slices.cell_listing(one, month) in stored.compared

    return Forecast(
        estimates(planned, in_turn, is_stored), estimates(ordinary, once_loaded, lambda *_: True), len(missing)
    )


def _months(readings: late_costs.Readings) -> Callable[[Slice], Collection[str]]:
    """The months of a slice that are among the readings, by name."""
    found: dict[Slice, set[str]] = defaultdict(set)
    for one, start in readings:
        found[one].add(f"{start:%Y-%m}")
    return lambda one: found.get(one, ())


def _pages(stored: _Stored, one: Slice) -> int:
    return stored.pages.get(f"{one.listing}:{one.name}", 1)


def _pages_of_days(stored: _Stored, one: Slice, month: Month, today: date) -> int:
    """The pages of those days of a month that are requested although nothing has changed."""
    days = max(0, (month.end - max(month.start, today - cost_difference.GROWS_FOR)).days)
    return -(-_pages(stored, one) * days // DAYS_OF_A_MONTH)


def _extras(stored: _Stored) -> int:
    """The requests beside the bill's own: the optional grants take one each where they are refused."""
    of_resources = [f"{COST_RESOURCE}:{service}" for service in services_of_listings()]
    is_granted = COST_RESOURCE in stored.granted
    of_tags = sum(stored.pages.get(name, 1) for name in (COST_TAG, COST_TAG_BACKFILL))
    return of_tags + (sum(stored.pages.get(name, 1) for name in of_resources) if is_granted else 1)


def _read(connection: "duckdb.DuckDBPyConnection", bill_slices: Sequence[Slice]) -> _Stored:
    rows = connection.execute(
        """
        select account_id, listing, ended_at from audit.coverage
        where is_trusted and list_contains($listings, split_part(listing, ':', 1))
        order by ended_at
        """,
        {"listings": list(COST_BY_MONTH)},
    ).fetchall()
    held = cost_difference.stored_slices(connection, rows[-1][0]) if rows else {}
    cells = [(listing, ended_at) for _, listing, ended_at in rows]
    pages: dict[str, int] = {}
    for listing, count in connection.execute(
        """
        select listing, arg_max(page_count, ended_at) from audit.collection
        where
            role = 'billing' and is_trusted and page_count is not null
            -- A response of some days says nothing of the whole month.
            and (evidence -> '$.days') is null
        group by listing
        """
    ).fetchall():
        # A slice of the bill has a cell for each month; the total and the services of resources have one.
        name = listing.rpartition(":")[0] if _names_a_month(listing) else listing
        pages[name] = max(count, pages.get(name, 1))
    granted = connection.execute(
        "select distinct split_part(listing, ':', 1) from audit.coverage where outcome <> 'skipped'"
    ).fetchall()
    return _Stored(
        readings=late_costs.final_readings(
            cost_difference.read_times(cells, held), bill_slices, previous.disputed_months(connection)
        ),
        pages=pages,
        compared=frozenset(
            listing
            for listing, ended_at in cells
            if listing in held and held[listing].read_at == ended_at and held[listing].made_by
        ),
        granted=frozenset(name for (name,) in granted),
        metrics=_metrics(connection),
    )


def _names_a_month(listing: str) -> bool:
    return re.fullmatch(r"[0-9]{4}-[0-9]{2}", listing.rpartition(":")[2]) is not None


def _metrics(connection: "duckdb.DuckDBPyConnection") -> int | None:
    """The metrics of all resources that a rule could judge, in the accounts that grant them; None if none was asked.

    A response of several pages is one request for each page, and AWS charges each for its metrics.
    """
    cells = connection.execute(
        """
        select account_id, region, max(page_count)
        from audit.collection
        semi join audit.coverage using (run_id, role, account_id, region, listing)
        where
            listing = $listing
            and (outcome <> 'skipped' or not list_contains($refused, skip_reason))
        group by account_id, region
        """,
        {"listing": METRIC, "refused": [OPTIONAL_GRANT, DENIED_BY_POLICY]},
    ).fetchall()
    asked = connection.execute(
        "select count(*) from audit.coverage where listing = $listing", {"listing": METRIC}
    ).fetchone()
    # Each is also the name of the table in `aws` that holds its resources.
    tables = [listing for listing in MEASURED if exists(connection, "aws", listing)]
    if asked is None or not asked[0] or not tables:
        return None
    pages = {(account, region): count or 1 for account, region, count in cells}
    granting = {account for account, _ in pages}
    wanted: Counter[tuple[str, str]] = Counter()
    for listing in tables:
        each = sum(len((SAMPLES, *statistics)) for statistics in MEASURED[listing].metrics.values())
        running = "where state = 'running'" if MEASURED[listing].state_field else ""
        for account, region, count in connection.execute(
            f"select account_id, region, count(*) from aws.{listing} {running} group by all"
        ).fetchall():
            if account in granting:
                wanted[account, region] += each * count
    return sum(
        units * pages.get(place, 1) // -(-units // QUERIES_A_REQUEST) for place, units in wanted.items() if units
    )
