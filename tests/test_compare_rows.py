"""What two nights publish, compared: what must differ does not count, and everything else does."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from programs import compare_rows

DAY = dt.datetime(2026, 11, 20, 1, tzinfo=dt.UTC)
RUN = "0b1f3a5e-0000-4000-8000-00000000000{}"


def made(
    folder: Path, number: int, rows: list[tuple[str, object]], *, columns: str = "name varchar, value varchar"
) -> Path:
    """A night's file of one table and one view, and its digests."""
    began = DAY + dt.timedelta(minutes=number)
    database = folder / "warehouse" / "rows.duckdb"
    database.parent.mkdir(parents=True)
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema audit; create schema cmdb")
        connection.execute("create table audit.run (run_id varchar, started_at timestamptz, request_count bigint)")
        connection.execute("insert into audit.run values (?, ?, ?)", [RUN.format(number), began, 100 + number])
        connection.execute(f"create table cmdb.resource ({columns})")
        for row in rows:
            connection.execute("insert into cmdb.resource values (?, ?)", list(row))
        connection.execute("create view cmdb.named as select name from cmdb.resource where name <> ''")
    relations = compare_rows.digests(database, [(began, began + dt.timedelta(minutes=1))])
    facts = {"day": "2026-11-20", "seed": 7, "relations": relations}
    (folder / "rows.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


ROWS: list[tuple[str, object]] = [("a", "1"), ("b", None), ("b", None)]


def test_another_order_another_run_and_another_time_are_the_same_rows(tmp_path: Path) -> None:
    def told(number: int) -> tuple[str, object]:
        at = (DAY + dt.timedelta(minutes=number, seconds=7)).isoformat()
        return (f"run {RUN.format(number)}", f'{{"at": "{at}", "x-amzn-requestid": "id{number}", "events": {number}}}')

    left = made(tmp_path / "left", 1, [*ROWS, told(1)])
    right = made(tmp_path / "right", 2, [told(2), *reversed(ROWS)])
    assert compare_rows.compare(left, right) == []


CHANGES: dict[str, Callable[[Path], Path]] = {
    "a value": lambda folder: made(folder, 2, [("a", "2"), ("b", None), ("b", None)]),
    "a row less": lambda folder: made(folder, 2, ROWS[:2]),
    "empty text for nothing": lambda folder: made(folder, 2, [("a", "1"), ("b", ""), ("b", None)]),
    "another type": lambda folder: made(folder, 2, ROWS, columns="name varchar, value bigint"),
    "a moment of another day": lambda folder: made(folder, 2, [("a", "2026-11-19T00:00:00+00:00"), *ROWS[1:]]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_else_differs_is_named(tmp_path: Path, change: str) -> None:
    left = made(tmp_path / "left", 1, ROWS)
    lines = compare_rows.compare(left, CHANGES[change](tmp_path / "right"))
    assert [line for line in lines if line.startswith("cmdb.resource: ")]


def test_a_relation_that_is_gone_is_named(tmp_path: Path) -> None:
    left, right = made(tmp_path / "left", 1, ROWS), made(tmp_path / "right", 2, ROWS)
    facts = json.loads((right / "rows.json").read_text(encoding="utf-8"))
    del facts["relations"]["cmdb.named"]
    (right / "rows.json").write_text(json.dumps(facts), encoding="utf-8")
    assert compare_rows.compare(left, right) == [f"cmdb.named: only in {left}"]


def test_runs_of_different_days_are_not_compared(tmp_path: Path) -> None:
    left, right = made(tmp_path / "left", 1, ROWS), made(tmp_path / "right", 2, ROWS)
    facts = json.loads((right / "rows.json").read_text(encoding="utf-8"))
    (right / "rows.json").write_text(json.dumps(facts | {"day": "2026-11-21"}), encoding="utf-8")
    with pytest.raises(compare_rows.CannotCompare, match="cannot be compared"):
        compare_rows.compare(left, right)
    with pytest.raises(compare_rows.CannotCompare, match=r"holds no rows\.json"):
        compare_rows.compare(left, tmp_path)
