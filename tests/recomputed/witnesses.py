"""What explains the bill of the last seven complete days, and what nobody can explain."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from recomputed.bill import CURRENCY
from recomputed.figures import Figures, Row, recomputes, rounded
from recomputed.items import items
from recomputed.world import World, reference

LISTED_BY = {
    "ec2_instance": "instances",
    "ec2_volume": "volumes",
    "ec2_snapshot": "snapshots",
    "ec2_image": "images",
    "ec2_address": "addresses",
    "ec2_nat_gateway": "nat_gateways",
    "ec2_network_interface": "network_interfaces",
    "rds_db_instance": "db_instances",
    "rds_db_cluster": "db_clusters",
    "rds_db_snapshot": "db_snapshots",
    "rds_db_cluster_snapshot": "db_snapshots",
    "s3_bucket": "buckets",
    "lambda_function": "functions",
    "ec2_reserved_instance": "reserved_instances",
    "ec2_capacity_reservation": "capacity_reservations",
    "ec2_capacity_block": "capacity_blocks",
    "ec2_host": "hosts",
    "ec2_host_reservation": "host_reservations",
    "ec2_fast_snapshot_restore": "fast_snapshot_restores",
    "ec2_vpc_endpoint": "vpc_endpoints",
    "ec2_transit_gateway_attachment": "transit_gateway_attachments",
    "ec2_vpn_connection": "vpn_connections",
    "ec2_client_vpn_endpoint": "client_vpn_endpoints",
    "ec2_traffic_mirror_session": "traffic_mirror_sessions",
    "ec2_verified_access_endpoint": "verified_access_endpoints",
    "ec2_ipam": "ipams",
    "rds_db_instance_automated_backup": "db_instance_automated_backups",
    "rds_db_cluster_automated_backup": "db_cluster_automated_backups",
    "rds_db_proxy": "db_proxies",
    "rds_reserved_db_instance": "reserved_db_instances",
}
"""The listing that shows the items of a part of the truth."""


@dataclass
class Part:
    """What an account paid for a family of a service's usage."""

    account: str
    service: str
    family: str
    is_family: bool
    charge: str
    cost: Decimal


def week(world: World) -> tuple[dt.date, dt.date]:
    """First and last of the last seven complete days."""
    return world.through - dt.timedelta(days=6), world.through


def _sums(world: World, cut: str) -> dict[tuple[str, str], Decimal]:
    first, last = week(world)
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for day, account, value, amounts in world.cells(cut):
        if first <= day <= last:
            sums[account, value] += amounts["unblended_cost"]
    return sums


def parts(world: World) -> list[Part]:
    """The bill by service, divided into families of usage where these are nobody else's."""
    spent = {place: cost for place, cost in _sums(world, "service").items() if cost}
    families, others = reference("usage_family"), reference("shared_usage")
    known = {row["service"] for name in ("service_action", "service_listing") for row in reference(name)}
    new = {
        account
        for (account, service), cost in spent.items()
        if cost > 0 and OF_AWS.match(service) and service not in known and not service.startswith("AWS Support")
    }
    by_family: dict[tuple[str, str], dict[str, tuple[Decimal, str]]] = defaultdict(dict)
    for (account, usage), cost in _sums(world, "usage_type").items():
        fitting: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in families:
            if (account, row["service"]) in spent and re.search(row["usage_pattern"], usage):
                fitting[row["service"]].append((row["usage_family"], row["charge"]))
        shared = {row["service"] for row in others if re.search(row["usage_pattern"], usage)}
        is_anothers = any((account, service) in spent for service in shared) or (shared and account in new)
        if len(fitting) == 1 and not is_anothers:
            ((service, named),) = fitting.items()
            own = by_family[account, service]
            family = min(name for name, _ in named)
            old = own.get(family, (Decimal(0), ""))
            own[family] = (old[0] + cost, min((charge for _, charge in named if charge), default=""))
    found: list[Part] = []
    for (account, service), cost in spent.items():
        own = {name: part for name, part in by_family[account, service].items() if part[0]}
        divided = sum((part[0] for part in own.values()), Decimal(0))
        is_divided = bool(own) and cost >= divided and min(part[0] for part in own.values()) > 0
        if is_divided:
            found += [Part(account, service, name, True, charge, part) for name, (part, charge) in own.items()]
            cost -= divided
        if cost:
            name = "other usage" if is_divided else "all usage"
            found.append(Part(account, service, name, False, "", cost))
    return found


