"""What a command says to do next can be typed as it stands, and a command that is refused leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import commands_of
from given import house
from nights import DATABASE, REPOSITORY, cmdb_here, copy_of

from pipelines.cli import demo, simulation
from pipelines.cli.command import as_typed
from pipelines.cli.coverage import read_coverage
from pipelines.cli.explain import _typed
from pipelines.cli.run import _errors, _is_refused_by_preflight, next_step
from pipelines.cli.summary import RunSummary
from resources.audit.checks import PREFLIGHT_SCOPE, record_check, record_preflight
from resources.audit.runs import record_run
from resources.check_result import CheckResult

CELL = ("111122223333", "us-east-1", "ec2_instance")


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("then `cmdb nightly --only-untrusted`", "then `cmdb nightly --only-untrusted --demo`"),
        ('`cmdb accept 1 r l --reason "…"`', '`cmdb accept 1 r l --reason "…" --demo`'),
        ("`cmdb ask workload ec2_instance --verbose`", "`cmdb ask workload ec2_instance --verbose --demo`"),
        ("`cmdb confirm` and `cmdb profiles`", "`cmdb confirm --demo` and `cmdb profiles --demo`"),
        ("see `cmdb preflight`, `cmdb policy workload`", "see `cmdb preflight`, `cmdb policy workload`"),
        ("an item is called `cmdb nightly", "an item is called `cmdb nightly"),
    ],
)
def test_a_command_that_is_named_for_the_demo_leads_to_the_demo(text: str, typed: str) -> None:
    assert as_typed(text, demo=True) == typed
    assert as_typed(text, demo=False) == text


def test_the_hints_of_an_explanation_are_typed_in_json_too() -> None:
    data = {"resource": 1, "cells": [{"listing": "a", "hint": "`cmdb nightly`", "cure": "`cmdb nightly`"}]}
    (cell,) = _typed(data, demo=True)["cells"]
    assert cell == {"listing": "a", "hint": "`cmdb nightly --demo`", "cure": "`cmdb nightly --demo`"}
    assert _typed(data, demo=False) == data


def test_every_command_that_takes_the_demo_is_known_to_its_remedies() -> None:
    from pipelines.cli.main import main

    known = {
        name: "--demo" in {option for parameter in command.params for option in parameter.opts}
        for name, command in commands_of(main).items()
    }
    assert sum(known.values()) > 10
    for name, takes_it in known.items():
        typed = f"`cmdb {name} --demo`" if takes_it else f"`cmdb {name}`"
        assert as_typed(f"`cmdb {name}`", demo=True) == typed
    assert as_typed("`cmdb sql-like` and `cmdb status --demo`", demo=True) == "`cmdb sql-like` and `cmdb status --demo`"


@pytest.mark.parametrize(
    "typed",
    [
        ["nightly", "--only-untrusted", "--cost-requests", "5", "--yes", "--demo"],
        ["ask", "workload", "ec2_instance", "--account", "111122223333", "--verbose", "--demo"],
        ["bill-month", "2026-08", "2026-10", "--demo"],
        ["bill-month", "2026-08", "--demo"],
        ["confirm", "--demo", "--json"],
        ["profiles", "--role-name", "Reader", "--demo"],
    ],
    ids=" ".join,
)
def test_what_would_ask_aws_of_the_demo_asks_the_simulated_organisation(
    typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment leads to: the same words, in a process that leads to the simulator alone."""
    started: list[tuple[dict[str, str], tuple[str, ...]]] = []

    @contextmanager
    def simulated(*_: object, **__: object) -> Iterator[tuple[None, dict[str, str]]]:
        yield None, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}

    def run_command(environment: dict[str, str], *arguments: str) -> int:
        started.append((environment, arguments))
        return 3

    monkeypatch.setattr(simulation, "simulated", simulated)
    monkeypatch.setattr(simulation, "run_command", run_command)
    done = cmdb_here({"AWS_MANAGEMENT_PROFILE": "acmeManagement"}, *typed)
    assert (done.returncode, done.stdout) == (3, "")
    ((environment, arguments),) = started
    assert environment == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert arguments[0] == typed[0] and sorted(arguments) == sorted(typed)


