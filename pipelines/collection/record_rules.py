"""What the tables need of a record of AWS, and which record lacks it: found before the record lands.

The rules are derived from the SQL of the tables (`pipelines.models.record_requirements`). A record that a table cannot
take would end the load of the whole table; so its own response is refused here, and those of all others stand.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipelines.collection.record_types import Fault, Shape, fault_of
from resources.aws.distinct import Record
from resources.aws.errors import Failed
from resources.aws.listing import Listing

UNUSABLE = "UnusableRecord"
"""Error code of a response with a record that a table cannot take."""


@dataclass(frozen=True)
class Split:
    """A step of a path: the parts of a text between separators."""

    separator: str


class Each:
    """A step of a path: every element of a list."""


EACH = Each()

Step = str | int | Split | Each
Path = tuple[Step, ...]
"""The way from a record to a value: names of members, places in a list (from 0), `EACH`, `Split`."""


@dataclass(frozen=True)
class Need:
    """A column that must not be NULL, and the members that it is made of.

    Attributes:
        column: `aws.s3_bucket.region`.
        options: in one of these all members must be there.
    """

    column: str
    options: tuple[tuple[Path, ...], ...]

    @cached_property
    def _checks(self) -> tuple[tuple[tuple[Path, Callable[[Any], bool]], ...], ...]:
        return tuple(tuple((path, _present(path)) for path in option) for option in self.options)

    def missing(self, record: Mapping[str, Any]) -> str:
        """The first member that the record lacks; empty where it has what the column is made of."""
        first = ""
        for option in self._checks:
            for path, is_there in option:
                if not is_there(record):
                    first = first or shown(path)
                    break
            else:
                return ""
        return first


@dataclass(frozen=True)
class Keys:
    """A list whose elements become the entries of a map: each has a key, and no two have the same.

    Attributes:
        column: the column with the map.
        path: the way to the list.
        name: the member of an element that is its key.
    """

    column: str
    path: Path
    name: str

    def wrong(self, record: Mapping[str, Any]) -> str:
        """What is wrong with the keys; empty where nothing is."""
        for value in values_at(record, self.path):
            seen = set()
            for element in value or ():
                key = None if element is None else element.get(self.name)
                if key is None:
                    return f"it has no {shown((*self.path, EACH, self.name))}"
                if key in seen:
                    return f"it has one {shown((*self.path, EACH, self.name))} twice"
                seen.add(key)
        return ""


@dataclass(frozen=True)
class Typed:
    """What the members that a table reads must be.

    Attributes:
        table: the table that reads them.
        shape: of a whole record.
    """

    table: str
    shape: Shape

    @cached_property
    def fault(self) -> Fault:
        """The member of a record and what is wrong with it."""
        return fault_of(self.shape)


@dataclass(frozen=True)
class RecordRule:
    """All that the tables need of the records of one listing.

    Attributes:
        queries: SHA-256 of the queries that make rows of the records; empty where no table reads them.
    """

    types: tuple[Typed, ...] = ()
    needs: tuple[Need, ...] = ()
    keys: tuple[Keys, ...] = ()
    queries: str = ""

    def fingerprint(self, listing: Listing) -> str:
        """SHA-256 of what decides which rows a response becomes: the entry in the catalogue, and the queries."""
        return hashlib.sha256(f"{listing!r}\0{self.queries}".encode()).hexdigest()

    def fault(self, record: Mapping[str, Any]) -> str:
        """Why a table cannot take a record; empty where all can."""
        for typed in self.types:
            if wrong := typed.fault(record):
                return f"{wrong.lstrip('.')}, and {typed.table} reads it"
        for need in self.needs:
            if missing := need.missing(record):
                return f"it has no {missing}, which {need.column} is made of"
        for keys in self.keys:
            if wrong := keys.wrong(record):
                return f"{wrong}, which {keys.column} is made of"
        return ""

    def check(self, listing: Listing, place: int, record: Mapping[str, Any]) -> None:
        """Refuse a record that a table cannot take.

        Args:
            place: of the record in the response, from 1: of a record without a key it is the only name.

        Raises:
            Failed: the record, and the column that needs what it lacks.
        """
        if fault := self.fault(record):
            raise Failed(
                "failed",
                UNUSABLE,
                f"{listing.call} returned what cannot be used. Of {_named(listing, place, record)}: {fault}. "
                "Nothing of the response was kept. Request it again: `cmdb nightly --only-untrusted`.",
            )


def checked(rule: RecordRule, listing: Listing, records: Iterable[Record]) -> Iterator[Record]:
    """The records, each after it was checked.

    Raises:
        Failed: a table cannot take one of them.
    """
    for place, record in enumerate(records, 1):
        rule.check(listing, place, record)
        yield record


def checking(rule: RecordRule, listing: Listing, keep: Callable[[Record], None]) -> Callable[[Record], None]:
    """What is given a record, checks it, and hands it on; it raises as `checked` does."""
    places = itertools.count(1)

    def take(record: Record) -> None:
        rule.check(listing, next(places), record)
        keep(record)

    return take


def _named(listing: Listing, place: int, record: Mapping[str, Any]) -> str:
    """A record by its key, else by its place: nothing of it is shown besides."""
    named = [
        f"{name}={value}"
        for name in listing.key
        for value in values_at(record, tuple(name.split(".")))
        if isinstance(value, str | int)
    ]
    return f"record {place}" + (f" ({', '.join(named)})" if named else "")


def shown(path: Path) -> str:
    """A path as people write it: `Tags[].Key`, `Keys[1]`."""
    text = ""
    for step in path:
        match step:
            case str():
                text += f".{step}" if text else step
            case int():
                text += f"[{step + 1}]"
            case Each():
                text += "[]"
            case Split():
                text += f" between {step.separator}"
    return text


def values_at(value: Any, path: Sequence[Step]) -> Iterator[Any]:
    """The values at the end of a path: one, or one an element; None for what is not there."""
    for place, step in enumerate(path):
        if isinstance(step, Each):
            for element in value if isinstance(value, list) else ():
                yield from values_at(element, path[place + 1 :])
            return
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(step, Split):
            value = value.split(step.separator) if isinstance(value, str) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    yield value


def _present(path: Path) -> Callable[[Any], bool]:
    """Whether a record has what is at the end of a path, in all its elements."""
    if len(path) == 1 and isinstance(path[0], str):
        name = path[0]
        return lambda record: record.get(name) is not None
    if any(isinstance(step, Each | Split) for step in path):
        return lambda record: all(value is not None for value in values_at(record, path))

    def is_there(record: Any) -> bool:
        # The path of nearly every line of the bill, of which there are many.
        value = record
        for step in path:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            elif isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else None
        return value is not None

    return is_there
