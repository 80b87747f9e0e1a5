"""The working file: lock, short connections, migrations, the stamp, and bad input."""

import ast
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from chaos import tables
from given import House
from nights import DATABASE, program, query, run_night

from pipelines.collection.landing import LandingWriter
from pipelines.exports.servicenow import export_to
from pipelines.models.model import read_models
from resources.audit.organization import stamp
from resources.store import lock, rollback_journal
from resources.store.engine import STORAGE_VERSION
from resources.store.errors import LockHeld, WarehouseError
from resources.store.migrations import MIGRATIONS, Migrator
from resources.store.readable import require_readable
from resources.store.store import Store
from resources.warehouse import Warehouse
from simulator.client import Simulator

ROOT = Path(__file__).resolve().parent.parent
NEWEST = len(list(MIGRATIONS.glob("*.sql")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "house" / "cmdb.duckdb", patience=0.3)
    yield made
    for run_id in ("run-1", "run-2"):
        made.release(run_id)


def start(name: str, *arguments: object) -> "subprocess.Popen[str]":
    """A program of tests/programs that prints `ready` when it has done its part, then waits for its end."""
    child = subprocess.Popen(**program(name, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@contextmanager
def process(name: str, *arguments: object) -> "Iterator[subprocess.Popen[str]]":
    child = start(name, *arguments)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def killed_writer(store: Store) -> None:
    """What a writer leaves that is killed between two rows."""
    assert subprocess.run(**program("killed_writer", store.database), check=False).returncode == -9


# ------------------------------------------------------------------------------------------------------- lock


def test_a_second_run_is_refused_at_once_and_told_who_holds_it(store: Store) -> None:
    with (
        process("holds_lock", store.database, "run-1") as child,
        pytest.MonkeyPatch.context() as patched,
        pytest.raises(LockHeld) as refused,
    ):
        patched.setattr(lock.time, "sleep", lambda _: pytest.fail("it waits"))
        store.hold("run-2", "nightly")
    assert re.search(rf"nightly \(run run-1, process {child.pid} on .+, since 20", str(refused.value))
    assert refused.value.exit_code == 1


def test_a_killed_holder_frees_the_lock(store: Store) -> None:
    child = start("holds_lock", store.database, "run-1")
    child.kill()
    child.communicate()
    store.hold("run-2", "nightly")


def test_the_lock_dies_with_a_holder_that_has_forked(store: Store) -> None:
    started = program("holds_lock", store.database, "run-1", "forked")
    child = subprocess.Popen(**started, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    try:
        with pytest.raises(LockHeld):
            store.hold("run-2", "nightly")
        child.kill()
        child.wait()
        os.kill(grandchild, 0)
        store.hold("run-2", "nightly")
    finally:
        os.kill(grandchild, signal.SIGKILL)
        child.kill()
        child.communicate()


def test_another_process_of_the_same_run_is_waited_for(store: Store) -> None:
    child = start("holds_lock", store.database, "run-1")
    threading.Timer(0.5, child.kill).start()
    begun = time.monotonic()
    store.hold("run-1", "nightly")
    assert time.monotonic() - begun > 0.3
    child.communicate()


def test_the_wait_for_the_same_run_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SAME_RUN_WAIT", 0.3)
    with process("holds_lock", store.database, "run-1"), pytest.raises(LockHeld, match="run-1"):
        store.hold("run-1", "nightly")


def test_the_lock_is_reentrant_for_its_run_and_needs_as_many_releases(store: Store) -> None:
    store.hold("run-1", "nightly")
    Store(store.database).hold("run-1", "nightly")
    with pytest.raises(LockHeld, match="run-1"):
        store.hold("run-2", "nightly")
    store.release("run-1")
    with pytest.raises(LockHeld, match="run-1"):
        store.hold("run-2", "nightly")
    store.release("run-1")
    store.hold("run-2", "nightly")


def test_releasing_what_is_not_held_does_nothing(store: Store) -> None:
    store.release("run-1")
    store.hold("run-1", "nightly")
    store.release("run-2")
    with store.write() as connection:
        connection.execute("select 1")


def test_the_lock_is_given_back_when_the_block_fails(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.holding("run-1", "nightly"):
        raise ZeroDivisionError
    store.hold("run-2", "nightly")


@pytest.mark.parametrize("run_id", ["", "../run", "a/b", "a b", "-run", "x" * 101])
def test_a_run_id_that_cannot_name_a_file_is_refused(store: Store, run_id: str) -> None:
    with pytest.raises(WarehouseError, match="cannot be a run id") as refused:
        store.hold(run_id, "nightly")
    assert refused.value.exit_code == 2


def test_left_overs_of_a_killed_run_are_removed_and_nothing_else(store: Store) -> None:
    with store.holding("run-1", "nightly"):
        pass
    left = [
        store.versions_folder / ".cmdb-run-0.part",
        store.versions_folder / ".cmdb-run-0.part.wal",
        store.folder / ".cmdb.work.part",
        store.folder / ".cmdb.work.part.wal",
        store.folder / ".cmdb.link-1",
    ]
    kept = [
        store.versions_folder / "cmdb-run-0.duckdb",
        store.landing / "x.part",
        store.folder / ".cmdb.other",
    ]
    for path in (*left, *kept):
        path.touch()
    (store.folder / ".cmdb.spill-1").mkdir()
    (store.folder / ".cmdb.spill-1" / "spilled").touch()
    store.hold("run-2", "nightly")
    assert [path for path in left if path.exists()] == []
    assert not (store.folder / ".cmdb.spill-1").exists()
    assert [path for path in kept if not path.exists()] == []


# ------------------------------------------------------------------------------------------------ connections


def test_writing_needs_the_lock(store: Store) -> None:
    with pytest.raises(WarehouseError, match="not held"), store.write():
        pass
    assert not store.working.exists()


def test_a_first_connection_makes_the_file_with_every_room(store: Store) -> None:
    store.hold("run-1", "nightly")
    with store.write() as connection:
        rooms = connection.execute(
            "select schema_name from duckdb_schemas() where database_name = 'warehouse' and not internal"
        ).fetchall()
        zone = connection.execute("select current_setting('TimeZone')").fetchall()
        version = connection.execute(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'warehouse'"
        ).fetchall()
    assert {"org", "aws", "cmdb", "cost", "audit", "ref", "stage"} <= {name for (name,) in rooms}
    assert zone == [("UTC",)]
    assert version == [("v1.4.0+",)]


def test_reading_before_the_first_run_says_so(store: Store) -> None:
    with (
        pytest.raises(WarehouseError, match=r"There is no warehouse at .* yet. Run `cmdb nightly` first"),
        store.read(),
    ):
        pass


def test_reading_under_the_lock_makes_the_file(store: Store) -> None:
    store.hold("run-1", "nightly")
    with store.read() as connection:
        assert connection.execute("select count(*) from audit.coverage").fetchall() == [(0,)]


def test_what_was_read_cannot_be_written(store: Store) -> None:
    store.hold("run-1", "nightly")
    with store.read() as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("insert into audit.run (run_id) values ('x')")


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    store.hold("run-1", "nightly")
    with pytest.raises(ZeroDivisionError), store.transaction() as connection:
        connection.execute("insert into audit.run (run_id) values ('lost')")
        raise ZeroDivisionError
    with pytest.raises(duckdb.CatalogException), store.transaction() as connection:
        connection.execute("insert into audit.run (run_id) values ('lost too')")
        connection.execute("select * from nowhere")
    with store.transaction() as connection:
        connection.execute("insert into audit.run (run_id) values ('kept')")
    with store.read() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("kept",)]


def test_one_connection_at_a_time_in_a_thread(store: Store) -> None:
    store.hold("run-1", "nightly")
    with store.write() as connection:
        with pytest.raises(WarehouseError, match=r"has a connection to cmdb.work.duckdb open"), store.read():
            pass
        connection.execute("insert into audit.run (run_id) values ('still open')")
    with store.read() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("still open",)]


def test_threads_take_turns(store: Store) -> None:
    store = Store(store.database, patience=30)
    store.hold("run-1", "nightly")
    faults: list[Exception] = []

    def write(name: str) -> None:
        try:
            for number in range(5):
                with store.transaction() as connection:
                    connection.execute("insert into audit.run (run_id) values (?)", [f"{name}-{number}"])
                with store.read() as connection:
                    connection.execute("select count(*) from audit.run")
        except (WarehouseError, duckdb.Error) as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with store.read() as connection:
        assert connection.execute("select count(*) from audit.run").fetchall() == [(20,)]


# ---------------------------------------------------------------------------------------- folders of everybody


@pytest.mark.parametrize("held", [False, True])
def test_a_link_in_the_place_of_the_lock_is_refused_and_its_target_is_as_it_was(store: Store, held: bool) -> None:
    target = store.folder.parent / "precious"
    target.write_text("ninety bytes of somebody's own")
    if held:
        with store.holding("run-1", "nightly"):
            pass
        store.lock_file.unlink()
    store.folder.mkdir(exist_ok=True)
    store.lock_file.symlink_to(target)
    with pytest.raises(WarehouseError, match=r"\.lock is a symbolic link") as refused:
        store.hold("run-1", "nightly")
    assert refused.value.exit_code == 2
    assert target.read_text() == "ninety bytes of somebody's own"
    store.lock_file.unlink()
    # A link to nothing would make a file where it leads.
    store.lock_file.symlink_to(target.with_name("new"))
    with pytest.raises(WarehouseError, match="is a symbolic link"):
        store.hold("run-1", "nightly")
    assert not target.with_name("new").exists()


def test_a_pipe_in_the_place_of_the_lock_is_refused_and_nobody_waits_for_it(store: Store) -> None:
    store.folder.mkdir()
    os.mkfifo(store.lock_file)
    with pytest.raises(WarehouseError, match=r"\.lock is no plain file"):
        store.hold("run-1", "nightly")


@pytest.mark.parametrize("which", ["folder", "versions_folder", "landing"])
def test_a_folder_that_everybody_may_write_to_is_refused_with_what_to_type(store: Store, which: str) -> None:
    with store.holding("run-1", "nightly"):
        pass
    folder: Path = getattr(store, which)
    folder.chmod(0o777)
    with pytest.raises(WarehouseError, match="rights 0777") as refused:
        store.hold("run-1", "nightly")
    assert f"`chmod o-w {folder}`" in str(refused.value) and refused.value.exit_code == 2
    subprocess.run(["chmod", "o-w", folder], check=True)
    store.hold("run-1", "nightly")


@pytest.mark.parametrize("rights", [0o700, 0o750, 0o755, 0o770, 0o775, 0o2770, 0o1777])
def test_folders_of_a_group_and_ones_like_tmp_are_ordinary(store: Store, rights: int) -> None:
    store.folder.mkdir()
    store.folder.chmod(rights)
    store.hold("run-1", "nightly")


def test_a_file_system_without_rights_is_ordinary(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.folder.mkdir()
    store.folder.chmod(0o777)
    monkeypatch.setattr(lock, "keeps_rights", lambda folder: False)
    store.hold("run-1", "nightly")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_in_a_folder_like_tmp_nothing_of_ours_may_be_somebody_elses(store: Store) -> None:
    store.folder.mkdir()
    store.folder.chmod(0o1777)
    store.versions_folder.mkdir()
    os.chown(store.versions_folder, 12345, 12345)
    with pytest.raises(WarehouseError, match="versions belongs to another user"):
        store.hold("run-1", "nightly")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nothing_is_open_to_the_world_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = Store(tmp_path / "new" / "er" / "cmdb.duckdb")
        with store.holding("run-1", "nightly"):
            with store.write() as connection:
                connection.execute("insert into audit.run (run_id) values ('x')")
                log = Path(f"{store.working}.wal")
                assert log.stat().st_mode & 0o007 == 0
            with LandingWriter(store.landing, "run-1", "ec2_instance") as writer:
                writer.commit()
            store.publish("run-1", lambda _: None)
        assert os.umask(umask) == umask, "the umask of the process is given back"
    finally:
        os.umask(before)
    open_to_all = [path for path in store.folder.rglob("*") if path.lstat().st_mode & 0o007]
    assert [path for path in open_to_all if not path.is_symlink()] == []
    # A stricter umask is what the operator asks for: also the group reads nothing then.
    assert store.folder.stat().st_mode & 0o777 == 0o750 & ~umask
    assert store.versions_folder.stat().st_mode & 0o777 == 0o750 & ~umask
    assert store.folder.parent.stat().st_mode & 0o777 == 0o750 & ~umask
    assert store.database.stat().st_mode & 0o777 == 0o440 & ~umask
    for path in (store.working, store.lock_file):
        assert path.stat().st_mode & 0o777 == 0o640 & ~umask, path


@pytest.mark.large
def test_a_whole_run_without_a_umask_leaves_nothing_open_to_the_world(organisation: Simulator, tmp_path: Path) -> None:
    database, home = tmp_path / "new" / "warehouse" / DATABASE, tmp_path / "dagster"
    before = os.umask(0)
    try:
        done = run_night({**organisation.env, "DAGSTER_HOME": str(home)}, database)
        assert done.published, done.sentences
        export_to(tmp_path / "export" / "servicenow", Store(database))
    finally:
        os.umask(before)
    made = [path for folder in (database.parent, tmp_path / "export" / "servicenow") for path in folder.rglob("*")]
    assert {"cmdb.report.html", "servicenow_ci.csv", "records.ndjson"} <= {path.name for path in made}
    assert [path for path in made if not path.is_symlink() and path.stat().st_mode & 0o007] == []
    # Dagster's own files are as it makes them, in a folder that nobody else enters.
    assert home.stat().st_mode & 0o007 == 0


def test_a_working_file_that_was_open_to_the_world_is_closed(store: Store) -> None:
    store.hold("run-1", "nightly")
    with store.write():
        pass
    store.working.chmod(0o666)
    with store.write():
        pass
    assert store.working.stat().st_mode & 0o777 == 0o640


def test_a_killed_writer_loses_nothing_that_was_committed(store: Store) -> None:
    killed_writer(store)
    with store.read() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("kept",)]
    store.hold("run-2", "nightly")
    with store.write() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("kept",)]
    assert not Path(f"{store.working}.wal").exists()


PAGE = 4096


def broken_off(store: Store, pages: int) -> bytes:
    """What a writer leaves that is killed while its checkpoint writes over a block, after so many pages that differ.

    Made of the file before a checkpoint and of the blocks that DuckDB itself writes over in one; returns the blocks as
    they have to be. The log, with what was committed since, stays.
    """
    killed_writer(store)
    before = store.working.read_bytes()
    aside = store.working.with_name("aside.duckdb")
    for ending in ("", ".wal"):
        shutil.copyfile(f"{store.working}{ending}", f"{aside}{ending}")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{aside}' as aside (storage_version '{STORAGE_VERSION}')")
        connection.execute("detach aside")
    after = aside.read_bytes()
    aside.unlink()
    torn = bytearray(before)
    places = [
        at
        for at in range(rollback_journal.HEADERS, len(before), PAGE)
        if before[at : at + PAGE] != after[at : at + PAGE]
    ]
    assert len(places) > pages, "a checkpoint of DuckDB writes over no block any more"
    for at in places[:pages]:
        torn[at : at + PAGE] = after[at : at + PAGE]
    store.working.write_bytes(torn)
    return before


def test_a_checkpoint_that_is_broken_off_in_the_middle_of_a_block_is_taken_back(store: Store) -> None:
    before = broken_off(store, 1)
    with duckdb.connect() as connection, pytest.raises(duckdb.Error, match="computed checksum"):
        connection.execute(f"attach '{store.working}' as torn (read_only)")
    store.hold("run-2", "nightly")
    with store.read() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("kept",)]
    assert store.working.read_bytes() == before
    with store.transaction() as connection:
        connection.execute("insert into audit.run by name select 'next' as run_id, now() as started_at")
    with store.read() as connection:
        assert connection.execute("select run_id from audit.run order by all").fetchall() == [("kept",), ("next",)]
    assert not [path for path in store.folder.iterdir() if "journal" in path.name]


def test_blocks_are_not_put_back_into_a_file_that_has_gone_on(store: Store) -> None:
    broken_off(store, 0)
    kept = store.folder / ".cmdb.work.journal"
    assert kept.exists()
    with duckdb.connect() as connection:
        connection.execute(f"attach '{store.working}' as other (storage_version '{STORAGE_VERSION}')")
        connection.execute("delete from other.audit.run")
        connection.execute("detach other")
    after = store.working.read_bytes()
    store.hold("run-2", "nightly")
    with store.read() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == []
    assert store.working.read_bytes() == after
    assert not kept.exists()


def test_a_name_in_our_sql_is_never_a_python_variable(store: Store) -> None:
    pandas = pytest.importorskip("pandas", reason="without pandas no variable looks like a table")
    frame = pandas.DataFrame({"secret": [1]})
    assert duckdb.connect().execute("select secret from frame").fetchall() == [(1,)]
    store.hold("run-1", "nightly")
    with store.write() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("select secret from frame")
    assert len(frame) == 1


# ------------------------------------------------------------------------------------------------- interruptions

LONG = "select count(*) from range(100000000000) as t(i) where hash(i) = 1"
"""Runs for hours, in all threads of DuckDB."""


class Patience:
    """Sends this process a signal during the long query, and ends the query itself where the signal did not."""

    def __init__(self, number: signal.Signals = signal.SIGINT) -> None:
        self.number = number
        self.was_needed = False

    def counts(self, connection: duckdb.DuckDBPyConnection) -> None:
        def ends() -> None:
            self.was_needed = True
            connection.interrupt()

        timers = [threading.Timer(0.2, os.kill, (os.getpid(), self.number)), threading.Timer(20, ends)]
        for timer in timers:
            timer.start()
        try:
            connection.execute(LONG).fetchall()
        finally:
            for timer in timers:
                timer.cancel()


@pytest.mark.parametrize("where", ["as it is opened", "by its user", "as it is verified", "as it is read"])
def test_a_signal_ends_a_query_in_all_threads_of_duckdb_and_is_raised_as_python_raises_it(
    where: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience()
    handler = signal.getsignal(signal.SIGINT)
    store.hold("run-1", "a test")
    with store.transaction():
        pass
    if where == "as it is opened":
        monkeypatch.setattr(Migrator, "pending", lambda _, connection: patience.counts(connection))
    if where == "as it is read":
        store.publish("run-1", lambda _: None)
    # Again, since not each time a thread of DuckDB was left with the query.
    for _ in range(1 if where == "as it is opened" else 4):
        with pytest.raises(KeyboardInterrupt):
            if where == "as it is verified":
                store.publish("run-1", patience.counts)
            elif where == "as it is read":
                with store.published() as connection:
                    patience.counts(connection)
            else:
                with store.transaction() as connection:
                    patience.counts(connection)
        assert not patience.was_needed
        assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_of_sigterm_is_called_and_stays(store: Store) -> None:
    store.hold("run-1", "a test")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        patience = Patience(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), store.transaction() as connection:
            patience.counts(connection)
        assert not patience.was_needed
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_handler_that_only_notes_a_signal_lets_the_query_go_on(store: Store) -> None:
    store.hold("run-1", "a test")
    noted: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: noted.append(number))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    try:
        with store.transaction() as connection:
            timer.start()
            connection.execute("select count(*) from range(300000000) as t(i) where hash(i) = 1").fetchall()
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, before)
    assert noted == [signal.SIGTERM]


