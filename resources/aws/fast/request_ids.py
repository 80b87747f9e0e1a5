"""The AWS request ids of the latest responses, by which a repeated response is detected."""

import threading

from botocore.exceptions import ConnectionClosedError

IDS_KEPT = 50_000
"""The least number of request ids in memory; the most is twice as many, which take about 10 MB.

A late response can replace another one for at most a minute, the read timeout. In that time 64 threads at 80 ms a
request receive 48,000 responses.
"""


class UnclearResponse(ConnectionClosedError):  # type: ignore[misc]  # botocore publishes no types
    """The response may belong to another request. It was not used, and its connection is closed."""

    fmt = (
        "The response from {endpoint_url} may belong to another request: {error}. "
        "It was not used, and its connection was closed."
    )


class RequestIds:
    """The AWS request ids of the latest responses. Thread-safe.

    Args:
        kept: the least number of ids in memory; the most is twice as many.
    """

    def __init__(self, kept: int = IDS_KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        # Only a 64-bit hash of each id, in half of the memory: among a million ids two collide once in 10^8 runs.
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def seen(self, request_id: str) -> bool:
        """Whether this id came before; the id is remembered."""
        key = hash(request_id)
        with self._lock:
            if key in self._newer or key in self._older:
                return True
            self._newer.add(key)
            if len(self._newer) >= self._kept:
                # Two alternating sets: discarding the older one costs nothing per id.
                self._older, self._newer = self._newer, set()
            return False

    def forget(self) -> None:
        """Drop all ids."""
        with self._lock:
            self._newer, self._older = set(), set()

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)
