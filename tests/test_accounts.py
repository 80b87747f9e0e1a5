"""Which profile reaches which account: by STS and never by name, each account once, every gap reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.collection.accounts import Member, Reached, match, too_many_unplaced
from resources.aws.messages import Identity
from resources.aws.profile_errors import ProfileError
from resources.roles import Central, Workload

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
PAY, SHOP, MANAGEMENT, STRANGER = "000000000001", "222222222222", "333333333333", "999999999999"
CENTRAL = {MANAGEMENT: "management"}
MEMBERS = [
    Member(PAY, "Payments", "ACTIVE"),
    Member(SHOP, "Shop", "ACTIVE"),
    Member(MANAGEMENT, "Management", "ACTIVE"),
]
Answers = dict[str, Identity | ProfileError]


def reaches(profile: str, account: str, partition: str = "aws") -> Answers:
    arn = f"arn:{partition}:sts::{account}:assumed-role/reader/cmdb"
    return {profile: Identity("workload", profile, account, arn, NOW)}


def silent(profile: str) -> Answers:
    sentence, cure = f"The token of {profile} has expired.", f"Run aws sso login --profile {profile}."
    return {profile: ProfileError(sentence, "expired", profile, "workload", cure)}


def matched(answers: Answers, members: list[Member] = MEMBERS, earlier: dict[str, str] | None = None) -> Reached:
    return match(answers, members, CENTRAL, earlier or {})


def said(reached: Reached, *words: str) -> bool:
    """Whether one finding holds all these words."""
    return any(all(word in finding for word in words) for finding in reached.findings)


def test_each_account_is_requested_through_the_profile_that_sts_says_reaches_it_whatever_its_name() -> None:
    reached = matched(reaches("acme-shop", PAY) | reaches("acme-payments", SHOP))
    assert reached.profile_of == {PAY: "acme-shop", SHOP: "acme-payments"}
    assert reached.findings == []


def test_an_account_that_no_profile_reaches_is_skipped_and_reported() -> None:
    reached = matched(reaches("acme-pay", PAY))
    assert reached.profile_of == {PAY: "acme-pay"}
    assert reached.skipped == {SHOP: "no_profile", MANAGEMENT: "no_profile"}
    assert said(reached, SHOP, "Shop", "no profile")


def test_a_central_account_without_a_workload_profile_is_nothing_to_mend() -> None:
    reached = matched(reaches("acme-pay", PAY) | reaches("acme-shop", SHOP))
    assert reached.skipped == {MANAGEMENT: "no_profile"}
    assert reached.findings == []


def test_two_profiles_of_one_account_request_it_once_and_both_are_reported() -> None:
    reached = matched(reaches("acme-pay", PAY) | reaches("acme-pay-again", PAY) | reaches("acme-shop", SHOP))
    assert reached.profile_of == {PAY: "acme-pay", SHOP: "acme-shop"}
    assert said(reached, PAY, "acme-pay", "acme-pay-again")


def test_a_profile_of_an_account_outside_the_organisation_is_reported_and_not_requested() -> None:
    reached = matched(reaches("acme-old", STRANGER))
    assert STRANGER not in reached.profile_of
    assert STRANGER not in reached.skipped
    assert said(reached, STRANGER, "acme-old", "not of the organisation")


def test_a_workload_profile_of_a_central_account_is_reported_and_requested() -> None:
    reached = matched(reaches("acme-hub", MANAGEMENT))
    assert reached.profile_of == {MANAGEMENT: "acme-hub"}
    assert said(reached, MANAGEMENT, "acme-hub", "the management account")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("SUSPENDED", "account_suspended"),
        ("PENDING_CLOSURE", "account_suspended"),
        ("PENDING_ACTIVATION", "account_suspended"),
        ("A_STATE_OF_NEXT_YEAR", "account_suspended"),
        ("CLOSED", "account_left"),
    ],
)
@pytest.mark.parametrize("answer", [reaches, lambda profile, _: silent(profile)], ids=["answers", "silent"])
def test_only_an_active_account_is_requested_and_only_a_closed_one_has_left(
    answer: Callable[[str, str], Answers], state: str, reason: str
) -> None:
    members = [Member(PAY, "Payments", state), Member(SHOP, "Shop", "ACTIVE")]
    reached = matched(answer("acme-pay", PAY) | reaches("acme-shop", SHOP), members, earlier={"acme-pay": PAY})
    assert reached.profile_of == {SHOP: "acme-shop"}
    assert reached.broken == {}
    assert reached.skipped == {PAY: reason}
    assert said(reached, PAY, "Payments", state)


def test_a_profile_that_does_not_respond_breaks_the_account_it_reached_before_and_gives_its_cure() -> None:
    reached = matched(silent("acme-pay") | reaches("acme-shop", SHOP), earlier={"acme-pay": PAY})
    assert reached.broken[PAY].profile == "acme-pay"
    assert PAY not in reached.skipped
    assert PAY not in reached.profile_of
    assert said(reached, "acme-pay", "has expired", "aws sso login --profile acme-pay")


@pytest.mark.parametrize("earlier", [{}, {"acme-pay": STRANGER}], ids=["unknown", "not of the organisation"])
def test_a_silent_profile_without_a_known_account_is_reported_and_breaks_none(
    earlier: dict[str, str],
) -> None:
    reached = matched(silent("acme-pay"), earlier=earlier)
    assert reached.broken == {}
    assert reached.skipped[PAY] == "no_profile"
    assert said(reached, "acme-pay", "has expired")


@pytest.mark.parametrize("first", ["silent", "answering"])
def test_an_account_whose_second_profile_responds_is_not_broken(first: str) -> None:
    broken, whole = silent("acme-pay"), reaches("acme-pay-new", PAY)
    reached = matched(broken | whole if first == "silent" else whole | broken, earlier={"acme-pay": PAY})
    assert reached.profile_of[PAY] == "acme-pay-new"
    assert reached.broken == {}


def test_history_never_says_whom_to_ask() -> None:
    reached = matched(reaches("acme-pay", SHOP), earlier={"acme-pay": PAY})
    assert reached.profile_of == {SHOP: "acme-pay"}
    assert reached.skipped[PAY] == "no_profile"


ACCOUNTS = [PAY, SHOP, MANAGEMENT, STRANGER]


@given(
    answers=st.lists(st.sampled_from([None, *ACCOUNTS]), max_size=6),
    earlier=st.lists(st.sampled_from(ACCOUNTS), max_size=6),
    states=st.lists(st.sampled_from(["ACTIVE", "SUSPENDED", "CLOSED"]), min_size=3, max_size=3),
)
def test_every_account_of_the_organisation_is_requested_once_or_has_one_reason_and_no_other_is(
    answers: list[str | None], earlier: list[str], states: list[str]
) -> None:
    given_answers: Answers = {}
    for number, account in enumerate(answers):
        given_answers |= reaches(f"p{number}", account) if account else silent(f"p{number}")
    members = [Member(m.account_id, m.name, state) for m, state in zip(MEMBERS, states, strict=True)]
    reached = matched(given_answers, members, {f"p{number}": account for number, account in enumerate(earlier)})
    placed = [*reached.profile_of, *reached.broken, *reached.skipped]
    assert sorted(placed) == sorted(member.account_id for member in members)
    for account, profile in reached.profile_of.items():
        answer = given_answers[profile]
        assert isinstance(answer, Identity)
        assert answer.account_id == account
    assert all(
        member.state == "ACTIVE" or member.account_id in reached.skipped
        for member in members
    )  # fmt: skip


# ------------------------------------------------------------------------- which profiles are workloads'

PROFILES = ("acmeManagement", "acmeBilling", "acme-pay", "acme-shop", "acmefake-pay", "other-pay", "default")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS config file with `PROFILES`."""
    file = tmp_path / "config"
    file.write_text(
        "".join(f"[{'default' if name == 'default' else f'profile {name}'}]\nregion = us-east-1\n" for name in PROFILES)
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("management", "patterns", "aws_profile", "names"),
    [
        pytest.param("acmeManagement", [], "", ["acme-pay", "acme-shop"], id="the tenant's"),
        pytest.param(
            "acmeManagement", [], "other-pay", ["acme-pay", "acme-shop"], id="the tenant's before AWS_PROFILE"
        ),
        pytest.param("root", [], "other-pay", ["other-pay"], id="no tenant: AWS_PROFILE alone"),
        pytest.param("Management", [], "other-pay", ["other-pay"], id="an empty tenant is none"),
        pytest.param("root", [], "", [], id="no tenant and no AWS_PROFILE: none, and not default"),
        pytest.param("", [], "", [], id="nothing is named"),
        pytest.param("acmeManagement", ["other-*"], "", ["other-pay"], id="a glob"),
        pytest.param(
            "acmeManagement", ["acme-shop", "other-*"], "", ["acme-shop", "other-pay"], id="a name and a glob"
        ),
        pytest.param(
            "acmeManagement", ["acme-*", "*-pay"], "",
            ["acme-pay", "acme-shop", "acmefake-pay", "other-pay"], id="one that matches twice comes once",
        ),
        pytest.param(
            "acmeManagement", ["acme-shpo"], "", ["acme-shpo"], id="a misspelt name stays, to be reported"
        ),
    ],
)  # fmt: skip
def test_the_workload_profiles_are_those_that_the_configuration_means(
    management: str, patterns: list[str], aws_profile: str, names: list[str]
) -> None:
    workload = Workload(
        central=Central(management_profile=management),
        database="unused.duckdb",
        patterns=patterns,
        aws_profile=aws_profile,
    )
    assert workload.profile_names() == names


