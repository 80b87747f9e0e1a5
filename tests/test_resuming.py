"""A run after an interruption: what it keeps, what it requests, and what it says of both."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from given import Given, blank_file, hours, past_run
from nights import DATABASE, cmdb, cmdb_here, copy_of, interrupted_run, night_environment, query
from steps import asked

from pipelines.catalogue.names import REGION
from pipelines.cli import run as command
from pipelines.cli.resuming import interrupted, usual_duration
from pipelines.cli.summary import RunSummary
from pipelines.cli.terminal import LineProgress, Steps, console
from pipelines.collection.progress import Note, Part, Report
from resources.aws.messages import Progress
from resources.store.store import Store
from simulator.client import Simulator

FOUND = Given("ec2_vpc", [{"VpcId": "vpc-1"}])
LISTED = Given("organizations_account", [{"Id": "111111111111"}])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A warehouse without a run."""
    made = Store(tmp_path / DATABASE, patience=0.2)
    made.working.write_bytes(blank_file())
    return made


def run(
    store: Store, run_id: str, outcome: str, ago: float, cells: Sequence[Given] = (FOUND,), took: float = 0.5
) -> None:
    """A run that found a VPC and took half an hour."""
    past_run(store, run_id, outcome, ago, cells, took=took)


# ------------------------------------------------------------------------------------------- what is gone on with


@pytest.mark.parametrize("outcome", ["running", "died", "incomplete"])
def test_a_run_that_no_rule_refused_is_gone_on_with(store: Store, outcome: str) -> None:
    run(store, "night", outcome, 2)
    found = interrupted(store)
    assert found is not None
    assert (found.run_id, found.trusted) == ("night", 1)
    assert "Run night was interrupted." in str(found)
    assert "1 cells, and only the others are requested" in str(found)


@pytest.mark.parametrize(
    ("outcome", "ago", "cells"),
    [
        ("refused", 2, (FOUND,)),
        ("published", 2, (FOUND,)),
        ("died", 13, (FOUND,)),
        ("died", 2, ()),
        ("died", 2, (Given("ec2_vpc", outcome="denied"),)),
    ],
)
def test_other_runs_are_not(store: Store, outcome: str, ago: float, cells: Sequence[Given]) -> None:
    run(store, "night", outcome, ago, cells)
    assert interrupted(store) is None


def test_all_interruptions_since_the_last_whole_run_count_and_what_it_trusted_does_not(store: Store) -> None:
    run(store, "whole", "published", 5)
    run(store, "one", "died", 3, [Given("ec2_subnet", [{"SubnetId": "a"}])])
    run(store, "two", "incomplete", 1, [])
    found = interrupted(store)
    assert found is not None
    assert (found.run_id, found.trusted) == ("two", 1)
    assert abs(datetime.now(UTC) - found.since - hours(3)) < timedelta(minutes=2)
    run(store, "three", "refused", 0.5)
    assert interrupted(store) is None, "a rule has judged what there is"


def test_without_a_warehouse_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    assert interrupted(Store(tmp_path / DATABASE)) is None


@pytest.mark.parametrize(
    ("options", "resumes"), [((), True), (("--everything",), False), (("--only-untrusted",), False)]
)
def test_the_command_says_that_it_goes_on_unless_it_is_reported_otherwise(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], resumes: bool
) -> None:
    begun: list[dict[str, Any]] = []

    def begin(environment: Mapping[str, str], _: Store, **how: Any) -> RunSummary:
        begun.append(how)
        return RunSummary("a", False, 1, ["Only a test."])

    monkeypatch.setattr(command, "run_nightly", begin)
    run(store, "night", "died", 2)
    environment = {"CMDB_DATABASE": str(store.database), "DAGSTER_HOME": str(tmp_path / "dagster")}
    done = cmdb_here(environment, "nightly", *options)
    assert ("Run night was interrupted." in done.stdout) is resumes
    assert (begun[0]["kept_since"] is not None) is resumes


def test_a_step_keeps_what_was_trusted_since_and_requests_what_is_older(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    before = datetime.now(UTC)
    with asked(organisation, database, REGION, only_untrusted=True, kept_since=before) as cells:
        assert any(cell.outcome == "found" for cell in cells), "the night's responses are older"
    with asked(organisation, database, REGION, only_untrusted=True, kept_since=before, run="the-next") as cells:
        assert [cell for cell in cells if cell.outcome == "found"] == []


# --------------------------------------------------------------------------------------------- what is shown


def said(notes: Sequence[Note], capsys: pytest.CaptureFixture[str], **how: Any) -> list[str]:
    steps = Steps(console(), ("cost", "region", "inventory"), **how)
    for note in notes:
        steps(note)
    return capsys.readouterr().out.splitlines()


def test_a_step_that_begins_says_what_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(
        [Note("6 listings", "cost"), Note("kept 5"), Note("ec2_region", "region"), Note("a", "inventory")], capsys
    ) == [
        "cost: 6 listings; then region, inventory",
        "kept 5",
        "region: ec2_region; then inventory",
        "inventory: a",
    ]


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(10, "; about 20 min left, by the last run"), (40, "; the last run took 30 min in all, this one longer")],
)
def test_a_step_that_begins_says_how_long_the_last_run_took(
    capsys: pytest.CaptureFixture[str], minutes: int, words: str
) -> None:
    times = iter([0.0, minutes * 60.0])
    (line,) = said([Note("6 listings", "cost")], capsys, usual=timedelta(minutes=30), clock=lambda: next(times))
    assert line.endswith(words)


def test_the_last_run_is_one_that_collected_and_published(store: Store) -> None:
    assert usual_duration(store, "nightly") is None
    run(store, "night", "published", 9, [LISTED], took=2)
    run(store, "confirm", "published", 6, [], took=0.1)
    run(store, "broken", "incomplete", 3, [LISTED], took=1)
    assert usual_duration(store, "nightly") == hours(2)
    assert usual_duration(store, "confirm") is None


def report(what: str, done: int, total: int) -> Report:
    progress = Progress(done=done, total=total, records=7, requests=9, throttles=1, elapsed=60.0)
    return Report(what, progress, part=Part(1, 1, time.monotonic() - 60))


def test_a_log_shows_once_a_minute_what_is_going_on(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    progress = LineProgress(console(), lambda: now)
    for second in range(0, 150, 10):
        now = float(second)
        progress(report("ec2_instance", 1 + second, 1000))
        for number in range(6):
            progress(report(f"small_{number}", 1, 3))
    progress(report("small_0", 3, 3))
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("… ec2_instance: ") for line in lines) == 2, "after one minute and after two"
    assert all("s left" in line for line in lines if line.startswith("… ec2_instance"))
    assert lines.count("… and 2 more") == 2
    assert lines[-1].startswith("small_0: 3 of 3 cells")


# -------------------------------------------------------------------------------------------------- whole runs


@pytest.mark.large
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL], ids=lambda found: str(found.name))
def test_a_run_after_an_interruption_requests_only_what_is_not_yet_trusted(
    small: Simulator, tmp_path: Path, ended_by: signal.Signals
) -> None:
    small.configure(trail_passes=True)
    database = tmp_path / "warehouse" / DATABASE
    environment = night_environment(small, database, DAGSTER_HOME=str(tmp_path / "dagster"))
    # The network's listings come late, so that the run is interrupted after the organisation and the bill.
    small.faults([{"action": "delay", "op": "DescribeVpcs", "seconds": 20.0}])
    _, first = interrupted_run(small, environment, "DescribeVpcs", ended_by)
    assert "cost: 6 listings, requested by billing; then" in first
    small.reset()
    small.configure(trail_passes=True)
    done = cmdb(environment, "nightly")
    assert done.returncode == 0, done.stdout
    assert "was interrupted. What was trusted since" in done.stdout
    assert "organizations_account: 1 trusted cells kept, 0 requested." in done.stdout
    assert "; then " in done.stdout
    operations = {call["operation"] for call in small.log()}
    assert "ListAccounts" not in operations
    assert "GetCostAndUsage" not in operations
    assert "DescribeVpcs" in operations
    assert query(database, "select count(*) > 0 from cmdb.resource where is_stale") == [(False,)]
    # The next night has nothing to go on with; a run that requested only the rest says not how long a whole one takes.
    assert interrupted(Store(database)) is None
    assert usual_duration(Store(database), "nightly") is None
