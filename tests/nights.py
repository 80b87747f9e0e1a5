"""Nights of the real pipeline over the simulated organisation, for every test that needs one.

`truthful_night` is one published night of the default organisation, made once a session for all its workers, since all
their simulators show one world: a test that changes anything works on its own `copy_of` it. `run_night` is the job
`nightly` in this process, on a Dagster instance on disk; `cmdb` is the command line in a process of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
import pytest

from simulator.client import Simulator, is_foreign

# The pipeline loads Dagster, which takes seconds: only tests that run nights should wait for it.
if TYPE_CHECKING:
    from pipelines.cli.summary import RunSummary

REPOSITORY = Path(__file__).resolve().parent.parent

DATABASE = "aws_org.duckdb"
"""What the published path of a test is called."""

MANY = "100000"
"""More paid requests than all nights of a test together send: the limit is one of a day."""

Made = TypeVar("Made")


@contextlib.contextmanager
def environment_of(environment: Mapping[str, str]) -> Iterator[None]:
    """This process's environment, as if it had been started with `environment` and nothing foreign."""
    before = dict(os.environ)
    kept = {name: value for name, value in before.items() if not is_foreign(name) and name != "DAGSTER_HOME"}
    try:
        os.environ.clear()
        os.environ.update(kept | dict(environment))
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def worker_processes() -> list[psutil.Process]:
    """The processes that collect beside this one (`CMDB_PROCESSES`)."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if "resources.aws.worker_process" in child.cmdline()]


def fingerprint(database: Path) -> tuple[str, str]:
    """Which file is published, and its SHA-256."""
    return str(database.readlink()), hashlib.sha256(database.read_bytes()).hexdigest()


def program(name: str, *arguments: object) -> dict[str, Any]:
    """What `subprocess` takes to start a program of tests/programs, in the repository's folder."""
    return {
        "args": [sys.executable, str(REPOSITORY / "tests" / "programs" / f"{name}.py"), *map(str, arguments)],
        "cwd": REPOSITORY,
        "env": {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])},
        "text": True,
    }


def apart(name: str, folder: Path, *more: str) -> str:
    """What a program prints that forks: it wants a parent without threads, and pytest has some."""
    done = subprocess.run(**program(name, folder, *more), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@functools.cache
def _session_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cmdb-nights-", ignore_cleanup_errors=True)


@functools.cache
def dagster_home() -> Path:
    """The session's `DAGSTER_HOME`, ready for use: making a new one takes longer than running a step."""
    from pipelines.cli.dagster_home import prepare_dagster_home

    home = Path(_session_folder().name, "dagster")
    with environment_of({"DAGSTER_HOME": str(home)}):
        prepare_dagster_home(os.environ)
    return home


def night_environment(simulator: Simulator, database: Path, **settings: str) -> dict[str, str]:
    """What leads a night to a simulator and to a warehouse; `settings` are further variables."""
    return {
        **simulator.env,
        "CMDB_DATABASE": str(database),
        "CMDB_COST_MONTHS": "1",
        "CMDB_COST_REQUEST_LIMIT": MANY,
        "CMDB_HISTORY_RUNS": "0",
        "DAGSTER_HOME": str(dagster_home()),
        **settings,
    }


def run_night(environment: Mapping[str, str], database: Path, job_name: str = "nightly") -> RunSummary:
    """The job `nightly` in this process, as `cmdb nightly` runs it; or `confirm`, as `cmdb confirm` does.

    Args:
        environment: what leads to the organisation, such as `Simulator.env`, and the settings.
            One month of cost is asked where `CMDB_COST_MONTHS` is not among them, and as many paid requests as a
            test's nights of one day take where `CMDB_COST_REQUEST_LIMIT` is not. Nothing goes into the history unless
            `CMDB_HISTORY_RUNS` says so: it would add seconds to each night of every test.
        database: the published path; its folder is made.
    """
    from pipelines.cli.dagster_home import prepare_dagster_home
    from pipelines.cli.run import run_nightly
    from resources.store.files import make_folder
    from resources.store.store import Store

    make_folder(database.parent)
    whole = {
        "CMDB_COST_MONTHS": "1",
        "CMDB_COST_REQUEST_LIMIT": MANY,
        "CMDB_HISTORY_RUNS": "0",
        "DAGSTER_HOME": str(dagster_home()),
        **environment,
    }
    whole["CMDB_DATABASE"] = str(database)
    with environment_of(whole):
        prepare_dagster_home(os.environ)
        return run_nightly(dict(os.environ), Store(database), job_name=job_name)


def said_in(run_id: str, home: Path | None = None) -> list[str]:
    """What a run of this session wrote into its log, oldest first: what the Dagster UI shows.

    Args:
        home: the run's `DAGSTER_HOME`; the session's where none is given.
    """
    import dagster as dg

    with environment_of({"DAGSTER_HOME": str(home or dagster_home())}), dg.DagsterInstance.get() as instance:
        return [str(entry.user_message) for entry in instance.all_logs(run_id)]


@dataclass(frozen=True)
class Witness:
    """A truthful night, and what was true when it ran.

    Attributes:
        calls: the simulator's log of the night, every call.
        said: the run's log.
        home: the night's `DAGSTER_HOME`.
    """

    folder: Path
    night: RunSummary
    truth: dict[str, Any]
    calls: list[dict[str, Any]]
    said: list[str]
    home: Path

    @property
    def database(self) -> Path:
        """The published path."""
        return self.folder / DATABASE


def witness(simulator: Simulator, folder: Path, **settings: str) -> Witness:
    """Run a night on an organisation that tells the truth, and keep what can be compared with it."""
    simulator.clear_log()
    home = Path(settings.get("DAGSTER_HOME", dagster_home()))
    night = run_night({**simulator.env, **settings}, folder / DATABASE)
    return Witness(folder, night, simulator.truth(), simulator.log(), said_in(night.run_id, home), home)


@contextlib.contextmanager
def shared_by_workers(name: str) -> Iterator[Path]:
    """A folder of the session that all workers share; one at a time has it, so the first fills it for the others."""
    shared = Path(os.environ["SHARED_BY_WORKERS"], name)
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared


def made_once(name: str, make: Callable[[Path], Made]) -> Made:
    """What `make` returns in a folder of the session that stays: one worker calls it, the others read what it made."""
    with shared_by_workers(name) as shared:
        kept = shared / "made.pickle"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make(shared)))
        made: Made = pickle.loads(kept.read_bytes())
        return made


