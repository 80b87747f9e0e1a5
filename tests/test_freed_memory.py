"""Memory that a run does not need any more: DuckDB's allocator, a parser of SQL, the cache of a copy's rules."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import duckdb
import psutil
import pytest
from nights import program

from pipelines import memory
from pipelines.freed_memory import DUCKDB_ALLOCATOR, return_soon
from pipelines.models.build import build
from pipelines.models.model import Model
from pipelines.models.sql_files import Header
from resources.store import publishing
from resources.store.paths import with_wal
from resources.store.store import Store


def test_duckdbs_allocator_keeps_little_unless_the_environment_says_otherwise() -> None:
    environment = {"PATH": "/bin"}
    return_soon(environment)
    assert environment == {"PATH": "/bin", DUCKDB_ALLOCATOR: "dirty_decay_ms:100,muzzy_decay_ms:0"}
    own = {DUCKDB_ALLOCATOR: "dirty_decay_ms:5000"}
    return_soon(own)
    assert own == {DUCKDB_ALLOCATOR: "dirty_decay_ms:5000"}


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_what_the_c_library_keeps_of_freed_memory_is_returned_before_a_table_is_built() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [library.malloc(4_000) for _ in range(20_000)]
    for block in blocks:
        ctypes.memset(block, 1, 4_000)
    # What is used above it keeps the library from returning the rest by itself.
    *freed, used = blocks
    for block in freed:
        library.free(block)
    process = psutil.Process()
    before = process.memory_info().rss
    assert memory.within_memory(lambda _: before - process.memory_info().rss) > 40_000_000
    library.free(used)
    memory.return_freed()


def test_a_command_says_so_before_duckdb_is_loaded_and_parses_no_query() -> None:
    started = program("left_by_loading")
    started["env"] = {name: value for name, value in os.environ.items() if name != DUCKDB_ALLOCATOR} | {
        "PYTHONPATH": started["env"]["PYTHONPATH"]
    }
    done = subprocess.run(**started, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "dirty_decay_ms:100,muzzy_decay_ms:0", "False"]


def test_the_rules_of_a_copy_have_one_connection(tmp_path: Path) -> None:
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    seen: list[duckdb.DuckDBPyConnection] = []

    def rule(connection: duckdb.DuckDBPyConnection) -> None:
        seen.append(connection)
        assert connection.execute("select run_id from audit.run").fetchall() == [("run-1",)]

    with store.holding("run-1", "a test"):
        with store.transaction() as connection:
            connection.execute("insert into audit.run by name select 'run-1' as run_id, now() as started_at")
        store.publish("run-1", rule, None, [rule, rule, rule])
    assert [connection is seen[0] for connection in seen] == [True] * 4


LARGE = "select length(list(i)) as size from range(6_000_000) as t (i)"
"""A list of 48 MB, which cannot be spilled."""


@pytest.mark.parametrize(("most", "tried"), [(200, ["24", "48", "96", "192"]), (50, ["24", "48", "96", None])])
def test_a_rule_gets_as_much_memory_as_it_needs_and_the_next_one_is_limited_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, tried: list[str | None]
) -> None:
    monkeypatch.setattr(publishing, "RULES_MEMORY", 24 << 20)
    monkeypatch.setattr(publishing, "MOST_RULES_MEMORY", most << 20)
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    limits: list[str] = []

    def rule(connection: duckdb.DuckDBPyConnection) -> None:
        limits.append(connection.execute("select current_setting('memory_limit')").fetchall()[0][0])

    def large(connection: duckdb.DuckDBPyConnection) -> None:
        rule(connection)
        assert connection.execute(LARGE).fetchall() == [(6_000_000,)]

    with store.holding("run-1", "a test"):
        with store.transaction() as connection:
            connection.execute("insert into audit.run by name select 'run-1' as run_id, now() as started_at")
        store.publish("run-1", rule, None, [rule, large, rule])
    known = [limit.removesuffix(".0 MiB") if limit.endswith(".0 MiB") else None for limit in limits]
    assert known == ["24", *tried, "24", "24"]


def test_what_a_reader_needs_beyond_its_memory_is_spilled_by_a_run_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "house" / "aws_org.duckdb")

    def spills_into(memory: int | None) -> str:
        with store.published(memory) as connection:
            return str(connection.execute("select current_setting('temp_directory')").fetchall()[0][0])

    with store.holding("run-1", "a test"):
        with store.transaction() as connection:
            connection.execute("insert into audit.run by name select 'run-1' as run_id, now() as started_at")
        store.publish("run-1", lambda connection: None)
        # Not the folder of the working file, whose queries may spill at the same time.
        assert spills_into(24 << 20) == str(store.database.parent / f".cmdb.spill-{os.getpid()}-reading")
        assert spills_into(None) == ""
    # Without the lock a run that begins would remove it.
    assert spills_into(24 << 20) == ""


@pytest.mark.parametrize(("limit", "tried"), [(48, [48, 66, 132]), (16, [16, 22, 44, 88, None])])
def test_a_table_is_built_with_as_much_memory_as_it_needs(tmp_path: Path, limit: int, tried: list[int | None]) -> None:
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    limits: list[int | None] = []
    model = Model("stage", "large", LARGE, Header("One large list.", {"size": "Its length."}))

    def make(limit: int | None) -> int:
        limits.append(limit)
        with store.transaction(limit) as connection:
            connection.execute("insert into audit.run by name select 'run-1' as run_id, now() as started_at")
            return build(connection, store, model, run_id="run-1")

    with store.holding("run-1", "a test", stays_attached=True):
        assert memory.within_memory(make, limit << 20) == 1
        assert limits == [None if one is None else one << 20 for one in tried]
        with store.read() as connection:
            assert connection.execute("from stage.large").fetchall() == [(6_000_000,)]
            # What was written within the limit was taken back.
            assert connection.execute("select count(*) from audit.run").fetchall() == [(1,)]


KEYED = "create table stage.keyed (name varchar primary key)"


@pytest.mark.parametrize("limit", [6, 10])
def test_a_commit_gets_as_much_memory_as_it_needs(tmp_path: Path, limit: int) -> None:
    """DuckDB writes a key's index at the commit, and what it raises there is no OutOfMemoryException."""
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    tried = []

    def insert(limit: int | None) -> None:
        tried.append(limit)
        with store.transaction(limit) as connection:
            connection.execute("insert into stage.keyed select md5(i::varchar) from range(100_000) as t (i)")

    with store.holding("run-1", "a test"):
        with store.transaction() as connection:
            connection.execute(KEYED)
        memory.within_memory(insert, limit << 20)
        with store.read() as connection:
            assert connection.execute("select count(*) from stage.keyed").fetchall() == [(100_000,)]
    assert len(tried) > 1


