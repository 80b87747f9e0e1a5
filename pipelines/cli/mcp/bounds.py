"""Where the published file ends: what a query asks about that no cell speaks of.

Every cell may be judged, and yet nothing be known of a type that nobody collects, of an account or a region outside the
organisation, or of days before the bill began. "None" is not said about these.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from pipelines.catalogue.registry import listings
from pipelines.models.queries import argument

if TYPE_CHECKING:
    import duckdb

OF_ANY_TYPE = frozenset(
    {
        "aws.config_resource",
        "aws.explorer_resource",
        "aws.tagged_resource",
        "cmdb.aggregator_coverage",
        "cmdb.aggregator_unseen",
    }
)
"""Relations that hold resources of types that no listing of their own collects."""

BY_DAY = frozenset({"cmdb.health", "org.governance_kpi"})
"""Relations beside those called `…_version` that hold what was true on each day since the first run."""

YEARS = range(1990, 2101)
"""Numbers of four digits that are taken for years where no month follows."""

TAG = "tag:"
"""Beginning of the slices of the bill by tag key."""

_DAY = re.compile(r"^(\d{4})(?!\d)(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?")
_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_TYPE = re.compile(r"AWS::\w+::\w+")


@dataclass(frozen=True)
class Mentions:
    """What a query names.

    Attributes:
        types: resource types, wherever they stand, and what `resource_type` is compared with, also as patterns.
        accounts: whatever has twelve digits.
        regions: regions, wherever they stand, and what a column `region` is compared with, also as patterns.
        days: dates, months or years, as the first day that each is about.
        uses_now: whether it reckons from the present moment.
        leaves_out: whether it leaves rows out that it found, by LIMIT 0, a limit inside, OFFSET or a sample.
        strange: an ARN or id of a kind that the inventory has nothing of.
        tags: keys by which the bill would be cut.
    """

    types: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    days: frozenset[date] = frozenset()
    uses_now: bool = False
    leaves_out: bool = False
    strange: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


def mentions_of(sql: str) -> Mentions:
    """What a query names; where its text cannot be read here, it may name anything that is beyond the file."""
    try:
        statement = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return Mentions(uses_now=True, leaves_out=True)
    literals = statement.find_all(exp.Literal)
    texts = {str(node.this) for node in literals if not isinstance(node.parent, exp.Limit | exp.Offset)}
    limits = statement.find_all(exp.Limit)
    return Mentions(
        types=frozenset({*_compared(statement, "resource_type"), *filter(_TYPE.fullmatch, texts)}),
        accounts=frozenset(filter(_ACCOUNT.fullmatch, texts)),
        regions=frozenset({*_compared(statement, "region"), *filter(_REGION.fullmatch, texts)}),
        days=frozenset(day for text in texts if (day := _day(text)) is not None),
        uses_now=_uses_now(statement),
        leaves_out=statement.find(exp.Offset, exp.TableSample) is not None
        or any(limit.parent is not statement or limit.expression.sql() == "0" for limit in limits),
        tags=frozenset(
            {
                *_compared(statement, "tag_key", with_patterns=False),
                *(text.removeprefix(TAG) for text in texts if text.startswith(TAG)),
            }
        ),
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
    if found is None or not (found[2] or int(found[1]) in YEARS):
        return None
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
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
    connection: "duckdb.DuckDBPyConnection",
    mentions: Mentions,
    relations: Collection[str],
    parts: Collection[str],
    *,
    is_nothing: bool,
) -> Bounds:
    """Where the published file ends for a query that reads these relations.

    Args:
        parts: the slices of the bill among what it reads, without tag keys.
        is_nothing: whether the query found nothing.
    """
    beyond = [*_types(mentions.types, relations), *_places(connection, mentions, relations)]
    beyond += [
        f"nothing of the kind of {identifier} is in the inventory, so that nobody may collect it (name it by its ARN)"
        for identifier in sorted(mentions.strange)
    ]
    if is_nothing and mentions.leaves_out and relations:
        beyond.append(
            "the query may leave out rows that it found (ask without LIMIT 0, limits inside, OFFSET and samples)"
        )
    period = ""
    if any(relation.startswith("cost.") for relation in relations):
        beyond += _tags(connection, mentions.tags)
        first, last = _one(connection, BILL_IS_KNOWN, {"parts": sorted(parts)})
        beyond += _outside("the bill", first, last, mentions, is_nothing=is_nothing)
        period = f" The bill is known from {first} through {last}." if first and last else ""
    if any(relation.endswith("_version") or relation in BY_DAY for relation in relations):
        beyond += _outside("the history", *_one(connection, HISTORY_IS_KNOWN, {}), mentions, is_nothing=is_nothing)
    return Bounds(tuple(beyond), period)


BILL_IS_KNOWN = """
    with span as (
        select slice, min(first_date) as first_date, max(through_date) as through_date
        from cost.month_coverage
        group by slice
    ),

    fitting as (
        select * from span where list_contains($parts, split_part(slice, ':', 1))
    )

    select max(first_date), min(through_date)
    from (from fitting union all from span where not exists (from fitting))
