"""botocore's connections, for many hosts and many small answers.

botocore decides how a host is reached, with its proxies, certificates and timeouts, and what its exceptions are called.
What is sent from here is written in one piece, and an answer of the usual form (HTTP/1.1, with its length) is read in
one; every other one is the standard library's to read. That spares a third of a call: each header was looked up by its
name a dozen times, and those of an answer went through the parser of electronic mail.

One connection serves many accounts in turn, and HTTP has nothing that ties a response to its request but their order.
A response that comes twice or late would be the next account's. Three rules prevent that. A connection is used again
only after one whole response and not a byte more. A connection with something to read before a request is sent is
closed. A response whose AWS request id was seen before is refused, and its connection is closed.
"""

import http.client
import io
import json
import re
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
)
from botocore.exceptions import ConnectionClosedError, HTTPClientError, SSLError
from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path
from urllib3.exceptions import InvalidHeader

HOSTS_KEPT = 1_000
"""Connections are kept to so many hosts: one a service and region."""

IDS_KEPT = 50_000
"""At least so many request ids are remembered, at most twice as many, which take about 10 MB.

A response can take another's place for a minute at most, the read timeout. Meanwhile 64 threads at 80 ms a request
receive 48,000.
"""

_FIRST_BYTES = 16_384
_MORE_BYTES = 65_536

_USUAL = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)[ \r]")
_BODILESS = (b"204", b"304")
_HEADER = re.compile(rb"([!-9;-~]+):[ \t]*(.*)")
_FOLD = re.compile(r"\r?\n[ \t]+")
_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id")
_ID_IN_XML = re.compile(rb"<[Rr]equestI[dD]>([^<]+)</")
_ID_WITHIN = 512
"""The request id of an XML body stands this near to its beginning or end."""


class UnclearResponse(ConnectionClosedError):  # type: ignore[misc]  # botocore publishes no types
    """What came back may be the response to another request. It was not used, and its connection is closed."""

    fmt = (
        "The response from {endpoint_url} may belong to another request: {error}. "
        "It was not used, and its connection was closed."
    )


class _Unclear(Exception):
    """Why a response may belong to another request. Raised while reading, it makes urllib3 close the connection."""


class RequestIds:
    """The AWS request ids of the latest responses, so that a repeated response is recognised. Safe for threads.

    Args:
        kept: how many ids are remembered at least; at most twice as many are.
    """

    def __init__(self, kept: int = IDS_KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        # Of an id only its hash of 64 bits, in half of the memory: among a million ids two agree once in 10^8 nights.
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def seen(self, request_id: str) -> bool:
        """Whether this id came before; from now on it did."""
        key = hash(request_id)
        with self._lock:
            if key in self._newer or key in self._older:
                return True
            self._newer.add(key)
            if len(self._newer) >= self._kept:
                # Two sets that take turns: forgetting costs nothing for each id.
                self._older, self._newer = self._newer, set()
            return False

    def forget(self) -> None:
        """Remember none."""
        with self._lock:
            self._newer, self._older = set(), set()

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)


class Headers(dict[str, str]):
    """The headers of a request that is written as it stands, by names that differ by more than their case.

    They name the host, and how long the body is.
    """

    def copy(self) -> "Headers":
        """The same, to be added to."""
        return Headers(self)


