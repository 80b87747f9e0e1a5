"""The bill, exact: integers of 1e-10 USD, so that every grouping adds up to the last digit.

A line costs `rate` (in 1e-7 USD) times the factor of the day (in thousandths) on each day of its span, or one
fixed amount on one day. Rates are multiples of 100, so that the percentages of the other metrics stay whole.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.wire import AwsError, make_token, read_token
from simulator.world import TAG_KEYS, Account, Instance, World

COMPUTE = "Amazon Elastic Compute Cloud - Compute"
RATES = {"t3.micro": 2_496_000, "t3.large": 19_968_100, "m5.large": 23_040_300, "c5.xlarge": 40_800_700}
DEFAULT_RATE = 120_960_900
REGION_CODES = {"us-east-1": "", "ap-southeast-2": "APS2-", "eu-west-1": "EU-"}

# Service, usage type, rate in 1e-7 USD a day, units a day: what every account pays whatever it runs.
FLAT = (
    ("EC2 - Other", "EBS:VolumeUsage.gp3", 3_333_300, 40),
    ("Amazon Simple Storage Service", "TimedStorage-ByteHrs", 1_234_500, 17),
    ("AWS Key Management Service", "KMS-Requests", 12_300, 3),
    ("AmazonCloudWatch", "CW:MetricMonitorUsage", 456_700, 11),
)
INACTIVE_TAG = "bc:project"
"""Not activated as a cost allocation tag: every cost is without a value for it."""

PERCENT = {
    "UnblendedCost": 100,
    "BlendedCost": 100,
    "AmortizedCost": 97,
    "NetUnblendedCost": 95,
    "NetAmortizedCost": 92,
    "BilledCost": 100,
    "ContractedCost": 96,
    "ListCost": 121,
}
QUANTITIES = ("UsageQuantity", "NormalizedUsageAmount")
METRICS = {name.lower(): name for name in (*PERCENT, *QUANTITIES)}
DIMENSIONS = {
    "SERVICE": "service",
    "LINKED_ACCOUNT": "account_id",
    "REGION": "region",
    "RECORD_TYPE": "record_type",
    "USAGE_TYPE": "usage_type",
}
FIRST_DAY = dt.date(2023, 1, 1)
OPEN_END = dt.date(9999, 1, 1)
PAGE_ROWS = 1000


@dataclass(frozen=True)
class Line:
    """One thing that costs. `fixed` replaces rate x factor on a span of one day."""

    account_id: str
    service: str
    region: str
    usage_type: str
    record_type: str = "Usage"
    tags: Mapping[str, str] = field(default_factory=dict)
    rate: int = 0
    quantity: int = 0
    first: dt.date = FIRST_DAY
    end: dt.date = OPEN_END
    fixed: int = 0


def first_estimated(today: dt.date) -> dt.date:
    """The first day that AWS still calls estimated: of this month, until the 10th of the previous one."""
    month = today.replace(day=1)
    return month if today.day > 10 else months_before(month, 1)


def months_before(month: dt.date, count: int) -> dt.date:
    """The first day of an earlier month."""
    for _ in range(count):
        month = (month - dt.timedelta(days=1)).replace(day=1)
    return month


def next_month(day: dt.date) -> dt.date:
    """The first day of the month after that of a day."""
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def invalid(message: str) -> AwsError:
    """Cost Explorer's answer to a request that it cannot accept."""
    return AwsError("ValidationException", message, 400)


def decimal(units: int) -> str:
    """Units of 1e-10 as AWS writes amounts: no trailing zeros, no exponent."""
    whole, fraction = divmod(abs(units), 10**10)
    text = f"{whole}.{fraction:010d}".rstrip("0").rstrip(".")
    return f"-{text}" if units < 0 else text


def day_factor(day: dt.date) -> int:
    """Thousandths: weekends are cheaper, and no two neighbouring days are alike."""
    return (850 if day.weekday() >= 5 else 1000) + day.toordinal() % 30


Spans = dict[tuple[dt.date, dt.date, bool], tuple[int, int]]
"""First day, day after the last, whether fixed -> rate (or amount) and units a day: the lines of a group."""

