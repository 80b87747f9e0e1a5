"""`cmdb report`: write the report of the published dataset."""

from datetime import UTC, datetime
from pathlib import Path

import click

from pipelines.cli.command import Command, Misused, demo_option, plainly, say, settings_of


@click.command(cls=Command)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where; beside the published file else."
)
@demo_option
@plainly
def report(output: Path | None, demo: bool) -> None:
    """Write the report of the published dataset: one self-contained HTML file. Every nightly run does so too.

    Example: cmdb report --output ~/cost.html
    """
    from pipelines.report.writing import report_path, write_report
    from resources.store.store import Store

    settings = settings_of(demo=demo)
    store = Store(settings.database)
    if output is not None and output.suffix != ".html":
        raise Misused(f"The report is an HTML page, so {output} has to end in .html. Nothing was written.")
    written = write_report(store, output or report_path(store.database), datetime.now(UTC), settings.ui_url)
    say(f"{written.path} shows what run {written.run_id} published ({written.size:,} bytes). Open it in a browser.")
