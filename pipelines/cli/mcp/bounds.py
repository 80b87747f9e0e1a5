"""Where the published file ends: what a query asks about that no cell speaks of.

Every cell may be judged, and yet nothing be known of a type that nobody collects, of an account or a region outside the
organisation, or of days before the bill began. "None" is not said about these.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.cli.mcp.mentions import Mentions
from pipelines.cli.mcp.names import collected_services, collected_types, uncollected
from pipelines.plain_text import plain

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

PART_OF = re.compile(r"arn:[^:]*:(s3:::[^/]*/|lambda:[^:]*:[^:]*:function:[^:]*:)")
"""How the ARN of a part begins, an object or a version: only what it is a part of is in the inventory."""


@dataclass(frozen=True)
class Bounds:
    """Where the file ends for one query.

    Attributes:
        beyond: what the query asks about that no cell speaks of, each a clause; of each kind not all.
        remedies: what to use instead, by tool and table.
        period: the days of the bill that are known, as a sentence; empty where it reads no bill.
    """

    beyond: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
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
    if _is_of_types(relations):
        beyond += _arns(connection, mentions.arns, is_nothing=is_nothing)
        beyond += [
            (f"{text} may be of {name}, which is not collected", USE_LISTED)
            for text, name in uncollected(connection, mentions.texts if is_nothing else ())
        ]
    beyond += [(UNKNOWN_KIND.format(identifier=identifier), USE_ARN) for identifier in sorted(mentions.strange)]
    if is_nothing and mentions.leaves_out and relations:
        beyond.append(("the query may leave out rows that it found", USE_ALL))
    period = ""
    if any(relation.startswith("cost.") for relation in relations):
        beyond += _tags(connection, mentions.tags)
        first, last = _one(connection, BILL_IS_KNOWN, {"parts": sorted(parts)})
        beyond += _outside("the bill", first, last, mentions, is_nothing=is_nothing)
        period = f" The bill is known from {first} through {last}." if first and last else ""
    is_of_days = any(relation.endswith("_version") or relation in BY_DAY for relation in relations)
    if is_of_days or mentions.seen_days:
        named = mentions if is_of_days else Mentions(seen_days=mentions.seen_days)
        beyond += _outside("the history", *_one(connection, HISTORY_IS_KNOWN, {}), named, is_nothing=is_nothing)
    uses = tuple(dict.fromkeys(use for _, use in beyond))
    return Bounds(tuple(clause for use in uses for clause in _some(dict.fromkeys(beyond), use)), uses, period)


def _some(beyond: Iterable["Beyond"], use: str) -> Iterator[str]:
    """Those clauses for which one thing is to be used instead, as many as a reader looks at, and how many more."""
    clauses = [clause for clause, other in beyond if other == use]
    yield from (plain(clause, LONGEST) for clause in clauses[:MOST])
    if len(clauses) > MOST:
        yield f"{len(clauses) - MOST:,} more are like these"


MOST = 10
"""Clauses of a kind that are named."""

LONGEST = 400
"""Characters of a clause that are shown."""

UNKNOWN_KIND = "nothing of the kind of {identifier} is in the inventory, so that nobody may collect it"

USE_ARN = "name it by its ARN, and look with the tool coverage for the listing that would have it"

USE_LISTED = (
    "the tool coverage lists what is collected and ref.service_action billed services that are not; "
    "aws.config_resource and aws.explorer_resource may have their resources"
)

USE_ALL = "write the query without LIMIT 0, limits inside, OFFSET and samples"

USE_DAYS = {
    "the bill": "cost.month_coverage has the days that are known; nothing brings back earlier ones",
    "the history": "audit.run has the runs that are known; nothing brings back earlier ones",
}

USE_TAG_KEYS = "ref.tag_key lists the tag keys by which the bill is cut"

USE_ACCOUNTS = "org.account lists the accounts of the organisation"

USE_REGIONS = "the tool coverage lists the regions of an account; CMDB_REGIONS and the accounts decide which"

Beyond = tuple[str, str]
"""What no cell speaks of, and what to use instead."""

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


def _outside(what: str, first: date | None, last: date | None, mentions: Mentions, *, is_nothing: bool) -> list[Beyond]:
    if first is None or last is None:
        return [(f"no day of {what} is known", "`cmdb nightly` collects it")]
    is_seen = what == "the bill" or all(first <= day <= last for day in mentions.seen_days)
    if is_seen and all(_touches(day, first, last) for day in mentions.days) and not (is_nothing and mentions.uses_now):
        return []
    return [(f"{what} is known from {first} through {last} only", USE_DAYS[what])]


def _touches(day: date, first: date, last: date) -> bool:
    # A month or a year is named by its first day, which may be before the first day that is known.
    return first <= day <= last or day in (first.replace(day=1), first.replace(month=1, day=1))


def _tags(connection: "duckdb.DuckDBPyConnection", wanted: Collection[str]) -> list[Beyond]:
    if not wanted:
        return []
    known = _column(connection, "select tag_key from ref.tag_key union select tag_key from cost.by_tag")
    return [(f"the bill is not cut by the tag key {key}", USE_TAG_KEYS) for key in sorted(set(wanted) - known)]


def _is_of_types(relations: Collection[str]) -> bool:
    # A relation of any type beside another one says nothing about what the other one lacks.
    return any(relation.startswith(("cmdb.", "stage.")) for relation in set(relations) - OF_ANY_TYPE)


def _types(wanted: Collection[str], relations: Collection[str]) -> list[Beyond]:
    return [
        (f"the resource type {name} is not collected", USE_LISTED)
        for name in sorted(wanted if _is_of_types(relations) else ())
        if not any(_like(name).fullmatch(known) for known in collected_types())
    ]


def _arns(connection: "duckdb.DuckDBPyConnection", arns: Collection[str], *, is_nothing: bool) -> Iterator[Beyond]:
    """ARNs, and beginnings of them, that the inventory could not hold."""
    for arn in sorted(arns):
        parts = arn.split(":", 5)
        service = parts[2] if len(parts) > 2 and re.fullmatch("[a-z0-9-]+", parts[2]) else ""
        if service and service not in collected_services():
            yield f"nothing of the service {service} is collected", USE_LISTED
        elif service and is_nothing and (PART_OF.match(arn) or not _has_kind(connection, service, parts[5:])):
            yield UNKNOWN_KIND.format(identifier=arn), USE_ARN


def _has_kind(connection: "duckdb.DuckDBPyConnection", service: str, rest: list[str]) -> bool:
    """Whether the inventory has a resource of the kind that an ARN names, or it names none."""
    kind = re.match(r"([a-z-]+)[/:]", rest[0]) if rest else None
    if kind is None:
        return True
    row = connection.execute(
        """
        select exists(
            from cmdb.resource
            where
                split_part(arn, ':', 3) = $service
                and regexp_extract(arn, '^arn:[^:]*:[^:]*:[^:]*:[^:]*:([a-z-]*)[/:]', 1) = $kind
        )
        """,
        {"service": service, "kind": kind[1]},
    ).fetchone()
    return bool(row and row[0])


def _like(pattern: str) -> re.Pattern[str]:
    # Without a % it is compared for equality.
    if "%" not in pattern:
        return re.compile(re.escape(pattern))
    return re.compile(re.escape(pattern).replace("%", ".*").replace("_", "."), re.IGNORECASE)


def _places(
    connection: "duckdb.DuckDBPyConnection", mentions: Mentions, relations: Collection[str]
) -> Iterator[Beyond]:
    # The bill and the organisation know accounts and regions that the inventory was never asked about.
    is_bill = all(relation.startswith(("cost.", "org.", "ref.")) for relation in relations)
    if mentions.accounts:
        known = _column(connection, ACCOUNTS_BILLED if is_bill else ACCOUNTS_REQUESTED)
        for account in sorted(mentions.accounts - known):
            yield f"account {account} is not of this organisation", USE_ACCOUNTS
    if mentions.regions:
        known = _column(connection, REGIONS_BILLED if is_bill else REGIONS_REQUESTED)
        for region in sorted(mentions.regions):
            if not any(_like(region).fullmatch(one) for one in known):
                yield f"region {region} was never requested", USE_REGIONS


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