# ------------------------------------------------------------------------------------------------- migrations


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A copy of the real migrations, to change."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


def add(folder: Path, sql: str, number: int = NEWEST + 1) -> Path:
    path = folder / f"{number:04}_added.sql"
    path.write_text(sql, encoding="utf-8")
    return path


def contents(store: Store) -> list[Any]:
    """Every object of the working file with its text, and every row of every table."""
    with closing_connection(store) as connection:
        objects = connection.execute("select sql from duckdb_tables() union all select sql from duckdb_views()")
        found = sorted(sql for (sql,) in objects.fetchall() if sql)
        tables = connection.execute("select database_name, schema_name, table_name from duckdb_tables() order by all")
        return [*found, *((table, all_of(connection, f"from {'.'.join(table)}")) for table in tables.fetchall())]


def all_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    """The rows of a query, in an order of their own."""
    return sorted(connection.execute(query).fetchall(), key=repr)


@contextmanager
def closing_connection(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(str(store.working), read_only=True)
    try:
        yield connection
    finally:
        connection.close()


def test_migrations_are_recorded_with_their_hash(store: Store) -> None:
    store.hold("run-1", "nightly")
    with store.read() as connection:
        rows = connection.execute("select number, name, sha256 from audit.schema_migration order by number").fetchall()
    files = sorted(MIGRATIONS.glob("*.sql"))
    assert rows == [
        (number, path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for number, path in enumerate(files, start=1)
    ]


def test_a_new_migration_is_applied_to_what_is_there(store: Store, migrations: Path) -> None:
    store.hold("run-1", "nightly")
    with store.write() as connection:
        connection.execute("insert into audit.run (run_id) values ('old')")
    add(
        migrations,
        "alter table audit.run add column weather varchar; create table ref.colour (name varchar);",
    )
    newer = Store(store.database, migrations, store.patience)
    with newer.read() as connection:
        assert connection.execute("select run_id, weather from audit.run").fetchall() == [("old", None)]
        assert connection.execute("select count(*) from ref.colour").fetchall() == [(0,)]


ONE_OF = {
    "domain": ("own", "transferred", "unknown"),
    "outcome": ("found", "empty_suspect", "denied"),
    "status": ("active", "missing", "retired"),
    "change": ("changed", "missing", "retired"),
    "verdict": ("candidate", "accepted", "unknown"),
}
"""The columns that take only some values."""


def value_of(kind: str, name: str, row: int) -> str:
    """A value of a type, as SQL, in which a column and a row are told from the others; of 0 nothing is empty."""
    if kind.endswith("[]"):
        values = ", ".join(value_of(kind[:-2], f"{name} {position}", row) for position in (2, 1))
        return f"[{values if row == 0 else ''}]::{kind}"
    if kind.startswith("MAP("):
        pairs = f"'{name} b': 'b', '{name} a': '', 'it''s \U0001f95d': null"
        return f"map {{{pairs if row == 0 else ''}}}::{kind}"
    if kind.startswith("STRUCT("):
        parts = duckdb.sqltype(kind).children
        inner = ", ".join(f"'{part}': {value_of(str(held), f'{name} {part}', row)}" for part, held in parts)
        return f"{{{inner}}}::{kind}"
    number = sum(name.encode()) % 90 + row
    texts = {
        "BOOLEAN": "true" if row == 0 else "false",
        "DATE": f"2026-11-{number % 30 + 1:02}",
        "TIMESTAMP WITH TIME ZONE": f"2026-11-{row + 1:02} 02:03:{number % 60:02}.000007+00",
        "JSON": f'{{"{name}": [{row}, null, "\\u00e9"]}}',
        "VARCHAR": ONE_OF.get(name, (f"{name} 0", f"{name} 1", f"{name} 2"))[row],
    }
    return f"'{texts.get(kind, str(number))}'::{kind}"


def write_rows_into_every_table(store: Store) -> dict[str, list[Any]]:
    """Rows in each table that the migrations make; gives back what the query of each table and view answers then."""
    with store.write() as connection:
        relations = connection.execute(
            """
            select
                table_schema || '.' || table_name, any_value(table_type),
                list((column_name, data_type, is_nullable) order by ordinal_position)
            from information_schema.tables
            join information_schema.columns using (table_catalog, table_schema, table_name)
            where table_catalog = current_database() and table_schema not in ('information_schema', 'pg_catalog')
            group by all
            """
        ).fetchall()
        for relation, sort, columns in relations:
            if sort == "VIEW" or relation == "audit.schema_migration":
                continue
            for row in range(3):
                values = ", ".join(
                    "null" if row == 2 and nullable == "YES" else value_of(kind, name, row)
                    for name, kind, nullable in columns
                )
                connection.execute(f"insert into {relation} values ({values})")
        queries = {
            relation: f"select {', '.join(name for name, *_ in columns)} from {relation}"
            for relation, _, columns in relations
        }
        queries["audit.schema_migration"] += f" where number <= {len([*store.migrations.glob('*.sql')])}"
        return {query: all_of(connection, query) for query in queries.values()}


def of_schema(database: Path, migrations: Path, number: int) -> Store:
    """A warehouse as the release wrote it that knew so many migrations."""
    for newer in sorted(migrations.glob("*.sql"))[number:]:
        newer.unlink()
    return Store(database, migrations, patience=0.3)


def as_known(now: Any, before: Any) -> Any:
    """A value without the fields that a migration has added to its structs, where they are NULL."""
    if isinstance(now, dict) and isinstance(before, dict):
        added = {name for name in now.keys() - before.keys() if now[name] is None}
        return {name: as_known(value, before.get(name)) for name, value in now.items() if name not in added}
    if isinstance(now, list | tuple) and isinstance(before, list | tuple) and len(now) == len(before):
        return type(now)(as_known(*pair) for pair in zip(now, before, strict=True))
    return now


def test_only_added_fields_without_a_value_are_left_out() -> None:
    before = [("a", {"x": 1, "y": None})]
    assert as_known([("a", {"x": 1, "y": None, "z": None})], before) == before
    assert as_known([("a", {"x": 1, "y": None, "z": 2})], before) != before
    assert as_known([("a", {"x": 1, "z": None})], before) != before
    assert as_known([("a", {"x": None, "y": None})], before) != before
    assert as_known([*before, *before], before) != before


@pytest.mark.parametrize("number", range(1, NEWEST))
def test_a_warehouse_of_every_older_schema_keeps_its_rows(store: Store, migrations: Path, number: int) -> None:
    older = of_schema(store.database, migrations, number)
    older.hold("run-1", "nightly")
    before = write_rows_into_every_table(older)
    assert len(before) >= 8
    with store.read() as connection:
        assert connection.execute("select max(number) from audit.schema_migration").fetchall() == [(NEWEST,)]
        for query, rows in before.items():
            # Migration 25 renames the column; audit.coverage keeps the old name for one version.
            now = query.replace("zero_sense", "empty_policy") if query.endswith("audit.collection") else query
            then = [renamed(row) for row in rows]
            assert as_known(all_of(connection, now), then) == then, query


def renamed(value: Any) -> Any:
    """A value with the fields of its structs as migration 25 names them."""
    if isinstance(value, dict):
        return {("empty_policy" if name == "zero_sense" else name): renamed(one) for name, one in value.items()}
    return type(value)(map(renamed, value)) if isinstance(value, list | tuple) else value


def downgraded(night: Path, database: Path, migrations: Path, number: int) -> set[str]:
    """A night as an older schema would hold it: what was landed, and of every row the columns that it knew.

    Returns:
        The tables of the night that the schema did not have: what was in them is lost.
    """
    shutil.copytree(night.parent / "landing", database.parent / "landing")
    older = of_schema(database, migrations, number)
    with older.holding("run-1", "nightly"), older.write() as connection:
        connection.execute(f"attach '{night.resolve()}' as night (read_only)")
        tables = connection.execute(
            """
            select
                t.schema_name || '.' || t.table_name,
                string_agg('"' || n.column_name || '" as "' || c.column_name || '"', ', ')
            from duckdb_tables() as t
            join duckdb_columns() as c using (database_name, schema_name, table_name)
            join duckdb_columns() as n
                on c.schema_name = n.schema_name and c.table_name = n.table_name
                -- Migration 25 renames the column.
                and if(c.column_name = 'zero_sense', 'empty_policy', c.column_name) = n.column_name
            where
                t.database_name = current_database() and n.database_name = 'night'
                and t.table_name <> 'schema_migration'
            group by all
            """
        ).fetchall()
        for table, columns in tables:
            connection.execute(f"insert into {table} by name select {columns} from night.{table}")
        # Its views, and the tables that no migration makes, are not taken over: they are to be built again.
        connection.execute(
            """
            delete from audit.relation_build
            where relation not in (
                select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()
            )
            """
        )
        assert connection.execute("select count(*) > 500 from audit.collection").fetchall() == [(True,)]
        unknown = connection.execute(
            """
            select schema_name || '.' || table_name from duckdb_tables()
            where database_name = 'night' and schema_name = 'audit'
            except
            select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()
            """
        ).fetchall()
        connection.execute("detach night")
    # The migration that brought the first of these fills it; the models are built again.
    return {name for (name,) in unknown} - {"audit.newest_cell", *read_models()}


def published_rows(database: Path) -> dict[str, list[str]]:
    """Every table and view that analysts read, but for what says when it was made."""
    with Store(database).published() as connection:
        relations = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() union all "
            "select schema_name || '.' || view_name from duckdb_views() where not internal"
        ).fetchall()
        names = {name for (name,) in relations} - {"audit.relation_build", "audit.schema_migration"}
        return {name: sorted(map(repr, connection.execute(f"from {name}").fetchall())) for name in names}


@pytest.mark.large
@pytest.mark.parametrize("number", [1, 2, NEWEST - 1])
def test_an_upgraded_warehouse_builds_and_publishes_what_a_new_one_does(
    truthful_night: Path, tmp_path: Path, migrations: Path, number: int
) -> None:
    night, upgraded = truthful_night / DATABASE, tmp_path / "upgraded" / DATABASE
    lost = downgraded(night, upgraded, migrations, number)
    store = Store(upgraded)
    with store.holding("given", "a test"):
        home = House(store)
        if "audit.bill" in lost:
            # The pre-flight of the next run records it before anything is built.
            with store.write() as connection:
                connection.execute(f"attach '{night.resolve()}' as night (read_only)")
                connection.execute("insert into audit.bill by name select * from night.audit.bill")
                connection.execute("detach night")
        home.build(*(name for name, model in home.models.items() if model.materialized != "log"))
        store.publish("given", lambda _: None)
    expected, found = published_rows(night), published_rows(upgraded)
    assert found.keys() == expected.keys()
    assert len(expected["cmdb.resource"]) > 500
    assert [name for name in expected if found[name] != expected[name] and name not in lost] == []
    assert lost <= {"audit.bill", "audit.check_cell", "audit.paid_request", "audit.step_plan", "audit.trail_call"}


@pytest.mark.large
def test_a_whole_run_runs_on_a_warehouse_of_an_older_schema_and_goes_on_from_it(
    truthful_night: Path, organisation: Simulator, tmp_path: Path, migrations: Path
) -> None:
    night, upgraded = truthful_night / DATABASE, tmp_path / "upgraded" / DATABASE
    # The first one whose tables remember configuration items.
    downgraded(night, upgraded, migrations, 2)
    done = run_night(organisation.env, upgraded)
    assert done.published, done.sentences
    items = "select arn, first_seen_at, tags from cmdb.resource order by arn"
    assert query(upgraded, items) == query(night, items)
    # Config and Resource Explorer date by themselves what they show.
    seen = query(
        upgraded,
        "select min(last_seen_at) > max(first_seen_at) from cmdb.resource "
        "where status = 'active' and discovered_by not in ('config', 'explorer')",
    )
    assert seen == [(True,)]


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ("select 1", []),
        ("update cmdb.resource set tags = map {'a': null} where status = 'active'", ["cmdb.resource"]),
        ("update cost.daily set billed_cost = billed_cost + 0.0000000001 where is_estimated", ["cost.daily"]),
        ("delete from stage.account where is_stale", ["stage.account"]),
        ("create table ref.colour (name varchar)", ["ref.colour"]),
    ],
)
def test_what_versions_of_duckdb_read_is_compared_value_by_value(store: Store, change: str, differs: list[str]) -> None:
    store.hold("run-1", "nightly")
    write_rows_into_every_table(store)
    seen = []
    for statement in ("select 1", change):
        with store.write() as connection:
            connection.execute(statement)
        read = subprocess.run(**program("read_everything", store.working), capture_output=True, check=True)
        seen.append(tables.contents(read.stdout))
    assert {"audit.coverage", "cmdb.resource"} < seen[0].keys()
    assert tables.differing(*seen) == differs


