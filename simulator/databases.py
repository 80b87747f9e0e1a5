"""The databases of the organisation: RDS instances, Aurora clusters, and the snapshots that outlive both.

Pure data, made when first asked for, and the answers drawn from it: moto is not asked. Databases lie in the VPC
`main` of their account.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from simulator import database_options
from simulator.inputs import unsupported
from simulator.ledger import OPEN_END, REGION_CODES, Line
from simulator.network import Network, Place
from simulator.pages import Handler, Output, Settings
from simulator.wire import AwsError, Call
from simulator.world import EPOCH, OWNERS, SPARSE, TAG_HEAVY, Account, WorldError, digest

SERVICE = "Amazon Relational Database Service"
SECRET = "canary-database-5f4dcc3b5aa765d6"
"""Stands where AWS shows a password that is about to be set: nothing of ours may keep it."""

STORAGE_RATE = 1_150_000
RATES = {
    "db.t3.medium": 16_320_000,
    "db.m6g.large": 38_160_000,
    "db.r6g.large": 51_600_000,
    "db.serverless": 28_800_000,
}
DEFAULT_RATE = 61_440_000
EXTENDED_SUPPORT = (("Yr1-Yr2", 1_000_000, dt.date(2025, 3, 1)), ("Yr3", 2_000_000, dt.date(2027, 3, 1)))
"""What extended support of PostgreSQL 12 costs for a vCPU and an hour, and from which day on."""

VCPUS = 2
"""Of each class that runs such a version."""

STRANGER = "999988887777"
"""An account outside the organisation, which may restore some snapshots."""

STOPPED = dt.date(2025, 3, 1)
CERTIFICATE = {"CAIdentifier": "rds-ca-rsa2048-g1", "ValidTill": dt.datetime(2027, 1, 31, 23, tzinfo=dt.UTC)}
"""RDS renews it by itself before it ends."""

OLD_CERTIFICATE = {"CAIdentifier": "rds-ca-2019", "ValidTill": dt.datetime(2024, 8, 22, 17, 8, 50, tzinfo=dt.UTC)}
"""Of an authority that has ended, which RDS does not list any more."""


UNVERSIONED = frozenset({"neptune", "docdb"})
"""Engines that answer here too, and of which RDS lists no major versions."""

MAJOR_VERSIONS: dict[str, tuple[tuple[str, dt.date | None, dt.date | None], ...]] = {
    "postgres": (
        ("12", dt.date(2025, 2, 28), dt.date(2028, 2, 29)),
        ("15", dt.date(2028, 2, 29), dt.date(2031, 2, 28)),
        ("16", dt.date(2029, 2, 28), dt.date(2032, 2, 29)),
    ),
    "mysql": (("5.7", dt.date(2024, 2, 29), dt.date(2027, 2, 28)), ("8.0", dt.date(2026, 7, 31), dt.date(2029, 7, 31))),
    "aurora-postgresql": (("15", dt.date(2028, 2, 29), dt.date(2031, 2, 28)),),
    "mariadb": (("10.11", None, None),),
    "sqlserver-se": (("14.00", None, None), ("15.00", None, None)),
}
"""Of each engine its major versions, and the last days of their standard and extended support."""

PORTS = {"postgres": 5432, "aurora-postgresql": 5432, "sqlserver-se": 1433, "neptune": 8182}


@dataclass
class Database:
    """A DB instance; `cluster` names the cluster that it is a member of. `stopped_on` is the first day at rest."""

    name: str
    account_id: str
    region: str
    engine: str
    version: str
    instance_class: str
    created_at: dt.datetime
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "available"
    storage_gb: int = 100
    storage_type: str = "gp3"
    is_multi_az: bool = False
    is_encrypted: bool = True
    is_protected: bool = False
    is_public: bool = False
    retention_days: int = 7
    cluster: str | None = None
    is_writer: bool = False
    has_new_password: bool = False
    stopped_on: dt.date | None = None
    birth: str = ""

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:rds:{self.region}:{self.account_id}:db:{self.name}"

    @property
    def resource_id(self) -> str:
        """The id that no later database of the same name has."""
        return "db-" + digest("database", self.account_id, self.region, self.name, self.birth)[:26].upper()


@dataclass
class Cluster:
    """An Aurora cluster, or one of Neptune, which answers here too."""

    name: str
    account_id: str
    region: str
    engine: str
    version: str
    created_at: dt.datetime
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "available"

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:rds:{self.region}:{self.account_id}:cluster:{self.name}"

    @property
    def resource_id(self) -> str:
        """The id that no later cluster of the same name has."""
        return "cluster-" + digest("cluster", self.account_id, self.region, self.name)[:26].upper()


@dataclass
class Snapshot:
    """A snapshot of an instance or, where `is_of_cluster`, of a cluster. What it was made of may be gone."""

    name: str
    account_id: str
    region: str
    source: str
    source_resource_id: str
    engine: str
    version: str
    kind: str
    created_at: dt.datetime
    storage_gb: int = 100
    is_encrypted: bool = True
    is_of_cluster: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    restore_by: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        """The ARN."""
        kind = "cluster-snapshot" if self.is_of_cluster else "snapshot"
        return f"arn:aws:rds:{self.region}:{self.account_id}:{kind}:{self.name}"


@dataclass
class Estate:
    """The databases of one account in one region."""

    instances: list[Database] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)


Named = TypeVar("Named", Database, Cluster, Snapshot)


def key_arn(account_id: str, region: str) -> str:
    """The ARN of the key with which an account encrypts its databases in a region."""
    return f"arn:aws:kms:{region}:{account_id}:key/{digest('key', account_id)[:32]}"


def estate_of(network: Network, account_id: str, region: str) -> Estate:
    """What one account of the network's organisation has in one region."""
    databases = next(part for part in network.world.parts if isinstance(part, Databases))
    return databases.estate(account_id, region)


