"""What is kept of an answer or an error: without the secrets that AWS puts there or repeats."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

SHORTEST_SECRET = 16
"""Characters; AWS's have 40 and more. What is shorter may be a word of a sentence."""

_REPEATED_TOKEN = re.compile(r"(x-amz-security-token\s*[:=]\s*)[^\s&'\"<]+", re.IGNORECASE)


def without_secrets(content: Any, *secrets: str | None) -> Any:
    """What AWS said without our own secrets, however deep they stand.

    Where it refuses a signature AWS repeats the headers that it would have signed, the session's token among them.
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
    """The value without the fields of these names, however deep they stand in it."""
    if not names:
        return value
    if isinstance(value, dict):
        return {name: redacted(inner, names) for name, inner in value.items() if name not in names}
    return [redacted(inner, names) for inner in value] if isinstance(value, list) else value
