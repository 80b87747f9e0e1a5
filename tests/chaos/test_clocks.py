"""The clock is set back between two runs or during one, or a run passes midnight and daylight saving.

A clock is set for one process and what it starts, by libfaketime; only the time of day is another, waiting takes as
long as ever. The organisation and this process stay in real time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from nights import DATABASE, fingerprint, program

from chaos.ground import Ground, grounded
from chaos.history import Known, against_the_world, must_be_tonight
from chaos.processes import LONGEST, Ended, apart
from chaos.tables import tables
from resources.store.store import Store
from simulator.client import is_foreign

ZONE = "Pacific/Auckland"


def library() -> Path:
    """Where libfaketime is; the test is skipped where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip(
            "libfaketime is not installed (Debian's package faketime), so no clock can be set; tests/test_clock.py "
            "holds the rule without it"
        )
    return found[0]


def by(offset: timedelta) -> str:
    """How far a clock is from this one's, in the words of libfaketime."""
    return f"{offset.total_seconds():+.0f}"


def night_by(clock: Mapping[str, str], ground: Ground, database: Path, *how: str, **settings: str) -> Ended:
    """`cmdb nightly`, or tests/programs/clocked_run.py with these arguments, by a clock of libfaketime."""
    started = program("clocked_run", *how)
    if not how:
        started["args"] = [sys.executable, "-m", "pipelines.cli.main", "nightly"]
    started["env"] = {
        **{name: value for name, value in started["env"].items() if not is_foreign(name)},
        **ground.environment(database, **settings),
        "LD_PRELOAD": str(library()),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        **clock,
    }
    began = time.monotonic()
    done = subprocess.run(**started, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST, check=False)
    return Ended(done.returncode, done.stdout, time.monotonic() - began)


def test_a_clock_set_back_between_two_runs_refuses_before_anything_is_requested(
    ground: Ground, known: Known, database: Path
) -> None:
    """The clock stands before yesterday's run; by the right clock the next goes through."""
    was = fingerprint(database)
    ground.simulator.clear_log()
    night = night_by({"FAKETIME": by(before(known))}, ground, database)
    must_be_refused(night, 2, "The clock of this machine shows")
    assert fingerprint(database) == was, "the published file has changed"
    assert not ground.simulator.log(), "AWS was asked"
    must_be_tonight(database, known, ground, ground.night(database))


def test_a_clock_set_back_during_a_run_refuses_it(ground: Ground, known: Known, database: Path, tmp_path: Path) -> None:
    """To before yesterday's run, so that the pre-flight lies in the future; then a run goes through."""
    was = fingerprint(database)
    for point in ("while AWS is asked", "while cells are loaded", "while a rule is checked"):
        night = set_at(point, before(known), ground, database, tmp_path)
        must_be_refused(night, 1, "in the future: check the clock")
        assert fingerprint(database) == was, f"{point}: the published file has changed"
    must_be_tonight(database, known, ground, ground.night(database))


def test_a_clock_set_back_by_two_seconds_during_a_run_does_no_harm(
    ground: Ground, known: Known, database: Path, tmp_path: Path
) -> None:
    night = set_at("while AWS is asked", timedelta(seconds=-2), ground, database, tmp_path)
    must_be_tonight(database, known, ground, night)


def before(known: Known) -> timedelta:
    """From now to two hours before yesterday's run."""
    return known.before - timedelta(hours=2) - datetime.now(UTC)


def set_at(point: str, offset: timedelta, ground: Ground, database: Path, folder: Path) -> Ended:
    """A run at one of whose points the clock is set."""
    clock = folder / "clock"
    clock.write_text("+0")
    told = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1"}
    night = night_by(told, ground, database, point, "set", str(clock), by(offset))
    assert clock.read_text() == by(offset), f"{point}: the clock was not set: {night.said[-800:]}"
    return night


def must_be_refused(night: Ended, code: int, words: str) -> None:
    """In a sentence of these words."""
    assert night.code == code, f"exit code {night.code}: {night.said[-800:]}"
    night.told(words)


def change_of_clocks(now: datetime, *, forward: bool) -> datetime:
    """The newest moment at which the clocks of Auckland went forward, or back."""
    zone, hour = ZoneInfo(ZONE), now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while True:
        before = hour - timedelta(hours=1)
        is_summer, was_summer = (bool(moment.astimezone(zone).dst()) for moment in (hour, before))
        if is_summer != was_summer and is_summer == forward:
            return hour
        hour = before


@pytest.mark.parametrize("way", ["beginning", "end"])
def test_runs_across_midnight_and_daylight_saving_publish_what_is_true(
    ground: Ground, known: Known, tmp_path: Path, way: str
) -> None:
    """Three runs of one warehouse, each with a moment of a change of Auckland's clocks in its middle."""
    library()
    change = change_of_clocks(datetime.now(UTC), forward=way == "beginning")
    day = change.astimezone(ZoneInfo(ZONE)).replace(hour=0)
    moments = {
        "midnight in Auckland": ("while AWS is asked", day.astimezone(UTC)),
        f"the {way} of daylight saving": ("while cells are loaded", change),
        "midnight in UTC": ("while a rule is checked", (change + timedelta(days=1)).replace(hour=0)),
    }
    region = ground.simulator.truth()["regions"][0]
    with grounded(tmp_path / "ground", regions=[region], today=change.date()) as own:
        database = own.scratch / "warehouse" / DATABASE
        database.parent.mkdir()
        for name, (point, moment) in moments.items():
            # It begins as long before the moment as a run takes, and waits at the point until it is over.
            offset = moment - timedelta(seconds=known.seconds) - datetime.now(UTC)
            how = (point, "wait", moment.isoformat())
            night = night_by({"FAKETIME": by(offset)}, own, database, *how, TZ=ZONE, CMDB_TIMEZONE=ZONE)
            assert night.code == 0, f"{name}: the run was refused: {night.said[-800:]}"
            began, ended, changes = apart(lambda: times(database), own.scratch)
            assert began < moment < ended, f"{name}: the run from {began} to {ended} did not cross it"
            found = apart(lambda: tables(database, known.before, {}), own.scratch)
            against_the_world(found, own.simulator, is_confirmed=False)
            assert not changes, f"{name}: nothing has changed, and these are told: {changes[:3]}"


def times(database: Path) -> tuple[datetime, datetime, list[str]]:
    """When the newest night began and ended, and the items that have more than one version."""
    with Store(database).published() as connection:
        run = connection.execute(
            "select started_at, finished_at from audit.run order by started_at desc limit 1"
        ).fetchone()
        assert run is not None, "no run is recorded"
        changed = connection.execute(
            "select arn from cmdb.resource_version group by arn having count(*) > 1 order by arn"
        ).fetchall()
    return run[0], run[1], [arn for (arn,) in changed]
