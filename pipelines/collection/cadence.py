"""Listings that change seldom (`Listing.every`): which of their cells a run requests, and which stay as they are.

A cell that is not due keeps its last response, as a run of untrusted cells alone keeps those of the last hours. It is
not stale: its rows say when they were collected. The cells of an account and region are due on the same night, and the
places are spread over the nights. Always requested is a cell that was never requested, one without a trusted response,
one that a check disputes, one whose listing or tables have changed since, and one of which another source knows more:
the bill, the tagging API or AWS Config.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pipelines.collection.billed import unexplained
from pipelines.collection.cells import Cadence
from pipelines.collection.state import StepState
from resources.aws.listing import Listing
from resources.aws.messages import Request
from resources.store.sql import exists

if TYPE_CHECKING:
    import duckdb

Place = tuple[str, str, str]
"""Account id, region and listing; the region is empty where every region of the account is meant."""


def today() -> date:
    """The night's date, UTC."""
    return datetime.now(UTC).date()


def phase(account: str, region: str, every: int) -> int:
    """The night of a cycle on which a place is due, from 0; each night has about as many places."""
    return int.from_bytes(hashlib.sha256(f"{account} {region}".encode()).digest()[:8], "big") % every


def is_due_by_date(account: str, region: str, every: int, requested_on: date, night: date) -> bool:
    """Whether the place's night has come since it was requested; a night without a run is made up for.

    A request in the future was sent by a clock that was wrong, and does not count.
    """
    if requested_on > night:
        return True
    own = phase(account, region, every)
    return (night.toordinal() - own) // every > (requested_on.toordinal() - own) // every


def due(state: StepState, requests: Iterable[Request]) -> list[Request]:
    """The requests to send; a cell that is not due keeps its response (`BatchState.kept`)."""
    sent = []
    for request in requests:
        if state.is_by_cadence and request.listing.every > 1 and not _is_due(state, request):
            state.batch.kept.add(request.key)
        else:
            sent.append(request)
    return sent


def _is_due(state: StepState, request: Request) -> bool:
    earlier = state.earlier.get(request.key)
    if earlier is None or not earlier.is_trusted or earlier.is_disputed or not state.is_of_before(earlier):
        return True
    listing, account, region = request.listing, request.account_id, request.region
    if is_due_by_date(account, region, listing.every, earlier.ended_at.astimezone(UTC).date(), today()):
        return True
    known = _known(state)
    current = state.record_rules[listing.name].fingerprint(listing)
    if known.fingerprints.get((earlier.run_id, listing.name)) != current:
        return True
    return not known.named.isdisjoint({(account, region, listing.name), (account, "", listing.name)})


def _known(state: StepState) -> Cadence:
    if state.batch.cadence is None:
        seldom = [listing for listing in state.listings if listing.every > 1]
        with state.store.read() as connection:
            rows = connection.execute(
                """
                select run_id, listing, listing_fingerprint from audit.step_plan
                where list_contains($listings, listing) and listing_fingerprint is not null
                """,
                {"listings": [listing.name for listing in seldom]},
            ).fetchall()
            named = _named_elsewhere(connection, seldom, state.batch.accounts.parameters)
        state.batch.cadence = Cadence(
            {(run, listing): found for run, listing, found in rows}, frozenset(named | _billed(state, seldom))
        )
    return state.batch.cadence


def _billed(state: StepState, listings: Iterable[Listing]) -> set[Place]:
    """Accounts of which the bill shows something that no cell holds; the bill has no region."""
    names = {listing.name for listing in listings}
    held = {(key.account_id, key.name) for key, cell in state.earlier.items() if cell.last_trusted_count}
    return {(account, "", name) for account, name in unexplained(state.billed_services, held) if name in names}


def _named_elsewhere(
    connection: "duckdb.DuckDBPyConnection", listings: Sequence[Listing], accounts: Mapping[str, str]
) -> set[Place]:
    """Places of which the tagging API or AWS Config names a resource that no cell holds."""
    tables = (("aws", "tagged_resource"), ("aws", "config_resource"), ("cmdb", "resource"))
    if not all(exists(connection, schema, name) for schema, name in tables):
        return set()
    rows = connection.execute(
        """
        with wanted as (
            select unnest($names) as listing, unnest($types) as resource_type, unnest($forms) as arn_form
        ),

        named as (
            select wanted.listing, entry.account_id, entry.region, entry.arn
            from aws.config_resource as entry
            join wanted using (resource_type)
            where not entry.is_stale and not starts_with(coalesce(entry.state, ''), 'ResourceDeleted')
            union
            select wanted.listing, entry.account_id, entry.region, entry.arn
            from aws.tagged_resource as entry
            join wanted
                on starts_with(entry.service || ':' || regexp_replace(entry.arn, '^([^:]*:){5}', ''), wanted.arn_form)
            where not entry.is_stale
        )

        select distinct account_id, region, listing
        from named
        anti join (select arn from cmdb.resource where status <> 'retired') as held using (arn)
        where account_id >= $since_account and account_id < $before_account
        """,
        {
            "names": [listing.name for listing in listings],
            "types": [listing.resource_type for listing in listings],
            "forms": [listing.arn_form for listing in listings],
            **accounts,
        },
    ).fetchall()
    regional = {listing.name: listing.scope == "regional" for listing in listings}
    return {(account, region if regional[name] else "", name) for account, region, name in rows}
