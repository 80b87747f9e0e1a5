"""Whether a value has the form that botocore's model of an operation gives it: names, types, numbers, texts, values.

Each shape is made into a function once, which looks at a value and adds what does not fit to a list. Of what AWS gives
in a wire format, JSON's members have the names of the wire, and moments are numbers.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from moto.core.model import Shape

Kind = Literal["unknown", "missing", "type", "number", "length", "pattern", "enum"]


class Mismatch(NamedTuple):
    """What does not fit.

    Attributes:
        path: of the member, such as `Filters[0].Name`.
        reason: a sentence's end, such as `is not a member of Filter`.
    """

    kind: Kind
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


Check = Callable[[Any, list[Mismatch]], None]
"""Adds what does not fit of a value."""


def mismatches(shape: Shape | None, value: Any, *, wire: bool = False) -> list[Mismatch]:
    """Wherever a value differs from its shape; `wire`: it is JSON as it was sent."""
    found: list[Mismatch] = []
    if shape is None:
        if value:
            found.append(Mismatch("unknown", "", f"{[*value]} is more than the operation has"))
    else:
        check_of(shape, wire)(value, found)
    return found


@functools.cache
def check_of(shape: Shape, wire: bool) -> Check:
    """What looks at values of a shape."""
    match shape.type_name:
        case "structure":
            return _anything if getattr(shape, "is_document_type", False) else _structure(shape, wire)
        case "list":
            return _list(shape, wire)
        case "map":
            return _map(shape, wire)
        case "string" | "character":
            return _string(shape)
        case "integer" | "long" | "short" | "byte":
            return _number(shape, (int,))
        case "float" | "double":
            return _number(shape, (int, float))
        case "boolean":
            return _of_type(bool, "a boolean")
        case "timestamp":
            is_text = wire and shape.serialization.get("timestampFormat", "unixTimestamp") != "unixTimestamp"
            return _moment(shape, is_text) if wire else _of_type(dt.datetime, "a moment")
        case "blob":
            return _of_type((str,) if wire else (bytes, str), "a blob")
    return _anything


def wire_name(shape: Shape, member_name: str) -> str:
    """The name of a structure's member as it is sent."""
    return str(shape.serialization.get("name", member_name))


def _anything(_value: Any, _found: list[Mismatch]) -> None:
    pass


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _of_type(types: type | tuple[type, ...], noun: str) -> Check:
    def check(value: Any, found: list[Mismatch]) -> None:
        if not isinstance(value, types):
            found.append(Mismatch("type", "", f"is {_short(value)}, not {noun}"))

    return check


def _moment(shape: Shape, is_text: bool) -> Check:
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

    def check(value: Any, found: list[Mismatch]) -> None:
        is_one = isinstance(value, str) and form.fullmatch(value) if is_text else type(value) in (int, float)
        if not is_one:
            found.append(Mismatch("type", "", f"is {_short(value)}, not a moment of {shape.name}"))

    return check


def _number(shape: Shape, types: tuple[type, ...]) -> Check:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, found: list[Mismatch]) -> None:
        if not isinstance(value, types) or isinstance(value, bool):
            found.append(Mismatch("type", "", f"is {_short(value)}, not a number of type {shape.type_name}"))
        elif least is not None and value < least:
            found.append(Mismatch("number", "", f"is {value} and at least {least}"))
        elif most is not None and value > most:
            found.append(Mismatch("number", "", f"is {value} and at most {most}"))

    return check


def _string(shape: Any) -> Check:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    values, pattern = frozenset(shape.enum), None
    if shape.name not in LOOSE:
        pattern = compiled(shape.metadata.get("pattern"))

    def check(value: Any, found: list[Mismatch]) -> None:
        if not isinstance(value, str):
            found.append(Mismatch("type", "", f"is {_short(value)}, not a text"))
        elif values and value not in values:
            found.append(Mismatch("enum", "", f"is {_short(value)}, which is no {shape.name}"))
        elif least is not None and len(value) < least:
            found.append(Mismatch("length", "", f"is {_short(value)}: {shape.name} has at least {least} characters"))
        elif most is not None and len(value) > most:
            found.append(Mismatch("length", "", f"is {_short(value)}: {shape.name} has at most {most} characters"))
        elif pattern is not None and not pattern(value):
            found.append(Mismatch("pattern", "", f"is {_short(value)}, not {shape.metadata['pattern']}"))

    return check


