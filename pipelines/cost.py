"""Which questions Cost Explorer is asked: slices, months, and what a night may cost. Pure.

Cost Explorer restates recent days until about the tenth of the next month, so a night reads again from the first
of the previous month (until the tenth, of the month before that), and whatever older month is still missing.
One cell a slice and month keeps every answer small and lets an interrupted first load go on where it stopped.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

REQUEST_PRICE_USD = Decimal("0.01")
"""What AWS charges for a page of GetCostAndUsage."""

RESTATED_UNTIL_DAY = 10

MAX_MONTHS = 13
"""How many months before the current one AWS keeps by day."""

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


@dataclass(frozen=True)
class Slice:
    """One way of cutting the bill: every amount once, by linked account and one more dimension."""

    name: str
    group_type: str
    group_key: str


SLICES = (Slice("service", "DIMENSION", "SERVICE"),)


@dataclass(frozen=True)
class Month:
    """A calendar month as far as it has passed: half open, as Cost Explorer wants it."""

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


def months_to_ask(today: date, history: int, known: Collection[str]) -> list[Month]:
    """The months that tonight must be asked, newest first.

    Args:
        today: UTC. Its own costs are not complete, so the last day asked is yesterday.
        history: months before the current one on a first load.
        known: names of the months that stand final in the warehouse.
    """
    restated = 2 if today.day <= RESTATED_UNTIL_DAY else 1
    asked = []
    for back in range(max(history, restated) + 1):
        start = first_of(today, back)
        end = min(first_of(today, back - 1), today)
        month = Month(start, end)
        if start < end and (back <= restated or month.name not in known):
            asked.append(month)
    return asked


def is_final(month: str, read_on: date) -> bool:
    """Whether a month named like `2026-11` had stopped changing when it was read, so that it need not be read again."""
    year, number = (int(part) for part in month.split("-"))
    following = first_of(date(year, number, 1), -1)
    return read_on > following.replace(day=RESTATED_UNTIL_DAY)


def parameters(cut: Slice, month: Month, metrics: tuple[str, ...] = METRICS) -> dict[str, Any]:
    """What GetCostAndUsage is sent for one cell."""
    return {
        "TimePeriod": {"Start": month.start.isoformat(), "End": month.end.isoformat()},
        "Granularity": "DAILY",
        "Metrics": list(metrics),
        "GroupBy": [
            {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"},
            {"Type": cut.group_type, "Key": cut.group_key},
        ],
    }


def final_days_since(today: date) -> date:
    """From when on the bill may still bear witness: days older than two months say nothing of today."""
    return first_of(today, 2) - timedelta(days=1)
