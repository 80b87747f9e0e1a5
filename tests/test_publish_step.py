"""The step that publishes by itself: what it asks first, what it refuses, what it shows and what it forgets. No AWS."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import pytest
from given import Given, House, build, house, migrate, work_of
from item_rows import InMemory
from sqlalchemy.exc import SQLAlchemyError

from pipelines.catalogue.registry import listings, read_back
from pipelines.charts import sketches
from pipelines.collection.landing import LandingWriter
from pipelines.collection.progress import PUBLISHING, Load, Note, Report, Reporter, watching
from pipelines.dagster_metadata import PUBLISHED_KEY
from pipelines.models.checks import SqlCheck, read_checks
from pipelines.models.model import Model, read_models
from pipelines.publishing import assets as publish
from pipelines.publishing import retention
from pipelines.publishing.assets import published_asset, published_copy
from pipelines.publishing.copying import FOLDER, POINTER, Pointer
from pipelines.settings import Settings
from pipelines.trust.gate import EXIT_CODE
from resources.audit import paid_requests
from resources.audit.cells import Cell, cell_line, load_cells, renew_coverage
from resources.audit.checks import record_check, record_preflight
from resources.audit.identities import record_callers
from resources.audit.runs import record_run, settle_run
from resources.aws.messages import CellKey, Progress
from resources.check_result import CheckResult
from resources.identity_rules import CHECKS, Caller, Expectation
from resources.objects.errors import ObjectMissing, ObjectStoreError
from resources.objects.object_store import ObjectStore, Stored
from resources.store.errors import WarehouseError
from resources.store.files import make_folder
from resources.store.history.history import History
from resources.store.store import Store
from resources.store.versions import KEEP

RUN = "run-1"
SETTINGS = Settings(history_runs=0)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

MODELS = {
    "ref/one.sql": "-- One row.\n-- key: a\n-- a: A number.\nselect 1 as a",
    "ref/shown.sql": "-- A view.\n-- materialized: view\n-- a: A number.\nselect a from ref.one",
    "ref/two.sql": "-- Another.\n-- key: a\n-- a: A number.\nselect a from ref.one",
}
RULES = {
    "there_is_one": "-- There is a row.\n-- about: published\nselect 'none' as what where not exists (from ref.one)",
    "there_are_few": "-- Few rows.\n-- about: published\n-- severity: warn\nselect a from ref.two where a > 1",
    "two_is_positive": "-- Positive.\n-- about: ref.two\nselect a from ref.two where a < 0",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    return read_models(written(tmp_path_factory.mktemp("models"), MODELS))


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Sequence[SqlCheck]:
    return read_checks(written(tmp_path_factory.mktemp("rules"), {f"{name}.sql": sql for name, sql in RULES.items()}))


@dataclass
class Bound:
    """The warehouse of one run, at a time of the test's own."""

    store: Store
    at: datetime
    run_id: str = RUN
    begun: list[str] = field(default_factory=list)

    def begin(self, what: str, lock: object = None) -> Store:
        self.begun.append(what)
        return self.store

    def now(self) -> datetime:
        return self.at

    def require_alone(self) -> None:
        """One coordinator is always alone."""


@dataclass
class Instance:
    """Dagster's records of runs, of which two are old."""

    removed: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def get_run_records(self, **wanted: Any) -> list[Any]:
        self.asked.append(wanted)
        return [SimpleNamespace(dagster_run=SimpleNamespace(run_id=name)) for name in ("old", "older")]

    def delete_run(self, run_id: str) -> None:
        self.removed.append(run_id)


def cells(at: datetime) -> list[Cell]:
    """A verified zero of every listing there is, of each role that asks it."""
    return [
        Given(name, outcome="empty_verified", role=role).cell(RUN, at)
        for name, listing in listings().items()
        for role in listing.roles
    ]


def land(store: Store, made: Sequence[Cell]) -> None:
    path = store.folder / "cells.ndjson"
    path.write_text("".join(json.dumps(cell_line(cell)) + "\n" for cell in made), encoding="utf-8")
    with store.transaction() as connection:
        load_cells(connection, [path])
    path.unlink()


