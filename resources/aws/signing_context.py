"""The signing context of a thread: whose credentials sign, and what the request in progress has cost so far.

It is the one state that all parts of the client share, so it is below them all. They receive a context or read that of
their thread, and never store it.
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
    """A shared client was used outside a signing context. Nothing was signed, so nothing was sent."""


@dataclass
class SigningContext:
    """The request that this thread works on: whose credentials sign, and its cost so far.

    Attributes:
        credentials: botocore's, which refresh themselves.
        stopping: once this event is set, nothing is retried.
        access_keys: ids of the access keys that signed its requests, in order.
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
    """The signing context of this thread; None outside a request."""
    return _CURRENT.get(None)


@contextmanager
def signing(context: SigningContext) -> Iterator[SigningContext]:
    """Sign with the credentials of `context` in this thread, for one request."""
    token = _CURRENT.set(context)
    try:
        yield context
    finally:
        _CURRENT.reset(token)


class SharedCredentials:
    """The credentials of the shared clients: looked up on each use, so that no client signs as the account before."""

    method = "named-profile"

    @property
    def _now(self) -> Any:
        context = current_context()
        if context is None:
            raise NoSigningContext(
                "A client that all accounts share was used outside of a request, so there is no profile to "
                "sign for. Nothing was sent. Use AwsClient.fetch, AwsClient.call or AwsClient.session."
            )
        return context.credentials

    def get_frozen_credentials(self) -> Any:
        """The present credentials, frozen; called by botocore."""
        return self._now.get_frozen_credentials()

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """A function that looks one property up when it is needed; called by botocore."""
        return lambda: getattr(self._now, name, None)

    @property
    def access_key(self) -> Any:
        """The id of the access key."""
        return self._now.access_key

    @property
    def secret_key(self) -> Any:
        """The secret access key."""
        return self._now.secret_key

    @property
    def token(self) -> Any:
        """The session token, if there is one."""
        return self._now.token

    @property
    def account_id(self) -> Any:
        """The account, if the profile's configuration names it."""
        return self._now.account_id


class FixedCredentials:
    """A botocore provider that returns given credentials."""

    METHOD = "named-profile"
    CANONICAL_NAME = None

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        """The given credentials."""
        return self._credentials
