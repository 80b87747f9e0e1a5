"""The working file that stays attached between the connections of a run: nothing is lost, others get their turn."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from nights import program

from pipelines import memory
from resources.store import rollback_journal, working
from resources.store.engine import MOST_KEPT, memory_of
from resources.store.errors import WarehouseError
from resources.store.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    # On a busy machine a test may pause between two connections.
    monkeypatch.setattr(working, "UNUSED_SECONDS", 60)
    monkeypatch.setattr(working, "TURN_SECONDS", 60)
    made = Store(tmp_path / "house" / "aws_org.duckdb")
    made.hold("run-1", "a test", stays_attached=True)
    yield made
    made.release("run-1")


def journal(store: Store) -> Path:
    """It stands beside the working file for as long as this is attached for writing."""
    return store.folder / ".cmdb.work.journal"


def begin(store: Store, run_id: str) -> None:
    with store.transaction() as connection:
        connection.execute(f"insert into audit.run by name select '{run_id}' as run_id, now() as started_at")


def runs(store: Store) -> list[str]:
    with store.read() as connection:
        return [run_id for (run_id,) in connection.execute("select run_id from audit.run order by all").fetchall()]


def wait_until_detached(store: Store) -> None:
    deadline = time.monotonic() + 30
    while journal(store).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_attachment_serves_connections_that_follow_each_other(store: Store) -> None:
    begin(store, "first")
    made = journal(store).stat().st_mtime_ns
    begin(store, "second")
    assert runs(store) == ["first", "second"]
    assert journal(store).stat().st_mtime_ns == made


def test_what_fills_the_memory_is_written_and_detached(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(store, "first")
    with store.transaction() as connection:
        connection.execute("create table few as select range as id, md5(range::varchar) as text from range(100_000)")
        held = memory_of(connection)
    assert held < MOST_KEPT
    assert journal(store).exists()
    monkeypatch.setattr(working, "MOST_KEPT", held // 2)
    assert runs(store) == ["first"]
    assert not journal(store).exists()
    with store.read() as connection:
        assert memory_of(connection) < held // 2
        assert connection.execute("select count(*) from few").fetchone() == (100_000,)


def test_blocks_that_were_read_are_let_go_of_and_it_stays_attached(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.transaction() as connection:
        connection.execute("create table many as select range as id, md5(range::varchar) as text from range(300_000)")
    store.release("run-1")  # Detaching writes the rows.
    store.hold("run-1", "a test", stays_attached=True)
    monkeypatch.setattr(working, "MOST_KEPT", 4 << 20)
    assert runs(store) == []
    made = journal(store).stat().st_mtime_ns
    with store.read() as connection:
        assert connection.execute("select count(distinct text) from many").fetchone() == (300_000,)
        limit = connection.execute("select current_setting('memory_limit')").fetchone()
        assert memory_of(connection) > 4 << 20
    with store.read() as connection:
        assert memory_of(connection) <= 4 << 20
        assert connection.execute("select current_setting('memory_limit')").fetchone() == limit
    assert journal(store).stat().st_mtime_ns == made


def test_who_does_not_say_so_has_it_for_a_connection_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    with store.holding("run-1", "a test"):
        begin(store, "first")
        assert not journal(store).exists()


def test_what_a_connection_has_of_its_own_ends_with_it(store: Store) -> None:
    with store.write() as connection:
        connection.execute("create temp table passing as select 1")
        connection.execute("set variable passing = 1")
        connection.execute("set TimeZone = 'Asia/Tokyo'")
        connection.execute("use memory")
    with store.read() as connection:
        left = connection.execute("select current_catalog(), current_setting('TimeZone'), getvariable('passing')")
        assert left.fetchone() == ("warehouse", "UTC", None)
        with pytest.raises(duckdb.CatalogException):
            connection.execute("from passing")


def test_a_reader_writes_nothing(store: Store) -> None:
    begin(store, "first")
    with pytest.raises(duckdb.Error, match="read-only"), store.read() as connection:
        connection.execute("delete from audit.run")
    assert runs(store) == ["first"]


def test_a_block_that_raises_is_rolled_back_and_the_next_connection_is_whole(store: Store) -> None:
    begin(store, "first")
    with pytest.raises(ZeroDivisionError), store.transaction() as connection:
        connection.execute("delete from audit.run")
        raise ZeroDivisionError
    assert runs(store) == ["first"]


def test_one_connection_at_a_time(store: Store) -> None:
    begin(store, "first")
    with store.read(), pytest.raises(WarehouseError, match="connection"), store.read():
        pytest.fail("a second one was opened")


def test_it_ends_where_nobody_uses_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "UNUSED_SECONDS", 0.2)
    begin(store, "first")
    wait_until_detached(store)
    assert not list(store.folder.glob("*.wal"))
    assert runs(store) == ["first"]


def test_it_ends_with_the_lock(store: Store) -> None:
    store.hold("run-1", "a test")
    begin(store, "first")
    store.release("run-1")
    assert journal(store).exists()
    store.release("run-1")
    assert not journal(store).exists()
    assert not list(store.folder.glob("*.wal"))


def test_it_ends_before_a_version_is_published(store: Store) -> None:
    begin(store, "first")
    store.publish("run-1", lambda connection: connection.execute("from audit.run").fetchall() and None)
    assert not journal(store).exists()
    with store.published() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("first",)]


def limit_of(connection: duckdb.DuckDBPyConnection) -> str:
    return str(connection.execute("select current_setting('memory_limit')").fetchall()[0][0])


def test_it_ends_where_who_writes_wants_another_limit_of_memory(store: Store) -> None:
    begin(store, "first")
    made = journal(store).stat().st_mtime_ns
    with store.write(memory=200 << 20) as connection:
        assert limit_of(connection) == "200.0 MiB"
    assert runs(store) == ["first"]
    assert journal(store).stat().st_mtime_ns != made


def test_a_limit_of_who_reads_counts_for_one_use_and_keeps_it_attached(store: Store) -> None:
    with store.read(50 << 20) as connection:
        assert limit_of(connection) == "50.0 MiB"
    made = journal(store).stat().st_mtime_ns
    with store.write(200 << 20) as connection:
        assert limit_of(connection) == "200.0 MiB"
    with store.read(100 << 20) as connection:
        assert limit_of(connection) == "100.0 MiB"
    with store.read() as connection:
        assert limit_of(connection) not in ("100.0 MiB", "200.0 MiB")
    with store.write(200 << 20) as connection:
        assert limit_of(connection) == "200.0 MiB"
    assert journal(store).stat().st_mtime_ns == made


def test_a_limit_below_what_is_not_written_yet_writes_it_first(store: Store) -> None:
    with store.transaction() as connection:
        # Less than DuckDB writes before a checkpoint, and more than the next limit.
        connection.execute("create table large as select uuid()::varchar || uuid() as id from range(120_000)")
    with store.read(4 << 20) as connection:
        assert limit_of(connection) == "4.0 MiB"
        assert connection.execute("select count(*) from large").fetchone() == (120_000,)


def test_rows_are_read_with_as_much_memory_as_they_need(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "READING_MEMORY", 16 << 20)
    begin(store, "first")
    limits: list[str] = []

    def large(connection: duckdb.DuckDBPyConnection) -> list[tuple[int]]:
        limits.append(limit_of(connection))
        # A list of 48 MB, which cannot be spilled.
        return connection.execute("select length(list(i)) from range(6_000_000) as t (i)").fetchall()

    assert memory.read_within_memory(store, large) == [(6_000_000,)]
    assert limits[:4] == ["16.0 MiB", "22.0 MiB", "44.0 MiB", "88.0 MiB"]
    assert memory.rows_within_memory(store, "select run_id from audit.run where run_id = $run", {"run": "first"}) == [
        ("first",)
    ]


def test_it_ends_after_a_checkpoint_with_the_blocks_kept_that_stand_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[str, list[int]]] = []

    def keep(journal: Path, descriptor: int, blocks: list[int], block_size: int) -> str:
        kept.append((rollback_journal.headers_of(descriptor), list(blocks)))
        return really_keep(journal, descriptor, blocks, block_size)

    really_keep = rollback_journal.keep
    monkeypatch.setattr(rollback_journal, "keep", keep)
    begin(store, "first")
    with store.write() as connection:
        connection.execute("checkpoint")
        connection.execute("insert into audit.run by name select 'second' as run_id, now() as started_at")
    assert not journal(store).exists()
    # Once as it was attached, and once more before detaching, which is another checkpoint.
    (before, _), (after, blocks) = kept
    assert before != after
    assert blocks


def test_another_process_gets_its_turn_while_the_run_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "TURN_SECONDS", 2)
    begin(store, "first")
    begin(store, "second")
    reader = subprocess.Popen(
        **program("reads_working", store.database), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while reader.poll() is None and time.monotonic() < deadline:
        assert runs(store) == ["first", "second"]
    out, err = reader.communicate(timeout=10)
    assert (out.split(), err) == (["first", "second"], "")


def test_a_killed_run_loses_nothing_that_it_committed(tmp_path: Path) -> None:
    database = tmp_path / "house" / "aws_org.duckdb"
    killed = subprocess.run(**program("killed_attached", database), capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = Store(database)
    assert journal(store).exists()
    assert runs(store) == ["first", "second"]
    with store.holding("run-2", "a test"):
        begin(store, "third")
        assert runs(store) == ["first", "second", "third"]
    assert not journal(store).exists()


@pytest.mark.parametrize("where", ["same thread", "another thread"])
def test_a_run_keeps_the_lock_where_a_connection_is_still_open(tmp_path: Path, where: str) -> None:
    made = Store(tmp_path / "aws_org.duckdb", patience=0.2)
    made.hold("run-1", "a test", stays_attached=True)
    with made.write(), ThreadPoolExecutor(1) as pool, pytest.raises(WarehouseError, match="Close it first"):
        if where == "same thread":
            made.release("run-1")
        else:
            pool.submit(made.release, "run-1").result()
    assert made.holder() is not None
    made.release("run-1")
    assert made.holder() is None
