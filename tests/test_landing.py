"""The landing folder: verbatim, whole or not there, written by many threads, forgotten after a while."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipelines.collection.landing import CELLS, PLANNED, RECORDS, LandingWriter, prune, records_path
from resources.audit.cells import CELL_COLUMNS, Cell
from resources.aws.errors import Failed
from resources.aws.messages import CellKey

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
KEY = CellKey("workload", "000000000042", "eu-north-1", "ec2_instance")


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def cell(**other: Any) -> Cell:
    _, account_id, region, listing = KEY
    right = Cell(
        run_id="run-1",
        role="workload",
        account_id=account_id,
        region=region,
        listing=listing,
        outcome="found",
        is_trusted=True,
        empty_policy="witnessed",
        started_at=NOW,
        ended_at=NOW,
    )
    return replace(right, **other)


def test_records_land_verbatim_with_the_cell_that_they_came_in(tmp_path: Path) -> None:
    record = {
        "Id": "i-1",
        "Tags": [{"Key": "é\n\u2028\"'", "Value": "💶"}],
        "Amount": "0.1000000000",
        "N": None,
    }
    with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:
        writer.append(KEY, [record, {"Id": "i-2"}])
        writer.commit([])
    head = {
        "run_id": "run-1",
        "role": "workload",
        "account_id": "000000000042",
        "region": "eu-north-1",
        "listing": "ec2_instance",
        "parameter": "",
    }
    assert lines(records_path(tmp_path, "run-1", "ec2_instance")) == [
        {**head, "item": record},
        {**head, "item": {"Id": "i-2"}},
    ]


def test_a_listing_that_is_requested_with_a_parameter_carries_it_apart(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, "run-1", "cost_daily") as writer:
        writer.append(CellKey("billing", "1" * 12, "aws-global", "cost_daily:service:2026-10"), [{}])
        writer.commit([])
    (line,) = lines(records_path(tmp_path, "run-1", "cost_daily"))
    assert (line["listing"], line["parameter"]) == ("cost_daily:service:2026-10", "service:2026-10")


def test_cells_land_beside_the_records_with_their_evidence_as_text(tmp_path: Path) -> None:
    judged = cell(outcome="empty_verified", evidence={"request_id": "r-1"}, raw_response={"at": NOW})
    with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:
        path = writer.commit([judged])
    (line,) = lines(path)
    assert path == tmp_path / "run-1" / "ec2_instance" / CELLS
    assert set(line) == set(CELL_COLUMNS)
    assert line["ended_at"] == NOW.isoformat()
    assert orjson.loads(line["evidence"]) == {"request_id": "r-1"}
    assert records_path(tmp_path, "run-1", "ec2_instance").read_bytes() == b""


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}


def test_nothing_has_its_name_before_every_cell_is_judged(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:
        writer.append(KEY, [{"Id": "i-1"}])
        assert visible(tmp_path) == set()
        writer.commit([cell()])
    assert visible(tmp_path) == {RECORDS, CELLS, PLANNED}
    assert [path for path in tmp_path.rglob(".*") if path.is_file()] == []


def test_a_collection_that_breaks_off_leaves_no_file_that_anyone_would_read(tmp_path: Path) -> None:
    with (
        pytest.raises(ConnectionResetError),
        LandingWriter(tmp_path, "run-1", "ec2_instance") as writer,
    ):
        writer.append(KEY, [{"Id": "i-1"}])
        raise ConnectionResetError
    assert visible(tmp_path) == set()


def test_a_commit_that_fails_on_a_cell_leaves_the_files_of_the_earlier_collection(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:
        writer.append(KEY, [{"Id": "earlier"}])
        writer.commit([cell()])
    with (
        pytest.raises(ValueError, match="Circular"),
        LandingWriter(tmp_path, "run-1", "ec2_instance") as writer,
    ):
        writer.append(KEY, [{"Id": "later"}])
        endless: dict[str, Any] = {}
        endless["again"] = endless
        writer.commit([cell(evidence=endless)])
    (line,) = lines(records_path(tmp_path, "run-1", "ec2_instance"))
    assert line["item"] == {"Id": "earlier"}


def test_what_an_interrupted_collection_left_is_not_mixed_into_the_next(tmp_path: Path) -> None:
    for name in ("broken off", "whole"):
        with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:
            writer.append(KEY, [{"Id": name}])
            if name == "whole":
                writer.commit([])
    (line,) = lines(records_path(tmp_path, "run-1", "ec2_instance"))
    assert line["item"] == {"Id": "whole"}


def test_a_record_that_cannot_be_written_writes_none_of_its_cell(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:
        with pytest.raises(Failed, match="UnreadableAnswer"):
            writer.append(KEY, [{"Id": "i-1"}, {"Id": "\ud800"}])
        writer.commit([])
    assert lines(records_path(tmp_path, "run-1", "ec2_instance")) == []


def test_threads_never_tear_each_others_lines(tmp_path: Path) -> None:
    cells, records = 64, 50
    with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:

        def land(number: int) -> None:
            key = CellKey("workload", f"{number:012}", "eu-north-1", "ec2_instance")
            writer.append(key, ({"Id": f"{number}-{n}", "Filler": "x" * 500} for n in range(records)))

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(land, range(cells)))
        writer.commit([])
    landed = lines(records_path(tmp_path, "run-1", "ec2_instance"))
    assert {line["item"]["Id"] for line in landed} == {f"{c}-{n}" for c in range(cells) for n in range(records)}
    assert len(landed) == cells * records
    assert all(int(line["account_id"]) == int(line["item"]["Id"].partition("-")[0]) for line in landed)


def test_strangers_may_not_look_into_a_listings_folder(tmp_path: Path) -> None:
    with LandingWriter(tmp_path, "run-1", "ec2_instance") as writer:
        assert stat.S_IMODE(writer.folder.stat().st_mode) & stat.S_IRWXO == 0


# -------------------------------------------------------------------------------------------- forgetting


def runs(landing: Path, *names: str) -> None:
    """Landed runs, oldest first."""
    for age, name in enumerate(reversed(names)):
        with LandingWriter(landing, name, "ec2_instance") as writer:
            writer.commit([])
        os.utime(landing / name, (1_700_000_000 - age, 1_700_000_000 - age))


@pytest.mark.parametrize(
    ("keep", "always", "left"),
    [
        (3, (), {"c", "d", "e"}),
        (3, ("a",), {"a", "c", "d", "e"}),
        (3, ("e", "no such run"), {"c", "d", "e"}),
        (1, (), {"e"}),
        (9, (), {"a", "b", "c", "d", "e"}),
    ],
)
def test_the_newest_runs_are_kept_and_those_that_are_still_needed(
    tmp_path: Path, keep: int, always: tuple[str, ...], left: set[str]
) -> None:
    runs(tmp_path, "a", "b", "c", "d", "e")
    (tmp_path / ".empty.ndjson").touch()
    gone = prune(tmp_path, keep, always)
    assert {path.name for path in tmp_path.iterdir()} == left | {".empty.ndjson"}
    assert set(gone) == {"a", "b", "c", "d", "e"} - left


def test_where_nothing_has_landed_nothing_is_forgotten(tmp_path: Path) -> None:
    assert prune(tmp_path / "landing", 3) == []
