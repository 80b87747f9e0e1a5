"""What the recomputation rests on: the simulator's own word, records by boto3, and the reference files."""

from __future__ import annotations

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from recomputed.figures import rounded

REPOSITORY = Path(__file__).resolve().parent.parent.parent

REFERENCE = (REPOSITORY / "simulator" / "reference", REPOSITORY / "warehouse" / "ref")
"""Where the reference files lie: the organisation's own come first."""

Line = dict[str, Any]
Record = dict[str, Any]

METRICS = (
    "unblended_cost",
    "amortized_cost",
    "net_unblended_cost",
    "net_amortized_cost",
    "billed_cost",
    "contracted_cost",
    "list_cost",
)

Cell = tuple[str, dt.date, str, str]
"""A row of the bill: slice, day, account and value."""


def month_of(day: dt.date, back: int = 0) -> dt.date:
    """The first day of a day's month, or of one so many months before it."""
    number = day.year * 12 + day.month - 1 - back
    return dt.date(number // 12, number % 12 + 1, 1)


def last_day(month: dt.date) -> dt.date:
    """The last day of a month."""
    return month_of(month, -1) - dt.timedelta(days=1)


def days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Every day of a period, its last one included."""
    for number in range((last - first).days + 1):
        yield first + dt.timedelta(days=number)


@cache
def reference(name: str) -> list[dict[str, str]]:
    """The rows of a reference file."""
    path = next(folder / f"{name}.csv" for folder in REFERENCE if (folder / f"{name}.csv").exists())
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass
class World:
    """An organisation on the day of its first night.

    Attributes:
        truth: what the simulator says of it.
        ledger: every line of the bill on every day of the months that are collected.
        records: of each listing what boto3 lists, by account and region.
        currency: the one that money is shown in beside the bill's.
        has_resource_costs: whether the payer has opted in to costs of single resources.
    """

    truth: dict[str, Any]
    ledger: list[Line]
    records: dict[str, dict[tuple[str, str], list[Record]]]
    currency: str = "NZD"
    has_resource_costs: bool = True

    @cached_property
    def today(self) -> dt.date:
        """The day of the night, UTC."""
        return dt.date.fromisoformat(self.truth["today"])

    @cached_property
    def collected(self) -> set[str]:
        """The accounts that some profile lists the resources of."""
        return {*self.truth["reachable"], self.truth["central"]["operations"]}

    # ------------------------------------------------------------------ time

    @cached_property
    def through(self) -> dt.date:
        """The last complete day of the bill: AWS counts for a day longer than the day lasts."""
        return self.today - dt.timedelta(days=2)

    @cached_property
    def first_estimated(self) -> dt.date:
        """The first day that AWS may still change."""
        return month_of(self.today, 0 if self.today.day > 10 else 1)

    @cached_property
    def bill_days(self) -> list[dt.date]:
        """Every day that something was billed on."""
        return sorted({day for _, day, _, _ in self.daily})

    @cached_property
    def months(self) -> list[dt.date]:
        """First days of the months of the bill."""
        return sorted({month_of(day) for day in self.bill_days})

    def through_of(self, month: dt.date) -> dt.date | None:
        """The last complete day of a month of the bill, if it has one."""
        last = min(last_day(month), self.through, max(self.bill_days))
        return last if last >= max(month, self.bill_days[0]) else None

    def is_final(self, month: dt.date) -> bool:
        """Whether a month is whole and AWS does not change it any more."""
        whole = self.bill_days[0] <= month and self.through_of(month) == last_day(month)
        return whole and last_day(month) < self.first_estimated

    # ------------------------------------------------------------------ the bill

    @cached_property
    def tag_keys(self) -> dict[str, str]:
        """The tags that the bill is cut by, and the column of the items that each fills."""
        return {row["tag_key"]: row["resource_column"] for row in reference("tag_key")}

    def value_of(self, line: Line, cut: str) -> str:
        """What a line of the ledger is in a slice."""
        return str(line["tags"].get(cut[4:], "") if cut.startswith("tag:") else line[cut])

    @cached_property
    def slices(self) -> list[str]:
        """The cuts of the bill."""
        return ["service", "record_type", "region", "usage_type", *(f"tag:{key}" for key in self.tag_keys)]

    @cached_property
    def daily(self) -> dict[Cell, dict[str, Decimal]]:
        """The ledger's lines added up by slice, day, account and value: every metric of the bill."""
        sums: dict[Cell, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(METRICS))
        for line in self.ledger:
            amounts = [Decimal(line[name]) for name in METRICS]
            day, account = dt.date.fromisoformat(line["usage_date"]), line["account_id"]
            for cut in self.slices:
                key = (cut, day, account, self.value_of(line, cut))
                sums[key] = [old + new for old, new in zip(sums[key], amounts, strict=True)]
        return {key: dict(zip(METRICS, found, strict=True)) for key, found in sums.items()}

    def cells(self, cut: str) -> Iterator[tuple[dt.date, str, str, dict[str, Decimal]]]:
        """The rows of one slice: day, account, value, amounts."""
        yield from self._by_slice[cut]

    @cached_property
    def _by_slice(self) -> dict[str, list[tuple[dt.date, str, str, dict[str, Decimal]]]]:
        found: dict[str, list[tuple[dt.date, str, str, dict[str, Decimal]]]] = defaultdict(list)
        for (cut, day, account, value), amounts in self.daily.items():
            found[cut].append((day, account, value, amounts))
        return found

    @cached_property
    def aliases(self) -> dict[tuple[str, str], str]:
        """The values that count, by key and other spelling."""
        return {(row["tag_key"], row["alias"]): row["tag_value"] for row in reference("tag_value_alias")}

    def counted(self, key: str, written: str) -> str:
        """The value of a tag that counts."""
        return self.aliases.get((key, written.strip()), written.strip())

    # ------------------------------------------------------------------ rates

    @cached_property
    def rates(self) -> dict[dt.date, tuple[Decimal, str, dt.date] | None]:
        """The rate of each day of the bill, its kind, and since when it holds."""
        known = [
            (row["kind"], dt.date.fromisoformat(row["valid_from"]), Decimal(row["rate"]))
            for row in reference("fx_rate")
            if (row["from_currency"], row["to_currency"]) == ("USD", self.currency)
        ]
        return {day: self._rate(day, known) for day in self.bill_days}

    def _rate(self, day: dt.date, known: list[tuple[str, dt.date, Decimal]]) -> tuple[Decimal, str, dt.date] | None:
        month = month_of(day)
        # A month of which the bill has only days that are closed is closed.
        billed = [one for one in self.bill_days if month_of(one) == month]
        usable = {"invoice": billed[-1] < self.first_estimated, "month_average": month_of(month, -1) <= self.today}
        for kind in ("invoice", "month_average", "spot"):
            fitting = [
                (since, rate)
                for name, since, rate in known
                if name == kind and since <= day and (kind == "spot" or (usable[kind] and month_of(since) == month))
            ]
            if fitting:
                since, rate = max(fitting)
                return rate, kind, since
        return None

    def reported(self, day: dt.date, amount: Decimal) -> Decimal | None:
        """An amount of a day in the reporting currency."""
        rate = self.rates[day]
        return None if rate is None else rounded(amount * rate[0])

    def average_rate(self, first: dt.date, last: dt.date) -> Decimal | None:
        """The average of the rates of the bill's days of a period."""
        found = [self.rates[day] for day in self.bill_days if first <= day <= last]
        if not found or None in found:
            return None
        return rounded(sum((rate[0] for rate in found if rate), Decimal(0)) / len(found))
