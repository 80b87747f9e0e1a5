"""Rules for the identities of the central profiles: each must lead to the account that is expected.

Five of the pre-flight's checks as pure functions over the responses of STS and Organizations, without AWS or a
database; `bill_rules` has the sixth. The pre-flight shows their results, every resource evaluates them before its first
call, and the gate reads the stored ones.
"""

import glob
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from resources.check_result import CheckResult
from resources.contract import Role

CENTRAL_ROLES: tuple[Role, ...] = ("management", "operations", "billing")

EVERY_ROLE_ANSWERS = "every_role_answers"
MANAGEMENT_IS_MASTER = "management_is_the_organisations_master"
OPERATIONS_IS_EXPECTED = "operations_is_the_expected_account"
BILLING_IS_EXPECTED = "billing_is_the_expected_account"
ACCOUNTS_ARE_DISTINCT = "accounts_are_distinct"
BILL_IS_OWN = "bill_is_the_organisations_own"

IDENTITY_CHECKS = (
    EVERY_ROLE_ANSWERS,
    MANAGEMENT_IS_MASTER,
    OPERATIONS_IS_EXPECTED,
    BILLING_IS_EXPECTED,
    ACCOUNTS_ARE_DISTINCT,
)
"""The names of the checks of identities, in the order of evaluation."""

CHECKS = (*IDENTITY_CHECKS, BILL_IS_OWN)
"""The names of the pre-flight's checks, in the order of evaluation."""


def usual_pattern(management_profile: str) -> str:
    """The glob of the workload profiles of `acmeManagement`; empty for a name that does not end so."""
    tenant = management_profile.removesuffix("Management")
    return f"{glob.escape(tenant)}-*" if tenant and tenant != management_profile else ""


@dataclass(frozen=True)
class Caller:
    """The identity of one profile by STS, or the error in its place.

    Attributes:
        account_id: 12 digits; None where STS returned no identity.
        error_code: the kind of error (`expired`, `unknown_profile`, …); None where STS returned an identity.
        error_message: one sentence.
        hint: what to do about the error.
    """

    role: Role
    profile: str
    checked_at: datetime
    account_id: str | None = None
    arn: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    hint: str | None = None


@dataclass(frozen=True)
class Organization:
    """The organisation of the management profile, or the error in its place.

    Attributes:
        members: those of the requested accounts that are members.
        is_unreached: whether the request never reached AWS.
    """

    organization_id: str | None = None
    management_account_id: str | None = None
    members: frozenset[str] = frozenset()
    error_message: str | None = None
    is_unreached: bool = False


@dataclass(frozen=True)
class Expectation:
    """The configured accounts of the central roles; an empty account id expects nothing.

    Attributes:
        shared: pairs of roles that are declared to share one account (`CMDB_SHARED_ACCOUNTS`).
        transferred_bill: the account that is declared to pay the organisation's bill (`CMDB_TRANSFERRED_BILL`).
    """

    operations_account: str = ""
    billing_account: str = ""
    shared: frozenset[frozenset[Role]] = frozenset()
    transferred_bill: str = ""

    def account(self, role: Role) -> str:
        """The account that a role is expected to lead to; empty where none is configured."""
        return {"operations": self.operations_account, "billing": self.billing_account}.get(role, "")


def check_results(
    callers: Mapping[Role, Caller], organization: Organization, expectation: Expectation
) -> tuple[CheckResult, ...]:
    """The results in the order of `IDENTITY_CHECKS`. A check that cannot be evaluated fails with a reason."""
    return (
        every_role_answers(callers),
        _management_is_master(callers["management"], organization),
        is_expected("operations", callers["operations"], organization, expectation),
        is_expected("billing", callers["billing"], organization, expectation),
        accounts_are_distinct(callers, expectation.shared),
    )


def every_role_answers(callers: Mapping[Role, Caller]) -> CheckResult:
    """The check that each central profile is named and exists, and that STS returns its identity."""
    missing = [role for role in CENTRAL_ROLES if role not in callers]
    if missing:
        return _not_evaluated(EVERY_ROLE_ANSWERS, f"{', '.join(missing)} was not requested")
    silent = [caller for caller in callers.values() if caller.account_id is None]
    if silent:
        return CheckResult(
            False,
            " ".join(f"{c.role}: {c.error_message}" for c in silent),
            name=EVERY_ROLE_ANSWERS,
            hint=_hints(silent),
        )
    named = ", ".join(f"{c.role} is {c.account_id}" for c in callers.values())
    return CheckResult(True, f"STS responded to every profile: {named}.", name=EVERY_ROLE_ANSWERS)


def _hints(silent: Sequence[Caller]) -> str:
    """Each hint once; where there are several, with the roles that each is for."""
    roles: dict[str, list[str]] = {}
    for caller in silent:
        if caller.hint:
            roles.setdefault(caller.hint, []).append(caller.role)
    if len(roles) == 1:
        return next(iter(roles))
    return " ".join(f"{' and '.join(of)}: {hint}" for hint, of in roles.items())