def test_a_view_in_place_of_a_table_that_a_migration_drops_is_replaced(store: Store, migrations: Path) -> None:
    """As stage.unchanged_since was built by releases of schema 33."""
    older = of_schema(store.database, migrations, 33)
    with older.holding("run-1", "nightly"), older.write() as connection:
        connection.execute("create or replace view stage.unchanged_since as select 'of the view' as arn")
        connection.execute("create view stage.reader as select * from stage.unchanged_since")
    with store.holding("run-2", "nightly"), store.write() as connection:
        assert connection.execute("select max(number) from audit.schema_migration").fetchall() == [(NEWEST,)]
        kinds = "select table_type from information_schema.tables where table_name in ('unchanged_since', 'reader')"
        assert connection.execute(f"{kinds} order by all").fetchall() == [("BASE TABLE",), ("VIEW",)]
        assert connection.execute("select arn from stage.unchanged_since").fetchall() == []


def test_a_view_that_was_in_the_way_stays_where_the_migration_fails(store: Store, migrations: Path) -> None:
    with store.holding("run-1", "nightly"), store.write() as connection:
        connection.execute("create view ref.colour as select 'red' as name")
    add(migrations, "drop table if exists ref.colour;\nselect nothing;")
    newer = Store(store.database, migrations, store.patience)
    failed = pytest.raises(WarehouseError, match="failed and was taken back")
    with newer.holding("run-2", "nightly"), failed, newer.write():
        pass
    with store.holding("run-3", "nightly"), store.write() as connection:
        assert connection.execute("select name from ref.colour").fetchall() == [("red",)]


