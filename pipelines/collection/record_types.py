"""What a value of AWS's record must be so that a column can take it."""

import functools
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

Fault = Callable[[Any], str]
"""What is wrong with a value: `.Placement.Tenancy is no text`, of the value itself ` is no text`; empty where nothing
is. It is never given None."""

Shape = str | list[Any] | dict[str, Any]
"""What a value must be, as JSON can keep it: the name of a scalar type, `["list", shape]`, `["map", shape]`,
`["number", least, most, is whole]`, or the shapes of named members."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def text(value: Any) -> str:
    """A text, or what can be written as one."""
    return " is no text" if isinstance(value, dict | list) else ""


def anything(_: Any) -> str:
    """Whatever JSON can say."""
    return ""


def truth(value: Any) -> str:
    """True or false."""
    return "" if isinstance(value, bool) or value in ("true", "false") else " is neither true nor false"


@functools.lru_cache(4096)
def _is_time(value: str) -> bool:
    if _TIME.fullmatch(value) is None:
        return False
    try:
        if len(value) == len("2026-11-25"):
            date.fromisoformat(value)
        else:
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def time(value: Any) -> str:
    """A date, with a time or without."""
    return "" if isinstance(value, str) and _is_time(value) else " is no time"


def _is_plain(value: str) -> bool:
    """Whether a text is digits, with a point or without: nearly every amount of the bill, of which there are many."""
    return value.isascii() and value.replace(".", "", 1).isdigit()


def number(least: int, most: int, *, is_whole: bool = False) -> Fault:
    """A number within bounds."""
    kind = "whole number" if is_whole else "number"
    # So many characters are within the bounds, whatever they are.
    few = len(str(most)) - 1

    def fault(value: Any) -> str:
        if type(value) is int:
            return "" if least <= value <= most else f" is a {kind} beyond what the column holds"
        if not is_whole and isinstance(value, str) and _is_plain(value) and len(value) <= few:
            return ""
        if not isinstance(value, float | str) or (isinstance(value, str) and _NUMBER.fullmatch(value) is None):
            return f" is no {kind}"
        known = Decimal(value)
        if not known.is_finite() or (is_whole and known != known.to_integral_value()):
            return f" is no {kind}"
        return "" if least <= known <= most else f" is a {kind} beyond what the column holds"

    return fault


def document(value: Any) -> str:
    """A text that is JSON."""
    try:
        json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return " is no JSON"
    return ""


def listed(of: Fault) -> Fault:
    """A list of values."""

    def fault(value: Any) -> str:
        if not isinstance(value, list):
            return " is no list"
        for element in value:
            if element is not None and (wrong := of(element)):
                return f"[]{wrong}"
        return ""

    return fault


def structure(members: Mapping[str, Fault]) -> Fault:
    """Named members, each of its own type; what else there is is not looked at."""
    own = [(name, of) for name, of in members.items() if of is not anything]

    def fault(value: Any) -> str:
        if not isinstance(value, dict):
            return " is no structure"
        find = value.get
        for name, of in own:
            member = find(name)
            # Most are texts, and a call takes longer than the question.
            if member is None or (of is text and type(member) is str):
                continue
            if wrong := of(member):
                return f".{name}{wrong}"
        return ""

    return fault


def mapping(of: Fault) -> Fault:
    """Any names, with values of one type."""

    def fault(value: Any) -> str:
        if not isinstance(value, dict):
            return " is no structure"
        return next((wrong for member in value.values() if member is not None and (wrong := of(member))), "")

    return fault


_SCALARS: Mapping[str, Fault] = {
    "text": text,
    "anything": anything,
    "truth": truth,
    "time": time,
    "double": number(-(10**308), 10**308),
    "document": document,
}


def fault_of(shape: Shape) -> Fault:
    """The check of a shape.

    Raises:
        KeyError: there is no such type.
    """
    match shape:
        case dict():
            return structure({name: fault_of(member) for name, member in shape.items()})
        case ["list", of]:
            return listed(fault_of(of))
        case ["map", of]:
            return mapping(fault_of(of))
        case ["number", least, most, is_whole]:
            return number(least, most, is_whole=is_whole)
        case _:
            return _SCALARS[str(shape)]