@pytest.mark.parametrize("stays_attached", [False, True])
def test_what_was_committed_within_a_limit_is_written_into_the_file_beyond_it(
    tmp_path: Path, stays_attached: bool
) -> None:
    """The file is not damaged when its last checkpoint finds too little memory, and nothing is done twice."""
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    tried = []

    def update(limit: int | None) -> None:
        tried.append(limit)
        with store.transaction(limit) as connection:
            connection.execute("update stage.text set b = md5(b) where a % 2 = 0")

    with store.holding("run-1", "a test", stays_attached=stays_attached):
        with store.transaction() as connection:
            connection.execute("create table stage.text as select i as a, i::varchar as b from range(150_000) as t (i)")
            connection.execute("update stage.text set b = md5(b)")
        memory.within_memory(update, 8_000_000)
        with store.read() as connection:
            rows = "select count(*) from stage.text where b = if(a % 2 = 0, md5(md5(a::varchar)), md5(a::varchar))"
            assert connection.execute(rows).fetchall() == [(150_000,)]
    assert tried == [8_000_000]
    # Nothing is left in the log.
    assert not with_wal(store.working)[1].exists()


def test_a_rule_that_refuses_keeps_the_later_ones_from_being_called(tmp_path: Path) -> None:
    store = Store(tmp_path / "house" / "aws_org.duckdb")

    def refuse(connection: duckdb.DuckDBPyConnection) -> None:
        raise ValueError("refused")

    def never(connection: duckdb.DuckDBPyConnection) -> None:
        raise AssertionError

    with store.holding("run-1", "a test"):
        with pytest.raises(ValueError, match="refused"):
            store.publish("run-1", never, None, [refuse, never])
        assert store.versions() == []
