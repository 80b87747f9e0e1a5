"""Counts the requests of a role: in total, since the last reading, and for the request in progress."""

import threading
from collections.abc import Mapping
from typing import Any

from resources.aws.errors import is_throttle
from resources.aws.signing_context import current_context


class RequestCounter:
    """Counts the HTTP requests of one role. Thread-safe.

    Attributes:
        requests: all requests that were sent, those for credentials and identities included, and retries.
        throttles: how many of them AWS throttled.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.throttles = 0
        self._taken = 0
        self._lock = threading.Lock()

    def watch(self, session: Any) -> None:
        """Count the requests of all clients of a botocore session."""
        session.register("before-send", lambda **_: self.count_request())
        session.register("response-received", lambda parsed_response, **_: self.count_response(parsed_response))

    def count_request(self) -> None:
        """Count one request that is about to be sent."""
        context = current_context()
        with self._lock:
            self.requests += 1
            if context is not None:
                context.requests += 1

    def count_response(self, parsed: Mapping[str, Any] | None) -> None:
        """Count a response if it is a throttle.

        Args:
            parsed: the response as botocore parses it; None where none arrived.
        """
        if is_throttle(parsed or {}):
            context = current_context()
            with self._lock:
                self.throttles += 1
                if context is not None:
                    context.throttles += 1

    def take(self) -> int:
        """The number of requests since the previous call of `take`."""
        with self._lock:
            taken, self._taken = self.requests - self._taken, self.requests
        return taken

    def add(self, requests: int, throttles: int) -> None:
        """Add the counts of a worker process for this role."""
        with self._lock:
            self.requests += requests
            self.throttles += throttles