def test_a_refused_preflight_of_the_working_file_is_shown_with_its_remedy(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        with home.store.transaction() as connection:
            record_run(connection, "run-1", "test")
            result = CheckResult(False, "Two profiles are one.", name="distinct", hint="Give each its own.")
            record_preflight(connection, "run-1", [result], "")
        found = read_coverage(home.store, blocked=True)
    assert found.refusals == ["Two profiles are one. Give each its own."]


def test_an_interruption_outside_a_run_has_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_demo", interrupted)
    done = cmdb_here({}, "demo")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "Interrupted. Nothing unfinished was published.\n"


def test_a_refused_accept_makes_nothing(tmp_path: Path) -> None:
    database = tmp_path / "warehouse" / DATABASE
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "accept", *CELL, "--reason", "a reason")
    assert done.returncode == 1
    assert "Nothing is published" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_accept_of_an_unknown_cell_changes_nothing(truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)

    def state() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in database.parent.iterdir()}

    before = state()
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "accept", *CELL, "--reason", "a reason")
    assert done.returncode == 2
    assert f"No cell {' '.join(CELL)} is known" in done.stderr
    assert state() == before


REFUSED = RunSummary("one", False, 1, ["Too bad."])
BY_PREFLIGHT = RunSummary("one", False, 1, ["Two profiles are one."], refused_by_preflight=True)


@pytest.mark.parametrize(
    ("ended", "demo", "command"),
    [
        (REFUSED, False, "coverage --blocked"),
        (REFUSED, True, "coverage --blocked --demo"),
        (BY_PREFLIGHT, False, "preflight"),
        (BY_PREFLIGHT, True, "demo"),
        (RunSummary("one", False, 2, ["Wrong."]), False, "preflight"),
        (RunSummary("one", False, 2, ["Wrong."]), True, "demo"),
        (RunSummary("one", False, 130, ["Interrupted."]), False, "nightly"),
        (RunSummary("one", False, 130, ["Interrupted."]), True, "nightly --demo"),
    ],
)
def test_the_next_command_fits_what_happened(ended: RunSummary, demo: bool, command: str) -> None:
    assert next_step(ended, demo=demo) == command


@pytest.mark.parametrize(("scope", "severity", "expected"), [
    (PREFLIGHT_SCOPE, "ERROR", True), (PREFLIGHT_SCOPE, "WARN", False), ("ec2_instance", "ERROR", False),
])  # fmt: skip
def test_a_run_is_refused_by_the_preflight_where_a_fact_of_it_failed(
    tmp_path: Path, scope: str, severity: str, expected: bool
) -> None:
    with house(tmp_path) as home:
        with home.store.transaction() as connection:
            record_run(connection, "run-1", "test")
            record_check(connection, "run-1", "a_fact", scope, severity=severity, passed=False, observed="So it is.")
        assert _is_refused_by_preflight(_errors(home.store, "run-1")) is expected
        assert not _is_refused_by_preflight(_errors(home.store, "run-2"))


CHILD = """#!/bin/sh
trap 'sleep 1; echo ended by itself; exit 130' INT
echo ready
sleep 60 &
wait
"""


@pytest.mark.large
def test_an_interrupted_demo_ends_as_the_run_in_it_does(tmp_path: Path) -> None:
    """The terminal interrupts both: the run has time to say its sentence, and its exit code is that of the command."""
    child = tmp_path / "child"
    child.write_text(CHILD, encoding="utf-8")
    child.chmod(0o755)
    script = f"import sys; sys.executable = {str(child)!r}\nfrom pipelines.cli.simulation import run_command\n"
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}sys.exit(run_command({{}}, 'nightly'))"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        # The child may speak before its parent has gone on to wait for it.
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate()
    assert (process.returncode, said) == (130, "ended by itself\n")
