"""CloudWatch: three metrics of every instance, from which idle ones can be told from those nobody measured.

An instance is busy, idle, measured now and then (three hours a day), or sends nothing at all. Samples come every
five minutes, as without detailed monitoring; all those of an hour are alike, so that every statistic of every
period follows from one number an hour.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from simulator.pages import Handler, Output, Settings, bad_request, token_error
from simulator.wire import Call, make_token, read_token
from simulator.world import Instance, World, digest

Activity = Literal["busy", "idle", "sparse", "none"]
ACTIVITIES: tuple[Activity, ...] = ("busy", "idle", "none", "busy", "sparse")
NAMESPACE = "AWS/EC2"
# Metric: unit, span of an idle instance, span of any other.
METRICS: dict[str, tuple[str, tuple[int, int], tuple[int, int]]] = {
    "CPUUtilization": ("Percent", (0, 2), (15, 85)),
    "NetworkIn": ("Bytes", (0, 4_000), (1_000_000, 90_000_000)),
    "NetworkOut": ("Bytes", (0, 3_000), (500_000, 70_000_000)),
}
STATISTICS = ("Average", "Maximum", "Minimum", "SampleCount", "Sum")
SAMPLE, SAMPLES_AN_HOUR, HOUR = 300, 12, 3600
SPARSE_HOURS = 3
QUERIES_A_CALL = 500
POINTS_ON_A_PAGE = 1000
TOKEN_BASE = 10**7


@dataclass(frozen=True)
class Query:
    """One metric query of a request, as far as it finds an instance."""

    query_id: str
    label: str
    metric: str
    statistic: str
    period: int
    instance: Instance | None


Point = tuple[dt.datetime, float]


class Metrics:
    """The handlers and their truth, over the instances of a world."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self.handlers: dict[tuple[str, str], Handler] = {
            ("cloudwatch", "GetMetricData"): self._get_metric_data,
            ("cloudwatch", "ListMetrics"): self._list_metrics,
        }

    # ------------------------------------------------------------------ data

    def activity(self, instance: Instance) -> Activity:
        """What an instance does while it runs."""
        return ACTIVITIES[int(digest(self._world.seed, "activity", instance.instance_id)[:8], 16) % 5]

    def _span(self, instance: Instance) -> tuple[int, int]:
        """First second with data, and the one after the last."""
        end = min(instance.ended_on or self._world.today, self._world.today)
        midnight = dt.datetime.combine(end, dt.time(), dt.UTC)
        first = -(-int(instance.launched_at.timestamp()) // HOUR) * HOUR
        return first, max(first, int(midnight.timestamp()))

    def _hour(self, instance: Instance, metric: str, hour: int) -> float | None:
        """The value of all samples of an hour (in hours since 1970), or None where there are none."""
        activity = self.activity(instance)
        if activity == "none" or (activity == "sparse" and hour % 24 >= SPARSE_HOURS):
            return None
        _, idle, other = METRICS[metric]
        low, high = idle if activity == "idle" else other
        drawn = zlib.crc32(f"{self._world.seed}/{instance.instance_id}/{metric}/{hour}".encode()) % 1000
        return low + (high - low) * drawn / 1000

    def statistics(self, instance: Instance, metric: str, start: int, period: int) -> dict[str, float] | None:
        """Every statistic of one period, or None without a sample in it."""
        first, end = self._span(instance)
        begin, stop = max(start, first), min(start + period, end)
        total, count, values = 0.0, 0, []
        at = begin
        while at < stop:
            following = min(stop, (at // HOUR + 1) * HOUR)
            samples = -(-following // SAMPLE) - -(-at // SAMPLE)
            value = self._hour(instance, metric, at // HOUR)
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
        """What each instance does, as JSON data."""
        return {
            "metric_activity": [
                {"arn": instance.arn, "instance_id": instance.instance_id, "activity": self.activity(instance)}
                for instance in self._world.all_instances()
            ]
        }

    def daily(self, start: dt.date, end: dt.date) -> list[dict[str, Any]]:
        """Every statistic of every instance, metric and day of a half-open period; days without data lack."""
        rows = []
        for instance in self._world.all_instances():
            for metric, (unit, _, _) in METRICS.items():
                for number in range((end - start).days):
                    day = start + dt.timedelta(days=number)
                    second = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
                    if found := self.statistics(instance, metric, second, 24 * HOUR):
                        rows.append(
                            {
                                "arn": instance.arn,
                                "metric": metric,
                                "unit": unit,
                                "usage_date": day.isoformat(),
                                **found,
                            }
                        )
        return rows

    # ------------------------------------------------------------------ answers

    def _list_metrics(self, call: Call) -> Output:
        """The metrics that had data within the last two weeks."""
        recent = dt.datetime.combine(self._world.today, dt.time(), dt.UTC) - dt.timedelta(days=14)
        asked = call.parameters
        wanted = {(item["Name"], item.get("Value")) for item in asked.get("Dimensions") or []}
        found = [
            (instance.instance_id, metric)
            for instance in self._world.instances(call.account_id, call.region)
            if self.activity(instance) != "none" and self._span(instance)[1] > recent.timestamp()
            for metric in METRICS
            if asked.get("MetricName") in {None, metric}
            and asked.get("Namespace") in {None, NAMESPACE}
            and wanted <= {("InstanceId", None), ("InstanceId", instance.instance_id)}
        ]
        return self._settings.page(
            call,
            "Metrics",
            found,
            lambda item: {
                "Namespace": NAMESPACE,
                "MetricName": item[1],
                "Dimensions": [{"Name": "InstanceId", "Value": item[0]}],
            },
        )

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
        there = {i.instance_id: i for i in self._world.instances(call.account_id, call.region)}
        return [self._query(query, there) for query in asked if query.get("ReturnData", True) is not False]

    @staticmethod
    def _query(query: dict[str, Any], there: dict[str, Instance]) -> Query:
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
        known = metric.get("Namespace") == NAMESPACE and name in METRICS and {*dimensions} == {"InstanceId"}
        return Query(
            query["Id"],
            str(query.get("Label") or name),
            name,
            stat["Stat"],
            period,
            there.get(dimensions["InstanceId"]) if known else None,
        )

    def _points(self, query: Query, start: int, end: int) -> Iterator[Point]:
        if query.instance is None:
            return
        first, last = self._span(query.instance)
        at = max(-(-start // query.period), first // query.period) * query.period
        while at < min(end, last):
            found = self.statistics(query.instance, query.metric, at, query.period)
            if found:
                yield dt.datetime.fromtimestamp(at, dt.UTC), found[query.statistic]
            at += query.period


def _second(value: Any) -> int:
    if isinstance(value, dt.datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).timestamp()
    return int(float(value))