def test_a_broken_migration_leaves_the_file_as_it_was(store: Store, migrations: Path) -> None:
    store.hold("run-1", "nightly")
    write_rows_into_every_table(store)
    before = contents(store)
    broken = add(migrations, "alter table audit.run add column weather varchar; delete from audit.run; select nothing;")
    newer = Store(store.database, migrations, store.patience)
    with (
        pytest.raises(WarehouseError, match=f"Migration {broken.name} failed and was taken back") as refused,
        newer.write(),
    ):
        pass
    assert refused.value.exit_code == 2
    assert contents(store) == before
    broken.write_text("alter table audit.run add column weather varchar;", encoding="utf-8")
    with newer.read() as connection:
        assert connection.execute("select run_id, weather from audit.run order by all").fetchall() == [
            (f"run_id {row}", None) for row in range(3)
        ]


def test_a_first_migration_that_fails_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    add(folder, "create schema org; select nothing;", number=1)
    store = Store(tmp_path / "cmdb.duckdb", folder)
    store.hold("run-1", "nightly")
    with pytest.raises(WarehouseError, match="failed and was taken back"), store.write():
        pass
    store.release("run-1")
    assert not store.working.exists()


def test_a_changed_migration_is_refused(store: Store, migrations: Path) -> None:
    store.hold("run-1", "nightly")
    changing = Store(store.database, migrations, store.patience)
    with changing.write():
        pass
    first = min(migrations.glob("*.sql"))
    first.write_text(first.read_text(encoding="utf-8") + "\n-- one remark more\n", encoding="utf-8")
    for connect in (changing.write, changing.read):
        with (
            pytest.raises(WarehouseError, match=f"Migration {first.name} was changed after it was applied") as e,
            connect(),
        ):
            pass
        assert e.value.exit_code == 2


