"""What is no answer of AWS's is `failed`, whatever asks and whatever comes: never `found`, never a zero, never raised.

The product's own clients ask over HTTP. The script stands for a network between them and AWS: a proxy to which all of
them are led, since S3 Control puts the account's id before any host.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, cast

import botocore.session
import pytest
from scripted_aws import Call, Reply, ScriptedAws, as_json, query_error, scripted, static, write_profiles

from pipelines.catalogue.registry import listings
from resources.aws.client import AwsClient
from resources.aws.clock import clock_error
from resources.aws.dispatch import look_up_all
from resources.aws.errors import AwsError
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import CUT_OFF, OPTIONAL_GRANT, Lookup, Request, Response
from resources.aws.profile_errors import ProfileError
from resources.aws.responses import EMPTY_MEANS_NONE, ROOTS
from resources.aws.retry import Retry
from resources.contract import Role
from resources.identity_rules import Organization
from resources.roles import Management

ACCOUNT = "011122223333"
REGION = "us-east-1"
HASTE = Retry(seconds=0.5, transient_attempts=2, first_delay=0.001, longest_delay=0.002)
SESSION = botocore.session.Session()

# The content of an object is no response with records: tests/test_data_export.py.
LISTINGS = [listing for listing in listings().values() if listing.call != "s3:GetObject"]
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
GIVEN: dict[str, Any] = {
    "ResourceArn": "arn:aws:s3:::a-bucket",
    "Bucket": "a-bucket",
    "Resource": ARN,
    "Arn": f"arn:aws:resource-groups:{REGION}:{ACCOUNT}:group/g",
    "ResourceId": ACCOUNT,
    "AccountId": ACCOUNT,
}


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with scripted(tmp_path, monkeypatch) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        write_profiles(tmp_path, "http://aws.invalid", {"one": static(ACCOUNT)})
        yield server


MakeReach = Callable[..., AwsClient]


@pytest.fixture
def make_reach() -> Iterator[MakeReach]:
    made: dict[tuple[Role, Retry], AwsClient] = {}

    def make(role: Role, retry: Retry = HASTE) -> AwsClient:
        if (role, retry) not in made:
            made[role, retry] = AwsClient(role, home_region=REGION, retry=retry)
        return made[role, retry]

    yield make
    for reach in made.values():
        reach.close()


def model(listing: Listing) -> Any:
    return SESSION.get_service_model(listing.service).operation_model(listing.operation)


def protocol(listing: Listing) -> str:
    return str(SESSION.get_service_model(listing.service).resolved_protocol)


def sample(shape: Any, name: str = "") -> Any:
    """Something that botocore takes for a parameter, or AWS might answer."""
    if name in GIVEN:
        return GIVEN[name]
    match shape.type_name:
        case "structure":
            return {key: sample(shape.members[key], key) for key in shape.required_members}
        case "list":
            return [sample(shape.member)]
        case "map":
            return {}
        case "integer" | "long" | "double" | "float":
            return 1
        case "boolean":
            return False
        case "timestamp":
            return "2026-11-01T00:00:00Z"
    return next(iter(getattr(shape, "enum", ())), "x" * max(1, shape.metadata.get("min", 1)))


def question(listing: Listing) -> Request:
    """The question of a listing, with whatever its operation wants."""
    wanted = sample(model(listing).input_shape) if model(listing).input_shape is not None else {}
    if listing.each is not None and listing.each.parameter:
        wanted.setdefault(listing.each.parameter, sample(model(listing).input_shape.members[listing.each.parameter]))
    one_each = listing.each is not None and listing.each.in_one_cell
    region = GLOBAL_REGION if listing.scope == "global" else REGION
    how: dict[str, Any] = {"batches": [wanted]} if one_each else {"parameters": wanted}
    return Request("one", ACCOUNT, region, listing, listing.roles[0], **how)


class Allowance:
    """A meter without a limit: AWS charges for some of the listings."""

    def reserve(self, service: str, operation: str, units: int = 1) -> None:
        pass

    def turned_away(self, service: str, operation: str, units: int = 1) -> None:
        pass


def ask(aws: ScriptedAws, reach: AwsClient, listing: Listing, reply: Reply) -> Response:
    aws.script = lambda call: None if call.service == "sts" else reply
    before = len(aws.log)
    answer = reach.fetch(question(listing), meter=Allowance())
    assert any(call.service != "sts" for call in aws.log[before:]), "nothing was asked"
    return answer


# ---------------------------------------------------------------------------------------------- good answers


def members(listing: Listing) -> dict[str, Any]:
    """The least that an answer of a listing has: a list without entries, a structure with its owner."""
    body: dict[str, Any] = {}
    for name in listing.must_have:
        shape = model(listing).output_shape.members[name]
        body[name] = [] if shape.type_name == "list" else sample(shape)
    outer, *inner_names = listing.records.split(".")
    if inner_names and isinstance(body.get(outer), dict):
        body[outer] |= {key: [] for key in inner_names}
    if isinstance(body.get(listing.records), dict) and listing.owner is not None:
        inner = body[listing.records]
        *way, last = listing.owner.split(".")
        for name in way:
            inner = inner.setdefault(name, {})
        inner[last] = ACCOUNT if last == "AwsAccountId" else f"arn:aws:organizations::{ACCOUNT}:policy/o-1/p-1"
    return body


def root_of(listing: Listing) -> str:
    """The root of its answers in XML."""
    return ROOTS.get(listing.operation, (f"{listing.operation}Response",))[0]


def as_xml(shape: Any, body: dict[str, Any]) -> str:
    """The members of a structure as XML; of lists there is nothing in them."""
    found = ""
    for key, value in body.items():
        member = shape.members[key]
        name = member.serialization.get("name", key)
        text = as_xml(member, value) if isinstance(value, dict) else "" if value == [] else value
        found += f"<{name}>{text}</{name}>"
    return found


def written(listing: Listing, root: str = "", member_names: dict[str, Any] | None = None) -> Reply:
    """An answer in the listing's protocol; `root` in place of the root that it has in XML."""
    body = members(listing) if member_names is None else member_names
    if "json" in protocol(listing):
        return as_json(body)
    shape = model(listing).output_shape
    if any(value == [] and shape.members[name].serialization.get("flattened") for name, value in body.items()):
        # Nothing is sent of a flattened list without entries.
        return Reply(f"<{root or root_of(listing)}/>")
    inner = as_xml(shape, body)
    wrapper = shape.serialization.get("resultWrapper")
    inner = f"<{wrapper}>{inner}</{wrapper}>" if wrapper else inner
    root = root or root_of(listing)
    return Reply(f"<{root}><requestId>r-1</requestId>{inner}</{root}>")


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.name)
def test_the_least_that_is_a_response_is_taken_for_one(
    listing: Listing, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    answer = ask(aws, make_reach(listing.roles[0]), listing, written(listing))
    assert answer.outcome in ("found", "empty_unconfirmed"), (answer.error_code, answer.error_message)


# ------------------------------------------------------------------------------------------ what is no answer

PORTAL = "<html><head><title>Hotel</title></head><body>Sign in</body></html>"
REFUSED = {"Message": "denied", "__type": "AccessDeniedException"}
ERROR = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"

NO_ANSWERS: dict[str, Reply] = {
    "nothing": Reply(""),
    "white space": Reply(" \n"),
    "an empty object": as_json({}),
    "null": Reply("null", content_type="application/json"),
    "a list": as_json([]),
    "a portal in HTML": Reply(PORTAL, content_type="text/html"),
    "a portal in HTML 5": Reply("<!DOCTYPE html><meta charset=utf-8><p>Sign in<br>", content_type="text/html"),
    "a portal in JSON": as_json({"redirect": "https://wifi.invalid/login"}),
    "a refusal in JSON": as_json(REFUSED),
    "a refusal in JSON of REST": Reply(
        '{"Message": "denied"}', content_type="application/json", headers={"x-amzn-errortype": "AccessDeniedException"}
    ),
    "a refusal of S3": Reply(ERROR),
    "a refusal of the query protocol": Reply(query_error("AccessDenied").body),
    "a refusal of EC2": Reply(f"<Response><Errors>{ERROR}</Errors><RequestID>r-1</RequestID></Response>"),
    "an element": Reply("<ok/>"),
    "only a request id": Reply("<Response><requestId>r-1</requestId></Response>"),
}


def other_answers(listing: Listing) -> dict[str, Reply]:
    """Answers that are all but the listing's: with a refusal about them, with another root, of another operation."""
    body = members(listing)
    if "json" not in protocol(listing):
        service = SESSION.get_service_model(listing.service)
        other = next(name for name in service.operation_names if name != listing.operation)
        roots = ("ErrorResponse", "html", f"{other}Response", f"{listing.operation}Result")
        roots = tuple(root for root in roots if root not in ROOTS.get(listing.operation, ()))
        least = {key: value for key, value in body.items() if key != listing.must_have[-1]}
        return {
            **{f"its content within {root}": written(listing, root) for root in roots},
            "its root alone": written(listing, member_names={}),
            f"all but {listing.must_have[-1]}": written(listing, member_names=least),
        }
    found = {
        "its members in a refusal": as_json({**body, **REFUSED}),
        "its members with a refusal beside": Reply(
            json.dumps(body), content_type="application/json", headers={"x-amzn-errortype": "AccessDenied"}
        ),
    }
    for name in listing.must_have:
        others: list[Any] = [{}, "text", 1] if isinstance(body[name], list) else [[], "text", 1]
        others += [None]
        found |= {f"{name} as {other!r}": as_json({**body, name: other}) for other in others}
    service = SESSION.get_service_model(listing.service)
    for name in sorted(service.operation_names):
        shape = service.operation_model(name).output_shape
        if shape is not None and shape.members and not set(listing.must_have) <= set(shape.members):
            found[f"the answer of {name}"] = as_json({key: sample(inner, "-") for key, inner in shape.members.items()})
    return dict(list(found.items())[:12])


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.name)
def test_what_is_no_response_is_failed_and_never_found_or_a_zero(
    listing: Listing, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    reach = make_reach(listing.roles[0])
    for what, reply in {**NO_ANSWERS, **other_answers(listing)}.items():
        if what == "an empty object" and listing.name in LEFT_OUT:
            continue
        answer = ask(aws, reach, listing, reply)
        # S3 does send errors with status 200, and botocore makes a 500 of them: those are what they say.
        if listing.service == "s3" and answer.error_code in ("500", "AccessDenied"):
            assert answer.outcome in ("failed", "denied"), what
        else:
            assert (answer.outcome, answer.error_code) == ("failed", "UnreadableAnswer"), what
            assert " returned a response " in (answer.error_message or ""), what
        assert (answer.records, answer.record_count) == ([], 0)


LEFT_OUT = {"budget": "Budgets", "budget_notification": "Notifications"}
"""Listings whose service leaves their list out where it is empty, and the list."""


@pytest.fixture(params=["fast", "botocore's own"])
def payer(request: pytest.FixtureRequest, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch) -> AwsClient:
    """The billing role's client, by each transport."""
    if request.param != "fast":
        monkeypatch.setattr("resources.aws.sending.fast_transport", lambda *_, **__: None)
    return make_reach("billing")


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_list_that_its_service_leaves_out_is_a_zero_to_be_proven(
    name: str, aws: ScriptedAws, payer: AwsClient
) -> None:
    listing = listings()[name]
    answer = ask(aws, payer, listing, as_json({}))
    assert (answer.outcome, answer.error_code, answer.page_count) == ("empty_unconfirmed", None, 1)
    assert len(answer.request_ids) == 1 and answer.request_ids[0].startswith("r-")
    replies = iter([as_json({"NextToken": "more"}), as_json({LEFT_OUT[name]: [{"BudgetName": "b", "Threshold": 1}]})])
    aws.script = lambda call: None if call.service == "sts" else next(replies)
    found = payer.fetch(question(listing))
    assert (found.outcome, found.page_count, found.record_count) == ("found", 2, 1)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_list_that_is_left_out_beside_anything_else_is_no_zero(name: str, aws: ScriptedAws, payer: AwsClient) -> None:
    listing = listings()[name]
    others: list[dict[str, Any]] = [{"message": "no"}, {"__type": "DescribeBudgetsResponse"}, {LEFT_OUT[name]: None}]
    # A service of AWS names its request; whoever sends `{}` without is another.
    for reply in (Reply("{}", content_type="application/x-amz-json-1.1"), *map(as_json, others)):
        answer = ask(aws, payer, listing, reply)
        assert (answer.outcome, answer.error_code) == ("failed", "UnreadableAnswer"), reply


def test_every_listing_requires_a_member_that_its_operation_always_returns() -> None:
    for listing in LISTINGS:
        shapes = model(listing).output_shape.members
        assert listing.must_have, listing.name
        for name in listing.must_have:
            assert name in shapes, f"{listing.call} answers no {name}"
            is_seen = name in EMPTY_MEANS_NONE.get(listing.operation, ())
            assert is_seen or not shapes[name].serialization.get("flattened"), f"{name} is not seen while it is empty"
            assert not shapes[name].serialization.get("location"), f"{name} comes in a header, as anybody's may"
        if listing.records == "@":
            assert listing.required


@pytest.mark.parametrize(
    ("records", "required", "message"),
    [
        ("@", (), "names no member that a response of s3:ListObjectsV2 must have"),
        ("@", ("Nothing",), "requires Nothing, which not every response of s3:ListObjectsV2 has"),
        ("Contents", (), "requires Contents, which not every response of s3:ListObjectsV2 has"),
    ],
)
def test_a_listing_that_requires_nothing_is_a_mistake_and_nobody_is_requested(
    records: str, required: tuple[str, ...], message: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    listing = replace(listings()["s3_bucket_content"], records=records, required=required)
    with pytest.raises(ValueError, match=message):
        make_reach("workload").fetch(question(listing))
    assert aws.log == []


# ---------------------------------------------------------------------------- what goes by no listing


@pytest.mark.parametrize("what", NO_ANSWERS)
def test_nobody_is_identified_and_nothing_called_by_what_is_no_response(
    what: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = lambda call: NO_ANSWERS[what]
    with pytest.raises(ProfileError) as refused:
        make_reach("workload").identify("one")
    assert refused.value.reason == "wrong_endpoint"
    aws.script = lambda call: None if call.service == "sts" else NO_ANSWERS[what]
    for operation, parameters in (("DescribeOrganization", {}), ("DescribeAccount", {"AccountId": ACCOUNT})):
        with pytest.raises(AwsError) as failed:
            make_reach("management").call("one", "organizations", operation, REGION, **parameters)
        assert failed.value.code == "UnreadableAnswer"
    since = datetime.now(UTC) - timedelta(minutes=5)
    (found,) = look_up_all(
        {"workload": make_reach("workload")}, [Lookup("workload", "one", ACCOUNT, REGION, since, {})]
    )
    assert not found.available and found.reason


@pytest.mark.parametrize(
    ("organization", "account", "why"),
    [
        ({}, ACCOUNT, "DescribeOrganization returned no ids"),
        ({"Id": "o-1"}, ACCOUNT, "DescribeOrganization returned no ids"),
        ({"Id": "o-1", "MasterAccountId": ACCOUNT}, "999999999999", "returned another account than"),
    ],
)
def test_an_organisation_is_not_known_by_half_a_response(
    organization: dict[str, str], account: str, why: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    def script(call: Call) -> Reply | None:
        if call.service == "sts":
            return None
        described = {"Organization": organization} if call.operation == "DescribeOrganization" else {}
        return as_json(described or {"Account": {"Id": account}})

    aws.script = script
    reach = make_reach("management")
    found = organization_by(reach)
    assert why in found.error_message
    assert found.members == frozenset()


@pytest.mark.parametrize(
    ("home", "region"),
    [
        ("eu-central-1", "us-east-1"),
        ("cn-north-1", "cn-northwest-1"),
        ("us-gov-east-1", "us-gov-west-1"),
        ("eusc-de-east-1", "eusc-de-east-1"),
    ],
)
def test_the_organisation_is_requested_in_the_partition_of_the_home_region(
    home: str, region: str, aws: ScriptedAws
) -> None:
    def script(call: Call) -> Reply | None:
        if call.operation == "DescribeOrganization":
            return as_json({"Organization": {"Id": "o-1", "MasterAccountId": ACCOUNT}})
        return as_json({"Account": {"Id": ACCOUNT}})

    aws.script = script
    reach = AwsClient("management", home_region=home, retry=HASTE)
    found = organization_by(reach)
    reach.close()
    assert found.members == {ACCOUNT}
    assert {(call.operation, call.region) for call in aws.operations("organizations")} == {
        ("DescribeOrganization", region),
        ("DescribeAccount", region),
    }


class _Reached:
    """A management role of this profile, as much of it as is used."""

    class central:
        management_profile = "one"

    def __init__(self, reach: AwsClient) -> None:
        self._client = lambda role: reach


def organization_by(reach: AwsClient) -> Organization:
    """What the management role finds with this client."""
    return Management.organization(cast("Management", _Reached(reach)), (ACCOUNT,))


# ---------------------------------------------------------------------------------- nothing makes `ask` raise

DEEP = 30_000
BY_PROTOCOL = {
    name: listings()[name]
    for name in (
        "ec2_vpc",
        "rds_db_instance",
        "s3_bucket",
        "s3_bucket_content",
        "s3_bucket_tag",
        "lambda_function",
        "lambda_function_tag",
        "organizations_account",
        "cost_daily",
        "cloudwatch_metric",
        "config_resource",
    )
}


def nested(depth: int, inner: str = "") -> str:
    return '{"a":[' * (depth // 2) + inner + "]}" * (depth // 2)


def deep_xml(depth: int) -> str:
    return "<a>" * depth + "</a>" * depth


def with_status(status: int, body: str | bytes = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(body, status, "text/html", headers=named)


BOMB = "<!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]><b>&c;</b>"

HOSTILE: dict[str, Reply] = {
    **{f"JSON {depth} deep": Reply(nested(depth)) for depth in (900, 5_000, DEEP)},
    **{f"a list {depth} deep": Reply("[" * depth + "]" * depth) for depth in (900, DEEP)},
    **{f"XML {depth} deep": Reply(deep_xml(depth)) for depth in (900, DEEP)},
    **{f"an error in JSON {depth} deep": with_status(400, nested(depth)) for depth in (900, DEEP)},
    **{f"an error in XML {depth} deep": with_status(400, deep_xml(depth)) for depth in (90, 900, DEEP)},
    **{
        f"a message {depth} deep": with_status(403, '{"__type": "A", "message": ' + nested(depth, '"m"') + "}")
        for depth in (90, 900)
    },
    **{
        f"a refusal of EC2 {depth} deep": with_status(
            403, f"<Response><Errors><Error><Code>A</Code>{deep_xml(depth)}</Error></Errors></Response>"
        )
        for depth in (300, 900)
    },
    "an entity bomb": Reply(BOMB),
    "no UTF-8": Reply(b'{"a": "\xff\xfe"}'),
    "no UTF-8 in XML": Reply(b"<a>\xff\xfe</a>"),
    "half a surrogate pair": Reply('{"a": "\\ud800"}'),
    "no number": Reply('{"a": NaN}'),
    "a huge number": Reply('{"a": ' + "9" * 5_000 + "}"),
    "no gzip": with_status(200, b"no gzip", Content_Encoding="gzip"),
    "gzip": with_status(200, gzip.compress(b"{}"), Content_Encoding="gzip"),
    "an error that is no gzip": with_status(400, b"no gzip", Content_Encoding="gzip"),
    "an error code that is an object": with_status(400, '{"__type": {"a": 1}}'),
    "an error code that is a number": with_status(400, '{"__type": 7, "message": ["m"]}'),
    "an error that is a list": with_status(400, "[1]"),
    "an error that is null": with_status(400, "null"),
    "an error of text": with_status(400, "<ErrorResponse><Error>no</Error></ErrorResponse>"),
    "an error of nothing": with_status(400, "<ErrorResponse><Error/></ErrorResponse>"),
    "metadata of text": with_status(400, "<ErrorResponse><ResponseMetadata>no</ResponseMetadata></ErrorResponse>"),
    "no content": Reply("", 204),
    "reset content": Reply("", 205),
    **{
        f"{status} {what}": with_status(status, body, **headers)
        for status in (300, 301, 302, 303, 307, 308)
        for what, body, headers in (
            ("without a word", "", {}),
            ("to a portal", PORTAL, {"Location": "http://wifi.invalid/login?token=t0ps3cret"}),
            ("to nonsense", "", {"Location": "http://[::bad"}),
            ("of S3", "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>", {}),
            ("of S3 to a region", "<Error><Code>A</Code></Error>", {"x_amz_bucket_region": "eu-west-1"}),
        )
    },
    "a wrong region": with_status(
        400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"
    ),
    "a region that is none": with_status(400, "<Error><Code>IllegalLocationConstraintException</Code></Error>"),
}


def hostile_members(listing: Listing) -> dict[str, Reply]:
    """Answers of the listing itself in which one thing is nobody's."""
    if "json" not in protocol(listing):
        root = root_of(listing)
        return {"its root around what is deep": Reply(f"<{root}>{deep_xml(DEEP)}</{root}>")}
    body = json.dumps(members(listing))[:-1]
    return {
        f"a token that is {what}": Reply(f'{body}, "{token}": {value}}}')
        for token in ("NextToken", "NextPageToken", "NextMarker")
        if token in model(listing).output_shape.members
        for what, value in (("deep", nested(900)), ("an object", '{"a": 1}'), ("a list", '["a"]'))
    }


@pytest.mark.parametrize("listing", BY_PROTOCOL.values(), ids=BY_PROTOCOL)
def test_nothing_that_aws_sends_is_raised_or_taken_for_a_response(
    listing: Listing, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    reach = make_reach(listing.roles[0])
    redirects: set[int] = set()
    for what, reply in {**HOSTILE, **hostile_members(listing)}.items():
        answer = ask(aws, reach, listing, reply)
        # A refusal of what only an optional grant allows says that it was not given.
        assert answer.outcome in ("failed", "denied") or answer.skip_reason == OPTIONAL_GRANT, what
        json.dumps(answer.raw_response)
        assert "t0ps3cret" not in f"{answer.error_message} {answer.raw_response}".replace("login?token=t0ps3cret", "")
        # urllib3, which reads what botocore sends, falls over some of them: then the connection counts as broken.
        if 300 <= reply.status < 400 and answer.error_code != "HTTPClientError":
            redirects.add(reply.status)
            assert (answer.outcome, answer.request_count) == ("failed", 1), what
            assert "The redirect was not followed" in (answer.error_message or ""), what
    assert redirects > {301, 302, 307, 308}
    assert {call.account for call in aws.log} == {ACCOUNT}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_that_aws_sends_is_raised_where_no_listing_is_requested(
    what: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = lambda call: HOSTILE[what]
    with pytest.raises(ProfileError):
        make_reach("workload").identify("one")
    aws.script = lambda call: None if call.service == "sts" else HOSTILE[what]
    with pytest.raises(AwsError):
        make_reach("management").call("one", "organizations", "DescribeOrganization", REGION)
    since = datetime.now(UTC) - timedelta(minutes=5)
    (found,) = look_up_all(
        {"workload": make_reach("workload")}, [Lookup("workload", "one", ACCOUNT, REGION, since, {})]
    )
    assert not found.available


@pytest.mark.parametrize(
    ("value", "is_answer"),
    [
        ("1764032400.5", True),
        ('"2026-11-25T01:02:03Z"', True),
        ("1e999", False),
        ("-1e300", False),
        ("1e17", False),
        ('"the day before yesterday"', False),
        ('"9999-12-31T23:59:59-14:00"', True),
        ("9" * 30, False),
        ("{}", False),
        ("true", None),
    ],
)
def test_a_time_beyond_all_years_is_no_response(
    value: str, is_answer: bool | None, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    arn = f"arn:aws:organizations::{ACCOUNT}:account/o-1/1"
    reply = Reply(f'{{"Accounts": [{{"Id": "1", "Arn": "{arn}", "JoinedTimestamp": {value}}}]}}')
    answer = ask(aws, make_reach("management"), listings()["organizations_account"], reply)
    expected = {True: ("found",), False: ("failed",), None: ("found", "failed")}[is_answer]
    assert answer.outcome in expected


# ------------------------------------------------------------------------------------------- pages without end


def pages_without_end(aws: ScriptedAws, page: Callable[[int], Reply]) -> None:
    sent = 0

    def script(call: Call) -> Reply | None:
        nonlocal sent
        if call.service == "sts":
            return None
        sent += 1
        return page(sent)

    aws.script = script


def vpcs(number: int, *ids: str, more: bool = True) -> Reply:
    items = "".join(f"<item><vpcId>{name}</vpcId></item>" for name in ids)
    token = f"<nextToken>t{number}</nextToken>" if more else ""
    return Reply(f"<DescribeVpcsResponse><vpcSet>{items}</vpcSet>{token}</DescribeVpcsResponse>")


def test_empty_pages_without_end_have_one(aws: ScriptedAws, make_reach: MakeReach) -> None:
    vpc = listings()["ec2_vpc"]
    pages_without_end(aws, vpcs)
    answer = make_reach("operations", replace(HASTE, empty_pages=7)).fetch(question(vpc))
    assert (answer.outcome, answer.error_code) == ("failed", "EndlessPages")
    assert answer.request_count == 7
    assert "7 pages in a row without a record" in (answer.error_message or "")
    assert "cmdb nightly --only-untrusted" in (answer.error_message or "")


def test_after_a_page_with_records_the_empty_ones_are_counted_from_the_first(
    aws: ScriptedAws, make_reach: MakeReach
) -> None:
    pages_without_end(aws, lambda n: vpcs(n, *([f"vpc-{n}"] if n == 2 else [])))
    answer = make_reach("operations", replace(HASTE, empty_pages=7)).fetch(question(listings()["ec2_vpc"]))
    assert (answer.outcome, answer.error_code, answer.request_count) == ("failed", "EndlessPages", 9)


def test_as_many_empty_pages_as_aws_sends_are_no_end(aws: ScriptedAws, make_reach: MakeReach) -> None:
    vpc = listings()["ec2_vpc"]
    # Six empty ones, a full one, six empty ones, and so on: never seven in a row.
    pages_without_end(aws, lambda n: vpcs(n, *([f"vpc-{n}"] if n % 7 == 0 else []), more=n < 28))
    answer = make_reach("operations", replace(HASTE, empty_pages=7)).fetch(question(vpc))
    assert (answer.outcome, answer.record_count, answer.page_count) == ("found", 4, 28)
    assert Retry().empty_pages >= 500


def test_empty_pages_of_one_parent_are_not_those_of_another(aws: ScriptedAws, make_reach: MakeReach) -> None:
    notification = listings()["budget_notification"]
    aws.script = lambda call: None if call.service == "sts" else as_json({"Notifications": []})
    asked = replace(question(notification), batches=[{"BudgetName": f"b-{n}"} for n in range(20)])
    answer = make_reach("billing", replace(HASTE, empty_pages=3)).fetch(asked)
    assert (answer.outcome, answer.page_count) == ("empty_unconfirmed", 20)


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [([2], "found"), ([3], "failed"), ([4], "found"), ([1, 1], "found"), ([1, 3], "failed"), ([2, 1], "found")],
    ids=str,
)
def test_a_response_that_ends_where_aws_may_cut_it_off_does_not_count(
    aws: ScriptedAws, make_reach: MakeReach, counts: list[int], outcome: str
) -> None:
    """Of several parents each response ends by itself."""
    notification = replace(listings()["budget_notification"], cut_at=3)

    def script(call: Call) -> Reply | None:
        if call.service == "sts":
            return None
        count = counts[int(call.parameters["BudgetName"])]
        shown = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "ThresholdType": "PERCENTAGE"}
        return as_json({"Notifications": [{**shown, "Threshold": threshold} for threshold in range(count)]})

    aws.script = script
    asked = replace(question(notification), batches=[{"BudgetName": str(number)} for number in range(len(counts))])
    answer = make_reach("billing", HASTE).fetch(asked)
    assert (answer.outcome, answer.error_code) == (outcome, CUT_OFF if outcome == "failed" else None)


def test_pages_that_are_full_end_with_the_time_of_a_question(aws: ScriptedAws, make_reach: MakeReach) -> None:
    vpc = listings()["ec2_vpc"]
    pages_without_end(aws, lambda n: vpcs(n, f"vpc-{n}", more=n > 1))
    reach = make_reach("operations", replace(HASTE, request_seconds=1))
    # The first takes as long as a client takes to be made, which on a busy machine is more than the second here.
    reach.fetch(question(vpc))
    answer = reach.fetch(question(vpc))
    assert (answer.outcome, answer.error_code, answer.records) == ("failed", "EndlessPages", [])
    assert answer.request_count > 1
    assert "no end is in sight" in (answer.error_message or "")


# ------------------------------------------------------------------------------------------------- a wrong clock


def at(shift: float, form: str = "%Y%m%dT%H%M%SZ") -> str:
    return f"{datetime.now(UTC) + timedelta(minutes=shift):{form}}"


def signature_expired(minutes: float) -> str:
    """What STS says where the clock of who asks is slow by so much."""
    return (
        f"Signature expired: {at(0)} is now earlier than {at(minutes - 5)} ({at(minutes)} - 5 min.)"
        if minutes > 0
        else f"Signature not yet current: {at(0)} is still later than {at(minutes + 5)} ({at(minutes)} + 5 min.)"
    )


def coded(protocol_name: str, code: str, message: str, more: str) -> Reply:
    error = f"<Code>{code}</Code><Message>{message}</Message>{more}"
    match protocol_name:
        case "ec2":
            return Reply(f"<Response><Errors><Error>{error}</Error></Errors></Response>", 403)
        case "query":
            return query_error(code, message, 403)
        case "rest-xml":
            return Reply(f"<Error>{error}</Error>", 403)
    return as_json({"__type": code, "message": message}, 403)


S3_TIMES = f"<RequestTime>{at(0)}</RequestTime><ServerTime>{at(-90, '%Y-%m-%dT%H:%M:%SZ')}</ServerTime>"

CLOCKS: dict[str, tuple[str, str, str, str, str]] = {
    # The listing, the code, the sentence, what else stands in the error, by how many minutes the clock is wrong.
    "slow": ("ec2_vpc", "SignatureDoesNotMatch", signature_expired(16), "", "about 16 minutes: it is slow"),
    "fast": ("rds_db_instance", "SignatureDoesNotMatch", signature_expired(-600), "", "600 minutes: it is fast"),
    "in JSON": ("lambda_function", "InvalidSignatureException", signature_expired(7), "", "about 7 minutes"),
    "in JSON 1.1": ("organizations_account", "InvalidSignatureException", signature_expired(2000), "", "2,000 minutes"),
    "of S3": ("s3_bucket", "RequestTimeTooSkewed", "The difference is too large.", S3_TIMES, "90 minutes: it is fast"),
    "without times": ("ec2_vpc", "RequestInTheFuture", "no", "", "from AWS's by"),
    "times that are none": ("s3_bucket", "RequestTimeTooSkewed", "no", S3_TIMES.replace("20", "x"), "from AWS's by"),
}


@pytest.mark.parametrize("what", CLOCKS)
def test_a_wrong_clock_of_this_machine_is_called_that(what: str, aws: ScriptedAws, make_reach: MakeReach) -> None:
    name, code, sentence, more, minutes = CLOCKS[what]
    listing = listings()[name]
    answer = ask(aws, make_reach(listing.roles[0]), listing, coded(protocol(listing), code, sentence, more))
    assert (answer.outcome, answer.error_code, answer.skip_reason) == ("failed", code, None)
    assert answer.error_message is not None
    assert "The clock of this machine differs from AWS's" in answer.error_message
    assert minutes in answer.error_message
    assert "Set the clock" in answer.error_message
    assert sentence in answer.error_message


@pytest.mark.parametrize("operation", ["GetCallerIdentity", "AssumeRole"])
def test_a_wrong_clock_is_no_wrong_key_of_a_profile(
    operation: str, aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    role = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/Reader", "source_profile": "one"}
    write_profiles(tmp_path, "http://aws.invalid", {"one": static(ACCOUNT), "two": role})
    token = "x-amz-security-token:t0ps3cret"
    sentence = f"{signature_expired(16)} {token}"
    aws.script = lambda call: (
        query_error("SignatureDoesNotMatch", sentence, 403) if call.operation == operation else None
    )
    with pytest.raises(ProfileError) as refused:
        make_reach("workload").identify("one" if operation == "GetCallerIdentity" else "two")
    error = refused.value
    assert (error.reason, error.error_code) == ("wrong_clock", "SignatureDoesNotMatch")
    assert "The clock of this machine differs from AWS's by about 16 minutes: it is slow." in str(error)
    assert "Signature expired" in str(error) and "t0ps3cret" not in str(error)
    assert "NTP" in error.hint


NOW = datetime(2026, 11, 17, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "minutes", "said"),
    [
        # EC2 says of a wrong clock what it says of expired or wrong keys: the date of its answer tells which it is.
        ("RequestExpired", 20, "about 20 minutes: it is slow"),
        ("RequestExpired", -20, "about 20 minutes: it is fast"),
        ("AuthFailure", 6, "about 6 minutes: it is slow"),
        ("ExpiredToken", 6, "about 6 minutes: it is slow"),
        ("RequestExpired", 4, None),
        ("RequestExpired", None, None),
        ("AuthFailure", -5, None),
        ("AccessDenied", 60, None),
        ("RequestTimeTooSkewed", None, "by more than five minutes"),
    ],
)
def test_the_date_of_the_response_reports_a_wrong_clock_from_expired_keys(
    code: str, minutes: int | None, said: str | None
) -> None:
    headers = {} if minutes is None else {"date": format_datetime(NOW + timedelta(minutes=minutes), usegmt=True)}
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPHeaders": headers}}
    found = clock_error(response, NOW)
    assert (found is None) == (said is None)
    assert said is None or said in str(found)


@pytest.mark.parametrize("date", ["yesterday", "", "Tue, 99 Nov 9999999 1:1:1 GMT"])
def test_a_date_that_is_none_reports_nothing(date: str) -> None:
    response = {
        "Error": {"Code": "RequestExpired", "Message": "Request has expired."},
        "ResponseMetadata": {"HTTPHeaders": {"date": date}},
    }
    assert clock_error(response, NOW) is None
