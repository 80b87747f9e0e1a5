"""Gating: every way of launching, on a live Dagster instance, against every state of the evidence that must refuse.

One night is launched in the UI and is the truth that every state begins with: each has a copy of its warehouse, in
which the stored evidence is changed. Then each way launches a table that rests upon it, and at last whole nights are
launched over an organisation that lies. Two instances work side by side, each on one state after the other.
"""

import contextlib
import functools
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg

from faults.ground import DATABASE, Ground, begin, copy_of, fingerprint, grounded, shown
from faults.live import (
    COMMANDS,
    PROGRAMS,
    REPOSITORY,
    SILENTLY,
    STATES,
    STUMBLE,
    TARGET,
    UNLISTED,
    Run,
    Ui,
    World,
    child_environment,
    home_of,
    readers,
    served,
)
from faults.report import Shown
from pipelines.definitions import NIGHTLY, build_defs
from resources.store.errors import WarehouseError

GRAPH = "__ASSET_JOB"
"""Dagster's name of the job behind every button of the asset graph."""

RIGHT = "the evidence is good"

LANES = (
    (RIGHT, "the pre-flight failed", "the pre-flight judged another configuration"),
    (SILENTLY, "no pre-flight was ever made", "the pre-flight is too old", UNLISTED),
)
"""The states of the evidence that each instance is tried in."""

LIMIT = 1800.0
"""Seconds after which the part is broken off: many times what it takes."""

MISROUTED = "are the same account"
"""What a night says that begins while two profiles reach one account."""

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
FORGED = "after forged reports of materialisations and passed checks"
NIGHT = "the whole night"

LYING = {
    "same_account_twice": "whole nights in which two profiles reach one account",
    "silent_zero": "a whole night in which a listing fails silently",
}
"""Whole nights ask anew, so no stored evidence refuses them but what they are told: by that lie."""

FORGERY = ("audit/caller_identity", "landing/ec2_instance", TARGET)

CHANGED = "tables, cells, landed answers or the published file have changed"


@dataclass
class Trial:
    """A state of the evidence, and what came of each way of launching in it."""

    name: str
    lane: Path
    folder: Path
    before: tuple[Any, ...] = ()
    came: dict[str, Run] = field(default_factory=dict)
    commands: dict[str, tuple[World, int, str]] = field(default_factory=dict)
    trouble: str = ""
    seconds: float = 0.0

    @property
    def lie(self) -> str:
        """What AWS is made to do in the whole night that is launched over it."""
        return "silent_zero" if self.name == SILENTLY else "same_account_twice"

    @property
    def ways(self) -> str:
        """Every way that was tried over the stored evidence, in words."""
        tried = [*(way for way in self.came if way != NIGHT), *self.commands]
        return f"{len(tried)} ways: {', '.join(tried)}."


def run(scratch: Path, deadline: float) -> list[Shown]:
    """The matrix, a row a state; it takes about five minutes and is not begun after the deadline."""
    if time.monotonic() > deadline:
        return [Shown("gating", "the matrix", "no way gets past the gate", skipped="the time was up")]
    scratch.mkdir(parents=True)
    # Threads, and files that DuckDB has open, stay out of the process that others are forked from.
    found: list[Shown] = begin(functools.partial(_matrix, scratch), scratch, aloud=True).result(LIMIT)
    return found


