"""Judge what a batch of accounts was asked: every cell gets its outcome, and every zero its evidence."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipelines.collection.cells import Attempt
from pipelines.collection.parents import ParentCoverage, last_trusted_count, parent_coverage, parents_of
from pipelines.collection.state import StepState
from pipelines.collection.strayed import strayed_accounts
from pipelines.collection.trails import ListedZero, Place, lookup, trail_events
from pipelines.trust import outcomes, zero_rule
from pipelines.trust.zero_rule import ZeroVerdict
from resources.audit.cells import Cell
from resources.audit.zeros import unrecorded_calls
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, CellKey, Outcome, Request, TrailEvents

Billed = Mapping[tuple[str, str], tuple[str, ...]]
"""By account and listing, the services on the bill."""


def doubtful(state: StepState) -> list[Request]:
    """The questions that came back empty though something speaks against it: they are asked a second time."""
    billed = _billed(state)
    again: list[Request] = []
    for key, entry in state.asked.items():
        question = entry.answer.question
        if entry.answer.outcome == "empty_unconfirmed" and zero_rule.must_ask_again(
            question.listing.sense(question.suffix), _witness(state, key, question.listing, billed)
        ):
            again.append(question)
    return again


def cells(state: StepState) -> list[Cell]:
    """Every cell of the batch, judged."""
    verdicts = _zero_verdicts(state)
    strayed = strayed_accounts(state)
    judged = [
        strayed.judged(_cell(state, key, entry, verdicts.get(key)), entry.answer.question.listing)
        for key, entry in state.asked.items()
    ]
    listings = {listing.name: listing for listing in state.listings}
    judged += state.batch.not_asked.values()
    first = parent_coverage(state, judged)
    judged = [_unlisted(state, cell, listings[cell.name], first) for cell in judged]
    coverage = parent_coverage(state, judged)
    for question in state.batch.childless:
        cell = _childless(state, question, coverage)
        # Others may be asked for what this one would have had.
        coverage.add(cell, last_trusted_count(state, cell.key))
        judged.append(cell)
    return judged


# ------------------------------------------------------------------------------------------ what was asked


def _cell(state: StepState, key: CellKey, entry: Attempt, verdict: ZeroVerdict | None) -> Cell:
    """The cell of a question that was asked.

    Args:
        verdict: what was made of an answer without records.
    """
    answer = entry.answer
    outcome: Outcome = answer.outcome if verdict is None else verdict.outcome
    code, message = answer.error_code, answer.error_message
    if verdict is not None:
        code, message = verdict.error_code, None if outcome in outcomes.TRUSTED else verdict.sentence
    return Cell(
        run_id=state.run_id,
        role=key.role,
        account_id=key.account_id,
        region=key.region,
        listing=key.listing,
        outcome=outcome,
        is_trusted=outcome in outcomes.TRUSTED,
        zero_sense=answer.question.listing.sense(answer.question.suffix),
        started_at=entry.first_at,
        ended_at=answer.ended_at,
        profile=answer.question.profile,
        caller_account_id=answer.caller_account_id,
        record_count=answer.record_count,
        page_count=answer.page_count,
        request_count=entry.requests,
        throttle_count=entry.throttles,
        attempt_count=entry.attempts,
        error_code=code,
        error_message=message,
        skip_reason=answer.skip_reason,
        evidence={**({} if verdict is None else verdict.evidence), **entry.notes} or None,
        raw_response=entry.raw,
    )


def _unlisted(state: StepState, cell: Cell, listing: Listing, coverage: ParentCoverage) -> Cell:
    """An empty answer for a value that the parents do not name says that it is not in use, not that it has none."""
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


def _childless(state: StepState, question: Request, coverage: ParentCoverage) -> Cell:
    """The cell of a listing whose parents have no records: known where they are trusted, else not."""
    each = question.listing.each
    parents = () if each is None else parents_of(question.listing_role, each)
    reason = "parents_unknown"
    if parents and coverage.is_whole(parents, question.account_id):
        reason = "no_parents"
    elif parents and coverage.is_denied(parents, question.account_id):
        reason = DENIED_BY_POLICY
    elif parents and coverage.is_whole(parents, question.account_id, or_waiting=True):
        reason = "parents_unconfirmed"
    return state.cell_not_asked(question.key, "skipped", reason, profile=question.profile)


# --------------------------------------------------------------------------------------------------- zeros


def _zero_verdicts(state: StepState) -> dict[CellKey, ZeroVerdict]:
    """What is made of every answer without records, by what CloudTrail shows of it already."""
    billed = _billed(state)
    zeros: dict[CellKey, tuple[Place, ListedZero]] = {}
    for key, entry in state.asked.items():
        question = entry.answer.question
        if entry.answer.outcome == "empty_unconfirmed":
            place = _place(state, question)
            witness = _witness(state, key, question.listing, billed)
            zeros[key] = (place, ListedZero(_zero(entry, place, witness), question.listing))
    trails: dict[Place, TrailEvents] = {}
    unrecorded: frozenset[str] = frozenset()
    if zeros and state.settings.zero_evidence == "cloudtrail":
        trails, unrecorded = _trails(state, zeros.values())
    verdicts = {}
    for key, (place, found) in zeros.items():
        trail = trails.get(place)
        if trail is not None:
            state.recorded |= trail.kinds
        verdicts[key] = zero_rule.zero_verdict(
            found.zero,
            trail,
            zero_evidence=state.settings.zero_evidence,
            is_recorded=found.listing.call not in unrecorded,
        )
    return verdicts


def _zero(entry: Attempt, place: Place, witness: zero_rule.Witness) -> zero_rule.Zero:
    question = entry.answer.question
    return zero_rule.Zero(
        sense=question.listing.sense(question.suffix),
        asked=entry.zeros,
        asked_from=entry.first_at,
        request_ids=entry.request_ids,
        call=question.listing.call,
        caller_arn=entry.answer.caller_arn or "",
        trail_region=place.region,
        witness=witness,
    )


def _trails(
    state: StepState, zeros: Iterable[tuple[Place, ListedZero]]
) -> tuple[dict[Place, TrailEvents], frozenset[str]]:
    """What CloudTrail shows by place, in one look-up each; and the kinds of call that it never records."""
    together: dict[Place, list[ListedZero]] = defaultdict(list)
    for place, zero in zeros:
        together[place].append(zero)
    state.log(f"Looking in CloudTrail for the zeros of {len(together)} account-region(s).")
    with state.store.read() as connection:
        unrecorded = unrecorded_calls(connection)
    found = trail_events(state.resources, [lookup(place, own) for place, own in together.items()])
    return dict(zip(together, found, strict=True)), unrecorded


def _place(state: StepState, question: Request) -> Place:
    """Where CloudTrail keeps the events of a question."""
    role, region = question.listing_role, question.region
    if region == GLOBAL_REGION:
        region = state.reach(role).region_of(question.listing, region)
    return Place(role, question.profile, question.account_id, region)


def _witness(state: StepState, key: CellKey, listing: Listing, billed: Billed) -> zero_rule.Witness:
    earlier = state.earlier.get(key)
    return zero_rule.Witness(
        last_count=earlier.last_trusted_count if earlier else None,
        billed=billed.get((key.account_id, listing.name), ()),
        earlier_confirmed=earlier.confirmed if earlier else False,
    )


def _billed(state: StepState) -> Billed:
    """What the bill says against listings that are empty in every region of an account.

    Where a region did not answer, what is billed may be there: then the bill speaks against no other region.
    """
    if not any("witnessed" in (listing.zero, *listing.zero_of.values()) for listing in state.listings):
        return {}
    found = {
        (key.account_id, entry.answer.question.listing.name)
        for key, entry in state.asked.items()
        if entry.answer.outcome in ("found", *outcomes.FAILURES) or entry.answer.skip_reason in outcomes.CLOSED
    }
    closed = [key for key, cell in state.batch.not_asked.items() if cell.skip_reason in outcomes.CLOSED]
    # What was kept from an earlier run explains the bill too.
    kept = [key for key in state.batch.kept if state.earlier[key].outcome == "found"]
    found |= {(key.account_id, key.name) for key in (*closed, *kept)}
    return unexplained(state.billed_services, found)


def unexplained(shown: Billed, found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The billed services, by account and listing, that nothing found in the account explains.

    A service that several listings may cause is explained by any of them: what is left of databases costs too.
    """
    explained = {(account, service) for account, name in found for service in shown.get((account, name), ())}
    against = {
        place: tuple(service for service in services if (place[0], service) not in explained)
        for place, services in shown.items()
    }
    return {place: services for place, services in against.items() if services}
