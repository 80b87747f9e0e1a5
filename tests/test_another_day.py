"""`pytest --today`: a process is begun anew by another clock, or not at all."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest
from another_day import SET, clock_of, library, machine_time
from nights import REPOSITORY

NOW = dt.datetime(2026, 11, 28, 6, 30, tzinfo=dt.UTC)
DAY = """
import datetime as dt, subprocess, sys
import duckdb

def test_all_believe_it():
    shown = "import datetime as dt; print(dt.datetime.now(dt.UTC).date())"
    child = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    ((sql,),) = duckdb.execute("set timezone = 'UTC'; select current_date").fetchall()
    assert [str(dt.datetime.now(dt.UTC).date()), child.stdout.strip(), str(sql)] == ["2027-01-31"] * 3
"""


def test_a_clock_is_set_by_how_far_the_day_is(tmp_path: Path) -> None:
    clock = clock_of(dt.date(2026, 12, 1), NOW, tmp_path / "libfaketimeMT.so.1")
    assert clock["FAKETIME"] == f"+{(2 * 24 + 18) * 3600 + 30 * 60}"
    assert clock[SET] == "2026-12-01"
    assert clock_of(dt.date(2026, 11, 28), NOW, tmp_path)["FAKETIME"] == f"{-5.5 * 3600:+.0f}"


def test_the_machines_own_clock_is_known_under_another_one() -> None:
    assert machine_time({}, NOW) == NOW
    # What somebody else has set is the machine's, as far as the tests know.
    assert machine_time({"FAKETIME": "+60"}, NOW) == NOW
    assert machine_time({SET: "2026-12-01", "FAKETIME": "+86400"}, NOW) == NOW - dt.timedelta(days=1)


def test_without_the_library_no_test_runs(tmp_path: Path) -> None:
    with pytest.raises(pytest.UsageError, match=r"libfaketime, which is not installed. No test was run"):
        library(str(tmp_path / "libfaketimeMT.so.1"))
    (tmp_path / "libfaketimeMT.so.1").touch()
    assert library(str(tmp_path / "libfaketimeMT.so.1")) == tmp_path / "libfaketimeMT.so.1"


@pytest.mark.skipif(
    not list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), reason="Debian's package libfaketime is missing"
)
def test_pytest_its_processes_and_duckdb_believe_the_day(tmp_path: Path) -> None:
    """By a conftest like the suite's, since each test of the suite is run by this one."""
    (tmp_path / "conftest.py").write_text(
        "import another_day, pytest\n"
        "def pytest_addoption(parser): another_day.add_options(parser)\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_cmdline_main(config): another_day.set_clock(config)\n"
    )
    (tmp_path / "test_day.py").write_text(DAY)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", tmp_path, tmp_path, "--today", "2027-01-31"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tests"), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
