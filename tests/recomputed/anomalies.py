"""What is out of the ordinary, by its definition: far from each of the days that a day may be like."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from statistics import median
from typing import Any

from recomputed.figures import Figures, recomputes
from recomputed.world import World, days, last_day, month_of, reference

WEEKS = dt.timedelta(days=56)
APART = dt.timedelta(days=7)
NEW = dt.timedelta(days=28)
ONE_DAY = dt.timedelta(days=1)
PLACES = {"service": 1, "usage_type": 2, "record_type": 3}


@dataclass(frozen=True)
class Series:
    """What one thing costs an account on each day of the bill.

    Attributes:
        costs: from the day on which it was first billed; a day without a line costs nothing.
        first: that day.
        began: the first day of the whole bill.
    """

    slice: str
    account: str
    value: str
    costs: dict[dt.date, Decimal]
    first: dt.date
    began: dt.date
    floor: Decimal
    relative: Decimal
    score: Decimal

    @cached_property
    def _days(self) -> list[dt.date]:
        return list(self.costs)

    def before(self, day: dt.date) -> list[dt.date]:
        """The days of the eight weeks before one."""
        return self._days[bisect_left(self._days, day - WEEKS) : bisect_left(self._days, day)]

    @cached_property
    def grown(self) -> dt.date | None:
        """The first day on which it costs as much as anybody cares about."""
        return min((day for day, cost in self.costs.items() if cost >= self.floor), default=None)

    def is_new(self, day: dt.date) -> bool:
        """Whether it began in the four weeks before a day, and after the bill did."""
        return self.first > self.began and self.first > day - NEW

    @cached_property
    def _middles(self) -> dict[dt.date, Decimal | None]:
        return {}

    def middle(self, day: dt.date) -> Decimal | None:
        """The median of its weekday in the eight weeks before."""
        if day not in self._middles:
            like = [self.costs[one] for one in self.before(day) if one.weekday() == day.weekday()]
            self._middles[day] = Decimal(median(like)) if like else None
        return self._middles[day]

    def deviation(self, day: dt.date, read_from: dt.date) -> Decimal | None:
        """The median distance of the days of the eight weeks before from what was usual for each of them."""
        far = [
            abs(self.costs[one] - middle)
            for one in self.before(day)
            if one >= read_from and (middle := self.middle(one)) is not None
        ]
        return Decimal(median(far)) if far else None

    def candidates(self, day: dt.date) -> list[Decimal]:
        """What the day would cost if it were like another one."""
        found = []
        middle = self.middle(day)
        weekdays = [one for one in self.before(day) if one.weekday() == day.weekday()]
        if len(weekdays) >= 3 and middle is not None:
            found.append(middle)
        if day - APART in self.costs:
            found.append(self.costs[day - APART])
        for like in self._like(day):
            if like in self.costs:
                usual = self.middle(like)
                beside = middle - usual if middle is not None and usual is not None else Decimal(0)
                found.append(self.costs[like] + beside)
        return found

    @staticmethod
    def _like(day: dt.date) -> set[dt.date]:
        """The same day of the three months before, and as many days before the end of the last of them."""
        found = set()
        for back in (1, 2, 3):
            month = month_of(day, back)
            found.add(month.replace(day=min(day.day, last_day(month).day)))
        found.add(month_of(day) - dt.timedelta(days=(last_day(month_of(day)) - day).days + 1))
        return found


@dataclass
class Judged:
    """A day that is out of the ordinary."""

    day: dt.date
    kind: str
    observed: Decimal
    expected: Decimal
    score: Decimal | None


def usual(series: Series, day: dt.date) -> tuple[str, Decimal] | None:
    """What a day ought to have cost, and what it is called if it is far from that; None where nothing is known."""
    observed, found = series.costs[day], series.candidates(day)
    nearest = min(found, key=lambda one: abs(observed - one)) if found else None
    eight_weeks = [series.costs[one] for one in series.before(day)]
    if series.is_new(day):
        return "new", Decimal(0)
    if nearest is None:
        return None
    if 2 * sum(1 for cost in eight_weeks if cost) < len(eight_weeks):
        return "occasional", max([*eight_weeks, nearest])
    return "high" if observed > nearest else "low", nearest


def judge(series: Series, day: dt.date, read_from: dt.date) -> Judged | None:
    """Whether a day is out of the ordinary."""
    known = usual(series, day)
    if known is None or (series.is_new(day) and series.grown != day):
        return None
    observed, (kind, expected) = series.costs[day], known
    if abs(observed - expected) < series.floor:
        return None
    score = None
    if kind in ("high", "low"):
        spread = max(Decimal("1.4826") * (series.deviation(day, read_from) or 0), series.relative * abs(expected))
        score = (observed - expected) / spread if spread else None
    if kind == "occasional" and observed - expected < series.score * series.relative * expected:
        return None
    if score is not None and abs(score) < series.score:
        return None
    return Judged(day, kind, observed, expected, score)


@dataclass
class Event:
    """Days of one series, a week apart or less, on one side of what is usual."""

    series: Series
    days: list[Judged]

    @property
    def place(self) -> int:
        """Where its slice stands: the first tells of money that others tell of too."""
        return PLACES.get(self.series.slice, 9)

    @property
    def difference(self) -> Decimal:
        """How much more, or less, it was in all."""
        return sum((one.observed - one.expected for one in self.days), Decimal(0))

    @property
    def until(self) -> dt.date:
        """The last day on which its money may show elsewhere: what is new is told by its first day alone."""
        end = self.days[-1].day
        return max(end, self.series.first + NEW - ONE_DAY) if self.days[0].kind == "new" else end

    def on(self, others: list[Judged]) -> Decimal:
        """How far it was from its usual, on its side, on the days of another event."""
        costs = self.series.costs
        known = [(costs[one.day], usual(self.series, one.day)) for one in others if one.day in costs]
        more = sum((cost - found[1] for cost, found in known if found), Decimal(0))
        return more if self.difference > 0 else -more

    def size_beside(self, part: Event) -> Decimal:
        """How much money it may share with another event."""
        return max(abs(self.difference), self.on(part.days))

    def state(self, last: dt.date) -> str:
        """Whether it goes on."""
        end = self.days[-1].day
        if end == last:
            return "running"
        after = [self.series.costs[one] for one in days(end + ONE_DAY, end + APART) if one in self.series.costs]
        if after:
            usual, level = (median(getattr(one, name) for one in self.days) for name in ("expected", "observed"))
            if abs(median(after) - usual) > abs(median(after) - level):
                return "lasting"
        return "over"


def all_series(world: World, last: dt.date) -> list[Series]:
    """Everything that is judged, in the slices that have a threshold."""
    found = []
    for row in reference("anomaly_threshold"):
        costs: dict[tuple[str, str], dict[dt.date, Decimal]] = defaultdict(dict)
        for day, account, value, amounts in world.cells(row["slice"]):
            costs[account, value][day] = amounts["unblended_cost"]
        for (account, value), own in costs.items():
            first = min(own)
            whole = {day: own.get(day, Decimal(0)) for day in world.bill_days if first <= day <= last}
            thresholds = (Decimal(row[name]) for name in ("money_floor", "relative_floor", "min_score"))
            # What is far below the floor is never as far as that from anything.
            if whole and 4 * max(map(abs, whole.values())) >= Decimal(row["money_floor"]):
                found.append(Series(row["slice"], account, value, whole, first, world.bill_days[0], *thresholds))
    return found


def events_of(world: World) -> tuple[list[Event], dt.date, dt.date]:
    """Every event, also of the weeks before what is judged; from when on it is, and the last day."""
    last = max(through for month in world.months if (through := world.through_of(month)))
    judged_from = max(month_of(last, 1), world.bill_days[0] + dt.timedelta(days=31))
    flagged_from = judged_from - dt.timedelta(days=42)
    read_from = flagged_from - dt.timedelta(days=93 + 56)
    events: list[Event] = []
    for series in all_series(world, last):
        billed = [day for day, cost in series.costs.items() if day >= flagged_from and cost is not None]
        sides: dict[bool, list[Judged]] = defaultdict(list)
        for day in billed:
            if (one := judge(series, day, read_from)) is not None:
                sides[one.observed > one.expected].append(one)
        for flagged in sides.values():
            for one in flagged:
                same = events and events[-1].series is series and events[-1].days[-1] in flagged
                if same and one.day - events[-1].days[-1].day <= APART:
                    events[-1].days.append(one)
                else:
                    events.append(Event(series, [one]))
    return events, judged_from, last


def order(whole: Event, part: Event) -> tuple[Any, ...]:
    """Of several events that a part may be of, the first is meant."""
    far = abs(whole.size_beside(part) - abs(part.difference))
    return whole.place, far, whole.series.value, whole.days[0].day


def wholes(events: list[Event]) -> dict[int, Event]:
    """The event of another slice that tells of the same money on the same days, by the number of the part."""
    found: dict[int, Event] = {}
    for number, part in enumerate(events):
        fitting = [
            whole
            for whole in events
            if whole.series.account == part.series.account
            and whole.place < part.place
            and (whole.difference > 0) == (part.difference > 0)
            and part.days[0].day <= whole.until
            and part.days[-1].day >= whole.days[0].day
            and abs(part.difference) <= Decimal("1.1") * whole.size_beside(part)
        ]
        if fitting:
            found[number] = min(fitting, key=partial(order, part=part))
    return found


@recomputes("cost.anomaly")
def anomaly(world: World) -> Figures:
    """What stands: an event once, and of money that two slices tell of the first."""
    events, judged_from, last = events_of(world)
    parts = wholes(events)
    rows: list[dict[str, Any]] = []
    for number, event in enumerate(events):
        if number in parts or event.days[0].day < judged_from:
            continue
        details = sorted(
            (-abs(events[part].difference), f"{events[part].series.slice}: {events[part].series.value}")
            for part, whole in parts.items()
            if whole is event
        )
        rows.append(
            {
                "usage_date": event.days[0].day,
                "end_date": event.days[-1].day,
                "day_count": len(event.days),
                "slice": event.series.slice,
                "account_id": event.series.account,
                "dimension_value": event.series.value,
                "kind": event.days[0].kind,
                "state": event.state(last),
                "observed": sum((one.observed for one in event.days), Decimal(0)),
                "expected": sum((one.expected for one in event.days), Decimal(0)),
                "difference": event.difference,
                "first_seen_date": event.series.first,
                "details": [words for _, words in details] or None,
            }
        )
    near = dict.fromkeys(("expected", "difference"), Decimal("1e-8"))
    return Figures(("usage_date", "slice", "account_id", "dimension_value"), rows, near)
