"""Final cells for keys that earlier runs requested and this run does not, so that no key is judged for ever."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from pipelines.catalogue.names import COST_BY_MONTH
from pipelines.collection.cost_slices import ACCOUNT, name_of
from pipelines.collection.parents import ParentCoverage, parent_coverage, parents_of
from pipelines.collection.previous import PreviousCell
from pipelines.collection.seeds import every_slice
from pipelines.collection.state import StepState
from pipelines.trust import outcomes
from resources.audit.cells import Cell
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, CellKey
from resources.contract import Role

Responders = Mapping[tuple[str, str], set[tuple[Role, str]]]
"""The role and account of every caller with a response, by region and listing."""


def retired(state: StepState, cells: Sequence[Cell]) -> list[Cell]:
    """Final cells for keys that earlier runs requested and this run does not, so that no key is judged for ever.

    The rows of a key are removed in three cases. A trusted list of accounts lacks its account, a trusted list of
    parents lacks its parent, or another caller has a response to the same request. Every other key keeps its rows,
    marked stale. The months of a bill that were not requested again stay as they are, unless no run will request their
    slice again, since its tag key is no longer in `ref.tag_key`: AWS would change them, and nobody would see it.

    Args:
        cells: the judged cells of this batch.
    """
    coverage = parent_coverage(state, cells)
    responders = _responders(state, cells)
    # A key that was planned and has no cell is lost, not retired.
    current = {*state.batch.kept, *state.batch.planned, *(cell.key for cell in cells)}
    requested_slices = _requested_slices(state)
    found = []
    for listing in state.listings:
        for key, earlier in state.earlier_of(listing.name).items():
            if key in current or key.role not in state.resources:
                continue
            if not state.is_of_before(earlier):
                # An earlier attempt of this run has it: then it has to come again.
                continue
            reason = _reason(state, listing, earlier, responders, coverage, requested_slices)
            if reason is not None:
                found.append(state.unrequested_cell(key, "skipped", reason))
    return found


def _requested_slices(state: StepState) -> frozenset[tuple[str, str]]:
    """The listing and name of each slice of the bill that runs request; none where the step has no bill."""
    if not any(listing.name in COST_BY_MONTH for listing in state.listings):
        return frozenset()
    every = (*every_slice(state.settings.reference), ACCOUNT)
    return frozenset((bill_slice.listing, bill_slice.name) for bill_slice in every)


def _responders(state: StepState, cells: Sequence[Cell]) -> Responders:
    """The callers with a response in this batch, and the central accounts' callers of earlier batches."""
    responders: dict[tuple[str, str], set[tuple[Role, str]]] = defaultdict(set)
    for cell in cells:
        earlier = state.earlier.get(cell.key)
        was_empty = earlier is not None and earlier.last_trusted_count == 0
        if cell.is_trusted or (cell.outcome == "empty_unconfirmed" and was_empty):
            places = state.central_responses if cell.role != "workload" else responders
            places[cell.region, cell.listing].add((cell.role, cell.account_id))
    shared = {listing.name for listing in state.listings if listing.is_shared}
    for key in state.batch.kept:
        if key.name in shared:
            responders[key.region, key.listing].add((key.role, key.account_id))
    for place, who in state.central_responses.items():
        responders[place] |= who
    return responders


def _reason(
    state: StepState,
    listing: Listing,
    earlier: PreviousCell,
    responders: Responders,
    coverage: ParentCoverage,
    requested_slices: Set[tuple[str, str]],
) -> str | None:
    """Why a key is not requested any more; None where its last cell already has the reason, or stays as it is."""
    role, account, region, _ = earlier.key
    is_of_bill = listing.name in COST_BY_MONTH
    # A listing that no tag key asks for has a cell without a suffix.
    slice_is_dropped = (
        is_of_bill and earlier.key.suffix != "" and (listing.name, name_of(earlier.key.suffix)) not in requested_slices
    )
    if _is_reported_by_another(earlier.key, responders, is_shared=listing.is_shared):
        why = "caller_changed"
    elif slice_is_dropped:
        why = outcomes.NO_LONGER_REQUESTED
    elif is_of_bill and (earlier.is_trusted or account in state.left):
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
    # A skipped cell is written again only if the new reason is more specific.
    settled = outcomes.RETIRING | outcomes.CONCLUSIVE_SKIPS | {why}
    is_least = why == outcomes.NO_LONGER_REQUESTED and not slice_is_dropped
    is_known = earlier.outcome == "skipped" and (is_least or earlier.skip_reason in settled)
    return None if is_known else why


def _is_reported_by_another(key: CellKey, responders: Responders, *, is_shared: bool) -> bool:
    """Whether another caller has a response to the same request.

    A workload account is requested through its own profile or by a central role; a central role covers one account. Of
    a shared listing any account has the same records.
    """
    role, account, region, name = key
    return any(
        other == account if by != role else (is_shared or role != "workload") and other != account
        for by, other in responders.get((region, name), ())
    )
