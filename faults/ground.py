"""What every part stands on: a simulated organisation, and commands in processes of their own.

A process is forked from one that has loaded the product but opened nothing and started no thread: it is as much a
process of its own as a fresh one, without the seconds that loading takes.
"""

import contextlib
import hashlib
import importlib
import io
import os
import pickle
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import psutil

from faults.report import Shown
from resources.contract import ROLES, policy
from resources.store.errors import WarehouseError
from resources.store.store import Store
from simulator.client import Simulator, is_foreign, start

T = TypeVar("T")

DATABASE = "aws_org.duckdb"

LONGEST = 600.0
"""Seconds after which a process that has not ended is a failure of its own."""


class NotHere(Exception):
    """This machine cannot show a case; the message says why."""


class Broken(Exception):
    """A process did not do what it was started for; the message has its last words."""


@dataclass
class Child:
    """A running process, and where it leaves what comes of it."""

    pid: int
    folder: Path
    began: float = field(default_factory=time.monotonic)

    def kill(self) -> None:
        """As a power cut would: nothing is tidied up."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """The same for everything that it has started, and that those have, in whatever session."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for started in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    started.kill()
        self.kill()

    def ended(self) -> bool:
        """Whether it has; it is not waited for."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def wait(self, seconds: float = LONGEST) -> int:
        """Its exit code, negative for a signal."""
        until = self.began + seconds
        while not self.ended():
            if time.monotonic() > until:
                self.kill()
            time.sleep(0.01)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def result(self, seconds: float = LONGEST) -> Any:
        """What its work returned.

        Raises:
            Broken: it raised, or was killed.
        """
        code = self.wait(seconds)
        if code != 0:
            raise Broken(f"exit code {code}: {self.said[-2000:]}")
        value = pickle.loads((self.folder / "result").read_bytes())  # our own child wrote it
        shutil.rmtree(self.folder, ignore_errors=True)
        return value

    @property
    def said(self) -> str:
        """What it has printed."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "said").read_text(encoding="utf-8", errors="replace")
        return ""


def load() -> None:
    """Load the product and what it reads once in a process, so that no process that is forked later has to."""
    from pipelines.definitions import NIGHTLY, build_defs

    for name in ("alerts", "cli.run", "cli.terminal", "report.writing"):
        importlib.import_module(f"pipelines.{name}")
    build_defs({}).resolve_job_def(NIGHTLY)


_count = 0


def begin(
    work: Callable[[], Any], scratch: Path, environment: Mapping[str, str] | None = None, *, aloud: bool = False
) -> Child:
    """Start work in a process of its own.

    Args:
        environment: in place of everything of this process that leads anywhere.
        aloud: what it prints is for whoever reads what this process prints.
    """
    global _count
    _count += 1
    folder = scratch / f"process-{os.getpid()}-{_count}"
    folder.mkdir(parents=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, folder)
    code = 1
    try:
        if not aloud:
            said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(said, 1)
            os.dup2(said, 2)
            sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
            sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)
        if environment is not None:
            kept = {n: v for n, v in os.environ.items() if not is_foreign(n) and n != "DAGSTER_HOME"}
            os.environ.clear()
            os.environ.update(kept | dict(environment))
        value = work()
        (folder / "result").write_bytes(pickle.dumps(value))
        code = 0
    except BaseException:  # noqa: BLE001  # it is the last thing that this process says
        traceback.print_exc()
    finally:
        os._exit(code)


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


def apart(work: Callable[[], T], scratch: Path, environment: Mapping[str, str] | None = None) -> T:
    """Do work in a process of its own; gives back what it returns."""
    value: T = begin(work, scratch, environment).result()
    return value


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, what it printed, what it cost."""

    code: int
    said: str
    seconds: float
    cpu: float = 0.0

    def told(self, *words: str, at: str = "the night") -> list[str]:
        """The lines of what it printed that hold any of these words.

        Args:
            at: what a failure is of.

        Raises:
            AssertionError: there is none, or there is a traceback.
        """
        lines = [line.strip() for line in self.said.splitlines() if any(word in line for word in words)]
        assert lines, f"{at}: nothing says {' or '.join(words)}: {self.said[-800:]}"
        assert "Traceback" not in self.said, f"{at}: a traceback: {self.said[-800:]}"
        return lines


def command(*arguments: str, prepare: Callable[[], None] = lambda: None) -> Callable[[], Ended]:
    """The work of one `cmdb` command, for `apart`; `prepare` is called in its process before it."""

    def work() -> Ended:
        from pipelines.cli.main import main

        prepare()
        out = io.StringIO()
        began = time.monotonic()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                main.main(list(arguments), prog_name="cmdb")
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Ended(code, out.getvalue(), time.monotonic() - began, used.ru_utime + used.ru_stime)

    return work


@dataclass
class Ground:
    """An organisation and a folder to work in; one of these a stream of work."""

    simulator: Simulator
    scratch: Path

    def environment(self, database: Path, **settings: str) -> dict[str, str]:
        """What leads a command to the organisation and to a warehouse."""
        return {
            **self.simulator.env,
            "HOME": os.environ["HOME"],
            "CMDB_DATABASE": str(database),
            "CMDB_COST_MONTHS": "1",
            # The nights of a case are all of one day, and nobody pays for them.
            "CMDB_COST_REQUEST_LIMIT": "100000",
            "DAGSTER_HOME": str(self.scratch / "dagster"),
            # A sentence is never cut for want of room.
            "COLUMNS": "1000",
            **settings,
        }

    def truthful(self) -> None:
        """Every lie ends, and nobody remembers what was refused meanwhile, CloudTrail neither."""
        self.simulator.stop_lying()
        self.simulator.configure(org_mode="silent-zero", trail_passes=True, trail_passed_minutes=0)
        self.simulator.clear_log()

    def night(self, database: Path, *, prepare: Callable[[], None] = lambda: None, **settings: str) -> Ended:
        """`cmdb nightly` in a process of its own."""
        return apart(command("nightly", prepare=prepare), self.scratch, self.environment(database, **settings))

    def confirm(self, database: Path, **settings: str) -> Ended:
        """`cmdb confirm` in a process of its own."""
        return apart(command("confirm"), self.scratch, self.environment(database, **settings))

    def begin_night(self, database: Path, *, prepare: Callable[[], None] = lambda: None, **settings: str) -> Child:
        """The same, not waited for."""
        return begin(command("nightly", prepare=prepare), self.scratch, self.environment(database, **settings))


@contextlib.contextmanager
def grounded(scratch: Path, **options: Any) -> Iterator[Ground]:
    """A ground with an organisation of its own; HOME holds the sign-in tokens of all of them.

    CloudTrail's look-ups come late enough, unless `trail_passes=False` is said.
    """
    options = {"trail_passes": True, **options}
    scratch.mkdir(parents=True, exist_ok=True)
    documents: dict[str, dict[str, Any]] = {role: policy(role, optional=True) for role in ROLES}
    with start(scratch / "organisation", documents, **options) as simulator:
        cache = Path(".aws", "sso", "cache")
        shutil.copytree(simulator.directory / cache, Path(os.environ["HOME"]) / cache, dirs_exist_ok=True)
        yield Ground(simulator, scratch)


def copy_of(database: Path, folder: Path) -> Path:
    """A warehouse of one's own, links and modes kept; returns its published path."""
    shutil.copytree(database.parent, folder, symlinks=True)
    return folder / database.name


