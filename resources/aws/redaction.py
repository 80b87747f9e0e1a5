"""Removes secrets from responses and errors before they are kept: those that AWS sends, and those that AWS repeats."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

SHORTEST_SECRET = 16
"""Characters. AWS's secrets have 40 and more; a shorter text may be an ordinary word of a sentence."""

_REPEATED_TOKEN = re.compile(r"(x-amz-security-token\s*[:=]\s*)[^\s&'\"<]+", re.IGNORECASE)


def without_secrets(content: Any, *secrets: str | None) -> Any:
    """AWS's response without our own secrets, at any depth.

    When AWS refuses a signature, its message repeats the headers to sign, the session token among them.
    """
    if isinstance(content, str):
        for secret in secrets:
            if secret and len(secret) >= SHORTEST_SECRET:
                content = content.replace(secret, "…").replace(quote(secret, safe=""), "…")
        return _REPEATED_TOKEN.sub(r"\1…", content)
    if isinstance(content, Mapping):
        return {name: without_secrets(value, *secrets) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(without_secrets(value, *secrets) for value in content)
    return content


def redacted(value: Any, names: tuple[str, ...]) -> Any:
    """The value without the fields of these names, at any depth."""
    if not names:
        return value
    if isinstance(value, dict):
        return {name: redacted(inner, names) for name, inner in value.items() if name not in names}
    return [redacted(inner, names) for inner in value] if isinstance(value, list) else value
