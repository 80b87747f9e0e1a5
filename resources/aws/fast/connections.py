"""A pool of the standard library's HTTP connections, for many hosts and many small responses.

Settings, proxies, certificates and the names of exceptions are botocore's. A request is written in one piece.

One connection serves many accounts in turn, and in HTTP only the order ties a response to its request. A response that
comes twice or late would go to the next account. Three rules prevent that. A connection is reused only after one whole
response and not a byte more. A connection with unread bytes before a request is closed. A response whose AWS request id
was seen before is refused, and its connection is closed.
"""

import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import ProxyConfiguration, create_urllib3_context, get_cert_path, mask_proxy_url
from botocore.utils import get_environ_proxies

from resources.aws.errors import CaBundleUnreadable, proxy_error
from resources.aws.fast.http_response import HttpResponse, UnclearEnd, read_response
from resources.aws.fast.request_ids import RequestIds, UnclearResponse

HOSTS_KEPT = 1_000
"""The most hosts to which connections are kept: one host per service and region."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Settings:
    """How the clients of a session reach the network.

    Attributes:
        verify: path of the CA certificates to trust; True for botocore's own.
        connect_seconds: time limit for opening a connection.
        read_seconds: time limit without a byte of a response.
        pool_size: connections kept per host.
        is_kept_alive: whether TCP keep-alive probes idle connections.
        proxies: address by scheme; None for the proxies of the environment.
    """

    verify: str | bool = True
    connect_seconds: float = 60
    read_seconds: float = 60
    pool_size: int = 10
    is_kept_alive: bool = False
    proxies: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, session: Any) -> "Settings | None":
        """The settings of a session; None where it has settings that only botocore's connections support."""
        config = session.get_default_client_config()
        if config is None or config.proxies_config or config.client_cert:
            return None
        # botocore reads this variable where no other setting names a CA bundle.
        session.session_var_map["requests_ca_bundle"] = (None, "REQUESTS_CA_BUNDLE", True, None)
        bundle = session.get_config_variable("ca_bundle")
        return cls(
            verify=session.get_config_variable("requests_ca_bundle") if bundle is None else bundle,
            connect_seconds=config.connect_timeout,
            read_seconds=config.read_timeout,
            pool_size=config.max_pool_connections,
            is_kept_alive=bool(config.tcp_keepalive),
            proxies=None if config.proxies is None else tuple(sorted(config.proxies.items())),
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """The destination of a request, and the proxy on the way to it."""

    scheme: str
    host: str
    port: int
    proxy: str | None
    proxy_headers: tuple[tuple[str, str], ...]

    @property
    def is_tunnelled(self) -> bool:
        """Whether the proxy sees only an encrypted tunnel."""
        return self.proxy is not None and self.scheme == "https"


class _Connection:
    """One connection, which carries requests one after another."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        host, port = place.host, place.port
        if place.proxy is not None:
            proxy = urlsplit(place.proxy)
            host, port = proxy.hostname or "", proxy.port or _PORTS["http"]
        # TLS is added later in `secure`: `HTTPSConnection` would verify the host name exactly as it is written.
        self._http = http.client.HTTPConnection(host, port)
        if place.is_tunnelled:
            named = f"[{place.host}]" if ":" in place.host else place.host
            self._http.set_tunnel(named, place.port, dict(place.proxy_headers))

    def open(self, seconds: float) -> None:
        """Connect, through the proxy if there is one."""
        self._http.timeout = seconds
        self._http.connect()

    def secure(self, context: ssl.SSLContext) -> None:
        """Start TLS on the connection."""
        host = self._place.host.rstrip(".")
        self._http.sock = context.wrap_socket(self._http.sock, server_hostname=host)

    def settle(self, settings: Settings) -> None:
        """Set the read timeout and TCP keep-alive."""
        sock = self._http.sock
        sock.settimeout(settings.read_seconds)
        if settings.is_kept_alive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def is_stale(self) -> bool:
        """Whether there are unread bytes or the peer has closed the connection, so that it must not be reused."""
        if self._http.sock is None:
            return True
        look = select.poll()
        look.register(self._http.sock, select.POLLIN)
        return bool(look.poll(0))

    def exchange(self, request: bytes, method: str) -> HttpResponse:
        """The response to a request.

        Raises:
            UnclearEnd: the response may belong to another request.
            OSError: the connection broke or timed out.
            http.client.HTTPException: the response is malformed or incomplete.
        """
        try:
            self._http.send(request)
        except (BrokenPipeError, ConnectionResetError) as error:
            # Bytes that are still readable were sent before the request arrived, so they are no response to it.
            raise http.client.RemoteDisconnected("The connection was closed before the request was sent.") from error
        return read_response(self._http.sock, method)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


class Connections:
    """The connections of one role: one pool per host, one TLS context per file of certificates. Thread-safe."""

    def __init__(self) -> None:
        self._request_ids = RequestIds()
        self._lock = threading.Lock()
        self._contexts: dict[str | bool, ssl.SSLContext] = {}
        self._places: dict[tuple[str, Settings], _Place] = {}
        self._idle: dict[tuple[_Place, Settings], list[_Connection]] = {}

    def send(self, request: Any, settings: Settings) -> AWSResponse | None:
        """The response to a request that botocore made; None for a request that only botocore's connections support.

        Raises:
            botocore.exceptions.HTTPClientError: no response arrived, or another connection error of botocore's
                occurred.
        """
        body = b"" if request.body is None else request.body
        body = body.encode() if isinstance(body, str) else body
        overridden = getattr(request, "context", None) or {}
        is_usual = isinstance(body, bytes | bytearray) and "Transfer-Encoding" not in request.headers
        if request.stream_output or not is_usual or "Expect" in request.headers or overridden.get("read_timeout"):
            return None
        if not self.can_reach(request.url, settings):
            return None
        with self.exchange(request.method, request.url, request.headers, bytes(body), settings) as response:
            return AWSResponse(request.url, response.status, response.headers, response)

    def can_reach(self, url: str, settings: Settings) -> bool:
        """Whether this pool can reach an address. It cannot reach one through a proxy that itself uses TLS."""
        split = urlsplit(url)
        proxy = self._place(f"{split.scheme}://{split.netloc}", settings).proxy
        return proxy is None or proxy.startswith("http:")

    @contextmanager
    def exchange(self, method: str, url: str, headers: Any, body: bytes, settings: Settings) -> Iterator[HttpResponse]:
        """The response to a request for an address that `can_reach` accepts.

        The connection is kept if the context ends without an exception.

        Raises:
            botocore.exceptions.HTTPClientError: no response arrived, or another connection error of botocore's
                occurred.
        """
        split = urlsplit(url)
        place = self._place(f"{split.scheme}://{split.netloc}", settings)
        target = split.path or "/"
        target += f"?{split.query}" if split.query else ""
        if place.proxy is not None and not place.is_tunnelled:
            target = url
            headers = {**dict(headers.items()), **dict(place.proxy_headers)}
        connection = self._taken(place, settings, url)
        try:
            response = _exchanged(connection, method, target, split, headers, body, url)
            self._check_id(response, url)
            yield response
        except BaseException:
            connection.close()
            raise
        if response.is_last:
            connection.close()
        else:
            self._keep(place, settings, connection)

    def _check_id(self, response: HttpResponse, url: str) -> None:
        request_id = response.request_id
        if request_id and self._request_ids.seen(request_id):
            raise UnclearResponse(endpoint_url=url, error=f"its request id {request_id} came with an earlier response")

    def close(self) -> None:
        """Close the connections and drop cached request ids and certificates. The pool may be used again."""
        with self._lock:
            idle, self._idle = self._idle, {}
            self._places.clear()
            self._contexts.clear()
        for connections in idle.values():
            for connection in connections:
                connection.close()
        self._request_ids.forget()

    # ---------------------------------------------------------------------------------------------- destinations

    def _place(self, origin: str, settings: Settings) -> _Place:
        """The destination and proxy for an origin."""
        place = self._places.get((origin, settings))
        if place is None:
            split = urlsplit(origin)
            proxies = get_environ_proxies(origin) if settings.proxies is None else dict(settings.proxies)
            known = ProxyConfiguration(proxies)
            proxy = known.proxy_url_for(origin)
            authorization = known.proxy_headers_for(proxy) if proxy else {}
            port = split.port or _PORTS[split.scheme]
            place = _Place(split.scheme, split.hostname or "", port, proxy or None, tuple(authorization.items()))
            if len(self._places) >= HOSTS_KEPT:
                self._places.clear()
            self._places[origin, settings] = place
        return place

    def _context(self, verify: str | bool) -> ssl.SSLContext:
        """The TLS context that trusts these certificates.

        Raises:
            OSError: the certificates cannot be read.
        """
        with self._lock:
            context = self._contexts.get(verify)
            if context is None:
                context = create_urllib3_context()
                # botocore leaves the host name check to urllib3.
                context.check_hostname = True
                context.load_verify_locations(get_cert_path(verify))
                self._contexts[verify] = context
            return context

    # -------------------------------------------------------------------------------------------------- the pool

    def _taken(self, place: _Place, settings: Settings, url: str) -> _Connection:
        """A connection that no other thread uses: the most recently used one, else a new one."""
        idle = self._idle.get((place, settings))
        while idle:
            try:
                connection = idle.pop()
            except IndexError:
                # Another thread took the last one.
                break
            if not connection.is_stale:
                return connection
            connection.close()
        return self._opened(place, settings, url)

    def _keep(self, place: _Place, settings: Settings, connection: _Connection) -> None:
        with self._lock:
            if len(self._idle) >= HOSTS_KEPT and (place, settings) not in self._idle:
                dropped, self._idle = self._idle, {}
            else:
                dropped = {}
            idle = self._idle.setdefault((place, settings), [])
            is_kept = len(idle) < settings.pool_size
            if is_kept:
                idle.append(connection)
        if not is_kept:
            connection.close()
        for connections in dropped.values():
            for each in connections:
                each.close()

    def _opened(self, place: _Place, settings: Settings, url: str) -> _Connection:
        """A new connection.

        Raises:
            botocore.exceptions.HTTPClientError: the connection failed; the subclass names the reason.
        """
        context = None
        if place.scheme == "https":
            try:
                context = self._context(settings.verify)
            except OSError as error:
                raise CaBundleUnreadable(bundle=get_cert_path(settings.verify), error=error.strerror) from error
        connection = _Connection(place)
        try:
            _connect(connection, place, settings, url)
            if context is not None:
                _secure(connection, context, url)
            connection.settle(settings)
        except BaseException:
            connection.close()
            raise
        return connection


def _connect(connection: _Connection, place: _Place, settings: Settings, url: str) -> None:
    try:
        connection.open(settings.connect_seconds)
    except (OSError, http.client.HTTPException) as error:
        if place.proxy is not None:
            raise proxy_error(mask_proxy_url(place.proxy), place.host, error) from error
        if isinstance(error, TimeoutError):
            raise ConnectTimeoutError(endpoint_url=url, error=error) from error
        raise EndpointConnectionError(endpoint_url=url, error=error) from error
    except ValueError as error:
        raise HTTPClientError(error=error) from error


def _secure(connection: _Connection, context: ssl.SSLContext, url: str) -> None:
    try:
        connection.secure(context)
    except _BROKEN as error:
        raise _botocores(error, url) from error


def _exchanged(
    connection: _Connection, method: str, target: str, split: Any, headers: Any, body: bytes, url: str
) -> HttpResponse:
    """The response to a request over a connection, with botocore's exceptions."""
    try:
        return connection.exchange(_written(method, target, split, headers) + body, method)
    except _BROKEN as error:
        raise _botocores(error, url) from error


_BROKEN = (UnclearEnd, OSError, http.client.HTTPException, ValueError)
_ERRORS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[..., Exception]], ...] = (
    (UnclearEnd, UnclearResponse),
    (ssl.SSLError, SSLError),
    (TimeoutError, ReadTimeoutError),
    ((OSError, http.client.HTTPException), ConnectionClosedError),
    (ValueError, HTTPClientError),
)


def _botocores(error: Exception, url: str) -> Exception:
    """The botocore exception for an error. The order matters: TLS errors and time-outs are subclasses of OSError."""
    theirs = next(theirs for ours, theirs in _ERRORS if isinstance(error, ours))
    return theirs(endpoint_url=url, error=error)


def _written(method: str, target: str, split: Any, headers: Any) -> bytes:
    """The request line and headers of a request, as bytes.

    Raises:
        ValueError: a header contains a line break, so that an unsigned header could follow it.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    names = {name.lower() for name in headers}
    if "host" not in names:
        lines.append(f"Host: {host_header(split)}")
    if "accept-encoding" not in names:
        lines.append("Accept-Encoding: identity")
    for name, value in headers.items():
        lines.append(f"{name}: {value.decode('latin-1') if isinstance(value, bytes) else value}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("A header of the request holds the end of a line.")
    return head.encode("latin-1") + b"\r\n\r\n"


def host_header(split: Any) -> str:
    """The value of the Host header for an address, without the scheme's default port."""
    host: str = split.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if split.port in (None, _PORTS.get(split.scheme)) else f"{host}:{split.port}"
