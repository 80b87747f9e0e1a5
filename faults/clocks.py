"""Clocks: one that is set back between two nights, and nights that cross midnight and the change to daylight saving.

A clock is set for one process and what it starts, by libfaketime; only the time of day is another, waiting takes as
long as ever. The organisation and this process stay in real time.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from faults.ground import DATABASE, LONGEST, Ended, Ground, NotHere, apart, copy_of, fingerprint, grounded, tables
from faults.history import Case, Known, against_the_world, must_be_tonight
from resources.warehouse import Store
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
from pipelines.cli import main

point, moment = sys.argv[1:]

def wait():
    while datetime.now(UTC) < datetime.fromisoformat(moment):
        time.sleep(0.05)

NIGHT[point](wait)
main.main(["nightly"], prog_name="cmdb")
"""
"""A night that waits at one of its points until a moment is over."""


def night_by(offset: timedelta, ground: Ground, database: Path, *how: str, **settings: str) -> Ended:
    """`cmdb nightly`, or what Python is to run instead, by a clock that is so far from this one's."""
    environment = {
        **{name: value for name, value in os.environ.items() if not is_foreign(name)},
        **ground.environment(database, **settings),
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{offset.total_seconds():+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *(how or ("-m", "pipelines.cli", "nightly"))],
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
    by = datetime.now(UTC) - known.before + timedelta(hours=2)
    ground.simulator.clear_log()
    night = night_by(-by, ground, database)
    said = [line.strip() for line in night.said.splitlines() if "The clock of this machine says" in line]
    assert night.code == 2, f"exit code {night.code}: {night.said[-800:]}"
    assert said, f"nothing is said of the clock: {night.said[-800:]}"
    assert "Traceback" not in night.said, night.said[-800:]
    assert fingerprint(database) == was, "the published file has changed"
    assert not ground.simulator.log(), "AWS was asked"
    must_be_tonight(database, known, ground, ground.night(database))
    return said[0]


def change_of_summer(now: datetime) -> datetime:
    """The newest moment at which the clocks of Auckland went forward."""
    zone, hour = ZoneInfo(ZONE), now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while True:
        before = hour - timedelta(hours=1)
        if hour.astimezone(zone).dst() and not before.astimezone(zone).dst():
            return hour
        hour = before


def crossing(ground: Ground, known: Known) -> str:
    """Three nights of one warehouse: each has a moment of Auckland's spring in its middle."""
    library()
    change = change_of_summer(datetime.now(UTC))
    day = change.astimezone(ZoneInfo(ZONE)).replace(hour=0)
    moments = {
        "midnight in Auckland": ("while AWS is asked", day.astimezone(UTC)),
        f"the change to daylight saving ({change:%Y-%m-%d %H:%M} UTC)": ("while cells are loaded", change),
        "midnight in UTC": ("while a rule is checked", (change + timedelta(days=1)).replace(hour=0)),
    }
    told = []
    region = ground.simulator.truth()["regions"][0]
    with grounded(ground.scratch / "spring", regions=[region], today=change.date()) as own:
        database = own.scratch / "warehouse" / DATABASE
        database.parent.mkdir()
        for name, (point, moment) in moments.items():
            # It begins as long before the moment as a night takes, and waits at the point until it is over.
            offset = moment - timedelta(seconds=known.seconds) - datetime.now(UTC)
            how = ("-c", WAITING, point, moment.isoformat())
            night = night_by(offset, own, database, *how, TZ=ZONE, CMDB_TIMEZONE=ZONE)
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
        "nights across midnight and daylight saving in Auckland",
        "each publishes what is true, nothing is taken for changed",
        crossing,
    ),
)
