"""`cmdb diff`: what differs between two published runs."""

from pathlib import Path

import click

from pipelines.cli.command import Command, Misused, demo_option, json_option, plainly, print_json, say, store_of


@click.command(cls=Command)
@click.argument("before")
@click.argument("after")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the comparison as an HTML page too."
)
@demo_option
@json_option
@plainly
def diff(before: str, after: str, output: Path | None, demo: bool, as_json: bool) -> None:
    """Show what differs between two nights: items, rules, cost, coverage.

    BEFORE and AFTER are days such as 2026-03-31, times, or runs; `cmdb history` lists them. What one of the two runs
    could not judge is unknown since, and never counts as gone.

    Example: cmdb diff 2026-03-31 2026-04-30
    """
    from pipelines.differences.comparing import compare
    from pipelines.differences.page import write_page
    from pipelines.differences.text import as_data, as_text

    if output is not None and output.suffix != ".html":
        raise Misused(
            f"The comparison is written as an HTML page, so {output} has to end in .html. Nothing was written."
        )
    store = store_of(demo=demo)
    first, last = store.history.find(before), store.history.find(after)
    if first.number > last.number:
        raise Misused(f"{before} is later than {after}: {first}, then {last}. Name the earlier night first.")
    comparison = compare(store, first, last)
    if output is not None:
        write_page(comparison, output)
        say(f"{output} shows it. Open it in a browser.", err=True)
    if as_json:
        print_json(as_data(comparison))
        return
    say(as_text(comparison))