def _matrix(scratch: Path) -> list[Shown]:
    with contextlib.ExitStack() as stack:
        ground = stack.enter_context(grounded(scratch / "ground"))
        lanes = [
            [Trial(name, scratch / f"lane-{n}", scratch / name) for name in names] for n, names in enumerate(LANES)
        ]
        for trials in lanes:
            # One after the other: making one takes the environment of the whole process.
            home_of(trials[0].lane / "home")
        with ThreadPoolExecutor(len(lanes)) as pool:
            uis = list(pool.map(lambda trials: stack.enter_context(_lane(ground, trials[0].lane)), lanes))
            first = shown("gating", NIGHT, "it publishes", functools.partial(_publishes, uis[0]))
            if not first.passed:
                return [first]
            (uis[0].world.database.parent).rename(scratch / "truth")
            work = functools.partial(_lane_of_trials, truth=scratch / "truth" / DATABASE)
            list(pool.map(work, uis, lanes))
            trials = [trial for lane in lanes for trial in lane]
            told: dict[str, list[Trial]] = {}
            for lie in LYING:
                ours = [[t for t in lane if t.name != RIGHT and t.lie == lie] for lane in lanes]
                ground.simulator.lie(lie)
                list(pool.map(_nights, uis, ours))
                ground.simulator.stop_lying()
                told[lie] = [trial for lane in ours for trial in lane]
    refused = "the rule's sentence; no table changes, and what is published stays byte for byte"
    return [
        first,
        *(
            replace(
                shown("gating", trial.name, "each way builds", functools.partial(_built, trial))
                if trial.name == RIGHT
                else shown("gating", trial.name, refused, functools.partial(_refused, trial)),
                seconds=trial.seconds,
            )
            for trial in trials
        ),
        *(
            shown("gating", name, refused, functools.partial(_nights_refused, told[lie], lie))
            for lie, name in LYING.items()
        ),
    ]


@contextlib.contextmanager
def _lane(ground: Ground, folder: Path) -> Iterator[Ui]:
    """An instance with its webserver, code server and daemon; `warehouse` is where it looks for its warehouse."""
    database = folder / "warehouse" / DATABASE
    # The daemon must not start a night of its own in the middle.
    settings = {"DAGSTER_HOME": str(folder / "home"), "CMDB_SCHEDULE": "0 0 29 2 *"}
    with served(folder, World(database, ground.environment(database, **settings))) as ui, ui.daemon():
        yield ui


def _tried(trial: Trial, work: Callable[[], None]) -> None:
    """Do a piece of work in a trial's warehouse; what goes wrong is the trial's trouble."""
    began = time.monotonic()
    warehouse = trial.lane / "warehouse"
    warehouse.unlink(missing_ok=True)
    warehouse.symlink_to(trial.folder)
    try:
        work()
    except (AssertionError, OSError, WarehouseError, subprocess.SubprocessError) as error:
        trial.trouble = trial.trouble or f"{type(error).__name__}: {str(error)[:600]}"
    trial.seconds += time.monotonic() - began


def _lane_of_trials(ui: Ui, trials: Sequence[Trial], truth: Path) -> None:
    for trial in trials:
        copy_of(truth, trial.folder)
        _tried(trial, functools.partial(_launched, ui, trial))


def _nights(ui: Ui, trials: Sequence[Trial]) -> None:
    for trial in trials:
        _tried(trial, functools.partial(_night, ui, trial))


# ------------------------------------------------------------------------------------------------- what is launched


def _publishes(ui: Ui) -> str:
    night = ui.ended(ui.launch(NIGHTLY, way=NIGHT))
    assert night.status == "SUCCESS", night.said
    assert PUBLISHED in night.built
    return f"{len(night.built)} assets, {len(night.checked)} checks passed."


HIDDEN = "update audit.check_result set scope = 'hidden' where scope = 'pre-flight'"
SHOWN = "update audit.check_result set scope = 'pre-flight' where scope = 'hidden'"


def _launched(ui: Ui, trial: Trial) -> None:
    """Launch in every way at once, and wait for all of them."""
    world = ui.world

    def called(way: str) -> str:
        return f"{trial.name}: {way}"

    if trial.name != RIGHT:
        world.change(STATES[trial.name][0])
    else:
        # Where all builds, something must have failed before it can be repeated from there.
        world.change(HIDDEN)
        parent = ui.ended(ui.launch(GRAPH, TARGET))
        assert parent.status == "FAILURE", parent.status
        world.change(SHOWN)
    world.mark()
    trial.before = world.state()

    # A warehouse that runs work on cannot be copied: files come and go.
    copies = {
        name: copy_of(world.database, trial.folder.with_name(f"{trial.name}, {name.strip('`')}")) for name in COMMANDS
    }

    # Once the target is built anew, what reads it has to be too before anything is published.
    launched = {PUBLICATION: ui.launch(GRAPH, PUBLISHED)}
    ui.tell("schedule", called("a tick of a schedule"))
    ui.tell("sensor", called("a sensor"))
    launched |= {
        ONE: ui.launch(GRAPH, TARGET),
        "a part of the night": ui.launch(NIGHTLY, TARGET),
        ALONE: ui.launch(GRAPH, checks=_checks(TARGET)),
        "the checks deselected": ui.launch(GRAPH, TARGET, checks=[]),
    }
    ui.launch(GRAPH, TARGET, STUMBLE, way=called(RETRIED), tags=AGAIN)
    ui.backfill(TARGET, called("a backfill"))
    for name, words in COMMANDS.items():
        own = World(copies[name], world.environment | {"CMDB_DATABASE": str(copies[name])})
        trial.commands[name] = own, *_command(own, words)
    for way, run_id in launched.items():
        trial.came[way] = ui.ended(run_id)
    if trial.name != RIGHT:
        parent = trial.came[ONE]
    trial.came[REPEATED] = ui.ended(ui.again_from_failure(parent.run_id, called(REPEATED)))
    trial.came[RETRIED] = ui.ended_by(called(RETRIED), 2)
    for way in ("a backfill", "a sensor", "a tick of a schedule"):
        trial.came[way] = ui.ended_by(called(way))
    ui.forge(*FORGERY, checks=_checks(*FORGERY))
    trial.came[FORGED] = ui.ended(ui.launch(GRAPH, TARGET))
    if trial.name != RIGHT:
        assert world.state() == trial.before, CHANGED


