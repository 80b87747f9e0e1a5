"""Dagster's event log with its connections kept: Dagster's own files, fewer openings, and a UI that still follows."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from nights import REPOSITORY, dagster_home, environment_of

from pipelines import kept_event_log
from pipelines.cli.dagster_home import DAGSTER_YAML, closed_to_others, keeping_records, prepare_dagster_home
from pipelines.cli.run import run_nightly
from pipelines.definitions import NIGHTLY
from pipelines.kept_event_log import KEPT, KeptEventLog, UnfitError, require_fit
from resources.store.errors import WarehouseError
from resources.store.store import Store
from resources.warehouse import Warehouse


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    environment = {"DAGSTER_HOME": str(tmp_path)}
    prepare_dagster_home(environment)
    with environment_of(environment):
        yield tmp_path


@dg.asset
def colour() -> None: ...


def run(instance: dg.DagsterInstance) -> str:
    return dg.materialize([colour], instance=instance).run_id


def log_of(instance: dg.DagsterInstance) -> KeptEventLog:
    log = instance.event_log_storage
    assert isinstance(log, KeptEventLog)
    return log


def test_dagster_reads_the_same_files_without_it(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        run_id = run(instance)
        written = log_of(instance).get_logs_for_run(run_id)
    ours = (home / "dagster.yaml").read_text()
    assert ours == (REPOSITORY / "pipelines" / "dagster.yaml").read_text()
    without = ours[: ours.index("event_log_storage:")] + ours[ours.index("run_queue:") :]
    (home / "dagster.yaml").write_text(without)
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage) is not KeptEventLog
        assert instance.event_log_storage.get_logs_for_run(run_id) == written
        assert instance.get_latest_materialization_event(colour.key) is not None
    assert len(written) > 5
    plain = SqliteEventLogStorage(str(home / "history" / "runs"))
    assert plain.get_logs_for_run(run_id) == written


@pytest.mark.parametrize(
    "name",
    ["_initialized_dbs", "_initdb", "_watchers", "SqliteEventLogStorageWatchdog"],
)
def test_a_dagster_with_another_private_name_records_the_run_with_its_own_log_and_one_warning(
    name: str, home: Path
) -> None:
    program = Path(__file__).parent / "programs" / "renamed_dagster.py"
    done = subprocess.run(
        [sys.executable, str(program), name], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["PlainEventLog", "SqliteEventLogStorage", "True", "True"]
    said = [line for line in done.stderr.splitlines() if "our event log knows" in line]
    assert len(said) == 1 and "Dagster's own is used" in said[0]
    assert list((home / "history" / "runs").glob("*.db"))


def test_what_does_not_come_back_is_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeptEventLog, "get_logs_for_run", lambda *_: [])
    with pytest.raises(UnfitError, match="read \\[\\]"):
        require_fit()


def test_a_file_is_opened_once_a_run_and_few_stay_open(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(url: str, **options: object) -> sqlalchemy.Engine:
        engine = create(url, **options)
        # Elsewhere the log is tried, once a process.
        if str(home) in url:
            sqlalchemy.event.listen(engine, "connect", lambda *_: made.append(url))
        return engine

    create = sqlalchemy.create_engine
    monkeypatch.setattr(kept_event_log.sqlalchemy, "create_engine", counted)
    with dg.DagsterInstance.get() as instance:
        runs = [run(instance) for _ in range(KEPT)]
        log = log_of(instance)
        assert len(log._engines) == KEPT
        assert len(set(made)) == KEPT + 1
        # Two for making its tables; one each for the events afterwards, were they not kept.
        assert max(Counter(made).values()) <= 2
        # The first run's file was closed for the last one's: asked for, it is opened again.
        assert log.get_logs_for_run(runs[0])
    assert not log._engines


@pytest.mark.usefixtures("home")
def test_a_watcher_in_another_place_hears_of_an_event_while_the_file_is_kept_open() -> None:
    heard, ended = [], threading.Event()

    def hear(event: dg.EventLogEntry, _: str) -> None:
        heard.append(event.user_message)
        if event.dagster_event and event.dagster_event.is_job_success:
            ended.set()

    with dg.DagsterInstance.get() as watching, dg.DagsterInstance.get() as working:
        first = run(working)
        log_of(watching).watch(first, None, hear)
        working.report_engine_event("a word", working.get_run_by_id(first))
        # The file is open in `working`, so that what it writes is in the journal alone.
        assert ended.wait(60)
    assert heard


@pytest.mark.usefixtures("home")
def test_a_table_that_is_there_is_looked_for_once_and_one_that_is_not_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    look = SqliteEventLogStorage.has_table

    def counted(log: SqliteEventLogStorage, name: str) -> bool:
        asked.append(name)
        return look(log, name)

    monkeypatch.setattr(SqliteEventLogStorage, "has_table", counted)
    with dg.DagsterInstance.get() as instance:
        run(instance)
        run(instance)
        log = log_of(instance)
        assert not log.has_table("no_such_table") and not log.has_table("no_such_table")
        assert not log.has_secondary_index("no_such_index")
    counts = Counter(asked)
    assert counts.pop("no_such_table") == 2
    assert set(counts.values()) == {1}


def test_a_home_without_room_is_a_sentence_and_no_half_of_our_settings_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    environment = {"DAGSTER_HOME": str(tmp_path / "new")}
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        WarehouseError, match=r"records in .*new, .* MB are free: No space left on device\. The run was"
    ):
        prepare_dagster_home(environment)
    assert not (tmp_path / "new" / "dagster.yaml").exists()
    monkeypatch.undo()
    prepare_dagster_home(environment)
    assert (tmp_path / "new" / "dagster.yaml").read_bytes() == DAGSTER_YAML.read_bytes()


def test_records_that_cannot_be_written_end_the_run_with_a_sentence_and_free_the_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(required_resource_keys={"warehouse"})
    def works(context) -> None:  # type: ignore[no-untyped-def]  # Dagster reads the annotation, which is text here
        context.resources.warehouse.begin("works")

    database = tmp_path / "cmdb.duckdb"
    defs = dg.Definitions(
        assets=[works],
        jobs=[dg.define_asset_job(NIGHTLY, executor_def=dg.in_process_executor)],
        resources={"warehouse": Warehouse(database=str(database))},
    )
    store_event = KeptEventLog.store_event

    def full(self: KeptEventLog, event: dg.EventLogEntry) -> None:
        if database.parent.joinpath("landing").exists():
            raise sqlalchemy.exc.OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full"))
        store_event(self, event)

    monkeypatch.setattr("pipelines.definitions.build_defs", lambda _: defs)
    monkeypatch.setattr(KeptEventLog, "store_event", full)
    with environment_of({"DAGSTER_HOME": str(dagster_home())}):
        prepare_dagster_home(os.environ)
        with pytest.raises(WarehouseError, match=r"Dagster cannot keep its records .*: database or disk is full\. The"):
            run_nightly({}, Store(database))
    with Store(database).holding("next", "a test"):
        pass


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "Make room there"),
        (PermissionError(errno.EACCES, "Permission denied"), "Let this user write there"),
        (
            sqlalchemy.exc.OperationalError(
                "insert", {}, sqlite3.OperationalError("attempt to write a readonly database")
            ),
            "Let this user write there",
        ),
    ],
)
def test_what_keeps_dagster_from_its_records_is_said_with_what_helps(
    tmp_path: Path, error: Exception, advice: str
) -> None:
    with pytest.raises(WarehouseError, match=advice), keeping_records(tmp_path):
        raise error


@pytest.mark.parametrize("rights", [0o755, 0o751, 0o777])
def test_a_home_of_dagster_that_others_may_enter_is_warned_about_with_what_to_type(
    tmp_path: Path, rights: int, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    home.chmod(rights)
    prepare_dagster_home({"DAGSTER_HOME": str(home)})
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    command = f"chmod -R o-rwx {home}"
    assert f"rights {rights:04o}" in said.err and f"`{command}`" in said.err
    subprocess.run(command.split(), check=True)
    prepare_dagster_home({"DAGSTER_HOME": str(home)})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_dagster_writes_is_closed_to_others_and_the_umask_is_given_back(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "parent" / "dagster"
    before = os.umask(umask)
    try:
        prepare_dagster_home({"DAGSTER_HOME": str(home)})
        with closed_to_others(), environment_of({"DAGSTER_HOME": str(home)}), dg.DagsterInstance.get() as instance:
            run(instance)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    made = [home.parent, home, *home.rglob("*")]
    assert len(made) > 5
    assert [(path, oct(path.stat().st_mode)) for path in made if path.stat().st_mode & 0o027] == []


@pytest.mark.usefixtures("home")
def test_a_run_that_is_queued_waits_until_the_one_at_work_has_ended() -> None:
    job = dg.Definitions(assets=[colour]).resolve_implicit_global_asset_job_def()
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    with dg.DagsterInstance.get() as instance:
        # As `cmdb nightly` has one, which goes through no queue.
        at_work = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("cmdb"), "cmdb"), job.name)
        code = JobPythonOrigin(job.name, RepositoryPythonOrigin(sys.executable, ModuleCodePointer("cmdb", "defs")))
        waiting = instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin, job_code_origin=code
        )

        def ready() -> list[str]:
            return [
                run.run_id for run in daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
            ]

        assert ready() == []
        instance.report_run_failed(at_work)
        assert ready() == [waiting.run_id]
