"""The simulated organisation behind the demo, and commands that run on it in a process of their own."""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.command import Misused
from resources.contract import ROLES, policy
from resources.installation import IS_CHECKOUT, WORKING_FOLDER

if TYPE_CHECKING:
    from simulator.client import Simulator


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


@contextmanager
def simulated(environment: Mapping[str, str]) -> Iterator[tuple["Simulator", dict[str, str]]]:
    """A running simulated organisation, and the environment that directs every AWS client to it.

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
        child = organisation.environment(environment)
        child["CMDB_DATABASE"] = str(DEMO_DATABASE)
        # The settings file belongs to the real organisation.
        child["CMDB_SETTINGS"] = os.devnull
        # Nobody pays for simulated requests, so the first run fetches the whole history, and each later run all it
        # wants.
        child.setdefault("CMDB_COST_REQUEST_LIMIT", "100000")
        yield organisation, child


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
