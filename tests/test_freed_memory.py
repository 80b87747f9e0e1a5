"""Memory that a run does not need any more: DuckDB's allocator, a parser of SQL, the cache of a copy's rules."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import duckdb
import pytest
from nights import program

from pipelines.freed_memory import DUCKDB_ALLOCATOR, return_soon
from resources.store import publishing
from resources.store.store import Store


def test_duckdbs_allocator_keeps_little_unless_the_environment_says_otherwise() -> None:
    environment = {"PATH": "/bin"}
    return_soon(environment)
    assert environment == {"PATH": "/bin", DUCKDB_ALLOCATOR: "dirty_decay_ms:100,muzzy_decay_ms:0"}
    own = {DUCKDB_ALLOCATOR: "dirty_decay_ms:5000"}
    return_soon(own)
    assert own == {DUCKDB_ALLOCATOR: "dirty_decay_ms:5000"}


def test_a_command_says_so_before_duckdb_is_loaded_and_parses_no_query() -> None:
    started = program("left_by_loading")
    started["env"] = {name: value for name, value in os.environ.items() if name != DUCKDB_ALLOCATOR} | {
        "PYTHONPATH": started["env"]["PYTHONPATH"]
    }
    done = subprocess.run(**started, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "dirty_decay_ms:100,muzzy_decay_ms:0", "False"]


@pytest.mark.parametrize(("most", "opened"), [(0, 4), (1 << 40, 1)])
def test_the_rules_of_a_copy_get_a_new_connection_once_its_cache_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, opened: int
) -> None:
    monkeypatch.setattr(publishing, "MOST_KEPT", most)
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    seen: list[int] = []
    asked: list[str] = []

    def rule(connection: duckdb.DuckDBPyConnection) -> None:
        seen.append(id(connection))
        kept.append(connection)
        asked.extend(run_id for (run_id,) in connection.execute("select run_id from audit.run").fetchall())

    kept: list[duckdb.DuckDBPyConnection] = []
    with store.holding("run-1", "a test"):
        with store.transaction() as connection:
            connection.execute("insert into audit.run by name select 'run-1' as run_id, now() as started_at")
        store.publish("run-1", rule, None, [rule, rule, rule])
    assert (len(seen), len(set(seen)), asked) == (4, opened, ["run-1"] * 4)


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
