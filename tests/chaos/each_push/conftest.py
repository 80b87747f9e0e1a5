"""A smaller world, and runs that spare what only another process or a machine short of memory needs."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from nights import shared_by_workers

from chaos.ground import Ground, copy_of, grounded
from chaos.history import Known, Yesterday, first_night, move_on, second_night
from chaos.lies import give
from chaos.processes import load
from pipelines.cli import terminal
from resources.aws import client, retry
from resources.store import publishing, working

REGIONS = ("us-east-1", "ap-southeast-2")

RESOURCES = 3
"""Instances for each account and region: fewer, and no list is long enough to be cut off."""

NO_HISTORY = {"CMDB_HISTORY_RUNS": "0"}


def hasten() -> None:
    """Keep the working file attached, request again within hundredths of a second, and show every sentence.

    A run that detaches the file every two seconds, as it does for other processes, takes twice the computing time on a
    busy machine.
    """
    for module in (working, publishing):
        give(module, "MOST_KEPT", 1 << 30)
    give(working, "TURN_SECONDS", 3600.0)
    give(working, "UNUSED_SECONDS", 3600.0)
    give(terminal, "SCREEN_ROWS", 1000)
    give(client, "Retry", functools.partial(retry.Retry, first_delay=0.02))


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The worker's own organisation, as it is yesterday and then tonight."""
    load()
    scratch = tmp_path_factory.mktemp("small-ground")
    with grounded(scratch, regions=REGIONS, resources=RESOURCES) as made:
        made.settings, made.hasten = NO_HISTORY, hasten
        yield made


@pytest.fixture(scope="session")
def yesterday(ground: Ground) -> Yesterday:
    """The truthful run of yesterday, made by one worker for all; the worker's world has moved on since."""
    with shared_by_workers("small-yesterday") as shared:
        kept = shared / "yesterday.pickle"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(first_night(ground, shared)))
        found: Yesterday = pickle.loads(kept.read_bytes())  # this worker or another one wrote it
    move_on(ground.simulator)
    return found


@pytest.fixture(scope="session")
def known(ground: Ground, yesterday: Yesterday) -> Known:
    """The truthful runs of yesterday and tonight."""
    with shared_by_workers("small-tonight") as shared:
        return second_night(ground, shared, yesterday)


@pytest.fixture
def database(yesterday: Yesterday, tmp_path: Path) -> Path:
    """The published path of a copy of yesterday's warehouse."""
    return copy_of(yesterday.database, tmp_path / "warehouse")
