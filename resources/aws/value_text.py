"""Timestamps and blobs of AWS's responses as text: the landing keeps AWS's values, and the warehouse types them."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from botocore.utils import parse_timestamp


def iso_text(value: Any) -> str:
    """A timestamp as ISO-8601 text: AWS's own text, or made from the seconds that JSON protocols send."""
    if isinstance(value, str) and value[4:5] == "-" and value[10:11] == "T":
        return value
    if type(value) in (int, float):
        # botocore goes through this machine's time zone, which takes a third of the time that a page of CloudTrail's
        # events takes.
        with suppress(ValueError, OverflowError, OSError):
            return _in_utc(datetime.fromtimestamp(value, UTC))
    try:
        at = parse_timestamp(value)
    except RuntimeError:
        # botocore raises this for a number beyond all years.
        raise ValueError(f"{value!r} is no time.") from None
    return _in_utc(at)


def _in_utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def blob_text(value: Any) -> str:
    """A blob as AWS sent it, in Base64."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


AS_TEXT: Mapping[str, Any] = MappingProxyType({"timestamp_parser": iso_text, "blob_parser": blob_text})
"""The settings of botocore's parsers that keep timestamps and blobs as AWS sent them."""
