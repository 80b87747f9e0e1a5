"""`pytest --today 2027-01-31`: every test, and every process that one starts, believes that it is that day.

libfaketime sets the clock of a process when it is loaded, so pytest replaces itself by one that has it. Waiting takes
as long as ever: only the time of day is another. The tests' own servers and workers inherit the clock.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

BEGINS = dt.time(1)
"""When the day begins for the tests, UTC: far from midnight, so that a suite of hours does not cross it."""

SET = "TESTS_TODAY"
"""The variable that names the day in a process whose clock is set."""


def library(named: str = "") -> Path:
    """Where libfaketime is.

    Raises:
        pytest.UsageError: nowhere.
    """
    found = [Path(named)] if named else sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found or not found[0].is_file():
        raise pytest.UsageError(
            "--today needs libfaketime, which is not installed. No test was run. Install Debian's package libfaketime, "
            "or name the library libfaketimeMT.so.1 with --faketime."
        )
    return found[0]


def clock_of(day: dt.date, now: dt.datetime, preloaded: Path) -> dict[str, str]:
    """The variables by which a process's clock shows a day, counted from what the machine's shows now."""
    offset = (dt.datetime.combine(day, BEGINS, dt.UTC) - now).total_seconds()
    return {
        SET: day.isoformat(),
        "LD_PRELOAD": str(preloaded.resolve()),
        "FAKETIME": f"{offset:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def machine_time(environment: Mapping[str, str], now: dt.datetime) -> dt.datetime:
    """What the machine's own clock shows when that of this process shows `now`."""
    return now - dt.timedelta(seconds=float(environment["FAKETIME"])) if SET in environment else now


def add_options(parser: pytest.Parser) -> None:
    """The options of the command line."""
    group = parser.getgroup("another day")
    group.addoption(
        "--today", type=dt.date.fromisoformat, metavar="YYYY-MM-DD", help="let all tests believe that it is this day"
    )
    group.addoption("--faketime", default="", metavar="LIBRARY", help="libfaketimeMT.so.1, if not installed")


def set_clock(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> None:
    """Begin anew as a process whose clock shows the day that is asked for, unless this is one.

    Raises:
        pytest.UsageError: libfaketime is not installed, or the clock shows another day nevertheless.
    """
    day: dt.date | None = config.getoption("--today")
    if day is None:
        return
    now = dt.datetime.now(dt.UTC)
    if environment.get(SET) != day.isoformat():
        clock = clock_of(day, machine_time(environment, now), library(config.getoption("--faketime")))
        arguments = [sys.executable, "-m", "pytest", *config.invocation_params.args]
        sys.stdout.flush()
        os.execve(sys.executable, list(map(str, arguments)), {**environment, **clock})
    if now.date() != day:
        raise pytest.UsageError(f"libfaketime was to show {day}, and the clock shows {now:%Y-%m-%d}. No test was run.")
