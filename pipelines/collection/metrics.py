"""The requests to CloudWatch: metrics of resources, at most 500 in a request. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

from pipelines.catalogue.metrics import MEASURED

QUERIES_A_REQUEST = 500
"""GetMetricData's maximum number of queries."""

DAY_SECONDS = 86400

DAYS = 30
"""Whole days before today, in UTC: long enough to call a resource idle. AWS charges by metric, not by day."""

SAMPLES = "SampleCount"


def is_candidate(listing: str, fields: Mapping[str, Any]) -> bool:
    """Whether a rule could judge a resource by its metrics: an instance that does not run is never idle.

    Args:
        listing: the listing of the resource.
        fields: captured fields of its record; a nested field is a mapping, or JSON text where the record was landed.
    """
    state = fields.get(MEASURED[listing].state_field)
    if isinstance(state, str):
        state = json.loads(state)
    return not isinstance(state, Mapping) or state.get("Name", "running") == "running"


class MetricRequests(Sequence[Mapping[str, Any]]):
    """The parameters of the requests for some resources of one account and region, each made when it is taken.

    A query's label is `namespace|dimension|resource|metric|statistic`; CloudWatch returns the label in its response.
    Two kilobytes a query, made all before the first is sent, were gigabytes in a large organisation.

    Args:
        resources: listing and id of each resource.
        today: the current day, which is not complete, UTC.
    """

    def __init__(self, resources: Iterable[tuple[str, str]], today: date) -> None:
        self._resources = tuple(sorted(set(resources)))
        midnight = datetime.combine(today, time(), UTC)
        self._period = {
            "StartTime": (midnight - timedelta(days=DAYS)).isoformat(),
            "EndTime": midnight.isoformat(),
        }
        self._count = -(-sum(1 for _ in _wanted(self._resources)) // QUERIES_A_REQUEST)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        wanted = enumerate(_wanted(self._resources))
        while queries := [_query(number, *one) for number, one in islice(wanted, QUERIES_A_REQUEST)]:
            yield {**self._period, "MetricDataQueries": queries}

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]


def _wanted(resources: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str, str, str]]:
    for listing, resource in resources:
        for metric, statistics in MEASURED[listing].metrics.items():
            for statistic in (SAMPLES, *statistics):
                yield listing, resource, metric, statistic


def _query(number: int, listing: str, resource: str, metric: str, statistic: str) -> Mapping[str, Any]:
    measured = MEASURED[listing]
    return {
        "Id": f"q{number}",
        "Label": "|".join((measured.namespace, measured.dimension, resource, metric, statistic)),
        "MetricStat": {
            "Metric": {
                "Namespace": measured.namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": measured.dimension, "Value": resource}],
            },
            "Period": DAY_SECONDS,
            "Stat": statistic,
        },
    }