def _management_is_master(caller: Caller, organization: Organization) -> CheckResult:
    name = MANAGEMENT_IS_MASTER
    if caller.account_id is None:
        return _not_evaluated(name, "the management profile did not respond")
    if organization.management_account_id is None:
        hint = (
            "Grant organizations:DescribeOrganization (`cmdb policy management` prints the policy), "
            "or point AWS_MANAGEMENT_PROFILE to an account of an organisation."
        )
        if organization.is_unreached:
            hint = (
                "Let the network and HTTPS_PROXY through to the endpoint of Organizations, and check endpoint_url of "
                f"profile {caller.profile}."
            )
        return _not_evaluated(name, organization.error_message or "the organisation was not described", hint)
    if caller.account_id != organization.management_account_id:
        return CheckResult(
            False,
            f"AWS_MANAGEMENT_PROFILE={caller.profile} is account {caller.account_id}, "
            f"but the organisation's management account is {organization.management_account_id}.",
            name=name,
            hint="Point AWS_MANAGEMENT_PROFILE to a profile of the management account.",
        )
    return CheckResult(
        True,
        f"{caller.account_id} is the management account of organisation {organization.organization_id}.",
        name=name,
    )


def is_expected(role: Role, caller: Caller, organization: Organization, expectation: Expectation) -> CheckResult:
    """The check that `operations` or `billing` leads to the expected account, or at least to a member account."""
    expected = expectation.account(role)
    name = OPERATIONS_IS_EXPECTED if role == "operations" else BILLING_IS_EXPECTED
    variable = f"CMDB_{role.upper()}_ACCOUNT"
    profile = f"AWS_{role.upper()}_PROFILE"
    if caller.account_id is None:
        return _not_evaluated(name, f"the {role} profile did not respond")
    if expected:
        if caller.account_id == expected:
            return CheckResult(True, f"{role} is account {expected}, as {variable} states.", name=name)
        return CheckResult(
            False,
            f"{profile}={caller.profile} is account {caller.account_id}, but {variable} expects {expected}.",
            name=name,
            hint=f"Point {profile} to a profile of {expected}, or correct {variable}.",
        )
    if organization.organization_id is None:
        return _not_evaluated(name, f"{variable} expects nothing, and membership of the organisation is unknown")
    if caller.account_id not in organization.members:
        return CheckResult(
            False,
            f"{profile}={caller.profile} is account {caller.account_id}, "
            f"which is no member of organisation {organization.organization_id}.",
            name=name,
            hint=f"Point {profile} to a profile of the organisation, and set {variable} to its account.",
        )
    return CheckResult(
        True,
        f"{role} is account {caller.account_id}, a member of the organisation; "
        f"nothing more was expected, since {variable} is not set.",
        name=name,
    )


def accounts_are_distinct(
    callers: Mapping[Role, Caller], shared: Collection[frozenset[Role]] = frozenset()
) -> CheckResult:
    """The check that the central profiles lead to different accounts, except pairs declared to share one.

    A declared pair that shares an account fails with severity WARN: the failure is visible and does not block. A
    declared pair that no longer shares one fails.
    """
    name = ACCOUNTS_ARE_DISTINCT
    silent = [role for role in CENTRAL_ROLES if (caller := callers.get(role)) is None or caller.account_id is None]
    if silent:
        return _not_evaluated(name, f"{', '.join(silent)} did not respond")
    same: list[str] = []
    untrue: list[str] = []
    waived: list[str] = []
    shared_now: list[str] = []
    for first, second in combinations(callers, 2):
        one, other = callers[first], callers[second]
        if one.account_id == other.account_id:
            shared_now.append(f"{first}+{second}")
        declared = frozenset((first, second)) in shared
        if one.account_id != other.account_id:
            if declared:
                untrue.append(
                    f"CMDB_SHARED_ACCOUNTS declares {first}+{second}, "
                    f"but they are {one.account_id} and {other.account_id}."
                )
        elif declared:
            waived.append(f"{first} and {second} share account {one.account_id}, as CMDB_SHARED_ACCOUNTS declares.")
        else:
            same.append(
                f"{first} ({one.profile}) and {second} ({other.profile}) are the same account {one.account_id}."
            )
    if same:
        return CheckResult(
            False,
            " ".join(same),
            name=name,
            hint="Point each profile to its own account, or declare it, if it is meant: "
            f"CMDB_SHARED_ACCOUNTS={','.join(shared_now)}.",
        )
    if untrue:
        return CheckResult(False, " ".join(untrue), name=name, hint="Take the pair out of CMDB_SHARED_ACCOUNTS.")
    if waived:
        return CheckResult(False, " ".join(waived), name=name, severity="WARN")
    listed = ", ".join(f"{role} {caller.account_id}" for role, caller in callers.items())
    return CheckResult(True, f"The accounts differ: {listed}.", name=name)


def _not_evaluated(name: str, why: str, hint: str = "") -> CheckResult:
    return CheckResult(False, f"Not evaluated: {why}.", name=name, hint=hint)
