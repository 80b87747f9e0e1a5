"""What CloudTrail is asked about zeros: one look-up for those of one caller, account and region."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pipelines.trust.zero_rule import Zero
from resources.aws.dispatch import look_up_all
from resources.aws.listing import Listing
from resources.aws.messages import Lookup, TrailEvents
from resources.contract import Role
from resources.roles import AwsRole

HORIZON = timedelta(minutes=5)
"""How long before and after a question CloudTrail is searched for it: as far as clocks may differ for AWS to answer."""


class Place(NamedTuple):
    """Whose trail has the events of a question."""

    role: Role
    profile: str
    account_id: str
    region: str


class ListedZero(NamedTuple):
    """An answer without records, and the listing that it is of."""

    zero: Zero
    listing: Listing


def lookup(place: Place, zeros: Sequence[ListedZero], *, until: datetime | None = None, caller_arn: str = "") -> Lookup:
    """The one look-up for the zeros of a place.

    Args:
        until: events from then on are not read; None reads up to now.
        caller_arn: who asked, where that may be another one than the profile is now.
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


def trail_events(resources: Mapping[Role, AwsRole], lookups: Sequence[Lookup]) -> list[TrailEvents]:
    """What CloudTrail shows for each look-up, in their order."""
    clients = {role: resources[role].client for role in {lookup.listing_role for lookup in lookups}}
    workload = resources.get("workload")
    return look_up_all(clients, lookups, processes=None if workload is None else workload.processes)
