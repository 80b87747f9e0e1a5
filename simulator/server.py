"""The HTTP server: threads on 127.0.0.1, connections kept alive, and connections broken on command."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from simulator.app import Simulation, Wreck
from simulator.wire import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def make_http_server(simulation: Simulation, port: int) -> BaseWSGIServer:
    """A server that listens already; port 0 takes a free one."""

    class Handler(MotoRequestHandler):
        """werkzeug's handler without its habit to close each connection and wait 10 ms before it does."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def make_environ(self) -> dict[str, Any]:
            environ = super().make_environ()
            # werkzeug drops header names that hold an underscore; IAM Identity Center has one.
            if token := self.headers.get("x-amz-sso_bearer_token"):
                environ["HTTP_X_AMZ_SSO_BEARER_TOKEN"] = token
            return environ

        def run_wsgi(self) -> None:
            if self.headers.get("Expect", "").lower().strip() == "100-continue":
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.wfile.flush()
            answer = simulation.handle(self.make_environ())
            if isinstance(answer, Wreck):
                self._break(answer)
                return
            self._send(answer)

        def _send(self, response: Response) -> None:
            self.send_response_only(response.status)
            for name, value in response.headers.items():
                if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)
            self.wfile.flush()

        def _break(self, wreck: Wreck) -> None:
            if wreck.half:
                body = wreck.response.body
                head = (
                    f"HTTP/1.1 {wreck.response.status} OK\r\n"
                    f"Content-Type: {wreck.response.headers.get('Content-Type', 'text/xml')}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n"
                )
                self.connection.sendall(head.encode() + body[: len(body) // 2])
                time.sleep(0.05)  # a reset overtakes what has not been read yet
            # Closing with a linger time of zero sends RST; close() alone would wait for rfile and wfile.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):
                self.close_connection = True  # the client has gone, or `_break` has closed the socket

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """The call log has it."""

    return make_server("127.0.0.1", port, _unused, threaded=True, request_handler=Handler)


def _unused(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """The handler asks the simulation itself; werkzeug only wants an application to be there."""
    raise NotImplementedError
