"""Prices of the AWS requests that cost money, and the meter that such a request needs before it is sent."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol

PRICES_USD: Mapping[str, Decimal] = MappingProxyType({"ce": Decimal("0.01"), "cloudwatch": Decimal("0.00001")})
"""Price of one unit by service, in US dollars.

A unit of Cost Explorer is a request, and each page of a response is one. A unit of CloudWatch is a metric of
GetMetricData; AWS bills up to five statistics of one metric in one request as one metric, and each statistic counts
here, so a bill is at most what is counted. A service listed here is sent nothing without a meter. AWS Config's price
list has no charge for queries of an aggregator, so they are not listed.
"""

UNITS: Mapping[str, str] = MappingProxyType({"ce": "request", "cloudwatch": "metric"})
"""The unit that AWS charges for, by service."""


def units_of(service: str, parameters: Mapping[str, Any]) -> int:
    """The number of units of one request to a service of `PRICES_USD`."""
    return max(1, len(parameters.get("MetricDataQueries", ()))) if service == "cloudwatch" else 1


class Meter(Protocol):
    """Counts the requests that AWS charges for, before each is sent. Called from any thread."""

    def reserve(self, service: str, operation: str, units: int = 1) -> None:
        """Record that one request is about to be sent.

        Args:
            units: what AWS charges for in the request, by `units_of`.

        Raises:
            resources.aws.errors.Failed: with `REQUEST_LIMIT`, where the limit does not allow the request. It must not
                be sent.
        """

    def turned_away(self, service: str, operation: str, units: int = 1) -> None:
        """Record that AWS throttled the last request: it counts against the limit, but AWS does not charge for it."""


class Unmetered(RuntimeError):
    """A request to a priced service was about to be sent without a meter. Nothing was sent."""
