"""What looking up a waiting zero comes to, and how many are looked up at once; whole runs: test_zero_confirmation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from pipelines.collection import decisions
from pipelines.collection.decisions import Confirmation, Decision, decide, portions, stored_together
from pipelines.trust import ages
from pipelines.trust.zero_rule import NO_REQUEST_ID, TRAIL_DENIED, ZeroJudgement
from resources.audit.coverage import Accounts
from resources.aws.messages import Outcome, TrailEvents

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


def trail(reason: str = "") -> TrailEvents:
    return TrailEvents(not reason, reason, {}, [], 0, None, NOW, NOW, 1, False)


def evidence(**more: Any) -> dict[str, Any]:
    return {"cloudtrail": {"recorded": 1, "refused": []}, **more}


NOT_RECORDED = {"cloudtrail": {"refused": [], "not_recorded": "CloudTrail records no ec2:DescribeVpcs"}}
REFUSED = {"cloudtrail": {"refused": [{"request_id": "r-1", "error_code": "AccessDenied"}]}, "confirmed": False}
UNAVAILABLE = {"cloudtrail": "not available: no"}


@pytest.mark.parametrize(
    ("verdict", "shown", "before", "decision"),
    [
        (ZeroJudgement("empty_verified", "", evidence()), trail(), "empty_unconfirmed", "confirmed"),
        (ZeroJudgement("empty_verified", "", NOT_RECORDED), trail(), "empty_unconfirmed", "not_recorded"),
        (ZeroJudgement("empty_suspect", "", evidence()), trail(), "empty_unconfirmed", "suspect"),
        # It was suspect before: new is only what CloudTrail says for or against what the bill speaks against.
        (ZeroJudgement("empty_suspect", "", evidence()), trail(), "empty_suspect", "waiting"),
        (ZeroJudgement("empty_suspect", "", evidence(confirmed=False)), trail(), "empty_suspect", "waiting"),
        (ZeroJudgement("empty_suspect", "", UNAVAILABLE), trail("no"), "empty_suspect", "waiting"),
        (ZeroJudgement("empty_suspect", "", evidence(confirmed=True)), trail(), "empty_suspect", "suspect"),
        (ZeroJudgement("empty_suspect", "", REFUSED), trail(), "empty_suspect", "suspect"),
        (ZeroJudgement("empty_unconfirmed", "", evidence()), trail(), "empty_unconfirmed", "waiting"),
        (
            ZeroJudgement("empty_unconfirmed", "", UNAVAILABLE, TRAIL_DENIED),
            trail("no"),
            "empty_unconfirmed",
            "unavailable",
        ),
        (
            ZeroJudgement("empty_unconfirmed", "", UNAVAILABLE, NO_REQUEST_ID),
            trail(),
            "empty_unconfirmed",
            "unavailable",
        ),
    ],
)
def test_what_a_look_up_comes_to(
    verdict: ZeroJudgement, shown: TrailEvents, before: Outcome, decision: Decision
) -> None:
    assert decide(verdict, shown, before) == decision


def test_the_sentence_counts_each_decision_once() -> None:
    assert Confirmation().sentence() == "No zero waits for CloudTrail."
    found = Confirmation()
    for power, decision in enumerate(get_args(Decision)):
        found.decisions[decision] = 2**power
    # confirmed 1, suspect 2, not_recorded 4, waiting 8, unavailable 16, unreached 32
    assert found.sentence() == ("Of 63 zeros that waited for CloudTrail 5 are confirmed, 2 suspect, 56 still wait.")


@pytest.mark.parametrize("decision", get_args(Decision))
def test_what_still_waits_after_a_run_is_overdue(decision: Decision) -> None:
    found = Confirmation()
    found.count(decision, NOW - ages.HALF_A_DAY + timedelta(seconds=1), NOW)
    assert (found.decisions, found.overdue) == ({decision: 1}, 0)
    found.count(decision, NOW - ages.HALF_A_DAY, NOW)
    waits = decision in ("waiting", "unavailable", "unreached")
    assert (found.decisions, found.overdue) == ({decision: 2}, int(waits))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, [Accounts("")]),
        ({"1": 5}, [Accounts("")]),
        ({"1": 5, "2": 5}, [Accounts("")]),
        ({"2": 6, "1": 5}, [Accounts("", "2"), Accounts("2")]),
        ({"1": 6, "2": 5, "3": 5}, [Accounts("", "2"), Accounts("2")]),
        ({"1": 99, "2": 10, "3": 1}, [Accounts("", "2"), Accounts("2", "3"), Accounts("3")]),
        ({"1": 4, "2": 6, "3": 10, "4": 1}, [Accounts("", "3"), Accounts("3", "4"), Accounts("4")]),
    ],
)
def test_accounts_are_taken_together_while_their_zeros_fit(
    counts: dict[str, int], expected: list[Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "ZEROS_AT_ONCE", 10)
    assert list(portions(counts)) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"s3_bucket": 20}, [["s3_bucket"]], id="one that does not fit"),
        # As the cells stand in their table: in the order of the catalogue.
        pytest.param(
            {"ec2_vpc": 4, "organizations_account": 6},
            [["organizations_account", "ec2_vpc"]],
            id="together, in the order of the catalogue",
        ),
        pytest.param(
            {"ec2_vpc": 5, "organizations_account": 6}, [["organizations_account"], ["ec2_vpc"]], id="one too many"
        ),
    ],
)
def test_decisions_are_stored_listing_by_listing_while_they_fit(
    counts: dict[str, int], expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "ZEROS_AT_ONCE", 10)
    assert list(stored_together(counts)) == expected
