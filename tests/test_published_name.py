"""The published file's name: two links that change as one, and a warehouse that was published under the former one."""

import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from test_publish import digest, fill, killed_at, night, served, strangers, verify, warehouse, whole

from pipelines.models.model import SCHEMAS
from pipelines.publishing.naming import CATALOG_CLASHES, name_warning
from pipelines.report.writing import report_path
from pipelines.settings import DEMO_DATABASE, Settings
from resources.store.errors import WarehouseError
from resources.store.paths import FORMER_NAME, PUBLISHED_NAME
from resources.store.process import CARRY_ON_POINTS, FAULT_POINTS, PROCESS
from resources.store.store import Store

SWAPPED = FAULT_POINTS.index("publish.swapped")
PUBLISHING = tuple(point for point in FAULT_POINTS if point.startswith("publish."))


store = pytest.fixture(warehouse)


def in_older_release(store: Store, work: Callable[[Store], object]) -> None:
    """Do what the older release does: it knows one name, which it swaps itself, and the same files beside it."""
    present, away = store.folder / PUBLISHED_NAME, store.folder.with_name("away")
    if present.is_symlink():
        present.rename(away)
    work(Store(store.folder / FORMER_NAME, store.migrations, store.patience))
    assert (store.folder / FORMER_NAME).readlink().parent == Path("versions")
    if away.is_symlink():
        away.rename(present)


def upgraded(store: Store) -> None:
    """Leave what the older release leaves: two published nights, and rows of a third that it refused."""
    in_older_release(store, lambda older: [night(older, run_id) for run_id in ("run-0", "run-1")])
    assert sorted(path.name for path in store.folder.iterdir()) == [
        ".lock",
        FORMER_NAME,
        "cmdb.work.duckdb",
        "landing",
        "versions",
    ]
    older = Store(store.folder / FORMER_NAME)
    with older.holding("refused", "nightly"), older.transaction() as connection:
        connection.execute("create table stage.unpublished as select 42 as answer")


def by_each_name(store: Store) -> list[str]:
    """What a reader finds who knows nothing of us: the run behind each name that is there."""
    found = []
    for name in (PUBLISHED_NAME, FORMER_NAME):
        path = store.folder / name
        if os.path.lexists(path):
            with duckdb.connect(str(path), read_only=True) as connection:
                found.append(whole(connection))
    return found


# --------------------------------------------------------------------------------------------------- both links


def test_the_default_name_is_the_one_that_the_links_are_made_for() -> None:
    assert Settings().database.name == DEMO_DATABASE.name == PUBLISHED_NAME


def test_the_name_of_the_published_file_is_no_schemas(store: Store) -> None:
    night(store, "run-1")
    with store.published() as connection:
        schemas = {name for (name,) in connection.execute("select schema_name from duckdb_schemas()").fetchall()}
    assert Path(PUBLISHED_NAME).stem not in schemas
    assert {*SCHEMAS, "information_schema"} == CATALOG_CLASHES <= schemas


def test_both_names_lead_to_the_same_version_after_publishing_and_rollback(store: Store) -> None:
    for run_id in ("run-1", "run-2"):
        night(store, run_id)
        assert by_each_name(store) == [run_id, run_id]
    assert store.rollback().run_id == "run-1"
    assert by_each_name(store) == ["run-1", "run-1"]
    assert store.rollback("run-2").run_id == "run-2"
    assert by_each_name(store) == ["run-2", "run-2"]
    moved = Store(store.folder.rename(store.folder.with_name("moved")) / PUBLISHED_NAME)
    assert by_each_name(moved) == ["run-2", "run-2"]