def _is_known(world: World, account: str, listing: str) -> bool:
    """Whether a listing of an account counts: the hub's profile may ask EC2 alone."""
    if account == world.truth["central"]["operations"]:
        return listing.startswith("ec2_")
    return account in world.collected


def _listings(part: Part) -> list[str]:
    rest = reference("service_listing")
    if part.family == "other usage":
        rest = [row for row in rest if row["explains_rest"] == "true"]
    if part.is_family:
        return sorted(
            row["listing"]
            for row in reference("usage_family")
            if (row["service"], row["usage_family"]) == (part.service, part.family) and row["listing"]
        )
    return sorted(row["listing"] for row in rest if row["service"] == part.service)


def explained(world: World) -> list[dict[str, Any]]:
    """Each part with what explains it."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    arns: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in items(world):
        for listing, name in LISTED_BY.items():
            of_cluster = item.resource_type == "AWS::RDS::DBClusterSnapshot"
            if item.part == name and (name != "db_snapshots" or of_cluster == (listing == "rds_db_cluster_snapshot")):
                counts[item.account_id, listing] += 1
                arns[item.account_id, listing].add(item.arn)
    records: dict[tuple[str, str], int] = defaultdict(int)
    for listing, places in world.records.items():
        for (account, _), found in places.items():
            records[account, listing] += len(found)
    known_services = {row["service"]: row for row in reference("service_action")}
    every = parts(world)
    sellers: dict[str, Decimal] = defaultdict(Decimal)
    listed_services = {row["service"] for row in reference("service_listing")}
    for (account, service), cost in _sums(world, "service").items():
        if cost > 0 and service not in {*known_services, *listed_services, "Tax"} and not OF_AWS.match(service):
            sellers[account] += cost
    sold: dict[str, Decimal] = defaultdict(Decimal)
    for (account, usage), cost in _sums(world, "usage_type").items():
        if re.search("(^|-)(MP:|SoftwareUsage)", usage):
            sold[account] += cost
    first, last = week(world)
    rate = world.average_rate(first, last)
    spending: dict[tuple[str, str], dt.date] = {}
    for day, account, service, amounts in world.cells("service"):
        if first <= day <= last and amounts["unblended_cost"] > 0:
            spending[account, service] = max(day, spending.get((account, service), day))
    rows: list[dict[str, Any]] = []
    for part in every:
        wanted = _listings(part)
        resource_count = sum(counts[part.account, name] for name in wanted)
        record_count = sum(records[part.account, name] for name in wanted)
        reason = _reason(part, wanted, resource_count + record_count, known_services)
        if reason == "unexplained" and wanted and not all(_is_known(world, part.account, name) for name in wanted):
            reason = "unknown"
        remark = None
        if reason == "stranger":
            is_of_aws = OF_AWS.match(part.service) is not None
            reason, remark = _of_a_stranger(part.service, not is_of_aws and sold[part.account] >= sellers[part.account])
        rows.append(
            {
                "account_id": part.account,
                "service": part.service,
                "usage_family": part.family,
                "standing": {"resources": "explained", "unexplained": "unexplained", "unknown": "unknown"}.get(
                    reason, "named"
                ),
                "explanation": reason,
                "unblended_cost": part.cost,
                "reporting_unblended_cost": None if rate is None else rounded(part.cost * rate),
                "reporting_currency": world.currency,
                "first_date": first,
                "through_date": last,
                "last_spend_date": spending.get((part.account, part.service)),
                "listings": wanted,
                "resource_count": resource_count,
                "example_arns": sorted(set().union(*(arns[part.account, name] for name in wanted)))[:3],
                "record_count": record_count,
                "action_needed": (known_services[part.service]["action"] if part.service in known_services else SEARCH)
                if reason == "not_listable"
                else None,
                "remark": remark,
            }
        )
    return rows


OF_AWS = re.compile("Amazon|AWS|EC2|CloudWatch|Code")
"""How the names of AWS's own services begin."""