def test_a_missing_migration_is_refused(store: Store, migrations: Path) -> None:
    add(migrations, "create table ref.colour (name varchar)")
    store.hold("run-1", "nightly")
    changing = Store(store.database, migrations, store.patience)
    with changing.write():
        pass
    min(migrations.glob("*.sql")).unlink()
    with pytest.raises(WarehouseError, match="numbered from 0001 without gaps"), changing.write():
        pass


def test_a_renamed_migration_is_refused(store: Store, migrations: Path) -> None:
    store.hold("run-1", "nightly")
    changing = Store(store.database, migrations, store.patience)
    with changing.write():
        pass
    first = min(migrations.glob("*.sql"))
    first.rename(first.with_name("0001_other.sql"))
    with pytest.raises(WarehouseError, match=f"Migration {first.name} is missing"), changing.write():
        pass


def test_a_file_from_the_future_is_refused_and_not_touched(store: Store, migrations: Path) -> None:
    add(migrations, "create table ref.colour (name varchar)")
    store.hold("run-1", "nightly")
    with Store(store.database, migrations).write():
        pass
    before = hashlib.sha256(store.working.read_bytes()).hexdigest()
    for connect in (store.write, store.read):
        with (
            pytest.raises(WarehouseError, match=f"has schema {NEWEST + 1}, .* knows {NEWEST}") as refused,
            connect(),
        ):
            pass
        assert refused.value.exit_code == 2
    assert hashlib.sha256(store.working.read_bytes()).hexdigest() == before


