"""Every form that a response can take on the wire: botocore's way, the fast way, and what a cell becomes of it.

Where the two ways differ, the fast one is safer, and `OTHERWISE` says how. Nothing is ever a success without records.
"""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserFactory
from listeners import Listener, requests_of
from scripted_aws import static, write_profiles

from resources.aws.client import AwsClient
from resources.aws.fast.transport import FastTransport
from resources.aws.listing import Listing
from resources.aws.messages import Request
from resources.aws.retry import Retry
from resources.aws.transport import OperationModels
from resources.aws.value_text import blob_text, iso_text

OWN = "111122223333"
READ_SECONDS = 1.0
VPCS = Listing("ec2_vpc", "ec2:DescribeVpcs", roles=("workload",), zero="witnessed", records="Vpcs", owner="OwnerId")
ACCOUNTS = Listing(
    "account", "organizations:ListAccounts", roles=("management",), zero="impossible", records="Accounts"
)

CLOSED = None
"""A piece that closes the connection."""
Piece = bytes | float | None

NAMESPACE = b' xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'


def vpcs(inner: bytes) -> bytes:
    return b"<DescribeVpcsResponse%s><requestId>req-000000</requestId>%s</DescribeVpcsResponse>" % (NAMESPACE, inner)


XML = vpcs(b"<vpcSet><item><vpcId>vpc-1</vpcId><ownerId>%s</ownerId></item></vpcSet>" % OWN.encode())
LATER = vpcs(b"<vpcSet/>")
REPEATED = XML.replace(b"req-000000", b"req-repeat")
ERROR = (
    b"<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors>"
    b"<RequestID>req-000000</RequestID></Response>"
)
IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>%s</Account>"
    b"<Arn>arn:aws:sts::%s:assumed-role/R/x</Arn><UserId>u</UserId></GetCallerIdentityResult>"
    b"</GetCallerIdentityResponse>" % (OWN.encode(), OWN.encode())
)
ZIPPED = gzip.compress(XML)
CHUNKED = b"Transfer-Encoding: chunked"


def whole(
    body: bytes, *headers: bytes, status: bytes = b"200 OK", version: bytes = b"1.1", has_length: bool = True
) -> bytes:
    length = [b"Content-Length: %d" % len(body)] if has_length else []
    return b"\r\n".join([b"HTTP/" + version + b" " + status, *headers, *length, b"", body])


def bare(body: bytes, *headers: bytes, **more: Any) -> bytes:
    return whole(body, *headers, has_length=False, **more)


