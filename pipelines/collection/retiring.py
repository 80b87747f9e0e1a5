"""Cells for keys that earlier runs asked and this one does not, so that none is judged for ever."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pipelines.catalogue.names import COST_BY_MONTH
from pipelines.collection.parents import ParentCoverage, parent_coverage, parents_of
from pipelines.collection.previous import PreviousCell
from pipelines.collection.state import StepState
from pipelines.trust import outcomes
from resources.audit.cells import Cell
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, CellKey
from resources.contract import Role

Responders = Mapping[tuple[str, str], set[tuple[Role, str]]]
"""By region and listing, who has answered: role and account."""


def retired(state: StepState, cells: Sequence[Cell]) -> list[Cell]:
    """Cells for keys that earlier runs asked and this one does not, so that none is judged for ever.

    Only a trusted list of accounts makes an account leave, only a trusted list of parents makes a parent go, and only
    an answer of another caller to the same question takes the place of the one before; their rows are then removed.
    Everything else keeps its rows, stale. The months of a bill that were not asked again stand.

    Args:
        cells: those of this batch, judged.
    """
    coverage = parent_coverage(state, cells)
    responders = _responders(state, cells)
    current = state.batch.kept | {cell.key for cell in cells}
    found = []
    for listing in state.listings:
        for key, earlier in state.earlier.items():
            if key.name != listing.name or key in current or key.role not in state.resources:
                continue
            reason = _reason(state, listing, earlier, responders, coverage)
            if reason is not None:
                found.append(state.unrequested_cell(key, "skipped", reason))
    return found


def _responders(state: StepState, cells: Sequence[Cell]) -> Responders:
    """Who has answered in this batch; of central accounts also who has in an earlier one."""
    responders: dict[tuple[str, str], set[tuple[Role, str]]] = defaultdict(set)
    for cell in cells:
        earlier = state.earlier.get(cell.key)
        was_empty = earlier is not None and earlier.last_trusted_count == 0
        if cell.is_trusted or (cell.outcome == "empty_unconfirmed" and was_empty):
            places = state.central_responses if cell.role != "workload" else responders
            places[cell.region, cell.listing].add((cell.role, cell.account_id))
    for place, who in state.central_responses.items():
        responders[place] |= who
    return responders


def _reason(
    state: StepState,
    listing: Listing,
    earlier: PreviousCell,
    responders: Responders,
    coverage: ParentCoverage,
) -> str | None:
    """Why a key is not asked any more; None where its last cell says so already, or stands."""
    role, account, region, _ = earlier.key
    if _is_reported_by_another(earlier.key, responders):
        why = "caller_changed"
    elif listing.name in COST_BY_MONTH and (earlier.is_trusted or account in state.left):
        return None
    elif account in state.left:
        why = "account_left"
    elif listing.each is not None and coverage.is_whole(parents_of(role, listing.each), account, region):
        why = "parent_gone"
    elif listing.each is not None and coverage.is_denied(parents_of(role, listing.each), account, region):
        why = DENIED_BY_POLICY
    elif state.settings.regions and region not in (*state.settings.regions, GLOBAL_REGION):
        why = outcomes.REGION_NOT_SELECTED
    else:
        why = outcomes.NO_LONGER_REQUESTED
    # What was skipped already is written again only where now more is known of it.
    settled = outcomes.RETIRING | outcomes.CONCLUSIVE_SKIPS | {why}
    is_known = earlier.outcome == "skipped" and (why == outcomes.NO_LONGER_REQUESTED or earlier.skip_reason in settled)
    return None if is_known else why


def _is_reported_by_another(key: CellKey, responders: Responders) -> bool:
    """Whether the same question was answered to another caller.

    A workload account is asked by itself or by a central role; a central role speaks for one account.
    """
    role, account, region, name = key
    return any(
        other == account if by != role else role != "workload" and other != account
        for by, other in responders.get((region, name), ())
    )
