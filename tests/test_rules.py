"""What may be believed: the stored pre-flight, a zero, a listing and its age, against their wrong worlds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rules import (
    COLLECTION_MAX_AGE,
    MODEL_MAX_AGE,
    PUBLISH_MAX_AGE,
    CellState,
    StoredFact,
    Verdict,
    Witness,
    ZeroVerdict,
    freshness_verdict,
    listing_verdict,
    must_ask_again,
    preflight_verdict,
    zero_verdict,
)
from resources.contract import Role
from resources.identity import ACCOUNTS_ARE_DISTINCT, FACTS
from resources.listing import ZeroSense
from resources.profile import Outcome, Refusals

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SENSES: tuple[ZeroSense, ...] = get_args(ZeroSense)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

# ---------------------------------------------------------------------------------------- the pre-flight


def stored(age: timedelta = MINUTE, **changes: Any) -> list[StoredFact]:
    """A whole pre-flight that passed."""
    fact = StoredFact("", True, "ERROR", "As it should be.", "run-1", "hash-1", NOW - age)
    return [replace(fact, name=name, **changes) for name in FACTS]


def preflight(facts: list[StoredFact], *, max_age: timedelta = COLLECTION_MAX_AGE, **other: Any) -> Verdict:
    return preflight_verdict(facts, now=NOW, max_age=max_age, config_hash="hash-1", **other)


def with_fact(name: str, **changes: Any) -> list[StoredFact]:
    return [replace(fact, **changes) if fact.name == name else fact for fact in stored()]


def test_a_whole_young_passed_preflight_of_this_configuration_allows_work() -> None:
    assert preflight(stored()).passed


def test_without_a_preflight_nothing_may_begin_and_the_sentence_says_how_to_run_it() -> None:
    verdict = preflight([])
    assert verdict.blocks
    assert "cmdb preflight" in verdict.sentence


@pytest.mark.parametrize("name", FACTS)
def test_each_fact_that_is_missing_failed_or_of_another_configuration_blocks(name: str) -> None:
    missing = preflight([fact for fact in stored() if fact.name != name])
    assert missing.blocks
    assert name in missing.sentence
    failed = preflight(with_fact(name, passed=False, sentence="They are the same account."))
    assert failed.blocks
    assert f"{name}: They are the same account." in failed.sentence
    assert preflight(with_fact(name, config_hash="hash-2")).blocks
    assert preflight(with_fact(name, checked_at=NOW - COLLECTION_MAX_AGE - MINUTE)).blocks


def test_a_declared_pair_of_accounts_warns_and_does_not_block() -> None:
    assert preflight(with_fact(ACCOUNTS_ARE_DISTINCT, passed=False, severity="WARN")).passed


@pytest.mark.parametrize("max_age", [COLLECTION_MAX_AGE, MODEL_MAX_AGE], ids=["collection", "model"])
def test_evidence_is_good_until_its_age_and_not_a_moment_longer(max_age: timedelta) -> None:
    assert preflight(stored(max_age), max_age=max_age).passed
    assert preflight(stored(max_age + timedelta(seconds=1)), max_age=max_age).blocks


def test_the_ages_are_those_of_the_contract() -> None:
    assert timedelta(minutes=60) == COLLECTION_MAX_AGE
    assert timedelta(hours=26) == MODEL_MAX_AGE
    assert timedelta(hours=24) == PUBLISH_MAX_AGE


def test_evidence_from_the_future_blocks_but_clocks_may_differ_by_a_little() -> None:
    assert preflight(stored(-4 * MINUTE)).passed
    assert preflight(stored(-6 * MINUTE)).blocks


@pytest.mark.parametrize(
    ("age", "run_id", "identities_age", "passed"),
    [
        pytest.param(timedelta(hours=3), "run-1", MINUTE, True, id="its own run, identities just verified"),
        pytest.param(timedelta(hours=3), "run-1", None, False, id="its own run, identities not verified"),
        pytest.param(timedelta(hours=3), "run-1", 61 * MINUTE, False, id="its own run, verified too long ago"),
        pytest.param(timedelta(hours=3), "run-2", MINUTE, False, id="another run"),
        pytest.param(timedelta(hours=3), "", MINUTE, False, id="no run"),
        pytest.param(timedelta(hours=27), "run-1", MINUTE, False, id="its own run, more than a night old"),
    ],
)
def test_in_its_own_run_a_preflight_lasts_as_long_as_the_identities_are_verified_again(
    age: timedelta, run_id: str, identities_age: timedelta | None, passed: bool
) -> None:
    verified = None if identities_age is None else NOW - identities_age
    assert preflight(stored(age), run_id=run_id, identities_checked_at=verified).passed == passed


@given(
    kept=st.sets(st.sampled_from(FACTS)),
    failed=st.sets(st.sampled_from(FACTS)),
    foreign=st.sets(st.sampled_from(FACTS)),
    age=st.timedeltas(timedelta(0), timedelta(days=3)),
    max_age=st.sampled_from([COLLECTION_MAX_AGE, MODEL_MAX_AGE]),
    run_id=st.sampled_from(["", "run-1", "run-2"]),
    verified=st.none() | st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_the_preflight_fails_closed_whatever_is_missing(
    kept: set[str],
    failed: set[str],
    foreign: set[str],
    age: timedelta,
    max_age: timedelta,
    run_id: str,
    verified: timedelta | None,
) -> None:
    facts = [
        replace(
            fact,
            passed=fact.name not in failed,
            config_hash="hash-2" if fact.name in foreign else "hash-1",
        )
        for fact in stored(age)
        if fact.name in kept
    ]
    verdict = preflight(
        facts,
        max_age=max_age,
        run_id=run_id,
        identities_checked_at=None if verified is None else NOW - verified,
    )
    renewed = run_id == "run-1" and verified is not None and verified <= max_age and age <= MODEL_MAX_AGE
    right = kept == set(FACTS) and not failed and not foreign and (age <= max_age or renewed)
    assert verdict.passed == right
    assert verdict.blocks != right


# ------------------------------------------------------------------------------------------------ a zero

CLEAN = Refusals(
    available=True,
    reason="",
    refused=[],
    event_count=12,
    newest_event_at=NOW,
    since=NOW - 5 * MINUTE,
    until=NOW,
    request_count=1,
)
REFUSED = replace(CLEAN, refused=[{"name": "DescribeInstances", "error_code": "Client.UnauthorizedOperation"}])
UNAVAILABLE = replace(CLEAN, available=False, reason="AccessDenied", event_count=0, newest_event_at=None)
NO_WITNESS = Witness()
HAD_SOME = Witness(last_count=40)
BILLED = Witness(billed=("Amazon Elastic Compute Cloud - Compute",))
BILLED_AND_KNOWN = replace(BILLED, earlier_confirmed=True)


def zero(sense: ZeroSense = "ordinary", witness: Witness = NO_WITNESS, **other: Any) -> ZeroVerdict:
    """The verdict on a zero in the right world, asked as often as the rule wants, but for what is named."""
    right: dict[str, Any] = {
        "asked": 2 if must_ask_again(sense, witness) else 1,
        "request_id": "r-1",
        "refusals": CLEAN,
        "zero_evidence": "cloudtrail",
    }
    return zero_verdict(sense, witness=witness, **right | other)


@pytest.mark.parametrize(
    ("sense", "witness", "outcome"),
    [
        pytest.param("ordinary", NO_WITNESS, "empty_verified", id="ordinary"),
        pytest.param("ordinary", HAD_SOME, "empty_verified", id="ordinary, though there were some"),
        pytest.param("ordinary", BILLED, "empty_verified", id="ordinary, though the bill shows some"),
        pytest.param("impossible", NO_WITNESS, "empty_suspect", id="impossible"),
        pytest.param("impossible", BILLED_AND_KNOWN, "empty_suspect", id="impossible, with history"),
        pytest.param("witnessed", NO_WITNESS, "empty_verified", id="witnessed, no history and no bill"),
        pytest.param("witnessed", Witness(last_count=0), "empty_verified", id="witnessed, was empty before"),
        pytest.param("witnessed", HAD_SOME, "empty_verified", id="witnessed, there were some, asked twice"),
        pytest.param("witnessed", BILLED, "empty_suspect", id="witnessed, the bill's first night"),
        pytest.param("witnessed", BILLED_AND_KNOWN, "empty_verified", id="witnessed, the bill's second night"),
        pytest.param("witnessed", replace(BILLED, last_count=40), "empty_suspect", id="witnessed, both, first night"),
        pytest.param(
            "witnessed",
            replace(BILLED_AND_KNOWN, last_count=40),
            "empty_verified",
            id="witnessed, both, second night",
        ),
    ],
)
def test_a_zero_is_judged_by_the_listings_own_sense_of_it(sense: ZeroSense, witness: Witness, outcome: Outcome) -> None:
    assert zero(sense, witness).outcome == outcome


@pytest.mark.parametrize("witness", [HAD_SOME, BILLED, BILLED_AND_KNOWN], ids=["count", "bill", "history"])
def test_a_witness_against_a_zero_has_it_asked_a_second_time_in_the_same_run(witness: Witness) -> None:
    assert must_ask_again("witnessed", witness)
    assert zero("witnessed", witness, asked=1).outcome == "empty_suspect"


@pytest.mark.parametrize(
    ("sense", "witness"),
    [
        ("ordinary", HAD_SOME),
        ("ordinary", BILLED),
        ("impossible", HAD_SOME),
        ("witnessed", NO_WITNESS),
        ("witnessed", Witness(last_count=0)),
    ],
)
def test_without_a_witness_a_zero_is_asked_once(sense: ZeroSense, witness: Witness) -> None:
    assert not must_ask_again(sense, witness)


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        pytest.param({"request_id": None}, "request id", id="no request id"),
        pytest.param({"refusals": None}, "CMDB_ZERO_EVIDENCE=identity", id="CloudTrail not asked"),
        pytest.param({"refusals": UNAVAILABLE}, "CMDB_ZERO_EVIDENCE=identity", id="CloudTrail refused"),
        pytest.param({"refusals": REFUSED}, "DescribeInstances", id="CloudTrail holds a refusal"),
        pytest.param(
            {"refusals": None, "zero_evidence": "no such word"},
            "CloudTrail",
            id="an unknown kind of evidence",
        ),
    ],
)
@pytest.mark.parametrize(
    ("sense", "witness"),
    [("ordinary", NO_WITNESS), ("witnessed", HAD_SOME), ("witnessed", BILLED_AND_KNOWN)],
)
def test_a_zero_that_lacks_a_piece_of_evidence_is_suspect_and_says_which(
    sense: ZeroSense, witness: Witness, missing: dict[str, Any], why: str
) -> None:
    verdict = zero(sense, witness, **missing)
    assert verdict.outcome == "empty_suspect"
    assert why in verdict.sentence


def test_the_evidence_states_cloudtrails_horizon_and_the_request_id() -> None:
    evidence = zero().evidence
    assert evidence["request_id"] == "r-1"
    assert evidence["cloudtrail"] == {
        "since": CLEAN.since.isoformat(),
        "until": CLEAN.until.isoformat(),
        "newest_event_at": NOW.isoformat(),
        "events": 12,
        "refused": [],
    }


def test_zeros_by_identity_do_without_cloudtrail_and_each_says_so() -> None:
    verdict = zero(refusals=None, zero_evidence="identity")
    assert verdict.outcome == "empty_verified"
    assert "CMDB_ZERO_EVIDENCE=identity" in verdict.evidence["cloudtrail"]


@pytest.mark.parametrize(
    ("sense", "witness"), [("impossible", NO_WITNESS), ("witnessed", BILLED)], ids=["impossible", "billed"]
)
def test_zeros_by_identity_waive_nothing_but_cloudtrail(sense: ZeroSense, witness: Witness) -> None:
    assert zero(sense, witness, refusals=None, zero_evidence="identity").outcome == "empty_suspect"
    assert zero("ordinary", request_id=None, zero_evidence="identity").outcome == "empty_suspect"


def night_after(verdict: ZeroVerdict, witness: Witness) -> ZeroVerdict:
    """The next night's verdict on the same cell, which knows this one's evidence."""
    return zero("witnessed", replace(witness, earlier_confirmed=verdict.evidence.get("confirmed", False) is True))


def test_a_zero_against_the_bill_stays_suspect_for_one_night_and_is_then_verified_with_its_history() -> None:
    first = zero("witnessed", replace(BILLED, last_count=40))
    second = night_after(first, replace(BILLED, last_count=40))
    third = night_after(second, replace(BILLED, last_count=0))
    assert [v.outcome for v in (first, second, third)] == [
        "empty_suspect",
        "empty_verified",
        "empty_verified",
    ]
    assert "history" in second.evidence
    assert BILLED.billed[0] in first.sentence


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(zero("witnessed"), id="verified on a first night, without any bill"),
        pytest.param(zero("witnessed", HAD_SOME), id="verified against the last count only"),
        pytest.param(zero("witnessed", BILLED, asked=1), id="not asked twice"),
        pytest.param(zero("witnessed", BILLED, refusals=UNAVAILABLE), id="CloudTrail was not available"),
        pytest.param(zero("witnessed", BILLED, refusals=REFUSED), id="refused"),
    ],
)
def test_an_earlier_zero_is_no_history_against_the_bill_unless_all_but_the_bill_confirmed_it(
    before: ZeroVerdict,
) -> None:
    assert night_after(before, BILLED).outcome == "empty_suspect"


@given(
    sense=st.sampled_from(SENSES),
    asked=st.integers(1, 3),
    request_id=st.sampled_from([None, "r-1"]),
    refusals=st.sampled_from([None, CLEAN, REFUSED, UNAVAILABLE]),
    zero_evidence=st.sampled_from(["cloudtrail", "identity"]),
    last_count=st.sampled_from([None, 0, 1, 40]),
    billed=st.sampled_from([(), BILLED.billed]),
    earlier=st.booleans(),
)
def test_a_zero_is_verified_when_all_the_evidence_is_there_and_never_otherwise(
    sense: ZeroSense,
    asked: int,
    request_id: str | None,
    refusals: Refusals | None,
    zero_evidence: str,
    last_count: int | None,
    billed: tuple[str, ...],
    earlier: bool,
) -> None:
    verdict = zero_verdict(
        sense,
        asked=asked,
        request_id=request_id,
        refusals=refusals,
        witness=Witness(last_count, billed, earlier),
        zero_evidence=zero_evidence,
    )
    complete = (
        sense != "impossible"
        and request_id is not None
        and (zero_evidence == "identity" or refusals is CLEAN)
        and (sense == "ordinary" or asked >= 2 or not (last_count or billed))
        and (sense == "ordinary" or not billed or earlier)
    )
    assert verdict.outcome == ("empty_verified" if complete else "empty_suspect")
    assert ("against" in verdict.evidence) == (not complete)


# --------------------------------------------------------------------------------------------- a listing

TOLERANCE = Decimal("0.05")
MOST = Decimal("0.25")


def cell(outcome: Outcome = "found", role: Role = "workload", **other: Any) -> CellState:
    right: dict[str, Any] = {
        "account_id": "111122223333",
        "region": "ap-southeast-2",
        "listing": "ec2_instance",
        "is_trusted": outcome in ("found", "empty_verified"),
        "run_id": "run-1",
        "ended_at": NOW,
    }
    return CellState(role=role, outcome=outcome, **right | other)


def fleet(found: int, *, role: Role = "workload", **others: int) -> list[CellState]:
    """Cells of one listing: so many found, and of other outcomes so many each."""
    assert set(others) <= set(OUTCOMES)
    rest = [cell(outcome, role) for outcome in OUTCOMES for _ in range(others.get(outcome, 0))]
    return [cell(role=role)] * found + rest


def judge(cells: list[CellState], tolerance: Decimal = TOLERANCE) -> Verdict:
    return listing_verdict("ec2_instance", cells, tolerance)


PASSED, WARNED, BLOCKED = "passed", "warned", "blocked"


def word(verdict: Verdict) -> str:
    return PASSED if verdict.passed else BLOCKED if verdict.blocks else WARNED


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        pytest.param([], BLOCKED, id="never asked"),
        pytest.param(fleet(100), PASSED, id="all found"),
        pytest.param(fleet(0, empty_verified=1), PASSED, id="one verified zero"),
        pytest.param(fleet(0, skipped=2), BLOCKED, id="nobody was asked"),
        pytest.param(fleet(1, skipped=99), PASSED, id="skipped is not counted as a failure"),
        pytest.param(fleet(99, empty_suspect=1), BLOCKED, id="one silent zero in a hundred"),
        pytest.param(fleet(99, wrong_account=1), BLOCKED, id="one wrong account in a hundred"),
        pytest.param(fleet(99, denied=1), WARNED, id="one refused account in a hundred"),
        pytest.param(fleet(99, failed=1), WARNED, id="one broken account in a hundred"),
        pytest.param(fleet(95, denied=5), WARNED, id="just within the tolerance"),
        pytest.param(fleet(94, denied=6), BLOCKED, id="more than the tolerance"),
        pytest.param(fleet(94, denied=3, failed=3), BLOCKED, id="both kinds count together"),
        pytest.param(fleet(17, denied=1, skipped=99), BLOCKED, id="the skipped are not among those asked"),
        pytest.param(fleet(99, role="management", denied=1), BLOCKED, id="one central cell refused"),
        pytest.param(fleet(99, role="billing", failed=1), BLOCKED, id="one central cell broken"),
        pytest.param([*fleet(99), cell("denied", "operations")], BLOCKED, id="central among workloads"),
        pytest.param([*fleet(9), cell("empty_suspect", is_trusted=True)], PASSED, id="a zero that somebody accepted"),
    ],
)
def test_a_listing_is_judged_by_its_cells(cells: list[CellState], said: str) -> None:
    assert word(judge(cells)) == said


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (("not_requested", "account_suspended", "no_profile"), PASSED),
        (("optional_grant_not_given", "region_not_enabled"), PASSED),
        (("no_profile", "account_suspended"), BLOCKED),
        (("not_requested", "parents_unknown"), BLOCKED),
        (("no_longer_asked", "not_offered"), PASSED),
        (("no_longer_asked", "request_limit"), WARNED),
        (("no_longer_asked", "more_pages_than_the_limit"), BLOCKED),
        (("no_longer_asked", "parents_unknown"), BLOCKED),
        (("no_longer_asked", "no_longer_asked"), BLOCKED),
    ],
)
def test_where_those_who_are_reached_have_nothing_to_ask_the_others_change_nothing(
    reasons: tuple[str, ...], said: str
) -> None:
    assert word(judge([cell("skipped", skip_reason=reason) for reason in reasons])) == said


@pytest.mark.parametrize("outcome", ["denied", "failed"])
def test_with_no_tolerance_a_single_loud_failure_blocks(outcome: Outcome) -> None:
    assert judge([*fleet(1999), cell(outcome)], Decimal(0)).blocks
    assert not judge([*fleet(1999), cell(outcome)]).blocks


def test_a_blocked_listing_names_the_account_region_role_and_aws_own_words() -> None:
    said = "User is not authorized to perform: ec2:DescribeInstances with an explicit deny"
    culprit = cell("denied", account_id="000000000042", region="eu-north-1", error_message=said)
    verdict = judge([cell(), culprit, cell("skipped")])
    for expected in ("ec2_instance", "denied", "000000000042", "eu-north-1", "workload", said):
        assert expected in verdict.sentence
    assert verdict.at_fault == (culprit.as_row(),)


@given(
    outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=60),
    silent=st.sampled_from(["empty_suspect", "wrong_account"]),
    role=st.sampled_from(["management", "operations", "billing", "workload"]),
    tolerance=st.decimals(0, MOST, places=2),
    place=st.integers(0, 60),
)
def test_a_silent_cell_blocks_whatever_the_tolerance_and_wherever_it_hides(
    outcomes: list[Outcome], silent: Outcome, role: Role, tolerance: Decimal, place: int
) -> None:
    cells = [cell(outcome) for outcome in outcomes]
    cells.insert(place, cell(silent, role))
    verdict = judge(cells, tolerance)
    assert verdict.blocks
    assert all(row["outcome"] in ("empty_suspect", "wrong_account") for row in verdict.at_fault)


@given(
    trusted=st.integers(0, 200),
    loud=st.integers(0, 60),
    skipped=st.integers(0, 30),
    tolerance=st.decimals(0, MOST, places=2),
)
def test_loud_workload_failures_freeze_their_cells_up_to_the_tolerance_of_those_asked(
    trusted: int, loud: int, skipped: int, tolerance: Decimal
) -> None:
    verdict = judge(fleet(trusted, denied=loud, skipped=skipped), tolerance)
    asked = trusted + loud
    assert verdict.blocks == (asked == 0 or 100 * loud > int(100 * tolerance) * asked)
    assert verdict.passed == (asked > 0 and loud == 0)
    if asked:
        assert len(verdict.at_fault) == loud


# ----------------------------------------------------------------------------------------------- its age


@pytest.mark.parametrize(
    ("cells", "passed"),
    [
        pytest.param([], False, id="never asked"),
        pytest.param([cell(ended_at=NOW - PUBLISH_MAX_AGE)], True, id="a day old"),
        pytest.param([cell(ended_at=NOW - PUBLISH_MAX_AGE - MINUTE)], False, id="more than a day old"),
        pytest.param([cell(ended_at=NOW - timedelta(days=300)), cell()], True, id="months that are final stay unasked"),
        pytest.param(
            [cell(ended_at=NOW - timedelta(days=2)), cell("skipped")],
            False,
            id="a cell that was skipped tonight was not asked",
        ),
        pytest.param([cell("skipped")], False, id="nothing but skipped"),
    ],
)
def test_a_central_listing_is_published_only_when_it_was_asked_within_a_day(
    cells: list[CellState], passed: bool
) -> None:
    verdict = freshness_verdict("cost_daily", cells, now=NOW)
    assert verdict.passed == passed
    assert verdict.blocks != passed
