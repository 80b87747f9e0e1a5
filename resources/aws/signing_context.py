"""For whom the requests of this thread are signed, and what the question that they belong to has cost so far.

The one state that every part of the client shares, so it stands below all of them: they are handed a context or read
that of their thread, and keep nothing of it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from resources.aws.meter import Meter


class NoSigningContext(RuntimeError):
    """A shared client was used outside a question. Nothing was signed, so nothing was sent."""


@dataclass
class SigningContext:
    """The question that this thread is at: whose credentials sign, what it has cost so far.

    Attributes:
        credentials: botocore's, which refresh themselves.
        stopping: once it is set, patience ends.
        access_keys: ids of the keys that its requests were signed with, in their order.
    """

    profile: str
    credentials: Any
    stopping: threading.Event = field(default_factory=threading.Event)
    meter: Meter | None = None
    requests: int = 0
    throttles: int = 0
    lost_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    access_keys: dict[str, None] = field(default_factory=dict)


_CURRENT: ContextVar[SigningContext] = ContextVar("signing_context")


def current_context() -> SigningContext | None:
    """That of this thread; None outside a question."""
    return _CURRENT.get(None)


@contextmanager
def signing(context: SigningContext) -> Iterator[SigningContext]:
    """Sign for `context` in this thread, for the length of one question."""
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)


class SharedCredentials:
    """What the shared clients sign with: looked up each time, so that nobody signs as the account before."""

    method = "named-profile"

    @property
    def _now(self) -> Any:
        context = current_context()
        if context is None:
            raise NoSigningContext(
                "A client that all accounts share was used outside of a question, so there is no profile to "
                "sign for. Nothing was sent. Use AwsClient.fetch, AwsClient.call or AwsClient.session."
            )
        return context.credentials

    def get_frozen_credentials(self) -> Any:
        """Botocore's name for: as they are now."""
        return self._now.get_frozen_credentials()

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """Botocore's name for: one of them, looked up when it is needed."""
        return lambda: getattr(self._now, name, None)

    @property
    def access_key(self) -> Any:
        """The id of the key."""
        return self._now.access_key

    @property
    def secret_key(self) -> Any:
        """The key."""
        return self._now.secret_key

    @property
    def token(self) -> Any:
        """The session's token, if any."""
        return self._now.token

    @property
    def account_id(self) -> Any:
        """The account, if the profile knows it."""
        return self._now.account_id


class FixedCredentials:
    """A provider of botocore's that has its credentials already."""

    METHOD = "named-profile"
    CANONICAL_NAME = None

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        """Them."""
        return self._credentials
