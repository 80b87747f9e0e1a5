"""The SDK's own client, for tests that are not asynchronous: over stdio to `cmdb mcp`, or over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from anyio.abc import BlockingPortal
from anyio.from_thread import start_blocking_portal
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from nights import REPOSITORY


@dataclass(frozen=True)
class Asking:
    """A session with a server."""

    portal: BlockingPortal
    client: Client

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a tool."""
        result = self.portal.call(lambda: self.client.call_tool(name, arguments))
        assert not result.is_error, result.content[0].text
        answer: dict[str, Any] = result.structured_content
        return answer

    def refused(self, name: str, **arguments: Any) -> str:
        """The sentence of a tool that refuses."""
        result = self.portal.call(lambda: self.client.call_tool(name, arguments))
        assert result.is_error, result.structured_content
        return str(result.content[0].text)

    def do(self, method: str, *arguments: Any) -> Any:
        """Any other method of the client."""
        return self.portal.call(lambda: getattr(self.client, method)(*arguments))


@contextmanager
def over_stdio(database: Path, *arguments: str, **variables: str) -> Iterator[Asking]:
    """A session with a `cmdb mcp` that the client starts."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "pipelines.cli.main", "mcp", *arguments],
        env={"CMDB_DATABASE": str(database), **variables},
        cwd=REPOSITORY,
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(stdio_client(parameters))) as client,
    ):
        yield Asking(portal, client)


@contextmanager
def over_http(url: str, headers: Mapping[str, str]) -> Iterator[Asking]:
    """A session with a server that runs."""
    with start_blocking_portal() as portal:
        http = httpx2.AsyncClient(headers=dict(headers))
        with portal.wrap_async_context_manager(Client(streamable_http_client(url, http_client=http))) as client:
            yield Asking(portal, client)
