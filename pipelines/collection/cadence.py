"""Listings that change seldom (`Listing.every`): which of their cells a run requests, and which stay as they are.

A cell that is not due keeps its last response, as a run of untrusted cells alone keeps those of the last hours. It is
not stale: its rows say when they were collected. The cells of an account and region are due on the same night, and the
places are spread over the nights. Always requested is a cell that was never requested, one without a trusted response,
one that a check disputes, one whose listing or tables have changed since, one whose parents are others than those for
which it was requested, and one of which another source knows more: the bill, the tagging API or AWS Config.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

from pipelines.catalogue.family import nights_between
from pipelines.collection.billed import unexplained
from pipelines.collection.cells import Cadence
from pipelines.collection.state import StepState
from pipelines.errors import LandingError
from resources.aws.listing import Listing
from resources.aws.messages import Request

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


def parents_hash(values: Iterable[str]) -> str:
    """What the parents of a cell are compared by."""
    return hashlib.sha256("\n".join(sorted(values)).encode()).hexdigest()[:16]


def due(state: StepState, requests: Iterable[Request]) -> list[Request]:
    """The requests of one listing to send; a cell that is not due keeps its response (`BatchState.kept`)."""
    sent: list[Request] = []
    nightly: frozenset[Place] | None = None
    for request in requests:
        listing = request.listing
        if not state.is_by_cadence or listing.every == 1:
            sent.append(request)
            continue
        if nightly is None:
            nightly = _nightly(state, listing)
        if (request.account_id, request.region, listing.name) in nightly or _is_due(state, request):
            sent.append(request)
        else:
            state.batch.kept.add(request.key)
    return sent


def _nightly(state: StepState, listing: Listing) -> frozenset[Place]:
    """The places in which a listing is requested whatever its cadence.

    They are those that the records of `Listing.nightly_unless` name. They are all places where the records of a parent
    are gone from the landing, as on a machine that goes on from the published file alone: its children need them.
    """
    try:
        if listing.name in state.wanted_fields:
            # Kept cells need them anyway, and the batch has what was read.
            state.batch.stored(state.known, listing.name, state.wanted_fields[listing.name])
        if listing.nightly_unless is None:
            return frozenset()
        source, field, value = listing.nightly_unless
        stored = state.batch.stored(state.known, source, state.wanted_fields[source])
    except LandingError:
        # Without these records nobody knows which places they are, so all of them are.
        return frozenset((key.account_id, key.region, listing.name) for key in state.earlier)
    records = [
        *state.batch.parent_records[source],
        *(record for record in stored if record.key not in state.attempts),
    ]
    return frozenset(
        (record.key.account_id, record.key.region, listing.name)
        for record in records
        if record.fields.get(field) != value
    )


def _is_due(state: StepState, request: Request) -> bool:
    earlier = state.earlier.get(request.key)
    if earlier is None or not earlier.is_trusted or earlier.is_disputed or not state.is_of_before(earlier):
        return True
    listing, account, region = request.listing, request.account_id, request.region
    every = nights_between(listing, bool(earlier.last_trusted_count))
    if is_due_by_date(account, region, every, earlier.ended_at.astimezone(UTC).date(), today()):
        return True
    known = _known(state)
    if known.parents.get(request.key) != state.batch.parents.get(request.key):
        return True
    current = state.record_rules[listing.name].fingerprint(listing)
    if known.fingerprints.get((earlier.run_id, listing.name)) != current:
        return True
    return not known.named.isdisjoint({(account, region, listing.name), (account, "", listing.name)})


def _known(state: StepState) -> Cadence:
    if state.batch.cadence is None:
        seldom = [listing for listing in state.listings if listing.every > 1]
        known = state.known.cadence(seldom, state.batch.accounts)
        state.batch.cadence = replace(known, named=known.named | _billed(state, seldom))
    return state.batch.cadence


def _billed(state: StepState, listings: Iterable[Listing]) -> set[Place]:
    """Accounts of which the bill shows something that no cell holds; the bill has no region."""
    names = {listing.name for listing in listings}
    held = {(key.account_id, key.name) for key, cell in state.earlier.items() if cell.last_trusted_count}
    return {(account, "", name) for account, name in unexplained(state.known.billed_services, held) if name in names}
