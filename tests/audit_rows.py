"""The audit schema in memory, and one cell of a run to vary."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from given import migrate

from resources.audit.cells import Cell, cell_line, load_cells

RUN = "run-1"
AT = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
CELL = Cell(
    run_id=RUN,
    role="workload",
    account_id="012345678901",
    region="eu-west-1",
    listing="ec2_instance",
    outcome="found",
    is_trusted=True,
    empty_policy="witnessed",
    started_at=AT,
    ended_at=AT + HOUR,
    record_count=7,
)


@functools.cache
def _migrated() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set timezone = 'UTC'")
    migrate(connection)
    return connection


@contextmanager
def empty_audit() -> Iterator[duckdb.DuckDBPyConnection]:
    """The audit schema with nothing in it; what the block writes is rolled back."""
    connection = _migrated()
    connection.execute("begin")
    try:
        yield connection
    finally:
        connection.execute("rollback")


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def land(connection: duckdb.DuckDBPyConnection, folder: Path, *cells: Cell, **options: int) -> None:
    """Load cells from a file, as a collection lands them."""
    path = folder / "cells.ndjson"
    path.write_text("".join(json.dumps(cell_line(cell)) + "\n" for cell in cells), encoding="utf-8")
    load_cells(connection, [path], **options)
