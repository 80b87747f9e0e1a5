"""The identities of a run's profiles by STS: the rows of `audit.caller_identity`."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from resources.audit.json_rows import json_rows
from resources.identity_rules import Caller, Expectation
from resources.store.store import Store

if TYPE_CHECKING:
    import duckdb

_CALLER_COLUMNS = {
    "role": "VARCHAR",
    "profile": "VARCHAR",
    "caller_account_id": "VARCHAR",
    "caller_arn": "VARCHAR",
    "expected_account_id": "VARCHAR",
    "is_expected": "BOOLEAN",
    "waiver": "VARCHAR",
    "checked_at": "TIMESTAMPTZ",
    "error_code": "VARCHAR",
    "error_message": "VARCHAR",
}


def record_callers(
    connection: "duckdb.DuckDBPyConnection",
    run_id: str,
    callers: Iterable[Caller],
    *,
    expectation: Expectation,
    waiver: str | None,
    organization_id: str | None,
    config_hash: str,
    worker: str = "",
) -> None:
    """Write the identity rows of a run, or replace them.

    Args:
        worker: host and process of the worker that sent the requests; empty for this machine.
    """
    expected = {
        "operations": expectation.operations_account or None,
        "billing": expectation.billing_account or None,
    }
    rows = [
        {
            "role": caller.role,
            "profile": caller.profile,
            "caller_account_id": caller.account_id,
            "caller_arn": caller.arn,
            "expected_account_id": expected.get(caller.role),
            "is_expected": None
            if caller.account_id is None or expected.get(caller.role) is None
            else caller.account_id == expected[caller.role],
            "waiver": waiver if waiver and caller.role in waiver.replace(",", "+").split("+") else None,
            "checked_at": caller.checked_at.isoformat(),
            "error_code": caller.error_code,
            "error_message": caller.error_message,
        }
        for caller in callers
    ]
    connection.execute(
        f"""
        insert or replace into audit.caller_identity by name
        select
            $run_id as run_id, $organization_id as organization_id, $config_hash as config_hash,
            $worker as worker, row.*
        from ({json_rows(_CALLER_COLUMNS)})
        """,
        {
            "run_id": run_id,
            "organization_id": organization_id,
            "config_hash": config_hash,
            "worker": worker,
            "rows": json.dumps(rows),
        },
    )


def record_callers_where_held(
    store: Store,
    run_id: str,
    callers: Iterable[Caller],
    *,
    expectation: Expectation,
    waiver: str | None,
    config_hash: str,
    worker: str = "",
) -> None:
    """Write the identity rows of a run that holds the warehouse, or replace them. Without a run nothing is written."""
    if not store.is_held_by(run_id):
        return
    with store.transaction() as connection:
        record_callers(
            connection,
            run_id,
            callers,
            expectation=expectation,
            waiver=waiver,
            organization_id=None,
            config_hash=config_hash,
            worker=worker,
        )


def identities_checked_at(connection: "duckdb.DuckDBPyConnection", run_id: str) -> datetime | None:
    """When the run's resources last verified the central identities: the oldest of the three newest checks."""
    row = connection.execute(
        """
        select min(checked_at), count(*)
        from audit.caller_identity
        where run_id = $run_id and role <> 'workload' and caller_account_id is not null
        """,
        {"run_id": run_id},
    ).fetchone()
    # equivalent: A query that counts always has a row.
    return row[0] if row is not None and row[1] >= 3 else None
