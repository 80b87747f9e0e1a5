"""What the published tables show of a second night, held against the plan and against the world: both ways."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import duckdb

from simulator.addressing import instance_interface_id

Record = Mapping[str, Any]
Truth = Mapping[str, Any]

PARTS = (
    "network",
    "storage",
    "addressing",
    "databases",
    "buckets",
    "functions",
    "listings",
    "hub",
    "others",
    "governance",
)
"""Of the truth: what says what there is."""

NO_ITEMS = (
    "tagged_resources",
    "explorer_resources",
    "resource_groups",
    "instance_statuses",
    "instance_types",
    "instance_images",
    "public_snapshots",
    "public_images",
    "function_urls",
    "function_versions",
    "launch_template_versions",
    "fast_snapshot_restores",
    "volume_statuses",
    "locked_snapshots",
    "fast_launch_images",
    "mac_hosts",
    "instance_sql_ha_states",
    "vpc_block_public_access_options",
    "security_group_vpc_associations",
    "application_status_check_associations",
    "application_statuses",
    "vpc_endpoint_connection_notifications",
    "vpc_endpoint_service_permissions",
    "byoip_cidrs",
    "ipam_byoasns",
    "certificates",
    "db_recommendations",
    "db_cluster_endpoints",
    "db_proxy_targets",
)
"""Lists of the truth whose records are no configuration items."""

AUTOMATED = re.compile(r":(cluster-)?(snapshot:rds|auto-backup):")
"""Of an ARN: RDS makes and removes these snapshots and backups by itself, so nobody plans what happens to them."""

FOLLOWS = frozenset(
    {
        "referenced_by",
        "is_unused",
        "is_orphan",
        "network_interface_ids",
        "flow_log_ids",
        "members",
        "association_id",
        "listed_in",
    }
)
"""Fields of the truth that follow from other things."""

SINCE = {
    "cmdb.resource_version": "valid_from",
    "org.account_version": "valid_from",
    "org.organizational_unit_version": "valid_from",
    "org.account_policy_version": "valid_from",
    "cost.restatement": "observed_at",
}
"""Tables that keep what was before, with the column of when a row began."""

SELECTS = {
    "cost.restatement": "*, coalesce(new_unblended_cost, 0) - coalesce(old_unblended_cost, 0) as moved",
}
"""What is read of a table where it is not what it has."""


def rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    found = connection.execute(sql, parameters or [])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def newest_run(connection: duckdb.DuckDBPyConnection) -> dt.datetime:
    """When the newest run began."""
    (row,) = rows(connection, "select started_at from audit.run order by started_at desc limit 1")
    began: dt.datetime = row["started_at"]
    return began


# ------------------------------------------------------------------------------------------------ as planned


def not_as_planned(connection: duckdb.DuckDBPyConnection, happened: Iterable[Record]) -> list[str]:
    """Each thing that the tables do not show as the plan says."""
    began = newest_run(connection)
    return [
        f"{entry['sentence']} {shown['relation']} {shown['where']}: {wrong}"
        for entry in happened
        for shown in entry["shows"]
        for wrong in _wrong(connection, shown, began)
    ]


def _wrong(connection: duckdb.DuckDBPyConnection, shown: Record, began: dt.datetime) -> Iterator[str]:
    relation, where = shown["relation"], shown["where"]
    conditions = [f"{column}::varchar = ?" for column in where]
    parameters = list(where.values())
    if relation in SINCE:
        conditions.append(f"{SINCE[relation]} > ?")
        parameters.append(began)
    found = rows(
        connection,
        f"select {SELECTS.get(relation, '*')} from {relation} where {' and '.join(conditions)}",
        parameters,
    )
    if len(found) != shown["count"] and not (shown["relation"] == "cmdb.resource" and found):
        yield f"{len(found)} rows, not {shown['count']}"
    for row in found:
        for column, value in shown["row"].items():
            if not _same(row[column], value):
                yield f"{column} is {row[column]!r}, not {value!r}"
        for column, values in shown["has"].items():
            if missing := [value for value in values if value not in (row[column] or ())]:
                yield f"{column} is {row[column]!r}, without {missing}"


def _same(found: Any, planned: Any) -> bool:
    if isinstance(found, Decimal):
        try:
            return found == Decimal(str(planned))
        except InvalidOperation:
            return False
    return bool(found == planned)


# ------------------------------------------------------------------------------------------------ nothing else


def unplanned(
    connection: duckdb.DuckDBPyConnection, happened: Iterable[Record], before: Truth, after: Truth
) -> list[str]:
    """Each version, restatement and solved finding of the newest run that the plan does not account for.

    Args:
        happened: the entries of the plan.
        before: the truth of the first night.
        after: the truth of the second.
    """
    happened = list(happened)
    began = newest_run(connection)
    shown = [shown for entry in happened for shown in entry["shows"]]
    lines = []
    touched = touched_by(before, after) | {place["where"]["arn"] for place in shown if "arn" in place["where"]}
    for row in rows(connection, "select arn, change from cmdb.resource_version where valid_from > ?", [began]):
        if row["arn"] not in touched:
            lines.append(f"{row['arn']} {row['change']}")
    for relation, key in (
        ("org.account_version", "account_id"),
        ("org.organizational_unit_version", "ou_path"),
        ("cost.restatement", "usage_date"),
    ):
        planned = {place["where"][key] for place in shown if place["relation"] == relation}
        found = rows(
            connection, f"select distinct {key}::varchar as k from {relation} where {SINCE[relation]} > ?", [began]
        )
        lines += [f"{relation} {row['k']}" for row in found if row["k"] not in planned]
    about = {(place["where"]["arn"], place["where"]["rule"]) for place in shown if "rule" in place["where"]}
    solved = "select arn, rule, resolution from cmdb.decommission_signal where resolution is not null"
    lines += [
        f"{row['arn']} {row['rule']} {row['resolution']}"
        for row in rows(connection, solved)
        if (row["arn"], row["rule"]) not in about
    ]
    denied = {
        tuple(place["where"][name] for name in ("account_id", "region", "listing"))
        for place in shown
        if place["relation"] == "audit.coverage"
    }
    cells = "select account_id, region, listing, outcome from audit.coverage where outcome in ('denied', 'failed')"
    lines += [
        f"{row['account_id']} {row['region']} {row['listing']} {row['outcome']}"
        for row in rows(connection, cells)
        if (row["account_id"], row["region"], row["listing"]) not in denied
    ]
    return lines


def changed_items(before: Truth, after: Truth) -> set[str]:
    """ARNs of what was created, changed or deleted, in accounts that are in the organisation on both nights."""
    old, new = _both(before, after)
    return {arn for arn in old.keys() | new.keys() if old.get(arn) != new.get(arn)}


def touched_by(before: Truth, after: Truth) -> set[str]:
    """The same with what follows from it in AWS's answers.

    An instance has an interface, which comes and goes with it and has its address, and names the volumes at it.
    """
    items, found = _both(before, after), changed_items(before, after)
    for arn in [*found]:
        place, records = arn.rpartition(":")[0], [json.loads(one.get(arn, "{}")) for one in items]
        held = {record["instance_id"] for record in records if record.get("instance_id")}
        found |= {f"{place}:network-interface/{instance_interface_id(instance_id)}" for instance_id in held}
        attached = {each["instance_id"] for record in records for each in record.get("attachments", ())}
        found |= {f"{place}:instance/{instance_id}" for instance_id in attached}
    return found


def _both(before: Truth, after: Truth) -> tuple[dict[str, str], dict[str, str]]:
    accounts = {row["account_id"] for row in before["accounts"]} & {row["account_id"] for row in after["accounts"]}
    return _items(before, accounts), _items(after, accounts)


def _items(truth: Truth, accounts: set[str]) -> dict[str, str]:
    return {
        row["arn"]: json.dumps({name: value for name, value in row.items() if name not in FOLLOWS}, sort_keys=True)
        for part, records in truth.items()
        if isinstance(records, list) and part not in NO_ITEMS
        for row in records
        if isinstance(row, dict) and "arn" in row and row.get("account_id") in accounts
    }


def unfound(connection: duckdb.DuckDBPyConnection, before: Truth, after: Truth) -> list[str]:
    """Each item that the world has created, changed or deleted, and of which the newest run began no version."""
    versions = "select arn from cmdb.resource_version where valid_from > ?"
    found = {row["arn"] for row in rows(connection, versions, [newest_run(connection)])}
    return sorted(arn for arn in changed_items(before, after) - found if not AUTOMATED.search(arn))
