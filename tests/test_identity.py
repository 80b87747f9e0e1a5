"""The five facts of the pre-flight: each right world passes, and each wrong one is named and blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.check_result import CheckResult
from resources.contract import CONTRACT, Role
from resources.identity_rules import (
    ACCOUNTS_ARE_DISTINCT,
    BILLING_IS_EXPECTED,
    CENTRAL_ROLES,
    CHECKS,
    EVERY_ROLE_ANSWERS,
    IDENTITY_CHECKS,
    MANAGEMENT_IS_MASTER,
    OPERATIONS_IS_EXPECTED,
    Caller,
    Expectation,
    Organization,
    accounts_are_distinct,
    check_results,
    every_role_answers,
    is_expected,
    usual_pattern,
)

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
ACCOUNTS: dict[Role, str] = {
    "management": "000000000001",
    "operations": "111111111111",
    "billing": "222222222222",
}
STRANGER = "999999999999"
ORGANIZATION = Organization("o-1", ACCOUNTS["management"], frozenset(ACCOUNTS.values()))
EXPECTED = Expectation(ACCOUNTS["operations"], ACCOUNTS["billing"])
EXPECTED_NAME = {"operations": OPERATIONS_IS_EXPECTED, "billing": BILLING_IS_EXPECTED}
EXPECTABLE: tuple[Role, ...] = ("operations", "billing")


def who(**other: str | None) -> dict[Role, Caller]:
    """The three callers of the right world, but for the accounts named; None for one that does not answer."""
    accounts: dict[Role, str | None] = {role: other.get(role, ACCOUNTS[role]) for role in CENTRAL_ROLES}
    return {
        role: Caller(role, f"acme{role.title()}", NOW, account)
        if account
        else Caller(
            role,
            f"acme{role.title()}",
            NOW,
            error_code="expired",
            error_message=f"The token of acme{role.title()} has expired.",
            hint=f"Run aws sso login --profile acme{role.title()}.",
        )
        for role, account in accounts.items()
    }


def shared(*pairs: str) -> frozenset[frozenset[Role]]:
    return frozenset(frozenset(role for role in CENTRAL_ROLES if role in pair.split("+")) for pair in pairs)


def judged(
    callers: dict[Role, Caller],
    organization: Organization = ORGANIZATION,
    expectation: Expectation = EXPECTED,
) -> dict[str, CheckResult]:
    return {fact.name: fact for fact in check_results(callers, organization, expectation)}


def failed(found: Iterable[CheckResult]) -> set[str]:
    return {fact.name for fact in found if not fact.passed}


# -------------------------------------------------------------------------------------------- all five


@pytest.mark.parametrize("expectation", [EXPECTED, Expectation()], ids=["expected", "nothing expected"])
def test_every_fact_passes_in_the_right_world(expectation: Expectation) -> None:
    found = check_results(who(), ORGANIZATION, expectation)
    assert [fact.name for fact in found if fact.passed] == [*IDENTITY_CHECKS]


def test_the_facts_come_in_their_order_and_whether_the_profiles_response_comes_first() -> None:
    assert tuple(fact.name for fact in check_results(who(), ORGANIZATION, EXPECTED)) == IDENTITY_CHECKS
    assert IDENTITY_CHECKS[0] == EVERY_ROLE_ANSWERS


@pytest.mark.parametrize(
    ("callers", "organization", "expectation", "wrong"),
    [
        pytest.param(
            who(management=STRANGER),
            ORGANIZATION,
            EXPECTED,
            {MANAGEMENT_IS_MASTER},
            id="management is not the master",
        ),
        pytest.param(
            who(operations=STRANGER),
            ORGANIZATION,
            EXPECTED,
            {OPERATIONS_IS_EXPECTED},
            id="operations is another account",
        ),
        pytest.param(
            who(billing=STRANGER),
            ORGANIZATION,
            EXPECTED,
            {BILLING_IS_EXPECTED},
            id="billing is another account",
        ),
        pytest.param(
            who(operations=STRANGER),
            ORGANIZATION,
            Expectation(),
            {OPERATIONS_IS_EXPECTED},
            id="operations is no member",
        ),
        pytest.param(
            who(billing=STRANGER),
            ORGANIZATION,
            Expectation(),
            {BILLING_IS_EXPECTED},
            id="billing is no member",
        ),
        pytest.param(
            who(billing=ACCOUNTS["operations"]),
            ORGANIZATION,
            Expectation(),
            {ACCOUNTS_ARE_DISTINCT},
            id="two profiles share an account",
        ),
        pytest.param(
            who(),
            Organization(error_message="organizations:DescribeOrganization failed: AccessDenied"),
            EXPECTED,
            {MANAGEMENT_IS_MASTER},
            id="organisation unknown, accounts expected",
        ),
        pytest.param(
            who(),
            Organization(error_message="organizations:DescribeOrganization failed: AccessDenied"),
            Expectation(),
            {MANAGEMENT_IS_MASTER, OPERATIONS_IS_EXPECTED, BILLING_IS_EXPECTED},
            id="organisation unknown, nothing expected",
        ),
    ],
)
def test_a_wrong_world_fails_exactly_the_facts_that_it_breaks_and_blocks(
    callers: dict[Role, Caller], organization: Organization, expectation: Expectation, wrong: set[str]
) -> None:
    found = check_results(callers, organization, expectation)
    assert failed(found) == wrong
    assert all(fact.blocks for fact in found if fact.name in wrong)


@pytest.mark.parametrize("silent", CENTRAL_ROLES)
def test_what_a_silent_profile_leaves_unevaluated_fails_and_says_so(silent: Role) -> None:
    found = judged(who(**{silent: None}))
    own = {"management": MANAGEMENT_IS_MASTER, **EXPECTED_NAME}[silent]
    assert failed(found.values()) == {EVERY_ROLE_ANSWERS, own, ACCOUNTS_ARE_DISTINCT}
    for name in (own, ACCOUNTS_ARE_DISTINCT):
        assert found[name].blocks
        assert found[name].sentence.startswith("Not evaluated: ")
        assert silent in found[name].sentence


@given(
    accounts=st.lists(st.sampled_from([None, *ACCOUNTS.values(), STRANGER]), min_size=3, max_size=3),
    known=st.booleans(),
    expectation=st.sampled_from([EXPECTED, Expectation()]),
    pairs=st.sets(st.sampled_from(["management+billing", "management+operations", "operations+billing"])),
)
def test_nothing_but_three_verified_and_differing_or_declared_accounts_lets_work_begin(
    accounts: list[str | None], known: bool, expectation: Expectation, pairs: set[str]
) -> None:
    callers = who(**dict(zip(CENTRAL_ROLES, accounts, strict=True)))
    organization = ORGANIZATION if known else Organization(error_message="denied")
    expectation = replace(expectation, shared=shared(*pairs))
    if any(fact.blocks for fact in check_results(callers, organization, expectation)):
        return
    management, operations, billing = accounts
    assert known
    assert management == ORGANIZATION.management_account_id
    for role, account in (("operations", operations), ("billing", billing)):
        assert account in ({ACCOUNTS[role]} if expectation.billing_account else ORGANIZATION.members)  # type: ignore[index]  # a literal role
    same = {
        pair
        for pair, one, other in (
            ("management+billing", management, billing),
            ("management+operations", management, operations),
            ("operations+billing", operations, billing),
        )
        if one == other
    }
    assert same == pairs


# ----------------------------------------------------------------------------------- every_role_answers


def test_every_silent_profile_is_named_with_its_own_sentence_and_cure() -> None:
    fact = every_role_answers(who(management=None, billing=None))
    assert fact.blocks
    for role in ("Management", "Billing"):
        assert f"The token of acme{role} has expired." in fact.sentence
        assert f"aws sso login --profile acme{role}" in fact.hint
    assert "acmeOperations" not in fact.sentence + fact.hint


def test_each_of_several_cures_says_which_profile_it_is_for() -> None:
    same = "Create the AWS config file."
    callers = who(management=None, operations=None, billing=None)
    callers |= {role: replace(callers[role], hint=same) for role in ("management", "operations")}
    other = callers["billing"].hint
    assert other != same
    assert every_role_answers(callers).hint == f"management and operations: {same} billing: {other}"


def test_a_cure_that_mends_several_profiles_is_given_once() -> None:
    callers = {
        role: replace(caller, hint="Create the AWS config file.")
        for role, caller in who(management=None, operations=None, billing=None).items()
    }
    assert every_role_answers(callers).hint == "Create the AWS config file."


# ------------------------------------------------------------------------------- management and members


def test_who_was_not_requested_has_not_responded() -> None:
    callers = who()
    del callers["billing"], callers["operations"]
    fact = every_role_answers(callers)
    assert fact.blocks
    assert fact.sentence == "Not evaluated: operations, billing was not requested."


def test_where_nobody_knows_a_cure_none_is_given() -> None:
    callers = who() | {"billing": Caller("billing", "acmeBilling", NOW, error_message="It is broken.")}
    assert every_role_answers(callers) == CheckResult(False, "billing: It is broken.", name=EVERY_ROLE_ANSWERS)


def test_the_facts_are_named_as_in_the_contract() -> None:
    assert IDENTITY_CHECKS == (
        "every_role_answers",
        "management_is_the_organisations_master",
        "operations_is_the_expected_account",
        "billing_is_the_expected_account",
        "accounts_are_distinct",
    )
    assert (*IDENTITY_CHECKS, "bill_is_the_organisations_own") == CHECKS


def test_an_organisation_of_which_nothing_is_known_is_not_evaluated() -> None:
    fact = judged(who(), Organization())[MANAGEMENT_IS_MASTER]
    assert fact.sentence == "Not evaluated: the organisation was not described."


def test_a_management_profile_of_another_account_is_told_both_accounts_and_its_variable() -> None:
    fact = judged(who(management=STRANGER))[MANAGEMENT_IS_MASTER]
    assert STRANGER in fact.sentence
    assert ACCOUNTS["management"] in fact.sentence
    assert CONTRACT["management"].profile_env in fact.hint


def test_an_organisation_that_was_not_described_says_why_and_what_to_grant() -> None:
    refused = Organization(error_message="organizations:DescribeOrganization failed: AccessDeniedException")
    fact = judged(who(), refused)[MANAGEMENT_IS_MASTER]
    assert fact.sentence == f"Not evaluated: {refused.error_message}."
    assert "organizations:DescribeOrganization" in fact.hint


def test_an_organisation_that_the_network_keeps_away_is_no_matter_of_grants() -> None:
    fact = judged(who(), Organization(error_message="It cannot be reached", is_unreached=True))[MANAGEMENT_IS_MASTER]
    assert fact.blocks
    assert "HTTPS_PROXY" in fact.hint
    assert "Grant" not in fact.hint


@pytest.mark.parametrize("role", EXPECTABLE)
def test_an_unexpected_account_is_told_both_accounts_and_both_variables(role: Role) -> None:
    fact = is_expected(role, who(**{role: STRANGER})[role], ORGANIZATION, EXPECTED)
    assert (fact.name, fact.blocks) == (EXPECTED_NAME[role], True)
    assert STRANGER in fact.sentence
    assert ACCOUNTS[role] in fact.sentence
    assert CONTRACT[role].profile_env in fact.hint
    assert f"CMDB_{role.upper()}_ACCOUNT" in fact.hint


@pytest.mark.parametrize("role", EXPECTABLE)
def test_an_account_outside_the_organisation_is_told_both_variables(role: Role) -> None:
    fact = is_expected(role, who(**{role: STRANGER})[role], ORGANIZATION, Expectation())
    assert (fact.name, fact.blocks) == (EXPECTED_NAME[role], True)
    assert STRANGER in fact.sentence
    assert CONTRACT[role].profile_env in fact.hint
    assert f"CMDB_{role.upper()}_ACCOUNT" in fact.hint


@pytest.mark.parametrize("role", EXPECTABLE)
def test_a_member_account_passes_where_nothing_is_expected_and_the_check_says_so(role: Role) -> None:
    fact = is_expected(role, who()[role], ORGANIZATION, Expectation())
    assert fact.passed
    assert "nothing more was expected" in fact.sentence
    assert f"CMDB_{role.upper()}_ACCOUNT" in fact.sentence


@pytest.mark.parametrize("role", EXPECTABLE)
def test_where_the_organisation_is_unknown_membership_is_not_evaluated_and_an_expectation_is(
    role: Role,
) -> None:
    unknown = Organization(error_message="AccessDeniedException")
    fact = is_expected(role, who()[role], unknown, Expectation())
    assert fact.blocks
    assert fact.sentence.startswith("Not evaluated: ")
    assert is_expected(role, who()[role], unknown, EXPECTED).passed


@pytest.mark.parametrize("role", EXPECTABLE)
def test_an_expectation_of_one_role_says_nothing_of_the_other(role: Role) -> None:
    only = Expectation(operations_account=STRANGER) if role == "operations" else Expectation("", STRANGER)
    assert failed(check_results(who(), ORGANIZATION, only)) == {EXPECTED_NAME[role]}


# -------------------------------------------------------------------------------- accounts_are_distinct

ONE = "000000000001"
PAYER = who(billing=ACCOUNTS["management"])
ALL_ONE = who(operations=ONE, billing=ONE)


@pytest.mark.parametrize(
    ("callers", "declared", "passed", "severity"),
    [
        pytest.param(who(), shared(), True, "ERROR", id="three accounts"),
        pytest.param(PAYER, shared(), False, "ERROR", id="undeclared pair"),
        pytest.param(PAYER, shared("management+billing"), False, "WARN", id="declared pair"),
        pytest.param(PAYER, shared("billing+management"), False, "WARN", id="declared the other way round"),
        pytest.param(PAYER, shared("operations+billing"), False, "ERROR", id="another pair declared"),
        pytest.param(who(), shared("management+billing"), False, "ERROR", id="declaration no longer true"),
        pytest.param(
            PAYER,
            shared("management+billing", "operations+billing"),
            False,
            "ERROR",
            id="one of two declarations no longer true",
        ),
        pytest.param(
            ALL_ONE,
            shared("management+billing", "management+operations"),
            False,
            "ERROR",
            id="three in one account, a pair undeclared",
        ),
        pytest.param(
            ALL_ONE,
            shared("management+billing", "management+operations", "operations+billing"),
            False,
            "WARN",
            id="three in one account, every pair declared",
        ),
        pytest.param(who(billing=None), shared("management+billing"), False, "ERROR", id="declared pair, one silent"),
    ],
)
def test_only_declared_pairs_share_an_account_and_never_unseen(
    callers: dict[Role, Caller], declared: frozenset[frozenset[Role]], passed: bool, severity: str
) -> None:
    fact = accounts_are_distinct(callers, declared)
    assert (fact.name, fact.passed, fact.severity) == (ACCOUNTS_ARE_DISTINCT, passed, severity)
    assert fact.blocks == (not passed and severity == "ERROR")


def test_an_undeclared_pair_is_named_with_its_profiles_its_account_and_the_way_to_declare_it() -> None:
    fact = accounts_are_distinct(PAYER)
    for word in ("acmeManagement", "acmeBilling", ACCOUNTS["management"]):
        assert word in fact.sentence
    assert "operations" not in fact.sentence
    assert "CMDB_SHARED_ACCOUNTS=management+billing" in fact.hint


@pytest.mark.parametrize(
    ("callers", "declared", "named"),
    [
        (PAYER, (), "management+billing"),
        (who(billing=ACCOUNTS["operations"]), (), "operations+billing"),
        (ALL_ONE, ("management+billing",), "management+operations,management+billing,operations+billing"),
    ],
)
def test_what_is_named_to_be_declared_is_enough(
    callers: dict[Role, Caller], declared: tuple[str, ...], named: str
) -> None:
    fact = accounts_are_distinct(callers, shared(*declared))
    assert fact.blocks and f"CMDB_SHARED_ACCOUNTS={named}." in fact.hint
    assert not accounts_are_distinct(callers, shared(*named.split(","))).blocks


def test_a_declaration_that_is_not_true_any_more_names_both_accounts() -> None:
    fact = accounts_are_distinct(who(), shared("operations+billing"))
    for word in ("operations+billing", ACCOUNTS["operations"], ACCOUNTS["billing"]):
        assert word in fact.sentence
    assert "CMDB_SHARED_ACCOUNTS" in fact.hint


# ------------------------------------------------------------------------------------------ the usual names


@pytest.mark.parametrize(
    ("management_profile", "pattern"),
    [
        ("acmeManagement", "acme-*"),
        ("a[b]Management", "a[[]b]-*"),
        # Nobody's name is left, or the name has another end.
        ("Management", ""),
        ("acmeManagements", ""),
        ("acme", ""),
    ],
)
def test_the_workload_profiles_are_those_of_the_tenant_that_the_management_profile_names(
    management_profile: str, pattern: str
) -> None:
    assert usual_pattern(management_profile) == pattern
