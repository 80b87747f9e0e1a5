"""A live Dagster with UI, daemon and command line: every way of launching, in every state of the evidence.

One run is launched in the UI and is the truth that every state begins with: each has a copy of its warehouse, in which
the stored evidence is changed. Then each way launches a table that rests upon it, and at last whole runs are launched
over an organisation that lies. The table of states is `chaos.live.STATES`; tests/test_gate.py launches in process.

Everything that opens a warehouse is done `apart`: threads, and files that DuckDB has open, stay out of the process that
others are forked from.
"""

from __future__ import annotations

import contextlib
import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from nights import DATABASE, REPOSITORY, environment_of, fingerprint

from chaos.ground import Ground, copy_of, grounded
from chaos.live import (
    COMMANDS,
    PROGRAMS,
    SILENTLY,
    STATES,
    STUMBLE,
    TARGET,
    Run,
    Ui,
    World,
    changed,
    child_environment,
    home_of,
    readers,
    served,
)
from chaos.processes import apart, load
from pipelines.definitions import NIGHTLY, build_defs
from pipelines.models.model import read_models

# One worker has the instance, for all of them.
pytestmark = pytest.mark.xdist_group("dagster")

LIMIT = 3600.0
"""Seconds after which what is done over one state is broken off: many times what it takes."""

RETRIES_MISSED, RETRY_SECONDS = 2, 300.0
"""How often Dagster may miss that a run is to be launched once more, and the seconds after which it has."""

GRAPH = "__ASSET_JOB"
"""Dagster's name of the job behind every button of the asset graph."""

MISROUTED = "are the same account"
"""What a run says that begins while two profiles reach one account."""

AGAIN = {
    "dagster/max_retries": "1",
    "dagster/retry_on_asset_or_op_failure": "true",
    "dagster/retry_strategy": "ALL_STEPS",
}
"""Tags that anybody may give a run, and Dagster tries it once more by itself."""

ONE = "one asset of the graph"
ALONE = "a check alone"
PUBLICATION = "the publication alone"
PUBLISHED = "published"
RETRIED = "the automatic retry of a run"
REPEATED = "again from failure"

FORGERY = ("audit/caller_identity", "landing/ec2_instance", TARGET)

HIDDEN = "update audit.check_result set scope = 'hidden' where scope = 'pre-flight'"
SHOWN = "update audit.check_result set scope = 'pre-flight' where scope = 'hidden'"


@dataclass
class Lane:
    """An instance over an organisation; its `warehouse` is laid out anew by each test."""

    ui: Ui
    ground: Ground
    truth: Path

    def afresh(self, folder: Path) -> None:
        """Give the instance a warehouse as the truthful run left it."""
        self.look_at(copy_of(self.truth, folder).parent)

    def look_at(self, folder: Path) -> None:
        """Let the instance have its warehouse there."""
        warehouse = self.ui.world.database.parent
        warehouse.unlink(missing_ok=True)
        warehouse.symlink_to(folder)


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """A webserver, a code server and a daemon, and what a whole run published that the UI launched."""
    load()
    folder = tmp_path_factory.mktemp("dagster")
    with grounded(folder / "ground") as ground, contextlib.ExitStack() as stack:
        made = folder / "live"
        made.mkdir()
        apart(lambda: str(home_of(made / "home")), folder)
        # The daemon must not start a run of its own in the middle.
        settings = {"DAGSTER_HOME": str(made / "home"), "CMDB_SCHEDULE": "0 0 29 2 *"}
        database = made / "warehouse" / DATABASE
        ui = stack.enter_context(served(made, World(database, ground.environment(database, **settings))))
        stack.enter_context(ui.daemon())
        night = ui.ended(ui.launch(NIGHTLY, way="the whole run"))
        assert night.status == "SUCCESS", night.said
        assert PUBLISHED in night.built
        database.parent.rename(folder / "truth")
        yield Lane(ui, ground, folder / "truth" / DATABASE)


