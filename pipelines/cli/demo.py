"""`cmdb demo` and `cmdb dev`: runs and the UI on a simulated organisation, each in a process of its own.

Neither touches the real warehouse: the demo's file, landing and AWS configuration are in warehouse/demo/.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.command import Command, plainly
from pipelines.cli.dagster_home import closed_to_others, prepare_dagster_home
from pipelines.cli.faults import FAULT_NAMES
from pipelines.cli.simulation import require_simulator, run_command, simulated
from resources.contract import CONTRACT
from resources.identity_rules import CENTRAL_ROLES
from resources.installation import IS_CHECKOUT, WORKING_FOLDER

if TYPE_CHECKING:
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
@plainly
def demo(fault: str) -> None:
    """Run the nightly job on a simulated organisation, in warehouse/demo/; nothing real is touched.

    Faults that a run must refuse: silent_zero, denied, same_account_twice, expired, throttle_forever.
    Faults that a run must survive: empty_page, throttle.

    Example: cmdb demo --lie silent_zero
    """
    code = run_demo(fault, os.environ)
    if code:
        raise click.exceptions.Exit(code)


@click.command(cls=Command, hidden=True)
@plainly
def dev() -> None:
    """Open the Dagster UI on 127.0.0.1 (`make dev`)."""
    raise click.exceptions.Exit(run_dev(os.environ))


def run_demo(fault: str, environment: MutableMapping[str, str]) -> int:
    """Run the demo without a fault, or with one fault after such a run; returns the exit code of the last run."""
    from pipelines.settings import DEMO_DATABASE
    from resources.store.store import Store

    require_simulator()
    if fault and fault not in FAULT_NAMES:
        click.echo(f"There is no fault {fault!r}. There are: {', '.join(FAULT_NAMES)}. Nothing was run.", err=True)
        return 2
    prepare_dagster_home(environment)
    DEMO_DATABASE.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    store = Store(DEMO_DATABASE)
    with simulated(environment) as (organisation, child):
        if not fault:
            return _run(child)
        if not any(version.is_current for version in store.versions()):
            click.echo("Nothing is published yet: first a run without faults.")
            code = _run(child)
            if code:
                return code
        before = _fingerprint(store)
        described = organisation.lie(fault)
        click.echo(f"\nThe fault {fault}: {described['description']}")
        code = _run(child)
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


def _run(environment: Mapping[str, str]) -> int:
    return run_command(environment, "nightly", "--demo")


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
    with simulated(environment) as (_, child):
        return _serve(child, port)


STOPS_WITHIN = 20.0
"""Seconds in which the UI and the daemon end by themselves; after that they are killed."""


def _serve(environment: Mapping[str, str], port: str) -> int:
    # `dg` reads the checkout's pyproject.toml; an installation has none.
    program, *what = ("dg", "dev") if IS_CHECKOUT else ("dagster", "dev", "--module-name", "pipelines.definitions")
    program = shutil.which(program, path=str(Path(sys.executable).parent)) or program
    with (
        closed_to_others(),
        _interrupted_by(signal.SIGTERM, signal.SIGHUP),
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


@contextmanager
def _interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """Treat these signals as Ctrl-C: a service manager sends SIGTERM, a terminal that is closed SIGHUP."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
