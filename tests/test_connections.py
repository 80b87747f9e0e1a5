"""What is read in one piece is what botocore reads, whatever form an answer has and however it arrives."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session
from listeners import Listener

from bench import certificate
from bench.stage import staged
from resources.aws.errors import CaBundleUnreadable
from resources.aws.fast import connections, http_response
from resources.aws.fast.connections import Connections, Settings
from resources.aws.fast.request_ids import RequestIds, UnclearResponse

BODY = b"Action=DescribeVpcs"
SENT = {"Host": "aws.test", "Accept-Encoding": "identity", "Content-Length": str(len(BODY)), "User-Agent": "us"}
ANSWERS: dict[str, list[bytes]] = {
    "usual": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Amzn-Kind: r\r\n\r\nhello"],
    "in pieces": [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"],
    "body later": [b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n", b"x" * 20_000],
    "nothing in it": [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
    "refused": [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"],
    "no reason": [b"HTTP/1.1 503 \r\ncontent-length:2 \r\nRetry-After: 1\r\n\r\nno"],
    "elsewhere": [b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nno"],
    "chunked": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"3\r\nyou\r\n0\r\n\r\n"],
    "until it closes": [b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", b"hello", b""],
    "says that it closes": [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", b""],
    "old": [b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b""],
    "wait": [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    "without body": [b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"],
    "length twice": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"],
    "several": [b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nContent-Length: 5\r\n\r\nhello"],
    "folded": [b"HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nContent-Length: 5\r\n\r\nhello"],
    "not ascii": ["HTTP/1.1 200 OK\r\nA: Wörtchen\r\nContent-Length: 5\r\n\r\nhello".encode("latin-1")],
    "no words": [b"\x00\xff<<\r\n\r\n", b""],
    "nobody": [b""],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-Le", b""],
    "half a chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", b""],
}  # fmt: skip
UNCLEAR: dict[str, list[bytes]] = {
    "two lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello"],
    "length and chunks": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    "length is no number": [b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello"],
    "length is less than nothing": [b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"],
    "length is too small": [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello"],
    "twice at once": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" * 2],
    "chunks, then more": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nmore"],
    "no body, but more": [b"HTTP/1.1 204 No Content\r\n\r\nhello"],
    "unchanged, but more": [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"],
    "early hints": [b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    "other protocol": [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"],
}  # fmt: skip
"""Where a response ends is not certain, or something follows that nobody asked for."""


class Ours:
    """The connections of one role, with the settings of one session."""

    def __init__(self, connections: Connections | None = None, **settings: Any) -> None:
        self.connections = connections or Connections()
        self.settings = Settings(**{"connect_seconds": 2, "read_seconds": 2, **settings})

    def post(self, url: str, headers: dict[str, str] = SENT) -> tuple[int, dict[str, str], bytes]:
        with self.connections.exchange("POST", url, headers, BODY, self.settings) as response:
            return response.status, response.headers, response.content

    def send(self, request: Any) -> Any:
        return self.connections.send(request, self.settings)


class Server(Listener):
    """Answers every request with the same pieces; an empty one closes the connection.

    Attributes:
        script: the pieces of one request after another, before `pieces`.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.script: list[list[bytes]] = []
        self._context = context
        self.pieces: list[bytes] = []
        self.heads: list[bytes] = []
        super().__init__(self._answer)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/"

    def _answer(self, plain: socket.socket) -> None:
        with plain if self._context is None else self._context.wrap_socket(plain, server_side=True) as connection:
            got = b""
            while True:
                while not got.endswith(BODY):
                    try:
                        more = connection.recv(65536)
                    except ConnectionResetError:
                        return
                    if not more:
                        return
                    got += more
                self.heads.append(got.partition(b"\r\n\r\n")[0])
                got = b""
                pieces = self.script.pop(0) if self.script else self.pieces
                for piece in pieces:
                    if not piece:
                        return
                    connection.sendall(piece)
                    if piece is not pieces[-1]:
                        time.sleep(0.02)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def said(send: Callable[[], Any]) -> Any:
    try:
        answer = send()
    except HTTPClientError as error:
        return type(error)
    if isinstance(answer, tuple):
        return answer
    return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content


@pytest.mark.parametrize("form", ANSWERS)
def test_a_response_is_what_botocore_reads(form: str, server: Server) -> None:
    server.pieces = ANSWERS[form]
    like = URLLib3Session(timeout=(2, 2))
    ours = Ours()
    for _ in range(2):
        own = said(lambda: ours.post(server.url))
        theirs = said(lambda: like.send(AWSPreparedRequest("POST", server.url, HeadersDict(SENT), BODY, False)))
        assert own == theirs
    # What may be used again is, by us as by them.
    closes = not server.pieces[-1] or own is ConnectionClosedError
    assert server.accepted == (4 if closes else 2)


