"""An optional transport that is faster than botocore's own, and is compared with botocore at start."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from resources.aws.transport import OperationModels, SessionTransport

_logger = logging.getLogger(__name__)


def fast_transport(
    loader: Any,
    allow: Callable[[str, str], None],
    sent: Callable[[], None],
    on_response: Callable[[dict[str, Any]], None],
    models: OperationModels,
    **settings: Any,
) -> SessionTransport | None:
    """The fast transport; None, with one warning per process, where it does not match the installed botocore.

    Args:
        loader: of botocore's models, for the comparison.
        allow: raises for a call that the role's clause does not cover; called with signing name and operation, before
            anything is signed.
        sent: called for each request that the fast transport signs; botocore's events count its own.
        on_response: called with each parsed response to those requests.
        models: of operations.
        settings: of botocore's parsers, such as `timestamp_parser`.
    """
    if not suits(loader):
        return None
    from resources.aws.fast.transport import FastTransport

    return FastTransport(allow, sent, on_response, models, **settings)


@cache
def suits(loader: Any) -> bool:
    """Whether the fast transport gives the same results as the installed botocore."""
    reason = _difference(loader)
    if reason is not None:
        _warn(reason)
    return reason is None


def _difference(loader: Any) -> str | None:
    # An error here only disables the fast transport: a name that botocore no longer has, or a call that it refuses.
    try:
        from resources.aws.fast.self_test import difference

        return difference(loader)
    except (ImportError, AttributeError, TypeError, LookupError, ValueError, BotoCoreError, ClientError) as error:
        return f"{type(error).__name__}: {error}"


@cache
def _warn(reason: str) -> None:
    from botocore import __version__

    _logger.warning(
        "The fast transport (resources/aws/fast) does not suit botocore %s: %s. Requests go botocore's own way: "
        "the same results, but more CPU a request, and a response that a proxy sends twice is not noticed.",
        __version__,
        reason,
    )
