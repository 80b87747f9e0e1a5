"""One record a key: what an answer lists twice counts once, and what it lists in two versions counts not at all.

AWS's pages move while they are read, so a record may stand on two of them. Equal ones are one record. Of unequal ones
with the same key nobody can tell which is true, so the cell is `failed`: it is asked again, and else keeps its rows.
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
"""Error code of an answer that has two versions of one record."""

Record = dict[str, Any]
Identity = Callable[[Record], Hashable]


def identity_of(listing: Listing) -> Identity | None:
    """What tells a listing's records apart: a function of a record; None where the listing has no key."""
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
            # What has no name is told apart by all that it says.
            return _whole(record) if found is None else found

        return direct
    return lambda record: _along(paths, record)


def distinct(listing: Listing, records: list[Record]) -> list[Record]:
    """The records of an answer, each once.

    Raises:
        Failed: two of them have the same key, and are not equal.
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
    """Finds what stands twice in an answer that does not fit into memory: eight bytes a record, until it is whole."""

    _PARTS = 64

    @classmethod
    def of(cls, listing: Listing | None) -> Self | None:
        """For a listing's records; None where nothing tells them apart."""
        identity = None if listing is None else identity_of(listing)
        return None if listing is None or identity is None else cls(listing, identity)

    def __init__(self, listing: Listing, identity: Identity) -> None:
        self._listing = listing
        self._identity = identity
        # In parts, so that looking for equal ones takes a part's memory.
        self._hashes = [array("q") for _ in range(self._PARTS)]

    def note(self, record: Record) -> None:
        """See a record."""
        number = hash(self._identity(record))
        self._hashes[number % self._PARTS].append(number)

    def may_repeat(self) -> bool:
        """Whether two of the records may have the same key."""
        return any(len(set(part)) < len(part) for part in self._hashes)

    def lines(self, file: IO[bytes]) -> Iterator[bytes]:
        """The landed lines of the records, each once.

        Args:
            file: all of them, in the order in which they were seen.

        Raises:
            Failed: two of them have the same key, and are not equal.
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
    """Why an answer with two versions of a record is none; it names the key, and no value besides."""
    named = ", ".join(f"{name}={_shown(_at(first, name.split('.')))}" for name in listing.key)
    differ = ", ".join(sorted(name for name in {*first, *second} if first.get(name) != second.get(name)))
    message = (
        f"{listing.call} listed {named} more than once, and not as the same: {differ} differ. Which one is true cannot "
        "be told, so none of the answer was taken. Ask again: `cmdb nightly --only-untrusted`."
    )
    return Failed("failed", CONFLICT, message)


def _along(paths: Sequence[Sequence[str]], record: Record) -> Hashable:
    """The values at the end of some paths; where a record has none of them, all that it says."""
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
    # What JSON cannot hold, such as half a surrogate pair, is refused when it is landed.
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str).decode()
    except orjson.JSONEncodeError:
        return repr(value)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else _whole(value)
