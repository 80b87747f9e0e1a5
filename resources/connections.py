"""botocore's connections, for many hosts and many small answers.

botocore decides how a host is reached, with its proxies, certificates and timeouts, and what its exceptions are called.
What is sent from here is written in one piece, and an answer of the usual form (HTTP/1.1, with its length) is read in
one; every other one is the standard library's to read. That spares a third of a call: each header was looked up by its
name a dozen times, and those of an answer went through the parser of electronic mail.
"""

import http.client
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
)
from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path

HOSTS_KEPT = 1_000
"""Connections are kept to so many hosts: one a service and region."""

_USUAL = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)[ \r]")
_BODILESS = (b"204", b"304")
_HEADER = re.compile(rb"([!-9;-~]+):[ \t]*(.*)")
_FOLD = re.compile(r"\r?\n[ \t]+")


class Headers(dict[str, str]):
    """The headers of a request that is written as it stands, by names that differ by more than their case.

    They name the host, and how long the body is.
    """

    def copy(self) -> "Headers":
        """The same, to be added to."""
        return Headers(self)


class _Answer:
    """An answer that has been read to its end, as urllib3 and botocore ask for it."""

    version_string = "HTTP/1.1"
    length_remaining = 0

    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self._content = content
        # urllib3 says whose it is.
        self._pool: Any = None
        self._connection: Any = None
        self.retries: Any = None

    def get_redirect_location(self) -> bool:
        """Nobody is followed elsewhere with a signature that is for here."""
        return False

    def stream(self) -> Iterator[bytes]:
        """All of it. The connection is free for the next."""
        self._pool._put_conn(self._connection)
        yield self._content


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
        self.send(head.encode("latin-1") + b"\r\n\r\n" + body)  # type: ignore[attr-defined]  # of botocore's class

    def getresponse(self) -> Any:
        """Read the answer."""
        if not self._is_own:
            return super().getresponse()  # type: ignore[misc]  # of botocore's class
        self.sock.settimeout(self.timeout)
        with self.sock.makefile("rb") as reader:
            return _usual(reader) or self._unusual(reader)

    def _unusual(self, reader: io.BufferedReader) -> _Answer:
        with http.client.HTTPResponse(_Read(reader), method="POST") as said:  # type: ignore[arg-type]  # it only reads
            said.begin()
            content = said.read()
            if said.will_close:
                self.close()  # type: ignore[attr-defined]  # of botocore's class
            headers = [(name, _FOLD.sub(" ", value)) for name, value in said.headers.items()]
            return _Answer(said.status, _joined(headers), content)


class _Read:
    """Stands for a socket of which reading has begun."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader

    def makefile(self, _: str) -> io.BufferedReader:
        """The reader."""
        return self._reader


def _usual(reader: io.BufferedReader) -> _Answer | None:
    """An answer of the usual form; of any other nothing has been read, and it is None."""
    begun = reader.peek()
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
    reader.read(end + 4)
    content = reader.read(int(length))
    if len(content) < int(length):
        raise http.client.IncompleteRead(content, int(length) - len(content))
    return _Answer(int(status[1]), headers, content)


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case; what comes several times is one."""
    joined: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined


class _Connection(_InOnePiece, AWSHTTPConnection):  # type: ignore[misc]  # botocore publishes no types
    pass


class _TlsConnection(_InOnePiece, AWSHTTPSConnection):  # type: ignore[misc]  # botocore publishes no types
    pass


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
    """botocore's connections, for many hosts; the certificates are read once and not for each connection."""

    def __init__(self, like: Any) -> None:
        timeout = like._timeout
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
        answer = self.send(AWSPreparedRequest("POST", url, headers, body, False))
        return answer.status_code, answer.raw.headers, answer.content

    def close(self) -> None:
        """Close the connections; a pool is closed when nobody holds it any more. May be used again."""
        self._kept.clear()
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
            context.load_verify_locations(get_cert_path(self._verify))
        return context

    def _setup_ssl_cert(self, conn: Any, url: str, verify: Any) -> None:
        is_checked = bool(verify) and url.lower().startswith("https")
        conn.cert_reqs = "CERT_REQUIRED" if is_checked else "CERT_NONE"
