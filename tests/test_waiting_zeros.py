"""Which zeros wait for CloudTrail, what its decisions change, and which calls it never records. In memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from audit_rows import AT, CELL, HOUR, RUN, empty_audit, land, rows

from resources.audit import zeros
from resources.audit.cells import Cell
from resources.audit.coverage import EVERY_ACCOUNT, Accounts, coverage
from resources.audit.zeros import (
    PendingZero,
    pending_accounts,
    pending_zeros,
    record_trail_calls,
    settle_zeros,
    unrecorded_calls,
)

DAY = timedelta(days=1)
ENDED = CELL.ended_at
EVIDENCE = {"trail_region": "eu-west-1", "request_ids": ["r-1"]}
ZERO = replace(CELL, outcome="empty_unconfirmed", is_trusted=False, record_count=0, evidence=EVIDENCE)
SUSPECT = replace(ZERO, outcome="empty_suspect")

OTHER_KEYS = [
    pytest.param({"role": "operations"}, id="role"),
    pytest.param({"account_id": "012345678902"}, id="account"),
    pytest.param({"region": "us-east-1"}, id="region"),
    pytest.param({"listing": "ec2_vpc"}, id="listing"),
]
"""A cell of another key, by each part of it."""


@pytest.fixture
def audit() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_audit() as connection:
        yield connection


def waiting(audit: duckdb.DuckDBPyConnection, since: datetime = ENDED - 89 * DAY) -> list[str]:
    """The runs of the zeros that wait."""
    return [zero.run_id for zero in pending_zeros(audit, since, EVERY_ACCOUNT)]


# ---------------------------------------------------------------------------------------------------- what waits


def test_a_zero_that_waits_is_read_with_its_evidence(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    land(audit, tmp_path, ZERO)
    assert pending_zeros(audit, ENDED, EVERY_ACCOUNT) == [
        PendingZero(RUN, "workload", "012345678901", "eu-west-1", "ec2_instance", "empty_unconfirmed", ENDED, EVIDENCE)
    ]
    # It is looked up for up to 89 days, while CloudTrail has its event.
    assert waiting(audit, ENDED + timedelta(seconds=1)) == []


@pytest.mark.parametrize(
    ("cell", "waits"),
    [
        pytest.param(SUSPECT, False, id="suspect"),
        pytest.param(replace(SUSPECT, evidence=EVIDENCE | {"confirmed": False}), True, id="suspect by the bill alone"),
        pytest.param(replace(SUSPECT, evidence=EVIDENCE | {"confirmed": True}), False, id="but for the bill"),
        pytest.param(replace(ZERO, error_code="TrailDenied"), True, id="CloudTrail was refused"),
        pytest.param(replace(ZERO, error_code="NoRequestId"), False, id="no request id to look for"),
        pytest.param(replace(ZERO, evidence={"request_ids": []}), False, id="no trail is known"),
        pytest.param(replace(ZERO, outcome="empty_verified", is_trusted=True), False, id="verified"),
        pytest.param(replace(ZERO, outcome="denied", evidence=EVIDENCE | {"confirmed": False}), False, id="no zero"),
    ],
)
def test_only_what_cloudtrail_may_still_decide_waits(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, cell: Cell, waits: bool
) -> None:
    land(audit, tmp_path, cell)
    assert waiting(audit) == [RUN] * waits


@pytest.mark.parametrize(("hours", "waits"), [(-1, True), (0, False), (1, False)])
def test_a_zero_that_is_no_newer_than_the_last_trusted_response_decides_nothing(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, hours: int, waits: bool
) -> None:
    land(audit, tmp_path, ZERO, replace(CELL, run_id="run-2", ended_at=ENDED + hours * HOUR))
    assert waiting(audit) == [RUN] * waits


@pytest.mark.parametrize("other", OTHER_KEYS)
def test_a_trusted_response_of_another_key_leaves_a_zero_waiting(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, other: dict[str, Any]
) -> None:
    land(audit, tmp_path, ZERO, replace(CELL, **other, ended_at=ENDED + HOUR))
    assert waiting(audit) == [RUN]


@pytest.mark.parametrize("other", OTHER_KEYS)
def test_the_two_newest_zeros_of_each_key_are_looked_up(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, other: dict[str, Any]
) -> None:
    nights = [replace(ZERO, run_id=f"run-{night}", ended_at=ENDED + night * DAY) for night in range(3)]
    land(audit, tmp_path, *nights, *(replace(cell, **other) for cell in nights))
    assert waiting(audit) == ["run-1", "run-1", "run-2", "run-2"]


@pytest.mark.parametrize("at_once", [1, 2, 3, 50])
def test_the_zeros_of_a_range_of_accounts_are_read_and_those_of_all_counted(
    at_once: int, audit: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = [replace(ZERO, account_id=account) for account in ("1", "3", "2")]
    older = replace(of[2], run_id="run-0", ended_at=ENDED - 9 * DAY)
    land(audit, tmp_path, *of, replace(of[1], region="us-east-1"), older)
    assert [zero.account_id for zero in pending_zeros(audit, ENDED - 9 * DAY, Accounts("2", "3"))] == ["2", "2"]
    monkeypatch.setattr(zeros, "COUNTED_AT_ONCE", at_once)
    assert list(pending_accounts(audit, ENDED - 9 * DAY).items()) == [("1", 1), ("2", 2), ("3", 2)]
    assert pending_accounts(audit, ENDED) == {"1": 1, "2": 1, "3": 2}


# --------------------------------------------------------------------------------------------- what is decided


DECIDED = {
    "outcome": "empty_verified",
    "is_trusted": True,
    "error_code": None,
    "error_message": None,
    "evidence": '{"cloudtrail": {"recorded": 1}}',
    "confirmed_at": ENDED + HOUR,
}
COLUMNS = f"run_id, role, account_id, region, listing, {', '.join(DECIDED)}"


def settle(
    audit: duckdb.DuckDBPyConnection, folder: Path, *cells: Cell, names: Sequence[str] = (), **decided: Any
) -> None:
    """CloudTrail's decision on cells, from a file as a look-up writes it; stored of some listings, or of all."""
    lines = [
        {name: getattr(cell, name) for name in ("run_id", "role", "account_id", "region", "listing")}
        | DECIDED
        | decided
        for cell in cells
    ]
    path = folder / "settled.ndjson"
    path.write_text("".join(json.dumps(line, default=str) + "\n" for line in lines), encoding="utf-8")
    settle_zeros(audit, path, names or sorted({cell.listing.partition(":")[0] for cell in cells}))


