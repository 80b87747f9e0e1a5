"""What is read in one piece is what botocore reads, whatever form an answer has and however it arrives."""

from __future__ import annotations

import socket
import threading
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

from bench import certificate
from bench.stage import staged
from resources.connections import Connections, Headers

BODY = b"Action=DescribeVpcs"
SENT = {"Host": "aws.test", "Accept-Encoding": "identity", "Content-Length": str(len(BODY)), "User-Agent": "us"}
ANSWERS: dict[str, list[bytes]] = {
    "usual": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Amzn-RequestId: r\r\n\r\nhello"],
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
    "several": [b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nContent-Length: 5\r\n\r\nhello"],
    "folded": [b"HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nContent-Length: 5\r\n\r\nhello"],
    "odd length": [b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", b""],
    "not ascii": ["HTTP/1.1 200 OK\r\nA: Wörtchen\r\nContent-Length: 5\r\n\r\nhello".encode("latin-1")],
    "no words": [b"\x00\xff<<\r\n\r\n", b""],
    "nobody": [b""],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-Le", b""],
    "half a chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", b""],
}  # fmt: skip


class Server:
    """Answers every request with the same pieces; an empty one closes the connection."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.heads: list[bytes] = []
        self.accepted = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            got = b""
            while True:
                while not got.endswith(BODY):
                    more = connection.recv(65536)
                    if not more:
                        return
                    got += more
                self.heads.append(got.partition(b"\r\n\r\n")[0])
                got = b""
                for piece in self.pieces:
                    if not piece:
                        return
                    connection.sendall(piece)
                    if piece is not self.pieces[-1]:
                        time.sleep(0.02)

    def close(self) -> None:
        self._socket.close()


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
def test_an_answer_is_what_botocore_reads(form: str, server: Server) -> None:
    server.pieces = ANSWERS[form]
    like = URLLib3Session(timeout=(2, 2))
    ours = Connections(like)
    for _ in range(2):
        own = said(lambda: ours.post(server.url, Headers(SENT), BODY))
        theirs = said(lambda: like.send(AWSPreparedRequest("POST", server.url, HeadersDict(SENT), BODY, False)))
        assert own == theirs
    # What may be used again is, by us as by them.
    closes = not server.pieces[-1] or own is ConnectionClosedError
    assert server.accepted == (4 if closes else 2)


def test_the_request_is_what_botocore_sends(server: Server) -> None:
    server.pieces = ANSWERS["usual"]
    like = URLLib3Session()
    Connections(like).post(server.url, Headers(SENT), BODY)
    like.send(AWSPreparedRequest("POST", server.url, HeadersDict(SENT), BODY, False))
    own, theirs = ({*head.split(b"\r\n")} for head in server.heads)
    assert own == theirs


def test_half_a_body_is_none(server: Server) -> None:
    server.pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n<half/>", b""]
    with pytest.raises(ConnectionClosedError):
        Connections(URLLib3Session()).post(server.url, Headers(SENT), BODY)


def test_patience_ends(server: Server) -> None:
    server.pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", b"half"]
    for pieces in ([], server.pieces):
        server.pieces = pieces
        with pytest.raises(ReadTimeoutError):
            Connections(URLLib3Session(timeout=(5, 0.1))).post(server.url, Headers(SENT), BODY)


@pytest.mark.parametrize("value", ["a\r\nX-Amz-Security-Token: b", "a\nb", "a\rb"])
def test_a_header_is_one_line(value: str, server: Server) -> None:
    with pytest.raises(HTTPClientError, match="end of a line"):
        Connections(URLLib3Session()).post(server.url, Headers(SENT | {"X": value}), BODY)
    assert not server.heads


def test_nobody_there_is_what_botocore_calls_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(EndpointConnectionError):
        Connections(URLLib3Session(timeout=(2, 2))).post(f"http://127.0.0.1:{port}/", Headers(SENT), BODY)


def test_a_proxy_is_told_the_whole_address(server: Server) -> None:
    server.pieces = ANSWERS["usual"]
    proxied = Connections(URLLib3Session(proxies={"http": server.url.replace("//", "//me:secret@")}))
    assert proxied.post("http://aws.invalid/", Headers(SENT), BODY)[2] == b"hello"
    (head,) = server.heads
    assert head.startswith(b"POST http://aws.invalid/ HTTP/1.1\r\nHost: aws.test\r\n")
    assert b"\r\nProxy-Authorization: Basic " in head


def test_pools_that_were_closed_are_opened_again(server: Server) -> None:
    server.pieces = ANSWERS["usual"]
    connections = Connections(URLLib3Session())
    for accepted in (1, 2):
        for _ in range(2):
            assert connections.post(server.url, Headers(SENT), BODY)[0] == 200
        assert server.accepted == accepted
        connections.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    known = certificate.make(tmp_path)
    with staged(tmp_path / "stage", known, 1, ["us-east-1"], 0.0) as stage:
        trusting = Connections(URLLib3Session(verify=str(stage.certificate)))
        assert trusting.post(stage.url + "/", Headers(SENT), BODY)[0] >= 400
        with pytest.raises(SSLError):
            Connections(URLLib3Session()).post(stage.url + "/", Headers(SENT), BODY)
