"""What has changed: of one item in all runs, of everything in the newest run, in a few lines for people."""

from typing import TYPE_CHECKING, Any

from pipelines.trust.ages import moment
from resources.store.sql import named_rows

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

VERSIONS = """
    select "change", count(*) from {relation}
    where valid_from >= (select started_at from audit.run where run_id = $run)
    group by "change" order by "change"
"""
"""A version of what is missing or has left has the run that saw it last: its time says which run began it."""

RESTATED = """
    select
        string_agg(distinct strftime(usage_date, '%Y-%m'), ' and ' order by strftime(usage_date, '%Y-%m')),
        sum(coalesce(new_unblended_cost, 0) - coalesce(old_unblended_cost, 0)),
        any_value(currency),
        count(*)
    from cost.restatement
    where run_id = $run and slice = 'service'
"""

RESOLVED = """
    select signal.resolution, count(*)
    from cmdb.decommission_signal as signal
    inner join audit.run as run on signal.resolved_date = (run.started_at at time zone 'UTC')::date
    where run.run_id = $run and signal.last_flagged_date is not null
    group by signal.resolution order by signal.resolution
"""

REFUSED = """
    select outcome, count(*) from audit.coverage
    where run_id = $run and not is_trusted and outcome <> 'skipped' group by outcome order by outcome
"""


VERSIONS_SHOWN = 5
"""How many versions of an item are named, the newest first."""


def history_of(connection: "duckdb.DuckDBPyConnection", arn: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The versions of an item, newest first: the rows, and the lines that name the newest of them."""
    rows = named_rows(
        connection.execute(
            """
            select valid_from, "change", changed_attributes from cmdb.resource_version
            where arn = $arn order by valid_from desc
            """,
            {"arn": arn},
        )
    )
    lines = [
        f"{moment(row['valid_from'])} {row['change']}{': ' if row['changed_attributes'] else ''}"
        + ", ".join(row["changed_attributes"] or ())
        for row in rows[:VERSIONS_SHOWN]
    ]
    earlier = len(rows) - VERSIONS_SHOWN
    return rows, [*lines, f"{earlier} earlier version(s) stand in cmdb.resource_version"] if earlier > 0 else lines


def changes_of_newest_run(store: "Store") -> list[str]:
    """The lines, of the published file; a figure is only of what the run could judge.

    Raises:
        WarehouseError: nothing is published yet.
    """
    with store.published() as connection:
        row = connection.execute("select run_id from audit.run order by started_at desc limit 1").fetchone()
        assert row is not None, "a published file has a run"
        run = {"run": row[0]}
        months, moved, currency, amounts = _rows(connection, RESTATED, run)[0]
        restated = f"{amounts} amounts of {months} restated by {moved:+,.2f} {currency}" if amounts else ""
        found = [
            ("items", _counted(connection, VERSIONS, run, relation="cmdb.resource_version"), "cmdb.resource_version"),
            ("accounts", _counted(connection, VERSIONS, run, relation="org.account_version"), "org.account_version"),
            ("bill", restated, "cost.restatement, slice service"),
            ("findings", _counted(connection, RESOLVED, run), "cmdb.decommission_signal, resolved_date"),
            ("not trusted", _counted(connection, REFUSED, run), "audit.coverage; the rows before are kept, stale"),
        ]
    return [f"{topic:<12} {counted or 'nothing':<62} {where}" for topic, counted, where in found]


def _counted(connection: "duckdb.DuckDBPyConnection", sql: str, run: dict[str, Any], relation: str = "") -> str:
    rows = _rows(connection, sql.format(relation=relation) if relation else sql, run)
    return ", ".join(f"{count:,} {what}" for what, count in rows)


def _rows(connection: "duckdb.DuckDBPyConnection", sql: str, run: dict[str, Any]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = connection.execute(sql, run).fetchall()
    return found
