"""`cmdb status`: whether the warehouse is healthy, from its own files alone.

It sends no request and creates no file, so a timer outside of Dagster can call it: a night that never
began raises no alert of its own.
"""

import os
import re
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from pipelines.cli.command import Command, as_typed, demo_option, json_option, plainly, print_json, say, settings_of
from pipelines.cli.health import Run, Status, read_status
from pipelines.trust.ages import duration, moment

PATIENCE = 5.0
"""Seconds to wait for a run that has the working file open: it gives others a turn every `working.TURN_SECONDS`."""

SENTENCES_SHOWN = 5
"""Most sentences of one run on the screen; `--json` has all of them."""

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Age(click.ParamType[timedelta]):
    """An age such as 26h, 90m or 8d."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The age as a duration."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", str(value))
        if match is None:
            self.fail(f"{value!r} is no age: write a number and m, h or d, such as 26h.", param, ctx)
        return timedelta(**{UNITS[match[2]]: int(match[1])})


@click.command(cls=Command)
@click.option(
    "--max-age",
    type=Age(),
    default="26h",
    show_default=True,
    help="How old the newest trusted response may be: 26h, 8d.",
)
@click.option("--alert", "sends_alert", is_flag=True, help="Hand what is wrong to CMDB_ALERT_COMMAND.")
@demo_option
@json_option
@plainly
def status(max_age: timedelta, sends_alert: bool, demo: bool, as_json: bool) -> None:
    """Say whether the warehouse is healthy: its age, the last run, what is blocked, what waits. Asks nobody.

    Exit code 0 is healthy, 1 too old or blocked, 2 a wrong configuration or nothing there.

    Example: cmdb status --max-age 26h
    """
    from pipelines.cli.terminal import console, marked
    from pipelines.settings import SettingsError
    from resources.store.store import Store

    try:
        settings = settings_of(demo=demo)
    except SettingsError as error:
        # With such settings the daemon starts no run either, so this is when the alert matters most.
        if sends_alert:
            _alert(
                os.environ.get("CMDB_ALERT_COMMAND", "").strip(),
                os.environ.get("CMDB_NOTIFY", "").strip(),
                "",
                [str(error)],
            )
        raise
    found = read_status(Store(settings.database, patience=PATIENCE), settings, max_age)
    if as_json:
        print_json(asdict(found) | {"forecast": found.forecast.facts() if found.forecast else None})
    else:
        for line in lines(found):
            console().print(marked(as_typed(line, demo=demo)))
    if found.exit_code and sends_alert:
        run_id = found.last_run.run_id if found.last_run else ""
        _alert(settings.alert_command, settings.notify, run_id, found.sentences)
    if found.exit_code:
        raise click.exceptions.Exit(found.exit_code)


def _alert(command: str, addresses: str, run_id: str, sentences: list[str]) -> None:
    from pipelines.alerts import announce_failure

    for sentence in announce_failure(command, addresses, run_id, "status", sentences) or [
        "Neither CMDB_ALERT_COMMAND nor CMDB_NOTIFY is set: nobody was alerted."
    ]:
        say(sentence, err=True)


# ----------------------------------------------------------------------------------------------------- the output


def lines(found: Status) -> list[str]:
    """The state of a warehouse for people, one line a fact."""
    published, last, blocked = found.published, found.last_run, found.blocked
    said = [f"✗ {found.database} needs attention." if found.problems else f"✓ {found.database} is healthy."]
    if published is not None:
        ended = moment(published.finished_at) if published.finished_at else "at an unknown time"
        said.append(f"  published      run {published.run_id}, ended {ended}")
        said.append(
            f"  age            {duration(timedelta(seconds=max(published.age_seconds, 0)))}: newest trusted response "
            f"{moment(published.answered_at)}"
        )
    elif found.exit_code != 2:
        said.append("  published      nothing")
    if last is not None:
        said.append(f"  last run       {last.run_id}, {last.outcome}, began {moment(last.started_at)}")
        said.append(
            f"  its cost       {last.request_count:,} requests, {last.api_cost_usd:,.2f} USD"
            + (f" ({'; '.join(map(str, last.paid))})" * bool(last.paid))
        )
    if blocked is not None:
        said.append(f"  blocked        since {moment(blocked.first.started_at)}, run {blocked.first.run_id}")
    if found.forecast is not None:
        said.append(f"  next run       at most {found.forecast.cost_usd:,.2f} USD")
        said += [f"                 {one}" for one in found.forecast.next_run]
    if found.waiting_zeros is not None:
        total, accounts = sum(found.waiting_zeros.values()), len(found.waiting_zeros)
        said.append(f"  zeros waiting  {total:,}" + (f" in {accounts:,} account(s), for CloudTrail" if total else ""))
    said.append(f"  working now    {found.working or 'nobody'}")
    said += [f"! {note}" for note in found.notes]
    said += [f"✗ {problem}" for problem in found.problems]
    if blocked is not None:
        said += _run_lines(blocked.first)
        if blocked.run_count > 1 and blocked.last.sentences != blocked.first.sentences:
            said += _run_lines(blocked.last)
    return [" ".join(line.splitlines()) for line in said]


def _run_lines(run: Run) -> list[str]:
    shown = [f"✗ {run.run_id}: {sentence}" for sentence in run.sentences[:SENTENCES_SHOWN]]
    left = len(run.sentences) - len(shown)
    return [*shown, *([f"  and {left:,} more, in `cmdb coverage --blocked`"] if left else [])]
