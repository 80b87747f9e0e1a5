"""Which accounts a step asks, and which of them together."""

import time
from dataclasses import dataclass, replace
from itertools import pairwise

from pipelines.catalogue.names import ACCOUNT
from pipelines.collection import previous
from pipelines.collection.accounts import Member, Reached, match
from pipelines.collection.progress import Part
from pipelines.collection.regions import enabled_regions
from pipelines.collection.state import StepState
from resources.audit.coverage import EVERY_ACCOUNT, Accounts
from resources.roles import Workload

PART_CELLS = 15_000
"""Cells that are asked, judged and written before the next ones are: some 4 KB each until then."""


@dataclass(frozen=True)
class AccountBatch:
    """Some of a step's accounts, asked together.

    Attributes:
        whose: whose cells are asked or known of in this part; every cell is of one part.
        reached: the workload profiles' accounts of this part; None where the step asks none.
        part: which part of the step it is; None where there is only one.
    """

    whose: Accounts
    reached: Reached | None
    part: Part | None = None


def account_batches(state: StepState, reached: Reached | None) -> list[AccountBatch]:
    """A step's accounts, so many at a time that what is held of them does not grow with the organisation.

    What central roles are asked is in the part of their account, and that part comes first: whoever answered for
    an account last night may be another one tonight.
    """
    if reached is None:
        return [AccountBatch(EVERY_ACCOUNT, None)]
    listings = [listing for listing in state.listings if "workload" in listing.roles]
    widest = 1
    if any(listing.scope == "regional" for listing in listings):
        widest = max((len(regions) for regions in enabled_regions(state).values()), default=1)
    size = max(1, PART_CELLS // (len(listings) * max(1, widest)))
    named = sorted(reached.profile_of)
    count = max(1, -(-len(named) // size))
    # Evenly, so that the last part keeps all threads at work too.
    size = max(1, -(-len(named) // count))
    bounds = [EVERY_ACCOUNT.since, *named[size::size], EVERY_ACCOUNT.before]
    intervals = sorted(
        (Accounts(since, before) for since, before in pairwise(bounds)),
        key=lambda interval: not any(account in interval for account in reached.central),
    )
    began = time.monotonic()
    return [
        AccountBatch(
            interval,
            replace(
                reached,
                profile_of={account: name for account, name in reached.profile_of.items() if account in interval},
                broken={account: why for account, why in reached.broken.items() if account in interval},
                skipped={account: why for account, why in reached.skipped.items() if account in interval},
            ),
            Part(number, len(intervals), began) if len(intervals) > 1 else None,
        )
        for number, interval in enumerate(intervals, 1)
    ]


def match_accounts(state: StepState, resource: Workload) -> Reached:
    """Ask STS who every workload profile is and match the answers with the organisation's accounts."""
    members = [
        Member(
            str(record.fields["Id"]),
            str(record.fields["Name"]),
            str(record.fields["State"] or record.fields["Status"]),
        )
        for record in previous.records(state.store, ACCOUNT, ("Id", "Name", "State", "Status"))
    ]
    central = {caller.account_id: role for role, caller in resource.callers().items() if caller.account_id is not None}
    earlier = previous.earlier_accounts(state.store)
    reached = match(resource.reached(), members, central, earlier)
    in_organisation = {member.account_id for member in members if member.state != "CLOSED"}
    state.requested_before = previous.requested_accounts(state.store, state.listings)
    state.left = frozenset(state.requested_before.keys() - in_organisation)
    state.findings = reached.findings
    return reached