Groups = list[tuple[tuple[str, ...], Spans]]
"""Groups by their keys, in the order in which they are answered."""


class Ledger:
    """The lines of a world with those that `others` add, and Cost Explorer's questions about them."""

    def __init__(self, world: World, others: Iterable[Callable[[], Iterator[Line]]] = ()) -> None:
        self._world, self._others = world, tuple(others)
        self._version = -1
        self._lines: list[Line] = []
        self._prefix: list[int] = []
        self._groups: OrderedDict[str, Groups] = OrderedDict()

    # ------------------------------------------------------------------ lines

    @property
    def lines(self) -> list[Line]:
        """Every line."""
        self._refresh()
        return self._lines

    def _refresh(self) -> None:
        """Derive everything again after a change of the world."""
        if self._version == self._world.version:
            return
        self._lines = list(self._derive())
        self._version = self._world.version
        self._groups.clear()
        days = (self._world.today - FIRST_DAY).days
        factors = (day_factor(FIRST_DAY + dt.timedelta(days=n)) for n in range(days))
        self._prefix = [0, *itertools.accumulate(factors)]

    def _derive(self) -> Iterator[Line]:
        for number, account in enumerate(self._world.accounts.values()):
            end = account.left_on or OPEN_END
            for region in self._world.regions:
                for instance in self._world.instances(account.account_id, region):
                    yield self._compute(instance)
            for service, usage_type, rate, quantity in FLAT:
                yield Line(
                    account.account_id,
                    service,
                    self._world.regions[number % len(self._world.regions)],
                    usage_type,
                    rate=rate + 100 * number,
                    quantity=quantity,
                    end=end,
                )
            yield from self._monthly(account, number, end)
        for lines in self._others:
            yield from lines()
        for restated in self._world.restatements:
            yield Line(
                restated.account_id,
                restated.service,
                self._world.regions[0],
                "Restated",
                first=restated.usage_date,
                end=restated.usage_date + dt.timedelta(days=1),
                fixed=restated.amount,
            )

    @staticmethod
    def _compute(instance: Instance) -> Line:
        return Line(
            instance.account_id,
            COMPUTE,
            instance.region,
            f"{REGION_CODES.get(instance.region, instance.region + '-')}BoxUsage:{instance.instance_type}",
            tags={key: instance.tags[key] for key in TAG_KEYS if key in instance.tags and key != INACTIVE_TAG},
            rate=RATES.get(instance.instance_type, DEFAULT_RATE),
            quantity=24,
            first=instance.launched_at.date(),
            end=instance.ended_on or OPEN_END,
        )

    def _monthly(self, account: Account, number: int, end: dt.date) -> Iterator[Line]:
        """Tax on the first of each month, and a credit for one account: they have no region and no tags."""
        month = FIRST_DAY
        while month < min(self._world.today, end):
            following = month + dt.timedelta(days=1)
            tax = 10**8 * (31_415 + 13 * number + month.month)
            yield Line(
                account.account_id,
                "Tax",
                "NoRegion",
                "NoUsageType",
                "Tax",
                first=month,
                end=following,
                fixed=tax,
            )
            if account.account_id == self._world.operations:
                yield Line(
                    account.account_id,
                    "AmazonCloudWatch",
                    "NoRegion",
                    "NoUsageType",
                    "Credit",
                    first=month,
                    end=following,
                    fixed=-(10**8) * 777,
                )
            month = next_month(month)

    # ------------------------------------------------------------------ amounts

    def _factors(self, start: dt.date, end: dt.date) -> int:
        if start >= end:
            return 0
        return self._prefix[(end - FIRST_DAY).days] - self._prefix[(start - FIRST_DAY).days]

    def _units(self, spans: Spans, start: dt.date, end: dt.date) -> tuple[int, int] | None:
        """Cost and quantity of a group in a period, or None where it has no line then."""
        cost = quantity = 0
        there = False
        end = min(end, self._world.today)
        for (first, last, is_fixed), (rate, amount) in spans.items():
            begin, stop = max(start, first), min(end, last)
            if begin >= stop:
                continue
            there = True
            cost += rate if is_fixed else rate * self._factors(begin, stop)
            quantity += amount * (stop - begin).days * 10**10
        return (cost, quantity) if there else None

    def detail(self, start: dt.date, end: dt.date) -> list[dict[str, Any]]:
        """Every line on every day, ungrouped: what the tests add up for themselves."""
        rows = []
        for line in self.lines:
            day = max(start, line.first)
            while day < min(end, line.end, self._world.today):
                units = line.fixed or line.rate * day_factor(day)
                rows.append(
                    {
                        "usage_date": day.isoformat(),
                        "account_id": line.account_id,
                        "service": line.service,
                        "region": line.region,
                        "record_type": line.record_type,
                        "usage_type": line.usage_type,
                        "tags": dict(line.tags),
                        "unblended_cost": decimal(units),
                    }
                )
                day += dt.timedelta(days=1)
        return rows

    def totals(self) -> list[dict[str, str]]:
        """Unblended cost by month, account and service: this month and the thirteen before it."""
        month = months_before(self._world.today.replace(day=1), 13)
        rows = []
        while month <= self._world.today:
            following = next_month(month)
            for keys, spans in self._grouped(["account_id", "service"], lambda _: True):
                if units := self._units(spans, month, following):
                    rows.append(
                        {
                            "month": month.isoformat(),
                            "account_id": keys[0],
                            "service": keys[1],
                            "unblended_cost": decimal(units[0]),
                        }
                    )
            month = following
        return rows

    def _grouped(self, by: list[str], wanted: Callable[[Line], bool]) -> Groups:
        groups: dict[tuple[str, ...], Spans] = defaultdict(dict)
        for line in self.lines:
            if not wanted(line):
                continue
            keys = tuple(
                f"{name[4:]}${line.tags.get(name[4:], '')}" if name.startswith("tag:") else str(getattr(line, name))
                for name in by
            )
            spans = groups[keys]
            key = (line.first, line.end, bool(line.fixed))
            rate, quantity = spans.get(key, (0, 0))
            spans[key] = (rate + (line.fixed or line.rate), quantity + line.quantity)
        return sorted(groups.items(), key=lambda item: item[0])

    # ------------------------------------------------------------------ Cost Explorer

    def query(self, caller: str, request: dict[str, Any], page_rows: int) -> dict[str, Any]:
        """GetCostAndUsage as the caller may see it: the payer its family, a member itself."""
        start, end = self._period(request)
        metrics = self._metrics(request)
        definitions = request.get("GroupBy") or []
        by = [self._group_by(definition) for definition in definitions]
        if len(by) > 2:
            raise invalid("Group by only supports up to 2 dimensions, tags, or cost categories")
        groups = self._groups_of(caller, request, by)
        periods = list(self._periods(start, end, request["Granularity"]))
        estimated_from = first_estimated(self._world.today)

        period, position = divmod(read_token(request.get("NextPageToken"), "InvalidNextTokenException"), 10**7)
        left = page_rows
        results: list[dict[str, Any]] = []
        token: str | None = None
        accounts: set[str] = set()
        while period < len(periods):
            if left == 0:
                token = make_token(period * 10**7 + position)
                break
            begin, stop = periods[period]
            found = [(keys, units) for keys, spans in groups if (units := self._units(spans, begin, stop))]
            taken = found[position : position + left] if by else []
            result: dict[str, Any] = {
                "TimePeriod": {"Start": begin.isoformat(), "End": stop.isoformat()},
                "Total": {} if by else self._amounts(metrics, found[0][1] if found else (0, 0)),
                "Groups": [{"Keys": list(keys), "Metrics": self._amounts(metrics, units)} for keys, units in taken],
                "Estimated": stop > estimated_from,
            }
            results.append(result)
            if "account_id" in by:
                accounts.update(keys[by.index("account_id")] for keys, _ in taken)
            left -= max(1, len(taken))
            position += len(taken)
            if position >= len(found) or not by:
                period, position = period + 1, 0
        answer: dict[str, Any] = {
            "ResultsByTime": results,
            "DimensionValueAttributes": [
                {"Value": account, "Attributes": {"description": self._world.accounts[account].name}}
                for account in sorted(accounts)
            ],
        }
        if definitions:
            answer["GroupDefinitions"] = definitions
        if token:
            answer["NextPageToken"] = token
        return answer

    def _groups_of(self, caller: str, request: dict[str, Any], by: list[str]) -> Groups:
        question = json.dumps([caller, by, request.get("Filter")], sort_keys=True)
        self._refresh()
        if question not in self._groups:
            matches = self._predicate(request.get("Filter") or {})
            family = caller == self._world.billing
            self._groups[question] = self._grouped(
                by, lambda line: (family or line.account_id == caller) and matches(line)
            )
            while len(self._groups) > 16:
                self._groups.popitem(last=False)
        return self._groups[question]

    def _period(self, request: dict[str, Any]) -> tuple[dt.date, dt.date]:
        if request.get("Granularity") not in {"DAILY", "MONTHLY"}:
            raise invalid(f"Granularity {request.get('Granularity')} is not available: DAILY or MONTHLY")
        try:
            start = dt.date.fromisoformat(request["TimePeriod"]["Start"])
            end = dt.date.fromisoformat(request["TimePeriod"]["End"])
        except ValueError as error:
            raise invalid("Start and End must be dates of the form yyyy-MM-dd") from error
        if start >= end:
            raise invalid("Start date (and hour) should be before end date (and hour)")
        if start > self._world.today:
            raise invalid("Start date (and hour) cannot be after the current date")
        if start < months_before(self._world.today.replace(day=1), 14):
            raise invalid("You haven't enabled historical data beyond 14 months")
        return start, end

    @staticmethod
    def _metrics(request: dict[str, Any]) -> list[str]:
        asked = request.get("Metrics") or []
        if not asked:
            raise invalid("At least one metric is required")
        names = [METRICS.get(metric.replace("_", "").lower()) for metric in asked]
        if None in names:
            raise invalid(f"Metric {asked[names.index(None)]} is invalid")
        return [name for name in names if name]

    @staticmethod
    def _group_by(definition: dict[str, Any]) -> str:
        kind, key = definition.get("Type"), str(definition.get("Key"))
        if kind == "TAG":
            return f"tag:{key}"
        if kind != "DIMENSION" or key not in DIMENSIONS:
            raise invalid(f"Group Definition {kind} {key} is invalid")
        return DIMENSIONS[key]

    @staticmethod
    def _periods(start: dt.date, end: dt.date, granularity: str) -> Iterator[tuple[dt.date, dt.date]]:
        while start < end:
            following = start + dt.timedelta(days=1)
            if granularity == "MONTHLY":
                following = min(end, next_month(start))
            yield start, following
            start = following

    @staticmethod
    def _amounts(metrics: list[str], units: tuple[int, int]) -> dict[str, dict[str, str]]:
        cost, quantity = units
        return {
            name: {"Amount": decimal(quantity), "Unit": "N/A"}
            if name in QUANTITIES
            else {"Amount": decimal(cost * PERCENT[name] // 100), "Unit": "USD"}
            for name in metrics
        }

    def _predicate(self, expression: dict[str, Any]) -> Callable[[Line], bool]:
        """A filter as a function of a line."""
        if not expression:
            return lambda _: True
        if len(expression) != 1:
            raise invalid("Expression should have only one operator or filter")
        ((kind, body),) = expression.items()
        if kind in {"And", "Or"}:
            parts = [self._predicate(part) for part in body]
            combine = all if kind == "And" else any
            return lambda line: combine(part(line) for part in parts)
        if kind == "Not":
            inner = self._predicate(body)
            return lambda line: not inner(line)
        values, options = set(body.get("Values") or []), body.get("MatchOptions") or []
        if kind == "Dimensions" and body.get("Key") in DIMENSIONS:
            name = DIMENSIONS[body["Key"]]
            return lambda line: getattr(line, name) in values
        if kind == "Tags":
            key = body.get("Key")
            if "ABSENT" in options:
                return lambda line: not line.tags.get(key)
            return lambda line: line.tags.get(key, "") in values
        raise invalid(f"{kind} {body.get('Key')} is invalid")
