"""CloudWatch: metrics of instances, databases and functions: what is idle can be told from what nobody measured.

An instance is busy, idle, measured now and then (three hours a day), or sends nothing at all. A database sends its
connections for as long as it runs, none of them too; Neptune's go elsewhere, so that nothing is known of them here. A
function sends a sample for a minute with invocations, and none at all for one without. Samples come every five minutes
from instances, as without detailed monitoring, every minute from the others; all those of an hour are alike, so that
every statistic of every period follows from one number an hour.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from simulator.databases import Database, Databases
from simulator.functions import Function, Functions
from simulator.pages import Handler, Output, Settings, bad_request, token_error
from simulator.wire import Call, make_token, read_token
from simulator.world import Instance, World, digest

Activity = Literal["busy", "idle", "sparse", "none"]
ACTIVITIES: tuple[Activity, ...] = ("busy", "idle", "none", "busy", "sparse")
OF_DATABASES: tuple[Activity, ...] = ("busy", "idle", "busy")
OF_FUNCTIONS: tuple[Activity, ...] = ("busy", "none", "sparse")
EC2, RDS, LAMBDA = "AWS/EC2", "AWS/RDS", "AWS/Lambda"
DIMENSIONS = {EC2: "InstanceId", RDS: "DBInstanceIdentifier", LAMBDA: "FunctionName"}
# Namespace, metric: unit, span of what is idle, span of any other.
METRICS: dict[str, dict[str, tuple[str, tuple[int, int], tuple[int, int]]]] = {
    EC2: {
        "CPUUtilization": ("Percent", (0, 2), (15, 85)),
        "NetworkIn": ("Bytes", (0, 4_000), (1_000_000, 90_000_000)),
        "NetworkOut": ("Bytes", (0, 3_000), (500_000, 70_000_000)),
    },
    RDS: {"DatabaseConnections": ("Count", (0, 0), (2, 60))},
    LAMBDA: {"Invocations": ("Count", (1, 1), (1, 900))},
}
STATISTICS = ("Average", "Maximum", "Minimum", "SampleCount", "Sum")
SAMPLES = {EC2: 300, RDS: 60, LAMBDA: 60}
HOUR = 3600
SPARSE_HOURS = 3
QUERIES_A_CALL = 500
POINTS_ON_A_PAGE = 1000
TOKEN_BASE = 10**7


@dataclass(frozen=True)
class Subject:
    """What metrics are about: `name` is its dimension's value; `first` and `end` are seconds since 1970, half open."""

    arn: str
    name: str
    namespace: str
    activity: Activity
    first: int
    end: int


@dataclass(frozen=True)
class Query:
    """One metric query of a request, as far as it finds something."""

    query_id: str
    label: str
    metric: str
    statistic: str
    period: int
    subject: Subject | None


Point = tuple[dt.datetime, float]


