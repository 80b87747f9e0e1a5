"""The published file in an object store: the same bytes, found by a pointer that leads to a whole file or to none."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import duckdb
import pytest
from given import blank_file
from nights import cmdb_here, environment_of, night_environment, run_night
from scaleout_services import ACCESS_KEY, BUCKET, S3, SECRET_KEY, objects_of

from pipelines.dagster_metadata import COPY_KEY
from pipelines.definitions import build_defs, execute
from pipelines.publishing import assets
from pipelines.publishing.copying import CLAIM_LASTS, FOLDER, POINTER, Overtaken, PublishedCopy, current_version
from resources.audit.organization import stamp
from resources.objects.errors import ObjectStoreError
from resources.objects.object_store import ObjectStore
from resources.store.files import make_folder
from resources.store.paths import PUBLISHED_NAME
from resources.store.process import PROCESS
from resources.store.store import Store
from resources.store.versions import KEEP, Version
from resources.warehouse import Warehouse
from simulator.client import Simulator

pytestmark = pytest.mark.scaleout


@pytest.fixture
def objects(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    return objects_of(s3, tmp_path.name, monkeypatch)


@dataclass
class Coordinator:
    """A warehouse of its own, as on a machine of its own, that publishes to an object store."""

    store: Store
    objects: ObjectStore | None

    @classmethod
    def new(cls, folder: Path, objects: ObjectStore | None) -> Coordinator:
        """One whose warehouse is empty."""
        store = Store(folder / PUBLISHED_NAME, patience=0.3)
        make_folder(store.folder)
        store.working.write_bytes(blank_file())
        return cls(store, objects)

    @classmethod
    def from_copy(cls, folder: Path, objects: ObjectStore) -> Coordinator:
        """One that starts from what is published in the object store, as docs/howto/scale.md says."""
        store = Store(folder / PUBLISHED_NAME, patience=0.3)
        make_folder(store.versions_folder)
        pointer = json.loads(objects.get(POINTER))
        name = pointer["version"].rpartition("/")[2]
        assert objects.get_file(pointer["version"], store.versions_folder / name) == pointer["sha256"]
        store.database.symlink_to(Path("versions", name))
        return cls(store, objects)

    @property
    def copy(self) -> PublishedCopy:
        assert self.objects is not None
        return PublishedCopy(self.objects)

    def begin(self, run_id: str) -> Warehouse:
        bound = Warehouse(database=str(self.store.database))
        bound.setup_for_execution(cast(Any, SimpleNamespace(run_id=run_id)))
        stamp(bound.begin("a test"), "o-1", "1")
        with self.store.transaction() as connection:
            connection.execute("create table if not exists ref.setting as select 'NZD' as reporting_currency")
        return bound

    def publish(self, bound: Warehouse) -> Version:
        """What the step `published` does, and then what `published_copy` does."""
        try:
            version = assets.publish(self.store, bound.run_id, [], self.objects)
            self.copy.copy_current(self.store)
            self.copy.prune(self.store.stem)
        finally:
            bound.teardown_after_execution(cast(Any, None))
        return version

    def night(self, run_id: str) -> Version:
        return self.publish(self.begin(run_id))

    def environment(self, s3: S3) -> dict[str, str]:
        assert self.objects is not None
        prefix = self.objects.url.removeprefix(f"s3://{BUCKET}/")
        return {**s3.environment(prefix), "CMDB_DATABASE": str(self.store.database)}


def state(store: Store, objects: ObjectStore) -> tuple[str, str, bytes]:
    """What is published here and there."""
    return str(store.database.readlink()), current_version(store).sha256, objects.get(POINTER)


def led_to(objects: ObjectStore) -> str:
    return str(json.loads(objects.get(POINTER))["run_id"])


def require_whole(objects: ObjectStore) -> None:
    """The pointer leads to the very bytes that it names."""
    pointer = json.loads(objects.get(POINTER))
    assert objects.sha256(pointer["version"]) == pointer["sha256"]


# ------------------------------------------------------------------------------------------------ the good way


def test_a_reader_finds_the_same_file_by_the_pointer(objects: ObjectStore, s3: S3, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    version = here.night("run-1")
    # As anybody would, with a client of their own.
    client = s3.client()
    prefix = objects.url.removeprefix(f"s3://{BUCKET}/")
    pointer = json.loads(client.get_object(Bucket=BUCKET, Key=f"{prefix}/{POINTER}")["Body"].read())
    taken = tmp_path / "taken.duckdb"
    taken.write_bytes(client.get_object(Bucket=BUCKET, Key=f"{prefix}/{pointer['version']}")["Body"].read())
    assert hashlib.sha256(taken.read_bytes()).hexdigest() == pointer["sha256"] == version.sha256
    assert taken.stat().st_size == pointer["size"]
    assert (pointer["version"], pointer["run_id"]) == (f"{FOLDER}/cmdb-run-1.duckdb", "run-1")
    assert pointer["schema_version"] == here.store.published_schema()
    assert pointer["published_at"] == version.published_at.isoformat(timespec="seconds")
    assert pointer["claimed_by"] is None
    with duckdb.connect(str(taken), read_only=True) as connection:
        assert connection.execute("select run_id, outcome from audit.run").fetchall() == [("run-1", "published")]


def test_as_many_versions_stay_as_on_disk(objects: ObjectStore, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    for number in range(1, 6):
        here.night(f"run-{number}")
        require_whole(objects)
    kept = {f"{FOLDER}/{version.name}" for version in here.store.versions()}
    assert len(kept) == KEEP
    assert objects.names(FOLDER) == kept
    assert led_to(objects) == "run-5"


def test_what_another_program_keeps_below_the_same_address_stays(objects: ObjectStore, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    names = ("app/release-1.tar.gz", "other-run-1.duckdb", "cmdb-a/b.duckdb", "cmdb-1.gz")
    others = {f"{FOLDER}/{name}" for name in names}
    for name in others:
        objects.put(name, b"another program's")
    for number in range(1, KEEP + 2):
        here.night(f"run-{number}")
    kept = {f"{FOLDER}/{version.name}" for version in here.store.versions()}
    assert objects.names(FOLDER) == kept | others


def test_rollback_leads_readers_of_the_copy_back(objects: ObjectStore, s3: S3, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    here.night("run-2")
    done = cmdb_here(here.environment(s3), "rollback")
    assert (done.returncode, led_to(objects)) == (0, "run-1")
    require_whole(objects)
    # The next run is known to follow: what is published there is one of its own.
    here.night("run-3")
    assert led_to(objects) == "run-3"


def newer_schema(store: Store) -> None:
    with duckdb.connect(str(store.working)) as connection:
        connection.execute(
            "insert into audit.schema_migration (number, name, sha256, applied_at) values (9999, 'next', '', now())"
        )


def damaged(store: Store) -> None:
    store.working.write_bytes(store.working.read_bytes()[:12_288])


def moved_away(store: Store) -> None:
    store.working.rename(store.folder / "away")


@pytest.mark.parametrize("happens_to", [newer_schema, damaged, moved_away])
def test_rollback_needs_no_working_file(
    objects: ObjectStore, s3: S3, tmp_path: Path, happens_to: Callable[[Store], None]
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    here.night("run-2")
    happens_to(here.store)
    working = here.store.working.read_bytes() if here.store.working.exists() else None
    done = cmdb_here(here.environment(s3), "rollback")
    assert (done.returncode, done.stderr, led_to(objects)) == (0, "", "run-1")
    assert current_version(here.store).run_id == "run-1"
    # One that is missing is made of the version that is read again, by the next run.
    assert (here.store.working.read_bytes() if here.store.working.exists() else None) == working


def test_another_machine_goes_on_from_the_copy(objects: ObjectStore, tmp_path: Path) -> None:
    Coordinator.new(tmp_path / "here", objects).night("run-1")
    there = Coordinator.from_copy(tmp_path / "there", objects)
    there.night("run-2")
    assert led_to(objects) == "run-2"
    with there.store.published() as connection:
        assert connection.execute("select run_id from audit.run order by 1").fetchall() == [("run-1",), ("run-2",)]


# ---------------------------------------------------------------------------------------------------- overtaken


def test_a_run_thought_dead_that_comes_back_publishes_neither_here_nor_there(
    objects: ObjectStore, tmp_path: Path
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    dead = here.begin("run-2")
    Coordinator.from_copy(tmp_path / "there", objects).night("run-3")
    before = state(here.store, objects)
    with pytest.raises(dg.Failure) as refused:
        here.publish(dead)
    sentence = str(refused.value.description)
    assert "Nothing was published." in sentence
    assert "run run-3, which this warehouse does not know, has published there at" in sentence
    assert state(here.store, objects) == before
    with here.store.read() as connection:
        assert connection.execute("select outcome from audit.run where run_id = 'run-2'").fetchall() == [("refused",)]
    # It stays so: the next night here does not follow it either, nor does a copy by hand or a way back.
    with pytest.raises(dg.Failure, match="run-3"):
        here.night("run-4")
    for command in ("publish-copy", "rollback"):
        done = cmdb_here(here_environment := _environment(here, objects), command)
        assert done.returncode == 1
        assert "run run-3, which this warehouse does not know" in done.stderr
    assert state(here.store, objects) == before
    # Who wants it all the same says so.
    done = cmdb_here(here_environment, "publish-copy", "--take-over", "--json")
    assert (done.returncode, json.loads(done.stdout)["run_id"], led_to(objects)) == (0, "run-1", "run-1")


def _environment(here: Coordinator, objects: ObjectStore) -> dict[str, str]:
    return {
        "CMDB_DATABASE": str(here.store.database),
        "CMDB_OBJECTS_URL": objects.url,
        "CMDB_OBJECTS_ENDPOINT": objects.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


@pytest.mark.parametrize("point", ["publish.begun", "publish.sealed"])
def test_of_two_who_publish_at_once_one_is_published_and_the_other_nowhere(
    objects: ObjectStore, tmp_path: Path, point: str
) -> None:
    Coordinator.new(tmp_path / "first", objects).night("run-1")
    both = [Coordinator.from_copy(tmp_path / name, objects) for name in ("here", "there")]
    together = threading.Barrier(2, timeout=60)
    outcomes: list[str] = []

    def publish(coordinator: Coordinator, run_id: str) -> None:
        try:
            coordinator.night(run_id)
            outcomes.append(run_id)
        except dg.Failure as refused:
            outcomes.append(str(refused.description))

    PROCESS.fault_hook = lambda passed: cast(None, together.wait()) if passed == point else None
    try:
        threads = [
            threading.Thread(target=publish, args=(coordinator, f"run-{number}"))
            for number, coordinator in enumerate(both, start=2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        PROCESS.fault_hook = lambda _: None
    winner = led_to(objects)
    assert winner in ("run-2", "run-3")
    assert winner in outcomes
    assert [outcome for outcome in outcomes if "Nothing was published." in outcome] != []
    require_whole(objects)
    published = [current_version(coordinator.store).run_id for coordinator in both]
    assert sorted(published) == sorted(["run-1", winner])


def interposed(objects: ObjectStore, after_put: Callable[[str], None]) -> ObjectStore:
    """The same object store, in which something else happens once a file was put."""

    class Interposed(ObjectStore):
        def put_file(self, name: str, path: Path) -> None:
            super().put_file(name, path)
            after_put(name)

    return Interposed(objects.url, objects.region, objects.endpoint, objects.profile, objects.patience)


def test_a_pointer_that_was_swapped_during_the_copy_is_left_alone(objects: ObjectStore, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    there = Coordinator.from_copy(tmp_path / "there", objects)

    def take_over(_: str) -> None:
        with there.store.holding("take-over", "a test"):
            there.copy.copy_current(there.store, take_over=True)

    slow = Coordinator(here.store, interposed(objects, take_over))
    bound = slow.begin("run-2")
    with pytest.raises(Overtaken, match="run run-1 has swapped it in this moment"):
        slow.publish(bound)
    assert led_to(objects) == "run-1"
    require_whole(objects)
    # Nobody had published anything else when it was linked here.
    assert current_version(here.store).run_id == "run-2"


def test_other_bytes_than_were_put_are_never_led_to(objects: ObjectStore, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    before = objects.get(POINTER)
    forged = Coordinator(here.store, interposed(objects, lambda name: objects.put(name, b"something else")))
    with pytest.raises(ObjectStoreError, match=r"has other bytes than .*cmdb-run-2\.duckdb, right after they"):
        forged.night("run-2")
    pointer, was = json.loads(objects.get(POINTER)), json.loads(before)
    assert {name: pointer[name] for name in ("version", "sha256")} == {
        name: was[name] for name in ("version", "sha256")
    }
    # What somebody has put in its place is replaced as soon as it is copied again.
    done = cmdb_here(_environment(here, objects), "publish-copy")
    assert (done.returncode, led_to(objects)) == (0, "run-2")
    require_whole(objects)


def test_a_claim_of_another_machine_is_waited_for_and_not_for_ever(objects: ObjectStore, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    there = Coordinator.from_copy(tmp_path / "there", objects)
    # It claims the pointer, and its machine goes away.
    there.copy.claim("run-2", {"run-1"})
    before = state(here.store, objects)
    with pytest.raises(dg.Failure, match="run run-2, which this warehouse does not know, is publishing since"):
        here.night("run-3")
    assert state(here.store, objects) == before
    pointer = json.loads(objects.get(POINTER))
    # A clock that is minutes ahead is waited for as long, not one that was a year ahead.
    for number, away in enumerate((-CLAIM_LASTS, timedelta(days=365)), start=4):
        at = (datetime.now(UTC) + away).isoformat(timespec="seconds")
        objects.put(POINTER, json.dumps(pointer | {"changed_at": at}).encode())
        here.night(f"run-{number}")
        assert led_to(objects) == f"run-{number}"
    soon = datetime.now(UTC) + timedelta(minutes=10)
    objects.put(POINTER, json.dumps(pointer | {"run_id": "run-5", "changed_at": soon.isoformat()}).encode())
    with pytest.raises(dg.Failure, match=f"has until {soon + CLAIM_LASTS:%Y-%m-%d %H:%M} UTC"):
        here.night("run-6")


def test_a_night_that_was_overtaken_requests_nothing(
    organisation: Simulator, objects: ObjectStore, tmp_path: Path
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    Coordinator.from_copy(tmp_path / "there", objects).night("run-2")
    organisation.clear_log()
    database = here.store.database
    ended = run_night(night_environment(organisation, database) | _environment(here, objects), database)
    assert (ended.published, ended.exit_code, organisation.log()) == (False, 1, [])
    sentence = " ".join(ended.sentences)
    assert "Nothing was requested." in sentence
    assert "run run-2, which this warehouse does not know, has published there" in sentence
    assert "start here from what it published" in sentence


def test_a_file_that_was_restored_keeps_the_time_at_which_it_was_published(
    objects: ObjectStore, s3: S3, tmp_path: Path
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    at = here.night("run-1").published_at
    there = Coordinator.from_copy(tmp_path / "there", objects)
    later = at.timestamp() + 3600
    os.utime(current_version(there.store).path, (later, later))
    assert cmdb_here(there.environment(s3), "publish-copy").returncode == 0
    assert json.loads(objects.get(POINTER))["published_at"] == at.isoformat(timespec="seconds")


def test_a_copy_is_made_where_old_ones_cannot_be_removed(
    objects: ObjectStore, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    for number in range(1, KEEP + 1):
        here.night(f"run-{number}")
    objects.put(f"{FOLDER}/cmdb-old.duckdb", b"old")

    def refused(self: ObjectStore, name: str) -> None:
        raise ObjectStoreError(f"{self.url}/{name} is refused.", exit_code=2)

    # SeaweedFS gives all rights or none.
    monkeypatch.setattr(ObjectStore, "delete", refused)
    done = cmdb_here(here.environment(s3), "publish-copy", "--json")
    assert (done.returncode, json.loads(done.stdout)["removed"]) == (0, [])
    assert "It is copied, but what is old could not be removed:" in done.stderr


def test_what_is_no_pointer_is_left_alone(objects: ObjectStore, tmp_path: Path) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    nobodys = (b"{}{", b"[]", b'{"claimed_by": "a"}', b'{"claimed_by": "a", "changed_at": "2026-03-01T00:00:00"}')
    for number, text in enumerate(nobodys, start=1):
        objects.put(POINTER, text)
        with pytest.raises(ObjectStoreError, match="is not what `cmdb` writes"):
            here.night(f"run-{number}")
        assert objects.get(POINTER) == text
        assert objects.names() == {POINTER}
        assert current_version(here.store).run_id == f"run-{number}"


# --------------------------------------------------------------------------------------- a server that goes away


def test_while_the_server_is_away_the_file_here_is_published_and_copied_later(
    objects: ObjectStore, s3: S3, tmp_path: Path
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    impatient = ObjectStore(objects.url, objects.region, objects.endpoint, patience=1.0)
    s3.kill()
    try:
        with pytest.raises(ObjectStoreError, match="cannot be used"):
            Coordinator(here.store, impatient).night("run-2")
        assert current_version(here.store).run_id == "run-2"
    finally:
        s3.start()
    assert led_to(objects) == "run-1"
    require_whole(objects)
    done = cmdb_here(_environment(here, objects), "publish-copy")
    assert (done.returncode, led_to(objects)) == (0, "run-2")
    require_whole(objects)


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_server_killed_while_a_file_is_put_never_shows_half_of_it(
    objects: ObjectStore, s3: S3, tmp_path: Path, comes_back: bool
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    bound = here.begin("run-2")
    with here.store.transaction() as connection:
        # Some eighty megabytes that do not compress, in pieces of sixteen.
        connection.execute("create table stage.ballast as select uuid() as a, uuid() as b from range(2500000)")
    patient = ObjectStore(objects.url, objects.region, objects.endpoint, patience=60.0 if comes_back else 2.0)
    begun, killed = threading.Event(), threading.Event()

    class Watched(ObjectStore):
        def put_file(self, name: str, path: Path) -> None:
            begun.set()
            super().put_file(name, path)
            assert killed.is_set()

    def kill() -> None:
        assert begun.wait(120)
        time.sleep(0.2)
        s3.kill()
        killed.set()
        if comes_back:
            time.sleep(5)
            s3.start()

    killing = threading.Thread(target=kill)
    killing.start()
    watched = Watched(patient.url, patient.region, patient.endpoint, patience=patient.patience)
    try:
        # That it goes on by itself is not promised: a server that has lost the beginning of an upload refuses its end.
        Coordinator(here.store, watched).publish(bound)
        ended = "copied"
    except ObjectStoreError as error:
        ended = str(error)
    finally:
        killing.join()
        if not comes_back:
            s3.start()
    assert current_version(here.store).run_id == "run-2"
    assert comes_back or "cannot be used" in ended
    require_whole(objects)
    assert led_to(objects) == ("run-2" if ended == "copied" else "run-1")
    done = cmdb_here(_environment(here, objects), "publish-copy")
    assert (done.returncode, led_to(objects)) == (0, "run-2")
    require_whole(objects)


def test_a_rollback_while_the_server_is_away_counts_here_and_says_so(
    objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Coordinator.new(tmp_path / "here", objects)
    here.night("run-1")
    here.night("run-2")
    monkeypatch.setattr(ObjectStore.__init__, "__defaults__", ("", "", 1.0))
    away = _environment(here, objects) | {"CMDB_OBJECTS_ENDPOINT": "http://127.0.0.1:9"}
    done = cmdb_here(away, "rollback")
    assert done.returncode == 1
    assert "Readers of the copy still get what they got." in done.stderr
    assert "`cmdb publish-copy` copies cmdb-run-1.duckdb." in done.stderr
    assert (current_version(here.store).run_id, led_to(objects)) == ("run-1", "run-2")
    assert cmdb_here(_environment(here, objects), "publish-copy").returncode == 0
    assert led_to(objects) == "run-1"


# ------------------------------------------------------------------------------------------------ a whole night


def test_a_night_that_cannot_be_copied_says_so_and_the_step_alone_copies_it(
    organisation: Simulator, objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ObjectStore.__init__, "__defaults__", ("", "", 1.0))
    database = tmp_path / "house" / PUBLISHED_NAME
    store = Store(database)
    environment = night_environment(organisation, database) | _environment(Coordinator(store, objects), objects)
    # Its keys stand in the environment; had a role used them, the pre-flight would have refused.
    ended = run_night(environment | {"CMDB_OBJECTS_ENDPOINT": "http://127.0.0.1:9"}, database)
    assert (ended.published, ended.exit_code) == (True, 1)
    assert any("is published, and was not copied." in sentence for sentence in ended.sentences)
    assert objects.names() == set()
    with environment_of(environment):
        every = build_defs(environment).resolve_implicit_global_asset_job_def()
        result = execute(every.get_subset(asset_selection={COPY_KEY}), {})
    assert result.success
    assert led_to(objects) == ended.run_id
    require_whole(objects)
