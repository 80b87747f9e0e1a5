"""Runs one step, part by part, from its first request to its last cell.

Every listing is requested; failed and doubtful requests are sent a second time. CloudTrail is looked up once for each
account and region with a zero, and every cell is judged. `Collector.commit` stores the landed cells.
"""

from functools import partial

from pipelines.catalogue.names import REGION
from pipelines.collection import previous
from pipelines.collection.accounts import Reached, account_coverage, too_many_unplaced
from pipelines.collection.batches import account_batches, match_accounts
from pipelines.collection.collector import Collector
from pipelines.collection.completeness import plan_places
from pipelines.collection.parts import Judged, ThisProcess, Workers
from pipelines.trust.gate import refuse
from resources.check_result import CheckResult
from resources.roles import Workload


def collect(collector: Collector, what: str, judged: Judged, workers: Workers | None = None) -> CheckResult | None:
    """Send all requests of a step, repeat the doubtful ones, and land the records.

    Returns the check result on the accounts that no profile reaches, in the step that lists regions; None in any other.

    Args:
        collector: the step's collector.
        what: the step's name, for the sentence of a refusal.
        judged: called with the judged cells of each part that this process collects.
        workers: those who collect the parts; this process if none are given.

    Raises:
        dagster.Failure: too many profiles fail to know whose accounts would be missing, or an earlier attempt of this
            run planned other accounts. Nothing was requested.
    """
    state = collector.state
    workers = workers or ThisProcess(state.settings.part_cells)
    reached: Reached | None = None
    workload = state.resources.get("workload")
    if isinstance(workload, Workload):
        reached = match_accounts(state, workload)
        profiles = len(reached.profile_of) + len(reached.broken) + len(reached.unplaced)
        stop = too_many_unplaced(reached, profiles, state.settings.untrusted_tolerance)
        if stop is not None:
            raise refuse(f"{what} was not requested. {stop}")
    plan_places(state, reached)
    parts = account_batches(
        state,
        reached,
        workers.part_cells,
        central_apart=workers.are_remote,
        workers=partial(workers.count, state.listings),
    )
    workers.run(collector, parts, judged)
    if len(parts) > 1:
        for name, stats in state.stats.items():
            state.log(f"{name}: {stats.sentence()}")
    lists_regions = any(listing.name == REGION for listing in state.listings)
    if reached is None or not lists_regions:
        return None
    return account_coverage(reached, state.requested_before, partial(previous.unreached_spend, state.store))
