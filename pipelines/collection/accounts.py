"""Matches profiles with the organisation's accounts, and checks that enough accounts are covered. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pipelines.settings import MAX_UNTRUSTED_TOLERANCE
from pipelines.trust.listing_rule import is_tolerated
from resources.audit.coverage import Accounts
from resources.aws.messages import Identity
from resources.aws.profile_errors import ProfileError
from resources.check_result import CheckResult


@dataclass(frozen=True)
class Member:
    """An account of the organisation, from the trusted account list."""

    account_id: str
    name: str
    state: str

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Member":
        """The account of a record of the account list; AWS calls its state `State`, and `Status` before."""
        return cls(str(fields["Id"]), str(fields["Name"]), str(fields.get("State") or fields.get("Status")))


@dataclass(frozen=True)
class Broken:
    """An account whose profile worked in an earlier run and fails in this one."""

    profile: str
    error: ProfileError


@dataclass(frozen=True)
class Reached:
    """The outcome of matching profiles with accounts.

    Attributes:
        profile_of: the one profile that collects an account, by account id.
        broken: accounts whose profile fails in this run, by account id; an earlier run showed that the profile is
            theirs.
        skipped: why an account of the organisation is not requested, by account id: `no_profile`, `account_suspended`
            or `account_left`.
        unplaced: the finding of each failing profile whose account is unknown, by profile.
        central: the accounts of the three central roles.
        findings: a sentence for each thing to fix; none is fatal.
    """

    profile_of: dict[str, str] = field(default_factory=dict)
    broken: dict[str, Broken] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    central: frozenset[str] = frozenset()
    unplaced: dict[str, str] = field(default_factory=dict)

    def has_central(self, accounts: Accounts) -> bool:
        """Whether the account of a central role is in this interval."""
        return any(account in accounts for account in self.central)


ASKABLE = frozenset({"ACTIVE"})


def match(
    identities: Mapping[str, Identity | ProfileError],
    members: Sequence[Member],
    central: Mapping[str, str],
    earlier: Mapping[str, str],
    partition: str = "aws",
) -> Reached:
    """Match the identity of each workload profile with the organisation's accounts.

    Args:
        identities: STS's identity or the error of each profile, by profile name.
        members: every account that the organisation lists.
        central: role of each of the three central accounts, by account id.
        earlier: account id that STS last returned for each profile. It decides no request; it only shows to which
            account a failing profile belongs.
        partition: partition of the organisation, which is that of its management account.
    """
    reached = Reached(central=frozenset(central))
    known = {member.account_id: member for member in members}
    for profile, identity in identities.items():
        if isinstance(identity, ProfileError):
            finding = f"Profile {profile} does not respond: {identity} {identity.hint}".rstrip()
            reached.findings.append(finding)
            account = earlier.get(profile)
            if account in known and account is not None:
                reached.broken.setdefault(account, Broken(profile, identity))
            elif account is None:
                reached.unplaced[profile] = finding
            continue
        account = identity.account_id
        if identity.partition != partition:
            # Whatever its id: an organisation never reaches across partitions.
            reached.findings.append(
                f"Profile {profile} reaches account {account} of the partition {identity.partition}, and this "
                f"organisation is of {partition}; it is not collected. An account of another partition belongs to "
                "another organisation: collect that one apart, with its own three central profiles and its own "
                "CMDB_DATABASE, and name the profiles of this one in CMDB_WORKLOAD_PROFILES."
            )
        elif account not in known:
            reached.findings.append(
                f"Profile {profile} reaches account {account}, which is not of the organisation; it is not collected."
            )
        elif account in reached.profile_of:
            reached.findings.append(
                f"Profiles {reached.profile_of[account]} and {profile} both reach account {account}; "
                f"it is collected once, through {reached.profile_of[account]}."
            )
        else:
            reached.profile_of[account] = profile
            if account in central:
                reached.findings.append(
                    f"Profile {profile} reaches account {account}, the {central[account]} account; "
                    "its resources are collected like a workload's."
                )
    for member in members:
        if member.state not in ASKABLE:
            left = member.state == "CLOSED"
            reached.profile_of.pop(member.account_id, None)
            reached.broken.pop(member.account_id, None)
            reached.skipped[member.account_id] = "account_left" if left else "account_suspended"
            stands = "" if left else " Its last rows stay, marked stale, until it is active again or closed."
            reached.findings.append(
                f"Account {member.account_id} ({member.name}) is {member.state}; not collected.{stands}"
            )
        elif member.account_id in reached.profile_of:
            reached.broken.pop(member.account_id, None)
        elif member.account_id not in reached.broken:
            reached.skipped[member.account_id] = "no_profile"
            if member.account_id not in central:
                reached.findings.append(
                    f"Account {member.account_id} ({member.name}) is reached by no profile; not collected."
                )
    return reached


def too_many_unplaced(reached: Reached, profile_count: int, tolerance: Decimal) -> str | None:
    """Why the collection must not begin: more profiles fail than the tolerance allows, and their accounts are unknown.

    Without this stop their accounts would count as accounts without a profile, which are skipped and are no failure. A
    failing profile may belong to a suspended account, so one failure is allowed for each such account.

    Args:
        profile_count: number of workload profiles.
        tolerance: the largest ratio of such profiles to all workload profiles, 0 to 1.
    """
    suspended = sum(reason == "account_suspended" for reason in reached.skipped.values())
    failing = len(reached.unplaced) - suspended
    if is_tolerated(failing, profile_count, tolerance, is_of_one=failing == 1):
        return None
    first, *_ = reached.unplaced.values()
    largest = MAX_UNTRUSTED_TOLERANCE
    hint = ""
    if is_tolerated(failing, profile_count, largest, is_of_one=failing == 1):
        hint = f" Or collect without them: CMDB_UNTRUSTED_TOLERANCE={largest} leaves their accounts unknown."
    named = ", ".join(list(reached.unplaced)[:5])
    return (
        f"{len(reached.unplaced)} of {profile_count} workload profiles do not respond, and their accounts are "
        f"unknown: {named}. That is more than CMDB_UNTRUSTED_TOLERANCE={tolerance} allows. "
        f"{first} Correct them, or remove those that have no role yet: an account without a profile is named, and "
        f"refuses nothing.{hint}"
    )


def account_coverage(
    reached: Reached, requested_before: Mapping[str, bool], spend_of: Callable[[Sequence[str]], float | None]
) -> CheckResult:
    """The check result on accounts that no profile reaches: a warning, or an error if an earlier run reached one.

    Args:
        requested_before: the accounts that earlier runs know, and whether the newest cell of any was requested.
        spend_of: the ratio of the last thirty billed days' cost that accounts have, 0 to 1; None without a bill.
    """
    missing = sorted(
        account
        for account, reason in reached.skipped.items()
        # A central account counts only if a workload profile is configured for it.
        if reason == "no_profile" and account not in reached.central
    )
    lost = [account for account in missing if requested_before.get(account, False)]
    if not missing:
        return CheckResult(True, f"A profile reaches each of the {len(reached.profile_of)} active accounts.")
    share = spend_of(missing)
    spend = "" if share is None else f", {share:.1%} of the last thirty days' spend"
    rows = tuple({"account_id": account, "lost": account in lost} for account in missing)
    never = [account for account in missing if account not in lost]
    others = f"; never reached: {', '.join(never[:5])}" if never else ""
    if lost:
        return CheckResult(
            False,
            f"No profile reaches {', '.join(lost[:5])} any more, which earlier runs did; "
            f"{len(missing)} account(s) are not reached{spend}{others}. Restore the profile, or close the account.",
            at_fault=rows,
        )
    return CheckResult(
        False,
        f"No profile reaches {len(missing)} account(s) of the organisation{spend}: {', '.join(missing[:5])}. "
        "`cmdb profiles` prints the profile and the role that each of them needs.",
        severity="WARN",
        at_fault=rows,
    )
