"""Recognises AWS errors that a wrong clock of this machine causes, and measures by how much the clock is wrong."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime as parse_http_date
from typing import Any

from botocore.utils import parse_timestamp

from resources.aws.errors import CREDENTIAL_CODES

CLOCK_CODES = frozenset({"RequestInTheFuture", "RequestTimeTooSkewed"})
"""Codes of a signature whose time is wrong. Most services report it in the message alone: `_CLOCK_SENTENCE`."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""The clock difference that AWS accepts: five minutes for most services, fifteen for EC2 and S3."""

SET_THE_CLOCK = "Set the clock of this machine (NTP), then run again."

_CLOCK_SENTENCE = re.compile(r"signature expired|signature not yet current|not yet current", re.IGNORECASE)
_SIGNED_AT = re.compile(r"\b\d{8}T\d{6}Z\b")


def clock_error(response: Mapping[str, Any], now: datetime) -> str | None:
    """The sentence for an error that a wrong clock of this machine causes; None for any other error.

    AWS reports a wrong clock by a code, or in the message. Some services refuse such a signature like wrong or expired
    keys (EC2's `AuthFailure` and `RequestExpired`); there the response's Date header decides.

    Args:
        response: the error as botocore parses it.
        now: the time by this machine's clock.
    """
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    by_date = _difference(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"), now, parse_http_date)
    if code in CLOCK_CODES or _CLOCK_SENTENCE.search(message):
        times = _SIGNED_AT.findall(message) or [error.get("RequestTime"), error.get("ServerTime")]
        signed_at = _time(times[0], parse_timestamp)
        difference = _difference(times[-1], signed_at, parse_timestamp) if signed_at is not None else None
        difference = difference or by_date
    elif code in CREDENTIAL_CODES and by_date is not None and abs(by_date) > CLOCK_TOLERANCE:
        difference = by_date
    else:
        return None
    if difference is None:
        return "The clock of this machine differs from AWS's by more than five minutes."
    minutes = round(abs(difference) / timedelta(minutes=1))
    how = "slow" if difference > timedelta() else "fast"
    return f"The clock of this machine differs from AWS's by about {minutes:,} minutes: it is {how}."


def _time(text: Any, parse: Callable[[str], datetime]) -> datetime | None:
    try:
        return parse(text).astimezone(UTC) if isinstance(text, str) else None
    except (ValueError, TypeError, ArithmeticError):
        return None


def _difference(text: Any, since: datetime, parse: Callable[[str], datetime]) -> timedelta | None:
    at = _time(text, parse)
    return None if at is None else at - since