@dataclass
class World:
    """A night that may be published."""

    home: House
    models: dict[str, Model]
    rules: Sequence[SqlCheck]
    bound: Bound
    instance: Instance = field(default_factory=Instance)
    said: list[str] = field(default_factory=list)
    settings: Settings = SETTINGS

    def step(self, selected: Sequence[str] = tuple(RULES)) -> tuple[list[Any], dg.Failure | None]:
        """What the step hands to Dagster, and how it ended."""
        work = work_of(published_asset(self.models, self.rules))
        context = SimpleNamespace(
            resources=SimpleNamespace(warehouse=self.bound, settings=self.settings),
            instance=self.instance,
            log=SimpleNamespace(warning=self.said.append),
            selected_asset_check_keys={dg.AssetCheckKey(PUBLISHED_KEY, name) for name in selected},
        )
        shown: list[Any] = []
        try:
            shown.extend(work(context))
        except dg.Failure as failure:
            return shown, failure
        return shown, None

    def copy(self) -> Any:
        """What the step that copies shows."""
        return work_of(published_copy)(
            SimpleNamespace(
                resources=SimpleNamespace(warehouse=self.bound, settings=self.settings),
                log=SimpleNamespace(warning=self.said.append),
            )
        ).metadata

    def refused(self) -> str:
        """The sentence of a step that publishes nothing."""
        before = [version.name for version in self.home.store.versions()]
        shown, failure = self.step()
        assert shown == []
        assert failure is not None
        assert not failure.allow_retries
        assert [version.name for version in self.home.store.versions()] == before
        return failure.description or ""

    def outcome(self) -> Any:
        ((outcome, ended),) = [
            tuple(row.values()) for row in self.home.rows("select outcome, finished_at is not null from audit.run")
        ]
        assert ended == (outcome != "running")
        return outcome


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Model]) -> bytes:
    """The working file after everything was asked and built."""
    with house(tmp_path_factory.mktemp("night")) as home:
        store = home.store
        land(store, cells(datetime.now(UTC)))
        with store.transaction() as connection:
            record_run(connection, RUN, "test")
            record_preflight(
                connection, RUN, [CheckResult(True, "So.", name=name) for name in CHECKS], SETTINGS.config_hash
            )
            connection.execute("create table org.account (account_id varchar, account_name varchar)")
        for model in models.values():
            build(store, model)
    return store.working.read_bytes()


@pytest.fixture
def world(tmp_path: Path, night: bytes, models: dict[str, Model], rules: Sequence[SqlCheck]) -> Iterator[World]:
    with house(tmp_path, working=night) as home:
        # The lock is this run's.
        home.store.release("given")
        with home.store.holding(RUN, "a test"):
            yield World(home, models, rules, Bound(home.store, datetime.now(UTC)))
        home.store.hold("given", "a test")


# ----------------------------------------------------------------------------------------------- the good way


def test_what_was_judged_is_what_analysts_read(world: World) -> None:
    counted = world.home.store.folder / paid_requests.FOLDER / "2020-01-01.ndjson"
    make_folder(counted.parent)
    counted.touch()
    (shown_, failure) = world.step()
    assert failure is None, failure.description
    (result,) = shown_
    assert world.said == []
    (version,) = world.home.store.versions()
    assert (version.run_id, version.is_current) == (RUN, True)
    assert result.asset_key == PUBLISHED_KEY
    shown = {name: getattr(value, "value", value) for name, value in result.metadata.items()}
    assert shown["version"] == version.name
    assert shown["path"] == str(world.home.store.database)
    assert shown["sha256"] == version.sha256
    assert "<svg" in shown["what_can_be_trusted"] or "data:image" in shown["what_can_be_trusted"]
    tables = [record.data for record in result.metadata["tables"].records]
    assert [row["schema"] for row in tables] == sorted(row["schema"] for row in tables)
    told = {row["schema"]: (row["tables"], row["rows"]) for row in tables}
    assert told["ref"] == ("2", "2")
    assert sum(int(rows) for _, rows in told.values()) == shown["dagster/row_count"] > len(listings())
    assert (shown["landings_removed"], shown["cells_removed"], shown["runs_removed"]) == (0, 0, 2)
    assert shown["paid_request_days_removed"] == 1
    assert [(check.check_name, check.passed) for check in result.check_results] == [
        ("there_are_few", True),
        ("there_is_one", True),
    ]
    assert {check.asset_key for check in result.check_results} == {PUBLISHED_KEY}
    with world.home.store.published() as connection:
        assert connection.execute("select outcome from audit.run").fetchall() == [("published",)]
        assert connection.execute("from ref.one").fetchall() == [(1,)]
    assert world.outcome() == "published"
    assert world.home.rows("select check_name, scope, run_id from audit.check_result where scope = 'published'") == [
        {"check_name": name, "scope": "published", "run_id": RUN} for name in ("there_are_few", "there_is_one")
    ]


def test_what_is_published_is_recorded_and_what_is_refused_is_not(world: World) -> None:
    world.settings = Settings(history_runs=400)
    with world.home.store.transaction() as connection:
        connection.execute("insert into ref.two values (-1)")
    world.refused()
    assert world.home.store.history.publications() == ()
    with world.home.store.transaction() as connection:
        connection.execute("delete from ref.two where a < 0")
    ((result,), failure) = world.step()
    assert failure is None, failure.description
    (recorded,) = world.home.store.history.publications()
    assert recorded.run_id == RUN
    assert result.metadata["history_runs"] == 1
    with world.home.store.history.opened(recorded) as as_of:
        as_of.prepare("from audit.run")
        assert as_of.connection.execute("select outcome from audit.run").fetchall() == [("published",)]


