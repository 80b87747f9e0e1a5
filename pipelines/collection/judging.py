"""Judges a batch of accounts: every cell gets its outcome, and every zero its evidence."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipelines.collection.billed import unexplained
from pipelines.collection.cells import Attempt
from pipelines.collection.parents import ParentCoverage, last_trusted_count, parent_coverage, parents_of
from pipelines.collection.state import StepState
from pipelines.collection.strayed import strayed_accounts
from pipelines.collection.trails import ListedZero, Place, lookup, trail_events
from pipelines.trust import outcomes, zero_rule
from pipelines.trust.zero_rule import ZeroJudgement
from resources.audit.cells import Cell
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, CellKey, Outcome, Request, TrailEvents

Billed = Mapping[tuple[str, str], tuple[str, ...]]
"""By account and listing, the services and usage types on the bill that nothing explains."""


def doubtful(state: StepState) -> list[Request]:
    """The requests with an empty response that has evidence against it; the run sends them a second time."""
    billed = _billed(state)
    again: list[Request] = []
    for key, entry in state.attempts.items():
        request = entry.response.request
        if entry.response.outcome == "empty_unconfirmed" and zero_rule.must_fetch_again(
            request.listing.empty_policy(request.suffix), _witness(state, key, request.listing, billed)
        ):
            again.append(request)
    return again


def cells(state: StepState) -> list[Cell]:
    """Every cell of the batch, judged."""
    results = _judged_zeros(state)
    strayed = strayed_accounts(state)
    judged = [
        strayed.judged(_cell(state, key, entry, results.get(key)), entry.response.request.listing)
        for key, entry in state.attempts.items()
    ]
    listings = {listing.name: listing for listing in state.listings}
    judged += state.batch.unrequested.values()
    first = parent_coverage(state, judged)
    judged = [_unlisted(state, cell, listings[cell.name], first) for cell in judged]
    coverage = parent_coverage(state, judged)
    for request in state.batch.childless:
        cell = _childless(state, request, coverage)
        # Other listings may have this one as parent, so they must see that it has no records.
        coverage.add(cell, last_trusted_count(state, cell.key))
        judged.append(cell)
    return judged


# ----------------------------------------------------------------------------------------- requested cells


def _cell(state: StepState, key: CellKey, entry: Attempt, result: ZeroJudgement | None) -> Cell:
    """The cell of a request that was sent.

    Args:
        result: the zero rule's judgement; None for a response with records or an error.
    """
    response = entry.response
    outcome: Outcome = response.outcome if result is None else result.outcome
    code, message = response.error_code, response.error_message
    if result is not None:
        code, message = result.error_code, None if outcome in outcomes.TRUSTED else result.sentence
    return Cell(
        run_id=state.run_id,
        role=key.role,
        account_id=key.account_id,
        region=key.region,
        listing=key.listing,
        outcome=outcome,
        is_trusted=outcome in outcomes.TRUSTED,
        empty_policy=response.request.listing.empty_policy(response.request.suffix),
        started_at=entry.first_at,
        ended_at=response.ended_at,
        profile=response.request.profile,
        caller_account_id=response.caller_account_id,
        record_count=response.record_count,
        page_count=response.page_count,
        request_count=entry.requests,
        throttle_count=entry.throttles,
        attempt_count=entry.attempts,
        error_code=code,
        error_message=message,
        skip_reason=response.skip_reason,
        evidence={
            **({} if result is None else result.evidence),
            **entry.notes,
            **({"parents": state.batch.parents[key]} if key in state.batch.parents else {}),
        }
        or None,
        raw_response=entry.raw,
    )


def _unlisted(state: StepState, cell: Cell, listing: Listing, coverage: ParentCoverage) -> Cell:
    """The cell, skipped if it is empty and no parent has the requested value: the value is not in use at all."""
    each = listing.each
    if (
        each is None
        or not each.unlisted
        or not cell.outcome.startswith("empty_")
        or cell.key.suffix in state.named_by_parents(listing)[cell.account_id, cell.region]
        or not coverage.is_whole(each.of, cell.account_id, cell.region)
    ):
        return cell
    return replace(
        cell, outcome="skipped", is_trusted=False, skip_reason=each.unlisted, error_code=None, error_message=None
    )


def _childless(state: StepState, request: Request, coverage: ParentCoverage) -> Cell:
    """The cell of a listing whose parents have no records; the parents' outcomes decide the skip reason."""
    each = request.listing.each
    parents = () if each is None else parents_of(request.listing_role, each)
    reason = outcomes.PARENTS_UNKNOWN
    if parents and coverage.is_whole(parents, request.account_id):
        reason = outcomes.NO_PARENTS
    elif parents and coverage.is_denied(parents, request.account_id):
        reason = DENIED_BY_POLICY
    elif parents and coverage.is_whole(parents, request.account_id, or_waiting=True):
        reason = "parents_unconfirmed"
    return state.unrequested_cell(request.key, "skipped", reason, profile=request.profile)