def test_an_older_file_is_not_migrated_by_a_reader_without_the_lock(store: Store, migrations: Path) -> None:
    with store.holding("run-1", "nightly"), store.write():
        pass
    add(migrations, "create table ref.colour (name varchar)")
    with (
        pytest.raises(WarehouseError, match="has an older schema"),
        Store(store.database, migrations).read(),
    ):
        pass


def test_two_migrations_of_one_number_are_refused(store: Store, migrations: Path) -> None:
    add(migrations, "create schema x", number=1)
    store.hold("run-1", "nightly")
    with pytest.raises(WarehouseError, match="without gaps"), Store(store.database, migrations).write():
        pass


def test_an_empty_folder_of_migrations_is_refused(store: Store, tmp_path: Path) -> None:
    store.hold("run-1", "nightly")
    with (
        pytest.raises(WarehouseError, match="holds no migrations") as refused,
        Store(store.database, tmp_path / "none").write(),
    ):
        pass
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("path", sorted(MIGRATIONS.glob("*.sql")), ids=lambda path: path.name)
def test_migrations_leave_the_transaction_to_us(path: Path) -> None:
    statements = re.sub(r"--.*|'(?:[^']|'')*'", "", path.read_text(encoding="utf-8"))
    assert not re.search(r"\b(begin|commit|rollback|checkpoint)\b", statements, re.IGNORECASE)


