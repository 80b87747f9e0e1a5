"""One step from its first question to its last cell: batch by batch, what all roles are asked.

Every listing is asked; then again what failed or what something speaks against. CloudTrail is looked up once per
account and region that has a zero, and every cell is judged. What is landed is stored by `Collector.commit`.
"""

from collections.abc import Callable, Sequence
from functools import partial

from pipelines.catalogue.names import REGION
from pipelines.collection import previous
from pipelines.collection.accounts import Reached, account_coverage, too_many_unplaced
from pipelines.collection.batches import account_batches, match_accounts
from pipelines.collection.collector import Collector
from pipelines.collection.cost_collector import collect_costs
from pipelines.collection.plan import Plan, central_plan, workload_plan
from pipelines.trust.gate import refuse
from resources.audit.cells import Cell
from resources.aws.listing import Listing
from resources.check_result import CheckResult
from resources.roles import Workload


def collect(collector: Collector, what: str, judged: Callable[[Sequence[Cell]], None]) -> CheckResult | None:
    """Put every question of a step, and again where something speaks against the answer; land what comes of it.

    Returns the verdict on the reach of the workload profiles where the step lists regions.

    Args:
        judged: is given the cells of each part of the step.

    Raises:
        dagster.Failure: too many profiles do not answer to know whose accounts would be missing. Nothing was asked.
    """
    state = collector.state
    reached: Reached | None = None
    workload = state.resources.get("workload")
    if isinstance(workload, Workload):
        reached = match_accounts(state, workload)
        profiles = len(reached.profile_of) + len(reached.broken) + len(reached.unplaced)
        stop = too_many_unplaced(reached, profiles, state.settings.untrusted_tolerance)
        if stop is not None:
            raise refuse(f"{what} was not asked. {stop}")
    bill = [listing for listing in state.listings if listing.service == "ce"]
    portions = account_batches(state, reached)
    for share in portions:
        state.begin(share.whose, share.part)
        if bill:
            collect_costs(collector, bill)
        plans: list[tuple[Listing, Plan]] = []
        for listing in state.listings:
            for role in listing.roles:
                if role == "workload":
                    if share.reached is not None:
                        plans.append((listing, workload_plan(state, listing, share.reached)))
                elif listing not in bill and state.identity(role).account_id in share.whose:
                    plans.append((listing, central_plan(state, listing, role)))
        collector.fetch_plans(plans)
        collector.settle()
        judged(collector.judge())
    if len(portions) > 1:
        for name, stats in state.stats.items():
            state.log(f"{name}: {stats.sentence()}")
    lists_regions = any(listing.name == REGION for listing in state.listings)
    if reached is None or not lists_regions:
        return None
    return account_coverage(reached, state.requested_before, partial(previous.unreached_spend, state.store))
