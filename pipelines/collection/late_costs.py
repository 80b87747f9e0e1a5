"""Which closed months of the bill a run fetches again, because AWS may have changed them late. Pure.

A month is closed once AWS has stopped restating it. It may change nevertheless. A backfill of cost allocation tags
gives earlier days the status that each key has at the request (AWS Billing user guide, "Backfill cost allocation
tags"). What nobody announces shows when the month is fetched in its turn: every run fetches one closed month again.

A key that is activated without a backfill changes only the days from then on, which no closed month has.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipelines.collection.cost_slices import MAX_MONTHS, Month, Slice, first_of, first_open_month, is_final

TAG_FIELDS = frozenset({"TagKey", "LastUpdatedDate"})
"""The fields of a cost allocation tag that `switched_at` reads."""

BACKFILL_FIELDS = frozenset({"BackfillFrom", "RequestedAt", "CompletedAt", "LastUpdatedAt", "BackfillStatus"})
"""The fields of a backfill that `succeeded` reads."""

REFRESHED_AFTER = timedelta(hours=24)
"""How long after a backfill's end Cost Explorer may still return the costs before it."""

Readings = Mapping[tuple[Slice, date], datetime]
"""When a slice of a closed month, by the month's first day, was last fetched with a trusted response."""


@dataclass(frozen=True)
class Backfill:
    """A backfill of cost allocation tags that succeeded.

    Attributes:
        since: the first day whose costs it changes.
        requested_at: the end of the time whose costs it changes.
        completed_at: when it succeeded.
    """

    since: date
    requested_at: datetime
    completed_at: datetime


def succeeded(records: Iterable[Mapping[str, Any]]) -> tuple[Backfill, ...]:
    """The backfills that succeeded, of records of ListCostAllocationTagBackfillHistory."""
    return tuple(
        Backfill(
            _moment(record["BackfillFrom"]).date() if record.get("BackfillFrom") else date.min,
            _moment(record["RequestedAt"]),
            _moment(record.get("CompletedAt") or record.get("LastUpdatedAt") or record["RequestedAt"]),
        )
        for record in records
        if record["BackfillStatus"] == "SUCCEEDED"
    )


def switched_at(records: Iterable[Mapping[str, Any]]) -> dict[str, datetime | None]:
    """When each key was last switched on or off, of records of ListCostAllocationTags; None where AWS omits it."""
    return {
        str(record["TagKey"]): _moment(record["LastUpdatedDate"]) if record.get("LastUpdatedDate") else None
        for record in records
    }


def reopened(
    readings: Readings, backfills: Iterable[Backfill], switched: Mapping[str, datetime | None] | None
) -> list[tuple[Slice, Month]]:
    """The slices of closed months that a backfill has changed since they were fetched, newest month first.

    A backfill changes the days from its start to its request on which a key had another status than at the request, so
    none after the key's last switch. A switch after the request hides the earlier ones, so all days may be changed.

    Args:
        readings: the slices of closed months that are stored.
        backfills: the backfills that succeeded.
        switched: when each key was last switched; None if AWS did not list the keys, so that any may be changed.
    """
    found = [
        (bill_slice, month_of(start))
        for (bill_slice, start), read_at in readings.items()
        if any(_changes(backfill, bill_slice, start, read_at, switched) for backfill in backfills)
    ]
    return sorted(found, key=lambda cell: -cell[1].start.toordinal())


def _changes(
    backfill: Backfill,
    bill_slice: Slice,
    start: date,
    read_at: datetime,
    switched: Mapping[str, datetime | None] | None,
) -> bool:
    key = bill_slice.tag_key
    if key is None or read_at >= backfill.completed_at + REFRESHED_AFTER:
        return False
    until = backfill.requested_at
    if switched is not None:
        if key not in switched:
            # Billing has never seen the key, so no cost has a value of it.
            return False
        until = min(switched[key] or until, until)
    return backfill.since <= start <= until.date()


