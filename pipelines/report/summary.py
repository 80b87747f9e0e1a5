"""The three paragraphs at the head of the page: what was spent, what moved, what is not known.

Only which rows of which figures are named is decided here; the template prints each amount with where it comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.report.figures import Figure
from pipelines.report.text import counted

LARGE_PCT = 1
"""From which part of the spend, in percent, an account that nobody collects is named in the summary."""

NAMED_UNCOLLECTED = 3


@dataclass(frozen=True)
class Moved:
    """A month that is compared with the one before: rows of the figure `movers` by their place in it.

    Attributes:
        bill: the whole bill.
        against: what it is compared with, in words.
        most: of accounts, of services and of each tag key the value that moved most, where it moved at all.
    """

    bill: int
    against: str
    most: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """What the three paragraphs are about.

    Attributes:
        whole: the last month that is whole; None where the bill has none, or no month before it.
        running: the running month through its last complete day; None where no day of it is complete.
        month: row of the figure `months`: the newest month of which a day is complete; None where none is.
        uncollected: rows of the figure `unreached` that cost much, the most first.
        is_unknown: whether anything at all is unknown; what is known whole says so.
    """

    whole: Moved | None
    running: Moved | None
    month: int | None
    uncollected: tuple[int, ...]
    is_unknown: bool


def summary(figures: Mapping[str, Figure]) -> Summary:
    """Which rows the sentences name."""
    scope = figures["scope"].first
    uncollected = [
        index
        for index, row in enumerate(figures["unreached"])
        if row["share_pct"] is None or row["share_pct"] >= LARGE_PCT
    ]
    return Summary(
        whole=_moved(figures["movers"], is_whole=True),
        running=_moved(figures["movers"], is_whole=False),
        month=max((index for index, row in enumerate(figures["months"]) if row["through_date"]), default=None),
        uncollected=tuple(uncollected[:NAMED_UNCOLLECTED]),
        is_unknown=scope is None or bool(scope["unknown_count"]),
    )


def _moved(movers: Figure, *, is_whole: bool) -> Moved | None:
    rows = [(index, row) for index, row in enumerate(movers) if row["is_whole"] == is_whole]
    bill = next((index for index, row in rows if row["cut"] == "bill"), None)
    if bill is None:
        return None
    return Moved(
        bill,
        _against(movers.rows[bill]),
        tuple(index for index, row in rows if row["cut"] != "bill" and _is_named(row)),
    )


def _against(bill: Mapping[str, Any]) -> str:
    """The month before, and how much of it where the running month has other days than it."""
    if bill["is_whole"]:
        return "the month before"
    before = bill["previous_through_date"]
    days = (bill["through_date"] - bill["month"]).days + 1
    if days == before.day:
        return "the same days of the month before"
    return f"the month before, {counted(days, 'day')} against {counted(before.day, 'day')} of {before:%B}"


def _is_named(row: Mapping[str, Any]) -> bool:
    """Whether a row is the greatest of its cut and moved; what has no rate is named as unknown."""
    return bool(row["place"] == 1 and row["change"] != 0)