def checks_of(*names: str) -> list[tuple[str, str]]:
    """All checks of these assets."""
    graph = build_defs({}).resolve_asset_graph()
    return [(name, check.name) for name in names for check in graph.get(dg.AssetKey(name.split("/"))).check_keys]


@dataclass
class Launched:
    """What came of each way."""

    runs: dict[str, Run]
    commands: dict[str, tuple[World, int, str]]


def stumble(ui: Ui, way: str) -> None:
    """Launch a run that fails and that Dagster is to launch once more."""
    ui.launch(GRAPH, TARGET, STUMBLE, way=way, tags=AGAIN)


def retried(ui: Ui, way: str) -> Run:
    """The run that Dagster launched once more.

    Its daemon never does where it reads that the run failed before the run's status says so; then another is launched.
    """
    for number in range(1, RETRIES_MISSED + 1):
        with contextlib.suppress(AssertionError):
            return ui.ended_by(way, 2, RETRY_SECONDS)
        way = f"{way}, missed {number}"
        stumble(ui, way)
    return ui.ended_by(way, 2)


def launch_in_every_way(ui: Ui, name: str, folder: Path, parent: str = "") -> Launched:
    """At once, and wait for all of them.

    Args:
        name: of what is tried; the runs carry it.
        folder: of copies of the warehouse for the commands: one that runs work on cannot be copied, files come and go.
        parent: a run that failed, to be repeated from there; that of one asset where none is given.
    """
    world = ui.world

    def called(way: str) -> str:
        return f"{name}: {way}"

    copies = {way: copy_of(world.database, folder / f"copy-{number}") for number, way in enumerate(COMMANDS)}
    # Once the target is built anew, what reads it has to be too before anything is published.
    launched = {PUBLICATION: ui.launch(GRAPH, PUBLISHED)}
    ui.tell("schedule", called("a tick of a schedule"))
    ui.tell("sensor", called("a sensor"))
    launched |= {
        ONE: ui.launch(GRAPH, TARGET),
        "a part of the run": ui.launch(NIGHTLY, TARGET),
        ALONE: ui.launch(GRAPH, checks=checks_of(TARGET)),
        "the checks deselected": ui.launch(GRAPH, TARGET, checks=[]),
    }
    stumble(ui, called(RETRIED))
    ui.backfill(TARGET, called("a backfill"))
    commands = {}
    for way, words in COMMANDS.items():
        own = World(copies[way], world.environment | {"CMDB_DATABASE": str(copies[way])})
        commands[way] = own, *command(own, words)
    runs = {way: ui.ended(run_id) for way, run_id in launched.items()}
    runs[REPEATED] = ui.ended(ui.again_from_failure(parent or runs[ONE].run_id, called(REPEATED)))
    runs[RETRIED] = retried(ui, called(RETRIED))
    for way in ("a backfill", "a sensor", "a tick of a schedule"):
        runs[way] = ui.ended_by(called(way))
    ui.forge(*FORGERY, checks=checks_of(*FORGERY))
    runs["after forged reports of materialisations and passed checks"] = ui.ended(ui.launch(GRAPH, TARGET))
    return Launched(runs, commands)


