"""How the SQL files below `warehouse/` are read."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.models import stored_facts
from pipelines.models.sources import Reads


@dataclass(frozen=True)
class Header:
    """The comment that opens a SQL file: a description and its `name: text` lines in order."""

    description: str
    entries: Mapping[str, str]


def read_header(sql: str) -> Header:
    """Parse the comment lines that open a SQL file; a line without `name:` goes on from the one before.

    A name that is not all small letters stands in double quotes, as in SQL: in a sentence it would be a word.
    """
    description: list[str] = []
    entries: dict[str, str] = {}
    last = ""
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        text = line[2:].strip()
        name, colon, rest = text.partition(":")
        if name.startswith('"') and name.endswith('"') and name[1:-1].isidentifier():
            name = name[1:-1]
        elif name != name.lower():
            name = ""
        if colon and name.isidentifier():
            entries[name] = rest.strip()
            last = name
        elif last:
            entries[last] = f"{entries[last]} {text}".strip()
        else:
            description.append(text)
    return Header(" ".join(description).strip(), entries)


@functools.cache
def reads(sql: str) -> Reads:
    """What a query reads, as it is kept of the queries that the release ships; another query is parsed.

    Raises:
        UnreadableQueryError: it is not one query, or `landing` does not name its listing as a string.
    """
    kept = stored_facts.facts().reads.get(stored_facts.digest(sql))
    if kept is not None:
        relations, listings, slices = kept
        return Reads(frozenset(relations), tuple(listings), frozenset(slices))
    from pipelines.models import queries

    return queries.read(sql)
