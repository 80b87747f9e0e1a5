"""`cmdb demo` and `cmdb dev`: runs and the UI on a simulated organisation, each in a process of its own.

Neither touches the real warehouse: the demo's file, landing and AWS configuration are in warehouse/demo/.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.changes import changes_of_newest_run
from pipelines.cli.command import Command, Misused, interrupted_by, plainly
from pipelines.cli.dagster_home import closed_to_others, prepare_dagster_home
from pipelines.cli.faults import FAULT_NAMES
from pipelines.cli.simulation import Nights, require_simulator, run_command, simulated
from resources.contract import CONTRACT
from resources.identity_rules import CENTRAL_ROLES
from resources.installation import IS_CHECKOUT, WORKING_FOLDER
from resources.store.sql import literal

if TYPE_CHECKING:
    from pipelines.cli.simulation import Simulator
    from resources.store.store import Store


@click.command(cls=Command)
@click.option(
    "--lie",
    "fault",
    default="",
    metavar="NAME",
    help="Give the simulated AWS a fault in a second run.",
    shell_complete=lambda context, parameter, typed: [name for name in FAULT_NAMES if name.startswith(typed)],
)
@click.option(
    "--night",
    type=click.IntRange(1, 2),
    metavar="N",
    help="Run this night: 1 as the organisation was founded, 2 after what is planned. The next one by default.",
)
@plainly
def demo(fault: str, night: int | None) -> None:
    """Run the nightly job on a simulated organisation, in warehouse/demo/; nothing real is touched.

    The first time it runs two nights, if the first takes less than two minutes. Between them things are created,
    changed, moved, deleted and restated; the second night says what it found. Later nights find nothing new.

    Faults that a run must refuse: silent_zero, denied, same_account_twice, expired, throttle_forever.
    Faults that a run must survive: empty_page, throttle.

    Example: cmdb demo --lie silent_zero
    """
    if fault and night:
        raise Misused("A fault is met on the night that the demo is at: leave out --night, or --lie.")
    code = run_demo(fault, os.environ, night)
    if code:
        raise click.exceptions.Exit(code)


@click.command(cls=Command, hidden=True)
@plainly
def dev() -> None:
    """Open the Dagster UI on 127.0.0.1 (`make dev`)."""
    raise click.exceptions.Exit(run_dev(os.environ))


QUICK = 120.0
"""Seconds that a first night may take for the second one to follow without being asked for."""


def run_demo(fault: str, environment: MutableMapping[str, str], night: int | None = None) -> int:
    """Run the next night of the demo, or one with a fault after such a night; returns the exit code of the last run.

    Args:
        fault: its name; empty for none.
        environment: gets Dagster's folder.
        night: 1 or 2, whatever ran before; None for the next one.

    Raises:
        Misused: the first night is asked for, and the organisation has moved on.
    """
    from pipelines.settings import DEMO_DATABASE
    from resources.store.store import Store

    require_simulator()
    if fault and fault not in FAULT_NAMES:
        click.echo(f"There is no fault {fault!r}. There are: {', '.join(FAULT_NAMES)}. Nothing was run.", err=True)
        return 2
    store = Store(DEMO_DATABASE)
    nights = Nights.read(DEMO_DATABASE)
    if night == 1 and nights.moved_on:
        raise Misused(
            f"The demo is past its first night, and its organisation does not go back. Remove {DEMO_DATABASE.parent} "
            "to begin again. Nothing was run."
        )
    prepare_dagster_home(environment)
    DEMO_DATABASE.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with simulated(environment, moved_on=nights.moved_on) as (organisation, child):
        if fault:
            return _with_fault(fault, organisation, child, store)
        return _Demo(organisation, child, store, nights).run(night)


class _Demo:
    """The nights of one call of the command."""

    def __init__(
        self, organisation: "Simulator", environment: Mapping[str, str], store: "Store", nights: Nights
    ) -> None:
        self._organisation, self._environment, self._store = organisation, environment, store
        self._nights = nights

    def run(self, wanted: int | None) -> int:
        """Run the wanted night, or the next; returns the exit code of the last run."""
        if self._nights.number == 0:
            began = time.monotonic()
            code = self._night(1)
            seconds = time.monotonic() - began
            if code or wanted == 1:
                return code
            if wanted is None and seconds >= QUICK:
                click.echo(
                    f"\nThe first night took {seconds:,.0f} seconds. `.venv/bin/cmdb demo` runs the second, which "
                    "finds what has changed."
                )
                return code
        elif wanted == 1:
            return self._night(1)
        if self._nights.moved_on is None:
            self._move_on()
        return self._night(wanted or max(2, self._nights.number + 1))

    def _move_on(self) -> None:
        """Let the plan happen, and say so before the run: if it fails, the next one finds the same organisation."""
        today = datetime.now(UTC).date()
        happened = self._organisation.move_on(today)
        kinds = Counter(entry["kind"] for entry in happened)
        self._nights = Nights(self._nights.number, today)
        self._nights.write(self._store.database)
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        from resources.store.files import atomic_write

        listed = self._store.database.with_name("second-night.md")
        with atomic_write(listed) as file:
            file.writelines(_planned(happened))
        click.echo(
            f"\nBefore the second night {len(happened)} things happen in the organisation: {counted}.\n"
            f"{listed} has each of them, with the row that shows it."
        )

    def _night(self, number: int) -> int:
        code = run_command(self._environment, "nightly", "--demo")
        if code:
            return code
        before, self._nights = self._nights, Nights(max(number, self._nights.number), self._nights.moved_on)
        self._nights.write(self._store.database)
        again = " again" if before.number >= number else ""
        click.echo(f"\nThat was night {number} of the demo{again}.")
        if number > 1:
            for line in changes_of_newest_run(self._store):
                click.echo(f"  {line}")
        return code


def _planned(happened: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What happens before the second night, in Markdown."""
    yield "# What happens before the second night, and the rows that show it\n"
    for entry in happened:
        yield f"\n- {entry['sentence']} ({entry['kind']})\n"
        for shown in entry["shows"]:
            where = " and ".join(f"{name} = {_literal(value)}" for name, value in shown["where"].items())
            row = ", ".join(f"{name} is {_literal(value)}" for name, value in shown["row"].items())
            there = "no row" if shown["count"] == 0 else row or "a row"
            yield f"  - `{shown['relation']}` where `{where}`: {there}\n"