def command(world: World, words: tuple[str, ...]) -> tuple[int, str]:
    done = subprocess.run(
        [str(PROGRAMS / words[0]), *words[1:]],
        env=child_environment(world),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_with_the_evidence_each_way_builds(lane: Lane, tmp_path: Path) -> None:
    lane.afresh(tmp_path / "warehouse")
    apart(functools.partial(must_build, lane.ui, tmp_path), tmp_path, seconds=LIMIT)


def must_build(ui: Ui, folder: Path) -> None:
    world = ui.world
    # Something must have failed before it can be repeated from there.
    world.change(HIDDEN)
    parent = ui.ended(ui.launch(GRAPH, TARGET))
    assert parent.status == "FAILURE", parent.status
    world.change(SHOWN)
    world.mark()
    launched = launch_in_every_way(ui, "the evidence is good", folder, parent.run_id)
    for way, run in launched.runs.items():
        assert run.status == "SUCCESS", f"{way}: {run.said or run.status}"
        made = PUBLISHED if way == PUBLICATION else TARGET
        assert run.checked if way == ALONE else made in run.built, f"{way}: built {run.built}"
    for way, (own, code, said) in launched.commands.items():
        assert code == 0, f"{way}: exit code {code}, {said[-600:]}"
        assert not own.is_marked, f"{way}: it built nothing"
    assert not world.is_marked


@pytest.mark.parametrize("state", STATES)
def test_without_the_evidence_no_way_builds(lane: Lane, tmp_path: Path, state: str) -> None:
    lane.afresh(tmp_path / "warehouse")
    apart(functools.partial(must_refuse, lane.ui, tmp_path, state), tmp_path, seconds=LIMIT)


@pytest.mark.parametrize("state", STATES)
def test_over_any_evidence_a_whole_run_in_a_lying_world_is_refused(lane: Lane, tmp_path: Path, state: str) -> None:
    """It requests anew, so no stored evidence refuses it but what it is told: by a lie."""
    lane.afresh(tmp_path / "warehouse")
    lane.ground.simulator.lie("silent_zero" if state == SILENTLY else "same_account_twice")
    try:
        apart(functools.partial(must_refuse_the_run, lane.ui, state), tmp_path, seconds=LIMIT)
    finally:
        lane.ground.simulator.stop_lying()


def marked_without_evidence(world: World, state: str) -> tuple[Any, ...]:
    """Change the stored evidence and mark the target; the state of the warehouse then."""
    world.change(STATES[state][0])
    world.mark()
    return world.state()


def must_refuse(ui: Ui, folder: Path, state: str) -> None:
    """In the rule's sentence; no table changes, and what is published stays byte for byte."""
    world, words = ui.world, STATES[state][1]
    before = marked_without_evidence(world, state)
    launched = launch_in_every_way(ui, state, folder)
    assert not (what := changed(before, world.state())), what
    for way, run in launched.runs.items():
        assert_refused(way, run, words)
    for way, (own, code, said) in launched.commands.items():
        assert code != 0, f"{way}: exit code 0"
        assert words in said, f"{way}: {said[-600:]}"
        assert not (what := changed(before, own.state())), f"{way}: {what}"
    with environment_of(world.environment), dg.DagsterInstance.get() as instance:
        for asset, name in checks_of("landing/ec2_instance"):
            check = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name)
            forged = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
            assert forged.status == AssetCheckExecutionRecordStatus.SUCCEEDED, "Dagster does not believe the forgery"


def must_refuse_the_run(ui: Ui, state: str) -> None:
    world = ui.world
    before = marked_without_evidence(world, state)
    run = ui.ended(ui.launch(NIGHTLY))
    assert_refused("the whole run", run, STATES[SILENTLY][1] if state == SILENTLY else MISROUTED)
    if state != SILENTLY:
        assert not (what := changed(before, world.state())), what
        return
    # What does not rest upon the silent listing is fresh, and may be; so is what stands between, which nobody reads,
    # and a view, which shows what is fresh where it is read.
    after, models = world.tables(), read_models()
    kept = [name for name in readers() if not name.startswith("stage.") and models[name].materialized != "view"]
    built = [name for name in kept if before[0][name] != after[name]]
    assert not built, f"the run changed {', '.join(built)}"
    assert fingerprint(world.database) == before[-1], "the run published"


def assert_refused(what: str, run: Run, words: str) -> None:
    assert run.status == "FAILURE", f"{what}: {run.status}"
    assert not {TARGET, PUBLISHED} & set(run.built), f"{what}: built {run.built}"
    assert words in run.said, f"{what}: {run.said}"
