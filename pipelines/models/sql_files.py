"""How the SQL files below `warehouse/` are read."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp


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


@dataclass(frozen=True)
class Reads:
    """What a query reads: relations by `schema.table`, and listings through `landing(listing, type)`."""

    relations: frozenset[str]
    listings: tuple[str, ...]


def argument(node: "exp.Expr", name: str) -> Any:
    """An argument of a node whose name is a word of Python: versions of sqlglot write it with and without `_`."""
    return node.args.get(f"{name}_") or node.args.get(name)


@functools.cache
def parsed(sql: str) -> "exp.Expr":
    """The tree of a query, which nobody may change: all who look at the text get the same one.

    Trees take some 20 MB in all, so `parsed.cache_clear()` follows when every query has been looked at.

    Raises:
        sqlglot.errors.SqlglotError: it is not one query.
    """
    statements = sqlglot.parse(sql, dialect="duckdb")
    if len(statements) != 1 or statements[0] is None:
        raise sqlglot.errors.ParseError(f"one query is wanted, and there are {len(statements)}")
    return statements[0]


@functools.cache
def reads(sql: str) -> Reads:
    """Find what a query reads.

    Raises:
        sqlglot.errors.SqlglotError: it is not one query, or `landing` does not name its listing as a string.
    """
    relations: set[str] = set()
    listings: list[str] = []
    for table in parsed(sql).find_all(exp.Table):
        call = table.this
        if isinstance(call, exp.Anonymous) and call.name.lower() == "landing":
            named = call.expressions[0] if call.expressions else None
            if not (isinstance(named, exp.Literal) and named.is_string):
                raise sqlglot.errors.ParseError("landing(…) does not name its listing as a string")
            listings.append(str(named.this))
        elif table.db:
            relations.add(f"{table.db}.{table.name}")
    return Reads(frozenset(relations), tuple(dict.fromkeys(listings)))
