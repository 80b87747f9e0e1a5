"""Clocks: one that is set back between two nights or during one, and nights that cross midnight and daylight saving.

A clock is set for one process and what it starts, by libfaketime; only the time of day is another, waiting takes as
long as ever. The organisation and this process stay in real time.
"""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from faults.ground import DATABASE, LONGEST, Ended, Ground, NotHere, apart, copy_of, fingerprint, grounded, tables
from faults.history import Case, Known, against_the_world, must_be_tonight
from resources.store.store import Store
from simulator.client import is_foreign

ZONE = "Pacific/Auckland"


REPOSITORY = Path(__file__).resolve().parent.parent


def library() -> Path:
    """Where libfaketime is.

    Raises:
        NotHere: it is not installed.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise NotHere(
            "libfaketime is not installed (Debian's package faketime), so no clock can be set; tests/test_clock.py "
            "holds the rule without it"
        )
    return found[0]


WAITING = """
import sys, time
from datetime import UTC, datetime
from faults.broken_nights import NIGHT
from pipelines.cli.main import main

point, moment = sys.argv[1:]

def wait():
    while datetime.now(UTC) < datetime.fromisoformat(moment):
        time.sleep(0.05)

NIGHT[point](wait)
main.main(["nightly"], prog_name="cmdb")
"""
"""A night that waits at one of its points until a moment is over."""

SETTING = """
import sys
from pathlib import Path
from faults.broken_nights import NIGHT
from pipelines.cli.main import main

point, clock, offset = sys.argv[1:]

def put():
    # libfaketime ends a process that finds the file empty.
    new = Path(clock + ".new")
    new.write_text(offset)
    new.replace(clock)

NIGHT[point](put)
main.main(["nightly"], prog_name="cmdb")
"""
"""A night at one of whose points somebody sets the clock."""


def by(offset: timedelta) -> str:
    """How far a clock is from this one's, in the words of libfaketime."""
    return f"{offset.total_seconds():+.0f}"


def night_by(clock: Mapping[str, str], ground: Ground, database: Path, *how: str, **settings: str) -> Ended:
    """`cmdb nightly`, or what Python is to run instead, by a clock that libfaketime is told of in these variables."""
    environment = {
        **{name: value for name, value in os.environ.items() if not is_foreign(name)},
        **ground.environment(database, **settings),
        "LD_PRELOAD": str(library()),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        **clock,
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *(how or ("-m", "pipelines.cli.main", "nightly"))],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return Ended(done.returncode, done.stdout, time.monotonic() - began)


def set_back(ground: Ground, known: Known) -> str:
    """The clock stands before yesterday's night."""
    database = copy_of(known.database, ground.scratch / "set-back")
    was = fingerprint(database)
    ground.simulator.clear_log()
    said = _refused(night_by({"FAKETIME": by(_before(known))}, ground, database), 2, "The clock of this machine shows")
    assert fingerprint(database) == was, "the published file has changed"
    assert not ground.simulator.log(), "AWS was asked"
    must_be_tonight(database, known, ground, ground.night(database))
    return said


def set_back_meanwhile(ground: Ground, known: Known) -> str:
    """The clock is set to before yesterday's night while one is on its way, and back by two seconds."""
    points = ("while AWS is asked", "while cells are loaded", "while a rule is checked")
    database = copy_of(known.database, ground.scratch / "set-back-meanwhile")
    was = fingerprint(database)
    said = ""
    for point in points:
        said = _refused(_set_at(point, _before(known), ground, database), 1, "in the future: check the clock")
        assert fingerprint(database) == was, f"{point}: the published file has changed"
    must_be_tonight(database, known, ground, ground.night(database))
    database = copy_of(known.database, ground.scratch / "set-right-meanwhile")
    must_be_tonight(database, known, ground, _set_at(points[0], timedelta(seconds=-2), ground, database))
    return f"{len(points)} phases: {', '.join(points)}. {said} By two seconds: published."


def _before(known: Known) -> timedelta:
    """From now to two hours before yesterday's night."""
    return known.before - timedelta(hours=2) - datetime.now(UTC)


