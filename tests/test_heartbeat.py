"""The heartbeat: which runs are told to `CMDB_HEARTBEAT_COMMAND`, by the command line and by Dagster's sensor."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from ended_runs import shown_to
from nights import cmdb_here, dagster_home

from pipelines import alerts
from pipelines.cli import run as command
from pipelines.cli.summary import RunSummary
from pipelines.definitions import NIGHTLY
from pipelines.settings import read_settings
from resources.store.paths import PUBLISHED_NAME
from resources.store.store import Store

SCRIPT = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"


@pytest.fixture
def received(tmp_path: Path) -> Path:
    """Where the program writes what it receives."""
    return tmp_path / "received.json"


@pytest.fixture
def settings(tmp_path: Path, received: Path) -> dict[str, str]:
    program = shlex.join([sys.executable, "-c", SCRIPT, str(received)])
    return {"CMDB_DATABASE": str(tmp_path / PUBLISHED_NAME), "CMDB_HEARTBEAT_COMMAND": program}


def expected(run_id: str, settings: dict[str, str]) -> dict[str, Any]:
    sentence = f"Published {settings['CMDB_DATABASE']}."
    return {"run_id": run_id, "job": NIGHTLY, "status": "published", "sentences": [sentence]}


# ------------------------------------------------------------------------------------------------- Dagster


def night(
    settings: dict[str, str], *, job: str = NIGHTLY, publishes: bool = True, tags: dict[str, str] | None = None
) -> str:
    """A run of Dagster that ended well, as the daemon shows it to the sensor; returns its id."""

    @dg.op(name="publish")
    def publish() -> None:
        if publishes:
            store, run_id = Store(Path(settings["CMDB_DATABASE"])), dg.OpExecutionContext.get().run_id
            with store.holding(run_id, "nightly"):
                store.publish(run_id, lambda _: None)

    @dg.job(name=job)
    def whole() -> None:
        publish()

    sensor = alerts.heartbeat_sensor(read_settings(settings), NIGHTLY)
    return shown_to(sensor, whole, tags)


def test_a_scheduled_run_that_published_is_reported(settings: dict[str, str], received: Path) -> None:
    run_id = night(settings)
    assert json.loads(received.read_text()) == expected(run_id, settings)


def test_a_run_that_did_not_publish_is_not_reported(settings: dict[str, str], received: Path) -> None:
    night(settings, publishes=False)
    assert not received.exists()


def test_another_job_that_publishes_is_not_reported(settings: dict[str, str], received: Path) -> None:
    """`confirm` publishes too, and says nothing of whether the nights still come."""
    night(settings, job="confirm")
    assert not received.exists()


def test_a_run_that_a_command_waits_for_is_left_to_the_command(settings: dict[str, str], received: Path) -> None:
    night(settings, tags={alerts.LAUNCHED_BY: "cmdb nightly"})
    assert not received.exists()


def test_without_a_program_nothing_happens(settings: dict[str, str], received: Path) -> None:
    night({"CMDB_DATABASE": settings["CMDB_DATABASE"]})
    assert not received.exists()


@pytest.mark.parametrize("program", ["/nonexistent/beat", "false", "echo 'unbalanced"])
def test_a_program_that_fails_fails_nothing(settings: dict[str, str], program: str) -> None:
    night({**settings, "CMDB_HEARTBEAT_COMMAND": program})


# ---------------------------------------------------------------------------------------------- command line


@pytest.mark.parametrize(
    ("ended", "arguments", "is_announced"),
    [
        (RunSummary("one", True, 0), [], True),
        (RunSummary("one", False, 1, ["Too bad."]), [], False),
        # It published and the report failed: that is an alert.
        (RunSummary("one", True, 1, ["Too bad."]), [], False),
        (RunSummary("one", True, 0), ["--demo"], False),
    ],
    ids=["published", "refused", "published, and failed", "demo"],
)
def test_the_command_line_reports_of_its_own_run(
    settings: dict[str, str],
    received: Path,
    ended: RunSummary,
    arguments: list[str],
    is_announced: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "run_with_progress", lambda *_, **__: ended)
    monkeypatch.setattr(command, "summarise", lambda _: None)
    # With the demo, as in the process that leads to its organisation.
    environment = {**settings, "DAGSTER_HOME": str(dagster_home()), "SIMULATED_ORGANISATION": "1"}
    done = cmdb_here(environment, "nightly", "--json", *arguments)
    assert done.returncode == ended.exit_code
    assert received.exists() is is_announced
    assert ("CMDB_HEARTBEAT_COMMAND received the check results." in done.stderr) is is_announced
    if is_announced:
        assert json.loads(received.read_text()) == expected("one", settings)


def test_a_failing_program_is_said_and_the_run_has_published(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run_with_progress", lambda *_, **__: RunSummary("one", True, 0))
    monkeypatch.setattr(command, "summarise", lambda _: None)
    environment = {**settings, "CMDB_HEARTBEAT_COMMAND": "false", "DAGSTER_HOME": str(dagster_home())}
    done = cmdb_here(environment, "nightly", "--json")
    assert (done.returncode, "CMDB_HEARTBEAT_COMMAND ended with 1" in done.stderr) == (0, True)
