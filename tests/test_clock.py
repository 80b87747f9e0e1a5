"""A clock that was set back between two runs: nobody works until it is right, since times tell the newest answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from resources.audit.runs import record_run, require_clock
from resources.store.errors import WarehouseError
from resources.store.store import Store
from resources.warehouse import Warehouse


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cmdb.duckdb")


def worked(store: Store, started_at: datetime, ended_at: datetime) -> None:
    """An earlier run that asked one question."""
    with store.holding("earlier", "test"), store.transaction() as connection:
        record_run(connection, "earlier", "test")
        connection.execute("update audit.run set started_at = ?", [started_at])
        connection.execute(
            """
            insert into audit.collection (
                run_id, role, account_id, region, listing, outcome, is_trusted, started_at, ended_at
            ) values ('earlier', 'workload', '000000000001', 'us-east-1', 'ec2_instance', 'found', true, ?, ?)
            """,
            [started_at, ended_at],
        )


def begun(store: Store) -> str:
    """What a run says that only begins."""

    @dg.asset
    def anything(warehouse: Warehouse) -> None:
        warehouse.begin("anything")

    done = dg.materialize(
        [anything], resources={"warehouse": Warehouse(database=str(store.database))}, raise_on_error=False
    )
    errors = [event.step_failure_data.error for event in done.get_step_failure_events()]
    return " ".join(str(error.cause.message) for error in errors if error is not None and error.cause is not None)


def test_a_run_begins_after_those_that_were_before_it(store: Store) -> None:
    now = datetime.now(UTC)
    worked(store, now - timedelta(hours=1), now - timedelta(minutes=59))
    assert begun(store) == ""


@pytest.mark.parametrize("started", [-1, 1])
def test_no_run_begins_before_one_that_was_before_it(store: Store, started: int) -> None:
    now = datetime.now(UTC)
    worked(store, now + timedelta(hours=started), now + timedelta(hours=2))
    said = begun(store)
    assert "run earlier worked here at" in said
    assert f"{now + timedelta(hours=2):%Y-%m-%d %H:%M}" in said
    assert "Set the clock right" in said
    with store.read() as connection:
        assert connection.execute("select run_id from audit.run").fetchall() == [("earlier",)]
        with pytest.raises(WarehouseError, match="set back") as refused:
            require_clock(connection, "later")
        assert refused.value.exit_code == 2
        # Its own answers are no witness: a clock that is corrected by a second stops no night in its middle.
        require_clock(connection, "earlier")
