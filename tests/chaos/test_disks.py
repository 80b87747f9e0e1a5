"""The disk is full from a point of a run on, or cannot be written; the run says so, and what is published stays."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from nights import fingerprint

from chaos import points
from chaos.ground import Ground, copy_of, served_run, small_disk
from chaos.history import Known, must_be_tonight, must_show_tonight
from chaos.points import Point, prepared
from chaos.processes import Ended
from resources.store.store import Store

FILLER = "filler"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as made:
        yield made


@pytest.fixture
def database(known: Known, disk: Path) -> Path:
    """The published path of a copy of yesterday's warehouse on the small disk."""
    return copy_of(known.database, disk / "warehouse")


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / FILLER).open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)


def night_on(
    ground: Ground, database: Path, disk: Path, name: str, point: Point, *, newer: bool = False, **settings: str
) -> Ended:
    """A run whose disk is full from a point on, and says so; there is room again afterwards."""
    night = ground.night(database, prepare=prepared(point, lambda: fill(disk), newer=newer), **settings)
    assert (disk / FILLER).exists(), f"{name} was not reached: {night.said[-800:]}"
    assert night.code != 0, f"{name}: nothing told of what was not written"
    night.told("is full", "No space left", at=name)
    (disk / FILLER).unlink()
    return night


def must_refuse(
    ground: Ground,
    database: Path,
    disk: Path,
    where: Mapping[str, Point],
    *,
    newer: bool = False,
    **settings: str,
) -> None:
    """The disk fills up at each point of a run: it is refused, and the published file stays byte for byte."""
    was = fingerprint(database)
    for name, point in where.items():
        night_on(ground, database, disk, name, point, newer=newer, **settings)
        assert fingerprint(database) == was, f"{name}: the published file has changed"


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(points.BEGINNING | points.NIGHT, id="until the rules are checked"),
        pytest.param(
            points.named("publish.begun", "publish.detached", "publish.copying", "publish.copied"),
            id="while it publishes",
        ),
    ],
)
def test_a_run_on_a_full_disk_is_refused(
    ground: Ground, known: Known, disk: Path, database: Path, where: Mapping[str, Point]
) -> None:
    must_refuse(ground, database, disk, where)
    must_be_tonight(database, known, ground, ground.night(database))


def test_a_migration_on_a_full_disk_is_refused(ground: Ground, known: Known, disk: Path, database: Path) -> None:
    """While a newer release makes the working file its own, or makes one from the published file."""
    migrated = points.named("migration.begun", "migration.applied")
    must_refuse(ground, database, disk, migrated, newer=True)
    Store(database).working.unlink()
    copied = {"while the published file is copied": points.at("publish.copying")}
    must_refuse(ground, database, disk, copied | migrated, newer=True)
    must_be_tonight(database, known, ground, ground.night(database, prepare=points.newer_release))


def test_a_run_on_a_disk_that_is_full_once_the_copy_is_verified_publishes_and_says_what_is_missing(
    ground: Ground, known: Known, disk: Path, database: Path
) -> None:
    """Nothing but names are left to be changed then, and the report to be written."""
    report = "while the report is written"
    where = points.named("publish.verified", "publish.swapped") | {report: points.PUBLISHED[report]}
    runs: list[str] = []
    for name, point in where.items():
        night_on(ground, database, disk, name, point)
        must_show_tonight(database, known, ground, earlier=runs)
        runs.append(served_run(database))
    must_be_tonight(database, known, ground, ground.night(database), earlier=runs)


def test_a_full_disk_of_dagsters_own_records_refuses_the_run(
    ground: Ground, known: Known, disk: Path, tmp_path: Path
) -> None:
    """The warehouse has room."""
    database = copy_of(known.database, tmp_path / "elsewhere")
    everything = points.BEGINNING | points.NIGHT
    names = ("before it begins", "while AWS is asked", "while a rule is checked")
    home = str(disk / "dagster")
    must_refuse(ground, database, disk, {name: everything[name] for name in names}, DAGSTER_HOME=home)
    must_be_tonight(database, known, ground, ground.night(database, DAGSTER_HOME=home))


def test_a_folder_that_cannot_be_written_refuses_the_run(
    ground: Ground, known: Known, disk: Path, database: Path
) -> None:
    was = fingerprint(database)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    night = ground.night(database)
    assert fingerprint(database) == was
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert night.code == 2, f"exit code {night.code}: {night.said[-800:]}"
    night.told("cannot be written")
    must_be_tonight(database, known, ground, ground.night(database))