Way = Callable[[Ours, str], tuple[int, bytes]]


def own_way(ours: Ours, url: str) -> tuple[int, bytes]:
    status, _, content = ours.post(url)
    return status, content


def botocores_way(ours: Ours, url: str, method: str = "POST") -> tuple[int, bytes]:
    answer = ours.send(AWSPreparedRequest(method, url, HeadersDict(SENT), BODY, False))
    return answer.status_code, answer.content


WAYS = pytest.mark.parametrize("way", [own_way, botocores_way])


def whole(content: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(content), *headers]
    return b"\r\n".join([*lines, b"", content])


@WAYS
@pytest.mark.parametrize("form", UNCLEAR)
def test_what_may_be_anothers_is_refused_with_its_connection(form: str, way: Way, server: Server) -> None:
    server.pieces = UNCLEAR[form]
    ours = Ours()
    for accepted in (1, 2):
        with pytest.raises(UnclearResponse, match=r"may belong to another request: .*It was not used"):
            way(ours, server.url)
        assert server.accepted == accepted
    server.pieces = [whole(b"good")]
    assert way(ours, server.url) == (200, b"good")


ID_HEADER = (b"X-Amzn-RequestId: 7d7b", b"x-amz-request-id: 7d7b")
WITH_ID = {
    "header": whole(b"{}", ID_HEADER[0]),
    "header of s3": whole(b"<a/>", ID_HEADER[1]),
    "ec2": whole(b"<A><requestId>7d7b</requestId>" + b"<item/>" * 500 + b"</A>"),
    "query": whole(b"<A>" + b"<item/>" * 5000 + b"<Metadata><RequestId>7d7b</RequestId></Metadata></A>"),
    "refusal": b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n" + ID_HEADER[0] + b"\r\n\r\nno",
    "in chunks": b"HTTP/1.1 200 OK\r\n" + ID_HEADER[0] + b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}  # fmt: skip


@WAYS
@pytest.mark.parametrize("first", WITH_ID)
@pytest.mark.parametrize("form", WITH_ID)
def test_a_request_id_comes_once(form: str, first: str, way: Way, server: Server) -> None:
    ours = Ours()
    server.script = [[WITH_ID[first]], [WITH_ID[form]], [WITH_ID[form].replace(b"7d7b", b"7d7c")]]
    way(ours, server.url)
    with pytest.raises(UnclearResponse, match="request id 7d7b came with an earlier response"):
        way(ours, server.url)
    assert server.accepted == 1
    way(ours, server.url)
    # What else the connection would have brought is nobody's.
    assert server.accepted == 2


def test_a_request_id_comes_once_on_all_connections_of_a_role(server: Server) -> None:
    role = Connections()
    server.pieces = [WITH_ID["header"]]
    own_way(Ours(role, pool_size=1), server.url)
    with pytest.raises(UnclearResponse):
        own_way(Ours(role, pool_size=2), server.url)
    assert server.accepted == 2


def test_request_ids_are_remembered_for_a_while() -> None:
    ids = RequestIds(kept=100)
    for number in range(1_000):
        assert not ids.seen(str(number))
        assert all(ids.seen(str(late)) for late in range(max(0, number - 99), number))
        assert len(ids) <= 200
    assert not ids.seen("0")
    ids.forget()
    assert not ids.seen("999")


@WAYS
@pytest.mark.parametrize("late", [whole(b"stray"), b"\r\n", b"x", b""])
def test_a_connection_with_something_to_read_is_not_used(late: bytes, way: Way, server: Server) -> None:
    ours = Ours()
    server.script = [[whole(b"first"), late]]
    server.pieces = [whole(b"second")]
    assert way(ours, server.url) == (200, b"first")
    time.sleep(0.2)
    assert way(ours, server.url) == (200, b"second")
    assert server.accepted == 2


@WAYS
def test_what_tls_has_decrypted_beyond_the_end_is_seen(way: Way, tmp_path: Path) -> None:
    certificate_file, key = certificate.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key)
    served = Server(context)
    ours = Ours(verify=str(certificate_file))
    try:
        # Of 20,000 bytes the second record has the last few, and the stray as well.
        served.script = [[whole(b"x" * 20_000) + whole(b"stray")]]
        served.pieces = [whole(b"good")]
        with pytest.raises(UnclearResponse, match="more bytes"):
            way(ours, served.url)
        assert way(ours, served.url) == (200, b"good")
        assert way(ours, served.url) == (200, b"good")
        assert served.accepted == 2
    finally:
        served.close()


@WAYS
def test_what_comes_after_patience_has_ended_is_nobodys(way: Way, server: Server) -> None:
    ours = Ours(read_seconds=0.05)
    pieces = [[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"], [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"]]
    for accepted, begun in enumerate(pieces, start=1):
        server.script = [begun]
        with pytest.raises(ReadTimeoutError):
            way(ours, server.url)
        assert server.accepted == accepted
    server.pieces = [whole(b"good")]
    assert way(ours, server.url) == (200, b"good")
    assert server.accepted == 3


