"""`cmdb explore`: the page to explore the published dataset with, served to this machine."""

import click

from pipelines.cli.command import Command, Misused, demo_option, interrupted_by, plainly, say, settings_of, store_of


@click.command(cls=Command)
@click.option("--open", "opens", is_flag=True, help="Open the page in this machine's browser.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of 127.0.0.1; a free one else.")
@demo_option
@plainly
def explore(opens: bool, port: int, demo: bool) -> None:
    """Serve a page to filter, search and download the published dataset with, until interrupted.

    From a total to its rows, and from a row to the request that it came from. A browser's own DuckDB answers; nothing
    leaves this machine. `cmdb export explorer DIR` writes the same page for a web server.

    Example: cmdb explore --open
    """
    import signal
    import tempfile
    import webbrowser
    from contextlib import ExitStack
    from pathlib import Path

    from pipelines.explorer.folder import export_explorer, require_build
    from pipelines.explorer.server import HOST, listening, write_opener
    from resources.store.files import private_files

    require_build()
    store = store_of(demo=demo)
    store.require_current_schema()
    with ExitStack() as stack:
        try:
            server = stack.enter_context(listening(port))
        except OSError as error:
            raise Misused(
                f"Port {port} of {HOST} cannot be used ({error.strerror}), so nothing is served; choose another --port."
            ) from error
        stack.enter_context(private_files())
        stack.enter_context(interrupted_by(signal.SIGTERM, signal.SIGHUP))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmdb-explore-")), "explorer")
        try:
            written = export_explorer(folder, store, settings_of(demo=demo).ui_url)
            server.show(folder)
            say(f"Serving {written.published} at {server.address} until interrupted (Ctrl-C).")
            if opens and not webbrowser.open(write_opener(folder.with_name("open.html"), server.address)):
                say("No browser could be started here. Open the address in one.", err=True)
            server.serve_forever()
        except KeyboardInterrupt:
            say("Stopped.")