def test_a_recording_that_fails_is_a_warning_and_the_run_stays_published(world: World) -> None:
    world.settings = Settings(history_runs=400)
    # A file is in the place of the folder.
    (world.home.store.folder / f"{world.home.store.stem}.history").write_text("")
    (_, failure) = world.step()
    assert failure is None, failure.description
    assert [version.run_id for version in world.home.store.versions()] == [RUN]
    assert len(world.said) == 1
    assert world.said[0].startswith("It is published, but recording it in the history did not end: ")


@pytest.mark.parametrize("error", [WarehouseError("It is open."), OSError("It is full."), duckdb.Error("It broke.")])
def test_whatever_a_recording_fails_over_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(history: History, most: int) -> None:
        raise error

    monkeypatch.setattr(History, "catch_up", fails)
    world.settings = Settings(history_runs=400)
    ((result,), failure) = world.step()
    assert failure is None
    assert world.said == [f"It is published, but recording it in the history did not end: {error}"]
    assert "history_runs" not in result.metadata


def test_the_step_says_what_it_is_and_comes_last(models: dict[str, Model], rules: Sequence[SqlCheck]) -> None:
    asset = published_asset(models, rules)
    (spec,) = asset.specs
    assert spec.key == dg.AssetKey(["published"])
    assert {dep.asset_key for dep in spec.deps} == {dg.AssetKey(["ref", name]) for name in ("one", "shown", "two")}
    assert (spec.description or "").startswith("The file that analysts read")
    assert spec.group_name == "published"
    assert spec.kinds == {"duckdb"}
    assert spec.tags["gate"] == "stored-evidence"
    assert {check.name: check.blocking for check in asset.check_specs} == {"there_are_few": False, "there_is_one": True}
    assert {check.asset_key for check in asset.check_specs} == {PUBLISHED_KEY}
    assert asset.can_subset
    assert asset.op.name == "publish"
    assert asset.op.tags == {"dagster/priority": "-10"}
    assert asset.required_resource_keys >= {"warehouse", "settings"}


def test_the_step_that_copies_says_what_it_is_and_comes_after_the_one_that_publishes() -> None:
    (spec,) = published_copy.specs
    assert spec.key == dg.AssetKey(["published_copy"])
    assert [dep.asset_key for dep in spec.deps] == [PUBLISHED_KEY]
    assert (spec.group_name, spec.kinds, spec.tags["gate"]) == ("published", {"s3"}, "stored-evidence")
    assert published_copy.op.tags == {"dagster/priority": "-30"}
    assert published_copy.required_resource_keys >= {"warehouse", "settings"}


def test_only_the_rules_that_were_selected_are_shown_and_all_are_requested(world: World) -> None:
    ((result,), _) = world.step(["there_is_one"])
    assert [check.check_name for check in result.check_results] == ["there_is_one"]
    assert len(world.home.rows("select * from audit.check_result where scope = 'published'")) == 2


def test_a_file_that_clients_refuse_to_query_is_published_with_a_warning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "name_warning", lambda database: f"{database.name} is a schema's name.")
    assert world.step()[1] is None
    assert world.said == [f"{world.home.store.database.name} is a schema's name."]


def test_a_table_whose_file_was_removed_is_named(world: World) -> None:
    with world.home.store.transaction() as connection:
        connection.execute("create table org.of_ours as select 1 as a")
        for relation in ("org.of_ours", "org.dropped"):
            connection.execute(
                "insert into audit.relation_build (relation, run_id, built_at) values (?, 'old', '2026-11-01 12:00Z')",
                [relation],
            )
    assert world.step()[1] is None
    (said,) = world.said
    assert "No SQL file makes org.of_ours (built 2026-11-01) any more" in said


def test_whoever_watches_the_run_sees_that_it_publishes(world: World) -> None:
    heard: list[Note] = []
    with watching(lambda report: None, heard.append):
        world.step()
    assert PUBLISHING in {note.step for note in heard}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), UnicodeEncodeError("latin-1", "…", 0, 1, "no")])
def test_a_progress_line_that_cannot_be_written_refuses_nothing(world: World, error: Exception) -> None:
    heard: list[Note] = []

    def fail(given: Report | Note) -> None:
        raise error

    with watching(fail, fail), watching(lambda report: None, heard.append):
        assert world.step()[1] is None
        Reporter("ec2_instance", lambda sentence: None)(Progress(1, 1, 1, 1, 0, 1.0))
        Load().built("one", 1, 1)
    assert PUBLISHING in {note.step for note in heard}, "others still hear it"


def test_what_warns_is_published_all_the_same(world: World) -> None:
    world.home.execute("insert into ref.two values (2)")
    ((result,), failure) = world.step()
    assert failure is None
    assert [(check.passed, check.severity.value) for check in result.check_results] == [
        (False, "WARN"),
        (True, "ERROR"),
    ]


