"""Signature Version 4, for requests that differ between accounts only by their signature."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.auth import SIGNED_HEADERS_BLACKLIST

KEYS_KEPT = 20_000
"""The most signing keys in the cache: one per account, day, region and service."""

UNSIGNED = frozenset(SIGNED_HEADERS_BLACKLIST) | {"content-length"}
"""Headers that proxies may change."""


@dataclass(frozen=True, slots=True)
class UnsignedRequest:
    """A POST to `/`: everything but credentials and timestamp.

    Attributes:
        service: the signing name.
        body_hash: SHA-256 of the body, in hex.
    """

    url: str
    host: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    body_hash: str
    service: str
    region: str


class SigningKeys:
    """A cache of signing keys: each is derived from its secret once per day, region and service."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str, str], bytes] = {}

    def of(self, secret: str, day: str, region: str, service: str) -> bytes:
        """The signing key of Signature Version 4."""
        wanted = (secret, day, region, service)
        key = self._keys.get(wanted)
        if key is None:
            key = f"AWS4{secret}".encode()
            for part in (day, region, service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            if len(self._keys) >= KEYS_KEPT:
                self._keys.clear()
            self._keys[wanted] = key
        return key

    def forget(self) -> None:
        """Drop all cached keys."""
        self._keys.clear()


def signed(request: UnsignedRequest, credentials: Any, keys: SigningKeys, now: datetime) -> dict[str, str]:
    """The headers of a request with its Signature Version 4, for frozen credentials of botocore."""
    at = now.strftime("%Y%m%dT%H%M%SZ")
    headers = dict(request.headers)
    headers["X-Amz-Date"] = at
    if credentials.token:
        headers["X-Amz-Security-Token"] = credentials.token
    to_sign = sorted(
        (lower, value)
        for name, value in (*headers.items(), ("Host", request.host))
        if (lower := name.lower()) not in UNSIGNED
    )
    names = ";".join([name for name, _ in to_sign])
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *[f"{name}:{' '.join(value.split())}" for name, value in to_sign],
            "",
            names,
            request.body_hash,
        ]
    )
    scope = f"{at[:8]}/{request.region}/{request.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = keys.of(credentials.secret_key, at[:8], request.region, request.service)
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers
