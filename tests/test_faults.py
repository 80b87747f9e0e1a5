"""The short part of `make faults`: a few kills, and that the kit can fail."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from nights import REPOSITORY

from faults.report import Shown, page

FEW = """
import sys, time
from pathlib import Path
from faults.crashes import random_kills
print(random_kills(Path(sys.argv[1]), 10, 1, time.monotonic() + 60))
"""


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    # Forked processes want a parent without threads, which pytest's is not.
    done = subprocess.run(
        [sys.executable, "-c", FEW, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "10 kills with seed 1" in done.stdout
    assert "none lost" in done.stdout


def test_a_case_that_came_otherwise_is_seen() -> None:
    began = time.monotonic()
    failed = Shown("crashes", "a case", "it holds", failure="it | does not", seconds=time.monotonic() - began)
    assert not failed.passed
    assert failed.line().startswith("✗ crashes: a case")
    assert page([], date="2026-11-25", versions="", seconds=0).startswith("# Reliability")
