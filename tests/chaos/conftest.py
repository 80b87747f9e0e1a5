"""What the tests of a broken world stand on; each of them is marked `chaos`, and none runs unless that is asked for."""

from __future__ import annotations

import functools
import platform
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from nights import REPOSITORY, made_once

from chaos.ground import Ground, copy_of, grounded
from chaos.history import Known, first_night, move_on, second_night, with_night_anew
from chaos.processes import end_all, load

HERE = Path(__file__).parent

EACH_PUSH = HERE / "each_push"
"""What `make test` runs of this folder."""

REGIONS = ("us-east-1", "ap-southeast-2")
"""Of the organisation: two, so that one can be lied about and the other not, in runs as short as can be."""

LONGEST = 7200
"""Seconds that a test may take: the longest has a dozen runs, on a machine that others use too."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands in this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.whole_run if item.path.is_relative_to(EACH_PUSH) else pytest.mark.chaos)
            item.add_marker(pytest.mark.timeout(LONGEST))


@functools.cache
def tried() -> dict[str, str]:
    """The commit, with a + where something is not committed, and the versions that the tests run with."""
    git = functools.partial(subprocess.run, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    head = git(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
    changed = git(["git", "status", "--porcelain"]).stdout.strip()
    named = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "dagster"))
    return {
        "commit": f"{head}{'+' if changed else ''}" if head else "unknown",
        "versions": f"Python {platform.python_version()}, {named}",
    }


@pytest.fixture(autouse=True)
def recorded(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """JUnit's file says what was tried; and no process outlives its test."""
    for name, value in tried().items():
        record_property(name, value)
    yield
    end_all()


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The worker's own organisation. Before `known` it is as it was yesterday, then as it is tonight."""
    load()
    with grounded(tmp_path_factory.mktemp("ground"), regions=REGIONS) as made:
        yield made


@pytest.fixture(scope="session")
def known(ground: Ground) -> Known:
    """The session's truthful runs, made by one worker for all; the world has moved on after the first."""
    yesterday = made_once("yesterday", lambda shared: first_night(ground, shared))
    move_on(ground.simulator)
    tonight = made_once("tonight", lambda shared: second_night(ground, shared, yesterday))
    return made_once("anew", lambda shared: with_night_anew(ground, shared, tonight))


@pytest.fixture
def database(known: Known, tmp_path: Path) -> Path:
    """The published path of a copy of yesterday's warehouse."""
    return copy_of(known.database, tmp_path / "warehouse")
