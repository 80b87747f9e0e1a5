"""Where the published file ends: what a query asks about that no cell speaks of.

Every cell may be judged, and yet nothing be known of a type that nobody collects, of an account or a region outside the
organisation, or of days before the bill began. "None" is not said about these.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from pipelines.catalogue.registry import listings
from pipelines.models.sql_files import argument

if TYPE_CHECKING:
    import duckdb

OF_ANY_TYPE = frozenset(
    {"aws.config_resource", "aws.tagged_resource", "cmdb.aggregator_coverage", "cmdb.aggregator_unseen"}
)
"""Relations that hold resources of types that no listing of their own collects."""

BY_DAY = frozenset({"cmdb.health", "org.governance_kpi"})
"""Relations beside those called `…_version` that hold what was true on each day since the first run."""

YEARS = range(1990, 2101)
"""Whole numbers that are taken for years."""

_DAY = re.compile(r"^(\d{4})-(\d{2})(?:-(\d{2}))?")
_ACCOUNT = re.compile(r"^\d{12}$")


@dataclass(frozen=True)
class Mentions:
    """What a query names.

    Attributes:
        types: resource types, also as patterns of LIKE.
        accounts: whatever has twelve digits.
        regions: what a column `region` is compared with.
        days: dates, months or years, as the first day that each is about.
        uses_now: whether it reckons from the present moment.
        strange: an ARN or id of a kind that the inventory has nothing of.
        leaves_out: whether it leaves rows out that it found, by LIMIT 0, OFFSET or a sample.
    """

    types: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    days: frozenset[date] = frozenset()
    uses_now: bool = False
    leaves_out: bool = False
    strange: frozenset[str] = frozenset()


def mentions_of(sql: str) -> Mentions:
    """What a query names; where its text cannot be read here, it may name anything that is beyond the file."""
    try:
        statement = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return Mentions(uses_now=True, leaves_out=True)
    texts = [str(node.this) for node in statement.find_all(exp.Literal) if node.is_string]
    numbers = [
        int(node.this)
        for node in statement.find_all(exp.Literal)
        if not node.is_string and str(node.this).isdigit() and not isinstance(node.parent, exp.Limit | exp.Offset)
    ]
    return Mentions(
        types=frozenset(_compared(statement, "resource_type")),
        accounts=frozenset(text for text in texts if _ACCOUNT.match(text)),
        regions=frozenset(_compared(statement, "region", with_patterns=False)),
        days=frozenset(
            [day for text in texts if (day := _day(text)) is not None]
            + [date(number, 1, 1) for number in numbers if number in YEARS]
        ),
        uses_now=_uses_now(statement),
        leaves_out=statement.find(exp.Offset, exp.TableSample) is not None
        or any(limit.expression.sql() == "0" for limit in statement.find_all(exp.Limit)),
    )


def _uses_now(statement: "exp.Expr") -> bool:
    moments = (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime)
    called = {node.name.lower() for node in statement.find_all(exp.Anonymous, exp.Column)}
    words = {"now", "today", "current_date", "current_timestamp", "get_current_timestamp", "localtimestamp"}
    return next(statement.find_all(*moments), None) is not None or bool(called & words)


def _compared(statement: "exp.Expr", column: str, *, with_patterns: bool = True) -> Iterator[str]:
    """The literals that a column is compared with, wherever that stands."""
    patterns = (exp.Like, exp.ILike, exp.StartsWith, exp.Contains) if with_patterns else ()
    for node in statement.find_all(exp.EQ, exp.In, *patterns):
        others = [node.expression] if argument(node, "expression") is not None else []
        sides = [node.this, *others, *(node.expressions or [])]
        if any(side.find(exp.Column) and side.find(exp.Column).name.lower() == column for side in sides):
            for side in sides:
                if isinstance(side, exp.Literal) and side.is_string:
                    pattern = isinstance(node, exp.StartsWith | exp.Contains)
                    yield f"%{side.this}%" if pattern else str(side.this)


def _day(text: str) -> date | None:
    found = _DAY.match(text)
    try:
        return date(int(found[1]), int(found[2]), int(found[3] or 1)) if found else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Bounds:
    """Where the file ends for one query.

    Attributes:
        beyond: what the query asks about that no cell speaks of, each a clause with what can be done.
        period: the days of the bill that are known, as a sentence; empty where it reads no bill.
    """

    beyond: tuple[str, ...] = ()
    period: str = ""


def bounds_of(
    connection: "duckdb.DuckDBPyConnection", mentions: Mentions, relations: Collection[str], *, is_nothing: bool
) -> Bounds:
    """Where the published file ends for a query that reads these relations.

    Args:
        is_nothing: whether the query found nothing.
    """
    beyond = [*_types(mentions.types, relations), *_places(connection, mentions)]
    beyond += [
        f"nothing of the kind of {identifier} is in the inventory, so that nobody may collect it (name it by its ARN)"
        for identifier in sorted(mentions.strange)
    ]
    if is_nothing and mentions.leaves_out and relations:
        beyond.append("the query may leave out rows that it found (ask without LIMIT 0, OFFSET and samples)")
    is_bill = any(relation.startswith("cost.") for relation in relations)
    if is_bill:
        first, last = _one(connection, "select min(first_date), max(through_date) from cost.month_coverage")
        what = "the bill"
    elif any(relation.endswith("_version") or relation in BY_DAY for relation in relations):
        first, last = _one(
            connection,
            "select min(started_at)::date, max(finished_at)::date from audit.run where outcome = 'published'",
        )
        what = "the history"
    else:
        return Bounds(tuple(beyond))
    if first is None or last is None:
        return Bounds((*beyond, f"no day of {what} is known (`cmdb nightly` collects it)"))
    outside = sorted(day for day in mentions.days if not _touches(day, first, last))
    if outside or (is_nothing and mentions.uses_now):
        beyond.append(f"{what} is known from {first} through {last} only (nothing brings back earlier days)")
    return Bounds(tuple(beyond), f" The bill is known from {first} through {last}." if is_bill else "")


def _touches(day: date, first: date, last: date) -> bool:
    # A month or a year is named by its first day, which may be before the first day that is known.
    return first.replace(day=1) <= day <= last or (day == date(day.year, 1, 1) and day.year == first.year)


def _types(wanted: Collection[str], relations: Collection[str]) -> list[str]:
    if not any(relation.startswith(("cmdb.", "stage.")) for relation in relations) or OF_ANY_TYPE & set(relations):
        return []
    collected = [listing.resource_type for listing in listings().values() if listing.resource_type]
    return [
        f"the resource type {name} is not collected (the tool coverage names the listings that are)"
        for name in sorted(wanted)
        if not any(_like(name).fullmatch(known) for known in collected)
    ]


def _like(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace("%", ".*").replace("_", "."), re.IGNORECASE)


def _places(connection: "duckdb.DuckDBPyConnection", mentions: Mentions) -> list[str]:
    found = []
    if mentions.accounts:
        known = _column(
            connection,
            """
            select account_id from org.account
            union
            select account_id from audit.expected_cell
            union
            select account_id from cost.daily_total
            """,
        )
        found += [
            f"account {account} is not of this organisation (org.account lists those that are)"
            for account in sorted(mentions.accounts - known)
        ]
    if mentions.regions:
        known = _column(connection, "select region from audit.coverage union select region from cost.by_region")
        found += [
            f"region {region} was never requested (CMDB_REGIONS and the accounts decide)"
            for region in sorted(mentions.regions - known)
        ]
    return found


def _column(connection: "duckdb.DuckDBPyConnection", query: str) -> set[str]:
    return {str(value) for (value,) in connection.execute(query).fetchall()}


def _one(connection: "duckdb.DuckDBPyConnection", query: str) -> tuple[date | None, date | None]:
    row = connection.execute(query).fetchone()
    return (row[0], row[1]) if row else (None, None)
