"""A simulated organisation and a pipeline on another day: both in processes whose clock a test sets.

The clock is that of `tests/programs/clock`. The test's own process stays in real time.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nights import MANY, REPOSITORY, environment_of, program

from simulator.client import Simulator, is_foreign, start

CLOCK = REPOSITORY / "tests" / "programs" / "clock"

HOUR = dt.time(3)
"""When the nights of these tests begin, UTC."""


@dataclass
class Clocked:
    """An organisation and a process of the pipeline, whose clocks one file sets.

    Attributes:
        folder: where all of it lies.
    """

    folder: Path
    simulator: Simulator
    process: subprocess.Popen[str]

    def set(self, day: dt.date) -> None:
        """Let it be three in the morning (UTC) of a day, for both."""
        set_clock(self.folder, day)
        self.simulator.configure(today=day.isoformat())

    def ask(self, **asked: Any) -> Any:
        """One line to the program, and its answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("\x1e"):
                return json.loads(line[1:])
        raise AssertionError((self.folder / "said").read_text()[-3000:])

    def night(self, database: Path, **settings: str) -> dict[str, Any]:
        """A whole night (`nights_by_clock`): whether it published, and what it said."""
        environment = {
            **self.simulator.env,
            "CMDB_COST_REQUEST_LIMIT": MANY,
            "DAGSTER_HOME": str(self.folder / "dagster"),
            **settings,
        }
        ended: dict[str, Any] = self.ask(environment=environment, database=str(database))
        return ended


def set_clock(folder: Path, day: dt.date) -> None:
    """Write how far ahead of this machine's the clock is."""
    moment = dt.datetime.combine(day, HOUR, dt.UTC)
    ahead = (moment - dt.datetime.now(dt.UTC)).total_seconds()
    with (folder / "clock").open("r+b" if (folder / "clock").exists() else "w+b") as file:
        file.write(struct.pack("d", ahead))


@contextmanager
def clocked(
    folder: Path,
    policies: Mapping[str, Mapping[str, Any]],
    day: dt.date,
    name: str = "nights_by_clock",
    **options: Any,
) -> Iterator[Clocked]:
    """Both processes on a day, until the block ends.

    Args:
        name: the program of `tests/programs` that works for the test.
        options: of the simulated organisation, as `simulator.client.start` takes them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    set_clock(folder, day)
    set_by = {"TESTS_CLOCK": str(folder / "clock"), "PYTHONPATH": str(CLOCK)}
    with (
        environment_of({**os.environ, **set_by}),
        start(folder / "organisation", policies, today=day, trail_passes=True, **options) as simulator,
        (folder / "said").open("w") as said,
    ):
        _never_expire(simulator.directory)
        asked = program(name)
        environment = {key: value for key, value in asked["env"].items() if not is_foreign(key)}
        environment |= {
            "CMDB_SETTINGS": os.devnull,
            "HOME": str(simulator.directory),
            "PYTHONPATH": os.pathsep.join([str(CLOCK), asked["env"]["PYTHONPATH"]]),
        }
        process = subprocess.Popen(
            **{**asked, "env": environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        try:
            yield Clocked(folder, simulator, process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.kill()
            process.wait()


def _never_expire(home: Path) -> None:
    """Nobody is there to sign in again each morning."""
    for file in (home / ".aws" / "sso" / "cache").glob("*.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"expiresAt": "2099-01-01T00:00:00Z"}))