# ------------------------------------------------------------------------------------------ a copy somewhere else


class Bucket(ObjectStore):
    """An object store that is a dictionary, and may be away."""

    held: dict[str, bytes]
    away: bool

    def __init__(self) -> None:
        super().__init__("s3://nobody-s-bucket", "us-east-1")
        self.__dict__.update(held={}, away=False)

    def leave(self) -> None:
        self.__dict__["away"] = True

    def read(self, name: str) -> Stored:
        if self.away:
            raise ObjectStoreError("It is away.", exit_code=2)
        if name not in self.held:
            raise ObjectMissing(name)
        return Stored(self.held[name], hashlib.sha256(self.held[name]).hexdigest())

    def sha256(self, name: str) -> str:
        return self.read(name).e_tag

    def swap(self, name: str, data: bytes, e_tag: str | None) -> bool:
        is_as_read = (self.sha256(name) if name in self.held else None) == e_tag
        if is_as_read:
            self.held[name] = data
        return is_as_read

    def put_file(self, name: str, path: Path) -> None:
        self.held[name] = path.read_bytes()

    def changed_at(self, prefix: str = "") -> dict[str, datetime]:
        return {name: START for name in self.held if name.startswith(f"{prefix}/")}

    def delete(self, prefix: str) -> None:
        del self.held[prefix]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket()
    monkeypatch.setattr(Settings, "objects", property(lambda _: made))
    return made


STRANGER = json.dumps({"version": "versions/other", "run_id": "a stranger's", "published_at": "2026-11-01"}).encode()


def old_versions(world: World, count: int) -> list[str]:
    """Names in the bucket as earlier runs gave them."""
    return [f"{FOLDER}/{world.home.store.stem}-{number}.duckdb" for number in range(count)]


def test_what_is_published_is_copied_and_what_is_old_there_is_removed(world: World, bucket: Bucket) -> None:
    assert world.step()[1] is None
    claimed = Pointer(**json.loads(bucket.held[POINTER]))
    assert (claimed.version, claimed.claimed_by) == (None, RUN)
    bucket.held |= dict.fromkeys(old_versions(world, KEEP + 1), b"old")
    strangers = {f"{FOLDER}/release-{number}.tar.gz": b"another program's" for number in range(KEEP + 1)}
    bucket.held |= strangers
    (version,) = world.home.store.versions()
    assert world.copy() == {
        "address": f"s3://nobody-s-bucket/versions/{version.name}",
        "sha256": version.sha256,
        "size_bytes": version.path.stat().st_size,
        "published_by": RUN,
        "versions_removed": 2,
    }
    assert world.bound.begun == ["published", "published_copy"]
    assert bucket.held[f"{FOLDER}/{version.name}"] == version.path.read_bytes()
    assert Pointer(**json.loads(bucket.held[POINTER])).version == f"{FOLDER}/{version.name}"
    assert strangers.items() <= bucket.held.items()
    assert world.said == []


def test_a_run_that_another_coordinator_has_overtaken_publishes_nothing(world: World, bucket: Bucket) -> None:
    bucket.held[POINTER] = STRANGER
    assert world.refused().startswith(f"Nothing was published. s3://nobody-s-bucket/{POINTER} is another coordinator's")
    assert world.outcome() == "refused"
    assert bucket.held == {POINTER: STRANGER}


def test_a_bucket_that_is_away_keeps_nobody_from_reading_and_the_copy_fails(world: World, bucket: Bucket) -> None:
    bucket.leave()
    assert world.step()[1] is None
    assert world.outcome() == "published"
    with pytest.raises(dg.Failure) as refused:
        world.copy()
    assert refused.value.description == (
        f"{world.home.store.database} is published, and was not copied. It is away. `cmdb publish-copy` copies it."
    )
    assert refused.value.metadata[EXIT_CODE].value == 2


def test_a_copy_that_another_coordinator_has_overtaken_leaves_its_pointer(world: World, bucket: Bucket) -> None:
    assert world.step()[1] is None
    bucket.held[POINTER] = STRANGER
    with pytest.raises(dg.Failure, match=r"and was not copied\. .* is another coordinator.s") as refused:
        world.copy()
    assert refused.value.metadata[EXIT_CODE].value == 1
    assert bucket.held == {POINTER: STRANGER}


def test_a_copy_without_anything_published_is_refused_in_a_sentence(world: World, bucket: Bucket) -> None:
    with pytest.raises(dg.Failure, match=r"^Nothing is published at "):
        world.copy()


