"""Two coordinators and one PostgreSQL: one at a time has a run, and who has lost the lock publishes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from given import blank_file
from nights import program
from scaleout_services import PostgreSQL, awaited, postgresql

from pipelines.publishing import assets
from resources import coordinator_lock
from resources.audit.organization import stamp
from resources.coordinator_lock import CoordinatorLock
from resources.store.errors import LockHeld, WarehouseError
from resources.store.files import make_folder
from resources.store.paths import PUBLISHED_NAME
from resources.store.store import Store
from resources.warehouse import Warehouse

pytestmark = pytest.mark.scaleout

SUBJECT = "s3://acme-cmdb/night"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


def warehouse(folder: Path, run_id: str) -> Warehouse:
    """A machine's own warehouse, bound to a run."""
    store = Store(folder / PUBLISHED_NAME, patience=0.3)
    make_folder(store.folder)
    if not store.working.exists():
        store.working.write_bytes(blank_file())
    bound = Warehouse(database=str(store.database))
    bound.setup_for_execution(cast(Any, SimpleNamespace(run_id=run_id)))
    return bound


def end(bound: Warehouse) -> None:
    bound.teardown_after_execution(cast(Any, None))


def published(bound: Warehouse) -> str:
    with bound.store.transaction() as connection:
        connection.execute("create table if not exists ref.setting as select 'NZD' as reporting_currency")
    return str(assets.publish(bound.store, bound.run_id, [], require_alone=bound.require_alone).run_id)


def test_a_second_coordinator_is_told_who_runs_and_goes_on_once_that_one_is_killed(
    server: PostgreSQL, tmp_path: Path
) -> None:
    started = program("coordinator", tmp_path / "here" / PUBLISHED_NAME, server.url(), SUBJECT)
    first = subprocess.Popen(**started, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        second = warehouse(tmp_path / "there", "run-B")
        with pytest.raises(LockHeld) as refused:
            second.begin("a test", CoordinatorLock(server.url(), SUBJECT))
        assert str(refused.value).startswith("Run run-A on ")
        assert "is another coordinator's, since 20" in str(refused.value)
        # What was taken before is free again, so the machine itself is not in the way.
        assert second.store.holder() is None
        # Another organisation's coordinators are not.
        other = CoordinatorLock(server.url(), "s3://other")
        other.take("run-C")
        other.release()
        os.kill(first.pid, signal.SIGKILL)
        # PostgreSQL notices that its client is gone; the limit is for what hangs.
        assert awaited(lambda: _taken(second, server), 120)
        assert published(second) == "run-B"
        end(second)
    finally:
        first.kill()
        first.wait()


def _taken(bound: Warehouse, server: PostgreSQL) -> bool:
    try:
        stamp(bound.begin("a test", CoordinatorLock(server.url(), SUBJECT)), "o-1", "1")
    except LockHeld:
        return False
    return True


def test_the_lock_is_free_when_the_run_has_ended(server: PostgreSQL, tmp_path: Path) -> None:
    for run_id in ("run-1", "run-2"):
        bound = warehouse(tmp_path / run_id, run_id)
        assert _taken(bound, server)
        assert published(bound) == run_id
        end(bound)
    assert server.run("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


@pytest.mark.parametrize("how", ["session ended", "server killed", "server silent"])
def test_a_run_that_has_lost_the_lock_publishes_nothing(
    server: PostgreSQL, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = warehouse(tmp_path / "here", "run-1")
    assert _taken(bound, server)
    assert published(bound) == "run-1"
    end(bound)
    bound = warehouse(tmp_path / "here", "run-2")
    assert _taken(bound, server)
    before = bound.store.database.readlink()
    monkeypatch.setattr(coordinator_lock, "ANSWER_SECONDS", 2.0)
    if how == "session ended":
        server.run("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
        # Somebody else has it by now: to connect anew and take it again would not do.
        CoordinatorLock(server.url(), SUBJECT).take("run-3")
    elif how == "server killed":
        server.kill()
        server.start()
    else:
        for pid in server.run("select pid from pg_locks where locktype = 'advisory'"):
            os.kill(pid[0], signal.SIGSTOP)
    try:
        with pytest.raises(WarehouseError, match="The lock in CMDB_LOCK_URL was lost during the run"):
            published(bound)
        assert bound.store.database.readlink() == before
        end(bound)
        with bound.store.published() as connection:
            assert connection.execute("select run_id from audit.run").fetchall() == [("run-1",)]
    finally:
        server.kill()
        server.start()


def test_a_server_that_is_not_there_starts_nothing_and_no_password_is_said(tmp_path: Path) -> None:
    bound = warehouse(tmp_path / "here", "run-1")
    with pytest.raises(WarehouseError) as refused:
        bound.begin("a test", CoordinatorLock("postgresql://cmdb:hunter2@127.0.0.1:9/cmdb", SUBJECT))
    sentence = str(refused.value)
    assert sentence.startswith("CMDB_LOCK_URL cannot be used, so nobody can tell whether another coordinator runs: ")
    assert "Nothing was started." in sentence
    assert "hunter2" not in sentence
    assert refused.value.exit_code == 2
    assert bound.store.holder() is None