"""
"""The days that every slice holds which is read; a first load fetches the slices one after the other."""

HISTORY_IS_KNOWN = "select min(started_at)::date, max(finished_at)::date from audit.run where outcome = 'published'"


def _outside(what: str, first: date | None, last: date | None, mentions: Mentions, *, is_nothing: bool) -> list[str]:
    if first is None or last is None:
        return [f"no day of {what} is known (`cmdb nightly` collects it)"]
    if all(_touches(day, first, last) for day in mentions.days) and not (is_nothing and mentions.uses_now):
        return []
    return [f"{what} is known from {first} through {last} only (nothing brings back earlier days)"]


def _touches(day: date, first: date, last: date) -> bool:
    # A month or a year is named by its first day, which may be before the first day that is known.
    return first <= day <= last or day in (first.replace(day=1), first.replace(month=1, day=1))


def _tags(connection: "duckdb.DuckDBPyConnection", wanted: Collection[str]) -> list[str]:
    if not wanted:
        return []
    known = _column(connection, "select tag_key from ref.tag_key union select tag_key from cost.by_tag")
    return [
        f"the bill is not cut by the tag key {key} (ref.tag_key lists those that it is cut by)"
        for key in sorted(set(wanted) - known)
    ]


def _types(wanted: Collection[str], relations: Collection[str]) -> list[str]:
    # A relation of any type beside another one says nothing about what the other one lacks.
    if not any(relation.startswith(("cmdb.", "stage.")) for relation in set(relations) - OF_ANY_TYPE):
        return []
    collected = [listing.resource_type for listing in listings().values() if listing.resource_type]
    return [
        f"the resource type {name} is not collected (the tool coverage names the listings that are)"
        for name in sorted(wanted)
        if not any(_like(name).fullmatch(known) for known in collected)
    ]


def _like(pattern: str) -> re.Pattern[str]:
    # Without a % it is compared for equality.
    if "%" not in pattern:
        return re.compile(re.escape(pattern))
    return re.compile(re.escape(pattern).replace("%", ".*").replace("_", "."), re.IGNORECASE)


def _places(connection: "duckdb.DuckDBPyConnection", mentions: Mentions, relations: Collection[str]) -> Iterator[str]:
    # The bill and the organisation know accounts and regions that the inventory was never asked about.
    is_bill = all(relation.startswith(("cost.", "org.", "ref.")) for relation in relations)
    if mentions.accounts:
        known = _column(connection, ACCOUNTS_BILLED if is_bill else ACCOUNTS_REQUESTED)
        for account in sorted(mentions.accounts - known):
            yield f"account {account} is not of this organisation (org.account lists those that are)"
    if mentions.regions:
        known = _column(connection, REGIONS_BILLED if is_bill else REGIONS_REQUESTED)
        for region in sorted(mentions.regions):
            if not any(_like(region).fullmatch(one) for one in known):
                yield f"region {region} was never requested (CMDB_REGIONS and the accounts decide)"


ACCOUNTS_REQUESTED = """
    select account_id from org.account where state <> 'LEFT'
    union
    select account_id from audit.expected_cell
"""
ACCOUNTS_BILLED = (
    f"{ACCOUNTS_REQUESTED} union select account_id from org.account union select account_id from cost.daily_total"
)
REGIONS_REQUESTED = "select region from audit.coverage"
REGIONS_BILLED = f"{REGIONS_REQUESTED} union select region from cost.by_region"


def _column(connection: "duckdb.DuckDBPyConnection", query: str) -> set[str]:
    return {str(value) for (value,) in connection.execute(query).fetchall()}


def _one(
    connection: "duckdb.DuckDBPyConnection", query: str, parameters: Mapping[str, Any]
) -> tuple[date | None, date | None]:
    row = connection.execute(query, dict(parameters)).fetchone()
    return (row[0], row[1]) if row else (None, None)
