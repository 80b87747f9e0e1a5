"""Splits a step's accounts into batches."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from pipelines.catalogue.names import ACCOUNT
from pipelines.collection import previous
from pipelines.collection.accounts import Member, Reached, match
from pipelines.collection.progress import Part
from pipelines.collection.regions import enabled_regions
from pipelines.collection.state import StepState
from resources.audit.coverage import EVERY_ACCOUNT, Accounts
from resources.aws.messages import arn_partition
from resources.roles import Workload

FEWEST_CELLS = 1_000
"""Cells of a batch that is made only so that every worker has one: fewer take longer to give away than to request."""


@dataclass(frozen=True)
class AccountBatch:
    """Some of a step's accounts, which are requested together.

    Attributes:
        whose: the interval of account ids in this batch; every cell belongs to one batch.
        reached: the workload profiles' accounts of this batch; None where the step requests none.
        part: number of the batch in its step; None where there is only one.
    """

    whose: Accounts
    reached: Reached | None
    part: Part | None = None

    @property
    def is_central(self) -> bool:
        """Whether the account of a central role is in this batch."""
        return self.reached is not None and self.reached.has_central(self.whose)


def account_batches(
    state: StepState,
    reached: Reached | None,
    part_cells: int,
    *,
    central_apart: bool = False,
    workers: Callable[[], int] = lambda: 1,
) -> list[AccountBatch]:
    """A step's accounts in batches, so that the memory in use does not grow with the organisation.

    The cells of a central role are in the batch of their account, and that batch comes first. An account may change
    from a workload profile to a central role between two runs.

    Args:
        state: the step's state.
        reached: the workload profiles' accounts; None where the step requests none.
        part_cells: maximum number of cells in a batch.
        central_apart: whether each central account is a batch of its own, so that all others can be collected
            elsewhere.
        workers: returns how many collect at the same time; called only in a step that is worth more than one batch.
    """
    # Which account is requested for a region follows from all accounts.
    if reached is None or any(listing.is_shared for listing in state.listings):
        return [AccountBatch(EVERY_ACCOUNT, reached)]
    listings = [listing for listing in state.listings if "workload" in listing.roles]
    widest = 1
    if any(listing.scope == "regional" for listing in listings):
        widest = max((len(regions) for regions in enabled_regions(state).values()), default=1)
    size = max(1, part_cells // (len(listings) * max(1, widest)))
    named = sorted(reached.profile_of)
    count = max(1, -(-len(named) // size))
    most = len(named) * len(listings) * max(1, widest) // FEWEST_CELLS
    if most > count:
        at_work = max(1, workers())
        # As many for each worker, so that all end together.
        count = min(-(-count // at_work) * at_work, most)
    # Batches of equal size keep all threads busy in the last batch too.
    size = max(1, -(-len(named) // count))
    bounds = [EVERY_ACCOUNT.since, *named[size::size], EVERY_ACCOUNT.before]
    if central_apart:
        # No account id lies between that of an account and the same with a character behind it.
        alone = {bound for account in reached.central for bound in (account, f"{account}{EVERY_ACCOUNT.before}")}
        bounds = sorted({*bounds, *alone})
    intervals = sorted(
        (Accounts(since, before) for since, before in pairwise(bounds)),
        key=lambda interval: not reached.has_central(interval),
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
    """Request the identity of every workload profile and match the identities with the organisation's accounts."""
    members = [
        Member.of(record.fields) for record in previous.records(state.store, ACCOUNT, ("Id", "Name", "State", "Status"))
    ]
    callers = resource.callers()
    central = {caller.account_id: role for role, caller in callers.items() if caller.account_id is not None}
    earlier = previous.earlier_accounts(state.store)
    partition = arn_partition(callers["management"].arn or "")
    reached = match(resource.reached(), members, central, earlier, partition)
    in_organisation = {member.account_id for member in members if member.state != "CLOSED"}
    state.requested_before = previous.requested_accounts(state.store, state.listings)
    state.left = frozenset(state.requested_before.keys() - in_organisation)
    state.findings = reached.findings
    return reached