def test_every_table_and_column_says_what_it_is(store: Store) -> None:
    """In a comment of its migration, or, where a model fills the table, in the header that comments it."""
    store.hold("run-1", "nightly")
    here = "database_name = current_database() and not internal"
    with store.read() as connection:
        relations = connection.execute(
            f"""
            select schema_name, table_name, comment from duckdb_tables() where {here}
            union all
            select schema_name, view_name, comment from duckdb_views() where {here}
            """
        ).fetchall()
        columns = connection.execute(
            f"select schema_name, table_name, column_name, comment from duckdb_columns() where {here}"
        ).fetchall()
    assert ("audit", "coverage") in {relation[:2] for relation in relations}

    filled = {(model.schema, model.name): model.columns for model in read_models().values()}
    silent = [f"{schema}.{table}" for schema, table, said in relations if not said and (schema, table) not in filled]
    silent += [
        f"{schema}.{table}.{column}"
        for schema, table, column, said in columns
        if not said and not filled.get((schema, table), {}).get(column)
    ]
    assert silent == []


# -------------------------------------------------------------------------------------------------- the stamp


def test_a_warehouse_belongs_to_one_organisation(store: Store) -> None:
    store.hold("run-1", "nightly")
    stamp(store, "o-ours", "012345678901")
    stamp(store, "o-ours", "012345678901")
    with pytest.raises(WarehouseError, match="belongs to organisation o-ours, and the profiles reach o-other") as e:
        stamp(store, "o-other")
    assert e.value.exit_code == 2
    with store.read() as connection:
        rows = connection.execute("select organization_id, management_account_id from audit.organization").fetchall()
    assert rows == [("o-ours", "012345678901")]


# -------------------------------------------------------------------------------------------------- bad input


def test_a_working_file_open_elsewhere_names_the_process_and_the_cure(store: Store) -> None:
    store.hold("run-1", "nightly")
    with store.write():
        pass
    with process("opens_file", store.working) as analyst:
        for connect in (store.write, store.read):
            with (
                pytest.raises(WarehouseError, match=rf"Process {analyst.pid} has .* open.*Close it there"),
                connect(),
            ):
                pass
    with store.write() as connection:
        connection.execute("insert into audit.run (run_id) values ('after')")


def test_a_connection_of_milliseconds_elsewhere_is_waited_for(store: Store) -> None:
    patient = Store(store.database, patience=10)
    patient.hold("run-1", "nightly")
    with patient.write():
        pass
    with process("opens_file", store.working, 0.5), patient.write() as connection:
        connection.execute("insert into audit.run (run_id) values ('after')")


@pytest.mark.parametrize("damage", ["text", "empty", "first block", "checksum", "cut", "cut in its header"])
def test_a_damaged_working_file_says_so_and_is_kept(store: Store, damage: str) -> None:
    store.hold("run-1", "nightly")
    with store.transaction() as connection:
        connection.execute("insert into audit.run (run_id) values ('x')")
    data = bytearray(store.working.read_bytes())
    if damage == "checksum":
        for start_of_block in range(12288, len(data), 262144):
            data[start_of_block + 64 : start_of_block + 128] = bytes(range(64))
    spoilt = {
        "text": b"not a database\n",
        "empty": b"",
        "first block": b"\0" * 4096 + data[4096:],
        "cut": bytes(data[:12_288]),
        "cut in its header": bytes(data[:5_000]),
    }
    store.working.write_bytes(spoilt.get(damage, bytes(data)))
    before = store.working.read_bytes()
    for connect in (store.write, store.read):
        with (
            pytest.raises(WarehouseError, match=r"damaged or not a DuckDB file.*Move the damaged file away"),
            connect(),
        ):
            pass
    assert store.working.read_bytes() == before


@pytest.mark.parametrize("other", ["an earlier state", "another file"])
def test_a_log_beside_a_file_that_it_does_not_belong_to_is_reported(store: Store, tmp_path: Path, other: str) -> None:
    """As where the working file alone is restored from a backup after a run was killed."""
    backup = Store(store.database if other == "an earlier state" else tmp_path / "other" / "cmdb.duckdb")
    with backup.holding("run-1", "nightly"), backup.write() as connection:
        connection.execute("insert into audit.run (run_id) values ('of the backup')")
    restored = backup.working.read_bytes()
    with store.holding("run-2", "nightly"), store.write() as connection:
        connection.execute("insert into audit.run (run_id) values ('later')")
    killed_writer(store)
    log = Path(f"{store.working}.wal")
    before = log.read_bytes()
    store.working.write_bytes(restored)
    store.hold("run-3", "nightly")
    for connect in (store.write, store.read):
        with pytest.raises(WarehouseError, match=r"\.wal is the log of another state.*move the log away"), connect():
            pass
    assert (store.working.read_bytes(), log.read_bytes()) == (restored, before)
    log.rename(tmp_path / "moved.wal")
    with store.write() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("of the backup",)]


def test_a_lost_working_file_is_made_anew_from_the_published_version(store: Store) -> None:
    store.hold("run-1", "nightly")
    stamp(store, "o-ours")
    store.publish("run-1", lambda _: None)
    store.working.write_bytes(b"damaged")
    store.working.rename(store.working.with_suffix(".away"))
    with pytest.raises(WarehouseError, match="belongs to organisation o-ours"):
        stamp(store, "o-other")
    assert store.working.stat().st_mode & 0o777 == 0o640


def test_a_log_without_its_file_is_not_replayed_into_a_new_one(store: Store) -> None:
    killed_writer(store)
    assert Path(f"{store.working}.wal").exists()
    store.working.unlink()
    store.hold("run-2", "nightly")
    with store.write() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == []


def test_a_folder_that_is_a_file_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for database in (tmp_path / "file" / "cmdb.duckdb", tmp_path / "file" / "deeper" / "cmdb.duckdb"):
        with pytest.raises(WarehouseError, match="Set CMDB_DATABASE") as refused:
            Store(database).hold("run-1", "nightly")
        assert refused.value.exit_code == 2


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "sealed"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    # Rights do not stop root; a read-only mount does.
    mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("root, and not allowed to mount: no folder is read-only here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def without_rights(path: Path) -> Iterator[None]:
    """A block in which this process may not enter a folder or read a file."""
    if os.geteuid() != 0:
        mode = path.stat().st_mode & 0o777
        path.chmod(0)
        try:
            yield
        finally:
            path.chmod(mode)
        return
    # Rights do not stop root. The folders above are pytest's.
    for folder in (path, *path.parents)[1:]:
        if folder.stat().st_uid == 0 and folder.stat().st_mode & 0o777 in (0o700, 0o750):
            folder.chmod(0o711)
    path.chmod(0o700)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.mark.parametrize("closed", ["version", "landing"])
def test_what_a_run_of_another_user_left_closed_stops_a_run_before_it_requests_anything(
    store: Store, closed: str
) -> None:
    with store.holding("run-1", "nightly"):
        stamp(store, "o-ours")
        store.publish("run-1", lambda _: None)
    for run in ("run-0", "run-1"):
        (store.landing / run).mkdir(mode=0o755)
    (store.landing / ".left-by-a-killed-run").mkdir(mode=0)
    path = {"version": store.database.resolve(), "landing": store.landing / "run-1"}[closed]
    for folder in (store.folder, store.versions_folder, store.landing):
        folder.chmod(0o755)
    store.database.resolve().chmod(0o444)
    bound = Warehouse(database=str(store.database))
    before = store.lock_file.stat()
    with without_rights(path):
        with pytest.raises(WarehouseError) as refused:
            bound.begin("nightly")
        assert refused.value.exit_code == 2
        said = str(refused.value)
    assert said.startswith(f"{path} ") and "cannot be read by this user. Nothing was requested. `ch" in said
    if os.geteuid() == 0:
        assert f"{path} belongs to root and" in said
        assert f"`chown -R {pwd.getpwuid(65534).pw_name} {store.folder}`, and start every run as one user." in said
    assert store.lock_file.stat().st_mtime == before.st_mtime
    require_readable(store.database)


def test_a_warehouse_of_which_nothing_exists_yet_is_readable(store: Store) -> None:
    require_readable(store.database)


@pytest.mark.parametrize("closed", ["folder", "versions", "version"])
def test_a_reader_without_rights_is_not_advised_to_write(store: Store, closed: str) -> None:
    with store.holding("run-1", "nightly"):
        stamp(store, "o-ours")
        store.publish("run-1", lambda _: None)
    version = store.database.resolve()
    with (
        without_rights({"folder": store.folder, "versions": version.parent, "version": version}[closed]),
        pytest.raises(WarehouseError, match="cannot be read by this user") as refused,
        store.published(),
    ):
        pass
    assert "written" not in str(refused.value) and refused.value.exit_code == 2


def test_a_read_only_folder_says_what_to_do(read_only_folder: Path) -> None:
    for database in (read_only_folder / "cmdb.duckdb", read_only_folder / "new" / "cmdb.duckdb"):
        with pytest.raises(WarehouseError, match=r"cannot be written. Nothing was changed") as refused:
            Store(database).hold("run-1", "nightly")
        assert refused.value.exit_code == 2


# ------------------------------------------------------------------------------------ nobody else opens files

TYPES = {"DuckDBPyConnection", "DuckDBPyRelation", "StatementType"}
COPIES = {"copy", "copy2", "copyfile", "copyfileobj", "copytree", "move"}
READS = {"open", "read_bytes", "write_bytes"}
A_DATABASE = re.compile(r"duckdb|working|database|published|version", re.IGNORECASE)


def is_harmless(name: str) -> bool:
    """Types and errors of DuckDB open nothing."""
    member = getattr(duckdb, name, None)
    return name in TYPES or (isinstance(member, type) and issubclass(member, Exception))


def fault(node: ast.AST) -> str:
    """What only `resources.store` may do: open DuckDB, or read or copy its files."""
    match node:
        case ast.Attribute(value=ast.Name(id="duckdb"), attr=name):
            return "" if is_harmless(name) else f"duckdb.{name}"
        case ast.Import(names=names):
            # Under another name it could not be followed.
            return "".join(a.name for a in names if "duckdb" in a.name and (a.name != "duckdb" or a.asname))
        case ast.ImportFrom(module=str(module), names=names) if "duckdb" in module:
            return "".join(a.name for a in names if not is_harmless(a.name))
        case ast.Call(func=func):
            called = ast.unparse(func).rpartition(".")[2]
            text = ast.unparse(node)
            if called in COPIES and A_DATABASE.search(text):
                return text
            if called in READS | {"import_module", "__import__"} and "duckdb" in text:
                return text
            if re.search(r"""["'](\\n|\s)*attach\b""", text, re.IGNORECASE):
                return text
    return ""


def faults(source: str) -> list[str]:
    return [found for node in ast.walk(ast.parse(source)) if (found := fault(node))]


@pytest.mark.parametrize(
    "source",
    [
        "import duckdb\nduckdb.connect('x')",
        "import duckdb\nopen_it = duckdb.connect",
        "import duckdb\nduckdb.sql('select 1')",
        "import duckdb as d\nd.connect()",
        "from duckdb import connect",
        "import _duckdb",
        "import importlib\nimportlib.import_module('duckdb')",
        "import shutil\nshutil.copyfile(store.working, there)",
        "from shutil import copy2\ncopy2(settings.database, there)",
        "open(f'{folder}/cmdb.work.duckdb', 'rb')",
        "(folder / 'cmdb.duckdb').read_bytes()",
        "Path('cmdb.duckdb').open()",
        "connection.execute(f\"ATTACH '{path}'\")",
        'connection.execute("""\n    attach \'x\' as y""")',
    ],
)
def test_the_scan_can_fail(source: str) -> None:
    assert faults(source)


def test_the_scan_lets_types_and_errors_pass() -> None:
    assert not faults("import duckdb\ndef f(c: duckdb.DuckDBPyConnection) -> None: ...\nerror = duckdb.Error")
    assert not faults("from duckdb import DuckDBPyConnection, CatalogException")
    assert not faults("shutil.copyfile(REPOSITORY / 'dagster.yaml', home / 'dagster.yaml')")


STORE = ROOT / "resources" / "store"


def test_only_the_warehouse_opens_or_copies_database_files() -> None:
    modules = [
        path
        for folder in ("resources", "pipelines", "simulator")
        for path in (ROOT / folder).rglob("*.py")
        # The simulator's writes the Parquet of a data export, from memory.
        if not path.is_relative_to(STORE) and path != ROOT / "simulator" / "exports.py"
    ]
    assert modules
    found = {str(path.relative_to(ROOT)): faults(path.read_text(encoding="utf-8")) for path in modules}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_in_the_warehouse_one_module_opens_duckdb() -> None:
    opening = {path.name for path in STORE.glob("*.py") if "duckdb.connect" in faults(path.read_text(encoding="utf-8"))}
    assert opening == {"engine.py"}
