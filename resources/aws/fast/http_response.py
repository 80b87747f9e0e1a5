"""Reads one HTTP response to its end, and says where the end is uncertain.

A response of the usual form (HTTP/1.1, with its length) is read in one piece; every other one is the standard
library's to read. That spares a third of a call: the parser of electronic mail, which `http.client` reads headers
with, looks each up a dozen times.
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
"""More digits are no length that anybody can send."""

_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id")
_ID_IN_XML = re.compile(rb"<[Rr]equestI[dD]>([^<]+)</")
_ID_WITHIN = 512
"""The request id of an XML body stands this near to its beginning or end."""


class UnclearEnd(Exception):
    """Why a response may belong to another request. Its connection must not be used again."""


@dataclass(slots=True)
class HttpResponse:
    """A whole response.

    Attributes:
        headers: by their names in lower case.
        is_last: whether its connection ends with it.
    """

    status: int
    headers: dict[str, str]
    content: bytes
    is_last: bool = False

    @property
    def request_id(self) -> str:
        """AWS's id of the request: from the headers, else from the XML; empty where the response has none."""
        for name in _ID_HEADERS:
            if request_id := self.headers.get(name):
                return request_id
        found = _ID_IN_XML.search(self.content, 0, _ID_WITHIN) or _ID_IN_XML.search(
            self.content, max(0, len(self.content) - _ID_WITHIN)
        )
        return found[1].decode("latin-1") if found else ""

    def stream(self) -> Iterator[bytes]:
        """All of the content, as botocore asks for it."""
        yield self.content


def read_response(sock: Any, method: str) -> HttpResponse:
    """The response to a request that was sent over this socket, which the caller closes where this raises.

    Raises:
        UnclearEnd: it may belong to another request.
        http.client.HTTPException: it is no whole response.
        OSError: the connection broke, or time is over.
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
        # Never more than is missing: what comes after it stays where the next look finds it.
        piece = sock.recv(min(missing, _MORE_BYTES))
        if not piece:
            raise http.client.IncompleteRead(b"".join(pieces), missing)
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _whole(sock: Any, reading: "_Reading") -> HttpResponse:
    """The response that the standard library reads, after its head was read."""
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
    """Check that nothing was read beyond the end of a response, by us or by TLS.

    What has arrived but was not read yet is found before the next request is sent.
    """
    # What TLS has decrypted already is no longer to be seen at the socket.
    pending = getattr(sock, "pending", None)
    if is_surplus or (pending is not None and pending()):
        raise UnclearEnd("more bytes came than its length says")


class _Bytes(io.RawIOBase):
    """What a socket sends, after what was read of it before."""

    def __init__(self, sock: Any, begun: bytes) -> None:
        self._sock = sock.makefile("rb", buffering=0)
        self._begun = begun

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Some bytes; none after `end`."""
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
        """Read nothing more from the socket."""
        self._sock.close()


class _Reader(io.BufferedReader):
    """Is not closed by who has read enough: what is left tells of surplus bytes."""

    def close(self) -> None:
        """Stay open."""


class _Reading(http.client.HTTPResponse):
    """A response as the standard library reads it, which can say what came after it."""

    def __init__(self, sock: Any, method: str, begun: bytes) -> None:
        self._bytes = _Bytes(sock, begun)
        self._reader = _Reader(self._bytes)
        super().__init__(self, method=method)  # type: ignore[arg-type]  # it only asks for the file

    def makefile(self, _: str) -> io.BufferedReader:
        """Where to read."""
        return self._reader

    def end(self) -> bytes:
        """What was read beyond the end. Nothing more is read."""
        self._bytes.end()
        return self._reader.read()


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS


def _check_length(headers: Any) -> None:
    """Check that there is one way only to tell where a body ends.

    Raises:
        UnclearEnd: there are several, or it cannot be read.
    """
    lengths = {value.strip() for value in headers.get_all("Content-Length", ())}
    if len(lengths) > 1:
        raise UnclearEnd("it has two different lengths")
    if lengths and "Transfer-Encoding" in headers:
        raise UnclearEnd("it has a length and comes in chunks as well")
    if not all(_is_length(length) for length in lengths):
        raise UnclearEnd("its length is no number")


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case; what comes several times is one."""
    joined: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined
