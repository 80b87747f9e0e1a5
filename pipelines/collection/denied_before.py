"""Cells that a policy of the organisation denied in an earlier run: one request in each region stands for them.

A region deny closes every listing of an account in a region. The next run sends one of these requests. If the same
policy denies it again, the others keep their outcome without a request. Every seventh run requests all of them, and so
does a run after the policy's document changed. Where AWS does not name the policy, each cell is requested: only the
responses of the others show whether the stored document is in force.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipelines.collection.cells import DeniedBefore, DeniedPlace, Refusal
from pipelines.collection.completeness import plan_keys
from pipelines.collection.state import StepState
from pipelines.trust.ages import moment
from pipelines.trust.organization_policies import PolicyDenial
from resources.aws.messages import DENIED_BY_POLICY, CellKey, Request


def hold_back(state: StepState, requests: Sequence[Request]) -> tuple[list[Request], list[Request]]:
    """The requests to send now, and those that wait for the response to the one that stands for their place."""
    known = _known(state)
    if not known.refusals:
        return list(requests), []
    now, held = datetime.now(UTC), []
    for request in requests:
        refusal = known.refusals.get(request.key)
        if refusal is None or refusal.is_due(now) or not _is_unchanged(state, refusal.denial):
            continue
        place = _place(request.key, refusal.denial)
        if place in known.probes or known.sent.setdefault(place, request.key) != request.key:
            held.append(request)
    waiting = {request.key for request in held}
    plan_keys(state, waiting)
    return [request for request in requests if request.key not in waiting], held


def settle(state: StepState, held: Iterable[Request]) -> list[Request]:
    """Skip the held requests whose place is denied as before; returns the others, which have to be sent."""
    known, due = _known(state), []
    for request in held:
        refusal = known.refusals[request.key]
        place = _place(request.key, refusal.denial)
        probe = known.probes.get(place)
        if probe is None:
            sent = known.sent[place]
            denial = state.attempts[sent].denial if sent in state.attempts else None
            if denial is None or _place(sent, denial) != place:
                due.append(request)
                continue
            probe = sent.listing
        _skip(state, request, refusal, probe)
    return due


def _skip(state: StepState, request: Request, refusal: Refusal, probe: str) -> None:
    message = (
        f"Not requested: the same policy denies {probe} here in this run. AWS's refusal of "
        f"{moment(refusal.refused_at)}: {refusal.message}"
    )
    cell = state.unrequested_cell(request.key, "skipped", DENIED_BY_POLICY, message, request.profile)
    state.batch.unrequested[request.key] = replace(
        cell,
        error_code=refusal.code,
        evidence={
            **refusal.denial.as_evidence(),
            "probe": probe,
            "refused_at": refusal.refused_at.isoformat(),
            "refusal": refusal.message,
            "runs_without_request": refusal.runs + 1,
        },
    )


def _place(key: CellKey, denial: PolicyDenial) -> DeniedPlace:
    return (key.role, key.account_id, key.region, denial.kind, denial.policy_id)


def _is_unchanged(state: StepState, denial: PolicyDenial) -> bool:
    """Whether the policy's document is the one that denied the request, or is as unknown as it was then."""
    return state.known.policies.fingerprint(denial.policy_id) == denial.document


def _known(state: StepState) -> DeniedBefore:
    if state.batch.denied_before is None:
        refusals = state.known.refusals(state.listings, state.batch.accounts)
        probes = state.known.probes(state.listings, state.batch.accounts) if refusals else {}
        state.batch.denied_before = DeniedBefore(refusals, probes, {})
    return state.batch.denied_before
