"""Signs what coordinator and workers give each other, so that who can write the object store cannot forge it."""

import hashlib
import hmac


class ForgedMessage(Exception):
    """A message has another signature than the key gives. The message says which."""


def signed(kind: str, body: bytes, key: str) -> bytes:
    """A message with its signature before it, in a line of its own.

    Args:
        kind: what the message is, and of which part: a message of one kind never passes as another.
        body: the message.
        key: the secret that all sides share.
    """
    return _signature(kind, body, key) + b"\n" + body


def opened(kind: str, message: bytes, key: str) -> bytes:
    """The body of a signed message.

    Raises:
        ForgedMessage: it is not signed, or with another key, or as something else.
    """
    signature, _, body = message.partition(b"\n")
    if not hmac.compare_digest(signature, _signature(kind, body, key)):
        raise ForgedMessage(f"{kind} is not signed with this installation's CMDB_WORKER_KEY.")
    return body


def _signature(kind: str, body: bytes, key: str) -> bytes:
    return hmac.new(key.encode(), kind.encode() + b"\n" + body, hashlib.sha256).hexdigest().encode()
