"""`cmdb confirm`: look up zeros in CloudTrail that CloudTrail had not recorded during their run."""

import os
from typing import TYPE_CHECKING

import click

from pipelines.cli.command import Command, Misused, demo_option, json_option, plainly, print_json, settings_of
from pipelines.cli.dagster_home import prepare_dagster_home
from pipelines.cli.run import ending, run_with_progress
from pipelines.cli.simulation import simulates_demo

if TYPE_CHECKING:
    from resources.store.store import Store


@click.command(cls=Command)
@demo_option
@json_option
@plainly
@simulates_demo
def confirm(demo: bool, as_json: bool) -> None:
    """Look up zeros in CloudTrail that it had not recorded yet, then build and publish.

    CloudTrail records a call minutes after it. Run it half an hour after `cmdb nightly`; the next run does it too.

    Example: cmdb confirm
    """
    from pipelines.cli.terminal import console, marked
    from pipelines.collection.confirmation import waits
    from pipelines.collection.confirmation_assets import CONFIRM
    from resources.store.errors import OlderSchema
    from resources.store.store import Store

    settings = settings_of(demo=demo)
    prepare_dagster_home(os.environ)
    store = Store(settings.database)
    if not store.working.exists():
        raise Misused(f"{store.working} does not exist: there was no run yet. Nothing was looked up. Run cmdb nightly.")
    nothing = f"No zero waits for CloudTrail. {settings.database} is as it was."
    try:
        is_needed = waits(store)
    except OlderSchema as error:
        # No failure: the next run, which has to come first, looks up too.
        is_needed, nothing = False, f"Nothing was looked up. {error}"
    if not is_needed:
        if as_json:
            print_json({"published": False, "exit_code": 0} | _texts(nothing))
        else:
            console().print(nothing, markup=False)
        return
    run = run_with_progress(store, CONFIRM, on_stderr=as_json)
    with ending(run, CONFIRM, settings, console(on_stderr=True), demo=demo):
        sentence = zeros_sentence(store, run.run_id)
        if as_json:
            outcome = {"run_id": run.run_id, "published": run.published, "exit_code": run.exit_code} | _texts(sentence)
            print_json(outcome | {"sentences": run.sentences, "warnings": run.warnings})
            return
        screen = console()
        state = f"Published {settings.database}" if run.published else f"{settings.database} is as it was."
        for line in (*filter(None, [sentence]), *(f"✗ {s}" for s in run.sentences), state):
            screen.print(marked(line))


def _texts(sentence: str) -> dict[str, str]:
    """The sentence as JSON; `said` is the key of the release before, for one version."""
    return {"sentence": sentence, "said": sentence}


def zeros_sentence(store: "Store", run_id: str) -> str:
    """A sentence on the result of a run's CloudTrail look-up; empty if the run looked up nothing."""
    with store.read() as connection:
        row = connection.execute(
            "select observed from audit.check_result where run_id = $run_id and check_name = 'zeros_are_confirmed'",
            {"run_id": run_id},
        ).fetchone()
    return "" if row is None else str(row[0])
