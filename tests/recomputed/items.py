"""The configuration items of the accounts that are collected, by the simulator's truth and, of interfaces, by boto3."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from recomputed.figures import Figures, Row, recomputes
from recomputed.sharing import UNALLOCATED, spent
from recomputed.world import World, days, last_day, month_of, reference

Record = Mapping[str, Any]

TYPES = {
    "instances": "AWS::EC2::Instance",
    "vpcs": "AWS::EC2::VPC",
    "subnets": "AWS::EC2::Subnet",
    "security_groups": "AWS::EC2::SecurityGroup",
    "flow_logs": "AWS::EC2::FlowLog",
    "volumes": "AWS::EC2::Volume",
    "snapshots": "AWS::EC2::Snapshot",
    "images": "AWS::EC2::Image",
    "addresses": "AWS::EC2::EIP",
    "nat_gateways": "AWS::EC2::NatGateway",
    "db_instances": "AWS::RDS::DBInstance",
    "db_clusters": "AWS::RDS::DBCluster",
    "db_snapshots": "AWS::RDS::DBSnapshot",
    "buckets": "AWS::S3::Bucket",
    "functions": "AWS::Lambda::Function",
    "resource_groups": "AWS::ResourceGroups::Group",
}
"""The type of each part of the truth; of one that is not here the type is whatever the table says."""

NO_ITEMS = (
    "tagged_resources",
    "config_aggregators",
    "config_resources",
    "explorer_resources",
    "metric_activity",
    "network_interfaces",
    # What is said of an item of another part.
    "instance_statuses",
    "instance_types",
    "instance_images",
    "function_urls",
    "function_versions",
    "public_snapshots",
    "pending_maintenance_actions",
    "public_images",
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
OF_WORKLOADS = ("rds", "s3", "s3-object-lambda", "lambda")
"""Services that the hub's profile may not list."""

WITHOUT_TAGS = (
    "access_grants",
    "access_grants_instances",
    "access_grants_locations",
    "access_points",
    "aliases",
    "capacity_providers",
    "code_signing_configs",
    "db_cluster_parameter_groups",
    "db_parameter_groups",
    "db_proxies",
    "db_proxy_endpoints",
    "db_subnet_groups",
    "event_source_mappings",
    "event_subscriptions",
    "layers",
    "multi_region_access_points",
    "object_lambda_access_points",
    "option_groups",
    "reserved_db_instances",
    "storage_lens_configurations",
    "storage_lens_groups",
)
"""Parts whose records AWS lists without their tags: nobody can tell which they have."""

GONE = {
    "capacity_blocks": ("expired", "unavailable", "cancelled", "failed", "payment-failed"),
    "capacity_reservations": ("expired", "cancelled", "failed"),
    "customer_gateways": ("deleted",),
    "fleets": ("deleted", "failed"),
    "hosts": ("released", "released-permanent-failure"),
    "instances": ("terminated",),
    "nat_gateways": ("deleted", "failed"),
    "reserved_instances": ("retired",),
    "spot_fleets": ("cancelled", "failed"),
    "spot_instance_requests": ("closed", "cancelled", "failed"),
    "vpc_block_public_access_exclusions": ("create-failed", "delete-complete", "disable-complete"),
    "vpc_endpoint_services": ("Deleted", "Failed"),
    "vpc_peering_connections": ("deleted", "rejected", "failed", "expired"),
}
"""The states of what is no more, by part."""

IDS = {
    "instances": "instance_id",
    "vpcs": "vpc_id",
    "subnets": "subnet_id",
    "security_groups": "group_id",
    "flow_logs": "flow_log_id",
    "volumes": "volume_id",
    "snapshots": "snapshot_id",
    "images": "image_id",
    "addresses": "allocation_id",
    "nat_gateways": "nat_gateway_id",
    "functions": "name",
    "buckets": "name",
}


CREATED = {
    "reserved_instances": ("ec2_reserved_instance", "ReservedInstancesId", "Start"),
    "capacity_reservations": ("ec2_capacity_reservation", "CapacityReservationId", "CreateDate"),
    "capacity_blocks": ("ec2_capacity_block", "CapacityBlockId", "CreateDate"),
    "hosts": ("ec2_host", "HostId", "AllocationTime"),
    "host_reservations": ("ec2_host_reservation", "HostReservationId", "Start"),
    "vpc_block_public_access_exclusions": (
        "ec2_vpc_block_public_access_exclusion",
        "ExclusionId",
        "CreationTimestamp",
    ),
    "db_proxies": ("rds_db_proxy", "DBProxyArn", "CreatedDate"),
    "reserved_db_instances": ("rds_reserved_db_instance", "ReservedDBInstanceArn", "StartTime"),
}
"""Parts of the truth that do not say when an item was made: the listing whose records do, their name and their time."""


@dataclass(frozen=True)
class Item:
    """A configuration item.

    Attributes:
        tags: None where nobody could read them.
        created: when it was made, or started last.
    """

    arn: str
    part: str
    resource_type: str
    account_id: str
    region: str
    resource_id: str
    state: str | None
    status: str
    tags: Mapping[str, str] | None
    created: dt.datetime | None
    columns: Mapping[str, str | None]


def items(world: World) -> list[Item]:
    """Every item of a first night."""
    return [*_of_truth(world), *_interfaces(world), *_made_for(world)]


def parts(world: World) -> Iterator[tuple[str, Record]]:
    """The records of the truth that are items of accounts that are collected, with the part that they are of."""
    hub = world.truth["central"]["operations"]
    for part, rows in world.truth.items():
        if part in NO_ITEMS or not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
            continue
        for row in rows:
            arn = row.get("arn") or row.get("group_arn")
            # AWS's own prefix lists belong to nobody.
            if not arn or not row.get("account_id", "").isdigit():
                continue
            is_asked = row["account_id"] != hub or arn.split(":")[2] not in OF_WORKLOADS
            is_kept = row.get("snapshot_type", "manual") != "automated"
            # What is shared, or joins two accounts, is listed by each of them.
            seen_by = {row["account_id"], *(account for account, _ in row.get("listed_in", ()))}
            if seen_by & world.collected and is_asked and is_kept:
                yield part, row


def _tags_elsewhere(world: World) -> dict[str, dict[str, str]]:
    """What the tagging API has of an item, by its ARN."""
    return {row["arn"]: row["tags"] for row in world.truth["tagged_resources"]}


def _created(world: World) -> dict[tuple[str, str], dt.datetime]:
    """When the items of `CREATED` were made, by part and by what AWS calls them."""
    return {
        (part, record[name]): record[time]
        for part, (listing, name, time) in CREATED.items()
        for records in world.records[listing].values()
        for record in records
        if time in record
    }


def _of_truth(world: World) -> Iterator[Item]:
    elsewhere = _tags_elsewhere(world)
    made = _created(world)
    for part, row in parts(world):
        arn = row.get("arn") or row["group_arn"]
        is_read = row["account_id"] in world.collected and part not in WITHOUT_TAGS
        own = row.get("tags") if is_read and not row.get("is_locked") else None
        tags = own if own else elsewhere.get(arn, own)
        created = row.get("launched_at") or row.get("created_at") or row.get("started_at")
        at = dt.datetime.fromisoformat(created) if created else None
        if at is None:
            at = made.get((part, arn)) or made.get((part, arn.rpartition("/")[2]))
        kind = TYPES.get(part) or row.get("known_type", "")
        if row.get("is_of_cluster"):
            kind = "AWS::RDS::DBClusterSnapshot"
        state = row.get("state") or row.get("status")
        yield Item(
            arn,
            part,
            kind,
            row["account_id"],
            row["region"],
            row.get(IDS.get(part, "")) or row.get("resource_id") or "",
            state,
            "retired" if state in GONE.get(part, ()) else "active",
            tags,
            at.astimezone(dt.UTC) if at else None,
            columns(world, row["account_id"], tags),
        )


def _interfaces(world: World) -> Iterator[Item]:
    elsewhere = _tags_elsewhere(world)
    for (_, region), records in world.records["ec2_network_interface"].items():
        for record in records:
            account, name = record["OwnerId"], record["NetworkInterfaceId"]
            arn = f"arn:aws:ec2:{region}:{account}:network-interface/{name}"
            tags = {tag["Key"]: tag["Value"] for tag in record.get("TagSet", [])} or elsewhere.get(arn, {})
            kind = "AWS::EC2::NetworkInterface"
            yield Item(
                arn, "network_interfaces", kind, account, region, name, record["Status"], "active", tags, None,
                columns(world, account, tags),
            )  # fmt: skip


def _made_for(world: World) -> Iterator[Item]:
    """The load balancers that AWS made interfaces for; no other service of the simulator has any."""
    elsewhere = _tags_elsewhere(world)
    seen = set()
    for (_, region), records in world.records["ec2_network_interface"].items():
        for record in records:
            kind, _, name = record["Description"].partition("ELB ")
            if kind or not name or record["Status"] != "in-use" or record.get("Attachment", {}).get("InstanceId"):
                continue
            account = record["OwnerId"]
            arn = f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/{name}"
            if arn not in seen:
                seen.add(arn)
                tags = elsewhere.get(arn)
                yield Item(
                    arn, "load_balancers", "AWS::ElasticLoadBalancingV2::LoadBalancer", account, region, name, None,
                    "active", tags, None, columns(world, account, tags),
                )  # fmt: skip


def columns(world: World, account: str, tags: Mapping[str, str] | None) -> dict[str, str | None]:
    """What the tags say of an item, in the spelling that counts, and where they say nothing its account's default."""
    defaults = {row["account_id"]: row for row in reference("account_default")}
    found: dict[str, str | None] = {}
    source = "none"
    for key, column in world.tag_keys.items():
        own = world.counted(key, (tags or {}).get(key, "")) or None
        default = defaults.get(account, {}).get(column) or None
        found[column] = own or default
        if column == "business_owner":
            source = "resource tag" if own else "account default" if default else "none"
    return {**found, "owner_source": source}


@recomputes("cmdb.resource")
def resource(world: World) -> Figures:
    """Every item, whose it is, and what its tags say."""
    rows: list[Row] = [
        {
            "arn": item.arn,
            **({"resource_type": item.resource_type} if item.resource_type else {}),
            "account_id": item.account_id,
            "region": item.region,
            "status": item.status,
            "is_stale": False,
            **item.columns,
        }
        for item in items(world)
    ]
    return Figures(("arn",), rows)


@recomputes("cmdb.resource_version")
def resource_version(world: World) -> Figures:
    """A first night knows each as it is."""
    rows: list[Row] = [
        {"arn": item.arn, "is_current": True, "status": item.status, "valid_to": None} for item in items(world)
    ]
    return Figures(("arn",), rows)


def there(world: World) -> list[Item]:
    """The items that are not retired."""
    return [item for item in items(world) if item.status != "retired"]


@recomputes("cmdb.tag_fill_rate")
def tag_fill_rate(world: World) -> Figures:
    """How many of all items carry each tag with a value."""
    rows: list[Row] = []
    known = [item.tags for item in there(world) if item.tags is not None]
    for key in world.tag_keys:
        filled = sum(1 for tags in known if tags.get(key, "").strip())
        empty = sum(1 for tags in known if key in tags and not tags[key].strip())
        rows.append(
            {
                "tag_key": key,
                "filled_count": filled,
                "empty_count": empty,
                "absent_count": len(known) - filled - empty,
                "unknown_count": len(there(world)) - len(known),
                "fill_rate_pct": (Decimal(100 * filled) / len(known)).quantize(Decimal("0.01"), ROUND_FLOOR),
            }
        )
    return Figures(("tag_key",), rows)


@recomputes("cmdb.tag_value_near_miss")
def tag_value_near_miss(world: World) -> Figures:
    """Values that count as different and read alike."""
    import unicodedata

    def reading(value: str) -> str:
        plain = unicodedata.normalize("NFD", value.lower())
        return "".join(sign for sign in plain if sign.isalnum()) or value

    rows: list[Row] = []
    since = max(world.bill_days) - dt.timedelta(days=31)
    for key in world.tag_keys:
        costs: dict[str, Decimal] = defaultdict(Decimal)
        for day, _, written, amounts in world.cells(f"tag:{key}"):
            if day > since and world.counted(key, written):
                costs[world.counted(key, written)] += amounts["unblended_cost"]
        carried = Counter(
            value for item in there(world) if (value := world.counted(key, (item.tags or {}).get(key, "")))
        )
        alike: dict[str, list[str]] = defaultdict(list)
        for value in {*costs, *carried}:
            alike[reading(value)].append(value)
        for values in alike.values():
            for value in values:
                others = sorted(set(values) - {value}, key=lambda one: (-costs.get(one, 0), -carried[one], one))
                if others:
                    rows.append(
                        {
                            "tag_key": key,
                            "tag_value": value,
                            "resembles": others,
                            "unblended_cost": costs.get(value, Decimal(0)),
                            "resource_count": carried[value],
                        }
                    )
    return Figures(("tag_key", "tag_value"), rows)


def _cost_month(world: World) -> dt.date | None:
    """The last month of which each day is complete."""
    whole = [
        month for month in world.months if month >= world.bill_days[0] and world.through_of(month) == last_day(month)
    ]
    return max(whole, default=None)


@recomputes("cmdb.application")
def application(world: World) -> Figures:
    """What carries a business service's name, who answers for it, and what the bill shows for the tag."""
    (key,) = (key for key, column in world.tag_keys.items() if column == "business_service")
    month = _cost_month(world)
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for (day, value), (cost, _) in spent(world, key).items():
        if month is not None and month_of(day) == month and not value.startswith("("):
            costs[value] += cost
    held: dict[str, list[Item]] = defaultdict(list)
    for item in there(world):
        if item.columns["business_service"]:
            held[item.columns["business_service"]].append(item)
    rows: list[Row] = []
    for name in {*held, *costs}:
        own = held.get(name, [])
        owners = Counter(item.columns["business_owner"] for item in own if item.columns["business_owner"])
        rows.append(
            {
                "business_service": name,
                "resource_count": len(own),
                "stale_resource_count": 0,
                "account_count": len({item.account_id for item in own}),
                "accounts": sorted({item.account_id for item in own}),
                "environments": sorted({item.columns["environment"] or "" for item in own} - {""}),
                "owner": min(owners, key=lambda one: (-owners[one], one or ""), default=None),
                "owner_count": len(owners),
                "unowned_resource_count": sum(1 for item in own if not item.columns["business_owner"]),
                "cost_month": month,
                "monthly_cost": None if month is None else costs.get(name, Decimal(0)),
            }
        )
    return Figures(("business_service",), rows)


@recomputes("cmdb.service_map_node")
def service_map_node(world: World) -> Figures:
    """The applications, and one node for what belongs to none."""
    names = ("business_service", "resource_count", "account_count", "accounts", "owner", "monthly_cost")
    rows: list[Row] = [
        {"node_id": f"application:{row['business_service']}", **{name: row[name] for name in names}}
        for row in application(world).rows
    ]
    nobody = [item for item in there(world) if not item.columns["business_service"]]
    if nobody:
        (key,) = (key for key, column in world.tag_keys.items() if column == "business_service")
        month = _cost_month(world)
        wanted = {} if month is None else dict.fromkeys(days(month, last_day(month)))
        rows.append(
            {
                "node_id": "(none)",
                "business_service": None,
                "resource_count": len(nobody),
                "account_count": len({item.account_id for item in nobody}),
                "accounts": sorted({item.account_id for item in nobody}),
                "monthly_cost": sum(
                    (
                        cost
                        for (day, name), (cost, _) in spent(world, key).items()
                        if name == UNALLOCATED and day in wanted
                    ),
                    Decimal(0),
                ),
            }
        )
    return Figures(("node_id",), rows)


@recomputes("cmdb.servicenow_ci")
def servicenow_ci(world: World) -> Figures:
    """Every item and every application, once."""
    classes = {row["resource_type"]: row["servicenow_class"] for row in reference("resource_class")}
    rows: list[dict[str, Any]] = [
        {
            "correlation_id": item.arn,
            **({"sys_class_name": classes[item.resource_type]} if item.resource_type in classes else {}),
            "install_status": "Retired" if item.status == "retired" else "Installed",
            "account_id": item.account_id,
            "owned_by": item.columns["business_owner"],
        }
        for item in items(world)
    ]
    rows += [
        {
            "correlation_id": f"application:{row['business_service']}",
            "sys_class_name": "cmdb_ci_service",
            "install_status": "Installed",
            "account_id": None,
            "owned_by": row["owner"],
        }
        for row in application(world).rows
    ]
    return Figures(("correlation_id",), rows)