def test_at_no_point_of_publishing_or_rollback_the_names_lead_to_different_versions(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(store, "run-1")
    seen: list[tuple[str, str]] = []

    def look(point: str) -> None:
        one, other = ((store.folder / name).resolve().name for name in (PUBLISHED_NAME, FORMER_NAME))
        assert one == other, point
        seen.append((point, one))

    monkeypatch.setattr(PROCESS, "fault_hook", look)
    night(store, "run-2")
    store.rollback()
    assert ("publish.linked", "cmdb-run-1.duckdb") in seen
    assert ("publish.swapped", "cmdb-run-2.duckdb") in seen
    assert seen[-1] == ("publish.followed", "cmdb-run-1.duckdb")


def test_a_file_that_somebody_put_under_the_former_name_is_left_alone(store: Store) -> None:
    store.folder.mkdir()
    (store.folder / FORMER_NAME).write_bytes(b"somebody's own")
    night(store, "run-1")
    assert served(store) == "run-1"
    assert (store.folder / FORMER_NAME).read_bytes() == b"somebody's own"


def test_a_file_under_the_present_name_is_not_overwritten(store: Store) -> None:
    store.folder.mkdir()
    store.database.write_bytes(b"somebody's own")
    with pytest.raises(WarehouseError, match=r"aws_org\.duckdb is a file of its own"):
        night(store, "run-1")
    assert store.database.read_bytes() == b"somebody's own"
    assert not os.path.lexists(store.folder / FORMER_NAME)


# ------------------------------------------------------------------------------------------------------ upgrade


def test_before_its_first_run_the_new_release_reads_what_the_older_one_published(store: Store) -> None:
    upgraded(store)
    names = sorted(path.name for path in store.folder.iterdir())
    assert served(store) == "run-1"
    assert [(version.run_id, version.is_current) for version in store.versions()] == [("run-1", True), ("run-0", False)]
    with store.read() as connection:
        assert connection.execute("select answer from stage.unpublished").fetchall() == [(42,)]
    assert sorted(path.name for path in store.folder.iterdir()) == names


def test_the_new_release_goes_on_with_the_older_ones_warehouse(store: Store) -> None:
    upgraded(store)
    before = {path: digest(path) for path in store.versions_folder.iterdir()}
    night(store, "run-2")
    assert by_each_name(store) == ["run-2", "run-2"]
    assert [version.run_id for version in store.versions()] == ["run-2", "run-1", "run-0"]
    assert {path: digest(path) for path in before} == before
    with store.published() as connection:
        assert connection.execute("select answer from stage.unpublished").fetchall() == [(42,)]
    assert report_path(store.database).name == "cmdb.report.html"
    assert strangers(store) == []


def test_a_rollback_is_the_first_thing_that_the_new_release_may_do(store: Store) -> None:
    upgraded(store)
    assert store.rollback().run_id == "run-0"
    assert by_each_name(store) == ["run-0", "run-0"]


def test_a_lost_working_file_is_made_of_what_the_older_release_published(store: Store) -> None:
    upgraded(store)
    store.working.unlink()
    with store.holding("run-2", "nightly"), store.read() as connection:
        assert whole(connection) == "run-1"


@pytest.mark.parametrize("point", (*CARRY_ON_POINTS, *PUBLISHING))
def test_an_upgrade_killed_at_any_point_leaves_both_names_whole_and_loses_nothing(store: Store, point: str) -> None:
    upgraded(store)
    killed_at(store, point)
    published = point in PUBLISHING and FAULT_POINTS.index(point) >= SWAPPED
    run_id = "run-2" if published else "run-1"
    # The present name is there from the first swap on.
    assert by_each_name(store) == [run_id] * (1 if point == "carry_on.linked" else 2)
    assert served(store) == run_id
    assert [v.run_id for v in store.versions()] == ["run-2", "run-1", "run-0"][0 if published else 1 :]
    assert served(Store(store.folder / FORMER_NAME)) == run_id
    night(store, "run-3")
    assert by_each_name(store) == ["run-3", "run-3"]
    with store.published() as connection:
        assert connection.execute("select answer from stage.unpublished").fetchall() == [(42,)]
    assert [v.run_id for v in store.versions()] == ["run-3", *(["run-2"] if published else []), "run-1", "run-0"][:3]
    assert strangers(store) == []


@pytest.mark.parametrize("point", ["carry_on.swapped", "carry_on.followed"])
def test_after_an_upgrade_that_was_killed_the_older_release_can_go_on(store: Store, point: str) -> None:
    upgraded(store)
    killed_at(store, point)
    in_older_release(store, lambda older: older.rollback("run-0"))
    assert served(store) == "run-0"
    night(store, "run-3")
    assert by_each_name(store) == ["run-3", "run-3"]


def test_what_the_older_release_published_in_between_is_what_counts(store: Store) -> None:
    upgraded(store)
    night(store, "run-2")
    in_older_release(store, lambda older: [night(older, run_id) for run_id in ("run-3", "run-4", "run-5", "run-6")])
    # It knows nothing of the present name, and has removed the version that this leads to.
    assert not store.database.exists()
    assert served(store) == "run-6"
    with store.holding("look", "look"):
        assert by_each_name(store) == ["run-6", "run-6"]
    assert [version.run_id for version in store.versions()] == ["run-6", "run-5", "run-4"]


def test_a_version_that_the_older_release_swapped_in_before_it_was_killed_stays(store: Store) -> None:
    night(store, "run-1")
    present = store.database.readlink()
    killed_at(store, "publish.swapped")
    # As that release would have it: its own name swapped, the other not.
    (store.folder / FORMER_NAME).unlink()
    (store.folder / FORMER_NAME).symlink_to(store.database.readlink())
    store.database.unlink()
    store.database.symlink_to(present)
    assert list(store.versions_folder.glob(".*.pending"))
    assert served(store) == "run-2"
    with store.holding("look", "look"):
        assert by_each_name(store) == ["run-2", "run-2"]
    assert served(store) == "run-2"


def test_a_former_name_that_leads_nowhere_takes_no_version_away(store: Store) -> None:
    night(store, "run-1")
    (store.folder / FORMER_NAME).unlink()
    (store.folder / FORMER_NAME).symlink_to(Path("versions", "cmdb-gone.duckdb"))
    assert served(store) == "run-1"
    night(store, "run-2")
    assert by_each_name(store) == ["run-2", "run-2"]


# ------------------------------------------------------------------------------------------------ names of a user


def test_a_file_that_the_user_calls_by_the_former_name_keeps_it(store: Store) -> None:
    own = Store(store.folder / FORMER_NAME)
    night(own, "run-1")
    assert own.database.readlink() == Path("versions", "cmdb-run-1.duckdb")
    assert not os.path.lexists(store.database)


def test_once_both_names_are_there_the_former_one_in_the_environment_moves_both(store: Store) -> None:
    night(store, "run-1")
    own = Store(store.folder / FORMER_NAME)
    night(own, "run-2")
    assert by_each_name(store) == ["run-2", "run-2"]
    assert own.rollback().run_id == "run-1"
    assert by_each_name(store) == ["run-1", "run-1"]


def test_a_name_of_the_users_has_files_of_that_name_and_no_second_link(store: Store) -> None:
    own = Store(store.folder / "bill.duckdb")
    night(own, "run-1")
    assert sorted(path.name for path in store.folder.iterdir()) == [
        ".lock",
        "bill.duckdb",
        "bill.work.duckdb",
        "landing",
        "versions",
    ]
    assert report_path(own.database).name == "bill.report.html"


@pytest.mark.parametrize("name", [PUBLISHED_NAME, "bill.duckdb", "cmdb-prod.duckdb", "costs.duckdb"])
def test_a_name_that_is_no_schemas_gets_no_warning(name: str) -> None:
    assert name_warning(Path("/srv", name)) == ""


@pytest.mark.parametrize("name", ["cmdb.duckdb", "COST.duckdb", "org.v2.duckdb", "audit.duckdb"])
def test_a_name_that_is_a_schemas_gets_one_sentence_that_says_what_to_rename(name: str) -> None:
    said = name_warning(Path("/srv", name))
    assert said.startswith(f"/srv/{name} is called like its schema {name.split('.')[0].lower()}, ")
    named = {word.rstrip(".,") for word in said.split() if word.startswith("/srv/")} - {f"/srv/{name}"}
    (to,) = named
    assert name_warning(Path(to)) == ""


@pytest.mark.parametrize("name", ["cmdb.duckdb", "cost.duckdb"])
def test_doing_what_the_warning_says_loses_nothing(store: Store, name: str) -> None:
    own = Store(store.folder / name)
    night(own, "run-1")
    with own.holding("refused", "nightly"), own.transaction() as connection:
        connection.execute("create table stage.unpublished as select 42 as answer")
    renamed = Store(store.folder / ("cost_dataset.duckdb" if name == "cost.duckdb" else PUBLISHED_NAME))
    said = name_warning(own.database)
    assert f"set CMDB_DATABASE to {renamed.database}" in said
    if name == "cost.duckdb":
        assert "rename cost.work.duckdb to cost_dataset.work.duckdb, and" in said
        own.working.rename(renamed.working)
    with renamed.holding("run-2", "nightly"):
        fill(renamed, "run-2")
        renamed.publish("run-2", verify)
    assert served(renamed) == "run-2"
    with renamed.published() as connection:
        assert connection.execute("select answer from stage.unpublished").fetchall() == [(42,)]
