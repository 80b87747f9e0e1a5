"""`cmdb history`: the published runs that `--as-of` can go back to."""

import click

from pipelines.cli.command import Command, Refused, demo_option, json_option, plainly, print_json, say, store_of


@click.command(cls=Command)
@demo_option
@json_option
@plainly
def history(demo: bool, as_json: bool) -> None:
    """List the published runs that `cmdb sql --as-of`, `cmdb diff` and `cmdb export duckdb` can go back to.

    Example: cmdb history
    """
    publications = store_of(demo=demo).history.publications()
    if as_json:
        print_json([publication.as_data() for publication in publications])
        return
    if not publications:
        raise Refused(
            "The history is empty: it begins with the next run that publishes, unless CMDB_HISTORY_RUNS is 0."
        )
    for publication in publications:
        say(f"{publication.published_at:%Y-%m-%d %H:%M:%S} UTC  {publication.run_id}")
