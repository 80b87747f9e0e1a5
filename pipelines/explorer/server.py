"""A web server for the explorer's folder: on 127.0.0.1 alone, for GET and HEAD, and for parts of files."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipelines.explorer.data import REPORT

HOST = "127.0.0.1"

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's own policy, and what a page cannot say of itself. The engine's worker is bound by it only from here."""

REPORT_POLICY = "frame-ancestors 'none'"
"""For the report, which says all else itself: its style and scripts stand in it, allowed by their hashes."""

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".wasm": "application/wasm",
    ".duckdb": "application/octet-stream",
    ".txt": "text/plain; charset=utf-8",
}
"""The types of the files that are served; nothing else of the folder is."""

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

_CHUNK = 1 << 18


class ExplorerServer(ThreadingHTTPServer):
    """Serves the files of one folder to this machine, below a path that nobody can guess.

    Every user of the machine reaches 127.0.0.1, and does not know the path. A page that a person visits can send
    requests there too: its browser then names another host or origin, and is refused.
    """

    daemon_threads = True

    def __init__(self, port: int):
        super().__init__((HOST, port), _Handler)
        self.path = f"/{secrets.token_urlsafe(16)}/"
        self.files: dict[str, Path] = {}
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def show(self, folder: Path) -> None:
        """Serve the files of this folder from now on."""
        self.files = {self.path + path.name: path for path in folder.iterdir() if path.suffix in TYPES}
        self.files[self.path] = folder / "index.html"

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}{self.path}"


def write_opener(path: Path, address: str) -> str:
    """Write a file, for this user alone, that leads a browser to the page; returns its address.

    Every user of the machine reads the arguments of a browser that is started, and so the page's own address there.
    """
    path.touch(mode=0o600)
    path.write_text(
        f'<!doctype html><title>cmdb explore</title><meta http-equiv="refresh" content="0; url={address}">\n'
        f'<a href="{address}">Explore the published dataset</a>\n',
        encoding="utf-8",
    )
    return path.as_uri()


@contextmanager
def listening(port: int) -> Iterator[ExplorerServer]:
    """A server that listens and shows no folder yet, closed when the block ends.

    Args:
        port: 0 for one that is free.

    Raises:
        OSError: the port is taken.
    """
    with ExplorerServer(port) as server:
        yield server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else a part waits, behind its headers, for the browser's delayed acknowledgement: 40 ms, fifty times a page.
    disable_nagle_algorithm = True
    server: ExplorerServer

    def handle(self) -> None:
        """Serve the requests of one connection; a tab that is closed or loaded again breaks it off."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def version_string(self) -> str:
        return "cmdb"

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: a query asks for dozens of parts."""

    def _serve(self) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
            return
        # The file that leads to the page is another site. To navigate there lets no site read it.
        is_opened = self.path == self.server.path and self.headers.get("Sec-Fetch-Dest") == "document"
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and not is_opened:
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        path = self.server.files.get(self.path.partition("?")[0])
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with path.open("rb") as file:
            size = path.stat().st_size
            wanted = self.headers.get("Range")
            part = requested_part(wanted, size) if wanted is not None else (0, size)
            if part is None:
                self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
                return
            first, length = part
            headers = {"Content-Type": TYPES[path.suffix], "Accept-Ranges": "bytes"}
            if path.name == REPORT:
                headers["Content-Security-Policy"] = REPORT_POLICY
            if wanted is not None:
                headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
            self._begin(HTTPStatus.OK if wanted is None else HTTPStatus.PARTIAL_CONTENT, length, headers)
            if self.command == "HEAD":
                return
            file.seek(first)
            while length > 0 and (chunk := file.read(min(_CHUNK, length))):
                self.wfile.write(chunk)
                length -= len(chunk)

    def _begin(self, status: HTTPStatus, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Security-Policy": POLICY,
            **headers,
            "Content-Length": str(length),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            # The data is another file after the next run.
            "Cache-Control": "no-cache",
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        said = f"{status.phrase}\n".encode()
        self._begin(status, len(said), {"Content-Type": TYPES[".txt"], **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(said)


def requested_part(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the length of the part that a Range header asks for; None where there is no such part.

    Several parts in one header are not served: the engine never asks for them.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group(0) == "bytes=-":
        return None
    begin, end = match.groups()
    if begin == "":
        length = min(int(end), size)
        return (size - length, length) if length else None
    first, last = int(begin), min(int(end), size - 1) if end else size - 1
    return (first, last - first + 1) if first <= last else None
