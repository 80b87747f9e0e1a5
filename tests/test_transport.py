"""The fast transport is used where it does what botocore does; elsewhere the night goes on botocore's way."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.httpsession
import botocore.parsers
import pytest
from botocore.loaders import Loader
from botocore_models import service_model
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_aws import INSTANCES, Call, Reply, ScriptedAws, reservations, scripted, static, write_profiles
from test_json_answers import model as json_model
from test_json_answers import operations as json_operations

from resources.aws import fast
from resources.aws.client import AwsClient
from resources.aws.fast import http_response, self_test, sigv4, xml_parser
from resources.aws.fast.parsers import FastParsers
from resources.aws.fast.transport import FastTransport
from resources.aws.messages import Request
from resources.aws.response_parsers import Parsers
from resources.aws.responses import ForeignResponse
from resources.aws.retry import Retry
from resources.aws.transport import BotocoreTransport

ONE, TWO = "111122223333", "444455556666"
FAST = "resources.aws.fast."


def gone(name: str, *modules: str) -> Any:
    """A botocore without a name, so that what imports it cannot be imported."""

    def break_it(monkeypatch: pytest.MonkeyPatch) -> None:
        module, _, attribute = name.rpartition(".")
        monkeypatch.delattr(sys.modules[module], attribute)
        for each in modules:
            monkeypatch.delitem(sys.modules, FAST + each, raising=False)

    return break_it


def otherwise(target: Any, name: str, replacement: Any) -> Any:
    """A botocore that does something otherwise than the fast transport."""

    def break_it(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(target, name, replacement)

    return break_it


WORLDS = {
    "a function is gone": (
        gone("botocore.httpsession.create_urllib3_context", "connections", "transport", "self_test"),
        "create_urllib3_context",
    ),
    "a class is gone": (
        gone("botocore.httpsession.ProxyConfiguration", "connections", "transport", "self_test"),
        "ProxyConfiguration",
    ),
    "a list is gone": (
        gone("botocore.auth.SIGNED_HEADERS_BLACKLIST", "sigv4", "transport", "self_test"),
        "SIGNED_HEADERS_BLACKLIST",
    ),
    "XML is read otherwise": (otherwise(xml_parser, "_text", lambda node: "x"), "protocol ec2 is parsed otherwise"),
    "it is signed otherwise": (otherwise(sigv4, "UNSIGNED", frozenset({"user-agent"})), "signed otherwise"),
    "a parser raises": (
        otherwise(botocore.parsers.ResponseParserFactory, "create_parser", lambda *_: {}["x"]),
        "KeyError",
    ),
    "the event takes no response": (
        otherwise(self_test._Unconnected, "send", lambda *_: None),
        "botocore",
    ),
}


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    with scripted(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    for known in (fast.suits, fast._warn):
        known.cache_clear()
    yield
    for known in (fast.suits, fast._warn):
        known.cache_clear()


def night(aws: ScriptedAws, folder: Path) -> AwsClient:
    """Ask two accounts, twice."""
    write_profiles(folder, aws.url, {"one": static(ONE), "two": static(TWO)})

    def answer(call: Call) -> Reply | None:
        return None if call.service == "sts" else reservations(call.account, f"i-{call.account}")

    aws.script = answer
    reach = AwsClient("workload", home_region="eu-west-1", retry=Retry(transient_attempts=1))
    asked = [("one", ONE), ("two", TWO), ("one", ONE)]
    answers = [reach.fetch(Request(name, account, "eu-west-1", INSTANCES, "workload")) for name, account in asked]
    assert [answer.records[0]["InstanceId"] for answer in answers] == [f"i-{account}" for _, account in asked]
    assert [call.account for call in aws.log if call.service == "ec2"] == [ONE, TWO, ONE]
    assert [answer.request_count for answer in answers] == [1, 1, 1]
    return reach


def chosen(reach: AwsClient) -> Any:
    return reach.sessions._sender._chosen


def test_the_fast_transport_is_the_one_that_is_used(
    aws: ScriptedAws, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reach = night(aws, tmp_path)
    assert isinstance(chosen(reach), FastTransport)
    reach.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("world", WORLDS)
def test_where_botocore_differs_the_run_goes_on_its_way_with_one_warning(
    world: str, aws: ScriptedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_it, reason = WORLDS[world]
    with monkeypatch.context() as broken:
        break_it(broken)
        assert not fast.suits(Loader())
        assert not fast.suits(Loader())
        if world.endswith("otherwise"):
            # In the other worlds botocore itself would not work either.
            reach = night(aws, tmp_path)
            assert isinstance(chosen(reach), BotocoreTransport)
            reach.close()
            aws.log.clear()
    monkeypatch.setattr(fast, "suits", lambda _: False)
    reach = night(aws, tmp_path)
    assert isinstance(chosen(reach), BotocoreTransport)
    reach.close()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert reason in warning
    assert "Requests go botocore's own way" in warning


NO_DOCUMENTS = [b"", b"{", b'{"Accounts": [', b"null", b"[]", b"<html/>"]


@pytest.mark.parametrize("parsers", [FastParsers, Parsers], ids=["fast", "plain"])
@pytest.mark.parametrize("body", NO_DOCUMENTS)
def test_no_way_takes_half_a_document_for_an_empty_one(parsers: type[Parsers], body: bytes) -> None:
    shape = json_model("organizations:ListAccounts").output_shape
    response = {"headers": {}, "status_code": 200, "body": body, "context": {"operation_name": "ListAccounts"}}
    with pytest.raises(ForeignResponse):
        parsers().create_parser("json").parse(response, shape)


def values() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    names = st.sampled_from(["Error", "message", "Message", "__type", "code", "Accounts", "Code", "Type"])
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
    )


def read_both_ways(protocol: str, response: dict[str, Any], shape: Any) -> list[str]:
    """What each way makes of a response. Of what is no answer either may find another reason first."""
    found = []
    for parsers in (FastParsers, Parsers):
        try:
            found.append(repr(parsers().create_parser(protocol).parse(dict(response), shape)))
        except (botocore.parsers.ResponseParserError, ValueError, TypeError, AttributeError, KeyError) as error:
            found.append(type(error).__name__)
    return found


@settings(max_examples=150, deadline=None, derandomize=True)
@given(values(), st.sampled_from([200, 400, 403, 500, 503]), st.sampled_from(json_operations()), st.booleans())
def test_a_response_of_any_content_is_the_same_on_both_ways(
    document: Any, status: int, call: str, is_named: bool
) -> None:
    shape = json_model(call).output_shape
    headers = {"x-amzn-requestid": "r"} | ({"x-amzn-query-error": "Q;Sender"} if is_named else {})
    response = {
        "headers": headers,
        "status_code": status,
        "body": json.dumps(document).encode(),
        "context": {"operation_name": call.partition(":")[2]},
    }
    fast, strict = read_both_ways("json", response, shape)
    assert fast == strict


XML_PIECES = (
    b"<a> </a> <vpcSet> </vpcSet> <item> </item> <vpcId> </vpcId> <Errors> <Error> </Error> </Errors> <Code> </Code> x "
    b"<isDefault>true</isDefault> <requestId>r</requestId> <!--c-->"
).split()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(XML_PIECES), max_size=12), st.sampled_from([200, 400, 503]))
def test_xml_of_any_content_is_the_same_on_both_ways(pieces: list[bytes], status: int) -> None:
    body = b"<DescribeVpcsResponse>" + b"".join(pieces) + b"</DescribeVpcsResponse>"
    output = service_model("ec2").operation_model("DescribeVpcs").output_shape
    response = {"headers": {}, "status_code": status, "body": body, "context": {"operation_name": "DescribeVpcs"}}
    fast, strict = read_both_ways("ec2", response, output)
    assert fast == strict


HTTP_PIECES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 404 No\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 4\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"X: y\r\n",
    b"\r\n",
    b"abc",
    b"3\r\n",
    b"0\r\n",
    b"\n",
]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(HTTP_PIECES), max_size=10))
def test_bytes_of_any_kind_are_a_whole_response_or_none(pieces: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(pieces))
        theirs.shutdown(socket.SHUT_WR)
        try:
            response = http_response.read_response(ours, "POST")
        except (http_response.UnclearEnd, http.client.HTTPException, OSError, ValueError):
            return
        declared = response.headers.get("content-length")
        assert declared is None or response.status in (204, 304) or len(response.content) == int(declared)
        assert 200 <= response.status < 1000
