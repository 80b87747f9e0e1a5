"""A smaller world, and runs that spare what only another process needs."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
from nights import DATABASE, made_once

from chaos.ground import Ground, copy_of, grounded
from chaos.history import Known, Yesterday, first_night, move_on, second_night
from chaos.lies import give
from chaos.processes import load
from pipelines import definitions
from pipelines.cli import terminal
from resources.aws import client, retry
from resources.store import working
from simulator.client import is_foreign

REGIONS = ("us-east-1", "ap-southeast-2")

RESOURCES = 3
"""Instances for each account and region: fewer, and no list is long enough to be cut off."""

NO_HISTORY = {"CMDB_HISTORY_RUNS": "0"}


def hasten(built: Mapping[str, str], job: dg.JobDefinition) -> None:
    """Keep the working file attached, request again within hundredths of a second, and show every sentence.

    A run that detaches the file every two seconds, as it does for other processes, takes twice the computing time on a
    busy machine.

    Args:
        built: the environment that a job was built for before the process was forked.
        job: that job, which is not built again for the same environment.
    """
    give(working, "TURN_SECONDS", 3600.0)
    give(working, "UNUSED_SECONDS", 3600.0)
    give(terminal, "SCREEN_ROWS", 1000)
    give(client, "Retry", functools.partial(retry.Retry, first_delay=0.02))
    job_of = definitions.job_of

    def job_of_environment(environment: Mapping[str, str], name: str) -> dg.JobDefinition:
        is_same = {key: value for key, value in environment.items() if is_foreign(key)} == built
        return job if is_same and name == definitions.NIGHTLY else job_of(environment, name)

    give(definitions, "job_of", job_of_environment)


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The worker's own organisation, as it is yesterday and then tonight."""
    load()
    scratch = tmp_path_factory.mktemp("small-ground")
    with grounded(scratch, regions=REGIONS, resources=RESOURCES) as made:
        made.settings = NO_HISTORY
        environment = made.environment(warehouse_of(made) / DATABASE)
        built = {name: value for name, value in environment.items() if is_foreign(name)}
        job = definitions.job_of(environment, definitions.NIGHTLY)
        job.get_job_snapshot()
        made.hasten = functools.partial(hasten, built, job)
        yield made


def warehouse_of(ground: Ground) -> Path:
    """The folder of the warehouse of each run: one and the same, so that the runs' environments are."""
    return ground.scratch / "warehouse"


@pytest.fixture(scope="session")
def yesterday(ground: Ground) -> Yesterday:
    """The truthful run of yesterday, made by one worker for all; the worker's world has moved on since."""
    found = made_once("small-yesterday", lambda shared: first_night(ground, shared))
    move_on(ground.simulator)
    return found


@pytest.fixture(scope="session")
def known(ground: Ground, yesterday: Yesterday, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """The truthful runs of yesterday and tonight; one file compares with them, and so one worker."""
    return second_night(ground, tmp_path_factory.mktemp("small-tonight"), yesterday)


@pytest.fixture
def database(ground: Ground, yesterday: Yesterday) -> Iterator[Path]:
    """The published path of a copy of yesterday's warehouse."""
    yield copy_of(yesterday.database, warehouse_of(ground))
    shutil.rmtree(warehouse_of(ground))