def _shown_version(engine: str, major: str, standard: dt.date | None, extended: dt.date | None) -> Output:
    """A major version as AWS writes it: without lifecycles where its support is not bought."""
    lifecycles = []
    if standard and extended:
        end, last = (dt.datetime.combine(day, dt.time(23, 59, 59), dt.UTC) for day in (standard, extended))
        for name, since, until in (
            ("open-source-rds-standard-support", dt.datetime(2020, 1, 1, tzinfo=dt.UTC), end),
            ("open-source-rds-extended-support", end + dt.timedelta(seconds=1), last),
        ):
            lifecycles.append(
                {
                    "LifecycleSupportName": name,
                    "LifecycleSupportStartDate": since,
                    "LifecycleSupportEndDate": until,
                }
            )
    return {"Engine": engine, "MajorEngineVersion": major, "SupportedEngineLifecycles": lifecycles}


class Databases:
    """The databases of one organisation, RDS's answers about them, and their truth."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self._network, self._world, self._settings = network, network.world, settings
        self._estates: dict[tuple[str, str], Estate] = {}
        self._numbers = self._world.numbers
        workloads = [account.account_id for account in self._world.accounts.values() if account.kind == "workload"]
        self._first = workloads[0] if workloads else ""
        self._world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("rds", "DescribeDBInstances"): self._describe_instances,
            ("rds", "DescribeDBClusters"): self._describe_clusters,
            ("rds", "DescribeDBSnapshots"): self._describe_snapshots,
            ("rds", "DescribeDBClusterSnapshots"): self._describe_cluster_snapshots,
            ("rds", "DescribeDBSnapshotAttributes"): self._describe_snapshot_attributes,
            ("rds", "DescribeDBClusterSnapshotAttributes"): self._describe_cluster_snapshot_attributes,
            ("rds", "DescribeDBMajorEngineVersions"): self._describe_major_versions,
        }

    # ------------------------------------------------------------------ data

    def estate(self, account_id: str, region: str) -> Estate:
        """What one account has in one region."""
        key = (account_id, region)
        if not self._world.uses(account_id, "rds", region):
            return Estate()
        if key not in self._estates:
            account = self._world.accounts.get(account_id)
            self._estates[key] = self._make(account, region) if account is not None else Estate()
        return self._estates[key]

    def _everywhere(self) -> Iterator[Estate]:
        for account_id, account in self._world.accounts.items():
            for region in self._world.regions if account.left_on is None else ():
                yield self.estate(account_id, region)

    def all_instances(self) -> Iterator[Database]:
        """Every database of the organisation."""
        for estate in self._everywhere():
            yield from estate.instances

    def _make(self, account: Account, region: str) -> Estate:
        position = self._world.regions.index(region)
        number = self._numbers[account.account_id] + position
        made = Estate()
        # Some accounts have none, some have only what is left of theirs.
        if account.kind != "workload" or account.name == TAG_HEAVY or (account.name == SPARSE and position):
            return made
        draw = random.Random(digest(self._world.seed, "databases", account.account_id, region))
        start = EPOCH + dt.timedelta(seconds=draw.randrange(2 * 365 * 86400))
        owner: dict[str, Any] = {"account_id": account.account_id, "region": region}
        tags = {
            "Name": f"{account.application} データ",
            "bc:business-service": account.application,
            "bc:environment": "prod" if "Production" in account.ou else "non-prod",
            "bc:business-owner": draw.choice(OWNERS),
        }
        if number % 4 != 2:
            made.instances.append(
                Database(
                    "orders",
                    **owner,
                    engine="postgres",
                    # Some were never upgraded, and are charged extended support.
                    version="12.22" if number % 4 == 3 else "15.4",
                    instance_class="db.m6g.large",
                    created_at=start,
                    tags=tags,
                    is_multi_az=True,
                    is_protected=True,
                    retention_days=35,
                    has_new_password=number % 2 == 0,
                )
            )
        if number % 3 == 0:
            made.instances.append(
                Database(
                    "reporting",
                    **owner,
                    engine="mysql",
                    version="5.7.44",
                    instance_class="db.t3.medium",
                    created_at=start,
                    status="stopped",
                    stopped_on=STOPPED,
                    storage_type="gp2",
                    retention_days=0,
                )
            )
        if number % 3 == 1:
            self._add_cluster(made, owner, start, tags, is_neptune=number % 2 == 0)
        if number % 5 == 2:
            made.instances.append(
                Database(
                    "legacy-erp",
                    **owner,
                    engine="sqlserver-se",
                    version="14.00.3465.1.v1",
                    instance_class="db.m4.xlarge",
                    created_at=start,
                    tags={"Bc:Environment": "Prod", "owner": "x'; DROP TABLE rds; --", "empty": ""},
                    is_encrypted=False,
                    is_public=True,
                    storage_gb=2000,
                    storage_type="io1",
                )
            )
        # One place has more than fit on a page.
        if (account.account_id, position) == (self._first, 0):
            for tenant in range(6):
                made.instances.append(
                    Database(
                        f"tenant-{tenant}",
                        **owner,
                        engine="mariadb",
                        version="10.11.6",
                        instance_class="db.t3.medium",
                        created_at=start + dt.timedelta(hours=tenant),
                        tags={"bc:cost-centre": f"00{tenant}"},
                    )
                )
        made.snapshots += self._snapshots(made, owner, start, number)
        return made

    @staticmethod
    def _add_cluster(
        made: Estate, owner: dict[str, Any], start: dt.datetime, tags: dict[str, str], *, is_neptune: bool
    ) -> None:
        engine, version = ("neptune", "1.3.1.0") if is_neptune else ("aurora-postgresql", "15.4")
        made.clusters.append(
            Cluster("ledger", **owner, engine=engine, version=version, created_at=start, tags=dict(tags))
        )
        for member in range(2):
            made.instances.append(
                Database(
                    f"ledger-{member + 1}",
                    **owner,
                    engine=engine,
                    version=version,
                    instance_class="db.r6g.large" if is_neptune else "db.serverless",
                    created_at=start,
                    tags=dict(tags) if member == 0 else {},
                    storage_gb=1,
                    storage_type="aurora",
                    cluster="ledger",
                    is_writer=member == 0,
                )
            )

    def _snapshots(self, made: Estate, owner: dict[str, Any], start: dt.datetime, number: int) -> Iterator[Snapshot]:
        midnight = dt.datetime.combine(self._world.today, dt.time(3), dt.UTC)
        for database in made.instances:
            if database.cluster:
                continue
            copied: dict[str, Any] = {
                **owner,
                "source": database.name,
                "source_resource_id": database.resource_id,
                "engine": database.engine,
                "version": database.version,
                "storage_gb": database.storage_gb,
                "is_encrypted": database.is_encrypted,
            }
            for night in range(2 if database.retention_days else 0):
                at = midnight - dt.timedelta(days=night)
                yield Snapshot(f"rds:{database.name}-{at:%Y-%m-%d-%H-%M}", **copied, kind="automated", created_at=at)
            yield Snapshot(
                f"{database.name}-before-upgrade",
                **copied,
                kind="manual",
                created_at=start + dt.timedelta(days=1),
                tags={"reason": "обновление", "keep": "for ever"},
            )
        for cluster in made.clusters:
            yield Snapshot(
                f"rds:{cluster.name}-{midnight:%Y-%m-%d-%H-%M}",
                **owner,
                source=cluster.name,
                source_resource_id=cluster.resource_id,
                engine=cluster.engine,
                version=cluster.version,
                kind="automated",
                created_at=midnight,
                is_of_cluster=True,
            )
        gone: dict[str, Any] = {**owner, "engine": "mysql", "version": "5.6.51", "kind": "manual"}
        if number % 2 == 0:
            yield Snapshot(
                "old-crm-final",
                **gone,
                source="old-crm",
                source_resource_id="db-" + digest("gone", *owner.values())[:26].upper(),
                created_at=start,
                is_encrypted=False,
                # Some are for everybody, as somebody once needed it.
                restore_by=("all",) if number % 4 == 0 else (),
            )
            yield Snapshot(
                "old-ledger-final",
                **gone,
                source="old-ledger",
                source_resource_id="cluster-" + digest("gone", *owner.values())[:26].upper(),
                created_at=start,
                is_of_cluster=True,
                restore_by=(STRANGER, self._world.management) if number % 4 == 0 else (self._world.management,),
            )
        if number % 5 == 0:
            # Of an earlier database of the same name: an orphan that only the resource id gives away.
            yield Snapshot(
                "orders-2022",
                **gone,
                source="orders",
                source_resource_id="db-" + digest("earlier", *owner.values())[:26].upper(),
                created_at=EPOCH,
            )

    def _place(self, account_id: str, region: str) -> Place:
        return self._network.own(account_id, region)

    def _vpc_id(self, item: Database | Cluster | Snapshot) -> str:
        return self._place(item.account_id, item.region).vpcs[0].resource_id

    # ------------------------------------------------------------------ the bill

    def lines(self) -> Iterator[Line]:
        """What the databases cost: the hours that they run, and their storage for as long as they are there."""
        for account_id in self._world.accounts:
            for region in self._world.regions:
                prefix = REGION_CODES.get(region, f"{region}-")
                for database in self.estate(account_id, region).instances:
                    line: dict[str, Any] = {
                        "account_id": account_id,
                        "service": "Amazon Neptune" if database.engine == "neptune" else SERVICE,
                        "region": region,
                        "resource_id": database.arn,
                        "tags": database.tags,
                        "first": database.created_at.date(),
                    }
                    left = self._world.accounts[account_id].left_on or OPEN_END
                    yield Line(
                        **line,
                        usage_type=prefix
                        + (
                            "Aurora:ServerlessV2Usage"
                            if database.instance_class == "db.serverless"
                            else f"InstanceUsage:{database.instance_class}"
                        ),
                        rate=RATES.get(database.instance_class, DEFAULT_RATE) * (2 if database.is_multi_az else 1),
                        quantity=24,
                        end=min(left, database.stopped_on or OPEN_END),
                    )
                    yield Line(
                        **line,
                        usage_type=f"{prefix}{'Aurora:StorageUsage' if database.cluster else 'RDS:GP2-Storage'}",
                        rate=STORAGE_RATE * database.storage_gb // 100 * 100,
                        quantity=database.storage_gb,
                        end=left,
                    )
                    if (database.engine, database.version.partition(".")[0]) == ("postgres", "12"):
                        yield from self._extended_support(database, line, prefix, left)

    @staticmethod
    def _extended_support(database: Database, line: dict[str, Any], prefix: str, left: dt.date) -> Iterator[Line]:
        vcpu_hours = VCPUS * (2 if database.is_multi_az else 1) * 24
        ends = (EXTENDED_SUPPORT[1][2], OPEN_END)
        for (tier, rate, since), end in zip(EXTENDED_SUPPORT, ends, strict=True):
            yield Line(
                **{**line, "first": max(line["first"], since)},
                usage_type=f"{prefix}ExtendedSupport:{tier}:PostgreSQL12",
                rate=rate * vcpu_hours,
                quantity=vcpu_hours,
                end=min(left, end),
            )

    # ------------------------------------------------------------------ answers

    def _listed(
        self,
        call: Call,
        key: str,
        items: list[Named],
        wanted: str,
        missing: str,
        shown: Callable[[Named], Output],
    ) -> Output:
        for flag in ("IncludeShared", "IncludePublic"):
            if call.parameters.get(flag):
                raise unsupported(call, flag)
        name = call.parameters.get(wanted)
        if name:
            items = [item for item in items if name in {item.name, item.arn}]
            if not items:
                raise AwsError(missing, f"{name} not found.", 404)
        return self._settings.page(call, key, items, shown)

    def _describe_instances(self, call: Call) -> Output:
        there = self.estate(call.account_id, call.region).instances
        return self._listed(
            call, "DBInstances", there, "DBInstanceIdentifier", "DBInstanceNotFound", self._shown_instance
        )

    def _subnet_group(self, account_id: str, region: str) -> tuple[Output, list[str]]:
        """The subnet group that all databases of a place share, and their security groups."""
        place = self._place(account_id, region)
        vpc = place.vpcs[0]
        return (
            {
                "DBSubnetGroupName": "main",
                "DBSubnetGroupDescription": "both zones",
                "VpcId": vpc.resource_id,
                "SubnetGroupStatus": "Complete",
                "Subnets": [
                    {
                        "SubnetIdentifier": subnet.resource_id,
                        "SubnetAvailabilityZone": {"Name": subnet.zone},
                        "SubnetStatus": "Active",
                    }
                    for subnet in place.subnets
                ],
                "DBSubnetGroupArn": f"arn:aws:rds:{region}:{account_id}:subgrp:main",
            },
            [group.resource_id for group in place.groups if group.name == "database"],
        )

    def _shown_instance(self, database: Database) -> Output:
        subnet_group, groups = self._subnet_group(database.account_id, database.region)
        suffix = digest("endpoint", database.account_id, database.region)[:12]
        certificate = OLD_CERTIFICATE if database.name == "legacy-erp" else CERTIFICATE
        return {
            "DBInstanceIdentifier": database.name,
            "DBInstanceArn": database.arn,
            "DbiResourceId": database.resource_id,
            "DBInstanceClass": database.instance_class,
            "Engine": database.engine,
            "EngineVersion": database.version,
            "DBInstanceStatus": database.status,
            "MasterUsername": "admin",
            "Endpoint": {
                "Address": f"{database.name}.{suffix}.{database.region}.rds.amazonaws.com",
                "Port": PORTS.get(database.engine, 3306),
                "HostedZoneId": "Z2R2ITUGPM61AM",
            },
            "AllocatedStorage": database.storage_gb,
            "StorageType": database.storage_type,
            "InstanceCreateTime": database.created_at,
            "BackupRetentionPeriod": database.retention_days,
            "VpcSecurityGroups": [{"VpcSecurityGroupId": group, "Status": "active"} for group in groups],
            "AvailabilityZone": database.region + "a",
            "DBSubnetGroup": subnet_group,
            **database_options.of_instance(database, self._world.today),
            "PendingModifiedValues": database_options.pending(database)
            | ({"MasterUserPassword": SECRET} if database.has_new_password else {}),
            "MultiAZ": database.is_multi_az,
            "PubliclyAccessible": database.is_public,
            "StorageEncrypted": database.is_encrypted,
            **({"KmsKeyId": self._key(database)} if database.is_encrypted else {}),
            **({"DBClusterIdentifier": database.cluster} if database.cluster else {}),
            "DeletionProtection": database.is_protected,
            "CACertificateIdentifier": certificate["CAIdentifier"],
            "CertificateDetails": certificate,
            "EngineLifecycleSupport": "open-source-rds-extended-support",
            "TagList": _pairs(database.tags),
        }

    @staticmethod
    def _key(item: Database | Cluster | Snapshot) -> str:
        return key_arn(item.account_id, item.region)

    def _describe_major_versions(self, call: Call) -> Output:
        """Of an engine that RDS does not version so it is a wrong value."""
        engine = str(call.parameters.get("Engine") or "")
        if engine in UNVERSIONED:
            raise AwsError("InvalidParameterValue", f"Unrecognized engine name: {engine}", 400)
        found = [
            _shown_version(name, *one)
            for name, versions in MAJOR_VERSIONS.items()
            if engine in {"", name}
            for one in versions
        ]
        return self._settings.page(call, "DBMajorEngineVersions", found, lambda one: one)

    def _describe_clusters(self, call: Call) -> Output:
        there = self.estate(call.account_id, call.region).clusters
        return self._listed(
            call, "DBClusters", there, "DBClusterIdentifier", "DBClusterNotFoundFault", self._shown_cluster
        )

    def _shown_cluster(self, cluster: Cluster) -> Output:
        place = self._place(cluster.account_id, cluster.region)
        suffix = digest("endpoint", cluster.account_id, cluster.region)[:12]
        return {
            "DBClusterIdentifier": cluster.name,
            "DBClusterArn": cluster.arn,
            "DbClusterResourceId": cluster.resource_id,
            "Engine": cluster.engine,
            "EngineVersion": cluster.version,
            "EngineMode": "provisioned",
            "Status": cluster.status,
            "MasterUsername": "admin",
            "Endpoint": f"{cluster.name}.cluster-{suffix}.{cluster.region}.rds.amazonaws.com",
            "ReaderEndpoint": f"{cluster.name}.cluster-ro-{suffix}.{cluster.region}.rds.amazonaws.com",
            "Port": PORTS.get(cluster.engine, 3306),
            "AllocatedStorage": 1,
            "BackupRetentionPeriod": 7,
            "AvailabilityZones": [subnet.zone for subnet in place.subnets],
            "DBSubnetGroup": "main",
            "MultiAZ": True,
            "ClusterCreateTime": cluster.created_at,
            "DBClusterMembers": [
                {
                    "DBInstanceIdentifier": database.name,
                    "IsClusterWriter": database.is_writer,
                    "DBClusterParameterGroupStatus": "in-sync",
                    "PromotionTier": 1,
                }
                for database in self.members(cluster)
            ],
            "VpcSecurityGroups": [
                {"VpcSecurityGroupId": group.resource_id, "Status": "active"}
                for group in place.groups
                if group.name == "database"
            ],
            "StorageEncrypted": True,
            "KmsKeyId": self._key(cluster),
            "DeletionProtection": False,
            **database_options.of_cluster(cluster, self._world.today),
            "TagList": _pairs(cluster.tags),
        }

    def members(self, cluster: Cluster) -> list[Database]:
        """The instances of a cluster."""
        there = self.estate(cluster.account_id, cluster.region).instances
        return [database for database in there if database.cluster == cluster.name]

    def _describe_snapshots(self, call: Call) -> Output:
        return self._listed(
            call,
            "DBSnapshots",
            self._asked_snapshots(call, is_of_cluster=False),
            "DBSnapshotIdentifier",
            "DBSnapshotNotFound",
            self._shown_snapshot,
        )

    def _describe_cluster_snapshots(self, call: Call) -> Output:
        return self._listed(
            call,
            "DBClusterSnapshots",
            self._asked_snapshots(call, is_of_cluster=True),
            "DBClusterSnapshotIdentifier",
            "DBClusterSnapshotNotFoundFault",
            self._shown_cluster_snapshot,
        )

    def _asked_snapshots(self, call: Call, *, is_of_cluster: bool) -> list[Snapshot]:
        kind = call.parameters.get("SnapshotType")
        if kind not in {None, "automated", "manual", "awsbackup"}:
            raise unsupported(call, "SnapshotType")
        source = call.parameters.get("DBClusterIdentifier" if is_of_cluster else "DBInstanceIdentifier")
        return [
            snapshot
            for snapshot in self.estate(call.account_id, call.region).snapshots
            if snapshot.is_of_cluster == is_of_cluster
            and kind in {None, snapshot.kind}
            and source in {None, snapshot.source}
        ]

    def _describe_snapshot_attributes(self, call: Call) -> Output:
        return self._attributes(call, "DBSnapshot", "DBSnapshotNotFound", is_of_cluster=False)

    def _describe_cluster_snapshot_attributes(self, call: Call) -> Output:
        return self._attributes(call, "DBClusterSnapshot", "DBClusterSnapshotNotFoundFault", is_of_cluster=True)

    def _attributes(self, call: Call, kind: str, missing: str, *, is_of_cluster: bool) -> Output:
        """Who may restore a manual snapshot; of an automated one AWS shows the same, and nobody."""
        name = call.parameters.get(f"{kind}Identifier")
        for snapshot in self.estate(call.account_id, call.region).snapshots:
            if snapshot.is_of_cluster == is_of_cluster and snapshot.name == name:
                restore = {"AttributeName": "restore", "AttributeValues": list(snapshot.restore_by)}
                return {f"{kind}AttributesResult": {f"{kind}Identifier": name, f"{kind}Attributes": [restore]}}
        raise AwsError(missing, f"{kind} {name} not found.", 404)

    def _shown_snapshot(self, snapshot: Snapshot) -> Output:
        return {
            "DBSnapshotIdentifier": snapshot.name,
            "DBSnapshotArn": snapshot.arn,
            "DBInstanceIdentifier": snapshot.source,
            "DbiResourceId": snapshot.source_resource_id,
            "SnapshotCreateTime": snapshot.created_at,
            "Engine": snapshot.engine,
            "EngineVersion": snapshot.version,
            "AllocatedStorage": snapshot.storage_gb,
            "StorageType": "gp2",
            "Status": "available",
            "Port": PORTS.get(snapshot.engine, 3306),
            "AvailabilityZone": snapshot.region + "a",
            "VpcId": self._vpc_id(snapshot),
            "MasterUsername": "admin",
            "SnapshotType": snapshot.kind,
            "PercentProgress": 100,
            "Encrypted": snapshot.is_encrypted,
            **({"KmsKeyId": self._key(snapshot)} if snapshot.is_encrypted else {}),
            "TagList": _pairs(snapshot.tags),
        }

    def _shown_cluster_snapshot(self, snapshot: Snapshot) -> Output:
        return {
            "DBClusterSnapshotIdentifier": snapshot.name,
            "DBClusterSnapshotArn": snapshot.arn,
            "DBClusterIdentifier": snapshot.source,
            "DbClusterResourceId": snapshot.source_resource_id,
            "SnapshotCreateTime": snapshot.created_at,
            "Engine": snapshot.engine,
            "EngineVersion": snapshot.version,
            "AllocatedStorage": snapshot.storage_gb,
            "Status": "available",
            "VpcId": self._vpc_id(snapshot),
            "SnapshotType": snapshot.kind,
            "PercentProgress": 100,
            "StorageEncrypted": snapshot.is_encrypted,
            "TagList": _pairs(snapshot.tags),
        }

    # ------------------------------------------------------------------ later nights

    def _database(self, arn: str) -> Database:
        for estate in self._everywhere():
            for database in estate.instances:
                if database.arn == arn:
                    return database
        raise WorldError(f"there is no database {arn}")

    def _change_create_database(
        self,
        account_id: str,
        region: str,
        name: str,
        tags: dict[str, str] | None = None,
        instance_class: str = "db.t3.medium",
    ) -> dict[str, Any]:
        self._world.account(account_id)
        if not self._place(account_id, region).vpcs:
            raise WorldError(f"{account_id} has no VPC in {region} to put a database in")
        estate = self.estate(account_id, region)
        if any(database.name == name for database in estate.instances):
            raise WorldError(f"{account_id} has a database {name} in {region} already")
        new = Database(
            name,
            account_id,
            region,
            "postgres",
            "16.3",
            instance_class,
            dt.datetime.combine(self._world.today, dt.time(), dt.UTC),
            dict(tags or {}),
            # One of the same name may have been there before.
            birth=str(self._world.version),
        )
        estate.instances.append(new)
        return {"arn": new.arn}

    def _change_delete_database(self, arn: str) -> dict[str, Any]:
        """A database goes with its automated snapshots; the manual ones stay behind."""
        database = self._database(arn)
        estate = self.estate(database.account_id, database.region)
        estate.instances.remove(database)
        estate.snapshots[:] = [
            snapshot
            for snapshot in estate.snapshots
            if snapshot.kind == "manual" or snapshot.source_resource_id != database.resource_id
        ]
        return {"arn": arn}

    def _change_retag_database(self, arn: str, tags: dict[str, str]) -> dict[str, Any]:
        self._database(arn).tags = dict(tags)
        return {"arn": arn, "tags": tags}

    def _change_stop_database(self, arn: str) -> dict[str, Any]:
        database = self._database(arn)
        if database.cluster:
            raise WorldError(f"{arn} is a member of {database.cluster} and stops with it")
        database.status, database.stopped_on = "stopped", database.stopped_on or self._world.today
        return {"arn": arn, "status": database.status}

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """Every instance, cluster and snapshot, as JSON data."""
        found: dict[str, list[dict[str, Any]]] = {"db_instances": [], "db_clusters": [], "db_snapshots": []}
        for estate in self._everywhere():
            found["db_instances"] += map(self._true_instance, estate.instances)
            found["db_clusters"] += map(self._true_cluster, estate.clusters)
            alive = {database.resource_id for database in estate.instances}
            alive |= {cluster.resource_id for cluster in estate.clusters}
            found["db_snapshots"] += [
                {
                    **_row(snapshot),
                    "source": snapshot.source,
                    "source_resource_id": snapshot.source_resource_id,
                    "is_of_cluster": snapshot.is_of_cluster,
                    "is_orphan": snapshot.source_resource_id not in alive,
                    "snapshot_type": snapshot.kind,
                    "allocated_storage_gb": snapshot.storage_gb,
                    "is_encrypted": snapshot.is_encrypted,
                    "vpc_id": self._vpc_id(snapshot),
                    "restore_by": sorted(snapshot.restore_by),
                }
                for snapshot in estate.snapshots
            ]
        return found

    def _true_instance(self, database: Database) -> dict[str, Any]:
        subnet_group, groups = self._subnet_group(database.account_id, database.region)
        return {
            **_row(database),
            "resource_id": database.resource_id,
            "instance_class": database.instance_class,
            "status": database.status,
            "allocated_storage_gb": database.storage_gb,
            "storage_type": database.storage_type,
            "is_multi_az": database.is_multi_az,
            "is_encrypted": database.is_encrypted,
            "is_publicly_accessible": database.is_public,
            "has_deletion_protection": database.is_protected,
            "backup_retention_days": database.retention_days,
            "db_subnet_group": subnet_group["DBSubnetGroupName"],
            "vpc_id": subnet_group["VpcId"],
            "subnet_ids": [subnet["SubnetIdentifier"] for subnet in subnet_group["Subnets"]],
            "security_group_ids": groups,
            "db_cluster": database.cluster,
        }

    def _true_cluster(self, cluster: Cluster) -> dict[str, Any]:
        return {
            **_row(cluster),
            "resource_id": cluster.resource_id,
            "status": cluster.status,
            "members": [database.name for database in self.members(cluster)],
        }


def _row(item: Database | Cluster | Snapshot) -> dict[str, Any]:
    """What every row of the truth begins with."""
    return {
        "arn": item.arn,
        "name": item.name,
        "account_id": item.account_id,
        "region": item.region,
        "engine": item.engine,
        "engine_version": item.version,
        "created_at": item.created_at.isoformat(),
        "tags": item.tags,
    }


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