LOOSE = frozenset({"AccessGrantArn", "AccessGrantsLocationArn", "IdentityCenterArn", "S3ResourceArn"})
"""Shapes whose pattern does not fit what AWS documents of them, such as the ARN of a bucket, which has no region."""

# Java's names of classes of characters, of which Python has those that stand here.
_CLASSES = {r"\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}": r"\s\S", r"\p{L}\p{Z}\p{N}": r"\w\s", r"\p{L}": r"^\W\d_"}


@functools.cache
def compiled(pattern: str | None) -> Callable[[str], Any] | None:
    """What says whether a text fits a pattern of a model; None where there is none that Python reads.

    A pattern without anchors is of the whole text, as the services take it.
    """
    if not pattern:
        return None
    for java, own in _CLASSES.items():
        pattern = pattern.replace(java, own)
    try:
        made = re.compile(pattern)
    except re.error:
        return None
    # Neither escaped nor in a class of characters, where they are no anchors.
    bare = re.sub(r"\\.|\[[^\]]*\]", "", pattern)
    return made.search if "^" in bare or "$" in bare else made.fullmatch


def _entries(shape: Any, count: int, found: list[Mismatch]) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and count < least) or (most is not None and count > most):
        found.append(Mismatch("length", "", f"has {count} entries: {shape.name} has {least or 0} to {most}"))


def _under(found: list[Mismatch], first: int, name: str) -> None:
    for place, (kind, path, reason) in enumerate(found[first:], first):
        found[place] = Mismatch(kind, f"{name}{'' if not path or path[0] == '[' else '.'}{path}", reason)


def _list(shape: Any, wire: bool) -> Check:
    bounded = "min" in shape.metadata or "max" in shape.metadata

    def check(value: Any, found: list[Mismatch]) -> None:
        if not isinstance(value, list | tuple):
            found.append(Mismatch("type", "", f"is {_short(value)}, not a list"))
            return
        if bounded:
            _entries(shape, len(value), found)
        # Not before it is needed, here and below: a shape may hold itself.
        entry = check_of(shape.member, wire)
        for place, item in enumerate(value):
            before = len(found)
            entry(item, found)
            if len(found) > before:
                _under(found, before, f"[{place}]")

    return check


def _map(shape: Any, wire: bool) -> Check:
    def check(value: Any, found: list[Mismatch]) -> None:
        if not isinstance(value, dict):
            found.append(Mismatch("type", "", f"is {_short(value)}, not a map"))
            return
        _entries(shape, len(value), found)
        key, entry = check_of(shape.key, wire), check_of(shape.value, wire)
        for name, item in dict.items(value):
            before = len(found)
            key(name, found)
            entry(item, found)
            if len(found) > before:
                _under(found, before, f"[{name}]")

    return check


def _structure(shape: Any, wire: bool) -> Check:
    sent = {name: wire_name(member, name) if wire else name for name, member in shape.members.items()}
    members = {sent[name]: member for name, member in shape.members.items()}
    required = [sent[name] for name in shape.required_members]
    checks: dict[str, Check] = {}

    def check(value: Any, found: list[Mismatch]) -> None:
        if not isinstance(value, dict):
            found.append(Mismatch("type", "", f"is {_short(value)}, not a structure"))
            return
        for name in required:
            # Not value.get, here and below: who looks into a request is recorded.
            if dict.get(value, name) is None:
                found.append(Mismatch("missing", name, f"is missing, which {shape.name} requires"))
        for name, inner in dict.items(value):
            if inner is None:
                continue
            one = checks.get(name)
            if one is None:
                if name not in members:
                    found.append(Mismatch("unknown", str(name), f"is not a member of {shape.name}"))
                    continue
                one = checks[name] = check_of(members[name], wire)
            before = len(found)
            one(inner, found)
            if len(found) > before:
                _under(found, before, name)

    return check
