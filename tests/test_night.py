"""Nights in which AWS tells the truth: what is published equals what there is, down to the byte and the cent."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import shutil
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from derived import HUB_AND_WORKLOADS, IN_EVERY_ACCOUNT, INVENTORIED, NEEDS, OF_WORKLOADS, truth_of
from nights import DATABASE, Witness, cmdb, copy_of, night_environment, query, run_night

from pipelines.collection import cost_slices
from pipelines.collection.seeds import every_slice, services_of_listings
from pipelines.models.model_metadata import SUMMED, cost_metadata
from pipelines.reference import DEMO_FOLDER
from pipelines.settings import WAREHOUSE_FOLDER
from resources.store.store import Store
from simulator.app import OWN_FAILURE
from simulator.client import Simulator
from simulator.databases import MAJOR_VERSIONS, UNVERSIONED

Row = dict[str, Any]
Cell = tuple[str, str, str, str]

OWN_TIME = {
    "run_id",
    "collected_at",
    "last_seen_at",
    "observed_at",
    "started_at",
    "ended_at",
    "checked_at",
    "judged_at",
}
"""Columns that say when a night looked: all that may differ between two nights of the same world."""

INSTANCE, INTERFACE = "AWS::EC2::Instance", "AWS::EC2::NetworkInterface"

PUBLIC = {
    "org.account": ("account_id",),
    "org.organizational_unit": ("ou_id",),
    "org.root": ("root_id", "policy_type"),
    "org.policy": ("policy_id",),
    "org.policy_target": ("policy_id", "target_id"),
    "org.account_policy": ("account_id", "policy_id", "target_id"),
    "org.enabled_service": ("service_principal",),
    "org.delegated_administrator": ("account_id", "service_principal"),
    "org.delegation_policy": ("policy_id",),
    "org.governance_kpi": ("as_of_date", "kpi"),
    **{f"aws.{name}": ("arn",) for name, listing in INVENTORIED.items() if listing.roles == HUB_AND_WORKLOADS},
    # Of one snapshot or template, which has one ARN, there are several.
    "aws.ec2_vpc_block_public_access_option": ("account_id", "region"),
    "aws.ec2_security_group_vpc_association": ("arn", "vpc_id"),
    "aws.ec2_byoip_cidr": ("account_id", "region", "cidr"),
    "aws.ec2_vpc_endpoint_connection_notification": ("account_id", "region", "connection_notification_id"),
    "aws.ec2_application_status_check_association": (
        "account_id",
        "region",
        "application_status_check_id",
        "association_type",
        "target",
    ),
    "aws.ec2_ipam_byoasn": ("account_id", "region", "asn"),
    "aws.ec2_fast_launch_image": ("account_id", "region", "image_id"),
    "aws.ec2_mac_host": ("account_id", "region", "host_id"),
    "aws.ec2_fast_snapshot_restore": ("snapshot_id", "availability_zone"),
    "aws.ec2_launch_template_version": ("launch_template_id", "version"),
    "cmdb.resource": ("arn",),
    "cmdb.resource_version": ("arn", "valid_from"),
    "cmdb.relationship": ("from_arn", "relation", "to_arn"),
    "cmdb.application": ("business_service",),
    "cmdb.service_map_node": ("node_id",),
    "cmdb.service_map_edge": ("from_node_id", "relation", "to_node_id"),
    "cmdb.health": ("as_of_date", "kpi", "scope"),
    "cmdb.decommission_signal": ("arn", "rule", "first_flagged_date"),
    "cost.saving": ("month", "arn", "rule"),
    "cost.resource_cost": ("month", "account_id", "service", "arn"),
    "cost.daily": ("usage_date", "slice", "account_id", "dimension_value"),
    "cost.restatement": ("usage_date", "slice", "account_id", "dimension_value", "run_id"),
    "cost.tag_service_daily": ("usage_date", "tag_key", "written_value", "service"),
    "cost.budget": ("as_of_date", "account_id", "budget_name"),
    "cost.budget_alert": ("account_id", "budget_name", "kind", "comparison", "threshold", "threshold_type"),
    "cost.resource_daily": ("usage_date", "account_id", "service", "resource_id"),
    "ref.service_listing": ("service", "listing"),
    "ref.unwitnessed_listing": ("listing",),
    "ref.usage_type_listing": ("part", "listing"),
}


def seed(name: str) -> list[dict[str, str]]:
    """The lines of a seed, as people wrote them: the simulated organisation's own, or those that the product ships."""
    own = DEMO_FOLDER / f"{name}.csv"
    with (own if own.exists() else WAREHOUSE_FOLDER / "ref" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(database: Path, name: str) -> dict[tuple[Any, ...], Row]:
    """A published table by its key."""
    store = Store(database)
    with store.published() as connection:
        cursor = connection.execute(f"select * from {name}")
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    found = {tuple(row[column] for column in PUBLIC[name]): row for row in rows}
    assert len(found) == len(rows), f"{name} has two rows of one key"
    return found


def everything(database: Path) -> dict[str, dict[tuple[Any, ...], Row]]:
    return {name: table(database, name) for name in PUBLIC}


def lasting(row: Row) -> Row:
    """A row without the time at which it was looked at."""
    return {name: value for name, value in row.items() if name not in OWN_TIME}


def by_key(rows: Iterable[Row], name: str) -> dict[str, Row]:
    return {row[name]: row for row in rows}


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def ou_path(account_or_unit: Row, name: str) -> str:
    """The simulator's path lies below the root and has no slash in front."""
    return "/" + str(account_or_unit[name])


def bill(ledger: Iterable[Row], metric: str = "unblended_cost") -> dict[tuple[dt.date, str, str], Decimal]:
    """The ledger's lines added up as the slice `service` cuts them."""
    sums: dict[tuple[dt.date, str, str], Decimal] = defaultdict(Decimal)
    for line in ledger:
        day = dt.date.fromisoformat(line["usage_date"])
        sums[day, line["account_id"], line["service"]] += Decimal(line[metric])
    return dict(sums)


def first_month(today: dt.date, back: int) -> dt.date:
    month = today.replace(day=1)
    for _ in range(back):
        month = (month - dt.timedelta(days=1)).replace(day=1)
    return month


def asked_since(today: dt.date) -> dt.date:
    """The first day of the oldest month that a night with `CMDB_COST_MONTHS=1` asks for."""
    return first_month(today, 2 if today.day <= 10 else 1)


# --------------------------------------------------------------------------------------- one truthful night


@pytest.fixture(scope="module")
def published(witnessed_night: Witness) -> dict[str, dict[tuple[Any, ...], Row]]:
    return everything(witnessed_night.database)


def test_every_account_is_there_with_its_path_state_and_tags(
    witnessed_night: Witness, published: dict[str, dict[tuple[Any, ...], Row]]
) -> None:
    truth = by_key(witnessed_night.truth["accounts"], "account_id")
    found = by_key(published["org.account"].values(), "account_id")
    assert set(found) == set(truth)
    assert any(account.startswith("0") for account in found)
    for account_id, account in truth.items():
        row = found[account_id]
        assert row["account_name"] == account["name"]
        assert row["email"] == account["email"]
        assert row["state"] == account["state"]
        assert row["joined_method"] == account["joined_method"]
        assert row["joined_at"] == moment(account["joined_at"])
        assert row["ou_id"] == account["ou_id"]
        assert row["ou_path"] == ou_path(account, "ou_path")
        assert row["is_management"] is account["is_management"]
        assert row["tags"] == account["tags"]
        assert row["is_stale"] is False
    assert {} in [row["tags"] for row in found.values()], "no account shows what no tags look like"
    assert {"ACTIVE", "SUSPENDED"} == {row["state"] for row in found.values()}
    assert "/" in {row["ou_path"] for row in found.values()}


def test_an_account_has_the_profile_that_reaches_it_and_no_other(
    witnessed_night: Witness, published: dict[str, dict[tuple[Any, ...], Row]]
) -> None:
    reachable = set(witnessed_night.truth["reachable"])
    for account in witnessed_night.truth["accounts"]:
        row = published["org.account"][account["account_id"],]
        expected = account["profile"] if account["account_id"] in reachable else None
        assert row["profile"] == expected, account["name"]
        assert row["has_profile"] is (expected is not None)


def test_the_tree_of_units_is_the_organisations(
    witnessed_night: Witness, published: dict[str, dict[tuple[Any, ...], Row]]
) -> None:
    truth = by_key(witnessed_night.truth["organizational_units"], "ou_id")
    found = by_key(published["org.organizational_unit"].values(), "ou_id")
    assert set(found) == set(truth)
    for ou_id, unit in truth.items():
        row = found[ou_id]
        assert (row["ou_name"], row["parent_id"], row["depth"]) == (
            unit["name"],
            unit["parent_id"],
            unit["depth"],
        )
        assert row["ou_path"] == ou_path(unit, "path")


def test_every_reachable_instance_is_there_exactly_once_and_byte_for_byte(
    witnessed_night: Witness, published: dict[str, dict[tuple[Any, ...], Row]]
) -> None:
    asked = {*witnessed_night.truth["reachable"], witnessed_night.truth["central"]["operations"]}
    truth = by_key((i for i in witnessed_night.truth["instances"] if i["account_id"] in asked), "arn")
    found = by_key(published["aws.ec2_instance"].values(), "arn")
    assert len(published["aws.ec2_instance"]) == len(truth)
    assert set(found) == set(truth)
    for arn, instance in truth.items():
        row = found[arn]
        for name in (
            "account_id",
            "region",
            "instance_id",
            "instance_type",
            "state",
            "availability_zone",
            "tags",
        ):
            assert row[name] == instance[name], (arn, name)
        assert row["launched_at"] == moment(instance["launched_at"])
        assert row["name"] == instance["tags"].get("Name")
        assert row["is_stale"] is False
    names = {row["name"].encode() for row in found.values() if row["name"]}
    for awkward in ("データ取込", 'it\'s "quoted"', "🥝-cache", "x'; DELETE FROM aws.ec2_instance; --"):
        assert any(name.startswith(awkward.encode()) for name in names), awkward
    assert max(len(row["tags"]) for row in found.values()) == 50
    assert {} in [row["tags"] for row in found.values()]
    assert any(row["tags"].get("empty") == "" for row in found.values())


def test_every_instance_is_a_configuration_item_with_its_owners(
    published: dict[str, dict[tuple[Any, ...], Row]],
) -> None:
    resources, instances = published["cmdb.resource"], published["aws.ec2_instance"]
    aliases = {(row["tag_key"], row["alias"]): row["tag_value"] for row in seed("tag_value_alias")}
    defaults = {row["account_id"]: row for row in seed("account_default")}
    assert {key for key, row in resources.items() if row["resource_type"] == INSTANCE} == set(instances)
    for key, instance in instances.items():
        row, tags = resources[key], instance["tags"]
        gone = instance["state"] == "terminated"
        assert row["resource_id"] == instance["instance_id"]
        assert (row["account_id"], row["region"]) == (instance["account_id"], instance["region"])
        assert (row["name"], row["state"], row["tags"]) == (instance["name"], instance["state"], tags)
        assert row["created_at"] == instance["launched_at"]
        default = defaults.get(row["account_id"], {})
        for key in seed("tag_key"):
            written = tags.get(key["tag_key"], "").strip()
            counts = aliases.get((key["tag_key"], written), written) or default.get(key["resource_column"]) or None
            assert row[key["resource_column"]] == counts, (instance["arn"], key["tag_key"])
        assert row["owner_source"] == (
            "resource tag"
            if tags.get("bc:business-owner")
            else "account default"
            if default.get("business_owner")
            else "none"
        )
        assert (row["status"], row["retired_reason"]) == (("retired", "terminated") if gone else ("active", None))
        assert row["missing_since"] is None
        assert row["is_stale"] is False
        assert row["first_seen_at"] == row["last_seen_at"] == row["collected_at"]


def test_the_bill_equals_the_ledger_to_the_last_digit(
    organisation: Simulator, witnessed_night: Witness, published: dict[str, dict[tuple[Any, ...], Row]]
) -> None:
    today = dt.date.fromisoformat(witnessed_night.truth["today"])
    lines = organisation.ledger(asked_since(today), today)
    truth = bill(lines)
    found = {
        (row["usage_date"], row["account_id"], row["dimension_value"]): row
        for row in published["cost.daily"].values()
        if row["slice"] == "service"
    }
    assert set(found) == set(truth)
    assert {day for day, _, _ in truth} == {
        asked_since(today) + dt.timedelta(days=n) for n in range((today - asked_since(today)).days)
    }
    metrics = [name for name in lines[0] if name.endswith("_cost") and name != "blended_cost"]
    assert len(metrics) == 7
    amounts = {name: bill(lines, name) for name in metrics}
    first_estimated = first_month(today, 0 if today.day > 10 else 1)
    for key in truth:
        row = found[key]
        for name in metrics:
            assert isinstance(row[name], Decimal)
            assert row[name] == amounts[name][key], (key, name)
        assert row["currency"] == "USD"
        assert row["is_estimated"] is (key[0] >= first_estimated)
    assert any(amount < 0 for amount in truth.values()) and "Tax" in {service for _, _, service in truth}
    assert published["cost.restatement"] == {}


def months(since: dt.date, today: dt.date) -> list[str]:
    return sorted({f"{since + dt.timedelta(days=n):%Y-%m}" for n in range((today - since).days)})


IN_THE_HUB = {
    "resource_group": "resource_groups",
    "tagged_resource": "tagged_resources",
    "config_aggregator": "config_aggregators",
    "ec2_instance_type": "instance_types",
}
"""The same of the operations account alone."""


def expected_cells(truth: Row) -> dict[Cell, tuple[str, int | None, str | None]]:
    """Every cell that a truthful night must have: outcome, records, reason of a skip."""
    central, units = truth["central"], truth["organizational_units"]
    today = dt.date.fromisoformat(truth["today"])
    cells: dict[Cell, tuple[str, int | None, str | None]] = {}

    def answered(role: str, account: str, region: str, listing: str, count: int) -> None:
        cells[role, account, region, listing] = ("found" if count else "empty_verified", count, None)

    def organisation(listing: str, count: int) -> None:
        answered("management", central["management"], "aws-global", listing, count)

    organisation("organizations_account", len(truth["accounts"]))
    organisation("organizations_root", 1)
    for account in truth["accounts"]:
        organisation(f"organizations_account_tag:{account['account_id']}", len(account["tags"]))
    for parent in [truth["root_id"], *(unit["ou_id"] for unit in units)]:
        below = sum(unit["parent_id"] == parent for unit in units)
        standing = sum(account["ou_id"] == parent for account in truth["accounts"])
        organisation(f"organizations_organizational_unit:{parent}", below)
        organisation(f"organizations_account_parent:{parent}", standing)
    used = [name for name, state in truth["policy_types"].items() if state != "not_enabled"]
    organisation("organizations_root_policy_type", len(used))
    for name in truth["policy_types"]:
        if name in used:
            listed = sum(policy["policy_type"] == name for policy in truth["policies"])
            organisation(f"organizations_policy:{name}", listed)
        else:
            cells["management", central["management"], "aws-global", f"organizations_policy:{name}"] = (
                "skipped",
                None,
                "policy_type_not_enabled",
            )
    for policy in truth["policies"]:
        organisation(f"organizations_policy_content:{policy['policy_id']}", 1)
        organisation(f"organizations_policy_target:{policy['policy_id']}", len(policy["target_ids"]))
    organisation("organizations_enabled_service", len(truth["enabled_services"]))
    organisation("organizations_delegated_administrator", len(truth["delegated_administrators"]))
    for administrator in truth["delegated_administrators"]:
        listing = f"organizations_delegated_service:{administrator['account_id']}"
        organisation(listing, len(administrator["services"]))
    organisation("organizations_resource_policy", 1)
    counted = {
        # What is shared is listed elsewhere too.
        listing: Counter(
            (account, region)
            for row in truth[kind]
            for account, region in row.get("listed_in", [(row["account_id"], row["region"])])
        )
        for listing, kind in {**IN_EVERY_ACCOUNT, **IN_THE_HUB}.items()
    }
    # Every instance has an interface beside those that the truth counts.
    counted["ec2_network_interface"] = counted["ec2_instance"] + Counter(
        (row["account_id"], row["region"]) for row in truth["network_interfaces"]
    )
    counted |= {
        listing: Counter(
            (row["account_id"], row["region"])
            for row in truth[kind]
            if row.get("is_of_cluster", False) == (listing == "rds_db_cluster_snapshot")
        )
        for listing, kind in OF_WORKLOADS.items()
    }
    in_buckets = Counter((row["account_id"], row["region"]) for row in truth["buckets"])
    counted["s3_bucket"] = in_buckets
    engines: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in (*truth["db_instances"], *truth["db_clusters"]):
        engines[row["account_id"], row["region"]].add(row["engine"])
    first_with: dict[tuple[str, str], str] = {}
    for (account_id, region), named in sorted(engines.items()):
        if account_id in truth["reachable"]:
            for engine in named:
                first_with.setdefault((region, engine), account_id)

    # Of each manual snapshot, and of no other; of each proxy.
    one_each = {
        f"rds_db_{kind}snapshot_attribute": Counter(
            (row["account_id"], row["region"])
            for row in truth["db_snapshots"]
            if row["snapshot_type"] == "manual" and row["is_of_cluster"] == bool(kind)
        )
        for kind in ("", "cluster_")
    } | {"rds_db_proxy_target": counted["rds_db_proxy"]}

    def regional(role: str, account: str, listings: Iterable[str]) -> None:
        """Each listing of each region: where it needs a parent, where there is one."""
        for listing in listings:
            asked = [
                region
                for region in truth["regions"]
                if listing not in NEEDS or any(counted[parent][account, region] for parent in NEEDS[listing])
            ]
            for region in asked:
                answered(role, account, region, listing, counted[listing][account, region])
            if not asked:
                cells[role, account, "aws-global", listing] = ("skipped", None, "no_parents")

    versions = "rds_db_major_engine_version"
    of_functions = ("lambda_function_tag", "lambda_function_url", "lambda_alias")
    everywhere = ("s3_bucket", "s3_multi_region_access_point")
    unasked = (*everywhere, "s3_bucket_tag", "s3_bucket_content", *of_functions, versions, *one_each, *OF_WORKLOADS)
    for account in truth["accounts"]:
        where = account["account_id"]
        if where not in truth["reachable"]:
            reason = "account_suspended" if account["state"] == "SUSPENDED" else "no_profile"
            cells |= {("workload", where, "aws-global", listing): ("skipped", None, reason) for listing in unasked}
            continue
        cells["workload", where, "aws-global", "s3_bucket_content"] = ("skipped", None, "not_requested")
        for listing in everywhere:
            held = sum(row["account_id"] == where for row in truth[truth_of(listing)])
            answered("workload", where, "aws-global", listing, held)
        regional("workload", where, OF_WORKLOADS)
        if not any(engines[where, region] for region in truth["regions"]):
            cells["workload", where, "aws-global", versions] = ("skipped", None, "no_parents")
        for listing, parents in one_each.items():
            if not any(parents[where, region] for region in truth["regions"]):
                cells["workload", where, "aws-global", listing] = ("skipped", None, "no_parents")
        for region in truth["regions"]:
            # One account of those that have the engine there has the records for all.
            asked = {engine for engine in engines[where, region] if first_with[region, engine] == where}
            if engines[where, region] and not asked:
                cells["workload", where, region, versions] = ("skipped", None, "requested_elsewhere")
            for engine in asked:
                listing = f"{versions}:{engine}"
                if engine in UNVERSIONED:
                    cells["workload", where, region, listing] = ("skipped", None, "not_offered")
                else:
                    answered("workload", where, region, listing, len(MAJOR_VERSIONS[engine]))
            for listing, parents in one_each.items():
                if parents[where, region]:
                    answered("workload", where, region, listing, parents[where, region])
            # Each bucket and function has a record of its tags and URLs, if one that says that there are none.
            for listing, parents in (
                ("s3_bucket_tag", in_buckets),
                *((name, counted["lambda_function"]) for name in of_functions),
            ):
                if parents[where, region]:
                    answered("workload", where, region, listing, parents[where, region])
    # Of each endpoint service, whichever it admits.
    admitting, services = "ec2_vpc_endpoint_service_permission", counted["ec2_vpc_endpoint_service"]
    for account in truth["accounts"]:
        where = account["account_id"]
        role = "operations" if where == central["operations"] else "workload"
        if where not in (*truth["reachable"], central["operations"]):
            reason = "account_suspended" if account["state"] == "SUSPENDED" else "no_profile"
            for listing in ("ec2_region", *IN_EVERY_ACCOUNT, "ec2_network_interface", "cloudwatch_metric", admitting):
                cells[role, where, "aws-global", listing] = ("skipped", None, reason)
            continue
        offering = {region: services[where, region] for region in truth["regions"] if services[where, region]}
        for region, count in offering.items():
            answered(role, where, region, admitting, count)
        if not offering:
            cells[role, where, "aws-global", admitting] = ("skipped", None, "no_parents")
        regions = len(truth["regions"]) + len(truth["opt_in_regions"])
        answered(role, where, "aws-global", "ec2_region", regions)
        regional(role, where, (*IN_EVERY_ACCOUNT, *(IN_THE_HUB if role == "operations" else ())))
        for region in truth["regions"]:
            # What is listed has its metrics.
            measured = counted["ec2_instance"][where, region]
            others = ("rds_db_instance", "lambda_function") if role == "workload" else ()
            if measured or any(counted[listing][where, region] for listing in others):
                cells[role, where, region, "cloudwatch_metric"] = ("found", None, None)
            outcome = "found" if counted["ec2_network_interface"][where, region] else "empty_verified"
            cells[role, where, region, "ec2_network_interface"] = (outcome, None, None)
    for group in truth["resource_groups"]:
        where, region = group["account_id"], group["region"]
        listing = f"resource_group_member:{group['name']}"
        answered("operations", where, region, listing, len(group["members"]))
        if group["query_errors"]:
            cells["operations", where, region, listing] = ("skipped", None, "group_unresolved")
        for listing in ("resource_group_query", "resource_group_tag"):
            answered("operations", where, region, listing, counted["resource_group"][where, region])
    for aggregator in truth["config_aggregators"]:
        listing = f"config_resource:{aggregator['name']}"
        cells["operations", aggregator["account_id"], aggregator["region"], listing] = ("found", None, None)
    view = truth["explorer_view"].split(":")
    shown = len(truth["explorer_resources"])
    answered("operations", view[4], view[3], "explorer_resource", shown)
    for month in months(asked_since(today), today):
        for cut in every_slice(DEMO_FOLDER):
            # The total has one cell for all months.
            name = cut.name if cut == cost_slices.TOTAL else f"{cut.name}:{month}"
            cells["billing", central["billing"], "aws-global", f"{cut.listing}:{name}"] = ("found", None, None)
    for listing in (
        "budget",
        "budget_notification",
        "cost_allocation_tag",
        *(f"cost_resource_daily:{service}" for service in services_of_listings()),
    ):
        cells["billing", central["billing"], "aws-global", listing] = ("found", None, None)
    # Nobody requested a backfill of tags.
    cells["billing", central["billing"], "aws-global", "cost_tag_backfill"] = ("empty_verified", 0, None)
    # A first bill is compared with nothing.
    cells["billing", central["billing"], "aws-global", "cost_account_daily"] = ("skipped", None, "not_compared")
    # No data export is named.
    cells["billing", central["billing"], "aws-global", "cost_export"] = ("skipped", None, "not_requested")
    # The organisation has no DocumentDB, so that nothing is billed for its resources.
    unused = "cost_resource_daily:Amazon DocumentDB (with MongoDB compatibility)"
    cells["billing", central["billing"], "aws-global", unused] = ("empty_verified", 0, None)
    return cells


def test_every_question_has_its_outcome(witnessed_night: Witness) -> None:
    rows = query(
        witnessed_night.database,
        """
        select role, account_id, region, listing, outcome, record_count, skip_reason, is_trusted, run_id
        from audit.collection
        """,
    )
    found = {row[:4]: row[4:7] for row in rows}
    expected = expected_cells(witnessed_night.truth)
    assert set(found) == set(expected)
    for cell, (outcome, count, reason) in expected.items():
        assert (found[cell][0], found[cell][2]) == (outcome, reason), cell
        if count is not None:
            assert found[cell][1] == count, cell
    assert all(row[7] is (row[4] in ("found", "empty_verified")) for row in rows)
    assert {row[8] for row in rows} == {witnessed_night.night.run_id}
    assert {outcome for outcome, _, _ in found.values()} == {"found", "empty_verified", "skipped"}


def test_every_zero_keeps_its_evidence(witnessed_night: Witness) -> None:
    """Its own calls, each of which AWS answered and CloudTrail recorded without an error."""
    zeros = query(
        witnessed_night.database,
        """
        select
            listing, (evidence -> 'request_ids')::varchar[], raw_response -> 'ResponseMetadata' ->> 'RequestId',
            started_at, evidence -> 'cloudtrail' ->> 'looked_up_at', (evidence -> 'cloudtrail' -> 'recorded')::integer,
            (evidence -> 'cloudtrail' -> 'refused')::varchar
        from audit.collection where outcome = 'empty_verified'
        """,
    )
    sent = {call["request_id"] for call in witnessed_night.calls}
    assert zeros
    for listing, request_ids, raw_request_id, started_at, looked_up_at, recorded, refused in zeros:
        assert request_ids[-1] == raw_request_id, listing
        assert sent.issuperset(request_ids)
        assert recorded == len(request_ids)
        assert started_at < moment(looked_up_at)
        assert refused == "[]"


def own_calls(calls: Iterable[Row]) -> list[Row]:
    """What the night sent, for credentials too; the vault behind `credential_process` sends its own."""
    return [call for call in calls if call["parameters"].get("RoleSessionName") != "vault"]


def test_requests_are_counted_as_the_simulator_counts_them(witnessed_night: Witness) -> None:
    calls = own_calls(witnessed_night.calls)
    assert [call for call in calls if call["error_code"] == OWN_FAILURE] == []
    ((counted, price),) = query(witnessed_night.database, "select request_count, api_cost_usd from audit.run")
    cost_calls = sum(call["service"] == "ce" for call in calls)
    metrics = sum(
        len(call["parameters"]["MetricDataQueries"])
        for call in calls
        if call["operation"] == "GetMetricData" and not call["error_code"]
    )
    assert price == cost_calls * Decimal("0.01") + metrics * Decimal("0.00001")
    assert counted == len(calls), Counter((call["role"], call["operation"]) for call in calls)


@pytest.mark.parametrize(
    ("operation", "listing"),
    [
        ("ListAccounts", "organizations_account"),
        # Asked twice: for the roots, and for the policy types in use under each.
        ("ListRoots", "organizations_root organizations_root_policy_type"),
        # A type that is not enabled was asked for too, and then skipped.
        ("ListPolicies", "organizations_policy"),
        ("DescribePolicy", "organizations_policy_content"),
        ("ListTargetsForPolicy", "organizations_policy_target"),
        ("ListAWSServiceAccessForOrganization", "organizations_enabled_service"),
        ("ListDelegatedAdministrators", "organizations_delegated_administrator"),
        ("ListDelegatedServicesForAccount", "organizations_delegated_service"),
        ("DescribeResourcePolicy", "organizations_resource_policy"),
        ("ListOrganizationalUnitsForParent", "organizations_organizational_unit"),
        ("ListAccountsForParent", "organizations_account_parent"),
        ("ListTagsForResource", "organizations_account_tag"),
        ("DescribeRegions", "ec2_region"),
        ("DescribeInstances", "ec2_instance"),
        ("GetCostAndUsage", "cost_account_daily cost_daily cost_monthly cost_tag_service_daily"),
        ("GetCostAndUsageWithResources", "cost_resource_daily"),
        ("ListCostAllocationTags", "cost_allocation_tag"),
        ("ListCostAllocationTagBackfillHistory", "cost_tag_backfill"),
        ("DescribeBudgets", "budget"),
        ("DescribeNotificationsForBudget", "budget_notification"),
    ],
)
def test_each_cell_counts_its_own_requests(witnessed_night: Witness, operation: str, listing: str) -> None:
    sent = Counter(
        (call["account_id"], call["region"] if listing == "ec2_instance" else "aws-global")
        for call in witnessed_night.calls
        # Others have operations of that name too.
        if call["operation"] == operation and call["service"] != "s3control"
    )
    counted = query(
        witnessed_night.database,
        """
        select account_id, region, sum(request_count) from audit.collection
        where list_contains(string_split($listing, ' '), split_part(listing, ':', 1)) group by all
        having sum(request_count) > 0
        """,
        {"listing": listing},
    )
    assert sent
    assert {(account, region): int(count) for account, region, count in counted} == dict(sent)


def test_who_requested_is_recorded_for_every_profile(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    rows = query(
        witnessed_night.database,
        "select role, profile, caller_account_id, caller_arn, is_expected, waiver from audit.caller_identity",
    )
    found = {(role, profile): rest for role, profile, *rest in rows}
    named = by_key(truth["accounts"], "account_id")
    for role, account in truth["central"].items():
        caller, arn, is_expected, waiver = found[role, named[account]["profile"]]
        assert caller == account
        assert arn.startswith(f"arn:aws:sts::{account}:assumed-role/")
        assert is_expected is not False
        assert waiver is None
    for account in truth["reachable"]:
        assert found["workload", named[account]["profile"]][0] == account
    assert found["workload", "acme-mothballed"][0] is None
    callers = query(
        witnessed_night.database,
        "select distinct account_id, caller_account_id from audit.collection where outcome <> 'skipped'",
    )
    assert callers
    assert all(account == caller for account, caller in callers)


def test_every_rule_was_requested_and_only_the_reach_and_the_example_rates_warn(witnessed_night: Witness) -> None:
    rows = query(witnessed_night.database, "select check_name, scope, severity, passed from audit.check_result")
    assert {name for name, _, _, passed in rows if not passed} == {
        "account_coverage",
        "rates_are_published_and_recent",
    }
    assert {"accounts_are_distinct", "no_silent_zero", "key_is_unique"} <= {name for name, *_ in rows}
    ((outcome,),) = query(witnessed_night.database, "select outcome from audit.run")
    assert outcome == "published"
    assert sorted("No profile reaches" in warning for warning in witnessed_night.night.warnings) == [False, True]


def test_the_run_says_how_far_it_is_and_how_much_it_requested(witnessed_night: Witness) -> None:
    pattern = re.compile(r"(\w+): ([\d,]+) of ([\d,]+) cells, ([\d,]+) records, ([\d,]+) requests, ")
    readings = [match.groups() for match in map(pattern.match, witnessed_night.said) if match]
    last = {what: reading for what, *reading in readings}
    assert {"organizations_account", "ec2_instance", "ec2_region", "cost_daily"} <= set(last)
    done, total, records, requests = last["ec2_instance"]
    truth = witnessed_night.truth
    # The operations account is asked by its own role, together with the others.
    calls = [call for call in witnessed_night.calls if call["operation"] == "DescribeInstances"]
    assert {call["role"] for call in calls} == {"operations", "workload"}
    accounts = {*truth["reachable"], *(call["account_id"] for call in calls if call["role"] == "operations")}
    assert done == total == str(len(accounts) * len(truth["regions"]))
    assert int(records) == sum(i["account_id"] in accounts for i in truth["instances"])
    assert int(requests) == len(calls)


def test_the_published_file_is_for_the_group_to_read_and_for_nobody_to_write(truthful_night: Path) -> None:
    link = truthful_night / DATABASE
    assert link.is_symlink()
    assert stat.S_IMODE(link.stat().st_mode) == 0o440
    for folder in (truthful_night / "versions", truthful_night / "landing"):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o007 == 0, folder
    landed = [*truthful_night.glob("landing/**/*.ndjson")]
    assert landed
    for file in (truthful_night / "cmdb.work.duckdb", *landed):
        assert stat.S_IMODE(file.stat().st_mode) & 0o007 == 0, file


def test_any_duckdb_opens_the_published_file(truthful_night: Path) -> None:
    with duckdb.connect(str(truthful_night / DATABASE), read_only=True) as connection:
        found = connection.execute("select count(*) from org.account").fetchall()
    assert found == [(13,)]


def test_no_published_view_requests_what_only_duckdb_2_has(truthful_night: Path) -> None:
    """2.0 keeps `if(…)` as a call of a function that 1.5 does not know; `make faults` reads with those versions."""
    views = query(truthful_night / DATABASE, "select view_name, sql from duckdb_views() where not internal")
    assert len(views) > 20
    assert [name for name, sql in views if '"if"(' in sql] == []


def test_tables_that_share_out_the_bill_show_its_sum_in_dagster(truthful_night: Path) -> None:
    with duckdb.connect(str(truthful_night / DATABASE), read_only=True) as connection:
        shown = {
            relation: cost_metadata(connection, relation, {"cost_daily"}, dt.datetime.now(dt.UTC))
            for relation in SUMMED
        }
    assert {relation for relation, facts in shown.items() if "sum" in facts} >= set(SUMMED) - {"cost.resource_daily"}
    # The tag slices are asked of the same months here.
    for relation in ("cost.resource_cost", "cost.tag_service_daily", "cost.allocation"):
        assert shown[relation]["sum"] == shown["cost.daily"]["sum"], relation


def test_every_published_table_and_column_says_what_it_is(truthful_night: Path) -> None:
    bare = query(
        truthful_night / DATABASE,
        """
        select schema_name, table_name, '' from duckdb_tables() where comment is null and not internal
        union all
        select schema_name, view_name, '' from duckdb_views() where comment is null and not internal
        union all
        select schema_name, table_name, column_name from duckdb_columns() where comment is null and not internal
        """,
    )
    assert bare == []


def test_nothing_but_the_contract_was_requested(witnessed_night: Witness) -> None:
    # A policy type that is not enabled, a bucket without tags and an engine without major versions have exceptions of
    # their own, which are answers; so is what a bucket's own policy says.
    locked = {bucket["arn"] for bucket in witnessed_night.truth["buckets"] if bucket["is_locked"]}
    refused = [
        (call["role"], call["service"], call["operation"], call["region"], call["error_code"])
        for call in witnessed_night.calls
        if call["error_code"] not in (None, "PolicyTypeNotEnabledException", "NoSuchTagSet")
        and call["parameters"].get("ResourceArn") not in locked
        and (call["service"], call["operation"]) != ("sts", "AssumeRole")
        and (call["operation"], call["parameters"].get("Engine")) != ("DescribeDBMajorEngineVersions", "neptune")
    ]
    assert refused == []
    assert [call for call in witnessed_night.calls if call["fault"]] == []


# ------------------------------------------------------------------------------ a second night, nothing changed


@pytest.mark.large
def test_a_second_run_of_the_same_world_changes_no_row_and_says_so_on_one_screen(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    before = everything(database)
    done = cmdb(night_environment(organisation, database), "nightly")
    assert done.returncode == 0, done.stderr
    after = everything(database)
    for name in PUBLIC:
        assert {key: lasting(row) for key, row in after[name].items()} == {
            key: lasting(row) for key, row in before[name].items()
        }, name
    for key, row in after["aws.ec2_instance"].items():
        assert row["run_id"] != before["aws.ec2_instance"][key]["run_id"]
    for key, row in after["cmdb.resource"].items():
        assert row["last_seen_at"] > before["cmdb.resource"][key]["last_seen_at"]
        assert row["first_seen_at"] == before["cmdb.resource"][key]["first_seen_at"]
    lines = done.stdout.splitlines()
    screen = lines[next(i for i, line in enumerate(lines) if line.startswith("Published ")) :]
    assert len(screen) <= 24
    assert any(re.fullmatch(r"  accounts       13 \(12 active\)", line) for line in screen)
    assert screen[-1].startswith("Next: ")
    assert any("ec2_instance: 27 of 27 cells" in line for line in lines)
    assert "Traceback" not in done.stdout + done.stderr


# ------------------------------------------------------------------------------ a second night, things changed


@dataclass(frozen=True)
class Changed:
    """Three nights of one warehouse: before the changes, after them, and a night later."""

    before: dict[str, dict[tuple[Any, ...], Row]]
    after: dict[str, dict[tuple[Any, ...], Row]]
    later: dict[str, dict[tuple[Any, ...], Row]]
    old_bill: dict[tuple[dt.date, str, str], Decimal]
    new_bill: dict[tuple[dt.date, str, str], Decimal]
    terminated: str
    forgotten: str
    retagged: str
    added: str
    moved: str
    renamed: str
    closed: str
    suspended: str
    removed: str
    restated: tuple[dt.date, str, str]
    run_id: str
    told: set[str]

    @property
    def accounts_touched(self) -> set[str]:
        return {self.moved, self.renamed, self.closed, self.suspended, self.removed}

    @property
    def resources_touched(self) -> set[str]:
        return {self.terminated, self.forgotten, self.retagged, self.added}


@pytest.fixture(scope="module")
def changed(
    simulator_process: Simulator, truthful_night: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Changed]:
    database = copy_of(truthful_night, tmp_path_factory.mktemp("changed"))
    simulator = simulator_process
    truth = simulator.truth()
    today = dt.date.fromisoformat(truth["today"])
    since = asked_since(today)
    before, old_bill = everything(database), bill(simulator.ledger(since, today))
    names = {account["name"]: account["account_id"] for account in truth["accounts"]}
    stays = names["payments-prod"]
    running = [i for i in truth["instances"] if i["account_id"] == stays and i["state"] == "running"]
    terminated, forgotten, retagged = running[0], running[1], running[2]
    restated = (since + dt.timedelta(days=2), stays, "AWS Key Management Service")
    try:
        simulator.change("terminate_instance", instance_id=terminated["instance_id"])
        simulator.change("forget_instance", instance_id=forgotten["instance_id"])
        simulator.change("retag_instance", instance_id=retagged["instance_id"], tags={"Name": "ünïcode; --"})
        added = simulator.change(
            "add_instance", account_id=stays, region=truth["regions"][0], tags={"bc:project": "new"}
        )
        _change_storage(simulator, truth, stays, retagged["instance_id"])
        simulator.change("move_account", account_id=names["payments-dev"], ou="Workloads/Moved/Here")
        simulator.change("rename_account", account_id=names["kōwhai-portal"], name="kōwhai 2")
        simulator.change("close_account", account_id=names["tag-heavy"], state="CLOSED")
        simulator.change("close_account", account_id=names["Zählerdaten 📈 prod"])
        simulator.change("remove_account", account_id=names["sandbox"])
        simulator.change(
            "restate",
            usage_date=restated[0].isoformat(),
            account_id=restated[1],
            service=restated[2],
            amount="-0.00000001",
        )
        new_bill = bill(simulator.ledger(since, today))
        told = _touched(truth, simulator.truth("storage", "addressing"))
        night = run_night(simulator.env, database)
        assert night.published, night.sentences
        after = everything(database)
        # Half a day later: missing once is not gone, missing twice is.
        store = Store(database)
        with store.holding("clock", "a test"), store.transaction() as connection:
            connection.execute(
                "update cmdb.resource set missing_since = missing_since - interval 13 hours "
                "where missing_since is not null"
            )
        simulator.change("close_account", account_id=names["Zählerdaten 📈 prod"], state="ACTIVE")
        night_later = run_night(simulator.env, database)
        assert night_later.published, night_later.sentences
        later = everything(database)
    finally:
        simulator.reset()
    region = truth["regions"][0]
    yield Changed(
        before,
        after,
        later,
        old_bill,
        new_bill,
        terminated["arn"],
        forgotten["arn"],
        retagged["arn"],
        f"arn:aws:ec2:{region}:{stays}:instance/{added['instance_id']}",
        names["payments-dev"],
        names["kōwhai-portal"],
        names["tag-heavy"],
        names["Zählerdaten 📈 prod"],
        names["sandbox"],
        restated,
        night.run_id,
        told,
    )
    shutil.rmtree(database.parent, ignore_errors=True)


def _change_storage(simulator: Simulator, truth: Row, account: str, instance_id: str) -> None:
    """Create, change, delete, move and retag, in the account and region of an instance."""
    (region,) = [i["region"] for i in truth["instances"] if i["instance_id"] == instance_id]

    def there(key: str) -> list[Row]:
        return [row for row in truth[key] if (row["account_id"], row["region"]) == (account, region)]

    spare = [row["volume_id"] for row in there("volumes") if row["state"] == "available"]
    simulator.change("add_volume", account_id=account, region=region, tags={"Name": "new"})
    simulator.change("attach_volume", volume_id=spare[0], instance_id=instance_id)
    simulator.change("modify_volume", volume_id=spare[1], volume_type="gp3", size_gb=999)
    simulator.change("delete_storage", resource_id=spare[2])
    simulator.change("add_snapshot", volume_id=spare[1])
    simulator.change("delete_storage", resource_id=there("snapshots")[0]["snapshot_id"])
    simulator.change("retag_storage", resource_id=there("images")[0]["image_id"], tags={"Name": "ünïcode; --"})
    free = [row["allocation_id"] for row in there("addresses") if not row["association_id"]]
    simulator.change("allocate_address", account_id=account, region=region)
    simulator.change("associate_address", allocation_id=free[0], instance_id=instance_id)
    simulator.change("release_address", allocation_id=free[1])
    (gateway,) = [row for row in there("nat_gateways") if row["state"] == "available"]
    simulator.change("delete_nat_gateway", nat_gateway_id=gateway["nat_gateway_id"])


def _touched(before: Row, after: Row) -> set[str]:
    """The volumes, snapshots, images, addresses and gateways that came, went or changed, in truth."""
    old, new = (
        {
            row["arn"]: row
            for key in ("volumes", "snapshots", "images", "addresses", "nat_gateways")
            for row in truth[key]
        }
        for truth in (before, after)
    )
    return {arn for arn in old.keys() | new.keys() if old.get(arn) != new.get(arn)}


def changes_of(before: Row, after: Row) -> set[str]:
    return {name for name in before if name not in OWN_TIME and before[name] != after[name]}


@pytest.mark.large
def test_only_what_changed_changes_in_the_accounts(changed: Changed) -> None:
    before, after = changed.before["org.account"], changed.after["org.account"]
    assert set(before) == set(after)
    seen = {key[0]: changes_of(before[key], after[key]) for key in before}
    assert {account: names for account, names in seen.items() if names} == {
        changed.moved: {"ou_id", "ou_path"},
        changed.renamed: {"account_name"},
        changed.closed: {"state", "profile", "has_profile"},
        changed.suspended: {"state", "profile", "has_profile"},
        changed.removed: {"state", "profile", "has_profile"},
    }
    assert after[changed.moved,]["ou_path"] == "/Workloads/Moved/Here"
    assert after[changed.renamed,]["account_name"] == "kōwhai 2"
    assert after[changed.closed,]["state"] == "CLOSED"
    assert after[changed.suspended,]["state"] == "SUSPENDED"
    assert after[changed.removed,]["state"] == "LEFT"
    assert after[changed.removed,]["last_seen_at"] == before[changed.removed,]["last_seen_at"]


@pytest.mark.large
def test_a_new_unit_appears_and_an_empty_one_stays(changed: Changed) -> None:
    before, after = changed.before["org.organizational_unit"], changed.after["org.organizational_unit"]
    assert {after[key]["ou_path"] for key in set(after) - set(before)} == {
        "/Workloads/Moved",
        "/Workloads/Moved/Here",
    }
    assert {key: lasting(row) for key, row in after.items() if key in before} == {
        key: lasting(row) for key, row in before.items()
    }


@pytest.mark.large
def test_only_what_changed_changes_in_the_instances(changed: Changed) -> None:
    before, after = changed.before["aws.ec2_instance"], changed.after["aws.ec2_instance"]
    gone = {changed.closed, changed.removed}
    left = {key for key, row in before.items() if row["account_id"] in gone}
    assert set(before) - set(after) == left | {(changed.forgotten,)}
    assert set(after) - set(before) == {(changed.added,)}
    touched = {key[0] for key in set(before) & set(after) if changes_of(before[key], after[key])}
    stale = {key[0] for key, row in before.items() if row["account_id"] == changed.suspended}
    assert touched == {changed.terminated, changed.retagged} | stale
    assert after[changed.terminated,]["state"] == "terminated"
    assert after[changed.retagged,]["tags"] == {"Name": "ünïcode; --"}
    for arn in stale:
        assert changes_of(before[arn,], after[arn,]) == {"is_stale"}
        assert after[arn,]["is_stale"] is True
        assert after[arn,]["collected_at"] == before[arn,]["collected_at"]


@pytest.mark.large
def test_what_is_gone_from_a_response_is_missing_and_after_half_a_day_retired(changed: Changed) -> None:
    key = (changed.forgotten,)
    was, now, then = (tables["cmdb.resource"][key] for tables in (changed.before, changed.after, changed.later))
    assert (was["status"], now["status"], then["status"]) == ("active", "missing", "retired")
    assert now["missing_since"] > was["last_seen_at"] == now["last_seen_at"]
    assert now["retired_at"] is None
    assert then["retired_reason"] == "not_found"
    assert then["retired_at"] > now["missing_since"]
    assert now["is_stale"] is then["is_stale"] is False
    assert changes_of(was, now) == {"status", "missing_since"}


@pytest.mark.large
def test_what_aws_calls_terminated_is_retired_at_once(changed: Changed) -> None:
    row = changed.after["cmdb.resource"][changed.terminated,]
    assert (row["status"], row["retired_reason"], row["state"]) == ("retired", "terminated", "terminated")
    later = changed.later["cmdb.resource"][changed.terminated,]
    assert later["retired_at"] == row["retired_at"], "a resource retires once"


@pytest.mark.large
def test_what_is_new_begins_with_the_run_that_saw_it(changed: Changed) -> None:
    row = changed.after["cmdb.resource"][changed.added,]
    earlier = max(row["last_seen_at"] for row in changed.before["cmdb.resource"].values())
    assert row["first_seen_at"] > earlier
    assert (row["status"], row["project"], row["owner_source"]) == ("active", "new", "account default")
    assert changed.later["cmdb.resource"][changed.added,]["first_seen_at"] == row["first_seen_at"]


@pytest.mark.parametrize("which", ["closed", "removed"])
@pytest.mark.large
def test_an_account_that_left_retires_its_resources(changed: Changed, which: str) -> None:
    account = getattr(changed, which)
    rows = {k: r for k, r in changed.before["cmdb.resource"].items() if r["account_id"] == account}
    assert rows
    for key, was in rows.items():
        now = changed.after["cmdb.resource"][key]
        assert now["status"] == "retired"
        assert now["is_stale"] is False
        if was["status"] == "retired":
            assert (now["retired_at"], now["retired_reason"]) == (was["retired_at"], was["retired_reason"])
        else:
            assert now["retired_reason"] == "account_left"
            assert now["retired_at"] > was["last_seen_at"]


@pytest.mark.large
def test_a_suspended_account_keeps_its_resources_stale_and_gets_them_back(changed: Changed) -> None:
    rows = {k: r for k, r in changed.before["cmdb.resource"].items() if r["account_id"] == changed.suspended}
    assert rows
    for key, was in rows.items():
        now, then = changed.after["cmdb.resource"][key], changed.later["cmdb.resource"][key]
        if was["status"] == "retired":
            continue
        assert changes_of(was, now) == {"is_stale"}
        assert now["last_seen_at"] == was["last_seen_at"]
        assert then["is_stale"] is False
        assert then["status"] == was["status"]
        assert then["last_seen_at"] > was["last_seen_at"]


@pytest.mark.large
def test_no_other_resource_changes(changed: Changed) -> None:
    before, after = changed.before["cmdb.resource"], changed.after["cmdb.resource"]
    assert set(before) <= set(after), "a configuration item is never forgotten"
    instances = {arn.rpartition("/")[2] for arn in changed.resources_touched}
    # An instance comes and goes with its interface.
    own = {
        key[0]
        for key, row in after.items()
        if row["resource_type"] == INTERFACE and json.loads(row["attributes"])["instance_id"] in instances
    }
    touched = {
        key[0]
        for key, row in after.items()
        if row["account_id"] not in changed.accounts_touched and (key not in before or changes_of(before[key], row))
    }
    told = {arn for arn in changed.told if after[arn,]["account_id"] not in changed.accounts_touched}
    assert touched - own == changed.resources_touched | told
    assert len(told) > 15


@pytest.mark.large
def test_storage_and_addresses_move_and_go_as_they_do_in_truth(changed: Changed) -> None:
    before, after = changed.before["aws.ec2_volume"], changed.after["aws.ec2_volume"]
    instance = changed.retagged.rpartition("/")[2]
    moved = [
        key
        for key in before.keys() & after.keys()
        if set(after[key]["instance_ids"]) - set(before[key]["instance_ids"])
    ]
    assert len(moved) == 1
    assert (before[moved[0]]["state"], after[moved[0]]["state"]) == ("available", "in-use")
    assert after[moved[0]]["instance_ids"] == [instance]
    # The volumes of a terminated instance go with it or are left, and AWS does not say since when.
    left = [
        key for key in before.keys() & after.keys() if before[key]["instance_ids"] and not after[key]["instance_ids"]
    ]
    assert left
    assert all(after[key]["state"] == "available" and after[key]["attached_at"] is None for key in left)
    addresses = changed.after["aws.ec2_address"]
    assert [row["instance_id"] for row in addresses.values() if row["instance_id"] == instance] == [instance]
    resources = changed.after["cmdb.resource"]
    gone = (changed.before["aws.ec2_volume"].keys() - after.keys()) & {(arn,) for arn in changed.told}
    statuses = {
        resources[key]["status"] for key in gone if resources[key]["account_id"] not in changed.accounts_touched
    }
    assert statuses == {"missing"}
    deleted = [row for row in changed.after["aws.ec2_nat_gateway"].values() if row["state"] == "deleted"]
    assert {resources[row["arn"],]["retired_reason"] for row in deleted} == {"terminated"}


@pytest.mark.large
def test_the_bill_is_replaced_and_every_changed_amount_is_logged_once(changed: Changed) -> None:
    def amounts(tables: dict[str, dict[tuple[Any, ...], Row]]) -> dict[tuple[dt.date, str, str], Decimal]:
        return {
            (row["usage_date"], row["account_id"], row["dimension_value"]): row["unblended_cost"]
            for row in tables["cost.daily"].values()
            if row["slice"] == "service"
        }

    assert amounts(changed.before) == changed.old_bill
    assert amounts(changed.after) == changed.new_bill
    keys = set(changed.old_bill) | set(changed.new_bill)
    expected = {
        key: (changed.old_bill.get(key), changed.new_bill.get(key))
        for key in keys
        if changed.old_bill.get(key) != changed.new_bill.get(key)
    }
    assert changed.restated in expected
    logged = {
        (row["usage_date"], row["account_id"], row["dimension_value"]): (
            row["old_unblended_cost"],
            row["new_unblended_cost"],
        )
        for row in changed.after["cost.restatement"].values()
        if row["slice"] == "service"
    }
    assert logged == expected
    assert {row["run_id"] for row in changed.after["cost.restatement"].values()} == {changed.run_id}
    assert {row["currency"] for row in changed.after["cost.restatement"].values()} == {"USD"}
    old, new = logged[changed.restated]
    assert old is not None
    assert new is not None
    # The instance that was forgotten costs under another service: this day's difference is the restatement alone.
    assert new - old == Decimal("-0.00000001")
    assert len(changed.later["cost.restatement"]) == len(changed.after["cost.restatement"])


# -------------------------------------------------------------------------------------- another organisation


@pytest.mark.large
def test_an_organisation_of_another_size_and_seed_is_found_whole(
    make_organisation: Callable[..., Simulator], tmp_path: Path
) -> None:
    simulator = make_organisation(
        accounts=4, regions=("eu-west-1", "ap-southeast-2"), resources=23, page_size=3, seed=7
    )
    database = tmp_path / "house" / DATABASE
    night = run_night(simulator.env, database)
    assert night.published, night.sentences
    truth = simulator.truth()
    asked = {*truth["reachable"], truth["central"]["operations"]}
    expected = Counter(i["arn"] for i in truth["instances"] if i["account_id"] in asked)
    found = Counter(arn for (arn,) in query(database, "select arn from aws.ec2_instance"))
    assert found == expected
    assert set(expected.values()) == {1}
