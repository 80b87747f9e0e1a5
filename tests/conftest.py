"""The simulated organisation as fixtures, and a process in which no test can reach anything else.

botocore looks below HOME for the cache of sign-in tokens once, when it is imported: HOME is set before that.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import another_day
import pytest
import tiers
from each_push import EACH_PUSH
from hypothesis import settings

from resources.contract import ROLES, policy
from simulator.client import Simulator, is_foreign, start

pytest_plugins = ["nights", "warehouses", "browser", "scaleout_services"]

_HOME = tempfile.TemporaryDirectory(prefix="cmdb-tests-")
os.environ["HOME"] = _HOME.name
for _name in [name for name in os.environ if is_foreign(name) or name == "DAGSTER_HOME"]:
    del os.environ[_name]
# A developer's own settings file is none of the tests' business.
os.environ["CMDB_SETTINGS"] = os.devnull

# A shell without job control starts what runs in the background with Ctrl+C ignored; tests of an interruption send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test-large` loads it: the properties are tried with more examples.
settings.register_profile("many")

FIRST = ("test_refused.py", "test_published.py", "test_cli.py")
"""Files that take minutes, or begin with what does and is made for all workers: in this order, since the runs of the
first two are forked from a process that may have opened no warehouse yet."""

LONG = frozenset(
    f"test_{name}.py"
    for name in (
        "publish",
        "models",
        "profile",
        "warehouse",
        "hostile",
        "kept_rows",
        "budgets",
        "cost_analysis",
        "docs",
    )
)
"""Files that take half a minute or more. A file has one worker: begun last, it would be waited for alone."""

MakeOrganisation = Callable[..., Simulator]


EXPORT = "acme-data-exports/billing/hourly-by-resource"
"""Bucket and folder of the simulated data export."""


def policies() -> dict[str, dict[str, Any]]:
    """What the contract grants each role, optional grants included."""
    return {role: policy(role, optional=True, export=EXPORT) for role in ROLES}


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


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--today` and `--seeds`."""
    another_day.add_options(parser)
    parser.addoption("--seeds", type=int, default=1, help="at how many moments `-m scaleout` kills each part")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Set the clock before anything else is done: whoever was loaded so far is loaded again."""
    another_day.set_clock(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Look for garbage once, after collecting: to look again and again among all tests took a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files, and mark as large what `EACH_PUSH` leaves out; where it matters, as unit what starts nothing.

    Those that need the truthful run come last, since it takes one worker minutes to make it; of each, the long first.
    """
    waiting = {item.path for item in items if "witnessed_night" in getattr(item, "fixturenames", ())}
    first = {name: place for place, name in enumerate(FIRST)}
    items.sort(
        key=lambda item: (
            first.get(item.path.name, len(first)),
            item.path in waiting,
            item.path.name not in LONG,
            item.path.name,
        )
    )
    seen: Counter[str] = Counter()
    are_units_wanted = "unit" in config.getoption("markexpr")
    for item in items:
        name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
        limit = EACH_PUSH.get(name, EACH_PUSH.get(item.path.name))
        if limit is not None:
            seen[name] += 1
            if seen[name] > limit:
                item.add_marker(pytest.mark.large)
        if are_units_wanted and tiers.is_unit(item):
            item.add_marker(pytest.mark.unit)


_guard = tiers.Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hold a unit test to what it is."""
    with _guard.watching(item):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _shared_by_workers(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> None:
    """Name the folder of the session that all workers share, for what is made where there are no fixtures."""
    base = tmp_path_factory.getbasetemp()
    # Not by a fixture of xdist's: the trials of mutants go without it.
    os.environ["SHARED_BY_WORKERS"] = str(base.parent if hasattr(pytestconfig, "workerinput") else base)


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


@pytest.fixture(scope="session")
def small_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator of two accounts for the whole session, whose CloudTrail is as late as AWS's."""
    with start(tmp_path_factory.mktemp("small"), policies(), accounts=2, resources=1) as simulator:
        yield simulator


@pytest.fixture
def small(small_process: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An organisation of two accounts, which this process's environment leads to; as new before and after each test."""
    small_process.reset()
    lead_to(small_process, monkeypatch)
    yield small_process
    small_process.reset()


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
