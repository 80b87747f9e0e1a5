"""`cmdb digest`: what the newest published run has to say, in at most ten lines."""

from dataclasses import asdict

import click

from pipelines.cli.command import (
    Command,
    Misused,
    Refused,
    demo_option,
    json_option,
    plainly,
    print_json,
    say,
    settings_of,
)


@click.command(cls=Command)
@click.option("--send", "is_sent", is_flag=True, help="Send it to the addresses of CMDB_NOTIFY too.")
@demo_option
@json_option
@plainly
def digest(is_sent: bool, demo: bool, as_json: bool) -> None:
    """Print what the newest published run has to say: spend, movers, anomalies, budgets, what is unknown.

    Every nightly run that publishes sends it to CMDB_NOTIFY.

    Example: cmdb digest --send
    """
    from pipelines.notifying import notify
    from pipelines.report.digest import read_digest
    from resources.store.store import Store

    if is_sent and demo:
        raise Misused("The demo notifies nobody, so nothing was sent. Leave --send or --demo out.")
    settings = settings_of(demo=demo)
    if is_sent and not settings.notify:
        raise Misused("CMDB_NOTIFY names nobody, so nothing was sent. Set it to addresses of Apprise.")
    found = read_digest(Store(settings.database))
    if as_json:
        print_json(asdict(found))
    else:
        say(f"{found.title}\n{found.text}")
    if is_sent:
        outcome = notify(settings.notify, found.title, found.text, is_bad=False)
        if not outcome.is_whole:
            raise Refused(outcome.sentence)
        say(outcome.sentence, err=True)