SEARCH = "resource-explorer-2:Search"

LISTED = ("Elastic Compute", "Relational Database", "Simple Storage", "Virtual Private Cloud")
LISTED_WORDS = {"EC2", "RDS", "S3", "VPC", "Lambda", "Aurora", "Neptune", "DocumentDB"}


def _of_a_stranger(service: str, is_sold: bool) -> tuple[str, str | None]:
    """What a service that no list has is, and what is not known of it."""
    if is_sold:
        return "marketplace", None
    if any(part in service for part in LISTED) or LISTED_WORDS & set(re.findall(r"\w+", service)):
        return "unexplained", "not known: its name is like that of a service that is listed"
    if OF_AWS.match(service):
        return "not_listable", "not known: no list of this product has the service yet"
    return "not_listable", "not known: whether AWS or a seller of AWS Marketplace bills it"


def _reason(part: Part, wanted: list[str], there: int, known_services: Mapping[str, Mapping[str, str]]) -> str:
    """What explains a part, if every listing counts."""
    if part.cost < 0:
        return "credit"
    if part.charge:
        return part.charge
    if part.service == "Tax":
        return "tax"
    if part.service.startswith("Savings Plans for "):
        return "commitment"
    if part.service.startswith("AWS Support"):
        return "support"
    known = known_services.get(part.service)
    if known and known["charge"]:
        return known["charge"]
    if there:
        return "resources"
    if wanted:
        return "unexplained"
    return "not_listable" if known else "stranger"


@recomputes("cost.explained_spend")
def explained_spend(world: World) -> Figures:
    """Its rows are the bill of these days, to the last digit."""
    return Figures(("account_id", "service", "usage_family"), list(explained(world)))


def inventoried(world: World) -> list[dict[str, Any]]:
    """The same by service and verdict, of what resources ought to explain."""
    verdicts = {"resources": "inventoried", "unknown": "unknown", "not_listable": "no listing"}
    places: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in explained(world):
        if row["explanation"] in (*verdicts, "unexplained"):
            verdict = verdicts.get(row["explanation"], "not inventoried" if row["listings"] else "no listing")
            places[row["account_id"], row["service"], verdict].append(row)
    found = []
    for (account, service, verdict), rows in places.items():
        found.append(
            {
                "account_id": account,
                "service": service,
                "unblended_cost": sum((row["unblended_cost"] for row in rows), Decimal(0)),
                "verdict": verdict,
                "last_spend_date": rows[0]["last_spend_date"],
            }
        )
    return found


@recomputes("cmdb.finding_spend_without_inventory")
def finding_spend_without_inventory(world: World) -> Figures:
    """What costs, and the inventory does not explain."""
    names = {account["account_id"]: account["name"] for account in world.truth["accounts"]}
    rows: list[Row] = [
        {
            "account_id": row["account_id"],
            "account_name": names[row["account_id"]],
            "service": row["service"],
            "unblended_cost": row["unblended_cost"],
            "currency": CURRENCY,
            "first_date": week(world)[0],
            "last_spend_date": row["last_spend_date"],
            "reason": row["verdict"],
        }
        for row in inventoried(world)
        if row["verdict"] in ("not inventoried", "no listing")
    ]
    return Figures(("account_id", "service", "reason"), rows)
