"""`cmdb mcp`: serve the published file to assistants by the Model Context Protocol."""

import os

import click

from pipelines.cli.command import Command, Misused, demo_option, plainly, say, store_of

TOKEN = "CMDB_MCP_TOKEN"


@click.command(cls=Command, name="mcp")
@click.option("--http", is_flag=True, help=f"Serve http://127.0.0.1:PORT/mcp for holders of {TOKEN}, instead of stdio.")
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="With --http.")
@demo_option
@plainly
def mcp(http: bool, port: int, demo: bool) -> None:
    """Serve the published file to an assistant by the Model Context Protocol; nothing can be changed through it.

    Each answer says as of when it is, how much of its scope was judged and what is unknown. A client starts the command
    itself and speaks with it over stdin and stdout.

    Example: cmdb mcp --demo
    """
    from importlib.metadata import version
    from importlib.util import find_spec

    from pipelines.cli.mcp.http import SHORTEST_TOKEN

    if find_spec("mcp") is None:
        raise Misused(
            "`cmdb mcp` needs the extra mcp, which is not installed: pip install 'aws-org-cmdb[mcp]', or in a checkout "
            "`sh scripts/setup mcp`."
        )
    # What a file or a secret store adds at its end, such as a line feed, no header can carry.
    token = os.environ.get(TOKEN, "").strip()
    if http and not (token.isascii() and token.isprintable()):
        raise Misused(
            f"{TOKEN} has characters that are not ASCII or not visible, which clients cannot send, so nothing was "
            "started: give it others, such as `openssl rand -hex 32` prints."
        )
    if http and len(token) < SHORTEST_TOKEN:
        raise Misused(
            f"{TOKEN} {'is too short' if token else 'is not set'}, so nothing was started: give it at least "
            f"{SHORTEST_TOKEN} characters that nobody can guess, such as `openssl rand -hex 32` prints."
        )
    store = store_of(demo=demo)
    store.require_current_schema()

    from pipelines.cli.mcp.queries import Published
    from pipelines.cli.mcp.server import server_of

    server = server_of(Published(store, demo=demo), version("aws-org-cmdb"))
    if not http:
        server.run("stdio")
        return
    from pipelines.cli.mcp.http import serve

    say(f"Serving http://127.0.0.1:{port}/mcp until interrupted.", err=True)
    try:
        serve(server, token, port)
    except OSError as error:
        raise Misused(f"Port {port} of 127.0.0.1 cannot be used ({error.strerror}); choose another --port.") from error