def _command(world: World, words: tuple[str, ...]) -> tuple[int, str]:
    done = subprocess.run(
        [str(PROGRAMS / words[0]), *words[1:]],
        env=child_environment(world),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _checks(*names: str) -> list[tuple[str, str]]:
    """All checks of these assets."""
    graph = build_defs({}).resolve_asset_graph()
    return [(name, check.name) for name in names for check in graph.get(dg.AssetKey(name.split("/"))).check_keys]


def _night(ui: Ui, trial: Trial) -> None:
    """A whole night of a lying organisation."""
    trial.came[NIGHT] = ui.ended(ui.launch(NIGHTLY))
    if trial.name != SILENTLY:
        assert ui.world.state() == trial.before, CHANGED
        return
    # What does not rest upon the silent listing is fresh, and may be; so is what stands between, which nobody reads.
    before, after = trial.before[0], ui.world.tables()
    changed = [name for name in readers() if not name.startswith("stage.") and before[name] != after[name]]
    assert not changed, f"the night changed {', '.join(changed)}"
    assert fingerprint(ui.world.database) == trial.before[-1], "the night published"


# ------------------------------------------------------------------------------------------------- what must be seen


def _built(trial: Trial) -> str:
    assert not trial.trouble, trial.trouble
    for way, came in trial.came.items():
        assert came.status == "SUCCESS", f"{way}: {came.said or came.status}"
        made = PUBLISHED if way == PUBLICATION else TARGET
        assert came.checked if way == ALONE else made in came.built, f"{way}: built {came.built}"
    for way, (world, code, said) in trial.commands.items():
        assert code == 0, f"{way}: exit code {code}, {said[-600:]}"
        assert not world.is_marked, f"{way}: it built nothing"
    return trial.ways


def _refused(trial: Trial) -> str:
    assert not trial.trouble, trial.trouble
    words = STATES[trial.name][1]
    for way, came in trial.came.items():
        if way != NIGHT:
            _assert_refused(way, came, words)
    for way, (world, code, said) in trial.commands.items():
        assert code != 0, f"{way}: exit code 0"
        assert words in said, f"{way}: {said[-600:]}"
        assert world.state() == trial.before, f"{way}: {CHANGED}"
    return f"{trial.ways} {trial.came[ONE].said}"


def _nights_refused(trials: Sequence[Trial], lie: str) -> str:
    words = STATES[SILENTLY][1] if lie == "silent_zero" else MISROUTED
    for trial in trials:
        assert not trial.trouble, f"{trial.name}: {trial.trouble}"
        _assert_refused(trial.name, trial.came[NIGHT], words)
    came = trials[0].came[NIGHT]
    return f"{len(trials)} over what was stored before ({', '.join(trial.name for trial in trials)}). {came.said}"


def _assert_refused(what: str, came: Run, words: str) -> None:
    assert came.status == "FAILURE", f"{what}: {came.status}"
    assert not {TARGET, PUBLISHED} & set(came.built), f"{what}: built {came.built}"
    assert words in came.said, f"{what}: {came.said}"
