"""The look-ups of zeros in CloudTrail: one for all zeros of one caller, account and region."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pipelines.collection.turns import Alone, Turns
from pipelines.trust.zero_rule import Zero
from resources.aws.dispatch import look_up_all
from resources.aws.listing import Listing
from resources.aws.messages import Lookup, TrailEvents
from resources.contract import Role
from resources.roles import AwsRole, worker_processes

HORIZON = timedelta(minutes=5)
"""Margin before and after a request in its CloudTrail look-up: the largest clock difference that AWS accepts."""


class Place(NamedTuple):
    """The place where CloudTrail records a request: the caller's role and profile, the account and the region."""

    role: Role
    profile: str
    account_id: str
    region: str


class ListedZero(NamedTuple):
    """A response without records, and its listing."""

    zero: Zero
    listing: Listing


def lookup(place: Place, zeros: Sequence[ListedZero], *, until: datetime | None = None, caller_arn: str = "") -> Lookup:
    """The one look-up for all zeros of a place.

    Args:
        place: the place.
        zeros: the zeros.
        until: end of the searched time, UTC, exclusive; None reads up to now.
        caller_arn: ARN of the caller that sent the requests, if the profile may have another caller now.
    """
    return Lookup(
        place.role,
        place.profile,
        place.account_id,
        place.region,
        min(entry.zero.requested_from for entry in zeros) - HORIZON,
        {entry.listing.trail_name: entry.listing.call for entry in zeros},
        request_ids=frozenset(name for entry in zeros for name in entry.zero.request_ids if name),
        until=until,
        caller_arn=caller_arn,
    )


def trail_events(
    resources: Mapping[Role, AwsRole],
    lookups: Sequence[Lookup],
    turns: Turns | Alone,
) -> list[TrailEvents]:
    """CloudTrail's events for each look-up, in the order of the look-ups.

    Args:
        turns: given up once the identities of the callers are verified and stored, until the last event is there.
    """
    clients = {role: resources[role].client for role in {lookup.listing_role for lookup in lookups}}
    processes = worker_processes(resources)
    with turns.requesting():
        return look_up_all(clients, lookups, turns.require_going, processes=processes)