def chunks(body: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    pieces = [body[begin : begin + 40] for begin in range(0, len(body), 40)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n%s\r\n" % trailer


def length(count: object) -> bytes:
    return f"Content-Length: {count}".encode()


FORMS: dict[str, list[Piece]] = {
    "usual": [whole(XML)],
    "chunked": [bare(chunks(XML), CHUNKED)],
    "chunked, extension and trailer": [bare(chunks(XML, b";a=b", b"X-T: 1\r\n"), CHUNKED)],
    "chunked and a length": [bare(chunks(XML), CHUNKED, length(5))],
    "chunked, size is no number": [bare(b"zz\r\n" + XML, CHUNKED), CLOSED],
    "chunked, cut after a whole chunk": [bare(chunks(XML)[:-5], CHUNKED), CLOSED],
    "zipped, unasked": [whole(ZIPPED, b"Content-Encoding: gzip")],
    "zipped and chunked": [bare(chunks(ZIPPED), CHUNKED, b"Content-Encoding: gzip")],
    "transfer zipped, then chunked": [bare(chunks(ZIPPED), b"Transfer-Encoding: gzip, chunked"), CLOSED],
    "100 first": [b"HTTP/1.1 100 Continue\r\n\r\n" + whole(XML)],
    "103 first": [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole(XML), CLOSED],
    "102 first": [b"HTTP/1.1 102 Processing\r\n\r\n" + whole(XML), CLOSED],
    "says that it closes": [whole(XML, b"Connection: close"), CLOSED],
    "says that it closes, and stays": [whole(XML, b"Connection: close"), 0.2],
    "says that it stays": [whole(XML, b"Connection: keep-alive")],
    "HTTP/1.0": [whole(XML, version=b"1.0"), CLOSED],
    "HTTP/1.0, stays": [whole(XML, b"Connection: keep-alive", version=b"1.0")],
    "HTTP/1.0 without length": [bare(XML, version=b"1.0"), CLOSED],
    "HTTP/2 by its first line": [whole(XML, version=b"2"), CLOSED],
    "header on two lines": [whole(XML, b"X-A: 1\r\n  2")],
    "length on two lines": [b"HTTP/1.1 200 OK\r\nContent-Length:\r\n %d\r\n\r\n" % len(XML) + XML, CLOSED],
    "space before the colon": [b"HTTP/1.1 200 OK\r\nContent-Length : %d\r\n\r\n" % len(XML) + XML, CLOSED],
    "header without colon": [whole(XML, b"nonsense")],
    "line feeds alone": [b"HTTP/1.1 200 OK\nContent-Length: %d\n\n" % len(XML) + XML],
    "no reason": [whole(XML, status=b"200")],
    "length too small": [bare(XML, length(len(XML) - 9))],
    "length too large, closed": [bare(XML, length(len(XML) + 9)), CLOSED],
    "length, and nothing": [bare(b"", length(50)), CLOSED],
    "length too large, stays": [bare(XML, length(len(XML) + 9)), 3 * READ_SECONDS],
    "two equal lengths": [whole(XML, length(len(XML)))],
    "two different lengths": [whole(XML, length(7)), CLOSED],
    "two equal lengths in one": [bare(XML, length(f"{len(XML)}, {len(XML)}")), CLOSED],
    "length with a plus": [bare(XML, length(f"+{len(XML)}")), CLOSED],
    "length below nothing": [bare(XML, length(-1)), CLOSED],
    "length in hex": [bare(XML, length("0x10")), CLOSED],
    "length of 23 digits": [bare(XML, length("9" * 23)), CLOSED],
    "no length, closed": [bare(XML), CLOSED],
    "empty 200": [whole(b"")],
    "empty 200 without length": [bare(b""), CLOSED],
    "204": [whole(b"", status=b"204 No Content")],
    "205": [whole(b"", status=b"205 Reset")],
    "200 with a page": [whole(b"<html><body>login</body></html>", b"Content-Type: text/html")],
    "200 with an error": [whole(ERROR)],
    "403": [whole(ERROR, status=b"403 Forbidden")],
    "400, empty": [whole(b"", status=b"400 Bad Request")],
    "500 with a page": [whole(b"<html>oops</html>", status=b"500 Oops")],
    "503, empty": [whole(b"", status=b"503 Slow")],
    "301": [whole(b"", b"Location: http://127.0.0.1:1/", status=b"301 Moved")],
    "302": [whole(b"<html/>", b"Location: http://127.0.0.1:1/", status=b"302 Found")],
    "307": [whole(b"", b"Location: http://127.0.0.1:1/", status=b"307 Temporary")],
    "308": [whole(b"", b"Location: http://127.0.0.1:1/", status=b"308 Permanent")],
    "304": [whole(b"", status=b"304 Not Modified")],
    "600": [whole(XML, status=b"600 Odd"), CLOSED],
    "199": [whole(XML, status=b"199 Odd"), CLOSED],
    "2000": [whole(XML, status=b"2000 Odd"), CLOSED],
    "120 headers": [whole(XML, *[b"X-%d: y" % number for number in range(120)])],
    "head of 20 kB": [whole(XML, b"X: " + b"y" * 20_000)],
    "line of 70 kB": [whole(XML, b"X: " + b"y" * 70_000), CLOSED],
    "two at once": [whole(XML) + whole(LATER)],
    "a second one a moment later": [whole(REPEATED), 0.03, whole(REPEATED)],
    "head slowly": [b"HTTP/1.1 200 OK\r\nCont", 0.03, whole(XML)[21:]],
    "closed at once": [CLOSED],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-Le", CLOSED],
    "begins with a mark": [whole(b"\xef\xbb\xbf" + XML)],
    "says another encoding": [
        whole(b'<?xml version="1.0" encoding="ISO-8859-1"?>' + XML.replace(b"vpc-1", "vpc-é".encode("latin-1")))
    ],
    "entity of its own": [
        whole(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">]>' + XML.replace(b"vpc-1", b"vpc-&b;"))
    ],
    "header that is no text": [whole(XML, b"X-A: \xff\xfe")],
    "header with a zero": [whole(XML, b"X-A: a\x00b")],
    "nothing for long": [3 * READ_SECONDS, whole(XML)],
}  # fmt: skip

UNCLEAR = {"ConnectionClosedError", "UnclearResponse"}
OTHERWISE: dict[str, set[str]] = {
    "chunked and a length": UNCLEAR,
    "103 first": UNCLEAR,
    "102 first": UNCLEAR,
    "199": UNCLEAR,
    "length too small": UNCLEAR,
    "length too large, closed": UNCLEAR,
    "length, and nothing": UNCLEAR,
    "two different lengths": UNCLEAR,
    "two equal lengths in one": UNCLEAR,
    "length with a plus": UNCLEAR,
    "length below nothing": UNCLEAR,
    "length in hex": UNCLEAR,
    "length of 23 digits": UNCLEAR,
    "two at once": UNCLEAR,
    "205": {"ResponseParserError"},
    "200 with a page": {"ForeignResponse"},
    "200 with an error": {"ForeignResponse"},
    "120 headers": {"found"},
    "301": {"Redirected"},
    "302": {"Redirected"},
    "307": {"Redirected"},
    "308": {"Redirected"},
    "304": {"Redirected"},
}
"""What the fast way makes of it, where botocore makes something else: where a response ends is not certain, a page or
an error comes as a success, or a redirection has no sentence. Headers without end are botocore's to limit."""


class Server(Listener):
    """Answers its first request in one form, and every later one as usual.

    Attributes:
        pieces: of the first response: bytes, seconds to wait, or the end of the connection.
    """

    def __init__(self, later: bytes) -> None:
        self.pieces: list[Piece] = []
        self._numbers = itertools.count(1)
        self._later = later
        super().__init__(self._answer)

    def settle(self) -> None:
        """Wait until a request has taken the pieces: a late one would take those of the next test."""
        assert self.is_asked(within=30), "no request came"

    def is_asked(self, within: float) -> bool:
        """Whether a request has taken the pieces, or does so within some seconds."""
        until = time.monotonic() + within
        while self.pieces and time.monotonic() < until:
            time.sleep(0.001)
        return not self.pieces

    def _answer(self, connection: socket.socket) -> None:
        for _ in requests_of(connection):
            pieces, self.pieces = self.pieces or [self._later], []
            for piece in pieces:
                if piece is CLOSED:
                    return
                if isinstance(piece, float):
                    time.sleep(piece)
                else:
                    # An id comes once.
                    connection.sendall(piece.replace(b"req-000000", b"req-%06d" % next(self._numbers)))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server(whole(LATER))
    yield made
    made.close()


def client(service: str, url: str, transport: FastTransport | None) -> Any:
    session = botocore.session.Session()
    session.set_credentials(f"ASIA{OWN}", "s", "t")
    once = {"mode": "legacy", "total_max_attempts": 1}
    session.set_default_client_config(Config(connect_timeout=1, read_timeout=READ_SECONDS, retries=once))
    if transport is None:
        parsers = ResponseParserFactory()
        parsers.set_parser_defaults(timestamp_parser=iso_text, blob_parser=blob_text)
        session.register_component("response_parser_factory", parsers)
    else:
        transport.watch(session)
    return session.create_client(service, region_name="us-east-1", endpoint_url=url)


def outcome(send: Callable[[], dict[str, Any]]) -> str:
    """The ids that a response has, or what went wrong."""
    try:
        answer = send()
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Code"))
    except Exception as error:  # noqa: BLE001  # whatever it is, its class is what is compared
        return type(error).__name__
    return json.dumps(answer.get("Vpcs"), default=str)


Send = Callable[[], dict[str, Any]]


@pytest.fixture(scope="module")
def ways(server: Server) -> Iterator[tuple[Send, Send]]:
    """DescribeVpcs as botocore sends it, and as the fast transport does."""
    settings: dict[str, Any] = {"timestamp_parser": iso_text, "blob_parser": blob_text}
    transport = FastTransport(lambda *_: None, lambda: None, lambda _: None, OperationModels(), **settings)
    plain, quick = (client("ec2", server.url, way) for way in (None, transport))
    key = ReadOnlyCredentials(f"ASIA{OWN}", "s", "t")

    def theirs() -> dict[str, Any]:
        answer: dict[str, Any] = plain.describe_vpcs()
        return answer

    yield theirs, lambda: transport.send(transport.prepare(quick, "DescribeVpcs", {}), key)
    plain.close()
    transport.close()


def both(name: str, server: Server, send: Send) -> tuple[str, str]:
    """What two requests bring, one after the other."""
    server.pieces = list(FORMS[name])
    first = outcome(send)
    if "later" in name or FORMS[name][-1] is CLOSED:
        # What comes after the response, its end included, is there before the next request.
        time.sleep(0.06)
    server.settle()
    return first, outcome(send)


@pytest.mark.parametrize("name", FORMS)
def test_a_response_of_any_form_is_what_botocore_reads_or_is_refused(
    name: str, server: Server, ways: tuple[Send, Send]
) -> None:
    theirs, ours = (both(name, server, way) for way in ways)
    # The next request has a response of its own, whatever the one before it was.
    assert ours[1] == "[]"
    if name not in OTHERWISE:
        assert ours == theirs
    elif OTHERWISE[name] == {"found"}:
        assert "vpc-1" in ours[0]
    else:
        assert ours[0] in OTHERWISE[name]


@pytest.fixture(scope="module")
def reach(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, AwsClient]]:
    """Ways to AWS by role, which know already who they are."""
    folder = tmp_path_factory.mktemp("profiles")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("resources.aws.sessions.READ_SECONDS", READ_SECONDS)
        patched.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        patched.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        write_profiles(folder, server.url, {"w": static(OWN)})
        once = Retry(transient_attempts=1)
        made: dict[str, AwsClient] = {
            "workload": AwsClient("workload", home_region="us-east-1", retry=once),
            "management": AwsClient("management", home_region="us-east-1", retry=once),
        }
        for each in made.values():
            server.pieces = [whole(IDENTITY)]
            each.identify("w")
        yield made
        for each in made.values():
            each.close()


@pytest.mark.parametrize("name", FORMS)
def test_a_cell_has_its_records_or_a_reason(name: str, server: Server, reach: dict[str, AwsClient]) -> None:
    server.pieces = list(FORMS[name])
    request = Request("w", OWN, "us-east-1", VPCS, "workload")
    answer = reach["workload"].fetch(request)
    if not server.is_asked(within=5):
        # The server has ended the connection of the form before as this request was sent.
        answer = reach["workload"].fetch(request)
    server.settle()
    if answer.outcome == "found":
        assert [record["VpcId"][:4] for record in answer.records] == ["vpc-"]
    else:
        assert answer.outcome in ("failed", "denied")
        # What has status 600 and no error says nothing that could be quoted.
        assert (answer.error_code and answer.error_message) or name == "600"
        assert answer.records == []


LISTED = b'{"Accounts": [{"Id": "%s"}]}' % OWN.encode()
NO_DOCUMENTS: dict[str, list[Piece]] = {
    "empty": [whole(b"")],
    "cut at its beginning": [bare(b"", length(len(LISTED))), CLOSED],
    "cut in the middle": [bare(LISTED[:14], length(len(LISTED))), CLOSED],
    "half, with the length of half": [whole(LISTED[:14])],
    "an object without members": [whole(b"{}")],
    "null": [whole(b"null")],
    "a list": [whole(b"[]")],
}


@pytest.mark.parametrize("name", NO_DOCUMENTS)
def test_half_a_document_is_never_an_empty_one(name: str, server: Server, reach: dict[str, AwsClient]) -> None:
    server.pieces = list(NO_DOCUMENTS[name])
    answer = reach["management"].fetch(Request("w", OWN, "us-east-1", ACCOUNTS, "management"))
    server.settle()
    assert (answer.outcome, answer.records) == ("failed", [])
