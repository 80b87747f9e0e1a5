"""The simulated organisation behind the demo, and commands that run on it in a process of their own."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from pipelines.cli.command import Misused
from resources.contract import ROLES, policy
from resources.installation import IS_CHECKOUT, SIMULATED, WORKING_FOLDER

if TYPE_CHECKING:
    from simulator.client import Simulator as Simulator


P = ParamSpec("P")


class NoSimulator(Misused):
    """The simulated organisation cannot be started. The message says why and what to do."""


INTERRUPTED_FOR = 20.0
"""Seconds in which an interrupted run ends by itself; after that it is interrupted once more."""

NEEDS = ("moto", "flask", "flask_cors")
"""Libraries of the simulated organisation, which an installation for real runs does not need."""


def require_simulator() -> None:
    """Check that the simulated organisation is installed, before anything is written for it.

    Raises:
        NoSimulator: a library is missing.
    """
    missing = [name for name in ("simulator", *NEEDS) if not _is_installed(name)]
    if missing:
        how = "`make demo`" if IS_CHECKOUT else '`pip install "aws-org-cmdb[simulator]"`'
        raise NoSimulator(
            f"The simulator cannot be loaded, since {' and '.join(missing)} is not installed. Nothing was run. "
            f"Install it with {how}."
        )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:
        # `sys.modules` has an entry of None for the module.
        return False


@dataclass(frozen=True)
class Nights:
    """How far the demo's warehouse is.

    Attributes:
        number: of the newest night that published; 0 before the first.
        moved_on: the day on which everything happened that is planned for the second night; None before it.
    """

    number: int = 0
    moved_on: date | None = None

    @classmethod
    def read(cls, database: Path) -> "Nights":
        """The nights of a demo's published file; none where there is no such file."""
        if not database.exists():
            return cls()
        try:
            kept = json.loads(_nights_file(database).read_text(encoding="utf-8"))
            return cls(int(kept["number"]), date.fromisoformat(kept["moved_on"]) if kept["moved_on"] else None)
        except (OSError, ValueError, KeyError, TypeError):
            # A release that had one world alone kept none.
            return cls(1)

    def write(self, database: Path) -> None:
        """Keep them beside the published file."""
        from resources.store.files import atomic_write

        moved_on = self.moved_on.isoformat() if self.moved_on else None
        with atomic_write(_nights_file(database)) as file:
            json.dump({"number": self.number, "moved_on": moved_on}, file)


def _nights_file(database: Path) -> Path:
    return database.with_name("nights.json")


@contextmanager
def simulated(
    environment: Mapping[str, str], *, moved_on: date | None = None
) -> Iterator[tuple["Simulator", dict[str, str]]]:
    """A running simulated organisation, and the environment that directs every AWS client to it.

    Args:
        environment: without what leads to another organisation.
        moved_on: the day on which everything happened that is planned for the second night; None for the
            organisation of the first night.

    Raises:
        NoSimulator: the simulated organisation is not installed, or did not start.
    """
    try:
        # Only the demo and the tests need the simulator; an installation for real runs may lack its libraries.
        from simulator import client
    except ImportError as error:
        raise NoSimulator(f"The simulator cannot be loaded ({error}). Nothing was run.") from error
    from pipelines.settings import DEMO_DATABASE

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmdb-demo-")))
        policies: dict[str, dict[str, Any]] = {role: policy(role, optional=True) for role in ROLES}
        try:
            # The simulated clock skips CloudTrail's delay before a look-up, so the first screen shows verified zeros.
            organisation = stack.enter_context(client.start(folder, policies, trail_passes=True))
        except client.SimulatorError as error:
            raise NoSimulator(f"{str(error).strip().splitlines()[-1]} Nothing was run.") from error
        if moved_on is not None:
            organisation.move_on(moved_on)
        child = organisation.environment(environment)
        child["CMDB_DATABASE"] = str(DEMO_DATABASE)
        # The settings file belongs to the real organisation.
        child["CMDB_SETTINGS"] = os.devnull
        # Nobody pays for simulated requests, so the first run fetches the whole history, and each later run all it
        # wants.
        child.setdefault("CMDB_COST_REQUEST_LIMIT", "100000")
        child[SIMULATED] = "1"
        yield organisation, child


def simulates_demo(command: Callable[P, None]) -> Callable[P, None]:
    """With `--demo`, run a command that sends requests in a process that leads to the simulated organisation.

    The environment of the caller may lead to a real one.
    """

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        from pipelines.settings import DEMO_DATABASE

        if not kwargs.get("demo") or os.environ.get(SIMULATED):
            command(*args, **kwargs)
            return
        context = click.get_current_context()
        require_simulator()
        with simulated(os.environ, moved_on=Nights.read(DEMO_DATABASE).moved_on) as (_, environment):
            raise click.exceptions.Exit(run_command(environment, str(context.info_name), *_words(context)))

    return wrapped


def _words(context: click.Context) -> Iterator[str]:
    """The options and arguments with which a command was called, as they can be typed."""
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if isinstance(parameter, click.Option) and value:
            yield parameter.opts[0]
        if value and value is not True:
            yield str(value)


def run_command(environment: Mapping[str, str], *arguments: str) -> int:
    """Run a command of ours in a process of its own; returns its exit code, also where both are interrupted."""
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli.main", *arguments],
        env=dict(environment),
        # The folder in which this command was started; an installation would otherwise use its installation folder.
        cwd=WORKING_FOLDER,
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # A terminal interrupts both; the run ends itself, with its own sentence and exit code.
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=INTERRUPTED_FOR)
            process.send_signal(signal.SIGINT)
            return process.wait()
