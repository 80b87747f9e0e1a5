"""Which profile reaches which account of the organisation: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from resources.aws.credentials import ProfileError
from resources.aws.messages import Identity


@dataclass(frozen=True)
class Member:
    """An account of the organisation, as the trusted account list has it."""

    account_id: str
    name: str
    state: str


@dataclass(frozen=True)
class Broken:
    """An account whose profile reached it before and does not answer now."""

    profile: str
    error: ProfileError


@dataclass(frozen=True)
class Reached:
    """The outcome of matching profiles with accounts.

    Attributes:
        profile_of: the one profile that collects an account.
        broken: accounts known from earlier nights to belong to a profile that does not answer tonight.
        skipped: reason an account of the organisation is not asked: `no_profile`, `account_suspended`,
            `account_left`.
        unplaced: profiles that do not answer and whose account nobody knows.
        central: the accounts of the three central roles.
        findings: a sentence for each thing to mend; none is fatal.
    """

    profile_of: dict[str, str] = field(default_factory=dict)
    broken: dict[str, Broken] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    central: frozenset[str] = frozenset()
    unplaced: list[str] = field(default_factory=list)


ASKABLE = frozenset({"ACTIVE"})


def match(
    answers: Mapping[str, Identity | ProfileError],
    members: Sequence[Member],
    central: Mapping[str, str],
    earlier: Mapping[str, str],
) -> Reached:
    """Match what STS said of each workload profile with the organisation's accounts.

    Args:
        answers: by profile name.
        members: every account that the organisation lists.
        central: role by account id of the three central accounts.
        earlier: account id that STS last gave each profile; never used to ask, only to say which account
            a profile that fails tonight belongs to.
    """
    reached = Reached(central=frozenset(central))
    known = {member.account_id: member for member in members}
    for profile, answer in answers.items():
        if isinstance(answer, ProfileError):
            reached.findings.append(f"Profile {profile} does not answer: {answer} {answer.cure}".rstrip())
            account = earlier.get(profile)
            if account in known and account is not None:
                reached.broken.setdefault(account, Broken(profile, answer))
            elif account is None:
                reached.unplaced.append(profile)
            continue
        account = answer.account_id
        if account not in known:
            reached.findings.append(
                f"Profile {profile} reaches account {account}, which is not of the organisation; it is not asked."
            )
        elif account in reached.profile_of:
            reached.findings.append(
                f"Profiles {reached.profile_of[account]} and {profile} both reach account {account}; "
                f"it is asked once, through {reached.profile_of[account]}."
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
                f"Account {member.account_id} ({member.name}) is {member.state}; not asked.{stands}"
            )
        elif member.account_id in reached.profile_of:
            reached.broken.pop(member.account_id, None)
        elif member.account_id not in reached.broken:
            reached.skipped[member.account_id] = "no_profile"
            if member.account_id not in central:
                reached.findings.append(
                    f"Account {member.account_id} ({member.name}) is reached by no profile; not asked."
                )
    return reached
