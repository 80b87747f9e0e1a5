"""Whole months of the bill that somebody wants fetched again, whatever is known of them, and those a run has fetched.

A run that fetches months so requests each slice of them, and once the totals that their days must add up to.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from pipelines.catalogue.names import COST_DAILY, COST_MONTHLY, COST_TAG_SERVICE
from pipelines.collection import cost_slices
from pipelines.collection.cost_slices import REQUEST_PRICE_USD, TOTAL, Month, Slice, first_of
from pipelines.collection.late_costs import month_of
from resources.aws.messages import CellKey, Request

if TYPE_CHECKING:
    import duckdb

BY_SLICE = (COST_DAILY, COST_TAG_SERVICE)
"""The listings of the bill by slice and month."""

WHOLE = (*BY_SLICE, COST_MONTHLY)
"""The listings that are requested where a month is fetched whole."""

NOT_OFFERED = "not_offered"
"""Skip reason of a slice that AWS does not offer this payer: there is nothing of it to fetch."""


def oldest(today: date, history: int) -> date:
    """The first day of the oldest month of the configured history, which no setting puts beyond what AWS keeps."""
    return cost_slices.whole_history(today, history).start


def refusal(months: Collection[str], today: date, history: int) -> str:
    """Why months cannot be fetched; empty where each of them can.

    Args:
        months: names such as `2026-03`.
        today: the current day, UTC.
        history: `CMDB_COST_MONTHS`.
    """
    kept, first = first_of(today, cost_slices.MAX_MONTHS), oldest(today, history)
    starts = {name: date.fromisoformat(f"{name}-01") for name in sorted(months)}
    gone = [name for name, start in starts.items() if start < kept]
    outside = [name for name, start in starts.items() if kept <= start < first]
    coming = [name for name, start in starts.items() if start >= today]
    if gone:
        return f"Of {', '.join(gone)} Cost Explorer keeps no days any more: its oldest month is {kept:%Y-%m}."
    if outside:
        return (
            f"{', '.join(outside)} is outside of the history that CMDB_COST_MONTHS={history} asks for, which begins "
            f"with {first:%Y-%m}."
        )
    if coming:
        return f"Of {', '.join(coming)} no day is complete yet."
    return ""


def whole(bill_slices: Iterable[Slice], months: Collection[str], today: date) -> list[tuple[Slice, Month]]:
    """Every slice of the months but the totals, newest month first."""
    found = [month_of(date.fromisoformat(f"{name}-01")) for name in sorted(months, reverse=True)]
    cut = [Month(month.start, min(month.end, today)) for month in found]
    slices = [one for one in bill_slices if one != TOTAL]
    return [(one, month) for month in cut for one in slices]


def needed(requests: Sequence[Request], pages: Mapping[CellKey, int]) -> int:
    """How many requests the cells take, as far as their last responses show.

    Args:
        requests: one for each cell.
        pages: pages of the last response with records, by key; a cell without any counts as one.
    """
    return sum(max(1, pages.get(request.key, 1)) for request in requests)


def pages_before(connection: "duckdb.DuckDBPyConnection", account_id: str) -> dict[CellKey, int]:
    """Pages of the newest response with records of each cell of the bill."""
    rows = connection.execute(
        """
        select role, account_id, region, listing, max_by(page_count, ended_at)
        from audit.collection
        where
            role = 'billing' and account_id = $account_id and outcome = 'found' and page_count > 0
            and (evidence -> '$.days') is null
            and list_contains($names, split_part(listing, ':', 1))
        group by all
        """,
        {"account_id": account_id, "names": list(WHOLE)},
    ).fetchall()
    return {CellKey(*row[:4]): int(row[4]) for row in rows}


@dataclass(frozen=True)
class ReadMonth:
    """A month of the bill in one run.

    Attributes:
        request_count: requests that its cells took.
        missing: names of the slices without a whole response of the run.
        reason: what AWS or the run said of the first of them.
    """

    name: str
    request_count: int
    missing: tuple[str, ...]
    reason: str = ""

    @property
    def cost_usd(self) -> Decimal:
        """What AWS charges for its requests."""
        return REQUEST_PRICE_USD * self.request_count


def read_in_run(
    connection: "duckdb.DuckDBPyConnection", run_id: str, bill_slices: Iterable[Slice]
) -> dict[str, ReadMonth]:
    """The months of which a run has cells, by name, oldest first."""
    rows = connection.execute(
        """
        select
            listing,
            -- A zero that waits for CloudTrail was answered whole.
            (
                is_trusted or coalesce(skip_reason = $not_offered, false)
                or (outcome = 'empty_unconfirmed' and error_code is null)
            )
            -- A response of some days is not of the whole month.
            and (evidence -> '$.days') is null,
            coalesce(request_count, 0),
            coalesce(error_message, skip_reason, error_code, outcome)
        from audit.collection
        where
            run_id = $run_id and role = 'billing' and list_contains($names, split_part(listing, ':', 1))
        """,
        {
            "run_id": run_id,
            "names": list(BY_SLICE),
            "not_offered": NOT_OFFERED,
        },
    ).fetchall()
    wanted = [f"{one.listing}:{one.name}" for one in bill_slices if one.listing in BY_SLICE]
    months = sorted({str(listing).rpartition(":")[2] for listing, *_ in rows})
    cells = {str(listing): (bool(is_read), int(count), str(why)) for listing, is_read, count, why in rows}
    found = {}
    for month in months:
        of_it = {name: cells.get(f"{name}:{month}") for name in wanted}
        missing = [name for name, cell in of_it.items() if cell is None or not cell[0]]
        reasons = [cell[2] for name in missing if (cell := of_it[name]) is not None]
        found[month] = ReadMonth(
            month,
            sum(cell[1] for cell in of_it.values() if cell is not None),
            tuple(missing),
            reasons[0] if reasons else "",
        )
    return found
