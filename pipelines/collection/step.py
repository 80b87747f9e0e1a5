"""Runs one step, batch by batch, from its first request to its last cell.

Every listing is requested; failed and doubtful requests are sent a second time. CloudTrail is looked up once for each
account and region with a zero, and every cell is judged. `Collector.commit` stores the landed cells.
"""

from collections.abc import Callable, Sequence
from functools import partial

from pipelines.catalogue.names import COST_EXPORT, REGION
from pipelines.collection import previous
from pipelines.collection.accounts import Reached, account_coverage, too_many_unplaced
from pipelines.collection.batches import account_batches, match_accounts
from pipelines.collection.collector import Collector
from pipelines.collection.completeness import plan_places
from pipelines.collection.cost_collector import collect_costs
from pipelines.collection.data_export import collect_export
from pipelines.collection.plan import Plan, central_plan, workload_plan
from pipelines.trust.gate import refuse
from resources.audit.cells import Cell
from resources.aws.listing import Listing
from resources.check_result import CheckResult
from resources.roles import Workload


def collect(collector: Collector, what: str, judged: Callable[[Sequence[Cell]], None]) -> CheckResult | None:
    """Send all requests of a step, repeat the doubtful ones, and land the records.

    Returns the check result on the accounts that no profile reaches, in the step that lists regions; None in any other.

    Args:
        collector: the step's collector.
        what: the step's name, for the sentence of a refusal.
        judged: called with the judged cells of each batch.

    Raises:
        dagster.Failure: too many profiles fail to know whose accounts would be missing, or an earlier attempt of this
            run planned other accounts. Nothing was requested.
    """
    state = collector.state
    reached: Reached | None = None
    workload = state.resources.get("workload")
    if isinstance(workload, Workload):
        reached = match_accounts(state, workload)
        profiles = len(reached.profile_of) + len(reached.broken) + len(reached.unplaced)
        stop = too_many_unplaced(reached, profiles, state.settings.untrusted_tolerance)
        if stop is not None:
            raise refuse(f"{what} was not requested. {stop}")
    bill = [listing for listing in state.listings if listing.service == "ce"]
    export = [listing for listing in state.listings if listing.name == COST_EXPORT]
    plan_places(state, reached)
    portions = account_batches(state, reached)
    for share in portions:
        state.begin(share.whose, share.part)
        if bill:
            collect_costs(collector, bill)
        for listing in export:
            collect_export(collector, listing)
        plans: list[tuple[Listing, Plan]] = []
        for listing in state.listings:
            for role in listing.roles:
                if role == "workload":
                    if share.reached is not None:
                        plans.append((listing, workload_plan(state, listing, share.reached)))
                elif listing not in (*bill, *export) and state.identity(role).account_id in share.whose:
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
