"""What may be believed: the stored pre-flight, a zero, a listing and its age, against their wrong worlds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.trust.ages import (
    COLLECTION_MAX_AGE,
    HALF_A_DAY,
    MODEL_MAX_AGE,
    PUBLISH_MAX_AGE,
    STALE_AFTER,
    moment,
    publish_max_age,
)
from pipelines.trust.listing_rule import listing_check
from pipelines.trust.outcomes import RETIRING, TRUSTED
from pipelines.trust.preflight_rules import StoredCheckResult, preflight_check
from pipelines.trust.publish_rules import builds_check, freshness_check
from pipelines.trust.zero_rule import (
    Witness,
    Zero,
    ZeroJudgement,
    is_missed,
    judge_zero,
    must_fetch_again,
)
from resources.audit.cells import CellState
from resources.aws.errors import UNREACHED_CODES
from resources.aws.listing import EmptyPolicy
from resources.aws.messages import Outcome, TrailEvents
from resources.check_result import CheckResult
from resources.contract import Role
from resources.identity_rules import ACCOUNTS_ARE_DISTINCT, CHECKS

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SENSES: tuple[EmptyPolicy, ...] = get_args(EmptyPolicy)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

# ---------------------------------------------------------------------------------------- the pre-flight


def stored(age: timedelta = MINUTE, **changes: Any) -> list[StoredCheckResult]:
    """A whole pre-flight that passed."""
    fact = StoredCheckResult(True, "As it should be.", run_id="run-1", config_hash="hash-1", checked_at=NOW - age)
    return [replace(fact, name=name, **changes) for name in CHECKS]


def preflight(facts: list[StoredCheckResult], *, max_age: timedelta = COLLECTION_MAX_AGE, **other: Any) -> CheckResult:
    return preflight_check(facts, now=NOW, max_age=max_age, config_hash="hash-1", **other)


def with_fact(name: str, **changes: Any) -> list[StoredCheckResult]:
    return [replace(fact, **changes) if fact.name == name else fact for fact in stored()]


def test_a_whole_young_passed_preflight_of_this_configuration_allows_work() -> None:
    assert preflight(stored()).passed


def test_without_a_preflight_nothing_may_begin_and_the_sentence_says_how_to_run_it() -> None:
    verdict = preflight([])
    assert verdict.blocks
    assert "cmdb preflight" in verdict.sentence


@pytest.mark.parametrize("name", CHECKS)
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
    assert timedelta(hours=12) == HALF_A_DAY
    assert timedelta(hours=26) == STALE_AFTER


def test_a_listing_of_every_seventh_night_may_be_six_days_older_than_one_of_every_night() -> None:
    assert publish_max_age(1) == timedelta(hours=24)
    assert publish_max_age(7) == timedelta(days=7)


def test_a_time_is_shown_in_utc_to_the_minute() -> None:
    in_paris = datetime(2026, 11, 25, 15, 5, 59, tzinfo=timezone(timedelta(hours=1)))
    assert moment(in_paris) == "2026-11-25 14:05 UTC"


def test_evidence_from_the_future_blocks_but_clocks_may_differ_by_five_minutes() -> None:
    assert preflight(stored(-5 * MINUTE)).passed
    assert preflight(stored(-5 * MINUTE - timedelta(seconds=1))).blocks


CURE = "Run the pre-flight first (`cmdb preflight`, or materialise audit/caller_identity)."


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        pytest.param([], f"No pre-flight is recorded. {CURE}", id="none"),
        pytest.param(stored()[2:], f"The pre-flight lacks {CHECKS[0]}, {CHECKS[1]}. {CURE}", id="a part of one"),
        pytest.param(
            stored(119 * MINUTE),
            f"The last pre-flight is 1 h 59 min old; at most 1 h 0 min is allowed here. {CURE}",
            id="too old by minutes",
        ),
        pytest.param(
            stored(120 * MINUTE),
            f"The last pre-flight is 2 h 0 min old; at most 1 h 0 min is allowed here. {CURE}",
            id="too old by an hour",
        ),
        pytest.param(
            stored(-6 * MINUTE), f"The last pre-flight lies 6 min in the future: check the clock. {CURE}", id="future"
        ),
        pytest.param(
            stored(59 * MINUTE), "The pre-flight of run run-1 is 59 min old and passed.", id="as it should be"
        ),
    ],
)
def test_the_result_on_a_preflight_says_what_is_wrong_and_how_old_it_is(
    facts: list[StoredCheckResult], said: str
) -> None:
    assert preflight(facts).sentence == said


def test_facts_of_two_runs_are_no_run_of_their_own() -> None:
    facts = [replace(fact, run_id="run-2") for fact in stored(timedelta(hours=3))[:1]] + stored(timedelta(hours=3))[1:]
    assert preflight(facts, run_id="run-1", identities_checked_at=NOW).blocks
    assert preflight(stored(timedelta(hours=3), run_id=""), run_id="", identities_checked_at=NOW).blocks


@pytest.mark.parametrize(
    ("age", "run_id", "identities_age", "passed"),
    [
        pytest.param(timedelta(hours=3), "run-1", MINUTE, True, id="its own run, identities just verified"),
        pytest.param(timedelta(hours=3), "run-1", None, False, id="its own run, identities not verified"),
        pytest.param(timedelta(hours=3), "run-1", 61 * MINUTE, False, id="its own run, verified too long ago"),
        pytest.param(timedelta(hours=3), "run-2", MINUTE, False, id="another run"),
        pytest.param(timedelta(hours=3), "", MINUTE, False, id="no run"),
        pytest.param(timedelta(hours=26), "run-1", MINUTE, True, id="its own run, a whole night old"),
        pytest.param(timedelta(hours=27), "run-1", MINUTE, False, id="its own run, more than a night old"),
    ],
)
def test_in_its_own_run_a_preflight_lasts_as_long_as_the_identities_are_verified_again(
    age: timedelta, run_id: str, identities_age: timedelta | None, passed: bool
) -> None:
    verified = None if identities_age is None else NOW - identities_age
    assert preflight(stored(age), run_id=run_id, identities_checked_at=verified).passed == passed


@given(
    kept=st.sets(st.sampled_from(CHECKS)),
    failed=st.sets(st.sampled_from(CHECKS)),
    foreign=st.sets(st.sampled_from(CHECKS)),
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
    right = kept == set(CHECKS) and not failed and not foreign and (age <= max_age or renewed)
    assert verdict.passed == right
    assert verdict.blocks != right


# ------------------------------------------------------------------------------------------------ a zero

CLEAN = TrailEvents(
    available=True,
    reason="",
    recorded={"r-1": None},
    refused=[],
    event_count=12,
    newest_event_at=NOW,
    since=NOW - 5 * MINUTE,
    until=NOW,
    request_count=1,
)
"""CloudTrail shows the call, without an error."""
LATE = replace(CLEAN, recorded={})
"""CloudTrail shows other calls of the caller, and not this one."""
NEVER = replace(LATE, event_count=0, newest_event_at=None)
"""CloudTrail shows nothing of the caller."""
OWN_ERROR = replace(CLEAN, recorded={"r-1": "Client.UnauthorizedOperation"})
REFUSAL = {
    "name": "DescribeInstances",
    "error_code": "Client.UnauthorizedOperation",
    "time": "2026-11-25T14:00:00Z",
}
REFUSED = replace(LATE, refused=[REFUSAL])
"""CloudTrail holds a refusal of such a call under an id that nobody knows, and lacks this one."""
THROTTLED = replace(NEVER, available=False, reason="ThrottlingException")
LOOKUP_DENIED = replace(NEVER, available=False, reason="AccessDeniedException", is_denied=True)
NO_WITNESS = Witness()
HAD_SOME = Witness(last_count=40)
BILLED = Witness(billed=("Amazon Elastic Compute Cloud - Compute",))
BILLED_AND_KNOWN = replace(BILLED, earlier_confirmed=True)


def zero(
    sense: EmptyPolicy = "ordinary",
    witness: Witness = NO_WITNESS,
    trail: TrailEvents | None = CLEAN,
    *,
    zero_evidence: str = "cloudtrail",
    is_recorded: bool = True,
    **other: Any,
) -> ZeroJudgement:
    """The verdict on a zero in the right world, asked as often as the rule wants, but for what is named."""
    right: dict[str, Any] = {
        "attempt_count": 2 if must_fetch_again(sense, witness) else 1,
        "requested_from": NOW,
        "request_ids": ("r-1",),
        "call": "ec2:DescribeInstances",
        "caller_arn": "arn:aws:sts::111122223333:assumed-role/Reader/cmdb",
        "trail_region": "us-east-1",
    }
    return judge_zero(
        Zero(sense, witness=witness, **right | other), trail, zero_evidence=zero_evidence, is_recorded=is_recorded
    )


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
def test_a_zero_is_judged_by_the_listings_own_sense_of_it(
    sense: EmptyPolicy, witness: Witness, outcome: Outcome
) -> None:
    assert zero(sense, witness).outcome == outcome


@pytest.mark.parametrize("witness", [HAD_SOME, BILLED, BILLED_AND_KNOWN], ids=["count", "bill", "history"])
def test_a_witness_against_a_zero_has_it_requested_a_second_time_in_the_same_run(witness: Witness) -> None:
    assert must_fetch_again("witnessed", witness)
    assert zero("witnessed", witness, attempt_count=1).outcome == "empty_suspect"


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
def test_without_a_witness_a_zero_is_requested_once(sense: EmptyPolicy, witness: Witness) -> None:
    assert not must_fetch_again(sense, witness)


EVERY_SENSE = pytest.mark.parametrize(
    ("sense", "witness"),
    [("ordinary", NO_WITNESS), ("witnessed", HAD_SOME), ("witnessed", BILLED_AND_KNOWN)],
    ids=["ordinary", "there were some", "billed, the second night"],
)


@EVERY_SENSE
@pytest.mark.parametrize(
    ("missing", "code", "why"),
    [
        pytest.param({"trail": None}, None, "was not looked up yet", id="not looked up"),
        pytest.param({"trail": LATE}, None, "has not recorded the call yet", id="late"),
        pytest.param({"trail": NEVER}, None, "has not recorded the call yet", id="no event at all"),
        pytest.param({"trail": THROTTLED}, None, "ThrottlingException", id="throttled"),
        pytest.param({"trail": LOOKUP_DENIED}, "TrailDenied", "CMDB_ZERO_EVIDENCE=identity", id="look-up refused"),
        pytest.param({"request_ids": ("",)}, "NoRequestId", "no request id", id="no request id"),
        pytest.param({"request_ids": ("r-1", "")}, "NoRequestId", "no request id", id="a page without one"),
        pytest.param({"request_ids": ()}, "NoRequestId", "no request id", id="no page"),
        pytest.param(
            {"request_ids": ("r-1", "r-2")}, None, "has not recorded the call yet", id="one page of two is there"
        ),
        pytest.param({"request_ids": ("r-9",)}, None, "has not recorded the call yet", id="another call is there"),
        pytest.param({"trail": None, "zero_evidence": "no such word"}, None, "CloudTrail", id="an unknown word"),
    ],
)
def test_a_zero_whose_evidence_is_missing_is_not_confirmed_and_says_what_is_missing(
    sense: EmptyPolicy, witness: Witness, missing: dict[str, Any], code: str | None, why: str
) -> None:
    verdict = zero(sense, witness, **missing)
    assert (verdict.outcome, verdict.error_code) == ("empty_unconfirmed", code)
    assert why in verdict.sentence
    assert "against" not in verdict.evidence


@EVERY_SENSE
@pytest.mark.parametrize(
    ("trail", "said", "kept"),
    [
        pytest.param(
            OWN_ERROR,
            "CloudTrail recorded this call as refused (Client.UnauthorizedOperation, request r-1)",
            [{"request_id": "r-1", "error_code": "Client.UnauthorizedOperation"}],
            id="this very call",
        ),
        pytest.param(
            REFUSED,
            "CloudTrail holds 1 refusal(s) of this caller's own calls (DescribeInstances: "
            "Client.UnauthorizedOperation)",
            [REFUSAL],
            id="such a call under another id",
        ),
        pytest.param(
            replace(REFUSED, refused=[REFUSAL, REFUSAL | {"error_code": "Client.OptInRequired"}]),
            "CloudTrail holds 2 refusal(s) of this caller's own calls (DescribeInstances: "
            "Client.UnauthorizedOperation)",
            [REFUSAL, REFUSAL | {"error_code": "Client.OptInRequired"}],
            id="two such calls, of which the first is named",
        ),
    ],
)
def test_a_refusal_in_cloudtrail_makes_a_zero_suspect_and_is_kept(
    sense: EmptyPolicy, witness: Witness, trail: TrailEvents, said: str, kept: list[dict[str, str]]
) -> None:
    verdict = zero(sense, witness, trail)
    assert verdict.outcome == "empty_suspect"
    assert verdict.sentence.startswith(f"Empty, but {said}")
    assert verdict.evidence["cloudtrail"]["refused"] == kept


def test_a_refusal_of_another_call_does_not_speak_against_one_that_is_there_without_an_error() -> None:
    """Permission was granted minutes ago: the old refusal is still in the trail, and so is the call that worked."""
    assert zero(trail=replace(CLEAN, refused=[REFUSAL])).outcome == "empty_verified"


@pytest.mark.parametrize(
    ("minutes", "outcome"), [(-5, "empty_unconfirmed"), (-2, "empty_unconfirmed"), (-1, "empty_suspect")]
)
def test_a_refusal_of_before_the_question_is_none_of_it(minutes: int, outcome: Outcome) -> None:
    at = (NOW + minutes * MINUTE).isoformat().replace("+00:00", "Z")
    assert zero(trail=replace(LATE, refused=[REFUSAL | {"time": at}])).outcome == outcome


def test_a_refusal_of_another_kind_of_call_is_none_of_it() -> None:
    """A person may share the session, and be refused what this product never asks."""
    assert zero(trail=replace(LATE, refused=[REFUSAL | {"name": "DescribeVpcs"}])).outcome == "empty_unconfirmed"
    versioned = REFUSAL | {"name": "ListFunctions20150331"}
    assert zero(trail=replace(LATE, refused=[versioned]), call="lambda:ListFunctions").outcome == "empty_suspect"


def test_a_call_that_cloudtrail_never_records_is_judged_without_it_and_says_so() -> None:
    verdict = zero(trail=LATE, is_recorded=False)
    assert verdict.outcome == "empty_verified"
    assert verdict.evidence["cloudtrail"]["not_recorded"] == "CloudTrail records no ec2:DescribeInstances"
    # It waives the record of the call, and nothing else.
    assert zero(trail=REFUSED, is_recorded=False).outcome == "empty_suspect"
    assert zero(trail=LOOKUP_DENIED, is_recorded=False).outcome == "empty_unconfirmed"
    assert zero(trail=None, is_recorded=False).outcome == "empty_unconfirmed"
    assert zero("witnessed", BILLED, trail=LATE, is_recorded=False).outcome == "empty_suspect"


def test_cloudtrail_is_taken_to_record_a_call_unless_it_is_known_not_to() -> None:
    assert judge_zero(Zero.from_evidence(zero().evidence), LATE).outcome == "empty_unconfirmed"


@pytest.mark.parametrize(
    ("trail", "age", "missed"),
    [
        pytest.param(LATE, HALF_A_DAY, True, id="a night ago, others are there"),
        pytest.param(LATE, HALF_A_DAY - MINUTE, False, id="less than a night ago"),
        pytest.param(replace(LATE, event_count=1), HALF_A_DAY, True, id="a night ago, one other is there"),
        pytest.param(NEVER, HALF_A_DAY, False, id="nothing of the caller is there"),
        pytest.param(
            replace(LATE, kinds=frozenset({"ec2:DescribeInstances"})),
            HALF_A_DAY,
            False,
            id="another of its kind is there",
        ),
        pytest.param(
            replace(LATE, kinds=frozenset({"ec2:DescribeVpcs"})),
            HALF_A_DAY,
            True,
            id="others of another kind are there",
        ),
        pytest.param(CLEAN, HALF_A_DAY, False, id="a page of it is there"),
        pytest.param(OWN_ERROR, HALF_A_DAY, False, id="a page of it is there, refused"),
        pytest.param(THROTTLED, HALF_A_DAY, False, id="not answered"),
        pytest.param(replace(LATE, available=False), HALF_A_DAY, False, id="not answered to its end"),
    ],
)
def test_a_call_is_missed_where_cloudtrail_shows_others_of_its_caller_a_run_later(
    trail: TrailEvents, age: timedelta, missed: bool
) -> None:
    kept = Zero.from_evidence(zero(trail=LATE, request_ids=("r-1", "r-2")).evidence)
    assert is_missed(kept, trail, now=NOW + age) == missed


def test_the_evidence_states_cloudtrails_horizon_and_the_request_ids() -> None:
    evidence = zero().evidence
    assert evidence["request_ids"] == ["r-1"]
    assert evidence["cloudtrail"] == {
        "looked_up_at": NOW.isoformat(),
        "events": 12,
        "newest_event_at": NOW.isoformat(),
        "recorded": 1,
        "refused": [],
    }


def test_the_evidence_of_a_zero_is_whole() -> None:
    always = {
        "identity": "STS names the account that this listing belongs to",
        "pages": "every page was read",
        "call": "ec2:DescribeInstances",
        "caller_arn": "arn:aws:sts::111122223333:assumed-role/Reader/cmdb",
        "trail_region": "us-east-1",
        "request_ids": ["r-1"],
        "requested_from": NOW.isoformat(),
        "cloudtrail": zero().evidence["cloudtrail"],
    }
    assert zero().evidence == always | {"attempts": 1, "empty_policy": "ordinary"}
    assert zero("impossible").evidence == always | {
        "attempts": 1,
        "empty_policy": "impossible",
        "against": ["this listing is never empty"],
    }
    billed = "the bill of the last days shows Amazon Elastic Compute Cloud - Compute in this account"
    assert zero("witnessed", replace(BILLED, last_count=40)).evidence == always | {
        "attempts": 2,
        "empty_policy": "witnessed",
        "last_trusted_count": 40,
        "billed_services": list(BILLED.billed),
        "earlier_confirmed": False,
        "confirmed": True,
        "against": [billed],
    }
    assert zero("witnessed", BILLED_AND_KNOWN).evidence["history"] == (
        "confirmed against the bill in an earlier run too: the bill lags behind"
    )


@given(
    zero_=st.builds(
        Zero,
        empty_policy=st.sampled_from(SENSES),
        attempt_count=st.integers(1, 3),
        requested_from=st.just(NOW),
        request_ids=st.lists(st.sampled_from(["", "r-1", "r-2"]), max_size=2).map(tuple),
        call=st.just("ec2:DescribeInstances"),
        caller_arn=st.just("arn"),
        witness=st.builds(
            Witness,
            last_count=st.sampled_from([None, 1, 40]),
            billed=st.just(BILLED.billed),
            earlier_confirmed=st.booleans(),
        ),
    )
)
def test_a_zero_is_the_same_after_it_was_kept_as_evidence(zero_: Zero) -> None:
    assert Zero.from_evidence(json.loads(json.dumps(zero_.as_evidence()))) == zero_


def test_a_zero_that_an_earlier_release_kept_is_read() -> None:
    """Its evidence has other keys; it may still wait for CloudTrail when a newer release looks it up."""
    own = Zero("witnessed", 2, NOW, ("r-1",), "ec2:DescribeInstances", "arn", "us-east-1", HAD_SOME)
    kept = own.as_evidence()
    for name, old in (("empty_policy", "zero_sense"), ("attempts", "asked"), ("requested_from", "asked_from")):
        kept[old] = kept.pop(name)
    assert Zero.from_evidence(kept) == own


def test_a_zero_of_a_release_that_kept_no_request_ids_cannot_be_read() -> None:
    with pytest.raises(KeyError):
        Zero.from_evidence({"empty_policy": "ordinary", "attempts": 1, "request_id": "r-1"})


def test_all_that_speaks_against_a_zero_is_said() -> None:
    assert zero("witnessed", HAD_SOME, OWN_ERROR, attempt_count=1).sentence == (
        "Empty, but CloudTrail recorded this call as refused (Client.UnauthorizedOperation, request r-1); the last "
        "trusted count was 40 and it was not requested again."
    )
    assert zero().sentence == "Empty, and all the evidence agrees."
    # Both the refusal and the bill speak against it: what was refused confirms nothing in the bill's history.
    refused = zero("witnessed", BILLED_AND_KNOWN, REFUSED).evidence
    assert len(refused["against"]) == 2
    assert "history" not in refused


def test_zeros_by_identity_do_without_cloudtrail_and_each_says_so() -> None:
    verdict = zero(trail=None, zero_evidence="identity")
    assert verdict.outcome == "empty_verified"
    assert "CMDB_ZERO_EVIDENCE=identity" in verdict.evidence["cloudtrail"]


def test_zeros_by_identity_waive_nothing_but_cloudtrail() -> None:
    assert zero("impossible", trail=None, zero_evidence="identity").outcome == "empty_suspect"
    assert zero("witnessed", BILLED, None, zero_evidence="identity").outcome == "empty_suspect"
    without = zero(request_ids=("",), zero_evidence="identity")
    assert (without.outcome, without.error_code) == ("empty_unconfirmed", "NoRequestId")


def night_after(verdict: ZeroJudgement, witness: Witness) -> ZeroJudgement:
    """The next night's verdict on the same cell, which knows this one's evidence."""
    return zero("witnessed", replace(witness, earlier_confirmed=verdict.evidence.get("confirmed", False) is True))


def test_a_zero_against_the_bill_stays_suspect_for_one_run_and_is_then_verified_with_its_history() -> None:
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
        pytest.param(zero("witnessed", BILLED, attempt_count=1), id="not asked twice"),
        pytest.param(zero("witnessed", BILLED, LOOKUP_DENIED), id="CloudTrail was not available"),
        pytest.param(zero("witnessed", BILLED, LATE), id="CloudTrail was late"),
        pytest.param(zero("witnessed", BILLED, REFUSED), id="refused"),
    ],
)
def test_an_earlier_zero_is_no_history_against_the_bill_unless_all_but_the_bill_confirmed_it(
    before: ZeroJudgement,
) -> None:
    assert night_after(before, BILLED).outcome == "empty_suspect"


def test_a_late_trail_is_no_history_against_the_bill_until_it_has_been_looked_up_again() -> None:
    first = zero("witnessed", BILLED, LATE)
    assert (first.outcome, first.evidence["confirmed"]) == ("empty_suspect", False)
    looked_up = judge_zero(Zero.from_evidence(first.evidence), CLEAN)
    assert (looked_up.outcome, looked_up.evidence["confirmed"]) == ("empty_suspect", True)
    assert night_after(looked_up, BILLED).outcome == "empty_verified"
    # The second night's own call has to be in the trail too.
    assert zero("witnessed", BILLED_AND_KNOWN, LATE).outcome == "empty_unconfirmed"


@given(
    sense=st.sampled_from(SENSES),
    asked=st.integers(1, 3),
    request_ids=st.sampled_from([(), ("",), ("r-1",), ("r-1", "r-2")]),
    trail=st.sampled_from([None, CLEAN, LATE, NEVER, OWN_ERROR, REFUSED, THROTTLED, LOOKUP_DENIED]),
    zero_evidence=st.sampled_from(["cloudtrail", "identity"]),
    is_recorded=st.booleans(),
    last_count=st.sampled_from([None, 0, 1, 40]),
    billed=st.sampled_from([(), BILLED.billed]),
    earlier=st.booleans(),
)
def test_a_zero_is_verified_when_all_the_evidence_is_there_and_suspect_when_some_speaks_against_it(
    sense: EmptyPolicy,
    asked: int,
    request_ids: tuple[str, ...],
    trail: TrailEvents | None,
    zero_evidence: str,
    is_recorded: bool,
    last_count: int | None,
    billed: tuple[str, ...],
    earlier: bool,
) -> None:
    verdict = zero(
        sense,
        Witness(last_count, billed, earlier),
        trail,
        zero_evidence=zero_evidence,
        is_recorded=is_recorded,
        attempt_count=asked,
        request_ids=request_ids,
    )
    has_ids = bool(request_ids) and all(request_ids)
    looks = has_ids and zero_evidence == "cloudtrail" and trail is not None and trail.available
    refused = looks and (trail is OWN_ERROR or trail is REFUSED)
    known = sense == "ordinary" or asked >= 2 or not (last_count or billed)
    against = refused or sense == "impossible" or not known or (sense == "witnessed" and bool(billed) and not earlier)
    shown = trail is CLEAN and request_ids == ("r-1",)
    proof = has_ids and (zero_evidence == "identity" or (looks and (shown or not is_recorded)))
    expected = "empty_suspect" if against else "empty_verified" if proof else "empty_unconfirmed"
    assert verdict.outcome == expected
    assert ("against" in verdict.evidence) == against


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


def judge(cells: list[CellState], tolerance: Decimal = TOLERANCE) -> CheckResult:
    return listing_check("ec2_instance", cells, tolerance)


UNPROVABLE = cell("empty_unconfirmed", error_code="TrailDenied")
UNPROVABLE_TOO = replace(UNPROVABLE, account_id="000000000009")

PASSED, WARNED, BLOCKED = "passed", "warned", "blocked"


def word(verdict: CheckResult) -> str:
    assert verdict.blocks == (not verdict.passed and verdict.severity == "ERROR")
    return PASSED if verdict.passed else {"ERROR": BLOCKED, "WARN": WARNED}[verdict.severity]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        pytest.param([], BLOCKED, id="never asked"),
        pytest.param(fleet(100), PASSED, id="all found"),
        pytest.param(fleet(0, empty_verified=1), PASSED, id="one verified zero"),
        pytest.param(fleet(0, skipped=2), BLOCKED, id="nobody was asked"),
        pytest.param(fleet(1, skipped=99), PASSED, id="skipped is not counted as a failure"),
        pytest.param(fleet(99, empty_suspect=1), BLOCKED, id="one silent zero in a hundred"),
        pytest.param(fleet(99, wrong_account=1), WARNED, id="one wrong account in a hundred"),
        pytest.param(fleet(94, wrong_account=6), BLOCKED, id="more wrong accounts than the tolerance"),
        pytest.param(fleet(94, wrong_account=3, denied=3), BLOCKED, id="wrong and refused count together"),
        pytest.param([*fleet(99), cell("wrong_account", "operations")], BLOCKED, id="a central wrong account"),
        pytest.param(fleet(0, empty_unconfirmed=9), PASSED, id="zeros that all wait"),
        pytest.param(fleet(1, empty_unconfirmed=99), PASSED, id="many zeros that wait"),
        pytest.param(fleet(9, role="management", empty_unconfirmed=1), PASSED, id="a central zero that waits"),
        pytest.param([*fleet(99), UNPROVABLE], WARNED, id="one account where CloudTrail refuses the look-up"),
        pytest.param([*fleet(1), *[UNPROVABLE] * 9], WARNED, id="however many, of one account"),
        pytest.param([UNPROVABLE], BLOCKED, id="nothing else was requested"),
        pytest.param([*fleet(94), *[UNPROVABLE] * 5, UNPROVABLE_TOO], BLOCKED, id="more of two accounts than allowed"),
        pytest.param([*fleet(95), *[UNPROVABLE] * 4, UNPROVABLE_TOO], WARNED, id="of two accounts, as many as allowed"),
        pytest.param(
            [*fleet(94), UNPROVABLE, UNPROVABLE_TOO, *fleet(0, denied=4)], BLOCKED, id="they count with the refused"
        ),
        pytest.param(
            [*fleet(90), *[UNPROVABLE] * 5, *fleet(0, denied=5)], WARNED, id="of one account not even with the refused"
        ),
        pytest.param(
            [*fleet(90), *[UNPROVABLE] * 5, *[cell("denied", account_id="000000000009")] * 5],
            WARNED,
            id="nor with those of another account",
        ),
        pytest.param([*fleet(90), *[UNPROVABLE] * 4, *fleet(0, denied=6)], BLOCKED, id="and they hide no refused"),
        pytest.param(
            [*fleet(9), UNPROVABLE, replace(UNPROVABLE_TOO, role="operations")],
            WARNED,
            id="of one account, beside a central one",
        ),
        pytest.param(
            [*fleet(1, role="management"), replace(UNPROVABLE, role="management")],
            WARNED,
            id="a central zero that nobody can confirm",
        ),
        pytest.param([*fleet(9), cell("empty_unconfirmed", is_trusted=True)], PASSED, id="a waiting zero, accepted"),
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
    ("counted", "cells", "said", "sentence"),
    [
        (3, [], PASSED, "ec2_instance: all 3 cells are trusted."),
        (3, fleet(2), PASSED, "ec2_instance: all 5 cells are trusted."),
        (95, fleet(0, denied=5), WARNED, ""),
        (94, fleet(0, denied=6), BLOCKED, "That is 6 of 100 cells"),
    ],
)
def test_trusted_cells_of_which_only_the_number_is_known_count_among_those_requested(
    counted: int, cells: list[CellState], said: str, sentence: str
) -> None:
    verdict = listing_check("ec2_instance", cells, TOLERANCE, trusted=counted)
    assert word(verdict) == said
    assert sentence in verdict.sentence


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (("not_requested", "account_suspended", "no_profile"), PASSED),
        (("parents_unconfirmed", "denied_by_policy"), PASSED),
        (("parents_unconfirmed", "region_not_selected", "no_profile"), PASSED),
        (("optional_grant_not_given", "region_not_enabled"), PASSED),
        (("no_profile", "account_suspended"), BLOCKED),
        (("not_requested", "parents_unknown"), WARNED),
        (("parents_unconfirmed", "parents_unknown"), WARNED),
        (("denied_by_policy", "parents_unknown"), WARNED),
        (("request_limit", "parents_unknown"), WARNED),
        (("no_longer_asked", "not_offered"), PASSED),
        (("no_longer_asked", "request_limit"), WARNED),
        # Accounts that nobody reaches are no reason to refuse what only waits.
        (("no_profile", "account_suspended", "request_limit"), WARNED),
        (("no_profile", "no_cost_data"), WARNED),
        (("no_cost_data", "request_limit"), WARNED),
        # The second run of a day whose limit the first one spent: nothing compared, and no room for the rest.
        (("not_compared", "request_limit"), WARNED),
        (("denied_by_policy", "request_limit"), WARNED),
        (("not_compared", "more_pages_than_the_limit"), BLOCKED),
        (("no_profile", "no_cost_data", "parents_unknown"), WARNED),
        (("parents_unknown", "more_pages_than_the_limit"), BLOCKED),
        (("no_longer_asked", "more_pages_than_the_limit"), BLOCKED),
        (("no_longer_asked", "parents_unknown"), WARNED),
        (("no_longer_asked", "no_longer_asked"), BLOCKED),
    ],
)
def test_where_those_who_are_reached_have_nothing_to_request_the_others_change_nothing(
    reasons: tuple[str, ...], said: str
) -> None:
    assert word(judge([cell("skipped", skip_reason=reason) for reason in reasons])) == said


def test_children_of_parents_that_are_tolerated_are_at_fault_and_what_was_known_of_them_stands() -> None:
    reasons = ("parents_unknown", "no_parents", "no_profile", "parents_unknown", "no_longer_asked")
    cells = [cell("skipped", region=f"r-{n}", skip_reason=reason) for n, reason in enumerate(reasons)]
    result = judge(cells)
    assert word(result) == WARNED
    assert result.at_fault == (cells[0].as_row(), cells[3].as_row())
    assert "the parents of 2 of 4 cells were not listed" in result.sentence
    # Of a central role nothing is tolerated.
    central = cell("skipped", "operations", skip_reason="parents_unknown")
    assert word(judge([*cells, central])) == word(judge([central])) == BLOCKED


@pytest.mark.parametrize(
    ("childless", "failed", "tolerance", "said"),
    [
        pytest.param(19, [cell("denied")], TOLERANCE, "", id="the only account with parents, of twenty"),
        pytest.param(18, [cell("denied")], TOLERANCE, "1 of 19 cells", id="of nineteen"),
        pytest.param(19, [cell("denied"), cell("failed")], TOLERANCE, "2 of 21 cells", id="in two of its regions"),
        pytest.param(1, [cell("denied")] * 9, MOST, "", id="of two, with the largest tolerance"),
        pytest.param(0, [cell("denied")], MOST, "1 of 1 cells", id="nobody else was requested at all"),
        # All roles may lack the grant.
        pytest.param(
            99, [cell("denied"), cell("denied", account_id="000000000009")], MOST, "2 of 2", id="two accounts"
        ),
    ],
)
def test_accounts_without_parents_count_where_the_only_account_with_parents_fails(
    childless: int, failed: list[CellState], tolerance: Decimal, said: str
) -> None:
    others = [
        cell("skipped", account_id=f"{number:012}", skip_reason="no_parents") for number in range(100, 100 + childless)
    ]
    # A central role's, and an account that nobody reaches, say nothing about the others.
    others += [cell("skipped", "operations", skip_reason="no_parents"), cell("skipped", skip_reason="no_profile")]
    verdict = judge([*others, *failed], tolerance)
    assert word(verdict) == (BLOCKED if said else WARNED)
    assert said in verdict.sentence
    assert len(verdict.at_fault) == len(failed)


@pytest.mark.parametrize(
    "reason",
    [
        "delivered_by_month",
        "group_unresolved",
        "no_parents",
        "no_resource_policy",
        "not_compared",
        "not_offered",
        "not_requested",
        "optional_grant_not_given",
        "parent_gone",
        "policy_type_not_enabled",
        "requested_elsewhere",
    ],
)
@pytest.mark.parametrize("unreached", ["account_left", "account_suspended", "no_profile", "region_not_enabled"])
def test_a_reason_by_which_there_is_nothing_to_request_is_a_response_also_beside_those_who_are_not_reached(
    reason: str, unreached: str
) -> None:
    verdict = judge([cell("skipped", skip_reason=reason), cell("skipped", skip_reason=unreached)])
    assert verdict.passed
    assert (
        verdict.sentence
        == f"ec2_instance: there is nothing to request here ({', '.join(sorted((reason, unreached)))})."
    )


def ungranted(message: str | None = "not authorized to perform s3:ListBucket", **other: Any) -> CellState:
    other = {"skip_reason": "optional_grant_not_given", "error_message": message} | other
    return cell("skipped", other.pop("role", "billing"), **other)


GRANT_IT = " Grant it: `cmdb policy billing --optional` prints the policy."
GRANT_KEY = " The files are encrypted with a KMS key of yours: grant kms:Decrypt on it, or let the bucket use SSE-S3."


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        pytest.param(fleet(3), PASSED, id="all found"),
        pytest.param(fleet(0, failed=3), WARNED, id="all broken"),
        pytest.param(fleet(9, role="billing", denied=1), WARNED, id="a central cell refused"),
        pytest.param(fleet(9, empty_suspect=1), WARNED, id="a silent zero"),
        pytest.param([], WARNED, id="never asked"),
        pytest.param([*fleet(1), cell("wrong_account", "billing")], BLOCKED, id="another account responds"),
        pytest.param([ungranted(), cell("wrong_account", "billing")], BLOCKED, id="another account, and no grant"),
        pytest.param([*fleet(1), ungranted()], WARNED, id="no grant"),
    ],
)
def test_what_another_listing_tells_too_blocks_only_where_another_account_responds(
    cells: list[CellState], said: str
) -> None:
    assert word(listing_check("cost_export_month", cells, TOLERANCE, is_supplement=True)) == said


@pytest.mark.parametrize(
    ("cells", "at_fault", "cure"),
    [
        ([*fleet(1), ungranted()], 1, GRANT_IT),
        ([ungranted(message="")], 1, GRANT_IT),
        ([ungranted(message=None), ungranted(role="operations")], 2, GRANT_IT),
        ([ungranted(), ungranted("not authorized to perform: KMS:Decrypt", region="eu-west-1")], 2, GRANT_KEY),
    ],
)
def test_a_supplement_that_is_not_granted_says_what_to_grant(cells: list[CellState], at_fault: int, cure: str) -> None:
    verdict = listing_check("cost_export_month", cells, TOLERANCE, is_supplement=True)
    assert len(verdict.at_fault) == at_fault
    assert {row["role"] for row in verdict.at_fault} <= {"billing", "operations"}
    assert verdict.sentence.startswith("cost_export_month: denied in account 111122223333, region ap-southeast-2, ")
    assert verdict.sentence.endswith(f" Their last trusted rows are kept, marked stale.{cure}")


def test_only_the_cells_of_another_account_are_at_fault_for_a_supplement() -> None:
    cells = [ungranted(), cell("failed", "billing"), cell("wrong_account", "billing", account_id="444455556666")]
    verdict = listing_check("cost_export_month", cells, TOLERANCE, is_supplement=True)
    assert [row["account_id"] for row in verdict.at_fault] == ["444455556666"]


def test_only_what_was_found_and_a_zero_that_was_verified_are_trusted_by_themselves() -> None:
    assert {"found", "empty_verified"} == TRUSTED


def test_these_reasons_are_knowledge_and_remove_rows() -> None:
    known = {"account_left", "caller_changed", "no_resource_policy", "parent_gone", "policy_type_not_enabled"}
    assert known == RETIRING


def test_a_cell_is_shown_with_its_place_and_the_reason_that_is_known() -> None:
    shown = {
        "role": "workload",
        "account_id": "111122223333",
        "region": "ap-southeast-2",
        "listing": "ec2_instance",
        "outcome": "denied",
    }
    assert cell("denied", error_message="AWS's words", skip_reason="a reason").as_row() == shown | {
        "why": "AWS's words"
    }
    assert cell("denied", skip_reason="a reason").as_row() == shown | {"why": "a reason"}
    assert cell("denied").as_row() == shown | {"why": ""}


PROFILES = " Name a profile for at least one account (CMDB_WORKLOAD_PROFILES), and see CMDB_REGIONS."


@pytest.mark.parametrize(
    ("roles", "cure"),
    [(("workload", "workload"), PROFILES), (("workload", "operations"), "")],
    ids=["workload", "both"],
)
def test_where_nobody_was_requested_the_reasons_are_said_and_the_cure_where_it_is_one(
    roles: tuple[Role, Role], cure: str
) -> None:
    reasons = ("no_profile", "account_suspended")
    cells = [cell("skipped", role, skip_reason=reason) for role, reason in zip(roles, reasons, strict=True)]
    assert judge(cells).sentence == (
        f"ec2_instance: all 2 cells were skipped (account_suspended, no_profile), so nothing was requested.{cure}"
    )


def test_cells_that_were_skipped_without_a_reason_are_no_response() -> None:
    verdict = judge([cell("skipped")])
    assert verdict.blocks
    assert verdict.sentence == f"ec2_instance: all 1 cells were skipped (), so nothing was requested.{PROFILES}"


def later(reason: str, month: int, message: str | None = None) -> CellState:
    return cell("skipped", "billing", listing=f"cost_daily:2026-{month:02}", skip_reason=reason, error_message=message)


LIMIT, PAGES, ABSENT = "request_limit", "more_pages_than_the_limit", "no_cost_data"


@pytest.mark.parametrize(
    ("cells", "said", "sentence"),
    [
        pytest.param(
            [later(LIMIT, 1)],
            WARNED,
            "cost_daily: 1 part(s) were not requested, because CMDB_COST_REQUEST_LIMIT was reached: 2026-01. "
            "The next run goes on.",
            id="all of it waits",
        ),
        pytest.param(
            [cell(), *(later(LIMIT, month) for month in range(1, 7))],
            WARNED,
            "cost_daily: 6 part(s) were not requested, because CMDB_COST_REQUEST_LIMIT was reached: 2026-01, 2026-02, "
            "2026-03, 2026-04, 2026-05, …. The next run goes on.",
            id="a part of it waits",
        ),
        pytest.param(
            [cell(), *(later(LIMIT, month) for month in range(1, 6))],
            WARNED,
            "cost_daily: 5 part(s) were not requested, because CMDB_COST_REQUEST_LIMIT was reached: 2026-01, 2026-02, "
            "2026-03, 2026-04, 2026-05. The next run goes on.",
            id="five are all named",
        ),
        pytest.param(
            [cell(), later(LIMIT, 1, "It waits."), later(PAGES, 2, "It has more pages than the limit.")],
            WARNED,
            "cost_daily: 2 part(s) were not requested, because CMDB_COST_REQUEST_LIMIT was reached: 2026-01, 2026-02. "
            "It has more pages than the limit.",
            id="what never comes is said before what waits",
        ),
        pytest.param(
            [cell(), later(PAGES, 2, "It has more pages than the limit.")],
            WARNED,
            "cost_daily: 1 part(s) were not requested, because CMDB_COST_REQUEST_LIMIT was reached: 2026-02. "
            "It has more pages than the limit.",
            id="a part of it never comes",
        ),
        pytest.param(
            [later(LIMIT, 1), later(PAGES, 2, "It has more pages than the limit.")],
            BLOCKED,
            "cost_daily: 2 part(s) were not requested, because CMDB_COST_REQUEST_LIMIT was reached: 2026-01, 2026-02. "
            "It has more pages than the limit.",
            id="nothing ever comes",
        ),
        pytest.param(
            [later(LIMIT, 1), later("parents_unknown", 2)],
            BLOCKED,
            "cost_daily: all 2 cells were skipped (parents_unknown, request_limit), so nothing was requested.",
            id="the limit is not the only reason",
        ),
        pytest.param(
            [cell("skipped", listing="cloudwatch_metric", skip_reason=LIMIT)],
            WARNED,
            "cost_daily: 1 part(s) were not requested, because CMDB_METRIC_LIMIT was reached: 111122223333 "
            "ap-southeast-2. The next run goes on.",
            id="metrics of an account and region",
        ),
        pytest.param(
            [cell(), *(later(ABSENT, month) for month in range(1, 7))],
            WARNED,
            "cost_daily: Cost Explorer has no costs yet of 6 part(s): 2026-01, 2026-02, 2026-03, 2026-04, 2026-05, …. "
            "The next run requests them again.",
            id="more than five that were never billed",
        ),
        pytest.param(
            [later(ABSENT, 1, "Nobody opened it."), later(ABSENT, 2, "It is being prepared.")],
            WARNED,
            "cost_daily: Cost Explorer has no costs yet of 2 part(s): 2026-01, 2026-02. Nobody opened it.",
            id="all of it was never billed",
        ),
        pytest.param(
            [cell(), later(ABSENT, 1), later(LIMIT, 2)],
            WARNED,
            "cost_daily: 1 part(s) were not requested, because CMDB_COST_REQUEST_LIMIT was reached: 2026-02. "
            "The next run goes on.",
            id="what waits is said before what was never billed",
        ),
    ],
)
def test_what_the_limit_left_out_is_named_and_blocks_only_where_nothing_ever_comes(
    cells: list[CellState], said: str, sentence: str
) -> None:
    verdict = listing_check("cost_daily", cells, TOLERANCE)
    assert word(verdict) == said
    assert verdict.sentence == sentence
    if "parents_unknown" not in sentence:
        named = [one for one in cells if one.outcome == "skipped"]
        if "CMDB_" in sentence:
            named = [one for one in named if one.skip_reason != ABSENT]
        assert verdict.at_fault == tuple(one.as_row() for one in named)


PLACE = "account 111122223333, region ap-southeast-2, requested by workload"

SIGN_IN = " `cmdb preflight` says how the profile signs in again; then run `cmdb nightly --only-untrusted`."
ALL_THE_SAME = " Or publish without them: CMDB_UNTRUSTED_TOLERANCE=0.25 keeps their last trusted rows, marked stale."


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        pytest.param([], "ec2_instance has never been requested. Materialise landing/ec2_instance first.", id="never"),
        pytest.param(fleet(3), "ec2_instance: all 3 cells are trusted.", id="trusted"),
        pytest.param(
            [cell(), cell("empty_suspect", error_message="Why?")],
            f"ec2_instance: empty_suspect in {PLACE}. Why?",
            id="a question stays one",
        ),
        pytest.param(
            [cell(), cell("empty_suspect", error_message="Stop!")],
            f"ec2_instance: empty_suspect in {PLACE}. Stop!",
            id="so does an exclamation",
        ),
        pytest.param(
            [cell("empty_suspect", error_code="Foreign"), cell("empty_suspect"), cell("empty_suspect")],
            f"ec2_instance: empty_suspect in {PLACE} (and 2 more). Foreign.",
            id="the first of three silent ones",
        ),
        pytest.param([cell("empty_suspect")], f"ec2_instance: empty_suspect in {PLACE}.", id="nothing is known"),
        pytest.param(
            [cell(), cell("empty_unconfirmed")],
            "ec2_instance: 1 of 2 cells are trusted, 1 zero(s) wait for CloudTrail's record of the call; until then "
            "their last trusted rows are kept, marked stale.",
            id="what waits",
        ),
        pytest.param(
            [cell(), cell("failed", "billing", error_code="Timeout", error_message="It took too long.")],
            "ec2_instance: failed in account 111122223333, region ap-southeast-2, requested by billing. "
            "It took too long.",
            id="AWS's words before its code",
        ),
        pytest.param(
            [*fleet(19), cell("denied", error_code="AccessDenied")],
            f"ec2_instance: denied in {PLACE}. AccessDenied. Their last trusted rows are kept, marked stale.",
            id="within the tolerance",
        ),
        pytest.param(
            [cell(), cell("denied", error_code="AccessDenied")],
            f"ec2_instance: denied in {PLACE}. AccessDenied. That is 1 of 2 cells, more than "
            "CMDB_UNTRUSTED_TOLERANCE=0.05 allows. No policy of the organisation that the management role listed "
            "denies it: grant it to the role (`cmdb policy workload`), or, where a region is closed, name the others "
            f"in CMDB_REGIONS.{ALL_THE_SAME}",
            id="beyond the tolerance",
        ),
        pytest.param(
            [cell(), cell("failed", error_message="Rate exceeded")],
            f"ec2_instance: failed in {PLACE}. Rate exceeded. That is 1 of 2 cells, more than "
            "CMDB_UNTRUSTED_TOLERANCE=0.05 allows. `cmdb nightly --only-untrusted` requests again."
            f"{ALL_THE_SAME}",
            id="what asks again",
        ),
        pytest.param(
            [cell(), cell("denied", error_code="ExpiredToken", error_message="It has expired.")],
            f"ec2_instance: denied in {PLACE}. It has expired. That is 1 of 2 cells, more than "
            f"CMDB_UNTRUSTED_TOLERANCE=0.05 allows.{SIGN_IN}{ALL_THE_SAME}",
            id="no grant mends a session that has ended",
        ),
        pytest.param(
            [cell(), cell("denied", "billing", error_code="ExpiredTokenException", error_message="It has expired.")],
            "ec2_instance: denied in account 111122223333, region ap-southeast-2, requested by billing. It has "
            f"expired.{SIGN_IN}",
            id="how the session of a central role begins anew",
        ),
        pytest.param(
            [cell(), *(cell("wrong_account", account_id=f"{n:012}") for n in (1, 2))],
            "ec2_instance: wrong_account in account 000000000001, region ap-southeast-2, requested by workload (and 1 "
            "more). That is 2 of 3 cells, more than CMDB_UNTRUSTED_TOLERANCE=0.05 allows. Correct the profile of "
            "account 000000000001, then run `cmdb nightly --only-untrusted`.",
            id="no tolerance is enough for two of three accounts",
        ),
        pytest.param(
            [
                cell(),
                *(cell("denied", region=f"r-{n}", error_message="a service control policy") for n in range(7, 0, -1)),
            ],
            "ec2_instance: denied in account 111122223333, region r-7, requested by workload (and 6 more). a service "
            "control policy. That is 7 of 8 cells, more than CMDB_UNTRUSTED_TOLERANCE=0.05 allows. A service control "
            "policy denies r-1, r-2, r-3, r-4, r-5: name the regions that are allowed in CMDB_REGIONS."
            f"{ALL_THE_SAME}",
            id="a policy of the organisation",
        ),
        pytest.param(
            [cell(), cell("denied"), cell("denied", region="r-1", error_message="a service control policy")],
            f"ec2_instance: denied in {PLACE} (and 1 more). That is 2 of 3 cells, more than "
            "CMDB_UNTRUSTED_TOLERANCE=0.05 allows. A service control policy denies r-1: name the regions that are "
            f"allowed in CMDB_REGIONS.{ALL_THE_SAME}",
            id="only the regions that the policy denies",
        ),
    ],
)
def test_a_listing_says_who_was_requested_where_and_what_came_of_it(cells: list[CellState], sentence: str) -> None:
    assert judge(cells).sentence == sentence


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([*fleet(1, denied=1, wrong_account=1), cell("empty_suspect")], id="silent before loud"),
        pytest.param([*fleet(1, empty_unconfirmed=9), cell("empty_suspect")], id="silent before what waits"),
        pytest.param([*fleet(1, denied=1), cell("denied", "billing")], id="central before workload"),
    ],
)
def test_what_blocks_is_at_fault_and_nothing_else(cells: list[CellState]) -> None:
    assert judge(cells).at_fault == (cells[-1].as_row(),)


DENIED, LEFT_OUT = "denied_by_policy", "region_not_selected"


@pytest.mark.parametrize(
    ("reasons", "passed"),
    [
        ((DENIED,), True),
        ((DENIED, DENIED, "no_profile", "account_suspended", "region_not_enabled"), True),
        ((DENIED, "not_offered", "no_longer_asked"), True),
        (("region_disabled",), True),
        ((DENIED, LEFT_OUT), True),
        ((DENIED, LEFT_OUT, "region_not_enabled"), True),
        ((LEFT_OUT, "no_profile"), True),
        # What nobody decided is open still.
        ((DENIED, "parents_unknown"), False),
        ((DENIED, "request_limit"), False),
        (("no_profile", "account_suspended"), False),
        # A region that no account has enabled is a slip in CMDB_REGIONS.
        ((LEFT_OUT, "region_not_enabled"), False),
    ],
)
@pytest.mark.parametrize("role", ["workload", "operations"])
def test_what_somebody_closed_blocks_nothing(reasons: tuple[str, ...], passed: bool, role: Role) -> None:
    cells = [cell("skipped", role, region=f"r-{n}", skip_reason=reason) for n, reason in enumerate(reasons)]
    assert judge(cells, Decimal(0)).passed is passed
    # Beside what was asked it counts for nothing.
    assert judge([*cells, cell()], Decimal(0)).passed is (passed or "request_limit" not in reasons)


def test_what_somebody_closed_is_counted_among_all_that_stands() -> None:
    reasons = (DENIED, LEFT_OUT, "region_disabled", "not_offered", "no_profile", "no_longer_asked")
    said = judge([cell("skipped", skip_reason=reason) for reason in reasons]).sentence
    assert "3 of 5 cells are closed" in said


BARE = cell("denied", error_code="AccessDenied", error_message="Access denied")
OWN_GRANT = cell(
    "denied", error_code="AccessDenied", error_message="because no identity-based policy allows the action"
)
OPT_IN = cell("denied", error_code="OptInRequired", error_message="You are not subscribed to this service.")
EXPIRED = cell("denied", error_code="ExpiredToken", error_message="It has expired.")
CLOCK = cell("failed", error_code="RequestExpired", error_message="The clock of this machine is wrong.")
UNREACHED = cell(
    "failed", error_code="EndpointConnectionError", error_message="Could not connect.", region="af-south-1"
)
BROKEN = cell("failed", error_code="Timeout", error_message="It took too long.")
OF_TOKEN = cell("denied", error_code="AuthFailure", error_message="AWS was not able to validate the credentials")
REMEDIES = {
    "does not accept the session's token": "token",
    "No policy of the organisation": "policies",
    "`cmdb policy workload` prints the policy": "grant",
    "signs in again": "session",
    "requests again": "again",
}
"""The remedies that a refusal beyond the tolerance may say, by words of each."""


@pytest.mark.parametrize(
    ("failed", "remedy"),
    [
        pytest.param([BARE], {"policies"}, id="AWS names no policy"),
        pytest.param([BARE, BROKEN], {"policies"}, id="of the refused AWS names no policy"),
        pytest.param([BARE, OWN_GRANT], {"grant"}, id="AWS names the role's own policy for one"),
        pytest.param([OWN_GRANT], {"grant"}, id="AWS names the role's own policy"),
        pytest.param([OPT_IN], set(), id="AWS says what is missing, and no policy mends it"),
        pytest.param([EXPIRED], {"session"}, id="the session ended"),
        pytest.param([OPT_IN, EXPIRED], {"session"}, id="the session ended after another refusal"),
        pytest.param([BROKEN, EXPIRED], {"session"}, id="the session ended after a failure"),
        pytest.param([OF_TOKEN], {"token"}, id="the region refuses the session's token"),
        pytest.param(
            [OF_TOKEN, replace(OF_TOKEN, error_code="UnrecognizedClientException", region="af-south-1")],
            {"token"},
            id="two regions refuse it",
        ),
        pytest.param([replace(OF_TOKEN, error_code="InvalidClientTokenId")], {"token"}, id="by another code"),
        pytest.param([replace(OF_TOKEN, outcome="failed", error_code="InvalidToken")], {"token"}, id="by that of S3"),
        pytest.param([OF_TOKEN, BARE], {"token", "policies"}, id="the token here, a grant there"),
        pytest.param([OF_TOKEN, EXPIRED], {"token", "session"}, id="the token here, the session there"),
        pytest.param([CLOCK], {"again"}, id="the clock is wrong, and the session goes on"),
    ],
)
def test_beyond_the_tolerance_the_remedy_is_that_of_what_failed(failed: list[CellState], remedy: set[str]) -> None:
    said = judge([cell(), *failed]).sentence
    assert {word for words, word in REMEDIES.items() if words in said} == remedy


LOST = "No account's request reached"


@pytest.mark.parametrize(
    ("cells", "regions", "advice"),
    [
        pytest.param([cell(), UNREACHED], (), "af-south-1", id="none of the region is trusted"),
        pytest.param([cell(), UNREACHED], ("eu-west-1",), "af-south-1", id="others beside the cells are"),
        pytest.param([cell(region="af-south-1"), UNREACHED], (), "", id="another account's request came through"),
        pytest.param([cell(), UNREACHED], ("af-south-1",), "", id="one beside the cells"),
        pytest.param([cell(), BROKEN], (), "", id="it took too long and the region may be reached"),
        pytest.param(
            [cell(), *(replace(UNREACHED, error_code=code, region=code) for code in sorted(UNREACHED_CODES))],
            (),
            ", ".join(sorted(UNREACHED_CODES)),
            id="by each of the codes",
        ),
    ],
)
def test_regions_that_no_request_reached_are_named_with_what_lets_it_through(
    cells: list[CellState], regions: tuple[str, ...], advice: str
) -> None:
    said = listing_check("ec2_instance", cells, TOLERANCE, regions=regions).sentence
    assert (f"{LOST} {advice}: let the network and HTTPS_PROXY through to it or name the other regions" in said) is (
        advice != ""
    )
    assert (LOST in said) is (advice != "")
    assert "FIPS" not in said and "`cmdb nightly --only-untrusted`" in said


def test_where_the_address_is_of_fips_the_setting_is_named() -> None:
    of_fips = replace(UNREACHED, error_message='Could not connect to "https://ec2-fips.af-south-1.amazonaws.com/"')
    assert "unset AWS_USE_FIPS_ENDPOINT" in judge([cell(), of_fips]).sentence


def test_the_role_that_is_to_be_granted_is_the_one_that_is_named() -> None:
    said = judge([replace(BARE, role="operations"), replace(BARE, role="billing")]).sentence
    assert "requested by operations" in said
    assert "`cmdb policy operations`" in said


def test_a_refused_central_role_is_reported_of_policies_too() -> None:
    bare = judge([cell("denied", "operations", error_code="AccessDenied")])
    assert bare.blocks and "`cmdb policy operations`" in bare.sentence
    words = judge([cell("denied", "management", error_message="explicit deny in a service control policy")])
    assert words.blocks and "A service control policy denies" in words.sentence
    own = judge(
        [cell("denied", "billing", error_code="AccessDenied", error_message="because no session policy allows it")]
    )
    assert own.blocks and "policy of the organisation" not in own.sentence


def test_a_central_listing_that_a_policy_denies_is_as_fresh_as_a_response() -> None:
    cells = [cell("skipped", "operations", skip_reason=DENIED)]
    assert freshness_check("resource_group", cells, now=cells[0].ended_at).passed


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
    role=st.sampled_from(["management", "operations", "billing", "workload"]),
    tolerance=st.decimals(0, MOST, places=2),
    place=st.integers(0, 60),
)
def test_a_suspect_zero_blocks_whatever_the_tolerance_and_wherever_it_hides(
    outcomes: list[Outcome], role: Role, tolerance: Decimal, place: int
) -> None:
    cells = [cell(outcome) for outcome in outcomes]
    cells.insert(place, cell("empty_suspect", role))
    verdict = judge(cells, tolerance)
    assert verdict.blocks
    assert all(row["outcome"] == "empty_suspect" for row in verdict.at_fault)


@given(
    trusted=st.integers(0, 50),
    waiting=st.integers(0, 200),
    role=st.sampled_from(["management", "operations", "billing", "workload"]),
    tolerance=st.decimals(0, MOST, places=2),
)
def test_zeros_that_wait_for_cloudtrail_never_block_and_count_among_those_requested(
    trusted: int, waiting: int, role: Role, tolerance: Decimal
) -> None:
    cells = fleet(trusted, role=role, empty_unconfirmed=waiting)
    verdict = judge(cells, tolerance)
    assert verdict.passed == (trusted + waiting > 0)
    counted = listing_check("ec2_instance", fleet(trusted, role=role), tolerance, waiting=waiting)
    assert counted == verdict
    if waiting:
        assert f"{waiting} zero(s) wait" in verdict.sentence


@given(
    trusted=st.integers(0, 200),
    loud=st.integers(0, 60),
    skipped=st.integers(0, 30),
    tolerance=st.one_of(st.decimals(0, MOST, places=2), st.just(MOST)),
    of_one=st.booleans(),
)
def test_loud_workload_failures_freeze_their_cells_up_to_the_tolerance_of_those_requested(
    trusted: int, loud: int, skipped: int, tolerance: Decimal, of_one: bool
) -> None:
    cells = fleet(trusted, denied=loud, skipped=skipped)
    if not of_one:
        cells = [replace(one, account_id=f"{number:012}") for number, one in enumerate(cells)]
    verdict = judge(cells, tolerance)
    asked = trusted + loud
    # One account alone never refuses the largest tolerance.
    spared = tolerance == MOST and trusted > 0 and (of_one or loud == 1)
    assert verdict.blocks == (asked == 0 or (100 * loud > int(100 * tolerance) * asked and not spared))
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
def test_a_central_listing_is_published_only_when_it_was_requested_within_a_day(
    cells: list[CellState], passed: bool
) -> None:
    verdict = freshness_check("cost_daily", cells, now=NOW)
    assert verdict.passed == passed
    assert verdict.blocks != passed


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        pytest.param([], "cost_daily has never been requested. Run `cmdb nightly`.", id="never"),
        pytest.param(
            [cell("skipped")], "cost_daily was not requested: every cell was skipped. Run `cmdb nightly`.", id="skipped"
        ),
        pytest.param(
            [cell(ended_at=NOW - timedelta(hours=25))],
            "cost_daily was last requested 25 h 0 min ago; at most 24 h 0 min may be published. Run `cmdb nightly`.",
            id="too old",
        ),
        pytest.param(
            [cell("denied", ended_at=NOW - MINUTE)], "cost_daily was requested 1 min ago.", id="refused is asked"
        ),
        pytest.param(
            [cell("skipped", skip_reason="request_limit")],
            "cost_daily was requested 0 min ago.",
            id="it waits for later",
        ),
        pytest.param(
            [cell("skipped", skip_reason="no_cost_data")], "cost_daily was requested 0 min ago.", id="never billed"
        ),
        pytest.param(
            [cell("skipped", skip_reason="not_offered")], "cost_daily was requested 0 min ago.", id="AWS has none of it"
        ),
        pytest.param(
            [cell("skipped", skip_reason="parents_unconfirmed")],
            "cost_daily was requested 0 min ago.",
            id="what it is asked of waits for CloudTrail",
        ),
        pytest.param(
            [cell("skipped", skip_reason="no_profile")],
            "cost_daily was not requested: every cell was skipped. Run `cmdb nightly`.",
            id="nobody is there",
        ),
    ],
)
def test_the_age_of_a_listing_is_said(cells: list[CellState], said: str) -> None:
    assert freshness_check("cost_daily", cells, now=NOW).sentence == said


# -------------------------------------------------------------------------------------- what was built


USES = {"cmdb.resource": ["aws.ec2_instance", "ref.tag_key"], "aws.ec2_instance": []}
SOURCES = {"aws.ec2_instance": ["ec2_instance", "ec2_image"]}


@pytest.mark.parametrize(
    ("late", "said"),
    [
        pytest.param({}, "", id="all at one moment"),
        pytest.param({"cmdb.resource": 1}, "", id="in order"),
        pytest.param(
            {"aws.ec2_instance": 1}, "cmdb.resource was built before aws.ec2_instance was", id="a newer table"
        ),
        pytest.param(
            {"ec2_image": 1, "ec2_instance": 1},
            "aws.ec2_instance was built before ec2_instance, ec2_image was",
            id="newer answers",
        ),
        pytest.param({"aws.ec2_instance": 1, "ec2_image": 1, "cmdb.resource": 1}, "", id="renewed together"),
    ],
)
def test_nothing_is_published_that_was_built_before_what_it_shows(late: dict[str, int], said: str) -> None:
    at = {
        name: NOW + late.get(name, 0) * MINUTE
        for name in ("cmdb.resource", "aws.ec2_instance", "ec2_instance", "ec2_image")
    }
    built = {name: at[name] for name in USES}
    verdict = builds_check(USES, SOURCES, built, {name: at[name] for name in ("ec2_instance", "ec2_image")})
    assert word(verdict) == (BLOCKED if said else PASSED)
    assert verdict.sentence == (
        f"{said} last renewed, so it does not show what is known. Materialise it again, and what is built from it."
        if said
        else "Every table was built from the newest evidence."
    )


def test_what_was_never_built_is_not_published_and_what_was_never_requested_is_not_newer() -> None:
    verdict = builds_check(USES, SOURCES, {"aws.ec2_instance": NOW}, {})
    assert verdict.blocks
    assert verdict.sentence == "cmdb.resource was never built. Materialise it first."
    assert builds_check(USES, SOURCES, dict.fromkeys(USES, NOW), {}).passed