def _set_at(point: str, offset: timedelta, ground: Ground, database: Path) -> Ended:
    """A night at one of whose points the clock is set."""
    clock = ground.scratch / "clock"
    clock.write_text("+0")
    told = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "1"}
    night = night_by(told, ground, database, "-c", SETTING, point, str(clock), by(offset))
    assert clock.read_text() == by(offset), f"{point}: the clock was not set: {night.said[-800:]}"
    return night


def _refused(night: Ended, code: int, words: str) -> str:
    """The sentence of a night that was refused for its clock."""
    assert night.code == code, f"exit code {night.code}: {night.said[-800:]}"
    return night.told(words)[0]


def change_of_clocks(now: datetime, *, forward: bool) -> datetime:
    """The newest moment at which the clocks of Auckland went forward, or back."""
    zone, hour = ZoneInfo(ZONE), now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while True:
        before = hour - timedelta(hours=1)
        is_summer, was_summer = (bool(moment.astimezone(zone).dst()) for moment in (hour, before))
        if is_summer != was_summer and is_summer == forward:
            return hour
        hour = before


def crossing(ground: Ground, known: Known, *, forward: bool) -> str:
    """Three nights of one warehouse, each with a moment of a change of Auckland's clocks in its middle."""
    library()
    change = change_of_clocks(datetime.now(UTC), forward=forward)
    day = change.astimezone(ZoneInfo(ZONE)).replace(hour=0)
    way = "beginning" if forward else "end"
    moments = {
        "midnight in Auckland": ("while AWS is asked", day.astimezone(UTC)),
        f"the {way} of daylight saving ({change:%Y-%m-%d %H:%M} UTC)": ("while cells are loaded", change),
        "midnight in UTC": ("while a rule is checked", (change + timedelta(days=1)).replace(hour=0)),
    }
    told = []
    region = ground.simulator.truth()["regions"][0]
    with grounded(ground.scratch / way, regions=[region], today=change.date()) as own:
        database = own.scratch / "warehouse" / DATABASE
        database.parent.mkdir()
        for name, (point, moment) in moments.items():
            # It begins as long before the moment as a night takes, and waits at the point until it is over.
            offset = moment - timedelta(seconds=known.seconds) - datetime.now(UTC)
            how = ("-c", WAITING, point, moment.isoformat())
            night = night_by({"FAKETIME": by(offset)}, own, database, *how, TZ=ZONE, CMDB_TIMEZONE=ZONE)
            assert night.code == 0, f"{name}: the night was refused: {night.said[-800:]}"
            began, ended, changes = apart(lambda: _times(database), own.scratch)
            assert began < moment < ended, f"{name}: the night from {began} to {ended} did not cross it"
            found = apart(lambda: tables(database, known.before, {}), own.scratch)
            against_the_world(found, own.simulator)
            assert not changes, f"{name}: nothing has changed, and these are told: {changes[:3]}"
            told.append(f"{name}, {point} ({began:%H:%M:%S} to {ended:%H:%M:%S} UTC)")
    return f"{'; '.join(told)}: instances, volumes, accounts and the bill as they are, no change told of any item."


def _times(database: Path) -> tuple[datetime, datetime, list[str]]:
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


CASES = (
    Case(
        "the clock set back between two nights",
        "refused in a sentence before anything is asked, the published file byte for byte; by the right clock the "
        "night goes through",
        set_back,
    ),
    Case(
        "the clock set back during a night",
        "by more than five minutes: refused in a sentence, since the pre-flight lies in the future, the published file "
        "byte for byte, the night after goes through; by two seconds: it publishes",
        set_back_meanwhile,
    ),
    Case(
        "nights across midnight and the beginning of daylight saving in Auckland",
        "each publishes what is true, nothing is taken for changed",
        functools.partial(crossing, forward=True),
    ),
    Case(
        "nights across midnight and the end of daylight saving in Auckland",
        "each publishes what is true, nothing is taken for changed",
        functools.partial(crossing, forward=False),
    ),
)
