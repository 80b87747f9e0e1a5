"""Skips cells that a policy of the organisation denies, by AWS's message or else by the stored policies."""

from collections.abc import Iterable
from dataclasses import replace

from pipelines.collection.state import StepState
from pipelines.trust import organization_policies
from pipelines.trust.organization_policies import BY_DOCUMENT, DeniedRequest, PolicyDenial
from resources.aws.messages import CellKey


def skip_denied(state: StepState, keys: Iterable[CellKey]) -> None:
    """Skip those of the cells that a policy of the organisation denies.

    No such policy binds the management account, so its refusals are never excused. A stored policy is no evidence if
    AWS granted the account a request that the policy denies: then the policy in force differs from the stored one.
    """
    bare: list[CellKey] = []
    for key in keys:
        response = state.attempts[key].response
        if key.role == "management" or not organization_policies.is_refusal(response):
            continue
        denial = organization_policies.named_in(response.error_message)
        if denial is not None:
            known = state.known.policies.named(denial) if denial.policy_id else _likely(state, key, denial)
            state.attempts[key].deny(known)
        elif organization_policies.is_bare(response.error_code, response.error_message):
            bare.append(key)
    if not bare or not state.known.policies.attached:
        return
    refuted = _refuted(state, {key.account_id for key in bare})
    for key in bare:
        for denial in state.known.policies.denials(_denied_request(state, key)):
            if (key.account_id, denial.policy_id) not in refuted:
                state.attempts[key].deny(denial)
                break
    _take_back(state, refuted)


def _likely(state: StepState, key: CellKey, denial: PolicyDenial) -> PolicyDenial:
    """The stored policy that denies the request, where AWS's message names the kind of policy but not which."""
    stored = state.known.policies.denials(_denied_request(state, key))
    return next((replace(one, known_by=denial.known_by) for one in stored if one.kind == denial.kind), denial)


def _refuted(state: StepState, accounts: set[str]) -> set[tuple[str, str]]:
    """Account and policy id pairs where AWS granted a request that the stored policy denies."""
    return {
        (key.account_id, denial.policy_id)
        for key, entry in state.attempts.items()
        if key.account_id in accounts and entry.response.outcome == "found"
        for denial in state.known.policies.denials(_denied_request(state, key))
    }


def _take_back(state: StepState, refuted: set[tuple[str, str]]) -> None:
    """Restore the refusal of a cell that was skipped for a policy which a later response refuted."""
    for key, entry in state.attempts.items():
        denial = entry.denial
        by_document = denial is not None and denial.known_by == BY_DOCUMENT
        if denial and entry.refusal and by_document and (key.account_id, denial.policy_id) in refuted:
            entry.response = entry.refusal
            entry.forget_denial()


def _denied_request(state: StepState, key: CellKey) -> DeniedRequest:
    response = state.attempts[key].response
    client = state.client(key.role)
    listing = response.request.listing
    return DeniedRequest(
        key.account_id, client.action_of(listing), client.region_of(listing, key.region), response.caller_arn or ""
    )