@pytest.mark.parametrize("where", [(connections, "read_response"), (http_response, "_usual")])
@pytest.mark.parametrize("what", [KeyboardInterrupt, SystemExit, MemoryError])
def test_a_read_that_is_interrupted_is_the_last_of_its_connection(
    what: type[BaseException], where: tuple[Any, str], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Ours()
    server.pieces = [whole(b"good")]

    def interrupted(*_: Any) -> Any:
        raise what

    with monkeypatch.context() as patched:
        patched.setattr(*where, interrupted)
        with pytest.raises((what, HTTPClientError)):
            own_way(ours, server.url)
    assert own_way(ours, server.url) == (200, b"good")
    assert server.accepted == 2


def test_a_head_has_no_body(server: Server) -> None:
    ours = Ours()
    server.script = [[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"]] * 2
    for _ in range(2):
        assert botocores_way(ours, server.url, "HEAD") == (200, b"")
    assert server.accepted == 1
    server.script = [[whole(b"hello")]]
    with pytest.raises(UnclearResponse):
        botocores_way(ours, server.url, "HEAD")


@WAYS
@pytest.mark.parametrize("error", [BrokenPipeError(32, "broken pipe"), ConnectionResetError(104, "reset")])
def test_what_came_before_the_request_was_sent_is_not_read(
    error: OSError, way: Way, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Ours()
    server.pieces = [whole(b"good")]

    def broken(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(http.client.HTTPConnection, "send", broken)
        with pytest.raises(ConnectionClosedError):
            way(ours, server.url)
    assert way(ours, server.url) == (200, b"good")


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "garbage"])
def test_certificates_that_cannot_be_read_are_said_where_a_request_fails(kind: str, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    if kind == "folder":
        bundle.mkdir()
    elif kind != "missing":
        bundle.write_text("" if kind == "empty" else "garbage")
    ours = Ours(verify=str(bundle))
    with pytest.raises(CaBundleUnreadable, match=re.escape(str(bundle))):
        own_way(ours, "https://127.0.0.1:1/")


def test_the_request_is_what_botocore_sends(server: Server) -> None:
    server.pieces = ANSWERS["usual"]
    like = URLLib3Session()
    Ours().post(server.url)
    like.send(AWSPreparedRequest("POST", server.url, HeadersDict(SENT), BODY, False))
    own, theirs = ({*head.split(b"\r\n")} for head in server.heads)
    assert own == theirs


@WAYS
@pytest.mark.parametrize("half", [b"", b"{}", b"<half/>"])
def test_half_a_body_is_none(half: bytes, way: Way, server: Server) -> None:
    server.pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + half, b""]
    with pytest.raises(ConnectionClosedError):
        way(Ours(), server.url)


def test_patience_ends(server: Server) -> None:
    server.pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", b"half"]
    for pieces in ([], server.pieces):
        server.pieces = pieces
        with pytest.raises(ReadTimeoutError):
            Ours(read_seconds=0.1).post(server.url)


@pytest.mark.parametrize("value", ["a\r\nX-Amz-Security-Token: b", "a\nb", "a\rb"])
def test_a_header_is_one_line(value: str, server: Server) -> None:
    with pytest.raises(HTTPClientError, match="end of a line"):
        Ours().post(server.url, SENT | {"X": value})
    assert not server.heads


def test_nobody_there_is_what_botocore_calls_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(EndpointConnectionError):
        Ours().post(f"http://127.0.0.1:{port}/")


def test_a_proxy_is_told_the_whole_address(server: Server) -> None:
    server.pieces = ANSWERS["usual"]
    proxied = Ours(proxies=(("http", server.url.replace("//", "//me:secret@")),))
    assert proxied.post("http://aws.invalid/")[2] == b"hello"
    (head,) = server.heads
    assert head.startswith(b"POST http://aws.invalid/ HTTP/1.1\r\nHost: aws.test\r\n")
    assert b"\r\nProxy-Authorization: Basic " in head


def test_pools_that_were_closed_are_opened_again(server: Server) -> None:
    server.pieces = ANSWERS["usual"]
    ours = Ours()
    for accepted in (1, 2):
        for _ in range(2):
            assert ours.post(server.url)[0] == 200
        assert server.accepted == accepted
        ours.connections.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    known = certificate.make(tmp_path)
    with staged(tmp_path / "stage", known, 1, ["us-east-1"], 0.0) as stage:
        trusting = Ours(verify=str(stage.certificate))
        assert trusting.post(stage.url + "/")[0] >= 400
        with pytest.raises(SSLError):
            Ours().post(stage.url + "/")
