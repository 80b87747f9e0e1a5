"""Whole runs, and the store alone, are killed at named points and at random moments; the next is as if nothing was.

Until a run publishes, the published file stays byte for byte yesterday's; what is published then is tonight's truth row
for row, and no other run counts as published.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from nights import fingerprint

from chaos import points, store_kills
from chaos.ground import Ground, served_run
from chaos.history import Known, must_be_tonight, must_show_tonight
from chaos.points import Point, prepared
from chaos.processes import Ended
from resources.store.store import Store

SEED = 20261125

RANDOM_KILLS = 5


def kill(ground: Ground, database: Path, name: str, prepare: Callable[[], None]) -> None:
    """A run that dies at a point."""
    child = ground.begin_night(database, prepare=prepare)
    code = child.wait()
    assert code == -signal.SIGKILL, f"{name} was not reached: exit code {code}, {child.said[-400:]}"


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(points.NIGHT, id="before it publishes"),
        pytest.param(points.COPYING, id="while it publishes, until the copy"),
        pytest.param(points.SWAPPING, id="while it publishes, from the copy to the swap"),
    ],
)
def test_a_run_killed_before_the_swap_leaves_the_published_file(
    ground: Ground, known: Known, database: Path, where: Mapping[str, Point]
) -> None:
    """One after the other on the same warehouse; then a run goes through."""
    was = fingerprint(database)
    for name, point in where.items():
        kill(ground, database, name, prepared(point, points.die))
        assert fingerprint(database) == was, f"{name}: the published file has changed"
    must_be_tonight(database, known, ground, ground.night(database))


def test_a_run_killed_after_the_swap_has_published(ground: Ground, known: Known, database: Path) -> None:
    """Each finds what the one before it left."""
    runs: list[str] = []
    for name, point in points.PUBLISHED.items():
        kill(ground, database, name, prepared(point, points.die))
        try:
            must_show_tonight(database, known, ground, earlier=runs)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        runs.append(served_run(database))
    must_be_tonight(database, known, ground, ground.night(database), earlier=runs)


def test_a_run_of_a_newer_release_killed_in_its_migration_leaves_the_published_file(
    ground: Ground, known: Known, database: Path
) -> None:
    """In that of the working file, then in that of a copy of the published one."""
    was = fingerprint(database)
    for where in (points.MIGRATING, points.MAKING):
        if where is points.MAKING:
            Store(database).working.unlink()
        for name, point in where.items():
            kill(ground, database, name, prepared(point, points.die, newer=True))
            assert fingerprint(database) == was, f"{name}: the published file has changed"
    must_be_tonight(database, known, ground, ground.night(database, prepare=points.newer_release))


def test_runs_killed_at_random_moments_lose_nothing(ground: Ground, known: Known, database: Path) -> None:
    """Moments of the time that a run takes; then one goes through."""
    chance = random.Random(SEED)
    was, published = fingerprint(database), list[str]()
    for _ in range(RANDOM_KILLS):
        child = ground.begin_night(database)
        until = time.monotonic() + chance.uniform(0.02, 0.9) * known.seconds
        while time.monotonic() < until and not child.ended():
            time.sleep(0.01)
        child.kill()
        child.wait()
        if fingerprint(database) != was:
            # It had published before it was killed.
            must_show_tonight(database, known, ground, earlier=published)
            was = fingerprint(database)
            published.append(served_run(database))
    must_be_tonight(database, known, ground, ground.night(database), earlier=published)


def test_left_overs_of_a_dead_run_are_removed(ground: Ground, known: Known, database: Path) -> None:
    """A lock of a dead process, logs beside files that never had them, halves of copies."""
    folder = database.parent
    holder = {"what": "nightly", "run_id": "dead", "pid": 1, "host": "elsewhere", "since": "2020-01-01T00:00:00+00:00"}
    (folder / ".lock").write_text(json.dumps(holder), encoding="utf-8")
    (folder / "versions" / f"{database.resolve().name}.wal").write_bytes(b"not a log")
    (folder / "versions" / ".cmdb-dead.part").write_bytes(b"half")
    (folder / ".cmdb.work.part").write_bytes(b"half")
    (folder / "landing" / "dead" / "ec2_instance").mkdir(parents=True)
    (folder / "landing" / "dead" / "ec2_instance" / ".records.ndjson.part").write_bytes(b'{"half')
    must_be_tonight(database, known, ground, ground.night(database))
    left = [path.name for path in folder.rglob("*") if path.suffix in (".wal", ".part") and "dead" not in path.parts]
    assert not left, f"still there: {left}"


def test_of_two_runs_at_once_one_publishes_and_the_other_is_told_who_works(
    ground: Ground, known: Known, database: Path
) -> None:
    children = [ground.begin_night(database) for _ in range(2)]
    nights: list[Ended] = sorted((child.result() for child in children), key=lambda night: night.code)
    assert [night.code for night in nights] == [0, 1], [night.said[-500:] for night in nights]
    assert nights[1].told("one run at a time may")
    must_be_tonight(database, known, ground, nights[0])


# ----------------------------------------------------------------------------------------------- the store alone


def test_the_store_killed_at_random_moments_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """Moments of its transactions and publishes; what is published is whole, readers see no error and no mixture."""
    store_kills.random_kills(tmp_path, store_kills.KILLS, store_kills.SEED)


def test_readers_during_publishes_see_no_error_and_no_mixture(tmp_path: Path) -> None:
    store_kills.readers_during_publishes(tmp_path)
