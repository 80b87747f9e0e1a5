"""Prices of the AWS requests that cost money, and the meter that such a request needs before it is sent."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Protocol

PRICES_USD: Mapping[str, Decimal] = MappingProxyType({"ce": Decimal("0.01")})
"""Price of one request by service, in US dollars; each page of a response is one request.

A service listed here is sent nothing without a meter. To cover another priced service (CloudWatch metrics, Config), add
a line here and pass a meter to the code that sends its requests.
"""


class Meter(Protocol):
    """Counts the requests that AWS charges for, before each is sent."""

    def reserve(self, service: str, operation: str) -> None:
        """Record that one request is about to be sent.

        Raises:
            resources.aws.errors.Failed: with `REQUEST_LIMIT`, where the limit does not allow the request. It must not
                be sent.
        """

    def turned_away(self, service: str, operation: str) -> None:
        """Record that AWS throttled the last request: it counts as a request, but AWS does not charge for it."""


class Unmetered(RuntimeError):
    """A request to a priced service was about to be sent without a meter. Nothing was sent."""
