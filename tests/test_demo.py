"""`cmdb demo` from end to end: a fault that a run must refuse; its nights are in test_second_night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from demos import checkout_in, demo
from nights import cmdb, cmdb_here, fingerprint


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return checkout_in(tmp_path / "checkout")


@pytest.mark.large
def test_a_lie_is_shown_named_and_refused(checkout: Path) -> None:
    done = demo(checkout, "demo", "--lie", "silent_zero")
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    first, _, second = said.partition("The fault silent_zero: ")
    assert "Nothing is published yet: first a run without faults." in first
    assert "Published " in first
    told = re.search(r"account (\d{12}) answers 200 and an empty list", second)
    assert told
    assert f"empty_suspect in account {told.group(1)}" in second
    assert f"Lied about: role workload, account {told.group(1)}, ec2:DescribeInstances." in second
    database = checkout / "warehouse" / "demo" / "aws_org.duckdb"
    name, sha256 = fingerprint(database)
    assert f"The published file is as it was: {Path(name).name}, SHA-256 {sha256}." in second

    assert not (checkout / "real.duckdb").exists()
    assert [path.name for path in (checkout / "warehouse").glob("*.duckdb")] == []
    answer = demo(checkout, "sql", "--demo", "select count(*) as accounts from org.account")
    assert (answer.returncode, answer.stdout.split()) == (0, ["accounts", "13"])

    # The remedy as it is printed, by somebody whose environment leads elsewhere.
    assert re.search(r"`cmdb nightly[^`]* --demo`", second)
    mended = demo(checkout, "nightly", "--only-untrusted", "--demo")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert fingerprint(database)[1] != sha256


def test_a_lie_that_nobody_knows_is_wrong_usage() -> None:
    done = cmdb_here({}, "demo", "--lie", "white")
    assert done.returncode == 2
    assert "There is no fault 'white'" in done.stderr
    assert "silent_zero" in done.stderr
    assert "Nothing was run" in done.stderr


def test_without_the_simulator_the_demo_says_what_to_install(tmp_path: Path) -> None:
    """A production install may leave it out."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['simulator'] = None\nsys.modules['simulator.client'] = None\n"
    )
    done = cmdb({"PYTHONPATH": str(tmp_path)}, "demo")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "simulator" in done.stderr
