"""The bill, exact: integers of 1e-10 USD, so that every grouping adds up to the last digit.

A line costs on each day of its span: `rate` (in 1e-7 USD) times the factor of the day in thousandths (`varying`),
`rate` (in 1e-10 USD) every day (`steady`) or on the first of each month (`monthly`), or once, on its first day.
What a line is on each metric follows from its record type, by `SHARES`: per cent of that amount.

**Record types** are named as the API names them (AWS's "Term comparisons" of cost categories): `Usage`, `Tax`,
`Support`, `Credit` and `Refund` (negative), for Savings Plans `SavingsPlanCoveredUsage`, `SavingsPlanNegation`
(takes the covered usage back) and `SavingsPlanRecurringFee`, for reservations `DiscountedUsage` (free when
unblended), `RIFee` and `Upfront`. In the first region the second instance of each account lies under a savings plan
that the payer pays, the fourth is reserved by its own account; both commitments are used to nine tenths while their
instance runs and not at all afterwards. Unblended, amortized and net sums differ on every day. A reservation's fees
of 365 days are its amortized cost of 365 days, a plan's of every day.

**Services**: compute by instance, and what every account pays (`FLAT`): EBS, NAT, S3, KMS, CloudWatch, Route 53
(region `global`). Databases and functions say themselves what they cost. Tax, support and credits have the
region `NoRegion` and the usage type `NoUsageType`. There are amounts of 1e-9 and -1e-9 USD a day.

**Tags**: an instance's own; those of volumes and buckets have all six `bc:` keys, in several spellings of one value
(`SPELLINGS`). KMS, CloudWatch, NAT and whatever has no resource are without tags, as every eighth instance is.
`bc:project` is not activated: nothing has a value for it. The switches below move both borders, and
`simulator.cost_tags` activates keys late and backfills them.

**Time**: days of this month are estimated, until the 10th those of the previous month too. A credit for the last day
of a month appears on the 6th of the next month (the first workload account), so that a later night finds the day
restated. The account that was invited is billed from the 16th of the month before the last; one that has left, up
to the day before it left.

**Changes**: `restate` (an amount on a day, or on each day up to `until`, of any record type), `settle_bill` (the days
before `day` keep their lines whatever is changed later; without it new tags show on earlier days too), `add_account`
(from `joined_on`, by default today), `remove_account` (`left_on`), `stop_instance`, `close_account`, … **Switches** of
`configure`: `inactive_tags` and `unused_tags` (keys without values: not activated, activated but never used),
`refused_metrics`, `refused_groups` (such as `REGION`), `has_resource_costs` (the opt-in to resource-level data),
`incomplete_days` (how many of the last days are still short of their costs), `budget_lag_days`, `today`,
`billed_from` (the first day that costs anything), `unused_days` (on which nothing costs anything), `currency` (of
every amount, in place of USD).
**Truth**: `Simulator.ledger` has every line on every day with every metric, `Simulator.ledger_sums` the sums of
them, added up line by line and day by day; the budgets are the truth's part `budgets` (`simulator.budgets`).
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from simulator.cost_tags import CostTags
from simulator.pages import Settings
from simulator.world import Account, Instance, World

COMPUTE = "Amazon Elastic Compute Cloud - Compute"
OTHER = "EC2 - Other"
PLANS = "Savings Plans for AWS Compute usage"
NO_REGION, NO_USAGE_TYPE, NO_RESOURCE, NO_INSTANCE_TYPE = "NoRegion", "NoUsageType", "NoResourceId", "NoInstanceType"
RATES = {"t3.micro": 2_496_000, "t3.large": 19_968_100, "m5.large": 23_040_300, "c5.xlarge": 40_800_700}
DEFAULT_RATE = 120_960_900
REGION_CODES = {"us-east-1": "", "ap-southeast-2": "APS2-", "eu-west-1": "EU-"}

Mode = Literal["varying", "steady", "monthly", "once"]

METRICS = (
    "UnblendedCost",
    "BlendedCost",
    "AmortizedCost",
    "NetUnblendedCost",
    "NetAmortizedCost",
    "BilledCost",
    "ContractedCost",
    "ListCost",
)
QUANTITIES = ("UsageQuantity", "NormalizedUsageAmount")
# Per cent of a line's amount, in the order of METRICS.
SHARES: dict[str, tuple[int, ...]] = {
    "Usage": (100, 98, 100, 95, 95, 95, 96, 121),
    "Tax": (100, 100, 100, 100, 100, 100, 100, 100),
    "Support": (100, 100, 100, 95, 95, 95, 100, 100),
    "Credit": (100, 100, 100, 100, 100, 100, 0, 0),
    "Refund": (100, 100, 100, 100, 100, 100, 0, 0),
    "SavingsPlanCoveredUsage": (100, 98, 70, 100, 70, 0, 96, 121),
    "SavingsPlanNegation": (-100, -98, 0, -100, 0, 0, 0, 0),
    "SavingsPlanRecurringFee": (100, 100, 10, 100, 10, 100, 100, 100),
    "SavingsPlanRecurringFee, unused": (100, 100, 100, 100, 100, 100, 100, 100),
    "DiscountedUsage": (0, 45, 60, 0, 57, 0, 96, 121),
    "RIFee": (100, 100, 0, 95, 0, 95, 100, 100),
    "RIFee, unused": (0, 0, 100, 0, 95, 0, 0, 0),
    "Upfront": (100, 100, 0, 95, 0, 95, 100, 100),
    # Too small to take per cents of.
    "Usage, tiny": (100, 100, 100, 100, 100, 100, 100, 100),
}
SHARES_BY_METRIC = {
    metric: {name: shares[position] for name, shares in SHARES.items()} for position, metric in enumerate(METRICS)
}
PURCHASES = {
    "SavingsPlanCoveredUsage": "Savings Plans",
    "SavingsPlanNegation": "Savings Plans",
    "SavingsPlanRecurringFee": "Savings Plans",
    "DiscountedUsage": "Standard Reserved Instances",
    "RIFee": "Standard Reserved Instances",
    "Upfront": "Standard Reserved Instances",
}

COLUMNS = (
    "account_id",
    "service",
    "region",
    "record_type",
    "usage_type",
    "operation",
    "instance_type",
    "purchase_type",
    "resource_id",
)
"""Of the rows of the truth, beside the day, the tags and the amounts."""

RESTATED = "Restated"
"""The usage type of what `restate` adds."""

FIRST_DAY = dt.date(2023, 1, 1)
OPEN_END = dt.date(9999, 1, 1)
LATE_CREDIT_DAY = 6
REFUND_DAYS = ((1, 20), (4, 20), (7, 20), (10, 20))

SPELLINGS: dict[str, tuple[str, ...]] = {
    "bc:capability": ("Customer Billing", "customer-billing", "CUSTOMER BILLING", "Grid Operations", "grid_operations"),
    "bc:business-service": ("{service}", "{Service}", "{service}-svc", "{SERVICE}", " {service}"),
    "bc:business-owner": ("ana.tui@example.com", "Ana.Tui@example.com", "Jürgen Groß", "jürgen groß ", ""),
    "bc:cost-centre": ("00{n}", "CC-00{n}", "{n}", "cc00{n}", "00{n} "),
    "bc:environment": ("prod", "Prod", "PROD", "production", "non-prod", "NonProd", "dev"),
    "bc:project": ("meter-refresh", "Meter Refresh", "METER-REFRESH"),
}


TRAFFIC = "DataTransfer-Out-Bytes"


@dataclass(frozen=True)
class Flat:
    """What every account pays: one line, of so many units a day.

    Where an account has none of what a usage type names, the same is billed as traffic.
    """

    service: str
    usage_type: str
    operation: str
    rate: int
    quantity: int
    mode: Mode = "varying"
    share: str = "Usage"
    region: str = ""
    is_tagged: bool = False


FLAT = (
    Flat(OTHER, "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", 3_333_300, 40, is_tagged=True),
    Flat(OTHER, "EBS:SnapshotUsage", "CreateSnapshot", 411_100, 9, is_tagged=True),
    Flat(OTHER, "NatGateway-Hours", "NatGateway", 10_800_000_000, 24, "steady"),
    Flat(OTHER, "ElasticIP:IdleAddress", "AssociateAddressVPC", 50_000_000, 24, "steady"),
    Flat("Amazon Simple Storage Service", "TimedStorage-ByteHrs", "StandardStorage", 1_234_500, 17, is_tagged=True),
    Flat("Amazon Simple Storage Service", "Requests-Tier1", "PutObject", 10, 1, "steady", "Usage, tiny"),
    Flat("AWS Key Management Service", "KMS-Requests", "Decrypt", 12_300, 3),
    Flat("AWS Key Management Service", "KMS-Keys", "Unknown", -10, 1, "steady", "Usage, tiny"),
    Flat("AmazonCloudWatch", "CW:MetricMonitorUsage", "MetricStorage", 456_700, 11),
    Flat("Amazon Route 53", "HostedZone", "HostedZone", 166_600_000, 1, "steady", region="global"),
)

FURTHER = (
    ("Amazon DynamoDB", "TimedStorage-ByteHrs"),
    ("Amazon ElastiCache", "NodeUsage:cache.r6g.large"),
    ("Amazon Redshift", "Node:ra3.xlplus"),
    ("Amazon OpenSearch Service", "ESInstance:m5.large"),
    ("Amazon Elastic Load Balancing", "LoadBalancerUsage"),
    ("Amazon CloudFront", "Requests-Tier2-HTTPS"),
    ("AWS Glue", "ETL-DPU-Hour"),
    ("Amazon Athena", "DataScannedInTB"),
    ("AWS Config", "ConfigurationItemRecorded"),
    ("AWS CloudTrail", "PaidEventsRecorded"),
    ("Amazon GuardDuty", "PaidEventsAnalyzed"),
    ("AWS Security Hub", "PaidComplianceCheck"),
    ("AWS WAF", "WebACLV2"),
    ("Amazon Simple Queue Service", "Requests-Tier1"),
    ("Amazon Simple Notification Service", "Requests-Tier1"),
    ("Amazon Elastic File System", "TimedStorage-ByteHrs"),
    ("Amazon FSx", "Storage.MultiAZ:FSx"),
    ("AWS Backup", "WarmStorage-ByteHrs-EBS"),
    ("Amazon Elastic Container Service", "Fargate-vCPU-Hours:perCPU"),
    ("Amazon EC2 Container Registry (ECR)", "TimedStorage-ByteHrs"),
    ("Amazon Elastic Container Service for Kubernetes", "AmazonEKS-Hours:perCluster"),
    ("AWS Step Functions", "StateTransition"),
    ("Amazon API Gateway", "ApiGatewayRequest"),
    ("Amazon Kinesis", "Storage-ShardHour"),
    ("Amazon Kinesis Firehose", "BilledBytes"),
    ("Amazon Managed Streaming for Apache Kafka", "Kafka.m5.large"),
    ("AWS Secrets Manager", "AWSSecretsManager-Secrets"),
    ("AWS Systems Manager", "PS-Advanced-Param-Tier1"),
    ("Amazon SageMaker", "Host:ml.m5.large"),
    ("CodeBuild", "Build-Min:Linux:g1.small"),
    ("AWS Database Migration Service", "InstanceUsg:dms.t3.medium"),
    ("Amazon WorkSpaces", "AW-HW-2-AutoStop-Usage"),
    ("Amazon MQ", "mq.m5.large"),
    ("AWS Transfer Family", "ProtocolHours"),
)
"""Services and usage types of `further_services`, under which nothing that these accounts list is billed."""


SERVICE_OF = {OTHER: "ec2", "Amazon Simple Storage Service": "s3", "Amazon Route 53": "route53"}
"""The services by which an account says what it uses; the others are all one."""


@dataclass(frozen=True)
class Line:
    """One thing that costs."""

    account_id: str
    service: str
    region: str
    usage_type: str
    record_type: str = "Usage"
    operation: str = "NoOperation"
    instance_type: str = NO_INSTANCE_TYPE
    resource_id: str = NO_RESOURCE
    tags: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = "varying"
    rate: int = 0
    quantity: int = 0
    first: dt.date = FIRST_DAY
    end: dt.date = OPEN_END
    share: str = ""

    @property
    def shares(self) -> str:
        """The key of its shares."""
        return self.share or self.record_type

    @property
    def purchase_type(self) -> str:
        """How it was bought."""
        return PURCHASES.get(self.record_type, "On Demand Instances")

    def units(self, day: dt.date, factor: int) -> int | None:
        """Its amount on a day of its span, or None where it has none then."""
        if self.mode == "varying":
            return self.rate * factor
        return None if self.mode == "monthly" and day.day != 1 else self.rate


def first_estimated(today: dt.date) -> dt.date:
    """The first day that AWS still calls estimated: of this month, until the 10th of the previous one."""
    month = month_of(today)
    return month if today.day > 10 else month_before(month)


def month_of(day: dt.date) -> dt.date:
    """The first day of its month."""
    return day.replace(day=1)


def month_before(month: dt.date, count: int = 1) -> dt.date:
    """The first day of an earlier month."""
    number = month.year * 12 + month.month - 1 - count
    return dt.date(number // 12, number % 12 + 1, 1)


def next_month(day: dt.date) -> dt.date:
    """The first day of the month after that of a day."""
    return month_before(day, -1)


def decimal(units: int) -> str:
    """Units of 1e-10 as AWS writes amounts: no trailing zeros, no exponent."""
    whole, fraction = divmod(abs(units), 10**10)
    text = f"{whole}.{fraction:010d}".rstrip("0").rstrip(".")
    return f"-{text}" if units < 0 else text


def day_factor(day: dt.date) -> int:
    """Thousandths: weekends are cheaper, and no two neighbouring days are alike."""
    return (850 if day.weekday() >= 5 else 1000) + day.toordinal() % 30


Span = tuple[int, int, Mode, str]
"""Ordinals of the first day and of the day after the last, mode, and shares."""

Spans = dict[Span, tuple[int, int]]
"""The lines of a group: rate and units a day, of those that are alike in time."""

Groups = list[tuple[tuple[str, ...], Spans]]
"""Groups by their keys, in the order in which they are answered."""


@dataclass
class Sum:
    """What a group costs in a period: units by shares, and the quantity."""

    units: dict[str, int] = field(default_factory=dict)
    quantity: int = 0

    def amount(self, metric: str) -> int:
        """The sum on one metric."""
        share_of = SHARES_BY_METRIC[metric]
        found = 0
        for share, units in self.units.items():
            found += units * share_of[share]
        return found // 100


Key = Callable[[Line], str]


class Ledger:
    """The lines of a world with those that `others` add, and what groups of them cost."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        others: Iterable[Callable[[], Iterator[Line]]] = (),
        has: Mapping[str, Callable[[str, str], bool]] | None = None,
    ) -> None:
        self.world, self._settings, self._others = world, settings, tuple(others)
        self.tags = CostTags(world, settings)
        self._has = has or {}
        self._version = -1
        self._lines: dict[str, list[Line]] = {}
        self._added: dict[str, list[Line]] = {}
        self._prefix: list[int] = []
        self._past: dict[str, list[Line]] = {}
        self._settled = FIRST_DAY
        """The first day whose lines follow from the world as it is; those before it are in `_past`."""
        world.parts.append(self)

    # ------------------------------------------------------------------ lines

    @property
    def version(self) -> int:
        """Changes with everything that lines are derived from."""
        return self.world.version

    def lines(self, account_id: str | None = None) -> Iterable[Line]:
        """Every line, or those of one account."""
        self._refresh()
        for account in [account_id] if account_id else self.world.accounts:
            if account not in self._lines:
                self._lines[account] = list(self._derive(self.world.accounts[account]))
        if account_id:
            return self._lines[account_id]
        return itertools.chain.from_iterable(self._lines[account] for account in self.world.accounts)

    def _refresh(self) -> None:
        """Derive everything again after a change of the world."""
        if self._version == self.world.version:
            return
        self._lines.clear()
        self._added.clear()
        for line in itertools.chain.from_iterable(lines() for lines in self._others):
            self._added.setdefault(line.account_id, []).append(line)
        self._version = self.world.version
        days = (self.world.today - FIRST_DAY).days
        factors = (self.factor(FIRST_DAY + dt.timedelta(days=n)) for n in range(days))
        self._prefix = [0, *itertools.accumulate(factors)]

    def settle(self, day: dt.date) -> None:
        """Let each day before this one keep its lines, whatever becomes of what was paid for."""
        self._past = {
            account: [
                replace(line, end=min(line.end, day))
                for line in self.lines(account)
                if line.first < day and line.usage_type != RESTATED
            ]
            for account in self.world.accounts
        }
        self._settled = day

    def _change_settle_bill(self, day: str) -> dict[str, Any]:
        self.settle(dt.date.fromisoformat(day))
        return {"day": day}

    def factor(self, day: dt.date) -> int:
        """The day's factor; of the newest days only a part of the costs has arrived."""
        is_short = (self.world.today - day).days <= self._settings.incomplete_days
        return day_factor(day) * 6 // 10 if is_short else day_factor(day)

    def _derive(self, account: Account) -> Iterator[Line]:
        """The lines of one account, cut to the time in which the payer paid for it."""
        first, end = max(FIRST_DAY, account.joined_at.date()), account.left_on or OPEN_END
        if self._settings.billed_from:
            first = max(first, self._settings.billed_from)
        yield from self._past.get(account.account_id, ())
        for line in self._uncut(account, self.world.numbers[account.account_id]):
            since = first if line.usage_type == RESTATED else max(first, self._settled)
            begin, stop = max(line.first, since), min(line.end, end)
            if begin >= stop or (line.mode == "once" and begin != line.first):
                continue
            for used_from, used_until in self._used(begin, stop):
                yield from self._tagged(replace(line, first=used_from, end=used_until))

    def _used(self, begin: dt.date, stop: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
        """The spans of days from `begin` to before `stop` that are not among the unused ones."""
        for day in self._settings.unused_days:
            if begin <= day < stop:
                if begin < day:
                    yield begin, day
                begin = day + dt.timedelta(days=1)
        if begin < stop:
            yield begin, stop

    def _tagged(self, line: Line) -> Iterator[Line]:
        """A line with the tags that the bill shows, in spans of days that show the same keys."""
        borders = [day for day in self.tags.borders() if line.first < day < line.end] if line.tags else []
        for first, end in itertools.pairwise([line.first, *borders, line.end]):
            tags = {key: value for key, value in line.tags.items() if self.tags.shows(key, first)}
            yield replace(line, first=first, end=end, tags=tags)

    def _uncut(self, account: Account, number: int) -> Iterator[Line]:
        for region in self.world.regions:
            for instance in self.world.instances(account.account_id, region):
                yield from _compute(instance, self.world)
        home = self.world.regions[number % len(self.world.regions)]
        for position, flat in enumerate(FLAT):
            if not self.world.uses(account.account_id, SERVICE_OF.get(flat.service, "other")):
                continue
            yield Line(
                account.account_id,
                flat.service,
                flat.region or home,
                self._usage_type(flat, account.account_id),
                operation=flat.operation,
                tags=_spelt(account, number + position) if flat.is_tagged and number % 5 != 4 else {},
                mode=flat.mode,
                rate=flat.rate + (100 * number if flat.mode == "varying" else 0),
                quantity=flat.quantity,
                share=flat.share,
            )
        for position, (service, usage_type) in enumerate(FURTHER[: self._settings.further_services]):
            if (number + position) % 3 == 0:
                yield Line(
                    account.account_id, service, home, usage_type, rate=10**6 * (7 + position) + number, quantity=5
                )
        yield from self._charges(account, number)
        yield from self._added.get(account.account_id, [])
        for restated in self.world.restatements:
            if restated.account_id == account.account_id:
                yield Line(
                    restated.account_id,
                    restated.service,
                    self.world.regions[0],
                    RESTATED,
                    restated.record_type,
                    mode="steady",
                    rate=restated.amount,
                    first=restated.usage_date,
                    end=restated.until,
                )

    def _usage_type(self, flat: Flat, account_id: str) -> str:
        has = self._has.get(flat.usage_type)
        if has is None or any(has(account_id, region) for region in self.world.regions):
            return flat.usage_type
        return TRAFFIC

    def _charges(self, account: Account, number: int) -> Iterator[Line]:
        """Tax for everybody on the first of the month, support for the payer, credits and refunds for some."""

        def charge(service: str, record_type: str, mode: Mode, rate: int, first: dt.date = FIRST_DAY) -> Line:
            end = first + dt.timedelta(days=1) if mode == "once" else OPEN_END
            return Line(
                account.account_id,
                service,
                NO_REGION,
                NO_USAGE_TYPE,
                record_type,
                mode=mode,
                rate=rate,
                first=first,
                end=end,
            )

        yield charge("Tax", "Tax", "monthly", 10**8 * (31_415 + 13 * number))
        if account.account_id == self.world.billing:
            yield charge("AWS Support (Business)", "Support", "monthly", 10**10 * 1_250)
        if account.account_id == self.world.operations:
            yield charge("AmazonCloudWatch", "Credit", "monthly", -(10**8) * 777)
            years = range(FIRST_DAY.year, self.world.today.year + 1)
            for day in (dt.date(year, *month_and_day) for year in years for month_and_day in REFUND_DAYS):
                yield charge(OTHER, "Refund", "once", -(10**7) * 12_345, day)
        if account.account_id == next((a.account_id for a in self.world.reachable()), ""):
            month = FIRST_DAY
            while next_month(month).replace(day=LATE_CREDIT_DAY) <= self.world.today:
                last = next_month(month) - dt.timedelta(days=1)
                yield charge("AmazonCloudWatch", "Credit", "once", -(10**6) * 4_321, last)
                month = next_month(month)

    # ------------------------------------------------------------------ amounts

    def total(self, spans: Spans, start: dt.date, end: dt.date) -> Sum | None:
        """What a group costs in a period, or None where it has no line then."""
        begins, ends = start.toordinal(), min(end, self.world.today).toordinal()
        origin = FIRST_DAY.toordinal()
        found: dict[str, int] = {}
        quantity = 0
        for (first, last, mode, share), (rate, amount) in spans.items():
            begin, stop = max(begins, first), min(ends, last)
            if begin >= stop:
                continue
            days = stop - begin
            if mode == "varying":
                units = rate * (self._prefix[stop - origin] - self._prefix[begin - origin])
            elif mode == "monthly":
                days = _firsts(begin, stop)
                if not days:
                    continue
                units = rate * days
            else:
                units = rate * days
            found[share] = found.get(share, 0) + units
            quantity += amount * days * 10**10
        return Sum(found, quantity) if found else None

    def grouped(self, by: Sequence[Key], wanted: Callable[[Line], bool], account_id: str | None = None) -> Groups:
        """The lines (of one account) that are wanted, in groups of those that are alike in these keys."""
        groups: dict[tuple[str, ...], Spans] = defaultdict(dict)
        for line in self.lines(account_id):
            if not wanted(line):
                continue
            spans = groups[tuple(key(line) for key in by)]
            span = (line.first.toordinal(), line.end.toordinal(), line.mode, line.shares)
            rate, quantity = spans.get(span, (0, 0))
            spans[span] = (rate + line.rate, quantity + line.quantity)
        return sorted(groups.items(), key=lambda item: item[0])

    # ------------------------------------------------------------------ truth

    def days(self, start: dt.date, end: dt.date) -> Iterator[tuple[Line, dt.date, int]]:
        """Every line on every day with its amount, one by one: nothing is shared with `total`."""
        today = self.world.today
        days = [start + dt.timedelta(days=n) for n in range((min(end, today) - start).days)]
        factors = {day: self.factor(day) for day in days}
        for line in self.lines():
            for day in days:
                if line.first <= day < line.end and (units := line.units(day, factors[day])) is not None:
                    yield line, day, units

    def detail(self, start: dt.date, end: dt.date) -> list[dict[str, Any]]:
        """Every line on every day, ungrouped: what the tests add up for themselves."""
        return [
            {
                "usage_date": day.isoformat(),
                **{name: getattr(line, name) for name in COLUMNS},
                "tags": line.tags,
                "usage_quantity": str(line.quantity),
                **{
                    _snake(metric): decimal(units * share // 100)
                    for metric, share in zip(METRICS, SHARES[line.shares], strict=True)
                },
            }
            for line, day, units in self.days(start, end)
        ]

    def sums(self, start: dt.date, end: dt.date, by: Sequence[str]) -> list[dict[str, str]]:
        """The rows of `detail` added up by some of their columns (`tag:KEY` for a tag, `month` for the month)."""
        keys = [row_key(name) for name in by]
        found: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line, day, units in self.days(start, end):
            found[tuple(key(line, day) for key in keys)][line.shares] += units
        return [
            {
                **dict(zip(by, values, strict=True)),
                **{_snake(metric): decimal(Sum(units).amount(metric)) for metric in METRICS},
            }
            for values, units in sorted(found.items())
        ]

    def totals(self) -> list[dict[str, str]]:
        """Unblended cost by month, account and service: this month and the thirteen before it."""
        month = month_before(self.world.today, 13)
        rows = []
        groups = self.grouped([lambda line: line.account_id, lambda line: line.service], lambda _: True)
        while month <= self.world.today:
            following = next_month(month)
            for keys, spans in groups:
                if total := self.total(spans, month, following):
                    rows.append(
                        {
                            "month": month.isoformat(),
                            "account_id": keys[0],
                            "service": keys[1],
                            "unblended_cost": decimal(total.amount("UnblendedCost")),
                        }
                    )
            month = following
        return rows


def row_key(name: str) -> Callable[[Line, dt.date], str]:
    """The value of a column of the ledger's rows."""
    if name == "usage_date":
        return lambda _, day: day.isoformat()
    if name == "month":
        return lambda _, day: month_of(day).isoformat()
    if name.startswith("tag:"):
        return lambda line, _: line.tags.get(name[4:], "")
    if name not in COLUMNS:
        raise ValueError(f"the ledger has no column {name}")
    return lambda line, _: str(getattr(line, name))


def _snake(metric: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in metric).lstrip("_")


def _firsts(begin: int, stop: int) -> int:
    """How many first days of months lie in a period."""
    if stop - begin == 1:
        return int(dt.date.fromordinal(begin).day == 1)
    first, last = dt.date.fromordinal(begin - 1), dt.date.fromordinal(stop - 1)
    return (last.year - first.year) * 12 + last.month - first.month


def _spelt(account: Account, number: int) -> dict[str, str]:
    """All six keys; the same value is spelt differently by different people."""
    service = account.application or "platform"
    words = {"service": service, "Service": service.title(), "SERVICE": service.upper(), "n": number % 7}
    return {
        key: spellings[(number + position) % len(spellings)].format(**words)
        for position, (key, spellings) in enumerate(SPELLINGS.items())
    }


def _compute(instance: Instance, world: World) -> Iterator[Line]:
    """An instance on demand, or what a commitment makes of it.

    A plan's fee of 7 carries usage of 9 at 70 per cent: nine tenths of it. A reservation of 10 carries usage of 9 at
    60 per cent; two thirds of that are paid month by month, a third upfront for 365 days.
    """
    code = REGION_CODES.get(instance.region, instance.region + "-")
    rate = RATES.get(instance.instance_type, DEFAULT_RATE)
    first, ended = instance.launched_at.date(), instance.ended_on or OPEN_END
    same: dict[str, Any] = {"region": instance.region, "first": first}
    runs = {
        **same,
        "account_id": instance.account_id,
        "service": COMPUTE,
        "usage_type": f"{code}BoxUsage:{instance.instance_type}",
        "operation": "RunInstances",
        "instance_type": instance.instance_type,
        "resource_id": instance.instance_id,
        "tags": instance.tags,
        "quantity": 24,
        "end": ended,
    }
    if instance.purchase == "on_demand":
        yield Line(**runs, rate=rate)
        return
    part = rate * 120
    if instance.purchase == "savings_plan":
        yield Line(**runs, record_type="SavingsPlanCoveredUsage", mode="steady", rate=9 * part)
        yield Line(**{**runs, "quantity": 0}, record_type="SavingsPlanNegation", mode="steady", rate=9 * part)
        fee = {
            **same,
            "account_id": world.billing,
            "service": PLANS,
            "usage_type": f"{code}ComputeSP:1yrNoUpfront",
            "record_type": "SavingsPlanRecurringFee",
            "mode": "steady",
            "rate": 7 * part,
        }
        yield Line(**{**fee, "end": ended})
        yield Line(**{**fee, "first": max(first, ended)}, share="SavingsPlanRecurringFee, unused")
        return
    yield Line(**runs, record_type="DiscountedUsage", mode="steady", rate=9 * part)
    bought = {
        **same,
        "account_id": instance.account_id,
        "service": COMPUTE,
        "usage_type": f"{code}HeavyUsage:{instance.instance_type}",
        "instance_type": instance.instance_type,
    }
    reserved = 10 * part
    yield Line(**bought, record_type="RIFee", mode="monthly", rate=reserved * 40 // 100 * 365 // 12)
    idle = {**bought, "record_type": "RIFee", "mode": "steady", "share": "RIFee, unused"}
    yield Line(**{**idle, "end": ended}, rate=reserved * 6 // 100)
    yield Line(**{**idle, "first": max(first, ended)}, rate=reserved * 60 // 100)
    for term in range((world.today - first).days // 365 + 1):
        day = first + dt.timedelta(days=365 * term)
        yield Line(
            **{**bought, "first": day},
            record_type="Upfront",
            mode="once",
            rate=reserved * 20 // 100 * 365,
            end=day + dt.timedelta(days=1),
        )