def test_what_is_old_there_and_stays_is_a_warning(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.step()[1] is None
    monkeypatch.setattr(Bucket, "delete", lambda self, prefix: self.leave() or self.read(prefix))
    bucket.held |= dict.fromkeys(old_versions(world, KEEP), b"old")
    assert world.copy()["versions_removed"] == 0
    assert world.said == ["It is copied, but what is old could not be removed: It is away."]


def test_a_run_that_is_not_alone_any_more_publishes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(self: Bound) -> None:
        raise WarehouseError("Another coordinator has begun.")

    monkeypatch.setattr(Bound, "require_alone", overtaken)
    assert world.refused() == "Another coordinator has begun."
    assert world.outcome() == "refused"


# ------------------------------------------------------------------------------------------- what is refused


BEFORE = " The published file is as it was."


def test_without_a_pre_flight_or_with_one_that_is_too_old_nothing_is_published(world: World) -> None:
    world.bound.at += 26 * HOUR + HOUR
    assert "at most 26 h 0 min is allowed here" in world.refused()
    world.home.execute("delete from audit.check_result")
    assert world.refused().startswith("published was not built. No pre-flight is recorded. ")


@pytest.mark.parametrize("listing", ["organizations_account", "ec2_instance", "cost_daily"])
def test_every_listing_must_be_trusted(world: World, listing: str) -> None:
    world.home.execute(
        f"update audit.collection set is_trusted = false, outcome = 'empty_suspect' where listing = '{listing}'"
    )
    assert world.refused().startswith(f"published was not built. {listing}: empty_suspect in account ")


def test_what_the_central_roles_list_is_younger_than_a_day(world: World) -> None:
    land(world.home.store, cells(world.bound.at - 25 * HOUR))
    said = world.refused()
    first = next(name for name, listing in listings().items() if listing.roles != ("workload",))
    assert said == (
        f"Nothing was published. {first} was last requested 25 h 0 min ago; at most 24 h 0 min may be published. "
        f"Run `cmdb nightly`.{BEFORE}"
    )
    land(world.home.store, [cell for cell in cells(datetime.now(UTC) - HOUR) if cell.role != "workload"])
    assert world.step()[1] is None


def test_of_a_listing_that_several_roles_request_the_central_ones_response_counts(world: World) -> None:
    old = cells(world.bound.at - 25 * HOUR)
    land(world.home.store, [cell for cell in old if (cell.listing, cell.role) == ("ec2_instance", "operations")])
    assert "Nothing was published. ec2_instance was last requested 25 h 0 min ago" in world.refused()


@pytest.mark.parametrize(("records", "hours"), [(1, 7 * 24), (0, 14 * 24)])
def test_a_listing_that_some_nights_leave_out_is_no_older_than_those_nights(
    world: World, records: int, hours: int
) -> None:
    """A cell that is empty is due half as often."""
    name = "ec2_transit_gateway"

    def central(age: timedelta) -> list[Cell]:
        return [
            replace(cell, outcome="found" if records else "empty_verified", record_count=records)
            for cell in cells(world.bound.at - age)
            if (cell.listing, cell.role) == (name, "operations")
        ]

    land(world.home.store, central((hours - 1) * HOUR))
    assert world.step()[1] is None
    land(world.home.store, central((hours + 1) * HOUR))
    sentence = f"{name} was last requested {hours + 1} h 0 min ago; at most {hours} h 0 min"
    assert f"Nothing was published. {sentence}" in world.refused()


@pytest.mark.parametrize("name", ["one", "two"])
def test_every_table_was_built(world: World, name: str) -> None:
    world.home.execute(f"delete from audit.relation_build where relation = 'ref.{name}'")
    assert world.refused() == (f"Nothing was published. ref.{name} was never built. Materialise it first.{BEFORE}")


def test_every_table_was_built_after_what_it_reads(world: World) -> None:
    build(world.home.store, world.models["ref.one"])
    assert "ref.two was built before ref.one was last renewed" in world.refused()
    build(world.home.store, world.models["ref.two"])
    assert world.step()[1] is None


def test_every_table_was_built_after_what_it_reads_through_views(world: World) -> None:
    """A view is not built again with its tables, so its own time says nothing of them."""
    shown, two = world.models["ref.shown"], world.models["ref.two"]
    world.models = world.models | {
        "ref.seen": replace(shown, name="seen", uses=frozenset({"ref.shown"})),
        "ref.two": replace(two, uses=frozenset({"ref.seen"})),
    }
    assert world.step()[1] is None
    build(world.home.store, world.models["ref.one"])
    assert "ref.two was built before ref.one was last renewed" in world.refused()
    build(world.home.store, two)
    assert world.step()[1] is None


def test_every_table_was_built_after_its_listings_were_requested(world: World) -> None:
    world.models = world.models | {"ref.two": replace(world.models["ref.two"], listings=("ec2_instance",))}
    assert world.step()[1] is None
    land(world.home.store, [Given("ec2_instance", outcome="empty_verified").cell("run-2", datetime.now(UTC))])
    assert "ref.two was built before ec2_instance was last renewed" in world.refused()


def test_a_view_shows_what_is_and_a_log_is_written_with_its_table(world: World) -> None:
    world.home.execute("delete from audit.relation_build where relation = 'ref.shown'")
    one = world.models["ref.one"]
    log = replace(
        one,
        name="log",
        header=replace(one.header, entries={"materialized": "log", "logs": "ref.one"}),
        uses=frozenset(),
    )
    world.models = world.models | {
        "ref.log": log,
        "ref.one": replace(one, uses=frozenset({"ref.one", "audit.run"})),
    }
    assert world.step()[1] is None


def test_a_rule_that_blocks_keeps_the_file_from_analysts(world: World) -> None:
    world.home.execute("delete from ref.one")
    said = world.refused()
    assert said.startswith("Nothing was published. published: there_is_one. Broken by 1 row(s): There is a row.")
    assert said.endswith(BEFORE)
    assert world.outcome() == "refused"


def test_so_does_a_rule_about_a_table_and_that_its_key_is_unique(world: World) -> None:
    world.home.execute("insert into ref.two values (-1)")
    assert "ref.two: two_is_positive. Broken by 1 row(s)" in world.refused()
    world.home.execute("insert into ref.one values (1)")
    assert "ref.one: key_is_unique. Broken by 1 row(s)" in world.refused()
    assert world.outcome() == "refused"


def test_what_cannot_be_written_is_a_sentence_and_the_run_did_not_publish(world: World) -> None:
    world.home.store.database.write_text("a file of somebody's", encoding="utf-8")
    shown, failure = world.step()
    assert shown == []
    assert failure is not None
    assert "is a file of its own, not the symlink" in (failure.description or "")
    assert failure.metadata["exit_code"].value == 2
    assert world.outcome() == "refused"
    world.home.store.database.unlink()


def test_what_was_swapped_in_is_published_where_the_working_file_cannot_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def fails_after_the_copy(connection: duckdb.DuckDBPyConnection, run_id: str, outcome: str) -> None:
        told.append(outcome)
        if len(told) == 2:
            raise WarehouseError("The disk is full.")
        settle_run(connection, run_id, outcome)

    monkeypatch.setattr(publish, "settle_run", fails_after_the_copy)
    assert world.step()[1] is None
    assert told == ["published", "published"]
    assert world.outcome() == "publishing"
    with world.home.store.published() as connection:
        assert connection.execute("select outcome from audit.run").fetchall() == [("published",)]


def test_a_refusal_after_an_earlier_version_leaves_that_one(world: World) -> None:
    assert world.step()[1] is None
    world.home.execute("delete from ref.one", "update audit.run set run_id = 'run-2'")
    world.home.store.release(RUN)
    world.bound.run_id = "run-2"
    with world.home.store.holding("run-2", "a test"):
        assert "there_is_one" in world.refused()
        assert world.outcome() == "refused"
    world.home.store.hold(RUN, "a test")
    with world.home.store.published() as connection:
        assert connection.execute("from ref.one").fetchall() == [(1,)]


def test_what_nobody_can_believe_has_no_picture(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "coverage", lambda connection: None)
    ((result,), _) = world.step()
    assert "what_can_be_trusted" not in result.metadata


# ----------------------------------------------------------------------------------------- what is forgotten


@pytest.mark.parametrize(
    "error",
    [
        WarehouseError("It is open."),
        OSError("It is full."),
        duckdb.Error("It broke."),
        SQLAlchemyError("It is locked."),
    ],
)
def test_what_is_published_stays_so_where_what_is_old_cannot_be_removed(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(store: Store) -> dict[str, int]:
        raise error

    monkeypatch.setattr(retention, "prune", fails)
    ((result,), failure) = world.step()
    assert failure is None
    assert world.said == [f"It is published, but what is old could not be removed: {error}"]
    assert result.metadata.keys().isdisjoint({"landings_removed", "cells_removed", "runs_removed"})


def test_dagsters_records_of_runs_that_ended_a_month_ago_are_removed() -> None:
    instance: Any = Instance()
    before = datetime(2026, 10, 25, tzinfo=UTC)
    assert publish.prune_runs(instance, before) == 2
    assert instance.removed == ["old", "older"]
    (wanted,) = instance.asked
    assert (wanted["limit"], wanted["ascending"]) == (300, True)
    assert set(wanted["filters"].statuses) == {
        dg.DagsterRunStatus.SUCCESS,
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    }
    assert wanted["filters"].updated_before == before


def test_a_month_is_counted_from_now(world: World) -> None:
    world.step()
    (wanted,) = world.instance.asked
    assert wanted["filters"].updated_before == world.bound.at - 30 * DAY


def test_how_much_is_kept() -> None:
    assert (retention.LANDINGS_KEPT, retention.RUNS_KEPT, retention.ZERO_RUNS_KEPT) == (3, 30, 7)


@pytest.fixture(scope="session")
def audit() -> InMemory:
    store = InMemory(Path("in memory"))
    migrate(store.connection)
    return store


START = datetime(2026, 11, 1, 3, tzinfo=UTC)


@dataclass
class Nights:
    """Nights that were, the third of which is the newest; two are kept, and the zeros of one."""

    store: InMemory

    def cell(self, night: int, listing: str = "ec2_instance", outcome: str = "found", **other: Any) -> None:
        given = Given(listing, outcome=outcome)  # type: ignore[arg-type]  # of the cases below
        made = given.cell(f"night-{night}", START + night * DAY)
        accepted = other.pop("accepted", False)
        made = replace(made, raw_response='{"a": 1}', **other)
        line = cell_line(made)
        names = ", ".join(line)
        self.store.connection.execute(
            f"insert into audit.collection ({names}) values ({', '.join('?' for _ in line)})", list(line.values())
        )
        if accepted:
            self.store.connection.execute(
                "update audit.collection set accepted_at = ended_at, accepted_by = 'kim' where run_id = ?",
                [made.run_id],
            )

    def run(self, name: str, at: datetime) -> None:
        record_run(self.store.connection, name, "test")
        self.store.connection.execute("update audit.run set started_at = ? where run_id = ?", [at, name])

    def rule(self, run: str, at: datetime) -> None:
        record_check(self.store.connection, run, "c", str(at), severity="WARN", passed=True, observed="")
        self.store.connection.execute(
            "update audit.check_result set checked_at = ? where scope = ? and run_id = ?", [at, str(at), run]
        )

    def plan(self, run: str, at: datetime) -> None:
        self.store.connection.execute(
            "insert into audit.step_plan (run_id, listing, planned_at, account_count, account_digest) "
            "values (?, 'ec2_instance', ?, 1, '')",
            [run, at],
        )

    def caller(self, night: int, profile: str, account: str | None, role: Any = "workload") -> None:
        record_callers(
            self.store.connection,
            f"night-{night}",
            [Caller(role, profile, START + night * DAY, account)],
            expectation=Expectation(),
            waiver=None,
            organization_id=None,
            config_hash="",
        )

    def prune(self) -> dict[str, int]:
        renew_coverage(self.store.connection)
        return retention.prune(self.store)

    def left(self, sql: str) -> list[Any]:
        return [row[0] if len(row) == 1 else row for row in self.store.connection.execute(sql).fetchall()]

    def runs(self, where: str = "true") -> list[int]:
        """The nights whose cells are left."""
        return [
            int(name.removeprefix("night-"))
            for name in self.left(f"select run_id from audit.collection where {where} order by run_id")
        ]


@pytest.fixture
def nights(audit: InMemory, monkeypatch: pytest.MonkeyPatch) -> Nights:
    for table in ("run", "collection", "check_result", "check_cell", "caller_identity", "step_plan"):
        audit.connection.execute(f"delete from audit.{table}")
    monkeypatch.setattr(retention, "RUNS_KEPT", 2)
    monkeypatch.setattr(retention, "ZERO_RUNS_KEPT", 1)
    return Nights(audit)


def test_runs_before_the_newest_are_forgotten(nights: Nights) -> None:
    for night in (1, 2, 3, 4):
        nights.cell(night)
    assert nights.prune() == {"landings_removed": 0, "cells_removed": 2}
    assert nights.runs() == [3, 4]
    assert nights.prune()["cells_removed"] == 0
    assert nights.runs("raw_response is not null") == [4]


def test_of_the_oldest_run_that_is_kept_every_response_is(nights: Nights) -> None:
    nights.cell(1)
    for night in (2, 3):
        nights.cell(night, outcome="denied")
    nights.cell(4)
    nights.prune()
    assert nights.runs() == [1, 3, 4]


def test_only_a_run_that_requested_something_pushes_a_run_out(nights: Nights) -> None:
    for night in (1, 2):
        nights.cell(night)
        nights.run(f"night-{night}", START + night * DAY)
    for number in range(4):
        nights.run(f"pre-flight-{number}", START + 3 * DAY)
    nights.prune()
    assert nights.runs() == [1, 2]
    assert nights.runs("raw_response is not null") == [2]


def test_a_run_is_as_new_as_its_last_response(nights: Nights) -> None:
    nights.cell(3, ended_at=START)
    for night in (1, 2, 3, 4):
        nights.cell(night, "ec2_volume")
    nights.prune()
    assert nights.runs("listing = 'ec2_volume'") == [3, 4]


def test_what_reports_how_a_cell_stands_stays_for_ever(nights: Nights) -> None:
    nights.cell(0)
    nights.cell(1)
    for night in (2, 3):
        nights.cell(night, outcome="empty_verified")
    nights.cell(4, outcome="empty_verified", record_count=None)
    nights.cell(5, outcome="empty_suspect")
    for night in (6, 7):
        nights.cell(night, outcome="denied")
    for night in (8, 9):
        nights.cell(night, "ec2_volume")
    assert nights.prune()["cells_removed"] == 2
    # What was found last, the two newest that were trusted and their last time, the last suspect, the newest.
    assert nights.runs("listing = 'ec2_instance'") == [1, 2, 3, 4, 5, 7]


@pytest.mark.parametrize("name", ["role", "account_id", "region", "listing"])
def test_each_cell_has_a_newest_response_of_its_own(nights: Nights, name: str) -> None:
    nights.cell(1, **{"listing": "ec2_volume"} if name == "listing" else {name: "other"})
    for night in (2, 3, 4):
        nights.cell(night)
    nights.prune()
    assert nights.runs() == [1, 3, 4]


def test_what_somebody_accepted_stays_with_who_and_why(nights: Nights) -> None:
    nights.cell(1, outcome="empty_suspect", accepted=True)
    nights.cell(2, outcome="empty_suspect")
    for night in (3, 4, 5, 6):
        nights.cell(night)
    nights.prune()
    assert nights.runs() == [1, 2, 5, 6]


def test_results_are_kept_from_the_beginning_of_the_oldest_run_that_is_kept(nights: Nights) -> None:
    for night in (1, 2, 3):
        nights.cell(night)
        nights.run(f"night-{night}", START + night * DAY - HOUR)
        # Its pre-flight, its first rule, its last.
        for hours in (-1, 0, 1):
            nights.rule(f"night-{night}", START + night * DAY + hours * HOUR)
    nights.rule("between", START + 2 * DAY - 2 * HOUR)
    nights.prune()
    assert nights.left("select run_id, count(*) from audit.check_result group by run_id order by run_id") == [
        ("night-2", 3),
        ("night-3", 3),
    ]


def test_plans_are_kept_from_the_beginning_of_the_oldest_run_that_is_kept(nights: Nights) -> None:
    for night in (1, 2, 3):
        nights.cell(night)
        nights.run(f"night-{night}", START + night * DAY)
        nights.plan(f"night-{night}", START + night * DAY)
    nights.plan("between", START + 2 * DAY - HOUR)
    nights.prune()
    assert nights.left("select run_id from audit.step_plan order by run_id") == ["night-2", "night-3"]


def test_cells_behind_a_result_go_with_it(nights: Nights) -> None:
    for night in (1, 2, 3):
        nights.cell(night)
        nights.run(f"night-{night}", START + night * DAY)
        nights.rule(f"night-{night}", START + night * DAY)
    kept = ("night-3", "c", str(START + 3 * DAY))
    others = [("night-1", "c", str(START + DAY)), ("night-9", *kept[1:]), (kept[0], "d", kept[2]), (*kept[:2], "other")]
    for key in (kept, *others):
        nights.store.connection.execute(
            "insert into audit.check_cell values (?, ?, ?, 'workload', '1', 'r', 'ec2_instance')", list(key)
        )
    nights.prune()
    assert nights.left("select run_id, check_name, scope from audit.check_cell") == [kept]


def test_identities_of_old_runs_go_but_not_the_last_that_reached_an_account(nights: Nights) -> None:
    for night in (1, 2, 3, 4):
        nights.cell(night)
        nights.caller(night, "steady", "1")
        nights.caller(night, "lost", "2" if night == 1 else None)
        nights.caller(night, "never", None)
    nights.caller(1, "gone", "3")
    nights.caller(1, "gone", "4", "billing")
    nights.caller(2, "gone", "5")
    nights.prune()
    found = nights.left(
        "select profile, role, list(right(run_id, 1)::int order by run_id) from audit.caller_identity "
        "group by all order by all"
    )
    assert found == [
        ("gone", "billing", [1]),
        ("gone", "workload", [2]),
        ("lost", "workload", [1, 2, 3, 4]),
        ("never", "workload", [1, 2, 3, 4]),
        ("steady", "workload", [3, 4]),
    ]


def test_landings_are_kept_for_so_many_runs_and_where_the_next_run_reads_them_back(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        needed = sorted(read_back())[0]
        for number, name in enumerate((needed, "ec2_instance", needed, *["ec2_instance"] * 3), start=1):
            run = f"night-{number}"
            outcome: Any = "found" if number == 1 else "denied" if number == 3 else "found"
            account = "111122223333" if number == 3 else ""
            cell = Given(f"{name}:x", outcome=outcome, account_id=account).cell(run, START + number * DAY)
            with LandingWriter(home.store.landing, run, name) as writer:
                key = CellKey(cell.role, cell.account_id, cell.region, cell.listing)
                writer.append(key, [{"a": 1}])
                path = writer.commit([cell])
            with home.store.transaction() as connection:
                load_cells(connection, [path])
        assert retention.prune(home.store)["landings_removed"] == 2
        assert sorted(folder.name for folder in home.store.landing.iterdir()) == [
            "night-1",
            "night-4",
            "night-5",
            "night-6",
        ]
