"""A request that is made once and signed for each account is the one that botocore would have sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ParamValidationError
from scripted_aws import INSTANCES, Call, Reply, ScriptedAws, reservations, scripted, static, write_profiles

from resources.aws.client import AwsClient
from resources.aws.fast import transport
from resources.aws.fast.sigv4 import SigningKeys, UnsignedRequest, signed
from resources.aws.fast.transport import FastTransport, PreparedRequest, Settings
from resources.aws.messages import Request
from resources.aws.retry import Retry
from resources.aws.transport import Call as PlainCall
from resources.aws.transport import OperationModels
from resources.contract import ContractViolation, check

ONE, TWO = "111122223333", "444455556666"
NOW = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize("token", [None, "t" * 40])
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://ec2.eu-west-1.amazonaws.com/", "ec2.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:4566/", "127.0.0.1:4566"),
        ("https://[::1]:443/", "[::1]"),
    ],
)
def test_the_signature_is_botocores(url: str, host: str, token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: NOW)
    headers = {"Content-Type": "application/x-amz-json-1.1", "User-Agent": "x", "X-Amz-Target": " A   b ", "Zeta": "z"}
    body = b"Action=DescribeVpcs"
    credentials = ReadOnlyCredentials("ASIAKEY", "secret", token)
    theirs = AWSRequest("POST", url, headers, body)
    SigV4Auth(credentials, "ec2", "eu-west-1").add_auth(theirs)
    made = UnsignedRequest(
        url, host, (*headers.items(), ("Content-Length", "19")), body, sha256(body).hexdigest(), "ec2", "eu-west-1"
    )
    keys = SigningKeys()
    for _ in range(2):
        ours = signed(made, credentials, keys, NOW)
        assert ours.pop("Content-Length") == "19"
        assert ours == dict(theirs.headers.items())
    other = signed(made, ReadOnlyCredentials("ASIAKEY", "another secret", token), keys, NOW)
    assert other["Authorization"] != theirs.headers["Authorization"]


def client(service: str) -> Any:
    session = botocore.session.Session()
    session.set_credentials("AKIA", "s")
    unsent = FastTransport(lambda *_: None, lambda: None, lambda _: None, OperationModels())
    session.set_default_client_config(Config())
    unsent.watch(session)
    return unsent, session.create_client(service, region_name="eu-west-1")


def test_a_request_is_made_by_botocore_and_only_once() -> None:
    unsent, ec2 = client("ec2")
    prepared = unsent.prepare(ec2, "DescribeSnapshots", {"OwnerIds": ["self"]})
    made = prepared.unsigned
    assert (made.url, made.host) == ("https://ec2.eu-west-1.amazonaws.com/", "ec2.eu-west-1.amazonaws.com")
    assert made.body == b"Action=DescribeSnapshots&Version=2016-11-15&Owner.1=self"
    assert (made.service, made.region) == ("ec2", "eu-west-1")
    assert dict(made.headers)["Content-Length"] == str(len(made.body))
    assert unsent.prepare(ec2, "DescribeSnapshots", {"OwnerIds": ["self"]}) is prepared
    assert unsent.prepare(ec2, "DescribeSnapshots", {"OwnerIds": ["amazon"]}) is not prepared
    with pytest.raises(ParamValidationError):
        unsent.prepare(ec2, "DescribeSnapshots", {"NoSuch": 1})


@pytest.mark.parametrize(("service", "operation"), [("s3", "ListBuckets"), ("lambda", "ListFunctions")])
def test_what_has_its_parameters_elsewhere_is_left_to_botocore(service: str, operation: str) -> None:
    unsent, made_client = client(service)
    assert unsent.prepare(made_client, operation, {}) == PlainCall(made_client, operation, {})


def test_nothing_is_signed_that_the_role_may_not_send() -> None:
    sent: list[int] = []
    guarded = FastTransport(
        lambda name, operation: check("workload", name, operation),
        lambda: sent.append(1),
        lambda _: None,
        OperationModels(),
    )
    made = UnsignedRequest("http://127.0.0.1:1/", "127.0.0.1:1", (), b"", sha256(b"").hexdigest(), "ec2", "eu-west-1")
    request = PreparedRequest(made, "TerminateInstances", "ec2", None, Settings())
    with pytest.raises(ContractViolation, match="workload may not call ec2:TerminateInstances"):
        guarded.send(request, ReadOnlyCredentials("a", "b", None))
    assert not sent


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    with scripted(tmp_path, monkeypatch) as server:
        yield server


def test_each_account_signs_for_itself_what_was_made_once(
    aws: ScriptedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(tmp_path, aws.url, {"one": static(ONE), "two": static(TWO)})

    def answer(call: Call) -> Reply | None:
        return None if call.service == "sts" else reservations(call.account, f"i-{call.account}")

    aws.script = answer
    made: list[Any] = []
    monkeypatch.setattr(
        transport,
        "unsigned_request",
        lambda *what, really=transport.unsigned_request: made.append(really(*what)) or made[-1],
    )
    reach = AwsClient("workload", home_region="eu-west-1")
    try:
        answers = [
            reach.fetch(Request(profile, account, "eu-west-1", INSTANCES, "workload"))
            for profile, account in (("one", ONE), ("two", TWO), ("one", ONE))
        ]
    finally:
        reach.close()
    assert [answer.records[0]["InstanceId"] for answer in answers] == [f"i-{ONE}", f"i-{TWO}", f"i-{ONE}"]
    assert [call.account for call in aws.log if call.service == "ec2"] == [ONE, TWO, ONE]
    # Who asks, twice the same request, and the instances; before them, the first time, the comparison at start.
    prepared = [each.body.partition(b"&")[0] for each in made]
    assert prepared[-2:] == [b"Action=GetCallerIdentity", b"Action=DescribeInstances"]
    assert len(prepared) <= 3
    assert reach.counter.requests == 5


@pytest.mark.parametrize("nonsense", ["<html>wifi", "", "<a/>" * 2])
def test_a_connection_that_brought_nonsense_is_not_used_again(
    nonsense: str, aws: ScriptedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(tmp_path, aws.url, {"one": static(ONE)})
    ports: list[int] = []

    def answer(handler: Any, really: Any = aws.answer) -> None:
        ports.append(handler.client_address[1])
        really(handler)

    monkeypatch.setattr(aws, "answer", answer)
    replies = iter([reservations(ONE, "i-1"), Reply(nonsense), reservations(ONE, "i-1"), reservations(ONE, "i-1")])
    aws.script = lambda call: None if call.service == "sts" else next(replies)
    reach = AwsClient("workload", home_region="eu-west-1", retry=Retry(first_delay=0.01))
    try:
        answers = [reach.fetch(Request("one", ONE, "eu-west-1", INSTANCES, "workload")) for _ in range(3)]
    finally:
        reach.close()
    assert [answer.outcome for answer in answers] == ["found"] * 3
    identified, first, nonsensical, again, last = ports
    assert identified == first == nonsensical != again == last