@pytest.fixture(scope="session")
def witnessed_night(simulator_process: Simulator) -> Witness:
    """The session's truthful night with its evidence, run by one worker for all. Never write into its folder."""

    def run(shared: Path) -> Witness:
        shutil.rmtree(shared / "warehouse", ignore_errors=True)
        seen = witness(simulator_process, shared / "warehouse", DAGSTER_HOME=str(shared / "dagster"))
        simulator_process.reset()
        assert seen.night.published, seen.night.sentences
        return seen

    return made_once("truthful", run)


@pytest.fixture(scope="session")
def truthful_night(witnessed_night: Witness) -> Path:
    """The warehouse folder with one published truthful night. Never write into it: take a `copy_of` it."""
    return witnessed_night.folder


def copy_of(folder: Path, tmp_path: Path) -> Path:
    """A warehouse of the test's own, links and modes kept; returns what `CMDB_DATABASE` names."""
    target = tmp_path / "warehouse"
    shutil.copytree(folder, target, symlinks=True)
    return target / DATABASE


def preflight_here(environment: Mapping[str, str]) -> None:
    """The pre-flight by the worker's own simulator: the truthful night's may have judged another worker's."""
    done = cmdb_here(environment, "preflight")
    assert done.returncode == 0, done.stderr


def query(
    database: Path, sql: str, parameters: Mapping[str, Any] | None = None, *, of: str = "published"
) -> list[tuple[Any, ...]]:
    """Rows of the published file, or of the working file (`of="working"`)."""
    from resources.store.store import Store

    store = Store(database)
    with store.published() if of == "published" else store.read() as connection:
        found: list[tuple[Any, ...]] = connection.execute(sql, dict(parameters or {})).fetchall()
    return found


def cmdb(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, with `environment` in place of everything that leads elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name) and name != "DAGSTER_HOME"}
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", *arguments],
        env=kept | {"CMDB_SETTINGS": os.devnull} | dict(environment),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def node_packages(*name: str) -> list[Path]:
    """The folders in which a package of Node is, such as `@duckdb`, `node-api`; `make setup-node` fills one."""
    named = [Path(folder) for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    folders = [*named, REPOSITORY / ".venv-node" / "node_modules"]
    return [folder for folder in folders if folder.joinpath(*name).is_dir()]


def interrupted_run(
    simulator: Simulator,
    environment: Mapping[str, str],
    operation: str,
    ended_by: signal.Signals,
) -> tuple[int, str]:
    """`cmdb nightly` in a process that gets a signal once an operation was sent: its exit code and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli.main", "nightly"],
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment},
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while not any(call["operation"] == operation for call in simulator.log()):
            assert process.poll() is None
            time.sleep(0.2)
        process.send_signal(ended_by)
        said = process.communicate()[0]
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


def cmdb_here(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in this process, which spares the seconds that a start takes.

    An exception that `main` lets out is raised: a user would see its traceback.
    """
    from click.testing import CliRunner

    from pipelines.cli.main import main

    with environment_of({"CMDB_SETTINGS": os.devnull, **environment}):
        result = CliRunner().invoke(main, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(list(arguments), result.exit_code, result.stdout, result.stderr)