class Metrics:
    """The handlers and their truth, over what runs in a world."""

    def __init__(self, world: World, settings: Settings, databases: Databases, functions: Functions) -> None:
        self._world, self._settings = world, settings
        self._databases, self._functions = databases, functions
        self.handlers: dict[tuple[str, str], Handler] = {
            ("cloudwatch", "GetMetricData"): self._get_metric_data,
        }

    # ------------------------------------------------------------------ data

    def activity(self, item: Instance | Database | Function) -> Activity:
        """What something does while it runs."""
        if isinstance(item, Instance):
            return self._drawn(item.instance_id, ACTIVITIES)
        if isinstance(item, Database):
            return "none" if item.engine == "neptune" else self._drawn(item.arn, OF_DATABASES)
        return self._drawn(item.arn, OF_FUNCTIONS)

    def _drawn(self, name: str, activities: tuple[Activity, ...]) -> Activity:
        return activities[int(digest(self._world.seed, "activity", name)[:8], 16) % len(activities)]

    def _subject(self, item: Instance | Database | Function) -> Subject:
        if isinstance(item, Instance):
            name, namespace, started, ended = item.instance_id, EC2, item.launched_at, item.ended_on
        elif isinstance(item, Database):
            name, namespace, started, ended = item.name, RDS, item.created_at, item.stopped_on
        else:
            name, namespace, started, ended = item.name, LAMBDA, item.modified_at, None
        midnight = dt.datetime.combine(min(ended or self._world.today, self._world.today), dt.time(), dt.UTC)
        first = -(-int(started.timestamp()) // HOUR) * HOUR
        return Subject(item.arn, name, namespace, self.activity(item), first, max(first, int(midnight.timestamp())))

    def _there(self, account_id: str, region: str) -> Iterator[Subject]:
        """What is measured in one account and region."""
        for instance in self._world.instances(account_id, region):
            yield self._subject(instance)
        for database in self._databases.estate(account_id, region).instances:
            yield self._subject(database)
        for function in self._functions.of(account_id, region):
            yield self._subject(function)

    def _everywhere(self) -> Iterator[Subject]:
        for instance in self._world.all_instances():
            yield self._subject(instance)
        for database in self._databases.all_instances():
            yield self._subject(database)
        for function in self._functions.everywhere():
            yield self._subject(function)

    def _hour(self, subject: Subject, metric: str, hour: int) -> float | None:
        """The value of all samples of an hour (in hours since 1970), or None where there are none."""
        if subject.activity == "none" or (subject.activity == "sparse" and hour % 24 >= SPARSE_HOURS):
            return None
        _, idle, other = METRICS[subject.namespace][metric]
        low, high = idle if subject.activity == "idle" else other
        drawn = zlib.crc32(f"{self._world.seed}/{subject.name}/{metric}/{hour}".encode()) % 1000
        value = low + (high - low) * drawn / 1000
        return value if subject.namespace == EC2 else float(round(value))

    def statistics(self, subject: Subject, metric: str, start: int, period: int) -> dict[str, float] | None:
        """Every statistic of one period, or None without a sample in it."""
        begin, stop = max(start, subject.first), min(start + period, subject.end)
        total, count, values = 0.0, 0, []
        sample = SAMPLES[subject.namespace]
        at = begin
        while at < stop:
            following = min(stop, (at // HOUR + 1) * HOUR)
            samples = -(-following // sample) - -(-at // sample)
            value = self._hour(subject, metric, at // HOUR)
            if value is not None and samples:
                total, count = total + value * samples, count + samples
                values.append(value)
            at = following
        if not count:
            return None
        return {
            "Average": round(total / count, 6),
            "Maximum": max(values),
            "Minimum": min(values),
            "SampleCount": float(count),
            "Sum": round(total, 6),
        }

    def truth(self) -> dict[str, Any]:
        """What each instance, database and function does, as JSON data."""
        return {
            "metric_activity": [
                {"arn": instance.arn, "instance_id": instance.instance_id, "activity": self.activity(instance)}
                for instance in self._world.all_instances()
            ],
            "database_activity": [
                {"arn": database.arn, "activity": self.activity(database)}
                for database in self._databases.all_instances()
            ],
            "function_activity": [
                {"arn": function.arn, "activity": self.activity(function)} for function in self._functions.everywhere()
            ],
        }

    def daily(self, start: dt.date, end: dt.date) -> list[dict[str, Any]]:
        """Every statistic of everything, metric and day of a half-open period; days without data lack."""
        rows = []
        for subject in self._everywhere():
            for metric, (unit, _, _) in METRICS[subject.namespace].items():
                for number in range((end - start).days):
                    day = start + dt.timedelta(days=number)
                    second = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
                    if found := self.statistics(subject, metric, second, 24 * HOUR):
                        rows.append(
                            {
                                "arn": subject.arn,
                                "metric": metric,
                                "unit": unit,
                                "usage_date": day.isoformat(),
                                **found,
                            }
                        )
        return rows

    # ------------------------------------------------------------------ answers

    def _get_metric_data(self, call: Call) -> Output:
        queries = self._queries(call)
        start, end = (_second(call.parameters[name]) for name in ("StartTime", "EndTime"))
        if start >= end:
            raise bad_request("ValidationError", "The parameter StartTime must be less than EndTime.")
        newest_first = call.parameters.get("ScanBy") != "TimestampAscending"
        # A page ends after so many points, which may be in the midst of a result.
        first, skip = divmod(read_token(call.parameters.get("NextToken"), token_error(call)), TOKEN_BASE)
        left = self._points_on_a_page(call)
        results: list[Output] = []
        token = None
        for number, query in enumerate(queries[first:], first):
            points = sorted(self._points(query, start, end), reverse=newest_first)[skip:]
            if points and not left:
                token = make_token(number * TOKEN_BASE)
                break
            shown, left = points[:left], left - len(points[:left])
            is_cut = len(shown) < len(points)
            results.append(
                {
                    "Id": query.query_id,
                    "Label": query.label,
                    "Timestamps": [at for at, _ in shown],
                    "Values": [value for _, value in shown],
                    "StatusCode": "PartialData" if is_cut else "Complete",
                }
            )
            if is_cut:
                token = make_token(number * TOKEN_BASE + skip + len(shown))
                break
            skip = 0
        return {"MetricDataResults": results, **({"NextToken": token} if token else {}), "Messages": []}

    def _points_on_a_page(self, call: Call) -> int:
        most = self._settings.page_sizes.get("cloudwatch:GetMetricData", POINTS_ON_A_PAGE)
        return max(1, min(most, int(call.parameters.get("MaxDatapoints") or most)))

    def _queries(self, call: Call) -> list[Query]:
        asked = call.parameters.get("MetricDataQueries") or []
        if not 0 < len(asked) <= QUERIES_A_CALL:
            raise bad_request(
                "ValidationError",
                f"The collection MetricDataQueries must have a size between 1 and {QUERIES_A_CALL}.",
            )
        names = [query.get("Id", "") for query in asked]
        if len({*names}) < len(names):
            raise bad_request("ValidationError", "The values for parameter Id in MetricDataQueries repeat.")
        there = {(found.namespace, found.name): found for found in self._there(call.account_id, call.region)}
        return [self._query(query, there) for query in asked if query.get("ReturnData", True) is not False]

    @staticmethod
    def _query(query: dict[str, Any], there: dict[tuple[str, str], Subject]) -> Query:
        stat = query.get("MetricStat")
        if not stat:
            raise bad_request("ValidationError", "Only MetricStat queries are known here, no Expression.")
        if stat.get("Stat") not in STATISTICS:
            raise bad_request("ValidationError", f"The statistic {stat.get('Stat')} is not valid.")
        period = int(stat.get("Period") or 0)
        if period <= 0 or period % 60:
            raise bad_request("ValidationError", "Period must be a multiple of 60.")
        metric = stat.get("Metric") or {}
        name = str(metric.get("MetricName"))
        dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or []}
        namespace = str(metric.get("Namespace"))
        dimension = DIMENSIONS.get(namespace, "")
        known = name in METRICS.get(namespace, {}) and {*dimensions} == {dimension}
        return Query(
            query["Id"],
            str(query.get("Label") or name),
            name,
            stat["Stat"],
            period,
            there.get((namespace, dimensions[dimension])) if known else None,
        )

    def _points(self, query: Query, start: int, end: int) -> Iterator[Point]:
        subject = query.subject
        if subject is None:
            return
        at = max(-(-start // query.period), subject.first // query.period) * query.period
        while at < min(end, subject.end):
            found = self.statistics(subject, query.metric, at, query.period)
            if found:
                yield dt.datetime.fromtimestamp(at, dt.UTC), found[query.statistic]
            at += query.period


def _second(value: Any) -> int:
    if isinstance(value, dt.datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).timestamp()
    return int(float(value))
