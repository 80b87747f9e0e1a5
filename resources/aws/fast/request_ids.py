"""The AWS request ids of the latest responses: a response that comes twice is recognised by them."""

import threading

from botocore.exceptions import ConnectionClosedError

IDS_KEPT = 50_000
"""At least so many request ids are remembered, at most twice as many, which take about 10 MB.

A response can take another's place for a minute at most, the read timeout. Meanwhile 64 threads at 80 ms a request
receive 48,000.
"""


class UnclearResponse(ConnectionClosedError):  # type: ignore[misc]  # botocore publishes no types
    """What came back may be the response to another request. It was not used, and its connection is closed."""

    fmt = (
        "The response from {endpoint_url} may belong to another request: {error}. "
        "It was not used, and its connection was closed."
    )


class RequestIds:
    """The AWS request ids of the latest responses, so that a repeated response is recognised. Safe for threads.

    Args:
        kept: how many ids are remembered at least; at most twice as many are.
    """

    def __init__(self, kept: int = IDS_KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        # Of an id only its hash of 64 bits, in half of the memory: among a million ids two agree once in 10^8 nights.
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def seen(self, request_id: str) -> bool:
        """Whether this id came before; from now on it did."""
        key = hash(request_id)
        with self._lock:
            if key in self._newer or key in self._older:
                return True
            self._newer.add(key)
            if len(self._newer) >= self._kept:
                # Two sets that take turns: forgetting costs nothing for each id.
                self._older, self._newer = self._newer, set()
            return False

    def forget(self) -> None:
        """Remember none."""
        with self._lock:
            self._newer, self._older = set(), set()

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)
