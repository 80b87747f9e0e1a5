"""How many requests a role has sent: in all, since somebody last asked, and for the question that each belongs to."""

import threading
from collections.abc import Mapping
from typing import Any

from resources.aws.errors import is_throttle
from resources.aws.signing_context import current_context


class RequestCounter:
    """Counts what goes out for one role. Safe for threads.

    Attributes:
        requests: everything that went out, for credentials and identities too, retries included.
        throttles: how many of them were throttled.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.throttles = 0
        self._taken = 0
        self._lock = threading.Lock()

    def watch(self, session: Any) -> None:
        """Count what the clients of a botocore session send."""
        session.register("before-send", lambda **_: self.count_request())
        session.register("response-received", lambda parsed_response, **_: self.count_response(parsed_response))

    def count_request(self) -> None:
        """Count a request that goes out now."""
        context = current_context()
        with self._lock:
            self.requests += 1
            if context is not None:
                context.requests += 1

    def count_response(self, parsed: Mapping[str, Any] | None) -> None:
        """Count a response where it is a throttle.

        Args:
            parsed: as botocore parses it; None where nothing came back.
        """
        if is_throttle(parsed or {}):
            context = current_context()
            with self._lock:
                self.throttles += 1
                if context is not None:
                    context.throttles += 1

    def take(self) -> int:
        """How many have gone out since this was last asked."""
        with self._lock:
            taken, self._taken = self.requests - self._taken, self.requests
        return taken

    def add(self, requests: int, throttles: int) -> None:
        """Take into account what another process has sent for this role."""
        with self._lock:
            self.requests += requests
            self.throttles += throttles