def _literal(value: Any) -> str:
    return "null" if value is None else literal(value) if isinstance(value, str) else str(value).lower()


def _with_fault(fault: str, organisation: "Simulator", child: Mapping[str, str], store: "Store") -> int:
    if not any(version.is_current for version in store.versions()):
        click.echo("Nothing is published yet: first a run without faults.")
        code = run_command(child, "nightly", "--demo")
        if code:
            return code
        Nights(1).write(store.database)
    before = _fingerprint(store)
    described = organisation.lie(fault)
    click.echo(f"\nThe fault {fault}: {described['description']}")
    code = run_command(child, "nightly", "--demo")
    after = _fingerprint(store)
    click.echo(
        f"Lied about: role {described['role']}, account {described['account_id']}, "
        f"{described.get('listing') or described.get('operation')}."
    )
    if before == after:
        click.echo(f"The published file is as it was: {after[0]}, SHA-256 {after[1]}.")
    else:
        click.echo(f"The published file is new: {after[0]}; it was {before[0]}.")
    return code


def _fingerprint(store: "Store") -> tuple[str, str]:
    current = next(version for version in store.versions() if version.is_current)
    return current.name, current.sha256


def run_dev(environment: MutableMapping[str, str]) -> int:
    """Run the Dagster UI and daemon on 127.0.0.1 (port `CMDB_PORT`, 3000), with real profiles if all three are set."""
    from pipelines.settings_file import load

    load(environment)
    is_real = all(environment.get(CONTRACT[role].profile_env) for role in CENTRAL_ROLES)
    if not is_real:
        require_simulator()
    prepare_dagster_home(environment)
    port = environment.get("CMDB_PORT", "3000")
    if is_real:
        return _serve(environment, port)
    click.echo("The three central profiles are not set: the UI shows the simulated organisation (warehouse/demo/).")
    from pipelines.settings import DEMO_DATABASE

    with simulated(environment, moved_on=Nights.read(DEMO_DATABASE).moved_on) as (_, child):
        return _serve(child, port)


STOPS_WITHIN = 20.0
"""Seconds in which the UI and the daemon end by themselves; after that they are killed."""


def _serve(environment: Mapping[str, str], port: str) -> int:
    # `dg` reads the checkout's pyproject.toml; an installation has none.
    program, *what = ("dg", "dev") if IS_CHECKOUT else ("dagster", "dev", "--module-name", "pipelines.definitions")
    program = shutil.which(program, path=str(Path(sys.executable).parent)) or program
    with (
        closed_to_others(),
        interrupted_by(signal.SIGTERM, signal.SIGHUP),
        subprocess.Popen(
            [program, *what, "--host", "127.0.0.1", "--port", port],
            # dg requires that the virtual environment in which it is installed is the active one.
            env=dict(environment) | {"VIRTUAL_ENV": sys.prefix},
            cwd=WORKING_FOLDER,
            # dg passes no signal on to the webserver and the daemon, so all of them get it from here.
            process_group=0,
        ) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=STOPS_WITHIN)
            # Whatever is left of the group; mostly nothing is.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return 0
