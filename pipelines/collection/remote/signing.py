"""The messages of coordinator and workers: JSON, signed, so that who can write the object store cannot forge one."""

import hashlib
import hmac
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

_adapters: dict[Any, TypeAdapter[Any]] = {}


class ForgedMessage(Exception):
    """A message has another signature than the key gives, or is none. The message says which."""


def sealed(name: str, message: Any, key: str) -> bytes:
    """A message as JSON, with its signature before it, in a line of its own.

    Args:
        name: the name of its object: a message of one name never passes as another.
        message: a dataclass.
        key: the secret that all sides share.
    """
    body: bytes = _adapter(type(message)).dump_json(message)
    return _signature(name, body, key) + b"\n" + body


def opened(name: str, data: bytes, kind: type[T], key: str) -> T:
    """The message of a sealed object.

    Raises:
        ForgedMessage: it is not signed, or with another key, or under another name, or is no such message.
    """
    signature, _, body = data.partition(b"\n")
    if not hmac.compare_digest(signature, _signature(name, body, key)):
        raise ForgedMessage(f"{name} is not signed with this installation's CMDB_WORKER_KEY.")
    try:
        message: T = _adapter(kind).validate_json(body)
    except ValidationError as error:
        raise ForgedMessage(f"{name} is no {kind.__name__}: {error}") from error
    return message


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """What reads and writes a kind of message, made at its first use."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _signature(name: str, body: bytes, key: str) -> bytes:
    return hmac.new(key.encode(), name.encode() + b"\n" + body, hashlib.sha256).hexdigest().encode()
