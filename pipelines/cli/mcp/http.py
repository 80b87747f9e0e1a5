"""The server over HTTP: on 127.0.0.1 alone, for whoever has the token, and for no web page of another origin."""

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

HOST = "127.0.0.1"

SHORTEST_TOKEN = 24
"""Characters that a token needs at least; `python3 -c 'import secrets; print(secrets.token_urlsafe())'` makes more."""


class TokenCheck:
    """Lets a request through that has the token, names this host, and comes from no other origin.

    A page that a person visits can send requests to 127.0.0.1: its browser then names the page's origin, or, where a
    name was bound to this address, that name as the host.
    """

    def __init__(self, app: "ASGIApp", token: str, port: int):
        self.app = app
        self.token = token.encode()
        self.hosts = {f"{name}:{port}" for name in (HOST, "localhost")}

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve a request, or refuse it with a sentence."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        from starlette.responses import PlainTextResponse

        refusal = self.refusal({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            status, sentence = refusal
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            await PlainTextResponse(sentence, status, headers)(scope, receive, send)

    def refusal(self, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Why a request is refused, with the status; None where it is not. Names of headers are in small letters."""
        if headers.get("host", "") not in self.hosts:
            return 421, f"This server is {HOST} and no other host."
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] not in self.hosts:
            return 403, "Requests of other origins are refused."
        scheme, _, token = headers.get("authorization", "").partition(" ")
        # Compared in constant time, so that the time tells nothing about the token.
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self.token):
            return 401, "Send the header Authorization: Bearer with the value of CMDB_MCP_TOKEN."
        return None


def application(server: "MCPServer[Any]", token: str, port: int) -> TokenCheck:
    """The server at `/mcp`, as an ASGI application."""
    return TokenCheck(server.streamable_http_app(stateless_http=True, json_response=True), token, port)


def serve(server: "MCPServer[Any]", token: str, port: int) -> None:
    """Serve until the process is interrupted.

    Raises:
        OSError: the port is taken.
    """
    import socket

    import uvicorn

    # Bound here, because uvicorn would end the process with a log line where the port is taken.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        config = uvicorn.Config(application(server, token, port), log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])
