"""The runs of a warehouse: their times, outcomes, requests and costs, and the relations that they built."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from resources.audit.json_rows import json_rows
from resources.audit.paid_requests import PaidRequestCount
from resources.store.errors import WarehouseError

if TYPE_CHECKING:
    import duckdb

PREFLIGHT_RUN = "preflight-"
"""How the ids of the runs of `cmdb preflight` begin; they publish nothing."""

_COUNT_COLUMNS = {
    "usage_date": "DATE",
    "run_id": "VARCHAR",
    "api": "VARCHAR",
    "request_count": "BIGINT",
    "throttle_count": "BIGINT",
    "cost_usd": "DECIMAL(28, 10)",
    "unit_count": "BIGINT",
}
"""The columns of a row of `audit.paid_request`, with their types."""


def begin_run(
    connection: "duckdb.DuckDBPyConnection", run_id: str, code_version: str, published: Collection[str]
) -> None:
    """Open the run's row, once, and close the rows of runs that died. Only under the lock.

    Args:
        published: the runs that have a version on disk.

    Raises:
        WarehouseError: an earlier run is dated in the future (exit code 2). Nothing was changed.
    """
    require_clock(connection, run_id)
    # A live run holds the lock or has closed its row, so the open rows of other runs belong to dead ones.
    connection.execute(
        """
        update audit.run set outcome = 'published'
        where outcome = 'publishing' and list_contains($published::varchar[], run_id) and run_id <> $run_id
        """,
        {"run_id": run_id, "published": list(published)},
    )
    connection.execute(
        """
        update audit.run set outcome = 'died', finished_at = null
        where outcome in ('running', 'publishing') and run_id <> $run_id
        """,
        {"run_id": run_id},
    )
    record_run(connection, run_id, code_version)


def require_clock(connection: "duckdb.DuckDBPyConnection", run_id: str) -> None:
    """Refuse to work where an earlier run is dated in the future, since the newest cell of a key is found by its time.

    Raises:
        WarehouseError: an earlier run is dated in the future (exit code 2). Nothing was changed.
    """
    now = datetime.now(UTC)
    row = connection.execute(
        """
        select run_id, max(worked_at) as last_at
        from (
            select run_id, started_at as worked_at from audit.run
            union all
            select run_id, ended_at from audit.collection
        )
        where run_id <> $run_id
        group by run_id
        having last_at > $now
        order by last_at desc, run_id
        -- equivalent: Only the first row is read.
        limit 1
        """,
        {"run_id": run_id, "now": now},
    ).fetchone()
    if row is not None:
        raise WarehouseError(
            f"The clock of this machine shows {now:%Y-%m-%d %H:%M:%S} UTC, and run {row[0]} worked here at "
            f"{row[1].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: with the clock set back, an older response would pass "
            "for the newest. Nothing was requested and nothing was changed. Set the clock right, then run again; or, "
            "where it was wrong in that run, `cmdb rollback` to a version of before it and move the working file away.",
            exit_code=2,
        )


def record_run(connection: "duckdb.DuckDBPyConnection", run_id: str, code_version: str) -> None:
    """Insert the run's row, if it does not exist yet."""
    connection.execute(
        """
        insert into audit.run by name
        select
            $run_id as run_id, $now as started_at, $code_version as code_version, 'running' as outcome,
            0 as request_count, 0 as api_cost_usd
        -- equivalent in where: Whether there is a row does not depend on what it says.
        where not exists (select 1 from audit.run where run_id = $run_id)
        """,
        {"run_id": run_id, "now": datetime.now(UTC), "code_version": code_version},
    )


def known_runs(connection: "duckdb.DuckDBPyConnection") -> set[str]:
    """Every run that the warehouse has gone through, whatever came of it."""
    return {run_id for (run_id,) in connection.execute("select run_id from audit.run").fetchall()}