# --------------------------------------------------------------------------------------------------- zeros


def _judged_zeros(state: StepState) -> dict[CellKey, ZeroJudgement]:
    """The zero rule's judgement of every response without records, from CloudTrail's events so far."""
    billed = _billed(state)
    zeros: dict[CellKey, tuple[Place, ListedZero]] = {}
    for key, entry in state.attempts.items():
        request = entry.response.request
        if entry.response.outcome == "empty_unconfirmed":
            place = _place(state, request)
            witness = _witness(state, key, request.listing, billed)
            zeros[key] = (place, ListedZero(_zero(entry, place, witness), request.listing))
    trails: dict[Place, TrailEvents] = {}
    unrecorded: frozenset[str] = frozenset()
    if zeros and state.settings.zero_evidence == "cloudtrail":
        trails, unrecorded = _trails(state, zeros.values())
    results = {}
    for key, (place, found) in zeros.items():
        trail = trails.get(place)
        if trail is not None:
            state.recorded |= trail.kinds
        results[key] = zero_rule.judge_zero(
            found.zero,
            trail,
            zero_evidence=state.settings.zero_evidence,
            is_recorded=found.listing.call not in unrecorded,
        )
    return results


def _zero(entry: Attempt, place: Place, witness: zero_rule.Witness) -> zero_rule.Zero:
    request = entry.response.request
    return zero_rule.Zero(
        empty_policy=request.listing.empty_policy(request.suffix),
        attempt_count=entry.zeros,
        requested_from=entry.first_at,
        request_ids=entry.request_ids,
        call=request.listing.call,
        caller_arn=entry.response.caller_arn or "",
        trail_region=place.region,
        witness=witness,
    )


def _trails(
    state: StepState, zeros: Iterable[tuple[Place, ListedZero]]
) -> tuple[dict[Place, TrailEvents], frozenset[str]]:
    """CloudTrail's events by place, with one look-up each, and the kinds of call that CloudTrail never records."""
    together: dict[Place, list[ListedZero]] = defaultdict(list)
    for place, zero in zeros:
        together[place].append(zero)
    state.log(f"Looking in CloudTrail for the zeros of {len(together)} account-region(s).")
    unrecorded = state.known.unrecorded_calls
    lookups = [lookup(place, own) for place, own in together.items()]
    found = trail_events(state.resources, lookups, state.turns)
    return dict(zip(together, found, strict=True)), unrecorded


def _place(state: StepState, request: Request) -> Place:
    """The place where CloudTrail keeps the events of a request."""
    role, region = request.listing_role, request.region
    if region == GLOBAL_REGION:
        region = state.client(role).region_of(request.listing, region)
    return Place(role, request.profile, request.account_id, region)


def _witness(state: StepState, key: CellKey, listing: Listing, billed: Billed) -> zero_rule.Witness:
    earlier = state.earlier.get(key)
    return zero_rule.Witness(
        last_count=earlier.last_trusted_count if earlier else None,
        billed=billed.get((key.account_id, listing.name), ()),
        earlier_confirmed=earlier.confirmed if earlier else False,
    )


def _billed(state: StepState) -> Billed:
    """The billed services that are evidence against listings which are empty in every region of an account.

    The bill has no region. So where a region's request failed, the billed resources may be there, and the bill is no
    evidence against the other regions.
    """
    if not any("witnessed" in (listing.zero, *listing.zero_of.values()) for listing in state.listings):
        return {}
    found = {
        (key.account_id, entry.response.request.listing.name)
        for key, entry in state.attempts.items()
        if entry.response.outcome in ("found", *outcomes.FAILURES) or entry.response.skip_reason in outcomes.CLOSED
    }
    closed = [key for key, cell in state.batch.unrequested.items() if cell.skip_reason in outcomes.CLOSED]
    # Cells that were kept from an earlier run explain the bill too.
    kept = [key for key in state.batch.kept if state.earlier[key].outcome == "found"]
    found |= {(key.account_id, key.name) for key in (*closed, *kept)}
    return unexplained(state.known.billed_services, found)
