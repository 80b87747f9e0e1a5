"""What could go by each rule, and what it would save by list price."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from recomputed.figures import Figures, Row, recomputes, rounded
from recomputed.items import items
from recomputed.network import listed
from recomputed.world import World, reference

Record = Mapping[str, Any]

KEPT = (
    "aws:dlm:",
    "aws:backup:",
    "aws:autoscaling:groupName",
    "aws:ec2:fleet-id",
    "aws:ec2spot:fleet-request-id",
    "aws:elasticmapreduce:job-flow-id",
)
"""Tags of what a service makes and deletes by itself begin so."""

MONTH = Decimal(730)
"""Hours of a month of list prices."""


@dataclass(frozen=True)
class Use:
    """What would not be billed any more: of which resource, how much of what; negative for what takes its place."""

    arn: str
    service: str
    usage: str
    quantity: Decimal


@dataclass
class Finding:
    """A resource, and what a rule says of it.

    Attributes:
        verdict: candidate or unknown; of what is neither there is no finding.
        uses: None where the sizes are not known.
    """

    arn: str
    rule: str
    account: str
    region: str
    verdict: str
    uses: list[Use] | None = field(default_factory=list)


def _age(world: World, moment: dt.datetime) -> float:
    """How many days ago it was, at the hour of the night."""
    return (dt.datetime.combine(world.today, dt.time(3), dt.UTC) - moment).total_seconds() / 86400


def _rule(name: str) -> dict[str, str]:
    return next(row for row in reference("decommission_rule") if row["rule"] == name)


def volume_uses(arn: str, record: Record) -> list[Use]:
    """What a volume is billed for."""
    kind, iops, throughput = record["VolumeType"], record.get("Iops") or 0, record.get("Throughput") or 0
    uses = [("EBS:VolumeUsage." + kind, record["Size"])]
    if kind in ("io1", "io2"):
        uses.append(("EBS:VolumeP-IOPS." + kind, iops))
    if kind == "gp3":
        uses += [
            ("EBS:VolumeP-IOPS.gp3", max(iops - 3000, 0)),
            ("EBS:VolumeP-Throughput.gp3", max(throughput - 125, 0)),
        ]
    return [Use(arn, "AmazonEC2", usage, Decimal(amount)) for usage, amount in uses if amount]


def _arn(region: str, account: str, kind: str, name: str) -> str:
    return f"arn:aws:ec2:{region}:{account}:{kind}/{name}"


def of_volumes(world: World) -> Iterator[Finding]:
    """Those that are attached to nothing, and those that gp3 would serve."""
    for account, region, record in listed(world, "ec2_volume"):
        arn = _arn(region, account, "volume", record["VolumeId"])
        uses = volume_uses(arn, record)
        if record["State"] == "available" and _age(world, record["CreateTime"]) >= int(
            _rule("unattached_volume")["min_days"]
        ):
            # AWS does not say since when, and a first night has seen it in no other state.
            yield Finding(arn, "unattached_volume", account, region, "unknown", uses)
        if record["VolumeType"] == "gp2":
            new = {
                "EBS:VolumeUsage.gp3": record["Size"],
                "EBS:VolumeP-IOPS.gp3": max((record.get("Iops") or 0) - 3000, 0),
                "EBS:VolumeP-Throughput.gp3": 125 if record["Size"] >= 334 else 0,
            }
            instead = [Use(arn, "AmazonEC2", usage, -Decimal(amount)) for usage, amount in new.items() if amount]
            yield Finding(arn, "gp2_volume", account, region, "candidate", [*uses, *instead])


def of_addresses(world: World) -> Iterator[Finding]:
    """Those that are associated with nothing."""
    for account, region, record in listed(world, "ec2_address"):
        if any(record.get(name) for name in ("AssociationId", "InstanceId", "NetworkInterfaceId", "ServiceManaged")):
            continue
        arn = _arn(region, account, "elastic-ip", record["AllocationId"])
        is_aws = record.get("PublicIpv4Pool", "amazon") == "amazon"
        uses = [Use(arn, "AmazonVPC", "PublicIPv4:IdleAddress", MONTH)] if is_aws else []
        yield Finding(arn, "unassociated_address", account, region, "candidate", uses)


def of_instances(world: World) -> Iterator[Finding]:
    """Those that are stopped or idle; those of an older generation."""
    volumes = {
        record["VolumeId"]: (_arn(region, account, "volume", record["VolumeId"]), record)
        for account, region, record in listed(world, "ec2_volume")
    }
    activity = {row["instance_id"]: row["activity"] for row in world.truth["metric_activity"]}
    families = {row["family"]: row["successor"] for row in reference("instance_family") if row["service"] == "ec2"}
    for account, region, record in listed(world, "ec2_instance"):
        state, name = record["State"]["Name"], record["InstanceId"]
        arn = _arn(region, account, "instance", name)
        if state in ("terminated", "shutting-down"):
            continue
        disks = [volumes[one["Ebs"]["VolumeId"]] for one in record["BlockDeviceMappings"]]
        uses = [use for place, disk in disks if not disk.get("MultiAttachEnabled") for use in volume_uses(place, disk)]
        box = Use(arn, "AmazonEC2", f"BoxUsage:{record['InstanceType']}", MONTH)
        # Dedicated hardware has other prices.
        is_priced = record["Placement"]["Tenancy"] == "default"
        if state == "stopped" and _age(world, record["LaunchTime"]) >= int(_rule("stopped_instance")["min_days"]):
            yield Finding(arn, "stopped_instance", account, region, "candidate", uses)
        if state == "running" and _age(world, record["LaunchTime"]) >= int(_rule("idle_instance")["min_days"]):
            verdict = {"idle": "candidate", "none": "unknown"}.get(activity[name])
            if verdict:
                yield Finding(arn, "idle_instance", account, region, verdict, [*uses, box] if is_priced else None)
        family, _, size = record["InstanceType"].partition(".")
        if family in families:
            new = Use(arn, "AmazonEC2", f"BoxUsage:{families[family]}.{size}", -MONTH)
            change = [box, new] if state == "running" else []
            yield Finding(arn, "old_generation", account, region, "candidate", change if is_priced else None)


def of_snapshots(world: World) -> Iterator[Finding]:
    """Those of volumes that are old and in no image."""
    imaged = {
        mapping["Ebs"]["SnapshotId"]
        for _, _, image in listed(world, "ec2_image")
        for mapping in image.get("BlockDeviceMappings", [])
        if mapping.get("Ebs", {}).get("SnapshotId")
    }
    for account, region, record in listed(world, "ec2_snapshot"):
        is_kept = record["SnapshotId"] in imaged or record["State"] == "pending" or record["StorageTier"] == "archive"
        if is_kept or _age(world, record["StartTime"]) < int(_rule("old_snapshot")["min_days"]):
            continue
        arn = _arn(region, account, "snapshot", record["SnapshotId"])
        full = record.get("FullSnapshotSizeInBytes")
        size = Decimal(full) / (1 << 30) if full is not None else Decimal(record["VolumeSize"])
        use = Use(arn, "AmazonEC2", "EBS:SnapshotUsage", size.quantize(Decimal("0.0001")))
        is_backup = "created by the AWS Backup service" in record.get("Description", "")
        if not is_backup:
            yield Finding(arn, "old_snapshot", account, region, "candidate", [use])


def of_databases(world: World) -> Iterator[Finding]:
    """Databases that are stopped, that nobody connects to, or of an older generation."""
    activity = {row["arn"]: row["activity"] for row in world.truth["database_activity"]}
    families = {(row["service"], row["family"]): row["successor"] for row in reference("instance_family")}
    storages = {"gp2": "RDS:GP2-Storage", "gp3": "RDS:GP3-Storage", "io1": "RDS:PIOPS-Storage"}
    for account, region, record in listed(world, "rds_db_instance"):
        arn, status, engine = record["DBInstanceArn"], record["DBInstanceStatus"], record["Engine"]
        copies = 2 if record["MultiAZ"] else 1
        kind = record.get("StorageType") or "unknown"
        storage = Use(
            arn, "AmazonRDS", storages.get(kind, "RDS:Storage." + kind), Decimal(record["AllocatedStorage"] * copies)
        )
        box = Use(arn, "AmazonRDS", f"InstanceUsage:{record['DBInstanceClass']}/{engine}", MONTH * copies)
        is_alone = not record.get("DBClusterIdentifier")
        if status == "stopped":
            yield Finding(arn, "stopped_database", account, region, "candidate", [storage] if is_alone else None)
        min_days = int(_rule("database_without_connections")["min_days"])
        if status == "available" and _age(world, record["InstanceCreateTime"]) >= min_days:
            verdict = {"idle": "candidate", "none": "unknown"}.get(activity[arn])
            if verdict:
                yield Finding(
                    arn, "database_without_connections", account, region, verdict, [box, storage] if is_alone else [box]
                )
        family, _, size = record["DBInstanceClass"].rpartition(".")
        service = "rds_x86" if engine.startswith(("sqlserver-", "oracle-", "db2-", "custom-")) else "rds"
        if (service, family) in families:
            new = Use(arn, "AmazonRDS", f"InstanceUsage:{families[service, family]}.{size}/{engine}", -MONTH * copies)
            yield Finding(
                arn, "old_generation", account, region, "candidate", [] if status == "stopped" else [box, new]
            )


def of_database_snapshots(world: World) -> Iterator[Finding]:
    """Manual ones of what is not there any more."""
    there = {
        record[name]
        for listing, name in (("rds_db_instance", "DbiResourceId"), ("rds_db_cluster", "DbClusterResourceId"))
        for _, _, record in listed(world, listing)
    }
    for listing, prefix, source in (
        ("rds_db_snapshot", "DBSnapshot", "DbiResourceId"),
        ("rds_db_cluster_snapshot", "DBClusterSnapshot", "DbClusterResourceId"),
    ):
        for account, region, record in listed(world, listing):
            if record["SnapshotType"] != "manual" or record.get(source) in there:
                continue
            arn, size = record[f"{prefix}Arn"], record.get("AllocatedStorage") or 0
            use = Use(arn, "AmazonRDS", "RDS:ChargedBackupUsage", Decimal(size))
            verdict = "candidate" if record.get(source) else "unknown"
            yield Finding(arn, "orphan_database_snapshot", account, region, verdict, [use] if size > 1 else None)


def of_functions(world: World) -> Iterator[Finding]:
    """Those that nobody invoked."""
    activity = {row["arn"]: row["activity"] for row in world.truth["function_activity"]}
    heard = {
        tuple(row["arn"].split(":")[3:5])
        for name in ("metric_activity", "database_activity", "function_activity")
        for row in world.truth[name]
        if row["activity"] != "none" and _sends(world, row["arn"])
    }
    for account, region, record in listed(world, "lambda_function"):
        modified = dt.datetime.fromisoformat(record["LastModified"])
        is_young = _age(world, modified) < int(_rule("function_without_invocations")["min_days"])
        if activity[record["FunctionArn"]] != "none" or is_young:
            continue
        verdict = "candidate" if (region, account) in heard else "unknown"
        yield Finding(record["FunctionArn"], "function_without_invocations", account, region, verdict, [])


def _sends(world: World, arn: str) -> bool:
    """Whether something runs, and so sends samples."""
    states = {
        row["arn"]: row.get("state") or row.get("status")
        for part in ("instances", "db_instances")
        for row in world.truth[part]
    }
    return states.get(arn, "running") in ("running", "available")


def _kept(world: World) -> set[str]:
    """ARNs of what a service makes and deletes by itself, with the volumes that go with its instances."""
    kept = {item.arn for item in items(world) if any(name.startswith(KEPT) for name in item.tags or {})}
    volumes = list(listed(world, "ec2_volume"))
    for kind, records in (("instance", listed(world, "ec2_instance")), ("volume", volumes)):
        for account, region, record in records:
            if record.get("Operator", {}).get("Managed"):
                kept.add(_arn(region, account, kind, record[f"{kind.title()}Id"]))
    for account, region, record in volumes:
        for one in record["Attachments"]:
            if one["DeleteOnTermination"] and _arn(region, account, "instance", one["InstanceId"]) in kept:
                kept.add(_arn(region, account, "volume", record["VolumeId"]))
    return kept


def findings(world: World) -> list[Finding]:
    """What every rule says, but for what a service makes and deletes by itself."""
    kept = _kept(world)
    every = (of_volumes, of_addresses, of_instances, of_snapshots, of_databases, of_database_snapshots, of_functions)
    return [one for rule in every for one in rule(world) if one.arn not in kept]


# ------------------------------------------------------------------------------------------------------- by price


def price(world: World, use: Use, region: str) -> Decimal | None:
    """What a unit costs by list price, in the region or anywhere."""
    for place in (region, ""):
        fitting = [
            (row["valid_from"], Decimal(row["amount"]))
            for row in reference("unit_price")
            if (row["service"], row["usage"], row["region"]) == (use.service, use.usage, place)
            and row["valid_from"] <= world.today.isoformat()
        ]
        if fitting:
            return max(fitting)[1]
    return None


def amounts(world: World, found: Finding) -> list[tuple[Use, Decimal]] | None:
    """What each use costs a month; None where a price or a size is not known."""
    if found.uses is None:
        return None
    priced = [(use, price(world, use, found.region)) for use in found.uses]
    if any(unit is None for _, unit in priced):
        return None
    return [(use, rounded(use.quantity * unit)) for use, unit in priced if unit is not None]


@recomputes("cmdb.decommission_signal")
def decommission_signal(world: World) -> Figures:
    """Every finding of a first night, with its saving by list price."""
    now = world.rates[max(world.bill_days)]
    rows: list[Row] = []
    for one in findings(world):
        parts = amounts(world, one) if one.verdict == "candidate" else None
        saving = None if parts is None else max(sum((amount for _, amount in parts), Decimal(0)), Decimal(0))
        rows.append(
            {
                "arn": one.arn,
                "rule": one.rule,
                "first_flagged_date": world.today,
                "last_flagged_date": world.today if one.verdict == "candidate" else None,
                "verdict": one.verdict,
                "resolution": None,
                "account_id": one.account,
                "estimated_monthly_saving": saving,
                "reporting_monthly_saving": None if saving is None or now is None else rounded(saving * now[0]),
            }
        )
    return Figures(("arn", "rule"), rows)