@pytest.mark.parametrize("account", [STRANGER, SHOP], ids=["another id", "an id that a member has too"])
@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_a_profile_of_another_partition_is_of_another_organisation(partition: str, account: str) -> None:
    reached = matched(reaches("acme-pay", PAY) | reaches("acme-far", account, partition))
    assert reached.profile_of == {PAY: "acme-pay"}
    assert reached.skipped[SHOP] == "no_profile"
    assert said(reached, "acme-far", account, partition, "its own three central profiles", "CMDB_WORKLOAD_PROFILES")


def test_an_organisation_of_another_partition_collects_that_one() -> None:
    answers = reaches("acme-pay", PAY, "aws-cn") | reaches("acme-shop", SHOP)
    reached = match(answers, MEMBERS, CENTRAL, {}, "aws-cn")
    assert reached.profile_of == {PAY: "acme-pay"}


def stopped(profiles: int, failing: int, tolerance: str) -> str | None:
    """Why a first run does not begin whose last profiles do not respond."""
    names = [f"{number:012d}" for number in range(profiles)]
    answers: Answers = {}
    for number, name in enumerate(names):
        answers |= silent(f"acme-{name}") if number >= profiles - failing else reaches(f"acme-{name}", name)
    # A finding about another profile comes first.
    reached = match(
        reaches("acme-stranger", STRANGER) | answers, [Member(name, name, "ACTIVE") for name in names], {}, {}
    )
    return too_many_unplaced(reached, profiles, Decimal(tolerance))


def test_one_profile_of_few_that_does_not_respond_refuses_with_a_setting_that_publishes() -> None:
    for profiles in (2, 3, 4):
        sentence = stopped(profiles, 1, "0.05")
        assert sentence is not None
        last = f"acme-{profiles - 1:012d}"
        assert f"The token of {last} has expired. Run aws sso login --profile {last}." in sentence
        assert "remove those that have no role yet" in sentence
        assert "CMDB_UNTRUSTED_TOLERANCE=0.25 leaves their accounts unknown" in sentence
        assert stopped(profiles, 1, "0.25") is None


def test_a_setting_that_would_not_publish_is_not_named() -> None:
    # The only profile, and two of three.
    for profiles, failing in ((1, 1), (3, 2)):
        sentence = stopped(profiles, failing, "0.05")
        assert sentence is not None and "CMDB_UNTRUSTED_TOLERANCE=0.25" not in sentence
        assert stopped(profiles, failing, "0.25") is not None
