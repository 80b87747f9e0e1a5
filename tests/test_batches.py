"""What one cell asks in many requests, one after the other: what belongs to a single one of them, and what to all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from scripted_aws import (
    INSTANCES,
    Call,
    Reply,
    ScriptedAws,
    as_json,
    json_error,
    query_error,
    reservations,
    scripted,
    static,
    write_profiles,
)

from pipelines.catalogue.registry import listings
from resources.aws import paging, retry
from resources.aws.client import AwsClient
from resources.aws.listing import GLOBAL_REGION, Each, Listing
from resources.aws.messages import Request, Response
from resources.aws.retry import Retry

if TYPE_CHECKING:
    from resources.contract import Role

ONE = "011122223333"
NOTIFICATION, TAG = listings()["budget_notification"], listings()["lambda_function_tag"]
EITHER = replace(TAG, each=Each("Resource", in_one_cell=True, own_errors=("AccessDeniedException", "NoSuchTagSet")))
"""One whose errors of its own are refusals and others."""


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {"one": static(ONE)})
        yield server


def ask(listing: Listing, *batches: dict[str, Any], region: str = "us-east-1", **more: Any) -> Response:
    role: Role = listing.roles[0]
    reach = AwsClient(role, home_region="us-east-1", retry=Retry(0.2, 1, 0.01, 0.01))
    try:
        return reach.fetch(Request("one", ONE, region, listing, role, batches=batches, **more))
    finally:
        reach.close()


# ---------------------------------------------------------------------------------------------- one that went away


def of_budgets(**replies: Reply) -> Callable[[Call], Reply | None]:
    def script(call: Call) -> Reply | None:
        return None if call.service == "sts" else replies[call.parameters["BudgetName"]]

    return script


def notification(threshold: int) -> Reply:
    return as_json({"Notifications": [{"Threshold": threshold}]})


def notifications(*names: str) -> Response:
    return ask(NOTIFICATION, *({"BudgetName": name} for name in names), region=GLOBAL_REGION)


def test_each_is_requested_in_its_account_and_its_records_say_of_what_they_are(aws: ScriptedAws) -> None:
    aws.script = of_budgets(a=notification(80), b=notification(90))
    answer = notifications("a", "b")
    assert (answer.outcome, answer.page_count, answer.request_count) == ("found", 2, 2)
    assert answer.records == [{"Threshold": 80, "BudgetName": "a"}, {"Threshold": 90, "BudgetName": "b"}]
    assert [call.parameters for call in aws.operations("budgets")] == [
        {"MaxResults": 100, "AccountId": ONE, "BudgetName": name} for name in ("a", "b")
    ]


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_one_that_went_away_has_nothing_and_the_others_keep_their_responses(aws: ScriptedAws, names: str) -> None:
    aws.script = of_budgets(a=json_error("NotFoundException"), b=notification(90))
    answer = notifications(*names)
    assert (answer.outcome, answer.records) == ("found", [{"Threshold": 90, "BudgetName": "b"}])


def test_where_all_went_away_nothing_is_left_to_request_by_aws_own_word(aws: ScriptedAws) -> None:
    aws.script = of_budgets(a=json_error("NotFoundException"), b=json_error("NotFoundException"))
    answer = notifications("a", "b")
    assert (answer.outcome, answer.skip_reason, answer.page_count) == ("skipped", "parent_gone", 0)
    assert answer.request_count == 2


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (json_error("AccessDeniedException"), "denied", "AccessDeniedException"),
        (json_error("InvalidParameterException"), "failed", "InvalidParameterException"),
    ],
)
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_any_other_error_of_one_spoils_all(aws: ScriptedAws, names: str, error: Reply, outcome: str, code: str) -> None:
    aws.script = of_budgets(a=error, b=notification(90))
    answer = notifications(*names)
    assert (answer.outcome, answer.error_code, answer.records) == (outcome, code, [])


def test_a_reason_to_skip_that_is_not_that_one_went_away_skips_all(aws: ScriptedAws) -> None:
    listing = replace(NOTIFICATION, skip_codes={"NotFoundException": "not_offered"})
    aws.script = of_budgets(a=notification(80), b=json_error("NotFoundException"))
    answer = ask(listing, {"BudgetName": "a"}, {"BudgetName": "b"}, region=GLOBAL_REGION)
    assert (answer.outcome, answer.skip_reason, answer.records) == ("skipped", "not_offered", [])


def test_one_that_was_requested_alone_and_went_away_is_the_cells_reason(aws: ScriptedAws) -> None:
    aws.script = of_budgets(a=json_error("NotFoundException"))
    answer = ask(NOTIFICATION, region=GLOBAL_REGION, parameters={"BudgetName": "a"})
    assert (answer.outcome, answer.skip_reason) == ("skipped", "parent_gone")


# ------------------------------------------------------------------------------------------- one that refuses itself


def function(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:{ONE}:function:{name}"


def of_functions(**replies: Reply) -> Callable[[Call], Reply | None]:
    def script(call: Call) -> Reply | None:
        return None if call.service == "sts" else replies[unquote(call.operation).rpartition(":")[2].partition("/")[0]]

    return script


def tags(listing: Listing, *names: str) -> Response:
    return ask(listing, *({"Resource": function(name)} for name in names))


REFUSED, NONE, OTHER = json_error("AccessDeniedException", status=403), json_error("NoSuchTagSet"), json_error("Odd")
TAGGED = as_json({"Tags": {"team": "core"}})


def said(answer: Response) -> dict[str, str]:
    """What became of each function, by its name."""
    return {
        record["Resource"].rpartition(":")[2]: record.get("ErrorCode") or record["Tags"]["team"]
        for record in answer.records
    }


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_one_that_refuses_among_others_that_respond_says_so_in_its_record(aws: ScriptedAws, names: str) -> None:
    aws.script = of_functions(a=REFUSED, b=TAGGED)
    answer = tags(EITHER, *names)
    assert (answer.outcome, answer.page_count) == ("found", 2)
    assert said(answer) == {"a": "AccessDeniedException", "b": "core"}


def test_where_all_refuse_it_is_who_asks_that_is_refused(aws: ScriptedAws) -> None:
    aws.script = of_functions(
        **{name: json_error("AccessDeniedException", f"not {name}", 403) for name in ("a", "b", "c")}
    )
    answer = tags(EITHER, "a", "b", "c")
    assert (answer.outcome, answer.error_code, answer.records) == ("denied", "AccessDeniedException", [])
    # What it says is what was said first.
    assert answer.error_message == "not a"
    assert answer.raw_response is not None
    assert len(aws.operations("lambda")) == 3


def test_a_role_that_cannot_be_assumed_again_is_no_refusal_of_one(
    aws: ScriptedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = {"role_arn": f"arn:aws:iam::{ONE}:role/R", "source_profile": "source"}
    write_profiles(tmp_path, aws.url, {"source": static("044455556666"), "one": role})
    later = timedelta(0)

    def script(call: Call) -> Reply | None:
        nonlocal later
        if call.service == "sts":
            is_again = call.operation == "AssumeRole" and aws.assumed
            return query_error("AccessDeniedException", "no", 403) if is_again else None
        later = timedelta(hours=1)  # the session of the role ends after the first parent
        return TAGGED

    aws.session_seconds = 800.0  # botocore may renew such a session, and uses it where that fails
    monkeypatch.setattr("resources.aws.credentials._now", lambda: datetime.now(UTC) + later)
    aws.script = script
    answer = tags(EITHER, "a", "b")
    assert (answer.outcome, answer.error_code, answer.records) == ("denied", "AccessDeniedException", [])


URL = listings()["lambda_function_url"]
UNKNOWN_THERE = json_error("AccessDeniedException", "Unable to determine service/operation name to be authorized", 403)
"""What Lambda responds in a region that has no URLs of functions."""


def urls(*names: str) -> Response:
    return ask(URL, *({"FunctionName": function(name)} for name in names))


def test_an_operation_that_a_region_does_not_know_is_not_offered_there(aws: ScriptedAws) -> None:
    sentence = "Unable to determine service/operation name to be authorized"
    aws.script = of_functions(
        **{name: json_error("AccessDeniedException", f"{sentence}: {name}", 403) for name in ("a", "b", "c")}
    )
    answer = urls("a", "b", "c")
    assert (answer.outcome, answer.skip_reason, answer.records) == ("skipped", "not_offered", [])
    assert (answer.error_code, answer.error_message) == ("AccessDeniedException", f"{sentence}: a")


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_a_plain_refusal_beside_it_is_a_refusal(aws: ScriptedAws, names: str) -> None:
    aws.script = of_functions(a=UNKNOWN_THERE, b=REFUSED)
    answer = urls(*names)
    assert (answer.outcome, answer.skip_reason, answer.error_code) == ("denied", None, "AccessDeniedException")


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_where_another_function_has_a_response_the_region_has_the_operation(aws: ScriptedAws, names: str) -> None:
    aws.script = of_functions(a=UNKNOWN_THERE, b=as_json({"FunctionUrlConfigs": []}))
    answer = urls(*names)
    assert answer.outcome == "found"
    shown = {record["FunctionName"][-1]: record.get("ErrorCode") for record in answer.records}
    assert shown == {"a": "AccessDeniedException", "b": None}


def test_where_none_has_what_is_requested_each_says_so(aws: ScriptedAws) -> None:
    aws.script = of_functions(a=NONE, b=NONE)
    assert said(tags(EITHER, "a", "b")) == {"a": "NoSuchTagSet", "b": "NoSuchTagSet"}


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_where_one_refuses_and_one_has_nothing_it_is_not_who_asks(aws: ScriptedAws, names: str) -> None:
    aws.script = of_functions(a=REFUSED, b=NONE)
    assert said(tags(EITHER, *names)) == {"a": "AccessDeniedException", "b": "NoSuchTagSet"}


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_an_error_that_is_not_ones_own_spoils_all(aws: ScriptedAws, names: str) -> None:
    aws.script = of_functions(a=OTHER, b=TAGGED)
    answer = tags(EITHER, *names)
    assert (answer.outcome, answer.error_code, answer.records) == ("failed", "Odd", [])


def test_of_one_that_is_requested_alone_no_error_is_its_own(aws: ScriptedAws) -> None:
    aws.script = of_functions(a=NONE)
    answer = ask(EITHER, parameters={"Resource": function("a")})
    assert (answer.outcome, answer.error_code, answer.records) == ("failed", "NoSuchTagSet", [])


def test_a_listing_without_parents_may_be_requested_in_many_requests_too(aws: ScriptedAws) -> None:
    replies = iter([reservations(ONE, "i-1"), reservations(ONE, "i-2")])
    aws.script = lambda call: None if call.service == "sts" else next(replies)
    answer = ask(INSTANCES, {"MaxResults": 5}, {"MaxResults": 6})
    assert [record["InstanceId"] for record in answer.records] == ["i-1", "i-2"]
    assert [call.parameters["MaxResults"] for call in aws.operations("ec2")] == ["5", "6"]
    replies = iter([reservations(ONE, "i-1"), json_error("Odd")])
    assert ask(INSTANCES, {"MaxResults": 5}, {"MaxResults": 6}).outcome == "failed"


# ------------------------------------------------------------------------------------------------ many, and throttled


class Clock(threading.Event):
    """A clock that only pauses move, as the event on which a request pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.now = time.monotonic()

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (retry, paging):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