def finish_run(connection: "duckdb.DuckDBPyConnection", run_id: str, outcome: str) -> None:
    """Close the run's row; the outcome `publishing` means that only the result of publishing is missing."""
    connection.execute(
        "update audit.run set finished_at = $now, outcome = $outcome where run_id = $run_id",
        {"run_id": run_id, "now": datetime.now(UTC), "outcome": outcome},
    )


def settle_run(connection: "duckdb.DuckDBPyConnection", run_id: str, outcome: str) -> None:
    """Set the final outcome of a run that was publishing. Its `finished_at` stays, since it wrote nothing later."""
    connection.execute(
        "update audit.run set outcome = $outcome where run_id = $run_id", {"run_id": run_id, "outcome": outcome}
    )


def count_requests(connection: "duckdb.DuckDBPyConnection", run_id: str, requests: int) -> None:
    """Add to the number of requests that the run has sent."""
    connection.execute(
        "update audit.run set request_count = request_count + $requests where run_id = $run_id",
        {"run_id": run_id, "requests": requests},
    )


def record_paid_requests(
    connection: "duckdb.DuckDBPyConnection", counts: Iterable[PaidRequestCount], counted: str = ""
) -> None:
    """Write the ledger's counts of paid requests, or replace them, and update the cost of their runs.

    Args:
        counts: counts of whole days.
        counted: the run whose requests `count_requests` counts. For other runs, such as one that died, the requests
            that were not known before are added.
    """
    rows = [asdict(count) for count in counts]
    if not rows:
        return
    connection.execute(
        f"create or replace temp table ledger_count as select row.* from ({json_rows(_COUNT_COLUMNS)})",
        {"rows": json.dumps(rows, default=str)},
    )
    connection.execute(
        """
        update audit.run as r
        set request_count = r.request_count + n.request_count
        from (
            select run_id, sum(p.request_count - coalesce(k.request_count, 0))::bigint as request_count
            from ledger_count as p
            left join audit.paid_request as k using (usage_date, run_id, api)
            group by run_id
        ) as n
        where r.run_id = n.run_id and n.run_id <> $counted
        """,
        {"counted": counted},
    )
    connection.execute("insert or replace into audit.paid_request by name from ledger_count")
    connection.execute(
        """
        update audit.run as r
        set api_cost_usd = p.cost_usd
        from (select run_id, sum(cost_usd) as cost_usd from audit.paid_request group by run_id) as p
        where r.run_id = p.run_id and r.run_id in (select run_id from ledger_count)
        """
    )


def record_build(connection: "duckdb.DuckDBPyConnection", run_id: str, built: Mapping[str, str]) -> None:
    """Record that relations were built just now, each with the fingerprint of its query."""
    for relation, fingerprint in built.items():
        # In two statements: DuckDB takes five times as long for `insert or replace`, once a relation and run.
        connection.execute("delete from audit.relation_build where relation = $relation", {"relation": relation})
        connection.execute(
            """
            insert into audit.relation_build (relation, run_id, built_at, query_sha256)
            values ($relation, $run, $at, $fingerprint)
            """,
            {"relation": relation, "run": run_id, "at": datetime.now(UTC), "fingerprint": fingerprint},
        )


def built_from(connection: "duckdb.DuckDBPyConnection", relation: str) -> str | None:
    """The fingerprint of the query of a relation's last build."""
    row = connection.execute(
        "select query_sha256 from audit.relation_build where relation = $relation", {"relation": relation}
    ).fetchone()
    # equivalent: The row has one column.
    return row[0] if row is not None else None


def built_at(connection: "duckdb.DuckDBPyConnection", relation: str) -> datetime | None:
    """When a relation was last built."""
    row = connection.execute(
        "select built_at from audit.relation_build where relation = $relation", {"relation": relation}
    ).fetchone()
    # equivalent: The row has one column.
    return row[0] if row is not None else None


def builds(connection: "duckdb.DuckDBPyConnection") -> dict[str, datetime]:
    """When each relation was last built."""
    return dict(connection.execute("select relation, built_at from audit.relation_build").fetchall())