def in_turn(readings: Readings) -> list[tuple[Slice, Month]]:
    """The slices of the closed month whose turn it is: the one with the slice that was fetched longest ago.

    That slice comes first. The whole month is fetched, since its slices must agree with each other. So every month has
    its turn once before any has it twice.

    Args:
        readings: the slices of closed months that are stored, without those that this run has fetched.
    """
    months: dict[date, list[Slice]] = defaultdict(list)
    longest_ago: dict[date, datetime] = {}
    for (bill_slice, start), read_at in readings.items():
        months[start].append(bill_slice)
        longest_ago[start] = min(read_at, longest_ago.get(start, read_at))
    if not months:
        return []
    chosen = min(months, key=lambda start: (longest_ago[start], start))
    slices = sorted(months[chosen], key=lambda bill_slice: readings[bill_slice, chosen])
    return [(bill_slice, month_of(chosen)) for bill_slice in slices]


def final_readings(
    cells: Iterable[tuple[str, datetime, datetime]], bill_slices: Iterable[Slice], disputed: Collection[str]
) -> Readings:
    """When each slice was last fetched, of months that are known to be final.

    Args:
        cells: name of each trusted cell of the payer, such as `cost_daily:service:2026-09`, when it was fetched, and
            when it was last seen to be right.
        bill_slices: the slices of the bill.
        disputed: months that do not add up to AWS's monthly total any more: they are missing, and fetched again.
    """
    return {
        (bill_slice, date.fromisoformat(f"{month}-01")): read_at
        for bill_slice, month, read_at, seen_at in _of_months(cells, bill_slices)
        if is_final(month, seen_at.astimezone(UTC).date()) and month not in disputed
    }


def open_readings(
    cells: Iterable[tuple[str, datetime, datetime]], bill_slices: Iterable[Slice], today: date
) -> Readings:
    """When each slice of a month was last fetched that AWS may still change; arguments as of `final_readings`."""
    open_since = f"{first_open_month(today):%Y-%m}"
    return {
        (bill_slice, date.fromisoformat(f"{month}-01")): read_at
        for bill_slice, month, read_at, _ in _of_months(cells, bill_slices)
        if month >= open_since
    }


def _of_months(
    cells: Iterable[tuple[str, datetime, datetime]], bill_slices: Iterable[Slice]
) -> Iterator[tuple[Slice, str, datetime, datetime]]:
    """The cells of these slices: slice, month, and both times; arguments as of `final_readings`."""
    by_name = {f"{bill_slice.listing}:{bill_slice.name}": bill_slice for bill_slice in bill_slices}
    for cell, read_at, seen_at in cells:
        name, _, month = cell.rpartition(":")
        if name in by_name:
            yield by_name[name], month, read_at, seen_at


def closed(readings: Readings, today: date) -> Readings:
    """The readings of months that the run does not fetch anyway, and that Cost Explorer still returns by day."""
    oldest, open_since = first_of(today, MAX_MONTHS), first_open_month(today)
    return {cell: read_at for cell, read_at in readings.items() if oldest <= cell[1] < open_since}


def unseen(readings: Readings, switched: Mapping[str, datetime | None] | None) -> list[str]:
    """The keys that were switched after a closed month of theirs was fetched, so that a backfill is likely."""
    return sorted(
        {
            key
            for (bill_slice, _), read_at in readings.items()
            if (key := bill_slice.tag_key) is not None
            and (at := (switched or {}).get(key)) is not None
            and at > read_at
        }
    )


def sentence(keys: Sequence[str]) -> str:
    """What a run lacks that may not list the backfills, with the keys of `unseen`."""
    which = (
        f" {', '.join(keys)} became active or inactive after closed months were fetched, so a backfill is likely."
        if keys
        else ""
    )
    return (
        "Backfills of cost allocation tags are not seen, since the optional grant "
        "ce:ListCostAllocationTagBackfillHistory is not given (`cmdb policy billing --optional`). A closed month that "
        f"one changes stays as it is until its turn to be fetched again, one month a run.{which}"
    )


def month_of(start: date) -> Month:
    """The whole month that begins on a day."""
    return Month(start, first_of(start, -1))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
