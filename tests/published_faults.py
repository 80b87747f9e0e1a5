"""States of a published file, made from a truthful one by SQL: what a night leaves when AWS refuses or nobody asks.

A whole night for each takes minutes. Each state changes the newest cells as such a night does, and removes the rows
that a first night would not have.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
from nights import DATABASE

Change = Callable[[duckdb.DuckDBPyConnection], None]


def changed(database: Path, folder: Path, *changes: Change) -> Path:
    """A published file of its own, in which the changes were made; returns what `CMDB_DATABASE` names."""
    folder.mkdir(parents=True)
    (folder / "versions").mkdir()
    version = folder / "versions" / database.resolve().name
    shutil.copyfile(database.resolve(), version)
    with duckdb.connect(str(version)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for change in changes:
            change(connection)
    link = folder / DATABASE
    link.symlink_to(Path("versions") / version.name)
    return link


def end_cells(
    connection: duckdb.DuckDBPyConnection, condition: str, outcome: str, skip_reason: str | None = None
) -> None:
    """Give the newest cells another outcome."""
    connection.execute(
        f"""
        update audit.newest_cell set newest = struct_pack(
            ended_at := newest.ended_at, run_id := newest.run_id, profile := newest.profile, outcome := $outcome,
            is_trusted := $outcome in ('found', 'empty_verified'), record_count := 0, skip_reason := $reason,
            error_code := null, error_message := null, empty_policy := newest.empty_policy,
            attempt_count := newest.attempt_count, confirmed_at := null
        ),
        trusted_at = case when $outcome in ('found', 'empty_verified') then newest.ended_at end,
        trusted = case when $outcome in ('found', 'empty_verified') then trusted else [] end,
        acceptance = null
        where {condition}
        """,
        {"outcome": outcome, "reason": skip_reason},
    )


def remove_rows(connection: duckdb.DuckDBPyConnection, column: str, condition: str) -> None:
    """Remove rows from every table, beside the evidence, that has a column."""
    tables = connection.execute(
        """
        select distinct '"' || c.schema_name || '"."' || c.table_name || '"'
        from duckdb_columns() as c
        inner join duckdb_tables() as t using (schema_name, table_name)
        where c.column_name = $column and schema_name in ('aws', 'cmdb', 'cost', 'org', 'stage')
        """,
        {"column": column},
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"delete from {table} where {condition}")


def wholly_known(connection: duckdb.DuckDBPyConnection) -> None:
    """An organisation in which nothing is unknown: what could not be asked has left, or is granted and empty."""
    grant_where_regions_are_known(connection)
    unreached = "newest.skip_reason in ('no_profile', 'account_suspended')"
    for (account,) in connection.execute(
        f"select distinct account_id from audit.newest_cell where {unreached}"
    ).fetchall():
        end_cells(connection, f"account_id = '{account}' and role = 'workload'", "skipped", "account_left")
        connection.execute(f"update stage.organizations_account set state = 'CLOSED' where account_id = '{account}'")
    end_cells(connection, "newest.skip_reason in ('not_requested', 'group_unresolved')", "empty_verified")
    # Rows that say themselves that they cannot be judged wait for days of data that one night does not bring.
    connection.execute("delete from cmdb.decommission_signal where unknown_reason is not null")
    for table in ("cost.saving", "cost.spend_vs_budget", "org.governance_kpi"):
        connection.execute(f"update {table} set unknown_reason = null")


def grant_where_regions_are_known(connection: duckdb.DuckDBPyConnection) -> None:
    """Let an account without a profile whose regions another role has listed be reached, and have nothing in them."""
    reached = """
        newest.skip_reason = 'no_profile' and role = 'workload'
        and account_id in (select account_id from stage.ec2_region where is_enabled)
    """
    roots = "listing in (select listing from audit.listing where {} and len(parents) = 0)"
    regional, everywhere = roots.format("is_regional"), roots.format("not is_regional")
    connection.execute(
        f"""
        insert into audit.newest_cell by name
        select cell.* replace (enabled.region as region)
        from (from audit.newest_cell where {reached} and {regional}) as cell
        inner join stage.ec2_region as enabled on cell.account_id = enabled.account_id and enabled.is_enabled
        """
    )
    connection.execute(f"delete from audit.newest_cell where {reached} and region = 'aws-global' and not {everywhere}")
    end_cells(connection, reached, "empty_verified")


def listing_denied(listing: str, outcome: str = "denied") -> Change:
    """A first night on which one listing is refused everywhere."""

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        end_cells(connection, f"split_part(listing, ':', 1) = '{listing}'", outcome)
        remove_rows(connection, "listing", f"split_part(listing, ':', 1) = '{listing}'")

    return change


def listing_stale(listing: str) -> Change:
    """A later night on which one listing is refused everywhere: its rows stand as they were, without what is new."""

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        condition = f"split_part(listing, ':', 1) = '{listing}'"
        connection.execute(
            f"""
            update audit.newest_cell set
                newest = struct_update(newest, outcome := 'denied', is_trusted := false, record_count := 0),
                trusted_at = trusted_at - interval 1 day,
                trusted = list_transform(
                    trusted, lambda one: struct_update(one, ended_at := one.ended_at - interval 1 day)
                )
            where {condition} and newest.is_trusted
            """
        )
        ((new,),) = connection.execute(f"select max(arn) from aws.{listing}").fetchall()
        # What other listings brought of it, such as AWS Config's, is as it is.
        tables = connection.execute(
            """
            select '"' || schema_name || '"."' || table_name || '"', list(column_name)
            from duckdb_columns() inner join duckdb_tables() using (schema_name, table_name)
            where schema_name = 'cmdb' or schema_name = 'aws' and table_name = $listing
            group by all
            """,
            {"listing": listing},
        ).fetchall()
        for table, columns in tables:
            if "arn" in columns:
                connection.execute(f"delete from {table} where arn = '{new}'")
            if {"listing", "is_stale"} <= set(columns):
                connection.execute(f"update {table} set is_stale = true where {condition}")

    return change


def account_never_asked(account: str) -> Change:
    """An account of the organisation that has no cell at all."""

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(f"delete from audit.newest_cell where role = 'workload' and account_id = '{account}'")
        for schema in ("aws", "cmdb", "stage"):
            remove_workload(connection, schema, f"account_id = '{account}'")

    return change


def account_skipped(account: str, reason: str) -> Change:
    """An account of which every cell was skipped for one reason."""

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        end_cells(connection, f"role = 'workload' and account_id = '{account}'", "skipped", reason)
        for schema in ("aws", "cmdb", "stage"):
            remove_workload(connection, schema, f"account_id = '{account}'")

    return change


def region_closed(region: str, outcome: str) -> Change:
    """A region in which every cell ended so."""

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        reason = None if outcome in ("failed", "denied") else outcome
        end_cells(connection, f"role = 'workload' and region = '{region}'", "skipped" if reason else outcome, reason)
        for schema in ("aws", "cmdb", "stage"):
            remove_workload(connection, schema, f"region = '{region}'")

    return change


def remove_workload(connection: duckdb.DuckDBPyConnection, schema: str, condition: str) -> None:
    """Remove rows that a workload account would have listed, not those that the operations role has from elsewhere."""
    of_others = {
        f'"aws"."{name}"'
        for (name,) in connection.execute(
            "select listing from audit.listing where not list_contains(roles, 'workload')"
        ).fetchall()
    }
    tables = connection.execute(
        """
        select '"' || schema_name || '"."' || table_name || '"', list(column_name)
        from duckdb_columns() inner join duckdb_tables() using (schema_name, table_name)
        where schema_name = $schema group by all
        """,
        {"schema": schema},
    ).fetchall()
    for table, columns in tables:
        if condition.split(" ", 1)[0] in columns and not {"usage_date", "policy_id"} & set(columns):
            is_organisations = schema == "stage" and ("organizations" in table or table.startswith('"stage"."account'))
            if table in of_others or is_organisations:
                continue
            connection.execute(f"delete from {table} where {condition}")


def bill_refused(connection: duckdb.DuckDBPyConnection) -> None:
    """A first night on which Cost Explorer refuses everything."""
    end_cells(connection, "role = 'billing'", "denied")
    remove_rows(connection, "listing", "starts_with(listing, 'cost_') or starts_with(listing, 'budget')")
    for table in ("allocation", "movement", "resource_cost", "month_coverage", "anomaly", "spend_vs_budget", "saving"):
        connection.execute(f"delete from cost.{table}")


def slice_not_offered(connection: duckdb.DuckDBPyConnection) -> None:
    """A bill that AWS does not cut by service for this payer."""
    end_cells(connection, "starts_with(listing, 'cost_daily:service:')", "skipped", "not_offered")
    connection.execute("delete from cost.daily where slice = 'service'")


def faults(account: str, region: str) -> dict[str, Change]:
    """The states by name; `account` and `region` are some that the truthful file has resources of."""
    return {
        "instances denied": listing_denied("ec2_instance"),
        "instances stale": listing_stale("ec2_instance"),
        "databases failed": listing_denied("rds_db_instance", "failed"),
        "rules denied": listing_denied("ec2_security_group_rule"),
        "zeros of buckets not confirmed": listing_denied("s3_bucket", "empty_unconfirmed"),
        "zeros of functions suspected": listing_denied("lambda_function", "empty_suspect"),
        "flow logs of another account": listing_denied("ec2_flow_log", "wrong_account"),
        "account never asked": account_never_asked(account),
        "account without a profile": account_skipped(account, "no_profile"),
        "account suspended": account_skipped(account, "account_suspended"),
        "region left out": region_closed(region, "region_not_selected"),
        "region failed": region_closed(region, "failed"),
        "bill refused": bill_refused,
        "slice not offered": slice_not_offered,
        "policies denied": listing_denied("organizations_policy"),
    }
