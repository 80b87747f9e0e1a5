"""Deduplicates the records of a response by key. Two different versions of one record make the cell `failed`.

AWS's pages shift while they are read, so a record may stand on two pages. Equal records with one key count as one
record. Of unequal records with one key nobody can tell which is true: the cell is `failed`, and keeps its last trusted
rows unless a retry succeeds.
"""

import io
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import IO, Any, Self

import orjson

from resources.aws.errors import Failed
from resources.aws.listing import Listing

CONFLICT = "ConflictingRecords"
"""Error code of a response that has two versions of one record."""

Record = dict[str, Any]
Identity = Callable[[Record], Hashable]


def identity_of(listing: Listing) -> Identity | None:
    """A function that returns a record's key; None where the listing has no key."""
    if not listing.key:
        return None
    paths = [name.split(".") for name in listing.key]
    if all(len(path) == 1 for path in paths):
        fields = itemgetter(*listing.key)

        def direct(record: Record) -> Hashable:
            try:
                found: Hashable = fields(record)
                hash(found)
            except (KeyError, TypeError):
                return _along(paths, record)
            # A record without the key field is identified by all of its content.
            return _whole(record) if found is None else found

        return direct
    return lambda record: _along(paths, record)


def distinct(listing: Listing, records: list[Record]) -> list[Record]:
    """The records of a response, each once.

    Raises:
        Failed: two records have the same key and are not equal.
    """
    identity = identity_of(listing)
    if identity is None or len(records) < 2 or len(set(map(identity, records))) == len(records):
        return records
    return list(_each_once(listing, identity, records))


def _each_once(listing: Listing, identity: Identity, records: Iterable[Record]) -> Iterable[Record]:
    seen: dict[Hashable, Record] = {}
    for record in records:
        key = identity(record)
        if key not in seen:
            seen[key] = record
            yield record
        elif seen[key] != record:
            raise conflict(listing, seen[key], record)


class EachOnce:
    """Finds repeated records in a response that does not fit into memory. It keeps eight bytes a record."""

    _PARTS = 64

    @classmethod
    def of(cls, listing: Listing | None) -> Self | None:
        """An instance for a listing's records; None where the listing has no key."""
        identity = None if listing is None else identity_of(listing)
        return None if listing is None or identity is None else cls(listing, identity)

    def __init__(self, listing: Listing, identity: Identity) -> None:
        self._listing = listing
        self._identity = identity
        # Split into parts, so that the search for duplicates builds a set of only one part at a time.
        self._hashes = [array("q") for _ in range(self._PARTS)]

    def note(self, record: Record) -> None:
        """Register a record."""
        number = hash(self._identity(record))
        self._hashes[number % self._PARTS].append(number)

    def may_repeat(self) -> bool:
        """Whether two registered records may have the same key."""
        return any(len(set(part)) < len(part) for part in self._hashes)

    def lines(self, file: IO[bytes]) -> Iterator[bytes]:
        """The landed lines of the records, each once.

        Args:
            file: the lines of all records, in the order in which the records were registered.

        Raises:
            Failed: two records have the same key and are not equal.
        """
        repeated = {number for part in self._hashes for number, count in Counter(part).items() if count > 1}
        seen: dict[Hashable, Record] = {}
        file.seek(0)
        reader = io.BufferedReader(file)  # type: ignore[type-var]  # an unbuffered file is a raw one
        try:
            for line in reader:
                record = orjson.loads(line)["item"]
                key = self._identity(record)
                if key not in seen:
                    if hash(key) in repeated:
                        seen[key] = record
                    yield line
                elif seen[key] != record:
                    raise conflict(self._listing, seen[key], record)
        finally:
            reader.detach()


def conflict(listing: Listing, first: Record, second: Record) -> Failed:
    """The failure of a response with two versions of a record. Its message names the key, and no other value."""
    named = ", ".join(f"{name}={_shown(_at(first, name.split('.')))}" for name in listing.key)
    differ = ", ".join(sorted(name for name in {*first, *second} if first.get(name) != second.get(name)))
    message = (
        f"{listing.call} listed {named} more than once, and not as the same: {differ} differ. Which one is true is "
        "unknown, so nothing of the response was kept. Request it again: `cmdb nightly --only-untrusted`."
    )
    return Failed("failed", CONFLICT, message)


def _along(paths: Sequence[Sequence[str]], record: Record) -> Hashable:
    """The values at the given paths of a record; where all of them are missing, the whole record."""
    found = tuple(_frozen(_at(record, path)) for path in paths)
    return _whole(record) if all(value is None for value in found) else found


def _at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _frozen(value: Any) -> Hashable:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return _whole(value)
    hashable: Hashable = value
    return hashable


def _whole(value: Any) -> str:
    # The landing refuses a value that JSON cannot hold, such as half a surrogate pair; here such a value must not
    # raise.
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str).decode()
    except orjson.JSONEncodeError:
        return repr(value)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else _whole(value)
