"""What AWS charges for a request, and what such a request needs before it may be sent."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Protocol

PRICES_USD: Mapping[str, Decimal] = MappingProxyType({"ce": Decimal("0.01")})
"""What AWS charges for a request to a service, in US dollars; each page of an answer is one.

A service that stands here is sent nothing without a meter. For another service with prices (CloudWatch's metrics,
Config) a line is added here, and a meter handed to whatever sends its requests.
"""


class Meter(Protocol):
    """Counts the requests that AWS charges for, before each is sent."""

    def reserve(self, service: str, operation: str) -> None:
        """Write down that one request is about to be sent.

        Raises:
            resources.aws.errors.Failed: with `REQUEST_LIMIT`, where the limit does not allow it. It must not be sent.
        """

    def turned_away(self, service: str, operation: str) -> None:
        """Write down that AWS throttled the last request: it is counted, but not charged."""


class Unmetered(RuntimeError):
    """A service that charges for its requests was asked where nobody counts them. Nothing was sent."""
