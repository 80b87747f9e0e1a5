"""What must exist by the bill: services and usage types that bear witness to listings."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from resources.store.sql import exists
from resources.store.store import Store


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
    with store.read() as connection:
        if not all(exists(connection, "ref", name) for name in ("service_listing", "usage_type_listing")):
            return {}
        rows = connection.execute(
            """
            with recent as (
                select
                    account_id, slice, usage_date, dimension_value,
                    (collected_at at time zone 'UTC')::date as asked_on
                from cost.daily
                where
                    slice in ('service', 'usage_type') and usage_date >= $since
                    and (unblended_cost > 0 or amortized_cost > 0)
            ),

            service_day as (
                select distinct usage_date from recent where slice = 'service' order by usage_date desc limit 7
            ),

            shown as (
                select r.account_id, l.listing, r.dimension_value as name, true as is_shared
                from recent as r
                join service_day using (usage_date)
                join ref.service_listing as l
                    on r.slice = 'service' and r.dimension_value = l.service and l.is_witness
                union
                select r.account_id, l.listing, r.dimension_value, false
                from recent as r
                join ref.usage_type_listing as l
                    on r.slice = 'usage_type' and regexp_matches(r.dimension_value, '(^|-)(' || l.part || ')')
                where
                    r.usage_date = (
                        select max(newest.usage_date) from recent as newest
                        where newest.slice = 'usage_type' and newest.usage_date <= newest.asked_on - 2
                    )
            )

            select account_id, listing, list({'name': name, 'is_shared': is_shared} order by name)
            from shown
            group by account_id, listing
            """,
            {"since": since},
        ).fetchall()
    return {(account, listing): tuple(BilledItem(**item) for item in items) for account, listing, items in rows}


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
