"""The check results of a run, those of the pre-flight among them: the rows of `audit.check_result`."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from resources.check_result import CheckResult

if TYPE_CHECKING:
    import duckdb

PREFLIGHT_SCOPE = "pre-flight"
"""The scope of the pre-flight's rows in `audit.check_result`."""


def record_preflight(
    connection: "duckdb.DuckDBPyConnection", run_id: str, check_results: Iterable[CheckResult], config_hash: str
) -> None:
    """Write the check results of the pre-flight."""
    for result in check_results:
        record_check(
            connection,
            run_id,
            result.name,
            PREFLIGHT_SCOPE,
            severity=result.severity,
            passed=result.passed,
            observed=result.sentence,
            expected=result.hint,
            config_hash=config_hash,
        )


def record_check(
    connection: "duckdb.DuckDBPyConnection",
    run_id: str,
    check_name: str,
    scope: str,
    *,
    severity: str,
    passed: bool,
    observed: str,
    expected: str = "",
    tolerance: str | None = None,
    detail: object = None,
    config_hash: str = "",
) -> None:
    """Write the result of a check in a run, or replace it."""
    # In two statements: DuckDB takes three times as long for `insert or replace`.
    connection.execute(
        "delete from audit.check_result where run_id = ? and check_name = ? and scope = ?", [run_id, check_name, scope]
    )
    connection.execute(
        """
        insert into audit.check_result (
            run_id, check_name, scope, severity, passed, observed, expected, tolerance, detail, config_hash,
            checked_at
        ) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            run_id,
            check_name,
            scope,
            severity,
            passed,
            observed,
            expected,
            tolerance,
            None if detail is None else json.dumps(detail, default=str),
            config_hash,
            datetime.now(UTC),
        ],
    )


def forget_check(connection: "duckdb.DuckDBPyConnection", run_id: str, check_name: str) -> set[str]:
    """Remove the results of a check in a run, of every scope; returns their sentences."""
    rows = connection.execute(
        "delete from audit.check_result where run_id = ? and check_name = ? returning observed", [run_id, check_name]
    ).fetchall()
    return {str(sentence) for (sentence,) in rows}


def newest_preflight(connection: "duckdb.DuckDBPyConnection") -> list[tuple[Any, ...]]:
    """The check results of the newest pre-flight: name, passed, severity, sentence, run, configuration, time."""
    return connection.execute(
        """
        select check_name, passed, severity, observed, run_id, config_hash, checked_at
        from audit.check_result
        where scope = $scope
        qualify run_id = first_value(run_id) over (order by checked_at desc)
        """,
        {"scope": PREFLIGHT_SCOPE},
    ).fetchall()


def new_warnings(connection: "duckdb.DuckDBPyConnection", run_id: str) -> list[str]:
    """The sentences of checks that warn since this run: failed in it, and not in the last published run that made them.

    What a run found that was not published was announced to nobody.
    """
    rows = connection.execute(
        """
        with before as (
            select check_name, scope, arg_max(passed, checked_at) as passed
            from audit.check_result
            semi join (from audit.run where outcome = 'published') as run using (run_id)
            where checked_at < (select min(checked_at) from audit.check_result where run_id = $run_id)
            group by check_name, scope
        )

        select c.observed
        from audit.check_result as c
        left join before as b using (check_name, scope)
        where c.run_id = $run_id and not c.passed and c.severity = 'WARN' and coalesce(b.passed, true)
        order by c.checked_at, c.check_name, c.scope
        """,
        {"run_id": run_id},
    ).fetchall()
    return list(dict.fromkeys(str(sentence) for (sentence,) in rows))


def failed_checks(connection: "duckdb.DuckDBPyConnection", run_id: str, severity: str) -> list[tuple[str, str, str]]:
    """Rule, scope and sentence of the failed checks of a run, oldest first; the sentence ends with what to do."""
    return connection.execute(
        """
        select
            check_name,
            scope,
            -- The sentence of a broken SQL check says its rule already.
            case when contains(observed, expected) then observed else observed || ' ' || expected end
        from audit.check_result
        where run_id = $run_id and not passed and severity = $severity
        order by checked_at
        """,
        {"run_id": run_id, "severity": severity},
    ).fetchall()
