"""How the SQL files below `warehouse/` are read, and how names and text are quoted for SQL."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string, for statements that take no bound parameters (COMMENT ON)."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Header:
    """The comment that opens a SQL file: a description and its `name: text` lines in order."""

    description: str
    entries: Mapping[str, str]


def read_header(sql: str) -> Header:
    """Parse the comment lines that open a SQL file; a line without `name:` goes on from the one before."""
    description: list[str] = []
    entries: dict[str, str] = {}
    last = ""
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        text = line[2:].strip()
        name, colon, rest = text.partition(":")
        if colon and name.isidentifier() and name == name.lower():
            entries[name] = rest.strip()
            last = name
        elif last:
            entries[last] = f"{entries[last]} {text}".strip()
        else:
            description.append(text)
    return Header(" ".join(description).strip(), entries)


@dataclass(frozen=True)
class Reads:
    """What a query reads: relations by `schema.table`, and listings through `landing(listing, type)`."""

    relations: frozenset[str]
    listings: tuple[str, ...]


def reads(sql: str) -> Reads:
    """Find what a query reads.

    Raises:
        sqlglot.errors.ParseError: it is not SQL.
    """
    relations: set[str] = set()
    listings: list[str] = []
    for table in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Table):
        call = table.this
        if isinstance(call, exp.Anonymous) and call.name.lower() == "landing":
            listings.append(str(call.expressions[0].this))
        elif table.db:
            relations.add(f"{table.db}.{table.name}")
    return Reads(frozenset(relations), tuple(dict.fromkeys(listings)))
