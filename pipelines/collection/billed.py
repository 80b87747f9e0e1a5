"""What must exist by the bill: services and usage types that bear witness to listings."""

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from pipelines.memory import read_within_memory
from resources.store.sql import exists
from resources.store.store import Store

if TYPE_CHECKING:
    import duckdb


class BilledItem(NamedTuple):
    """A service or usage type on the bill that bears witness to a listing.

    Attributes:
        name: as the bill spells it.
        is_shared: any of several listings may have caused it, so that a record of one explains it for all.
    """

    name: str
    is_shared: bool


def billed_services(store: Store, since: date) -> dict[tuple[str, str], tuple[BilledItem, ...]]:
    """Services and usage types by account and listing that the newest days of the bill show. Empty without a bill.

    Services (`ref.service_listing`) count by the last seven days, usage types (`ref.usage_type_listing`) by the newest
    complete day: what was deleted before it does not speak against a zero. An estimated day is a witness too: AWS may
    change its amounts, not that there was usage. What a commitment covers costs nothing unblended, but amortized.
    """
    services, usage_types, parts = read_within_memory(store, lambda connection: _billed(connection, since))
    listings = _listings_by_usage_type(parts)
    shown: dict[tuple[str, str], set[BilledItem]] = defaultdict(set)
    for account, listing, service in services:
        shown[account, listing].add(BilledItem(service, is_shared=True))
    for account, usage_type in usage_types:
        for listing in listings(usage_type):
            shown[account, listing].add(BilledItem(usage_type, is_shared=False))
    return {place: tuple(sorted(items)) for place, items in shown.items()}


def _billed(
    connection: "duckdb.DuckDBPyConnection", since: date
) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]], list[tuple[str, str]]]:
    """Services by account and listing, usage types by account, and the listings of parts of usage types."""
    if not all(exists(connection, "ref", name) for name in ("service_listing", "usage_type_listing")):
        return [], [], []
    services = connection.execute(
        """
        with recent as (
            select account_id, usage_date, dimension_value, greatest(unblended_cost, amortized_cost) as cost
            from cost.daily
            where slice = 'service' and usage_date >= $since and (unblended_cost > 0 or amortized_cost > 0)
        ),

        service_day as (select distinct usage_date from recent order by usage_date desc limit 7)

        select distinct r.account_id, l.listing, r.dimension_value
        from recent as r
        join service_day using (usage_date)
        join ref.service_listing as l
            on r.dimension_value = l.service and l.is_witness and r.cost >= coalesce(l.witness_from, 0)
        """,
        {"since": since},
    ).fetchall()
    usage_types = connection.execute(
        """
        with recent as (
            select
                account_id, usage_date, dimension_value,
                (collected_at at time zone 'UTC')::date as asked_on
            from cost.daily
            where slice = 'usage_type' and usage_date >= $since and (unblended_cost > 0 or amortized_cost > 0)
        )

        select distinct account_id, dimension_value
        from recent
        where usage_date = (
            select max(newest.usage_date) from recent as newest where newest.usage_date <= newest.asked_on - 2
        )
        """,
        {"since": since},
    ).fetchall()
    parts = connection.execute("select part, listing from ref.usage_type_listing").fetchall()
    return services, usage_types, parts


def _listings_by_usage_type(parts: Iterable[tuple[str, str]]) -> Callable[[str], frozenset[str]]:
    """What finds the listings to which a usage type bears witness.

    Not in SQL: DuckDB compiles a pattern that stands in a column once more for each row.

    Args:
        parts: patterns of what follows the code of the region, each with a listing.
    """
    patterns = [(re.compile(f"(^|-)({part})"), listing) for part, listing in parts]

    @functools.cache
    def listings(usage_type: str) -> frozenset[str]:
        return frozenset(listing for pattern, listing in patterns if pattern.search(usage_type))

    return listings


def unexplained(
    shown: Mapping[tuple[str, str], tuple[BilledItem, ...]], found: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """What is billed, by account and listing, that nothing found in the account explains.

    A service that several listings may cause is explained by any of them: what is left of databases costs too. A usage
    type is explained to each of its listings by that listing alone: an instance that runs is no VPC.
    """
    places = set(found)
    explained = {
        (account, item.name) for account, name in places for item in shown.get((account, name), ()) if item.is_shared
    }
    against = {
        place: tuple(
            item.name
            for item in items
            if ((place[0], item.name) not in explained if item.is_shared else place not in places)
        )
        for place, items in shown.items()
    }
    return {place: names for place, names in against.items() if names}
