"""The parts of `.ci/nightly`: all of them or those that are named, each though another one failed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NIGHTLY = Path(__file__).parents[1] / ".ci" / "nightly"

FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in *"$FAILS"*) exit 3 ;; esac
"""


def run_nightly(
    folder: Path, *parts: str, fails: str = "nothing"
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The script among commands that only write down how they are called, and those calls."""
    for name in ("bin/make", ".venv/bin/python"):
        command = folder / name
        command.parent.mkdir(parents=True)
        command.write_text(FAKE, encoding="utf-8")
        command.chmod(0o755)
    (folder / ".ci").mkdir()
    script = shutil.copy(NIGHTLY, folder / ".ci")
    calls = folder / "calls"
    calls.touch()
    ended = subprocess.run(
        ["bash", script, *parts],
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), "FAILS": fails},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended, calls.read_text(encoding="utf-8").splitlines()


def test_a_whole_night_runs_every_part_and_says_how_each_ended(tmp_path: Path) -> None:
    ended, calls = run_nightly(tmp_path, fails="faults")
    assert ended.returncode == 1
    named = ["large", "2027-01-01", "2027-01-10", "2027-01-31", "scaleout", "faults", "mutants", "reliability", "focus"]
    assert [name for name, call in zip(named, calls[2:], strict=True) if name not in call] == []
    summary = ended.stdout.splitlines()[-len(named) - 1 :]
    assert [line.split()[1] for line in summary] == ["passed"] * 6 + ["failed"] + ["passed"] * 3, summary


@pytest.mark.parametrize("part", ["day-2027-01-10", "faults"])
def test_a_part_that_is_named_runs_alone(tmp_path: Path, part: str) -> None:
    ended, calls = run_nightly(tmp_path, part)
    assert ended.returncode == 0
    assert len(calls) == 2, calls
    assert part.removeprefix("day-") in calls[1]


def test_a_part_that_there_is_not_runs_nothing(tmp_path: Path) -> None:
    ended, calls = run_nightly(tmp_path, "large", "larg")
    assert (ended.returncode, calls) == (2, [])
    assert "'larg' is no part of the night" in ended.stderr