THROTTLED = json_error("TooManyRequestsException", "Rate exceeded", 429)


def tags_of_many(names: range, clock: Clock, patience: Retry) -> Response:
    reach = AwsClient("workload", home_region="us-east-1", retry=patience)
    batches = [{"Resource": function(str(name))} for name in names]
    try:
        return reach.fetch(Request("one", ONE, "us-east-1", TAG, "workload", batches=batches), stopping=clock)
    finally:
        reach.close()


def test_of_many_parents_each_may_be_throttled(aws: ScriptedAws, clock: Clock) -> None:
    tokens, filled_at = 5.0, clock.now

    def script(call: Call) -> Reply | None:
        nonlocal tokens, filled_at
        if call.service == "sts":
            return None
        tokens, filled_at = min(5.0, tokens + (clock.now - filled_at) * 5.0), clock.now
        if tokens < 1.0:
            return THROTTLED
        tokens -= 1.0
        return TAGGED

    aws.script = script
    began = clock.now
    answer = tags_of_many(range(1000), clock, Retry())
    assert (answer.outcome, answer.error_code, answer.record_count) == ("found", None, 1000)
    assert answer.throttle_count > 100
    assert clock.now - began > Retry().seconds


def test_a_parent_that_is_throttled_for_ever_ends_within_the_patience_for_one(aws: ScriptedAws, clock: Clock) -> None:
    def script(call: Call) -> Reply | None:
        return None if call.service == "sts" else THROTTLED if "function%3A7/" in f"{call.operation}/" else TAGGED

    aws.script = script
    began = clock.now
    answer = tags_of_many(range(1000), clock, Retry())
    assert (answer.outcome, answer.error_code, answer.records) == ("failed", "TooManyRequestsException", [])
    assert clock.now - began <= Retry().seconds
    assert len({call.operation for call in aws.operations("lambda")}) == 8


def test_many_parents_that_are_throttled_end_with_the_time_for_a_request(aws: ScriptedAws, clock: Clock) -> None:
    seen: set[str] = set()

    def script(call: Call) -> Reply | None:
        if call.service == "sts" or call.operation in seen:
            return None if call.service == "sts" else TAGGED
        seen.add(call.operation)
        return THROTTLED

    aws.script = script
    began = clock.now
    patience = Retry(seconds=60.0, first_delay=50.0, longest_delay=50.0, request_seconds=1000.0)
    answer = tags_of_many(range(1000), clock, patience)
    assert (answer.outcome, answer.error_code, answer.records) == ("failed", "TooManyRequestsException", [])
    assert 1000.0 <= clock.now - began < 1100.0