@pytest.mark.parametrize("other", [*OTHER_KEYS, pytest.param({"run_id": "run-0", "ended_at": ENDED - DAY}, id="run")])
def test_a_decision_is_written_to_its_own_cell_and_no_other(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, other: dict[str, Any]
) -> None:
    cell = replace(ZERO, error_code="TrailDenied", error_message="No.")
    land(audit, tmp_path, cell, replace(cell, **other))
    before = rows(audit, f"select {COLUMNS} from audit.collection where not ({where(cell)})")
    settle(audit, tmp_path, cell)
    assert rows(audit, f"select {', '.join(DECIDED)} from audit.collection where {where(cell)}") == [DECIDED]
    assert rows(audit, f"select {COLUMNS} from audit.collection where not ({where(cell)})") == before


def test_only_the_decisions_on_the_listings_that_are_named_are_written(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    other = replace(ZERO, listing="ec2_vpc:of-a-parameter")
    land(audit, tmp_path, ZERO, other)
    settle(audit, tmp_path, ZERO, other, names=["ec2_vpc"])
    decided = f"select outcome from audit.collection where {where(ZERO)}"
    assert rows(audit, decided) == [{"outcome": ZERO.outcome}]
    assert rows(audit, decided.replace(where(ZERO), where(other))) == [{"outcome": DECIDED["outcome"]}]


def where(cell: Cell) -> str:
    return " and ".join(
        f"{name} = '{getattr(cell, name)}'" for name in ("run_id", "role", "account_id", "region", "listing")
    )


def test_decisions_are_written_in_the_order_of_the_cells(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """In another order DuckDB takes a hundred times as long where most cells of a table are decided on."""
    land(audit, tmp_path, *(replace(ZERO, account_id=f"{n:012}") for n in range(20)))
    decisions = [
        {"run_id": RUN, "role": "workload", "account_id": f"{n:012}", "region": "eu-west-1", "listing": "ec2_instance"}
        | {name: str(value) for name, value in DECIDED.items() if value is not None}
        for n in reversed(range(20))
    ]
    path = tmp_path / "decided.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in decisions), encoding="utf-8")
    settle_zeros(audit, path, ["ec2_instance"])
    assert audit.execute("select account_id from affected_key").fetchall() == [(f"{n:012}",) for n in range(20)]
    assert audit.execute("select distinct outcome from audit.collection").fetchall() == [("empty_verified",)]


def test_a_decision_counts_in_the_coverage_at_once(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    another = replace(ZERO, region="us-east-1")
    land(audit, tmp_path, ZERO, another)
    settle(audit, tmp_path, ZERO)
    settle(audit, tmp_path, another, outcome="empty_suspect", is_trusted=False, error_message="Refused.")
    found = {cell.region: cell for cell in coverage(audit, ["ec2_instance"])}
    assert [(cell.outcome, cell.is_trusted) for cell in found.values()] == [
        ("empty_verified", True),
        ("empty_suspect", False),
    ]
    assert found["us-east-1"].error_message == "Refused."
    assert waiting(audit) == []


# ------------------------------------------------------------------------------- what CloudTrail never records

ONE, TWO = "ec2:DescribeVpcs", "ec2:DescribeVolumes"


def look_up(
    audit: duckdb.DuckDBPyConnection, days: float, *missed: str, recorded: tuple[str, ...] = (), **more: Any
) -> list[str]:
    return record_trail_calls(audit, recorded, missed, now=AT + days * DAY, **more)


def test_a_call_that_is_missed_everywhere_for_a_day_counts_as_never_recorded_from_then_on(
    audit: duckdb.DuckDBPyConnection,
) -> None:
    assert look_up(audit, 0, TWO, ONE) == []
    assert look_up(audit, 0.999, TWO, ONE) == []
    assert unrecorded_calls(audit) == frozenset()
    assert look_up(audit, 1, TWO, ONE) == [TWO, ONE]
    assert unrecorded_calls(audit) == {ONE, TWO}
    # It is said once.
    assert look_up(audit, 2, TWO, ONE) == []
    assert rows(audit, f"select * from audit.trail_call where call = '{ONE}'") == [
        {"call": ONE, "recorded_at": None, "missed_since": AT, "unrecorded_since": AT + DAY}
    ]


def test_a_call_that_is_not_missed_now_is_not_taken_for_one_that_is_never_recorded(
    audit: duckdb.DuckDBPyConnection,
) -> None:
    look_up(audit, 0, ONE)
    assert look_up(audit, 5, TWO) == []
    assert unrecorded_calls(audit) == frozenset()


def test_how_long_a_call_has_to_be_missed_may_be_named(audit: duckdb.DuckDBPyConnection) -> None:
    look_up(audit, 0, ONE)
    assert look_up(audit, 1, ONE, patience=2 * DAY) == []
    assert look_up(audit, 2, ONE, patience=2 * DAY) == [ONE]


@pytest.mark.parametrize("recorded_on", [-1, 0, 2])
def test_a_call_that_cloudtrail_recorded_once_is_recorded(audit: duckdb.DuckDBPyConnection, recorded_on: int) -> None:
    for day in (-1, 0, 1, 2, 3):
        look_up(audit, day, *([ONE] if day >= 0 else []), recorded=(ONE,) if day == recorded_on else ())
    assert unrecorded_calls(audit) == frozenset()
    assert rows(audit, "select * from audit.trail_call") == [
        {"call": ONE, "recorded_at": AT + recorded_on * DAY, "missed_since": AT, "unrecorded_since": None}
    ]


def test_a_call_keeps_the_last_time_that_it_was_recorded(audit: duckdb.DuckDBPyConnection) -> None:
    look_up(audit, 0, recorded=(ONE,))
    look_up(audit, 1, recorded=(ONE,))
    look_up(audit, 2, recorded=(TWO,))
    assert rows(audit, "select call, recorded_at, missed_since from audit.trail_call order by recorded_at") == [
        {"call": ONE, "recorded_at": AT + DAY, "missed_since": None},
        {"call": TWO, "recorded_at": AT + 2 * DAY, "missed_since": None},
    ]
