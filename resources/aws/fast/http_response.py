"""Reads one HTTP response to its end, and refuses a response whose end is uncertain.

A response of the usual form (HTTP/1.1, with a length) is read in one piece; the standard library reads every other one.
This saves a third of a call: `http.client` reads headers with the e-mail parser, and then looks each one up a dozen
times.
"""

import http.client
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_FIRST_BYTES = 16_384
_MORE_BYTES = 65_536

_USUAL = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)[ \r]")
_BODILESS = (b"204", b"304")
_HEADER = re.compile(rb"([!-9;-~]+):[ \t]*(.*)")
_FOLD = re.compile(r"\r?\n[ \t]+")
_LENGTH_DIGITS = 18
"""A length with more digits is impossible."""

_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id")
_ID_IN_XML = re.compile(rb"<[Rr]equestI[dD]>([^<]+)</")
_ID_WITHIN = 512
"""The request id of an XML body is within this many bytes of its beginning or end."""


class UnclearEnd(Exception):
    """Why a response may belong to another request. Its connection must not be reused."""


@dataclass(slots=True)
class HttpResponse:
    """A whole response.

    Attributes:
        headers: by name in lower case.
        is_last: whether the connection ends with this response.
    """

    status: int
    headers: dict[str, str]
    content: bytes
    is_last: bool = False

    @property
    def request_id(self) -> str:
        """AWS's request id: from the headers, else from the XML; empty where the response has none."""
        for name in _ID_HEADERS:
            if request_id := self.headers.get(name):
                return request_id
        found = _ID_IN_XML.search(self.content, 0, _ID_WITHIN) or _ID_IN_XML.search(
            self.content, max(0, len(self.content) - _ID_WITHIN)
        )
        return found[1].decode("latin-1") if found else ""

    def stream(self) -> Iterator[bytes]:
        """The whole content in one chunk, as botocore reads it."""
        yield self.content


def read_response(sock: Any, method: str) -> HttpResponse:
    """The response to a request that was sent over this socket. If this raises, the caller must close the socket.

    Raises:
        UnclearEnd: the response may belong to another request.
        http.client.HTTPException: the response is malformed or incomplete.
        OSError: the connection broke or timed out.
    """
    begun = sock.recv(_FIRST_BYTES)
    response = None if method == "HEAD" else _usual(sock, begun)
    if response is not None:
        return response
    reading = _Reading(sock, method, begun)
    try:
        reading.begin()
    except BaseException:
        reading.end()
        raise
    return _whole(sock, reading)


def _usual(sock: Any, begun: bytes) -> HttpResponse | None:
    """A response of the usual form; None for any other, of which nothing more has been read."""
    status, end = _USUAL.match(begun), begun.find(b"\r\n\r\n")
    if status is None or end < 0 or status[1] in _BODILESS:
        return None
    found = []
    for line in begun[begun.index(b"\r\n") + 2 : end].split(b"\r\n"):
        header = _HEADER.fullmatch(line)
        if header is None:
            return None
        found.append((header[1].decode("latin-1"), header[2].decode("latin-1")))
    headers = _joined(found)
    length = headers.get("content-length", "")
    if not _is_length(length) or "transfer-encoding" in headers or "connection" in headers:
        return None
    content = begun[end + 4 :]
    missing = int(length) - len(content)
    if missing > 0:
        content = _more(sock, content, missing)
    _check_end(sock, is_surplus=missing < 0)
    return HttpResponse(int(status[1]), headers, content)


def _more(sock: Any, content: bytes, missing: int) -> bytes:
    pieces = [content]
    while missing:
        # Never more than is missing: surplus bytes stay in the socket, where the next check finds them.
        piece = sock.recv(min(missing, _MORE_BYTES))
        if not piece:
            raise http.client.IncompleteRead(b"".join(pieces), missing)
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _whole(sock: Any, reading: "_Reading") -> HttpResponse:
    """The response as the standard library reads it, after its headers were read."""
    try:
        if reading.status < 200:
            raise UnclearEnd(f"it is preliminary (status {reading.status})")
        _check_length(reading.headers)
        content = reading.read()
    finally:
        surplus = reading.end()
    _check_end(sock, is_surplus=bool(surplus))
    headers = [(name, _FOLD.sub(" ", value)) for name, value in reading.headers.items()]
    return HttpResponse(reading.status, _joined(headers), content, is_last=reading.will_close)


def _check_end(sock: Any, is_surplus: bool) -> None:
    """Check that neither this module nor TLS has read beyond the end of a response.

    Bytes that have arrived but are still unread are found before the next request is sent.
    """
    # Bytes that TLS has already decrypted are no longer visible at the socket.
    pending = getattr(sock, "pending", None)
    if is_surplus or (pending is not None and pending()):
        raise UnclearEnd("more bytes came than its length states")


class _Bytes(io.RawIOBase):
    """A stream of the bytes read so far, then of the socket."""

    def __init__(self, sock: Any, begun: bytes) -> None:
        self._sock = sock.makefile("rb", buffering=0)
        self._begun = begun

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read some bytes; none after `end`."""
        if self._begun:
            some = self._begun[: len(buffer)]
            buffer[: len(some)] = some
            self._begun = self._begun[len(some) :]
            return len(some)
        if self._sock.closed:
            return 0
        count: int | None = self._sock.readinto(buffer)
        return count

    def end(self) -> None:
        """Stop reading from the socket."""
        self._sock.close()


class _Reader(io.BufferedReader):
    """A reader that `http.client` cannot close: its remaining bytes show whether there is surplus."""

    def close(self) -> None:
        """Do nothing."""


class _Reading(http.client.HTTPResponse):
    """A response as the standard library reads it, which can return the bytes after its end."""

    def __init__(self, sock: Any, method: str, begun: bytes) -> None:
        self._bytes = _Bytes(sock, begun)
        self._reader = _Reader(self._bytes)
        super().__init__(self, method=method)  # type: ignore[arg-type]  # HTTPResponse only calls makefile

    def makefile(self, _: str) -> io.BufferedReader:
        """The stream that the standard library reads."""
        return self._reader

    def end(self) -> bytes:
        """The bytes that were read beyond the end of the response. Nothing more is read."""
        self._bytes.end()
        return self._reader.read()


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS


def _check_length(headers: Any) -> None:
    """Check that the headers give exactly one way to find the end of the body.

    Raises:
        UnclearEnd: there are several ways, or the length is not a number.
    """
    lengths = {value.strip() for value in headers.get_all("Content-Length", ())}
    if len(lengths) > 1:
        raise UnclearEnd("it has two different lengths")
    if lengths and "Transfer-Encoding" in headers:
        raise UnclearEnd("it has a length and comes in chunks as well")
    if not all(_is_length(length) for length in lengths):
        raise UnclearEnd("its length is no number")


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name in lower case; repeated headers are joined by commas."""
    joined: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined
