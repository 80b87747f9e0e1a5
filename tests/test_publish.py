"""Publishing: whole or not at all, wherever it is broken off, and what people get to read."""

import errno
import gc
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from given import blank_file
from nights import program

from pipelines.collection.landing import LandingWriter, records_path
from resources.aws.messages import CellKey
from resources.store.errors import LockHeld, WarehouseError
from resources.store.files import make_folder
from resources.store.migrations import MIGRATIONS
from resources.store.paths import FORMER_NAME, PUBLISHED_NAME
from resources.store.process import FAULT_POINTS, PROCESS, hook_at
from resources.store.store import Store
from resources.store.versions import Links, Version

NEWEST = len(list(MIGRATIONS.glob("*.sql")))
ROWS = 2000
RUNS = [f"run-{number}" for number in range(1, 7)]


def warehouse(tmp_path: Path) -> Iterator[Store]:
    """A warehouse with the default name, of which nothing is there yet."""
    made = Store(tmp_path / "house" / PUBLISHED_NAME, patience=0.3)
    yield made
    for run_id in RUNS:
        made.release(run_id)


new = pytest.fixture(warehouse)


@pytest.fixture
def store(new: Store) -> Store:
    """A warehouse with an empty working file: to have it made takes longer than most tests."""
    make_folder(new.folder)
    new.working.write_bytes(blank_file())
    return new


def fill(store: Store, run_id: str) -> None:
    """Replace the night's rows, all of which name their run."""
    with store.transaction() as connection:
        connection.execute("create table if not exists stage.night (run_id varchar, number bigint, filler varchar)")
        connection.execute("delete from stage.night")
        connection.execute("insert into stage.night select ?, range, md5(range::varchar) from range(?)", [run_id, ROWS])


def whole(connection: duckdb.DuckDBPyConnection) -> str:
    """The run that all rows are of."""
    found = connection.execute("select run_id, count(*) from stage.night group by run_id").fetchall()
    assert len(found) == 1
    assert found[0][1] == ROWS
    return str(found[0][0])


def verify(connection: duckdb.DuckDBPyConnection) -> None:
    whole(connection)


def night(store: Store, run_id: str) -> Version:
    with store.holding(run_id, "nightly"):
        fill(store, run_id)
        return store.publish(run_id, verify)


def begin_second(store: Store) -> None:
    """Publish run-1; run-2 holds the warehouse and has filled it, and has not published."""
    night(store, "run-1")
    store.hold("run-2", "nightly")
    fill(store, "run-2")


def served(store: Store) -> str:
    with store.published() as connection:
        return whole(connection)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def strangers(store: Store) -> list[str]:
    """Files that belong to no published version, no working file, no lock."""
    known = {PUBLISHED_NAME, FORMER_NAME, "cmdb.work.duckdb", ".lock", "versions", "landing"}
    here = [path.name for path in store.folder.iterdir() if path.name not in known]
    there = [path.name for path in store.versions_folder.iterdir() if not path.name.startswith("cmdb-run-")]
    return here + there


# ---------------------------------------------------------------------------------------------- the good way


def test_a_version_is_a_file_of_its_own_behind_a_relative_symlink(store: Store) -> None:
    version = night(store, "run-1")
    assert store.database.is_symlink()
    assert store.database.readlink() == Path("versions/cmdb-run-1.duckdb")
    assert (version.name, version.run_id, version.is_current) == ("cmdb-run-1.duckdb", "run-1", True)
    assert version.path.stat().st_mode & 0o777 == 0o440
    assert version.sha256 == digest(version.path)
    assert abs(version.published_at.timestamp() - time.time()) < 60
    assert served(store) == "run-1"
    assert strangers(store) == []
    moved = store.folder.rename(store.folder.with_name("moved"))
    assert served(Store(moved / PUBLISHED_NAME)) == "run-1"


def test_the_fault_points_are_the_steps_that_are_taken(new: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(PROCESS, "fault_hook", passed.append)
    night(new, "run-1")
    assert tuple(dict.fromkeys(passed)) == FAULT_POINTS


def test_a_published_file_can_be_opened_with_duckdb_alone(store: Store) -> None:
    night(store, "run-1")
    connection = duckdb.connect(str(store.database.resolve()), read_only=True)
    try:
        assert connection.execute("select count(*) from audit.coverage").fetchall() == [(0,)]
        assert connection.execute("select count(*) from cmdb.resource").fetchall() == [(0,)]
        assert (
            connection.execute("select comment from duckdb_tables() where schema_name = 'audit' and table_name = 'run'")
            .fetchall()[0][0]
            .startswith("One row per run")
        )
    finally:
        connection.close()


def test_a_session_stays_on_its_version_while_the_next_is_published(store: Store) -> None:
    night(store, "run-1")
    with store.published() as before:
        night(store, "run-2")
        assert whole(before) == "run-1"
        with store.published() as after:
            assert whole(after) == "run-2"
        assert whole(before) == "run-1"


def test_three_versions_are_kept(store: Store) -> None:
    for run_id in RUNS[:5]:
        night(store, run_id)
    assert [version.run_id for version in store.versions()] == ["run-5", "run-4", "run-3"]
    assert [version.is_current for version in store.versions()] == [True, False, False]


def test_the_same_run_publishes_again(store: Store) -> None:
    first = night(store, "run-1")
    second = night(store, "run-1")
    assert first.path == second.path
    assert [version.run_id for version in store.versions()] == ["run-1"]
    assert served(store) == "run-1"


def test_versions_are_reported_by_when_they_were_published_and_then_by_name(store: Store) -> None:
    for run_id in ("run-3", "run-1", "run-2"):
        night(store, run_id)
    assert [version.run_id for version in store.versions()] == ["run-2", "run-1", "run-3"]
    for version in store.versions():
        os.utime(version.path, (1, 1))
    assert [version.run_id for version in store.versions()] == ["run-3", "run-2", "run-1"]


def test_versions_that_a_backup_restored_without_their_times_have_those_of_the_history(store: Store) -> None:
    for run_id in ("run-3", "run-1", "run-2"):
        version = night(store, run_id)
        at = 1_700_000_000 + len(store.versions())
        os.utime(version.path, (at, at))
        with store.holding(run_id, "nightly"):
            store.history.catch_up(400)
    before = store.versions()
    for version in before:
        os.utime(version.path)
    assert store.versions() == before
    assert store.rollback().run_id == "run-1"
    # A history that cannot be read leaves the times of the files.
    (store.history.paths.history_folder / "manifest.json").write_text("{", encoding="utf-8")
    assert all(version.published_at > before[0].published_at for version in store.versions())


def test_what_only_the_log_of_the_working_file_holds_is_published_too(store: Store) -> None:
    night(store, "run-1")
    with store.holding("run-2", "nightly"):
        # As a process leaves it that was killed.
        connection = duckdb.connect(str(store.working))
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("set wal_autocheckpoint = '1TB'")
        connection.execute("update stage.night set run_id = 'run-2'")
        connection.close()
        assert Path(f"{store.working}.wal").exists()
        store.publish("run-2", verify)
    assert served(store) == "run-2"


def test_a_working_file_of_an_older_schema_is_brought_up_to_date(store: Store, tmp_path: Path) -> None:
    night(store, "run-1")
    migrations = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    (migrations / f"{NEWEST + 1:04}_added.sql").write_text("create table ref.colour (name varchar);")
    newer = Store(store.database, migrations)
    with newer.holding("run-2", "nightly"):
        newer.publish("run-2", verify)
    newer.require_current_schema()


def standing(path: Path, what: str, elsewhere: Path) -> None:
    """Something that stands where a file is to be made."""
    if what == "a file":
        path.write_text("half", encoding="utf-8")
    elif what == "a folder":
        (path / "in it").mkdir(parents=True)
    else:
        path.symlink_to(elsewhere)


@pytest.mark.parametrize("what", ["a file", "a folder", "a link to a folder"])
@pytest.mark.parametrize("name", ["versions/.cmdb-run-1.part", "versions/.cmdb-run-1.part.wal"])
def test_what_a_broken_off_run_left_where_the_copy_is_made_is_removed(
    store: Store, tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").touch()
    with store.holding("run-1", "nightly"):
        fill(store, "run-1")
        standing(store.folder / name, what, tmp_path / "elsewhere")
        store.publish("run-1", verify)
    assert served(store) == "run-1"
    assert strangers(store) == []
    assert (tmp_path / "elsewhere" / "mine").exists()


def test_a_link_that_was_not_swapped_in_is_made_anew(store: Store) -> None:
    with store.holding("run-1", "nightly"):
        fill(store, "run-1")
        (store.folder / f".cmdb.link-{os.getpid()}").symlink_to("versions/nothing")
        store.publish("run-1", verify)
    assert served(store) == "run-1"


def test_each_step_is_on_the_disk_before_the_next_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut cannot be had here, so this is about the order in which the system is told to write."""
    synced: list[str | int] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    with store.holding("run-1", "nightly"):
        fill(store, "run-1")
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(PROCESS, "fault_hook", synced.append)
        version = store.publish("run-1", verify)
        monkeypatch.undo()
    names = {path.stat().st_ino: name for path, name in (
        (version.path, "the version"), (store.versions_folder, "its folder"), (store.folder, "the link's folder")
    )}  # fmt: skip
    told = [names.get(one, "") if isinstance(one, int) else one for one in synced]
    steps = [one for one, before in zip(told, ["", *told], strict=False) if one != before]
    assert steps[steps.index("publish.copying") :] == [
        "publish.copying",
        "the version",
        "publish.copied",
        "publish.sealed",
        "publish.verified",
        "the version",
        "its folder",
        "publish.versioned",
        "publish.linked",
        "publish.swapped",
        "the link's folder",
        "publish.followed",
        "its folder",
        "publish.pruned",
    ]


def test_the_copy_and_its_mark_are_closed_to_others_whatever_the_umask(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: dict[str, int] = {}

    def look(point: str) -> None:
        for path in store.versions_folder.glob(".*"):
            modes.setdefault(path.name, path.stat().st_mode & 0o777)

    monkeypatch.setattr(PROCESS, "fault_hook", look)
    before = os.umask(0)
    try:
        night(store, "run-1")
    finally:
        os.umask(before)
    assert modes == {".cmdb-run-1.part": 0o600, ".cmdb-run-1.duckdb.pending": 0o640}


def test_a_missing_versions_folder_is_made(store: Store) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")
    store.versions_folder.rmdir()
    store.publish("run-1", verify)
    assert served(store) == "run-1"
    assert store.versions_folder.stat().st_mode & 0o777 == 0o750


# ------------------------------------------------------------------------------------------------- refusals


def test_publishing_needs_the_lock_of_that_run(store: Store) -> None:
    with pytest.raises(WarehouseError, match="not held by run-1"):
        store.publish("run-1", verify)
    store.hold("run-1", "nightly")
    with pytest.raises(WarehouseError, match="not held by run-2"):
        store.publish("run-2", verify)


def test_what_verification_finds_is_raised_and_nothing_is_published(store: Store) -> None:
    night(store, "run-1")
    before = digest(store.database)

    def refuse(connection: duckdb.DuckDBPyConnection) -> None:
        assert whole(connection) == "run-2", "it looks at the copy"
        raise LookupError("the rule")

    store.hold("run-2", "nightly")
    fill(store, "run-2")
    with pytest.raises(LookupError, match="the rule"):
        store.publish("run-2", refuse)
    assert digest(store.database) == before
    assert served(store) == "run-1"
    assert strangers(store) == []
    store.publish("run-2", verify)
    assert served(store) == "run-2"


def test_the_copy_that_was_refused_is_not_the_one_that_is_verified_next(store: Store) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")

    def refuse(connection: duckdb.DuckDBPyConnection) -> None:
        raise LookupError("the rule")

    # Whoever keeps the error keeps what it refers to.
    with pytest.raises(LookupError) as kept:
        store.publish("run-1", refuse)
    store.publish("run-1", verify_sealed, seal)
    assert kept.value.args == ("the rule",)
    with store.published() as connection:
        verify_sealed(connection)


def test_verification_cannot_change_the_copy(store: Store) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("delete from stage.night")

    with pytest.raises(duckdb.Error, match="read-only"):
        store.publish("run-1", change)
    assert not store.database.is_symlink()


def test_the_rules_are_requested_of_the_copy_in_their_order_and_before_it_is_verified(store: Store) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")
    requested: list[tuple[str, str]] = []

    def of(name: str) -> Callable[[duckdb.DuckDBPyConnection], None]:
        query = "select distinct run_id from stage.night"
        return lambda connection: requested.extend((name, run) for (run,) in connection.execute(query).fetchall())

    store.publish("run-1", of("verify"), rules=[of("first"), of("second")])
    assert requested == [("first", "run-1"), ("second", "run-1"), ("verify", "run-1")]


def test_what_is_true_only_of_the_published_copy_is_written_into_it_alone(store: Store) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")
    version = store.publish("run-1", verify_sealed, seal)
    assert version.path.stat().st_mode & 0o777 == 0o440
    with store.published() as connection:
        verify_sealed(connection)
    with store.read() as connection:
        assert connection.execute("select count(*) from audit.run").fetchall() == [(0,)]
    assert strangers(store) == []


def seal(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("insert into audit.run (run_id) values ('sealed')")


def verify_sealed(connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.execute("select run_id from audit.run").fetchall() == [("sealed",)]


@pytest.mark.parametrize("point", ["publish.versioned", "publish.linked", "publish.swapped"])
def test_a_version_that_the_link_never_pointed_to_is_none(
    store: Store, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    night(store, "run-1")

    def full() -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(PROCESS, "fault_hook", hook_at(point, full))
    with pytest.raises(WarehouseError, match="is full"):
        night(store, "run-2")
    monkeypatch.undo()
    swapped = ["run-2"] if point == "publish.swapped" else []
    assert [version.run_id for version in store.versions()] == [*swapped, "run-1"]
    assert sorted(path.name for path in store.versions_folder.iterdir()) == [
        f"cmdb-{run}.duckdb" for run in ("run-1", *swapped)
    ]


def test_an_open_connection_of_this_process_stops_it(store: Store) -> None:
    night(store, "run-1")
    store.hold("run-2", "nightly")
    for connect in (store.write, store.read):
        with connect(), pytest.raises(WarehouseError, match=r"has a connection to cmdb\.work\.duckdb open"):
            store.publish("run-2", verify)
    assert served(store) == "run-1"


def test_an_open_connection_of_another_thread_stops_it(store: Store) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")
    opened, done = threading.Event(), threading.Event()

    def keep_open() -> None:
        with store.read():
            opened.set()
            done.wait(30)

    thread = threading.Thread(target=keep_open)
    thread.start()
    # It is not waited for: the thread ends before so much patience does.
    patient = replace(store, patience=60.0)
    try:
        assert opened.wait(30)
        with pytest.raises(WarehouseError, match="has a connection"):
            patient.publish("run-1", verify)
    finally:
        done.set()
        thread.join()
    store.publish("run-1", verify)


def test_verification_cannot_open_the_working_file_meanwhile(store: Store) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")

    def verify_and_write(connection: duckdb.DuckDBPyConnection) -> None:
        with store.write():
            pass

    with pytest.raises(WarehouseError, match="has a connection"):
        store.publish("run-1", verify_and_write)


def test_a_file_in_the_place_of_the_symlink_is_not_overwritten(store: Store) -> None:
    night(store, "run-1")
    copy = store.database.read_bytes()
    store.database.unlink()
    store.database.write_bytes(copy)
    with pytest.raises(WarehouseError, match="not the symlink to a published version") as refused:
        store.hold("run-2", "nightly")
    assert refused.value.exit_code == 2
    with pytest.raises(WarehouseError, match="not the symlink to a published version"):
        store.rollback()
    assert store.database.read_bytes() == copy
    assert not store.database.is_symlink()
    assert served(store) == "run-1", "it can still be read"


def test_a_file_put_there_during_the_run_is_not_overwritten(store: Store) -> None:
    begin_second(store)

    def put(connection: duckdb.DuckDBPyConnection) -> None:
        store.database.unlink()
        store.database.write_text("mine", encoding="utf-8")

    with pytest.raises(WarehouseError, match="not the symlink to a published version"):
        store.publish("run-2", put)
    assert store.database.read_text(encoding="utf-8") == "mine"


def test_a_file_put_there_before_it_publishes_is_seen_before_anything_is_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.hold("run-1", "nightly")
    fill(store, "run-1")
    store.database.write_text("mine", encoding="utf-8")
    passed: list[str] = []
    monkeypatch.setattr(PROCESS, "fault_hook", passed.append)
    with pytest.raises(WarehouseError, match="not the symlink to a published version"):
        store.publish("run-1", verify)
    assert passed == []


def test_a_working_file_that_gets_shorter_while_it_is_copied_stops_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_second(store)

    def shorten() -> None:
        os.truncate(store.working, 4096)

    monkeypatch.setattr(PROCESS, "fault_hook", hook_at("publish.copying", shorten))
    with pytest.raises(WarehouseError, match="changed while it was copied"):
        store.publish("run-2", verify)
    assert served(store) == "run-1"


@pytest.mark.parametrize("at", ["publish.detached", "publish.sealed"])
def test_a_log_that_stays_behind_stops_it(store: Store, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    begin_second(store)
    file = store.working if at == "publish.detached" else store.versions_folder / ".cmdb-run-2.part"
    log = Path(f"{file}.wal")
    monkeypatch.setattr(PROCESS, "fault_hook", hook_at(at, log.touch))
    with pytest.raises(WarehouseError, match="still there after the checkpoint"):
        store.publish("run-2", verify, seal)
    assert served(store) == "run-1"
    assert [path.name for path in store.versions_folder.iterdir()] == ["cmdb-run-1.duckdb"]


# ------------------------------------------------------------------------------------------------- rollback


def test_rollback_goes_to_the_version_before_and_the_next_run_goes_on(store: Store) -> None:
    for run_id in RUNS[:3]:
        night(store, run_id)
    assert store.rollback().run_id == "run-2"
    assert served(store) == "run-2"
    assert store.rollback().run_id == "run-1"
    assert served(store) == "run-1"
    with pytest.raises(WarehouseError, match=r"no version before the current one .* cmdb-run-3\.duckdb"):
        store.rollback()
    assert served(store) == "run-1"
    assert [version.run_id for version in store.versions()] == ["run-3", "run-2", "run-1"]
    night(store, "run-4")
    assert served(store) == "run-4"


def test_rollback_to_a_named_version(store: Store) -> None:
    for run_id in RUNS[:3]:
        night(store, run_id)
    assert store.rollback("run-1").is_current
    assert served(store) == "run-1"
    assert store.rollback("cmdb-run-3.duckdb").is_current
    assert served(store) == "run-3"
    for name in ("run-9", "../cmdb.work.duckdb", ""):
        with pytest.raises(WarehouseError, match=r"has no version .*Versions on disk: cmdb-run-3") as refused:
            store.rollback(name)
        assert refused.value.exit_code == 2
    assert served(store) == "run-3"


def test_a_version_rolled_back_to_is_not_pruned(store: Store) -> None:
    for run_id in RUNS[:3]:
        night(store, run_id)
    store.rollback("run-1")
    with store.holding("run-4", "nightly"):
        store.prune(keep=1)
    assert [version.run_id for version in store.versions()] == ["run-1"]
    assert served(store) == "run-1"


def test_where_no_version_is_the_sentence_says_so(store: Store) -> None:
    for version in (None, "run-1"):
        with pytest.raises(WarehouseError, match=r"Versions on disk: none\."):
            store.rollback(version)


def test_others_are_reported_that_somebody_rolls_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    night(store, "run-1")
    told: list[str] = []
    monkeypatch.setattr(Links, "point_at", lambda *_: told.append(json.loads(store.lock_file.read_text())["what"]))
    store.rollback("run-1")
    assert told == ["rollback"]


@pytest.mark.parametrize("keep", [0, 1])
def test_the_current_version_is_kept_however_few_are_to_be(store: Store, keep: int) -> None:
    for run_id in RUNS[:3]:
        night(store, run_id)
    with store.holding("run-4", "nightly"):
        store.prune(keep=keep)
    assert [version.run_id for version in store.versions()] == ["run-3"]


def test_old_versions_are_removed_under_the_lock_alone(store: Store) -> None:
    for run_id in RUNS[:3]:
        night(store, run_id)
    with pytest.raises(WarehouseError, match="not held"):
        store.prune(keep=1)
    assert len(store.versions()) == 3


def test_a_version_that_somebody_removed_meanwhile_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for run_id in RUNS[:3]:
        night(store, run_id)
    before = store.versions()
    before[1].path.unlink()
    monkeypatch.setattr(Store, "versions", lambda _: before)
    with store.holding("run-4", "nightly"):
        store.prune(keep=1)
    monkeypatch.undo()
    assert [version.run_id for version in store.versions()] == ["run-3"]


def test_rollback_waits_for_nobody(store: Store) -> None:
    for run_id in RUNS[:2]:
        night(store, run_id)
    store.hold("run-3", "nightly")
    with pytest.raises(LockHeld, match="nightly"):
        store.rollback()
    assert served(store) == "run-2"


# ------------------------------------------------------------------------------------------------ broken off


def killed_at(store: Store, point: str) -> None:
    """A night in a process of its own that is killed at a point, without any chance to tidy up."""
    started = program("killed_publish", store.database, store.migrations, point)
    child = subprocess.run(**started, capture_output=True, check=False)
    assert child.returncode == -9, f"{point} was not reached: {child.stderr}"


SWAPPED = FAULT_POINTS.index("publish.swapped")


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_a_first_run_killed_at_any_point_publishes_all_or_nothing(new: Store, point: str) -> None:
    killed_at(new, point)
    if FAULT_POINTS.index(point) >= SWAPPED:
        assert served(new) == "run-2"
    else:
        with pytest.raises(WarehouseError, match="Nothing is published"):
            served(new)
    night(new, "run-3")
    assert served(new) == "run-3"
    assert strangers(new) == []


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_a_run_killed_at_any_point_leaves_the_old_version_or_the_new_one(
    store: Store, tmp_path: Path, point: str
) -> None:
    migrations = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    night(store, "run-1")
    before = digest(store.database)
    (migrations / f"{NEWEST + 1:04}_added.sql").write_text("alter table audit.run add column weather varchar;")
    if point == "working.created":
        store.working.unlink()
    newer = Store(store.database, migrations, store.patience)
    killed_at(newer, point)
    swapped = ["run-2"] if FAULT_POINTS.index(point) >= SWAPPED else []
    assert [version.run_id for version in store.versions()] == [*swapped, "run-1"]
    assert digest(store.versions_folder / "cmdb-run-1.duckdb") == before
    if FAULT_POINTS.index(point) >= SWAPPED:
        assert served(store) == "run-2"
        assert store.published_schema() == NEWEST + 1
    else:
        assert digest(store.database) == before
        assert served(store) == "run-1"
    night(newer, "run-3")
    assert served(store) == "run-3"
    assert strangers(store) == []
    assert digest(store.versions_folder / "cmdb-run-1.duckdb") == before


def test_readers_never_see_an_error_or_a_mixture(store: Store, tmp_path: Path) -> None:
    night(store, "run-0")
    stop = tmp_path / "stop"
    started = program("reader", store.database, stop, ROWS)
    readers = [subprocess.Popen(**started, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        for number in range(1, 11):
            night(store, f"run-{number}")
        stop.touch()
        said = [reader.communicate() for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
    assert [errors for _, errors in said if errors] == []
    counts = [tuple(int(word) for word in output.split()) for output, _ in said]
    assert all(reads >= 5 and seen >= 2 for reads, seen in counts), counts


# ---------------------------------------------------------------------------------------- what can go wrong


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=0750", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("not allowed to mount a tmpfs, so there is no small disk to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill_disk(folder: Path, leave: int) -> Path:
    filler = folder / "filler"
    free = os.statvfs(folder)
    filler.write_bytes(b"x" * (free.f_bavail * free.f_frsize - leave))
    return filler


@pytest.mark.parametrize("leave", [0, 64 * 1024, 512 * 1024])
def test_a_full_disk_at_publish_leaves_the_published_version(small_disk: Path, leave: int) -> None:
    store = Store(small_disk / "cmdb.duckdb")
    night(store, "run-1")
    before = digest(store.database)
    with store.holding("run-2", "nightly"):
        fill(store, "run-2")
        filler = fill_disk(small_disk, leave)
        with pytest.raises(WarehouseError, match=r"disk of .* is full. What is published stays") as refused:
            store.publish("run-2", verify)
        assert refused.value.exit_code == 1
        assert digest(store.database) == before
        assert strangers(store) == ["filler"]
        filler.unlink()
        store.publish("run-2", verify)
    assert served(store) == "run-2"


def test_a_full_disk_while_writing_says_so_and_loses_nothing(small_disk: Path) -> None:
    store = Store(small_disk / "cmdb.duckdb")
    night(store, "run-1")
    with store.holding("run-2", "nightly"):
        filler = fill_disk(small_disk, 100 * 1024)
        with pytest.raises(WarehouseError, match=r"disk of .* is full"), store.transaction() as connection:
            connection.execute("delete from stage.night")
            connection.execute("insert into stage.night select 'run-2', range, md5(range::varchar) from range(1000000)")
        assert served(store) == "run-1"
        filler.unlink()
        with store.read() as connection:
            assert whole(connection) == "run-1"
        fill(store, "run-2")
        store.publish("run-2", verify)
    assert served(store) == "run-2"


def test_a_disk_that_is_full_from_the_start_says_so(small_disk: Path) -> None:
    fill_disk(small_disk, 0)
    store = Store(small_disk / "cmdb.duckdb")
    with pytest.raises(WarehouseError, match=r"disk of .* is full"):
        night(store, "run-1")


@pytest.mark.parametrize("large", [False, True], ids=["cell", "large cell"])
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_while_landing_says_so(small_disk: Path, large: bool) -> None:
    key = CellKey("workload", "000000000042", "eu-north-1", "ec2_instance")
    record = {"Id": "i-1", "Filler": "x" * 1000}
    writer = LandingWriter(small_disk / "landing", "run-1", "ec2_instance")
    filler = fill_disk(small_disk, 300 * 1024 if large else 0)
    with pytest.raises(WarehouseError, match=r"disk of .* is full\. What is published stays as it was"):
        if large:
            with writer.spool(key) as spool:
                for _ in range(1000):
                    spool.keep(record)
                spool.land()
        else:
            # Few enough bytes for a buffer to take them and be silent.
            writer.append(key, [record])
    # What did not fit is not tried again when the file is let go of.
    del writer
    gc.collect()
    filler.unlink()
    with LandingWriter(small_disk / "landing", "run-2", "ec2_instance") as writer, writer.spool(key) as spool:
        for _ in range(1000):
            spool.keep(record)
        spool.land()
        writer.append(key, [record])
        writer.commit([])
    with records_path(small_disk / "landing", "run-2", "ec2_instance").open() as landed:
        assert sum(json.loads(line)["item"] == record for line in landed) == 1001


def analyst_of(store: Store) -> subprocess.Popen[str]:
    """A process that has the working file open."""
    analyst = subprocess.Popen(**program("opens_file", store.working), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert analyst.stdout is not None
    assert analyst.stdout.readline() == "ready\n"
    return analyst


def test_a_working_file_open_elsewhere_stops_it(store: Store) -> None:
    begin_second(store)
    analyst = analyst_of(store)
    try:
        with pytest.raises(WarehouseError, match=f"Process {analyst.pid} has"):
            store.publish("run-2", verify)
    finally:
        analyst.kill()
        analyst.communicate()
    assert served(store) == "run-1"
    store.publish("run-2", verify)
    assert served(store) == "run-2"


def test_a_working_file_opened_between_checkpoint_and_copy_stops_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_second(store)
    analysts: list[subprocess.Popen[str]] = []
    hook = hook_at("publish.detached", lambda: analysts.append(analyst_of(store)))
    monkeypatch.setattr(PROCESS, "fault_hook", hook)
    try:
        with pytest.raises(WarehouseError, match="Another process opened"):
            store.publish("run-2", verify)
    finally:
        for analyst in analysts:
            analyst.kill()
            analyst.communicate()
    assert served(store) == "run-1"
    assert strangers(store) == []


def test_nobody_can_write_the_working_file_while_it_is_copied(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def try_to_write() -> None:
        if not said:
            started = program("opens_file", store.working)
            said.append(subprocess.run(**started, input="", capture_output=True, check=False).stderr)

    store.hold("run-1", "nightly")
    fill(store, "run-1")
    monkeypatch.setattr(PROCESS, "fault_hook", hook_at("publish.copying", try_to_write))
    store.publish("run-1", verify)
    assert said
    assert all("Could not set lock on file" in text for text in said)


# ----------------------------------------------------------------------------------------------- for people


def test_nothing_is_published_yet(new: Store) -> None:
    with pytest.raises(WarehouseError, match=r"Nothing is published at .* yet\. Run `cmdb nightly` first"):
        served(new)
    with pytest.raises(WarehouseError, match="Nothing is published"):
        new.require_current_schema()
    with pytest.raises(WarehouseError, match="no version before the current one"):
        new.rollback()
    assert new.versions() == []


def test_a_version_that_is_gone(store: Store) -> None:
    night(store, "run-1").path.unlink()
    with pytest.raises(WarehouseError, match=r"points to cmdb-run-1\.duckdb, which is missing"):
        served(store)


def test_a_damaged_version(store: Store) -> None:
    path = night(store, "run-1").path
    path.chmod(0o640)
    whole = path.read_bytes()
    for left in (b"not a database", whole[:5_000], whole[:12_288], whole[: len(whole) // 2]):
        path.write_bytes(left)
        with pytest.raises(WarehouseError, match=r"damaged or not a DuckDB file.*`cmdb rollback VERSION`"):
            served(store)


def test_an_older_version_can_be_read_and_a_command_that_needs_more_says_so(store: Store, tmp_path: Path) -> None:
    night(store, "run-1")
    store.require_current_schema()
    migrations = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    (migrations / f"{NEWEST + 1:04}_added.sql").write_text("create table ref.colour (name varchar);")
    newer = Store(store.database, migrations)
    assert served(newer) == "run-1"
    assert newer.published_schema() == NEWEST
    with pytest.raises(WarehouseError, match=f"has schema {NEWEST}, .* needs {NEWEST + 1}.*Run `cmdb nightly`"):
        newer.require_current_schema()
    night(newer, "run-2")
    newer.require_current_schema()
    with pytest.raises(WarehouseError, match=f"has schema {NEWEST + 1}, .* knows {NEWEST}") as refused:
        store.require_current_schema()
    assert refused.value.exit_code == 2
    assert served(store) == "run-2"


def test_the_hash_is_not_read_under_an_open_connection(store: Store) -> None:
    version = night(store, "run-1")
    with store.published(), pytest.raises(WarehouseError, match="open in DuckDB in this process"):
        _ = version.sha256
    assert version.sha256 == digest(version.path)


def test_many_sessions_of_one_process(store: Store) -> None:
    night(store, "run-1")
    with store.published() as first, store.published() as second:
        assert whole(first) == whole(second) == "run-1"
        for connection in (first, second):
            assert connection.execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]
        first.close()
        assert whole(second) == "run-1"


def test_a_session_works_in_utc_and_knows_time_zones(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    night(store, "run-1")
    with store.published() as connection:
        rows = connection.execute(
            """
            select
                timestamptz '2026-11-25 00:00:00+00' at time zone 'Pacific/Auckland' = '2026-11-25 13:00:00',
                (timestamptz '2026-11-25 00:00:00+00')::varchar
            """
        ).fetchall()
    assert rows == [(True, "2026-11-25 00:00:00+00")]


FORBIDDEN = {
    "read a file": "select * from read_text('{secret}')",
    "read a CSV": "select * from read_csv('{secret}')",
    "read JSON": "select * from read_json('{secret}')",
    "read a blob": "select * from read_blob('{secret}')",
    "read a file by its name": "select * from '{secret}'",
    "sniff": "select * from sniff_csv('{secret}')",
    "list files": "select * from glob('{folder}/*')",
    "attach": "attach '{other}' as other",
    "attach the working file": "attach '{working}' as other",
    "attach itself for writing": "attach '{itself}' as other (read_write)",
    "attach in memory": "attach ':memory:' as other",
    "install": "install httpfs",
    "load": "load httpfs",
    "copy to CSV": "copy stage.night to '{folder}/out.csv'",
    "copy to Parquet": "copy stage.night to '{folder}/out.parquet' (format parquet)",
    "copy over itself": "copy stage.night to '{itself}'",
    "copy beside itself": "copy (select 1) to '{itself}.wal'",
    "copy in": "copy stage.night from '{secret}'",
    "export": "export database '{folder}/out'",
    "insert": "insert into audit.run (run_id) values ('x')",
    "delete": "delete from stage.night",
    "drop": "drop table stage.night",
    "create": "create table stage.other as select 1",
    "a persistent secret": "create persistent secret s (type http, bearer_token 'x')",
    "unlock": "set lock_configuration = false",
    "unlock globally": "set global lock_configuration = false",
    "allow files": "set enable_external_access = true",
    "reset": "reset enable_external_access",
    "allow a folder": "set allowed_directories = ['{folder}']",
    "spill": "set temp_directory = '{folder}'",
    "profile to a file": "pragma profiling_output = '{folder}/out.json'",
    "log to a file": "set log_query_path = '{folder}/out.log'",
    "detach": 'detach "cmdb-run-1"',
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_people_can_read_the_published_file_and_do_nothing_else(store: Store, tmp_path: Path, statement: str) -> None:
    if statement.endswith(".wal'") and duckdb.__version__ < "2":
        pytest.skip("DuckDB 1.5 takes the log of a database for a part of it; the next hold() removes it")
    version = night(store, "run-1")
    before = digest(version.path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    secret = folder / "secret.csv"
    secret.write_text("a,b\n1,2\n", encoding="utf-8")
    other = folder / "other.duckdb"
    duckdb.connect(str(other)).close()
    files = {path.name for path in folder.iterdir()} | {path.name for path in version.path.parent.iterdir()}
    sql = statement.format(
        secret=secret, folder=folder, other=other, working=store.working, itself=version.path.resolve()
    )
    with store.published() as connection:
        with pytest.raises(duckdb.Error):
            connection.execute(sql).fetchall()
        assert whole(connection) == "run-1"
    assert digest(version.path) == before
    assert {path.name for path in folder.iterdir()} | {path.name for path in version.path.parent.iterdir()} == files


def test_a_name_in_their_sql_is_never_a_python_variable(store: Store) -> None:
    pandas = pytest.importorskip("pandas", reason="without pandas no variable looks like a table")
    frame = pandas.DataFrame({"secret": [1]})
    assert duckdb.connect().execute("select secret from frame").fetchall() == [(1,)]
    night(store, "run-1")
    with store.published() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("select secret from frame")
    assert len(frame) == 1


def test_a_log_beside_a_version_is_removed_by_the_next_run(store: Store) -> None:
    version = night(store, "run-1")
    log = version.path.with_name(version.name + ".wal")
    log.write_text("1\n", encoding="utf-8")
    with store.holding("run-2", "nightly"):
        pass
    assert not log.exists()
    assert served(store) == "run-1"


def test_people_may_use_temporary_tables(store: Store) -> None:
    night(store, "run-1")
    with store.published() as connection:
        connection.execute("create temp table mine as select count(*) as n from stage.night")
        assert connection.execute("select n from mine").fetchall() == [(ROWS,)]