class _Answer:
    """A whole response, as urllib3 and botocore ask for it. Its connection waits for `keep` or `drop`.

    As a context, it keeps the connection unless something is raised inside.
    """

    version_string = "HTTP/1.1"
    length_remaining = 0

    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        # urllib3 says whose it is.
        self._pool: Any = None
        self._connection: Any = None
        self.retries: Any = None

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

    def keep(self) -> None:
        """Give the connection back for the next request."""
        self._pool._put_conn(self._connection)

    def drop(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._pool._put_conn(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.keep()
        else:
            self.drop()

    def get_redirect_location(self) -> bool:
        """Nobody is followed elsewhere with a signature that is for here."""
        return False

    def stream(self) -> Iterator[bytes]:
        """All of it."""
        yield self.content


class _InOnePiece:
    """A connection that writes a request with `Headers` in one piece and reads its answer in one; beside botocore's."""

    sock: Any
    timeout: Any
    _is_own = False

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, *args: Any, **more: Any) -> None:
        """Send a request."""
        self._is_own = isinstance(headers, Headers) and isinstance(body, bytes)
        if not self._is_own:
            super().request(method, url, body, headers, *args, **more)  # type: ignore[misc]  # of botocore's class
            return
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        head = "\r\n".join([f"{method} {url} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]])
        # A line more would be a header that nobody signed.
        if head.count("\n") != len(headers) or head.count("\r") != len(headers):
            raise ValueError("A header of the request holds the end of a line.")
        self.send(head.encode("latin-1") + b"\r\n\r\n" + body)

    def send(self, data: Any) -> None:
        """Write bytes of a request.

        Raises:
            http.client.RemoteDisconnected: the connection is closed. urllib3 would pass over that and read on, but
                what can still be read was written before the request arrived.
        """
        try:
            super().send(data)  # type: ignore[misc]  # of botocore's class
        except (BrokenPipeError, ConnectionResetError) as error:
            raise http.client.RemoteDisconnected("The connection was closed before the request was sent.") from error

    def getresponse(self) -> Any:
        """Read the response to its end.

        Raises:
            _Unclear: it may belong to another request.
        """
        if not self._is_own:
            # Closes what it reads when nobody holds it any more.
            held = super().getresponse()  # type: ignore[misc]  # of botocore's class
            return self._whole(held._original_response)
        self.sock.settimeout(self.timeout)
        begun = self.sock.recv(_FIRST_BYTES)
        answer = self._usual(begun)
        if answer is not None:
            return answer
        said = _Said(self.sock, method="POST", begun=begun)
        try:
            said.begin()
        except BaseException:
            said.end()
            raise
        return self._whole(said)

    def _usual(self, begun: bytes) -> _Answer | None:
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
        if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers or "connection" in headers:
            return None
        content = begun[end + 4 :]
        missing = int(length) - len(content)
        if missing > 0:
            content = self._more(content, missing)
        self._end(is_surplus=missing < 0)
        return _Answer(int(status[1]), headers, content)

    def _more(self, content: bytes, missing: int) -> bytes:
        pieces = [content]
        while missing:
            # Never more than is missing: what comes after it stays where the next look finds it.
            piece = self.sock.recv(min(missing, _MORE_BYTES))
            if not piece:
                raise http.client.IncompleteRead(b"".join(pieces), missing)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _whole(self, said: "_Said") -> _Answer:
        """What the standard library reads, after its head was read."""
        try:
            if said.status < 200:
                raise _Unclear(f"it is preliminary (status {said.status})")
            _check_length(said.headers)
            content = said.read()
        finally:
            surplus = said.end()
        if said.will_close:
            self.close()  # type: ignore[attr-defined]  # of botocore's class
        self._end(is_surplus=bool(surplus))
        headers = [(name, _FOLD.sub(" ", value)) for name, value in said.headers.items()]
        return _Answer(said.status, _joined(headers), content)

    def _end(self, is_surplus: bool) -> None:
        """That nothing has been read beyond the end of a response, by us or by TLS.

        What has arrived but was not read yet is found before the next request is sent, by urllib3.
        """
        # What TLS has decrypted already is no longer to be seen at the socket.
        pending = getattr(self.sock, "pending", None)
        if is_surplus or (pending is not None and pending()):
            raise _Unclear("more bytes came than its length says")


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


class _Said(http.client.HTTPResponse):
    """A response as the standard library reads it, which can say what came after it."""

    def __init__(self, sock: Any, *args: Any, begun: bytes = b"", **more: Any) -> None:
        self._bytes = _Bytes(sock, begun)
        self._reader = _Reader(self._bytes)
        super().__init__(self, *args, **more)  # type: ignore[arg-type]  # it only asks for the file

    def makefile(self, _: str) -> io.BufferedReader:
        """Where to read."""
        return self._reader

    def end(self) -> bytes:
        """What was read beyond the end. Nothing more is read."""
        self._bytes.end()
        return self._reader.read()


def _check_length(headers: Any) -> None:
    """That there is one way only to tell where a body ends.

    Raises:
        _Unclear: there are several, or it cannot be read.
    """
    lengths = {value.strip() for value in headers.get_all("Content-Length", ())}
    if len(lengths) > 1:
        raise _Unclear("it has two different lengths")
    if lengths and "Transfer-Encoding" in headers:
        raise _Unclear("it has a length and comes in chunks as well")
    if not all(length.isascii() and length.isdigit() for length in lengths):
        raise _Unclear("its length is no number")


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case; what comes several times is one."""
    joined: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined


class _Connection(_InOnePiece, AWSHTTPConnection):  # type: ignore[misc]  # botocore publishes no types
    response_class = _Said


class _TlsConnection(_InOnePiece, AWSHTTPSConnection):  # type: ignore[misc]  # botocore publishes no types
    response_class = _Said


class _Pool(AWSHTTPConnectionPool):  # type: ignore[misc]  # botocore publishes no types
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):  # type: ignore[misc]  # botocore publishes no types
    ConnectionCls = _TlsConnection


class _Kept:
    """A manager of pools that remembers which one is an address's, without taking the address apart each time."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._pools: dict[str, Any] = {}

    def connection_from_url(self, url: str) -> Any:
        """The pool of an address."""
        pool = self._pools.get(url)
        if pool is None:
            if len(self._pools) >= HOSTS_KEPT:
                self._pools.clear()
            pool = self._pools[url] = self._manager.connection_from_url(url)
        return pool


class Connections(URLLib3Session):  # type: ignore[misc]  # botocore publishes no types
    """botocore's connections, for many hosts; the certificates are read once and not for each connection.

    Args:
        like: botocore's session of connections that this one stands for.
        request_ids: of the responses of all whose connections may get mixed up.
    """

    def __init__(self, like: Any, request_ids: RequestIds | None = None) -> None:
        timeout = like._timeout
        self._like = like
        self._unreadable: OSError | None = None
        self._request_ids = RequestIds() if request_ids is None else request_ids
        super().__init__(
            verify=like._verify,
            proxies=like._proxy_config._proxies,
            timeout=timeout if isinstance(timeout, int | float) else (timeout.connect_timeout, timeout.read_timeout),
            max_pool_connections=like._max_pool_connections,
            socket_options=like._socket_options,
            client_cert=(like._cert_file, like._key_file) if like._cert_file else None,
            proxies_config=like._proxy_config.settings,
        )
        self._kept: dict[str | None, _Kept] = {}
        # Those for proxies too, which are made when one is first needed.
        self._pool_classes_by_scheme.update({"http": _Pool, "https": _TlsPool})

    @staticmethod
    def key(like: Any) -> str:
        """Equal for those whose connections may be shared."""
        what = (
            like._verify,
            like._proxy_config._proxies,
            like._proxy_config.settings,
            like._cert_file,
            like._key_file,
        )
        return json.dumps(what, sort_keys=True, default=str)

    def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request, and read its answer to its end: one that is cut off is none, where botocore hands it on.

        Returns status, headers by their names in lower case, and content.

        Raises:
            botocore.exceptions.HTTPClientError: nothing came back, or botocore's other errors of connections.
        """
        with self.exchange(url, headers, body) as answer:
            return answer.status, answer.headers, answer.content

    def exchange(self, url: str, headers: Headers, body: bytes) -> _Answer:
        """As `post`, for one who may not understand the response: its connection is kept where the context ends well.

        Raises:
            botocore.exceptions.HTTPClientError: nothing came back, or botocore's other errors of connections.
        """
        return self._checked(AWSPreparedRequest("POST", url, headers, body, False))

    def send(self, request: Any) -> Any:
        """Send a request of botocore's own making, and read its response to its end.

        Raises:
            botocore.exceptions.HTTPClientError: nothing came back, or botocore's other errors of connections.
        """
        if request.stream_output or "Expect" in request.headers:
            # Read bit by bit by who asked, and nothing that the contract allows: on connections of its own.
            return self._like.send(request)
        answer = self._checked(request)
        answer.keep()
        return AWSResponse(request.url, answer.status, answer.headers, answer)

    def _checked(self, request: Any) -> _Answer:
        if self._unreadable is not None:
            raise SSLError(endpoint_url=request.url, error=self._unreadable)
        try:
            answer: _Answer = super().send(request).raw
        except HTTPClientError as error:
            why = error.kwargs.get("error")
            # urllib3 has a word of its own for different lengths.
            if isinstance(why, _Unclear | InvalidHeader):
                raise UnclearResponse(endpoint_url=request.url, error=why) from error
            raise
        request_id = answer.request_id
        if request_id and self._request_ids.seen(request_id):
            answer.drop()
            raise UnclearResponse(
                endpoint_url=request.url, error=f"its request id {request_id} came with an earlier response"
            )
        return answer

    def close(self) -> None:
        """Close the connections; a pool is closed when nobody holds it any more. May be used again."""
        self._kept.clear()
        self._like.close()
        super().close()

    def _get_connection_manager(self, url: str, proxy_url: str | None = None) -> "_Kept":
        kept = self._kept.get(proxy_url)
        if kept is None:
            kept = self._kept[proxy_url] = _Kept(super()._get_connection_manager(url, proxy_url))
        return kept

    def _get_pool_manager_kwargs(self, **more: Any) -> dict[str, Any]:
        settings: dict[str, Any] = super()._get_pool_manager_kwargs(num_pools=HOSTS_KEPT, **more)
        return settings

    def _get_ssl_context(self) -> Any:
        context = create_urllib3_context()
        if self._verify:
            try:
                context.load_verify_locations(get_cert_path(self._verify))
            except OSError as error:
                # Said where a request fails, as botocore does: who makes a client expects no file to be read.
                self._unreadable = error
        return context

    def _setup_ssl_cert(self, conn: Any, url: str, verify: Any) -> None:
        is_checked = bool(verify) and url.lower().startswith("https")
        conn.cert_reqs = "CERT_REQUIRED" if is_checked else "CERT_NONE"
