"""The simulated organisation as fixtures, and a process in which no test can reach anything else.

botocore looks below HOME for the cache of sign-in tokens once, when it is imported: HOME is set before that.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from resources.contract import ROLES, policy
from simulator.client import Simulator, is_foreign, start

pytest_plugins = ["nights", "browser"]

_HOME = tempfile.TemporaryDirectory(prefix="cmdb-tests-")
os.environ["HOME"] = _HOME.name
for _name in [name for name in os.environ if is_foreign(name) or name == "DAGSTER_HOME"]:
    del os.environ[_name]

# A shell without job control starts what runs in the background with Ctrl+C ignored; tests of an interruption send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test-large` loads it: the properties are tried with more examples.
settings.register_profile("many")

MakeOrganisation = Callable[..., Simulator]


def policies() -> dict[str, dict[str, Any]]:
    """What the contract grants each role, optional grants included."""
    return {role: policy(role, optional=True) for role in ROLES}


def lead_to(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point this process at a simulator and at nothing else."""
    for name in [name for name in os.environ if is_foreign(name)]:
        monkeypatch.delenv(name)
    for name, value in simulator.env.items():
        monkeypatch.setenv(name, value)


def sign_in(simulator: Simulator) -> None:
    """Put a simulator's sign-in token where this process's botocore looks for it."""
    cache = Path(".aws", "sso", "cache")
    shutil.copytree(simulator.directory / cache, Path(_HOME.name) / cache, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    """One simulator of the default size for the whole session."""
    with start(Path(_HOME.name), policies(), trail_passes=True) as simulator:
        yield simulator


@pytest.fixture
def organisation(simulator_process: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The default organisation, which this process's environment leads to; as new after each test."""
    lead_to(simulator_process, monkeypatch)
    yield simulator_process
    simulator_process.reset()


@pytest.fixture
def make_organisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeOrganisation]:
    """Start simulators of another size or seed; the environment leads to the last one.

    As of the session's simulator, CloudTrail's look-ups come late enough, unless `trail_passes=False` is said.
    """
    running: list[Simulator] = []

    def make(**options: Any) -> Simulator:
        options = {"trail_passes": True, **options}
        simulator = start(tmp_path / f"organisation-{len(running)}", policies(), **options)
        running.append(simulator)
        sign_in(simulator)
        lead_to(simulator, monkeypatch)
        return simulator

    yield make
    for simulator in running:
        simulator.stop()