def fingerprint(database: Path) -> tuple[str, str]:
    """Which file is published, and its SHA-256."""
    return str(database.readlink()), hashlib.sha256(database.read_bytes()).hexdigest()


def served_run(database: Path) -> str:
    """The run whose version is published."""
    return next(version.run_id for version in Store(database).versions() if version.is_current)


# --------------------------------------------------------------------------------------------- published rows

Row = tuple[Any, ...]
Tables = dict[str, tuple[tuple[str, ...], list[Row]]]

TONIGHT = "tonight"


def tables(database: Path, before: datetime, runs: Mapping[str, str]) -> Tables:
    """Every published row of every table that analysts read, in an order of its own.

    What tonight wrote differs from one night to the next in its times and its run: those are put as `tonight`.

    Args:
        before: times after it are tonight's.
        runs: names of the runs before tonight; every other is tonight's.
    """
    found: Tables = {}
    with Store(database).published() as connection:
        relations: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for schema, name, column, kind in connection.execute(
            """
            select table_schema, table_name, column_name, data_type
            from information_schema.columns
            where table_schema in ('org', 'aws', 'cost', 'cmdb', 'ref')
            order by table_schema, table_name, ordinal_position
            """
        ).fetchall():
            relations.setdefault((schema, name), []).append((column, kind))
        for (schema, name), columns in relations.items():
            rows = connection.execute(f'select * from "{schema}"."{name}"').fetchall()
            moments = [place for place, (_, kind) in enumerate(columns) if kind == "TIMESTAMP WITH TIME ZONE"]
            known = [place for place, (column, _) in enumerate(columns) if column == "run_id"]
            if moments or known:
                rows = [_plain(row, moments, known, before, runs) for row in rows]
            found[f"{schema}.{name}"] = (tuple(column for column, _ in columns), sorted(rows, key=repr))
    return found


def runs_told(database: Path) -> dict[str, str]:
    """The runs that the published file takes for published or for alive, and what it says of them."""
    with Store(database).published() as connection:
        return dict(
            connection.execute(
                "select run_id, outcome from audit.run where outcome in ('published', 'publishing', 'running')"
            ).fetchall()
        )


def _plain(row: Row, moments: Sequence[int], known: Sequence[int], before: datetime, runs: Mapping[str, str]) -> Row:
    values = list(row)
    for place in moments:
        if values[place] is not None and values[place] > before:
            values[place] = TONIGHT
    for place in known:
        if values[place] is not None:
            values[place] = runs.get(values[place], TONIGHT)
    return tuple(values)


def difference(left: Tables, right: Tables) -> str:
    """The first table and row in which two datasets differ; empty where they are the same."""
    if left.keys() != right.keys():
        return f"tables {sorted(left.keys() ^ right.keys())} are only on one side"
    for name, (columns, rows) in left.items():
        others = right[name][1]
        if rows != others:
            ours, theirs = {repr(row) for row in rows}, {repr(row) for row in others}
            first = next(iter(sorted(ours - theirs)), "") or next(iter(sorted(theirs - ours)), "a row stands twice")
            return (
                f"{name} has {len(rows)} rows, expected {len(others)}; {len(ours - theirs)} are new and "
                f"{len(theirs - ours)} missing, such as {first[:400]} of {', '.join(columns)[:200]}"
            )
    return ""


def shown(part: str, case: str, expected: str, work: Callable[[], str]) -> Shown:
    """Do the work of a case: what it returns is said, what it raises is the failure.

    `NotHere` means that it is skipped.
    """
    began = time.monotonic()
    said = failure = skipped = ""
    try:
        said = work()
    except NotHere as reason:
        skipped = str(reason)
    except AssertionError as error:
        failure = str(error) or "an assertion failed"
    except (Broken, RuntimeError, OSError, WarehouseError, duckdb.Error) as error:
        failure = f"{type(error).__name__}: {str(error)[:600]}"
    made = Shown(part, case, expected, said, failure, skipped, seconds=time.monotonic() - began)
    print(made.line(), flush=True)
    return made
