"""The history: every published night is answered as its file was, wherever recording was broken off."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from history_nights import Nights, differences
from nights import cmdb_here, program

from resources.store.errors import WarehouseError
from resources.store.history import merging, recording
from resources.store.history.choosing import NoSuchPublication, chosen
from resources.store.history.manifest import Publication
from resources.store.process import HISTORY_POINTS, PROCESS, hook_at
from resources.store.store import Store


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Five published nights with a column, a table and a view more from the fourth on. Never change them."""
    made = Nights(tmp_path_factory.mktemp("five"))
    for number in range(1, 6):
        if number == 4:
            alter(made)
        made.publish(number)
    return made


def alter(nights: Nights) -> None:
    """What a newer version of the product changes: a column more, another type, a table more and one less, a view."""
    with nights.store.holding("alter", "nightly"), nights.store.transaction() as connection:
        connection.execute("alter table aws.item add column owner varchar")
        connection.execute("create table ref.more as select 1 as a, 'run-x' as run_id")
        connection.execute("drop table ref.nothing")
        connection.execute("create or replace view cost.above as select *, 1 as one from cost.by_account")
        connection.execute("create or replace table ref.fixed as select a::bigint as a, b from ref.fixed")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Segments are merged by two, and what is forgotten goes by two."""
    monkeypatch.setattr(merging, "MERGED_AT_ONCE", 2)
    monkeypatch.setattr(merging, "FORGOTTEN_AT_ONCE", 2)
    yield


# ------------------------------------------------------------------------------------------------------- the rows


def test_every_night_is_answered_as_its_file_was(five: Nights) -> None:
    assert len(five.store.history.publications()) == 5
    five.require_equal()


def test_recording_takes_memory_for_no_more_than_a_part_of_a_table(tmp_path: Path) -> None:
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    with store.holding("run-1", "a test"):
        with store.transaction() as connection:
            # 640 MB of text, of which no two rows are alike.
            wide = "concat_ws('', " + ", ".join(f"md5((range * 20 + {part})::varchar)" for part in range(20)) + ")"
            connection.execute(f"create table wide as select range as id, {wide} as text from range(1_000_000)")
        store.publish("run-1", lambda connection: None)
    done = subprocess.run(**program("memory_of_recording", tmp_path / "house"), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < 450
    (publication,) = store.history.publications()
    with store.history.opened(publication) as as_of:
        query = "select count(*), count(distinct text) from wide"
        as_of.prepare(query)
        assert as_of.connection.execute(query).fetchall() == [(1_000_000, 1_000_000)]


def test_a_small_file_that_needs_more_memory_is_recorded_with_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LEAST_MEMORY", 24 << 20)
    limits: list[int] = []
    record = recording.Recorder._record_within

    def noted(recorder: Any, memory: int, *rest: Any) -> Any:
        limits.append(memory >> 20)
        return record(recorder, memory, *rest)

    monkeypatch.setattr(recording.Recorder, "_record_within", noted)
    store = Store(tmp_path / "house" / "aws_org.duckdb")
    with store.holding("run-1", "a test"):
        with store.transaction() as connection:
            # A list of 24 MB, which cannot be spilled; in the file it is small.
            connection.execute("create table long as select list(0 * range) as one from range(3_000_000)")
        store.publish("run-1", lambda connection: None)
        (publication,) = store.history.catch_up(400)
    assert limits == [24, recording.RECORDING_MEMORY >> 20]
    with store.history.opened(publication) as as_of:
        query = "select len(one) from long"
        as_of.prepare(query)
        assert as_of.connection.execute(query).fetchall() == [(3_000_000,)]


def test_the_comparison_notices_a_row_a_type_and_a_table(five: Nights, tmp_path: Path) -> None:
    run, copy = five.copies[0]
    for statement, named in (
        ("update aws.item set wide = wide - 1 where id = (select min(id) from aws.item)", ["aws.item"]),
        ("insert into audit.log select 'same', null", ["audit.log"]),
        ("create or replace table ref.fixed as select a, b || '' as b from ref.fixed order by a desc", []),
        ("alter table audit.log alter seen_at type timestamptz", ["audit.log"]),
        ("create table ref.other (a int)", ["ref.other is missing"]),
    ):
        changed = tmp_path / "changed.duckdb"
        changed.write_bytes(copy.read_bytes())
        with duckdb.connect(str(changed)) as connection:
            connection.execute(statement)
        assert five.differences(run, changed) == named


def test_merged_segments_say_the_same_and_are_few(nights: Nights, few: None) -> None:
    for number in range(1, 8):
        if number == 4:
            alter(nights)
        nights.publish(number)
    spans = [(segment.first, segment.last) for segment in nights.store.history._folder.read().segments]
    assert spans == [(1, 4), (5, 6), (7, 7)]
    nights.require_equal()


def test_forgotten_nights_are_gone_and_the_others_as_they_were(nights: Nights, few: None) -> None:
    for number in range(1, 7):
        if number == 3:
            alter(nights)
        nights.publish(number, records=False)
        nights.record(most=2)
    kept = [publication.run_id for publication in nights.store.history.publications()]
    assert kept == ["run-0005", "run-0006"]
    nights.require_equal()
    with pytest.raises(NoSuchPublication, match=r"begins with run run-0005, published 2026-03-05"):
        nights.store.history.find("2026-03-04")
    oldest = min(
        row[0]
        for path in nights.store.history._folder.folder.glob("*/*.rows.parquet")
        for row in duckdb.sql(f"select coalesce(max(_to), 99) from '{path}' where _to is not null").fetchall()
    )
    assert oldest > 3


def test_a_stamp_that_changes_in_every_row_costs_little(nights: Nights) -> None:
    nights.publish(1)
    nights.publish(2)
    segments = sorted(nights.store.history._folder.folder.glob("0*"))
    with duckdb.connect() as connection:
        rows = {
            path.stem: connection.sql(f"select count(*) from '{path}'").fetchall()[0][0]
            for path in segments[1].glob("*.parquet")
        }
    (item,) = [layout.number for layout in nights.store.history._folder.read().layouts if layout.name == "aws.item"]
    assert rows[f"{item}.rows"] <= 3
    # One for each cell, however many rows it has.
    assert rows[f"{item}.stamps"] <= 4


# ------------------------------------------------------------------------------------------------------- whole or not


SEGMENTS_LEFT = {"history.merged": 2, "history.tidied": 2}
"""Folders after one more night, where the killed run had merged two."""


@pytest.mark.parametrize("point", HISTORY_POINTS)
def test_a_run_killed_while_it_records_loses_no_night(nights: Nights, point: str) -> None:
    nights.publish(1)
    nights.publish(2, records=False)
    started = program("killed_recording", nights.folder, point)
    child = subprocess.run(**started, capture_output=True, check=False)
    assert child.returncode == -9, f"{point} was not reached: {child.stderr}"
    assert not nights.differences("run-0001", nights.copies[0][1])
    nights.publish(3)
    assert [p.run_id for p in nights.store.history.publications()] == ["run-0001", "run-0002", "run-0003"]
    nights.require_equal()
    assert len(list(nights.store.history._folder.folder.iterdir())) == 1 + SEGMENTS_LEFT.get(point, 3)


@pytest.mark.parametrize("point", ["history.begun", "history.written"])
def test_a_full_disk_loses_no_night(nights: Nights, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    nights.publish(1)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(PROCESS, "fault_hook", hook_at(point, full))
        with pytest.raises(WarehouseError, match=r"disk of .* is full. What is published stays"):
            nights.publish(2)
    assert len(list(nights.store.history._folder.folder.glob("0*"))) == 1
    nights.publish(3)
    assert len(nights.store.history.publications()) == 3
    nights.require_equal()


def test_what_does_not_read_back_is_not_recorded(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    nights.publish(1)
    nights.publish(2, records=False)
    with monkeypatch.context() as patched:
        # A type that Parquet does not give back: 128 bits as a floating-point number.
        patched.setattr("resources.store.history.segments.stored", lambda column: f'"{column[0]}"')
        with nights.store.holding("x", "nightly"), nights.store.transaction() as connection:
            connection.execute("update aws.item set wide = wide - 1")
        nights.publish(3, records=False, changes=False)
        with pytest.raises(WarehouseError, match=r"aws.item does not read back"):
            nights.record(most=400)
    nights.record(most=400)
    assert len(nights.store.history.publications()) == 3
    nights.require_equal()


def test_a_night_after_a_clock_that_was_ahead_is_recorded(nights: Nights) -> None:
    nights.publish(1)
    nights.publish(400)
    nights.publish(2)
    assert [p.run_id for p in nights.store.history.publications()] == ["run-0001", "run-0400", "run-0002"]
    assert nights.store.history.find("2026-03-05").run_id == "run-0002"
    nights.require_equal()


def test_only_who_holds_the_warehouse_may_record(nights: Nights) -> None:
    nights.publish(1, records=False)
    with pytest.raises(WarehouseError, match="is not held by"):
        nights.store.history.catch_up(400)


def test_a_damaged_manifest_is_a_sentence(nights: Nights) -> None:
    nights.publish(1)
    file = nights.store.history._folder.folder / "manifest.json"
    whole = file.read_text()
    for text in ("{", "[]", '{"format": 1}'):
        file.write_text(text)
        with pytest.raises(WarehouseError, match=r"manifest.json is damaged .*begins a new history"):
            nights.store.history.publications()
    # Of another version it is whole: nobody is told to move it away.
    file.write_text(whole.replace('"format":1', '"format":99'))
    with pytest.raises(WarehouseError, match=r"another version of the product.*Use the version that wrote it"):
        nights.store.history.publications()


def test_what_is_listed_stays_when_the_disk_fails_just_after(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    nights.publish(1)

    def failing(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("resources.store.history.manifest.sync", failing)
        with pytest.raises((WarehouseError, OSError)):
            nights.publish(2)
    nights.require_equal()
    nights.publish(3)
    assert len(nights.store.history.publications()) == 3
    nights.require_equal()


def test_a_table_that_was_dropped_and_forgotten_leaves_its_number(nights: Nights) -> None:
    """Numbers name files: given twice, one table would be read with the rows of another."""

    def change(sql: str) -> None:
        with nights.store.holding("by-hand", "test"), nights.store.transaction() as connection:
            connection.execute(sql)

    nights.publish(1)
    change("create schema zzz; create table zzz.first (a integer); insert into zzz.first values (1)")
    nights.publish(2)
    change("drop table zzz.first")
    nights.publish(3)
    nights.publish(4, records=False)
    nights.record(most=1)
    change("create table zzz.second (b varchar); insert into zzz.second values ('one')")
    nights.publish(5)
    nights.require_equal()


def test_a_night_that_is_forgotten_while_somebody_asks_is_a_sentence(nights: Nights, tmp_path: Path) -> None:
    nights.publish(1)
    first = nights.store.history.find("run-0001")
    nights.publish(2, records=False)
    nights.record(most=1)
    with pytest.raises(NoSuchPublication, match="no longer has run run-0001"), nights.store.history.opened(first):
        pass
    with pytest.raises(NoSuchPublication, match="no longer has run run-0001"):
        nights.store.history.restore(first, tmp_path / "first.duckdb")


def damage(path: Path, left: int | None) -> None:
    if left is None:
        path.unlink()
    else:
        path.chmod(0o640)
        os.truncate(path, left)


@pytest.mark.parametrize("left", [None, 0, 100])
def test_a_file_that_is_missing_or_cut_is_a_sentence(nights: Nights, tmp_path: Path, left: int | None) -> None:
    nights.publish(1)
    found = nights.store.history.find("run-0001")
    for path in nights.store.history._folder.folder.glob("*/*.parquet"):
        damage(path, left)
    with (
        nights.store.history.opened(found) as as_of,
        pytest.raises(WarehouseError, match=r"so this night cannot.*from a backup"),
    ):
        as_of.prepare("select * from aws.item")
    with pytest.raises(WarehouseError, match=r"so this night cannot.*from a backup"):
        nights.store.history.restore(found, tmp_path / "first.duckdb")
    assert not (tmp_path / "first.duckdb").exists()


def test_no_night_is_written_into_the_folders_of_the_product(nights: Nights) -> None:
    nights.publish(1)
    found = nights.store.history.find("run-0001")
    for folder in (nights.store.history.paths.versions_folder, nights.store.history._folder.folder):
        with pytest.raises(WarehouseError, match="the product's own folder"):
            nights.store.history.restore(found, folder / "cmdb-x.duckdb")
        assert not (folder / "cmdb-x.duckdb").exists()


def test_a_time_that_is_shown_finds_the_run_that_it_is_shown_of(nights: Nights) -> None:
    for number in (1, 2, 3):
        nights.publish(number)
    for publication in nights.store.history.publications():
        shown = publication.as_data()["published_at"]
        minute = f"{publication.published_at:%Y-%m-%d %H:%M}"
        for text in (shown, shown.replace("T", " ").replace("Z", " UTC"), minute, f"{minute} UTC", minute[:10]):
            assert nights.store.history.find(text) == publication


def test_a_run_that_the_history_lacks_is_not_answered_by_the_one_before(nights: Nights) -> None:
    nights.publish(1)
    nights.publish(2, records=False)
    assert nights.store.history.find("2026-03-01").run_id == "run-0001"
    with pytest.raises(
        NoSuchPublication, match="Run run-0002, published 2026-03-02 14:30:00 UTC, is not in the history"
    ):
        nights.store.history.find("2026-03-02")
    assert nights.store.history.find("run-0001").run_id == "run-0001"
    # So many that the first of them is gone from the disk before it could be recorded.
    for number in (3, 4, 5):
        nights.publish(number, records=False)
    nights.publish(6)
    had = [publication.run_id for publication in nights.store.history.publications()]
    assert had == ["run-0001", "run-0004", "run-0005", "run-0006"]
    with pytest.raises(NoSuchPublication, match=r"Between run run-0001.* and run run-0004"):
        nights.store.history.find("2026-03-03")
    assert nights.store.history.find("2026-03-04").run_id == "run-0004"
    assert nights.store.history.find("2026-03-05").run_id == "run-0005"


def test_a_reader_keeps_its_night_while_the_next_is_recorded(nights: Nights, few: None) -> None:
    nights.publish(1)
    nights.publish(2)
    run, copy = nights.copies[1]
    with nights.store.history.opened(nights.store.history.find(run)) as as_of:
        nights.publish(3)
        as_of.prepare("show tables")
        assert differences(copy, as_of.connection) == []


def test_the_history_is_closed_to_others(five: Nights) -> None:
    modes = {
        ("folder" if path.is_dir() else path.suffix, path.stat().st_mode & 0o777)
        for path in five.store.history._folder.folder.rglob("*")
    }
    assert modes == {("folder", 0o750), (".json", 0o640), (".parquet", 0o440)}


# ------------------------------------------------------------------------------------------------------- which night

KNOWN = [
    Publication(7, "aaaaaaaa-1", datetime(2026, 3, 1, 14, 30, tzinfo=UTC), "a"),
    Publication(8, "bbbbbbbb-1", datetime(2026, 3, 3, 23, 59, 59, 999999, tzinfo=UTC), "b"),
    Publication(9, "bbbbbbbb-2", datetime(2026, 3, 4, 0, 0, tzinfo=UTC), "c"),
]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("2026-03-01", 7), ("2026-03-02", 7), ("2026-03-03", 8), (" 2026-03-04 ", 9), ("2030-01-01", 9),
        ("2026-03-01T14:30", 7), ("2026-03-03T23:59:58", 7), ("2026-03-03T23:59:59", 8), ("2026-03-04T13:00+13:00", 9),
        ("aaaaaaaa", 7), ("bbbbbbbb-2", 9),
    ],
)  # fmt: skip
def test_a_night_is_named_by_day_time_or_run(wanted: str, number: int) -> None:
    assert chosen(KNOWN, wanted).number == number


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("2026-02-28", "begins with run aaaaaaaa-1, published 2026-03-01 14:30:00 UTC"),
        ("2026-03-01T14:29", "begins with run aaaaaaaa-1"),
        ("2026-02-30", "is no day and no time"),
        ("9999-12-31", "is no day and no time"),
        ("2026-03-01T25:00", "is no day and no time"),
        ("20260303", "The history has no run 20260303"),
        ("cccccccc", "The oldest is run aaaaaaaa-1"),
        ("aaaa", "The history has no run aaaa"),
        ("bbbbbbbb", "begins the ids of 2 runs"),
    ],
)
def test_what_was_not_published_is_a_sentence_that_names_the_nearest(wanted: str, words: str) -> None:
    with pytest.raises(NoSuchPublication, match=words) as raised:
        chosen(KNOWN, wanted)
    assert raised.value.exit_code == 2


def test_an_empty_history_says_when_it_begins() -> None:
    with pytest.raises(NoSuchPublication, match="begins with the next run that publishes"):
        chosen([], "2026-03-01")


# ------------------------------------------------------------------------------------------------------- the commands


@pytest.fixture(scope="module")
def environment(five: Nights) -> dict[str, str]:
    return {"CMDB_DATABASE": str(five.store.database)}


def test_sql_answers_as_of_a_night_and_says_which(environment: dict[str, str]) -> None:
    done = cmdb_here(
        environment, "sql", "select max(usage_date) as day from cost.daily", "--as-of", "2026-03-03", "--json"
    )
    assert done.stderr == "As of run run-0003, published 2026-03-03 14:30:00 UTC.\n"
    assert done.stdout == '[\n  {\n    "day": "2026-03-03"\n  }\n]\n'
    before = cmdb_here(environment, "sql", "select owner from aws.item", "--as-of", "run-0003")
    assert before.returncode == 2
    assert 'column "owner" not found' in before.stderr
    assert cmdb_here(environment, "sql", "select owner from aws.item", "--as-of", "run-0004").returncode == 0
    listed = cmdb_here(environment, "sql", "show all tables", "--as-of", "run-0004", "--format", "csv").stdout
    assert "by_account" in listed
    missing = cmdb_here(environment, "sql", "select 1", "--as-of", "2026-02-01")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "begins with run run-0001" in missing.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to '{folder}/x.parquet'", "copy (select 1) to '{file}'", "export database '{folder}/x'",
        "attach '{folder}/x.duckdb'", "explain analyze copy (select 1) to '{folder}/x.csv'", "create table t (a int)",
        "set threads = 1", "pivot aws.item on state", "copy (pivot aws.item on state) to '{folder}/x.csv'",
        "from read_text('/etc/hostname')", "from '{outside}'", "from glob('/etc/*')", "load httpfs",
        "from read_text('http://127.0.0.1:9/')", "select 1; drop view aws.item",
    ],
)  # fmt: skip
def test_a_query_reads_nothing_else_and_changes_nothing(
    environment: dict[str, str], five: Nights, tmp_path: Path, statement: str
) -> None:
    folder = five.store.history._folder.folder
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")

    def seen() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}

    before = seen()
    query = statement.format(folder=folder, file=next(folder.glob("*/*.parquet")), outside=outside)
    done = cmdb_here(environment, "sql", query, "--as-of", "run-0005")
    assert (done.returncode, done.stdout) == (2, "")
    assert seen() == before


def test_history_lists_what_can_be_asked(environment: dict[str, str], tmp_path: Path) -> None:
    lines = cmdb_here(environment, "history").stdout.splitlines()
    assert lines[0] == "2026-03-01 14:30:00 UTC  run-0001"
    assert len(lines) == 5
    none = cmdb_here({"CMDB_DATABASE": str(tmp_path / "none.duckdb")}, "history")
    assert none.returncode == 1
    assert none.stderr.startswith("The history is empty")


def test_a_night_becomes_a_file_of_its_own(environment: dict[str, str], five: Nights, tmp_path: Path) -> None:
    run, copy = five.copies[2]
    target = tmp_path / "night.duckdb"
    done = cmdb_here(environment, "export", "duckdb", str(target), "--as-of", "2026-03-03")
    assert done.returncode == 0, done.stderr
    assert "as of run run-0003" in done.stdout
    described = """
        select table_name, comment from duckdb_tables()
        union all select view_name, comment from duckdb_views() where not internal
        union all select column_name, comment from duckdb_columns() where not internal
        order by all
    """
    with duckdb.connect(str(target), read_only=True) as connection, duckdb.connect(str(copy), read_only=True) as file:
        connection.execute("set TimeZone = 'UTC'")
        assert differences(copy, connection) == []
        assert connection.execute(described).fetchall() == file.execute(described).fetchall()
    again = cmdb_here(environment, "export", "duckdb", str(target), "--as-of", run)
    assert (again.returncode, again.stdout) == (2, "")
    assert "is not overwritten" in again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["night.duckdb"]
