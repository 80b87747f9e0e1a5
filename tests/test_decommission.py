"""What could go and what it saves: each rule finding, what cannot be known, what becomes of it, and the sums.

One warehouse is built once over five nights: what is there at first, forty days later, a night on which two listings
fail, one on which things are gone or in use again, and the one after that.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from given import FIRST_NIGHT, MANAGEMENT, WORKLOAD, Given, House, build, house

from pipelines.models.checks import read_checks, run
from pipelines.reference import DEMO_FOLDER

if TYPE_CHECKING:
    from resources.aws.messages import Outcome

REGION = "ap-southeast-2"
EDGES = "us-east-1"
OTHER = "000000000042"
RULES = {check.name: check for check in read_checks()}
LATER = FIRST_NIGHT + timedelta(days=40)
FAILED, CHANGED, LAST = (LATER + timedelta(days=number) for number in (1, 2, 3))
NIGHTS = (FIRST_NIGHT, LATER, FAILED, CHANGED, LAST)
Record = dict[str, Any]

ACCEPTED = """arn,rule,accepted_by,reason,accepted_date,until
*:volume/vol-accepted,gp2_volume,Aroha,It is being moved,2026-11-01,2027-06-30
*:volume/vol-expired,gp2_volume,Aroha,It was to be moved,2025-11-01,2026-01-01
*:volume/no-such,gp2_volume,Aroha,It was there,2026-11-01,
*:volume/vol-gp2,gp3_volume,Aroha,A rule that nobody has,2026-11-01,
"""


# ------------------------------------------------------------------------------------------ what AWS answers


def volume(name: str, kind: str = "gp3", size: int = 100, *, at: tuple[str, ...] = (), **other: Any) -> Record:
    return {
        "OwnerId": WORKLOAD,
        "VolumeId": name,
        "Size": size,
        "VolumeType": kind,
        "Iops": 3000,
        "Throughput": 125,
        "State": "in-use" if at else "available",
        "CreateTime": "2025-01-01T00:00:00Z",
        "Attachments": [{"InstanceId": instance, "AttachTime": "2025-01-01T00:00:00Z"} for instance in at],
        **other,
    }


def instance(
    name: str, kind: str = "t3.large", state: str = "running", disks: tuple[str, ...] = (), **other: Any
) -> Record:
    return {
        "OwnerId": WORKLOAD,
        "InstanceId": name,
        "InstanceType": kind,
        "State": {"Name": state},
        "LaunchTime": "2026-01-01T00:00:00Z",
        "PlatformDetails": "Linux/UNIX",
        "BlockDeviceMappings": [{"Ebs": {"VolumeId": disk}} for disk in disks],
        "Tags": [{"Key": "bc:business-owner", "Value": "Hemi"}] if name == "i-stopped" else [],
        **other,
    }


def snapshot(name: str, **other: Any) -> Record:
    return {
        "OwnerId": WORKLOAD,
        "SnapshotId": name,
        "VolumeId": "vol-of-old",
        "VolumeSize": 8,
        "State": "completed",
        "StorageTier": "standard",
        "StartTime": "2025-01-01T00:00:00Z",
        **other,
    }


def address(name: str, **other: Any) -> Record:
    return {"AllocationId": name, "PublicIp": "192.0.2.1", "PublicIpv4Pool": "amazon", "Domain": "vpc", **other}


def database(name: str, **other: Any) -> Record:
    return {
        "DBInstanceArn": f"arn:aws:rds:{REGION}:{other.pop('owner', WORKLOAD)}:db:{name}",
        "DBInstanceIdentifier": name,
        "DbiResourceId": f"db-{name}",
        "DBInstanceClass": "db.m6g.large",
        "Engine": "postgres",
        "DBInstanceStatus": "available",
        "InstanceCreateTime": "2025-01-01T00:00:00Z",
        "AllocatedStorage": 100,
        "StorageType": "gp3",
        "MultiAZ": False,
        **other,
    }


def database_snapshot(name: str, source: str | None, kind: str = "manual", *, of_cluster: bool = False) -> Record:
    word = "DBCluster" if of_cluster else "DB"
    return {
        f"{word}SnapshotArn": f"arn:aws:rds:{REGION}:{WORKLOAD}:{'cluster-' if of_cluster else ''}snapshot:{name}",
        f"{word}SnapshotIdentifier": name,
        ("DbClusterResourceId" if of_cluster else "DbiResourceId"): source,
        "SnapshotType": kind,
        "SnapshotCreateTime": "2025-01-01T00:00:00Z",
        "AllocatedStorage": 1 if of_cluster else 100,
    }


def function(
    name: str, modified: str = "2025-01-01T00:00:00.000+0000", owner: str = WORKLOAD, region: str = REGION
) -> Record:
    arn = f"arn:aws:lambda:{region}:{owner}:function:{name}"
    return {"FunctionArn": arn, "FunctionName": name, "LastModified": modified}


def metric(
    at: datetime, label: str, values: dict[str, float], days: int = 30, samples: int = 288, status: str = "Complete"
) -> Iterator[Record]:
    """What CloudWatch answers about one metric on the last days, the same each day; `values` by statistic."""
    midnight = at.replace(hour=0, minute=0)
    stamps = [(midnight - timedelta(days=back)).isoformat() for back in range(days, 0, -1)]
    period = {"StartTime": (midnight - timedelta(days=30)).isoformat(), "EndTime": midnight.isoformat()}
    for statistic, value in {"SampleCount": float(samples), **values}.items():
        yield {
            "Label": f"{label}|{statistic}",
            "Timestamps": stamps if samples else [],
            "Values": [value] * days if samples else [],
            "StatusCode": status,
            **period,
        }


def measured_instance(at: datetime, name: str, cpu: float = 1, network: float = 1000, **other: int) -> Iterator[Record]:
    label = f"AWS/EC2|InstanceId|{name}"
    yield from metric(at, f"{label}|CPUUtilization", {"Average": cpu, "Maximum": cpu}, **other)  # type: ignore[arg-type]
    for direction in ("NetworkIn", "NetworkOut"):
        yield from metric(at, f"{label}|{direction}", {"Sum": network}, **other)  # type: ignore[arg-type]


def metrics(at: datetime) -> list[Record]:
    def connections(name: str, most: float, samples: int = 1440) -> Iterator[Record]:
        label = f"AWS/RDS|DBInstanceIdentifier|{name}|DatabaseConnections"
        yield from metric(at, label, {"Maximum": most}, samples=samples)

    def invocations(name: str, samples: int, status: str = "Complete") -> Iterator[Record]:
        yield from metric(at, f"AWS/Lambda|FunctionName|{name}|Invocations", {"Sum": 5}, samples=samples, status=status)

    return [
        *measured_instance(at, "i-idle"),
        *measured_instance(at, "i-chatty", network=4_000_000),
        *measured_instance(at, "i-busy", cpu=80),
        *measured_instance(at, "i-old", cpu=80),
        *measured_instance(at, "i-odd", cpu=80),
        *measured_instance(at, "i-windows", cpu=80),
        *measured_instance(at, "i-young", days=5),
        *measured_instance(at, "i-sparse", samples=36),
        *measured_instance(at, "i-half", days=13),
        *measured_instance(at, "i-unmeasured", samples=0),
        *connections("orders", 7),
        *connections("lonely", 0),
        *connections("sparse", 0, 60),
        *connections("old", 3),
        *connections("bought", 3),
        *connections("member", 0),
        *invocations("called", 3),
        *invocations("silent", 0),
        *invocations("deployed", 0),
        *invocations("cut-short", 0, "InternalError"),
    ]


OUTPOST = {"OutpostArn": f"arn:aws:outposts:{REGION}:{WORKLOAD}:outpost/op-1"}
VOLUMES = [
    volume("vol-idle"),
    volume("vol-outpost", **OUTPOST),
    volume("vol-taken"),
    volume("vol-both", "gp2"),
    volume("vol-odd", "io9"),
    volume("vol-fast", "gp3", 10, Iops=4000, Throughput=225),
    volume("vol-gp2", "gp2", 500, at=("i-busy",)),
    volume("vol-large", "gp2", 2000, at=("i-busy",), Iops=6000),
    volume("vol-accepted", "gp2", at=("i-busy",)),
    volume("vol-expired", "gp2", at=("i-busy",)),
    volume("vol-disk", size=30, at=("i-stopped",)),
    volume("vol-shared", "io2", 10, at=("i-shared", "i-busy"), MultiAttachEnabled=True, Iops=100),
]
INSTANCES = [
    instance(
        "i-stopped",
        state="stopped",
        disks=("vol-disk",),
        StateTransitionReason="User initiated (2026-09-01 10:00:00 GMT)",
    ),
    instance("i-silent", state="stopped"),
    instance("i-lately", state="stopped", LaunchTime="2026-11-20T00:00:00Z"),
    instance(
        "i-shared",
        state="stopped",
        disks=("vol-shared",),
        StateTransitionReason="User initiated (2026-09-01 10:00:00 GMT)",
    ),
    instance(
        "i-unsized",
        state="stopped",
        disks=("vol-nowhere",),
        StateTransitionReason="User initiated (2026-09-01 10:00:00 GMT)",
    ),
    instance("i-gone", state="terminated", StateTransitionReason="User initiated (2026-09-01 10:00:00 GMT)"),
    instance("i-idle"),
    instance("i-chatty"),
    instance("i-busy"),
    instance("i-sparse"),
    instance("i-half"),
    instance("i-unmeasured"),
    instance("i-old", "m4.large"),
    instance("i-windows", "m4.large", PlatformDetails="Windows"),
    instance("i-odd", "m4.10xlarge"),
]
DATABASES = [
    database("orders"),
    database("lonely"),
    database("sparse"),
    database("old", DBInstanceClass="db.m4.large"),
    database("bought", DBInstanceClass="db.m3.medium", Engine="sqlserver-se"),
    database("resting", DBInstanceStatus="stopped", StorageType="gp2", MultiAZ=True),
    database("member", DBInstanceClass="db.r6g.large", Engine="aurora-postgresql", DBClusterIdentifier="ledger"),
]
SNAPSHOTS = [
    snapshot("snap-old"),
    snapshot("snap-measured", FullSnapshotSizeInBytes=2 * 1024**3),
    snapshot("snap-imaged"),
    snapshot("snap-archived", StorageTier="archive"),
]
FUNCTIONS = [
    function("called"),
    function("silent"),
    function("deployed", "2026-12-24T00:00:00.000+0000"),
    function("cut-short"),
]


def bill(rows: list[tuple[str, str, str, str]], unit: str = "service") -> dict[str, list[Record]]:
    """Records of the bill by its month: day, account, value of the slice, amount."""
    months: dict[str, list[Record]] = {}
    for day, account, value, amount in rows:
        months.setdefault(day[:7], []).append(cost(day, account, value, amount))
    return {f"cost_daily:{unit}:{month}": records for month, records in months.items()}


def cost(day: str, account: str, value: str, amount: str) -> Record:
    return {
        "Keys": [account, value],
        "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}},
        "TimePeriod": {"Start": day, "End": (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()},
        "Estimated": False,
    }


COMPUTE, ELSE, RDS = "Amazon Elastic Compute Cloud - Compute", "EC2 - Other", "Amazon Relational Database Service"
S3 = "Amazon Simple Storage Service"
BILL = [
    ("2026-10-31", WORKLOAD, COMPUTE, "50"),
    ("2026-12-30", WORKLOAD, S3, "40"),
    ("2026-12-31", WORKLOAD, S3, "40.0000000003"),
    ("2026-12-30", WORKLOAD, ELSE, "1"),
    ("2026-12-31", WORKLOAD, "Tax", "9.5"),
    ("2026-12-31", OTHER, COMPUTE, "100.0000000001"),
    ("2026-12-31", OTHER, ELSE, "100"),
    ("2026-12-31", OTHER, RDS, "33"),
    ("2026-12-30", OTHER, "AWS Lambda", "-1.5"),
]
USAGE = [
    ("2026-12-31", OTHER, "APS2-BoxUsage:m5.large", "100.0000000001"),
    ("2026-12-31", OTHER, "APS2-EBS:VolumeUsage.gp3", "30"),
    ("2026-12-31", OTHER, "APS2-NatGateway-Hours", "70"),
    ("2026-12-31", WORKLOAD, "Lambda-Edge-Request", "0"),
]


def cells(at: datetime) -> list[Given]:
    """What a night brings."""
    number = NIGHTS.index(at)

    def unless_failed(listing: str, records: list[Record], outcome: Outcome = "denied") -> Given:
        return Given(listing, (), outcome) if at == FAILED else Given(listing, records)

    volumes, instances, snapshots = list(VOLUMES), list(INSTANCES), list(SNAPSHOTS)
    buckets = {"b-empty": 0, "b-full": 1}
    if number >= 1:
        volumes.append(volume("vol-new", CreateTime=(LATER - timedelta(days=10)).isoformat()))
        instances.append(instance("i-young", LaunchTime=(LATER - timedelta(days=5)).isoformat()))
        snapshots.append(snapshot("snap-young", StartTime=(LATER - timedelta(days=80)).isoformat()))
    if number >= 3:
        changed = {
            "vol-taken": volume("vol-taken", at=("i-busy",)),
            "vol-gp2": volume("vol-gp2", "gp3", 500, at=("i-busy",)),
        }
        volumes = [changed.get(item["VolumeId"], item) for item in volumes if item["VolumeId"] != "vol-idle"]
        # The instance goes, its disk stays.
        instances = [item for item in instances if item["InstanceId"] != "i-stopped"]
        buckets["b-empty"] = 3
    return [
        unless_failed("ec2_volume", volumes),
        Given("ec2_instance", instances),
        Given("ec2_snapshot", snapshots),
        Given(
            "ec2_image",
            [
                {
                    "OwnerId": WORKLOAD,
                    "ImageId": "ami-1",
                    "BlockDeviceMappings": [{"Ebs": {"SnapshotId": "snap-imaged"}}],
                }
            ],
        ),
        Given(
            "ec2_address",
            [
                address("eip-free"),
                address("eip-used", AssociationId="eipassoc-1", NetworkInterfaceId="eni-1"),
                address("eip-managed", ServiceManaged="nlb"),
                address("eip-brought", PublicIpv4Pool="ipv4pool-ec2-1"),
            ],
        ),
        Given("rds_db_instance", DATABASES),
        Given("rds_db_cluster"),
        Given(
            "rds_db_snapshot",
            [
                database_snapshot("of-orders", "db-orders"),
                database_snapshot("of-nobody", "db-gone"),
                database_snapshot("of-what", None),
                # Copied from an account whose databases nobody listed.
                database_snapshot("copied", "db-elsewhere")
                | {"SourceDBSnapshotIdentifier": f"arn:aws:rds:{REGION}:999988887777:snapshot:first"},
                database_snapshot("nightly", "db-gone", "automated"),
            ],
        ),
        Given("rds_db_cluster_snapshot", [database_snapshot("of-ledger", "cluster-gone", of_cluster=True)]),
        Given("s3_bucket", [{"Name": name, "BucketRegion": REGION} for name in (*buckets, "b-closed")]),
        Given(
            "s3_bucket_content",
            [
                *({"Bucket": name, "KeyCount": count} for name, count in buckets.items()),
                {"Bucket": "b-closed", "ErrorCode": "AccessDenied"},
            ],
        ),
        Given("lambda_function", FUNCTIONS),
        unless_failed("cloudwatch_metric", metrics(at), "failed"),
        # CloudWatch has the calls of one of them under another name.
        Given("lambda_function", [function(name, region=EDGES) for name in ("api", "at-edge")], region=EDGES),
        Given(
            "cloudwatch_metric",
            [
                *metric(at, "AWS/Lambda|FunctionName|api|Invocations", {"Sum": 5}),
                *metric(at, "AWS/Lambda|FunctionName|at-edge|Invocations", {"Sum": 0}, samples=0),
            ],
            region=EDGES,
        ),
        # An account whose buckets nobody asked about, and where CloudWatch says nothing of anything.
        Given("s3_bucket", [{"Name": "b-elsewhere", "BucketRegion": REGION}], account_id=OTHER),
        Given("s3_bucket_content", (), "skipped", OTHER, "aws-global", "not_requested"),
        Given("lambda_function", [function("unheard", owner=OTHER)], account_id=OTHER),
        Given(
            "cloudwatch_metric",
            list(metric(at, "AWS/Lambda|FunctionName|unheard|Invocations", {"Sum": 0}, samples=0)),
            account_id=OTHER,
        ),
        # Two instances that cost the same in December: one of half the size for twice as long.
        Given(
            "ec2_instance",
            [
                instance("i-large", "m5.large", OwnerId=OTHER),
                instance("i-xlarge", "m5.xlarge", OwnerId=OTHER, LaunchTime="2026-12-16T12:00:00Z"),
            ][: 2 if number else 1],
            account_id=OTHER,
        ),
        Given("ec2_volume", [volume("vol-other", OwnerId=OTHER)], account_id=OTHER),
        Given(
            "rds_db_instance",
            [
                database("sized", owner=OTHER),
                database("elastic", owner=OTHER, DBInstanceClass="db.serverless", Engine="aurora-postgresql"),
            ],
            account_id=OTHER,
        ),
        *(Given(name, records) for name, records in (bill(BILL) | bill(USAGE, "usage_type")).items()),
        Given(
            f"cost_resource_daily:{S3}",
            [
                cost("2026-12-31", WORKLOAD, "b-full", "6"),
                cost("2026-12-31", WORKLOAD, "NoResourceId", "2"),
            ],
        ),
        Given(
            f"cost_resource_daily:{ELSE}",
            [cost(f"2026-12-{day}", WORKLOAD, "vol-idle", "0.3") for day in (30, 31)],
        ),
    ]


# --------------------------------------------------------------------------------------- the world, built once


@dataclass
class Seen:
    """The signals as they stood after each night, by resource and rule, and the working house."""

    home: House
    nights: dict[datetime, dict[tuple[str, str], Record]] = field(default_factory=dict)
    resource_cost: list[Record] = field(default_factory=list)

    def of(self, name: str, rule: str, at: datetime = LATER) -> Record | None:
        return self.nights[at].get((name, rule))


TONIGHT = [
    "stage.cost_resource_daily",
    "cost.resource_daily",
    "aws.ec2_volume",
    "aws.ec2_instance",
    "aws.ec2_snapshot",
    "aws.ec2_image",
    "aws.ec2_address",
    "aws.rds_db_instance",
    "aws.rds_db_cluster",
    "aws.rds_db_snapshot",
    "stage.s3_bucket",
    "stage.s3_bucket_content",
    "aws.s3_bucket",
    "stage.lambda_function",
    "aws.lambda_function",
    "aws.cloudwatch_metric_daily",
    "stage.cloudwatch_metric_asked",
    "cmdb.resource",
    "cmdb.resource_version",
    "stage.decommission_finding",
    "cmdb.decommission_signal",
    "cost.month_coverage",
    "cost.saving",
]


def last_part(arn: str) -> str:
    return re.split(r"[:/]", arn)[-1]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("decommission")
    shutil.copytree(DEMO_FOLDER, folder / "reference")
    (folder / "reference" / "accepted_finding.csv").write_text(ACCEPTED, encoding="utf-8")
    with house(folder) as home:
        home.reference = folder / "reference"
        made = Seen(home)
        for at in NIGHTS:
            home.night(f"night-{at:%m-%d}", cells(at), at)
            if at == FIRST_NIGHT:
                home.build("cmdb.decommission_signal", "cost.saving", "cost.resource_cost")
            else:
                for relation in TONIGHT:
                    build(home.store, home.models[relation])
            if at == LATER:
                build(home.store, home.models["cost.resource_cost"])
                made.resource_cost = home.rows("select * from cost.resource_cost")
            made.nights[at] = {
                (last_part(row["arn"]), row["rule"]): {**row, "evidence": json.loads(row["evidence"] or "{}")}
                for row in home.rows("select * from cmdb.decommission_signal order by first_flagged_date")
            }
        yield made


# ------------------------------------------------------------------------------------------------- the rules

CANDIDATES: dict[tuple[str, str], str | None] = {
    # 100 GiB at 0.096 a GiB
    ("vol-idle", "unattached_volume"): "9.6",
    ("vol-taken", "unattached_volume"): "9.6",
    ("vol-both", "unattached_volume"): "12",
    ("vol-both", "gp2_volume"): "2.4",
    ("vol-odd", "unattached_volume"): None,
    ("vol-outpost", "unattached_volume"): None,
    # beside its 10 GiB a thousand operations and 100 MiB/s more than are free
    ("vol-fast", "unattached_volume"): "11.76",
    # as much throughput on gp3 is not free
    ("vol-gp2", "gp2_volume"): "6",
    # nor are as many operations
    ("vol-large", "gp2_volume"): "24",
    ("vol-expired", "gp2_volume"): "2.4",
    ("eip-free", "unassociated_address"): "3.65",
    ("eip-brought", "unassociated_address"): "0",
    # its disk alone
    ("i-stopped", "stopped_instance"): "2.88",
    ("i-silent", "stopped_instance"): "0",
    ("i-lately", "stopped_instance"): "0",
    # The disk that another has too stays; of the next it is not known how large its disk is.
    ("i-shared", "stopped_instance"): "0",
    ("i-unsized", "stopped_instance"): None,
    ("i-idle", "idle_instance"): "77.088",
    ("i-old", "old_generation"): "3.65",
    ("i-windows", "old_generation"): None,
    # The successor has no such size.
    ("i-odd", "old_generation"): None,
    ("snap-old", "old_snapshot"): "0.44",
    ("snap-measured", "old_snapshot"): "0.11",
    ("resting", "stopped_database"): "27.6",
    ("lonely", "database_without_connections"): "129.87",
    ("member", "database_without_connections"): None,
    ("old", "old_generation"): "16.79",
    ("bought", "old_generation"): None,
    ("of-nobody", "orphan_database_snapshot"): "9.5",
    ("of-ledger", "orphan_database_snapshot"): None,
    ("b-empty", "empty_bucket"): "0",
    ("silent", "function_without_invocations"): "0",
}
UNKNOWN = {
    ("i-sparse", "idle_instance"): "CloudWatch has 0 whole days of data, and 14 are needed",
    ("i-half", "idle_instance"): "CloudWatch has 13 whole days of data, and 14 are needed",
    ("i-unmeasured", "idle_instance"): "CloudWatch has 0 whole days of data, and 14 are needed",
    ("sparse", "database_without_connections"): "CloudWatch has 0 whole days of data, and 14 are needed",
    ("of-what", "orphan_database_snapshot"): "RDS does not report what it was made of",
    ("copied", "orphan_database_snapshot"): "the databases that it may be of could not be listed: not requested",
    ("b-closed", "empty_bucket"): "S3 did not report whether it holds anything",
    ("cut-short", "function_without_invocations"): "the response of CloudWatch was not complete",
    ("at-edge", "function_without_invocations"): (
        "the account pays for Lambda@Edge, whose calls CloudWatch counts under another name"
    ),
    ("unheard", "function_without_invocations"): (
        "CloudWatch sent no sample of anything in the account and region, so that missing data means nothing"
    ),
}


def test_each_rule_finds_what_it_is_for_and_nothing_else(seen: Seen) -> None:
    mine = {key: row for key, row in seen.nights[LATER].items() if row["account_id"] == WORKLOAD}
    assert {key for key, row in mine.items() if row["verdict"] == "candidate"} == CANDIDATES.keys()
    assert {rule for _, rule in CANDIDATES} == {
        row["rule"] for row in seen.home.rows("select rule from ref.decommission_rule")
    }


@pytest.mark.parametrize("key", CANDIDATES, ids=" ".join)
def test_a_saving_is_unit_price_times_known_size_or_says_why_there_is_none(seen: Seen, key: tuple[str, str]) -> None:
    row = seen.nights[LATER][key]
    amount = CANDIDATES[key]
    if amount is None:
        assert (row["estimated_monthly_saving"], row["currency"]) == (None, None)
        assert row["estimate_basis"].startswith("not estimated: ")
    else:
        assert Decimal(row["estimated_monthly_saving"]) == Decimal(amount), row["estimate_basis"]
        assert row["currency"] == "USD"
        assert row["estimate_basis"].startswith(("list price: ", "it costs nothing by itself"))
        assert sum(Decimal(part["amount"]) for part in row["saved"]) == Decimal(amount)
    assert row["evidence"] and row["unknown_reason"] is None
    assert row["confidence"] in ("high", "medium", "low")


def test_a_basis_names_what_it_was_reckoned_from(seen: Seen) -> None:
    def basis(name: str, rule: str) -> str:
        return str(seen.nights[LATER][name, rule]["estimate_basis"])

    assert basis("vol-idle", "unattached_volume") == ("list price: 100 GB-month of EBS:VolumeUsage.gp3 at USD 0.096")
    assert basis("vol-odd", "unattached_volume") == (
        "not estimated: ref.unit_price has no price of EBS:VolumeUsage.io9 in ap-southeast-2"
    )
    assert "(default price)" in basis("lonely", "database_without_connections")
    assert basis("i-unsized", "stopped_instance") == "not estimated: 1 of its disks are not known"
    assert basis("i-windows", "old_generation").endswith("on-demand Linux instances alone")


@pytest.mark.parametrize(
    ("name", "successor"),
    [("i-old", "m6i.large"), ("i-odd", "m6i"), ("old", "db.m6g.large"), ("bought", "db.m6i")],
)
def test_a_successor_is_one_that_aws_offers(seen: Seen, name: str, successor: str) -> None:
    assert seen.nights[LATER][name, "old_generation"]["evidence"]["successor"] == successor


BY_OUTPOST = "not estimated: it is paid for with its Outpost"
BY_HARDWARE = "not estimated: ref.unit_price holds no prices of dedicated hardware"


@pytest.mark.parametrize(
    ("where", "of_instance", "of_disk"),
    [
        pytest.param({"Placement": {"Tenancy": "host", "HostId": "h-1"}}, BY_HARDWARE, None, id="dedicated host"),
        pytest.param({"Placement": {"Tenancy": "dedicated"}}, BY_HARDWARE, None, id="dedicated instance"),
        pytest.param(OUTPOST, BY_OUTPOST, BY_OUTPOST, id="Outpost"),
        pytest.param({"Placement": {"Tenancy": "default"}}, None, None, id="shared hardware"),
    ],
)
def test_what_list_prices_are_not_of_has_no_saving(
    home: House, where: Record, of_instance: str | None, of_disk: str | None
) -> None:
    stopped = {"state": "stopped", "StateTransitionReason": "User initiated (2026-09-01 10:00:00 GMT)"}
    instances = [
        instance("i-idle", disks=("vol-idle",), **where),
        instance("i-old", "m4.large", **where),
        instance("i-stopped", disks=("vol-stopped",), **stopped, **where),
    ]
    lies = where if where is OUTPOST else {}
    volumes = [volume("vol-idle", at=("i-idle",), **lies), volume("vol-stopped", at=("i-stopped",), **lies)]
    volumes += [volume("vol-gp2", "gp2", **lies)]
    snapshots = Given("ec2_snapshot", [snapshot("snap-old", **lies)])
    measured = Given("cloudwatch_metric", list(measured_instance(FIRST_NIGHT, "i-idle")))
    listed = [Given("ec2_instance", instances), Given("ec2_volume", volumes), Given("ec2_image"), snapshots, measured]
    home.night("night-1", listed)
    home.build("cmdb.decommission_signal")
    found = home.rows("select * from cmdb.decommission_signal where verdict = 'candidate'")
    rows = {(last_part(row["arn"]), row["rule"]): row for row in found}
    wanted = {
        ("i-idle", "idle_instance"): of_instance,
        ("i-old", "old_generation"): of_instance,
        ("i-stopped", "stopped_instance"): of_disk,
        ("vol-gp2", "gp2_volume"): of_disk,
        ("snap-old", "old_snapshot"): of_disk,
    }
    assert rows.keys() == wanted.keys()
    for key, basis in wanted.items():
        assert (rows[key]["estimated_monthly_saving"] is None) == (basis is not None), key
        assert basis is None or rows[key]["estimate_basis"] == basis


def test_what_cannot_be_known_is_unknown_with_the_reason_and_without_a_saving(seen: Seen) -> None:
    rows = {key: row for key, row in seen.nights[LATER].items() if row["verdict"] == "unknown"}
    unheard = {key for key in rows if rows[key]["account_id"] == OTHER}
    assert {key: rows[key]["unknown_reason"] for key in UNKNOWN} == UNKNOWN
    # Of the other account CloudWatch was asked about its function alone.
    assert rows.keys() - unheard == UNKNOWN.keys() - {("unheard", "function_without_invocations")}
    for row in rows.values():
        assert (row["estimated_monthly_saving"], row["resolution"], row["last_flagged_date"]) == (None, None, None)


def test_since_when_is_unknown_until_it_has_been_seen_for_long_enough(seen: Seen) -> None:
    first = seen.nights[FIRST_NIGHT]
    for key in (("vol-idle", "unattached_volume"), ("i-silent", "stopped_instance")):
        assert first[key]["verdict"] == "unknown"
        assert first[key]["unknown_reason"].endswith("and AWS does not report since when it is")
        later = seen.nights[LATER][key]
        assert (later["verdict"], later["first_flagged_date"], later["unused_since"]) == (
            "candidate",
            "2027-01-03",
            "2026-11-24T14:00:00Z",
        )
    # AWS tells when people stopped an instance, and one that ran a week ago has not been stopped for a month.
    assert first["i-stopped", "stopped_instance"]["unused_since"] == "2026-09-01T10:00:00Z"
    assert ("i-lately", "stopped_instance") not in first
    assert first["i-stopped", "stopped_instance"]["owner"] == "Hemi"


def test_what_one_response_lacked_is_not_used_again_when_it_is_back(home: House) -> None:
    listed = Given("ec2_volume", [volume("vol-1", "gp3", 100)])
    lacking = Given("ec2_volume", (), "empty_verified")
    for day in (*range(0, 35, 5), 35, 36, 37):
        home.night(f"night-{day}", [lacking if day == 36 else listed], FIRST_NIGHT + timedelta(days=day))
        home.build("cmdb.decommission_signal" if day > 34 else "stage.unchanged_since")
    (row,) = home.rows("select verdict, resolution, unused_since, evidence from cmdb.decommission_signal")
    assert (row["verdict"], row["resolution"], row["unused_since"]) == ("candidate", None, "2026-11-24T14:00:00Z")
    assert json.loads(row["evidence"])["is_beginning_seen"] is False


@pytest.mark.parametrize("before", ["unattached", "attached before"])
def test_unattached_begins_anew_after_days_on_which_nobody_could_look(home: House, before: str) -> None:
    listed = Given("ec2_volume", [volume("vol-1", "gp3", 100)])
    attached = Given("ec2_volume", [volume("vol-1", "gp3", 100, at=("i-1",))])
    found = []
    for day in (0, 1, 2, 20, 41, 48, 55, 62, 69, 73):
        cell = Given("ec2_volume", (), "denied") if day in (2, 20) else listed
        cell = attached if day == 0 and before != "unattached" else cell
        home.night(f"night-{day}", [cell], FIRST_NIGHT + timedelta(days=day))
        if day in (41, 73):
            home.build("cmdb.decommission_signal")
            found += home.rows("select verdict, unused_since from cmdb.decommission_signal")
        else:
            home.build("stage.unchanged_since")
    after_gap, later = ((row["verdict"], row["unused_since"]) for row in found)
    assert after_gap == ("unknown", None)
    assert later == ("candidate", "2027-01-04T14:00:00Z")


@pytest.mark.parametrize(
    ("status", "verdict", "resolution", "reason"),
    [
        ("backing-up", "candidate", None, None),
        ("modifying", "candidate", None, None),
        ("storage-optimization", "candidate", None, None),
        ("deleting", "unknown", None, "it is being deleted"),
        ("stopping", "candidate", "changed", None),
        ("stopped", "candidate", "changed", None),
    ],
)
def test_an_idle_database_is_not_used_again_because_of_what_rds_does_to_it(
    home: House, status: str, verdict: str, resolution: str | None, reason: str | None
) -> None:
    label = "AWS/RDS|DBInstanceIdentifier|lonely|DatabaseConnections"
    for night, at in (("available", FIRST_NIGHT), (status, FIRST_NIGHT + timedelta(days=1))):
        listed = [database("lonely", DBInstanceStatus=night)]
        idle = list(metric(at, label, {"Maximum": 0}, samples=1440))
        home.night(f"night-{at:%d}", [Given("rds_db_instance", listed), Given("cloudwatch_metric", idle)], at)
        home.build("cmdb.decommission_signal")
    (row,) = home.rows("select * from cmdb.decommission_signal where rule = 'database_without_connections'")
    assert (row["verdict"], row["resolution"], row["unknown_reason"]) == (verdict, resolution, reason)


def test_a_bucket_that_nobody_asked_about_is_no_finding_and_no_gap(seen: Seen) -> None:
    assert seen.of("b-elsewhere", "empty_bucket") is None


def test_an_accepted_finding_is_accepted_until_its_day(seen: Seen) -> None:
    row = seen.nights[LATER]["vol-accepted", "gp2_volume"]
    assert (row["verdict"], row["resolution"], row["resolved_date"]) == ("accepted", "accepted", None)
    assert (row["accepted_by"], row["accepted_reason"], row["accepted_until"]) == (
        "Aroha",
        "It is being moved",
        "2027-06-30",
    )
    assert Decimal(row["estimated_monthly_saving"]) == Decimal("2.4")
    assert seen.nights[LATER]["vol-expired", "gp2_volume"]["accepted_by"] is None


def test_an_accepted_finding_of_no_rule_or_no_resource_is_reported(seen: Seen) -> None:
    with seen.home.store.read() as connection:
        found = run(connection, RULES["every_accepted_finding_is_known"])
    assert [(row["arn"], row["why"]) for row in found.rows] == [
        ("*:volume/no-such", "no such resource"),
        ("*:volume/vol-gp2", "no such rule"),
    ]
    assert found.severity == "WARN"


# ------------------------------------------------------------------------------------- what becomes of them


def test_a_response_that_is_not_trusted_makes_unknown_what_was_a_candidate_and_resolves_nothing(seen: Seen) -> None:
    failed = seen.nights[FAILED]
    for key in (
        ("vol-idle", "unattached_volume"),
        ("vol-gp2", "gp2_volume"),
        ("vol-accepted", "gp2_volume"),
        ("i-idle", "idle_instance"),
        ("lonely", "database_without_connections"),
        ("silent", "function_without_invocations"),
    ):
        row, before = failed[key], seen.nights[LATER][key]
        assert (row["verdict"], row["resolution"]) == ("unknown", None), key
        assert row["unknown_reason"]
        # What was known the night before stands.
        kept = ("first_flagged_date", "last_flagged_date", "evidence", "estimated_monthly_saving", "saved")
        assert {name: row[name] for name in kept} == {name: before[name] for name in kept}
    assert failed["lonely", "database_without_connections"]["unknown_reason"] == "CloudWatch did not respond: failed"
    assert failed["eip-free", "unassociated_address"]["last_flagged_date"] == "2027-01-04"
    # Its disks are as large as when they could be listed.
    assert Decimal(failed["i-stopped", "stopped_instance"]["estimated_monthly_saving"]) == Decimal("2.88")
    assert not [key for key, row in failed.items() if row["resolution"] not in (None, "accepted")]


@pytest.mark.parametrize(
    ("name", "rule", "resolution", "day"),
    [
        ("vol-taken", "unattached_volume", "used again", "2027-01-05"),
        ("vol-gp2", "gp2_volume", "changed", "2027-01-05"),
        ("b-empty", "empty_bucket", "used again", "2027-01-05"),
        ("vol-idle", "unattached_volume", "gone", "2027-01-06"),
        ("i-stopped", "stopped_instance", "gone", "2027-01-06"),
    ],
)
def test_a_signal_is_resolved_when_it_is_so_no_more(
    seen: Seen, name: str, rule: str, resolution: str, day: str
) -> None:
    row = seen.nights[LAST][name, rule]
    assert (row["verdict"], row["resolution"], row["resolved_date"]) == ("candidate", resolution, day)
    assert row["first_flagged_date"] == seen.nights[LATER][name, rule]["first_flagged_date"]


def test_what_one_response_lacks_is_not_gone_yet(seen: Seen) -> None:
    row = seen.nights[CHANGED]["vol-idle", "unattached_volume"]
    assert (row["verdict"], row["resolution"]) == ("unknown", None)
    assert row["unknown_reason"] == "the last response lacks it: once more, and it is gone"


def test_an_open_signal_goes_on_after_a_run_that_failed(seen: Seen) -> None:
    row = seen.nights[LAST]["i-idle", "idle_instance"]
    assert (row["verdict"], row["first_flagged_date"], row["last_flagged_date"]) == (
        "candidate",
        "2026-11-24",
        "2027-01-06",
    )


def test_building_the_same_run_again_changes_nothing_and_a_withdrawn_rule_closes_what_it_found(seen: Seen) -> None:
    home = seen.home
    model = home.models["cmdb.decommission_signal"]
    table = "select * from cmdb.decommission_signal order by arn, rule, first_flagged_date"
    before = home.rows(table)
    build(home.store, model)
    assert home.rows(table) == before
    home.execute(
        "create table kept as from cmdb.decommission_signal",
        "delete from ref.decommission_rule where rule = 'gp2_volume'",
    )
    finding = home.models["stage.decommission_finding"]
    build(home.store, finding)
    build(home.store, model)
    withdrawn = {
        last_part(row["arn"]): (row["resolution"], row["resolved_date"])
        for row in home.rows(table)
        if row["rule"] == "gp2_volume"
    }
    assert withdrawn["vol-large"] == ("rule withdrawn", "2027-01-06")
    # What was resolved stays as it was.
    assert withdrawn["vol-gp2"] == ("changed", "2027-01-05")
    build(home.store, home.models["ref.decommission_rule"])
    build(home.store, finding)
    home.execute(
        "delete from cmdb.decommission_signal", "insert into cmdb.decommission_signal from kept", "drop table kept"
    )


# ------------------------------------------------------------------------------------------------- savings


def savings(seen: Seen) -> dict[tuple[str, str], Record]:
    return {
        (last_part(row["arn"]), row["rule"]): row
        for row in seen.home.rows("select * from cost.saving where \"month\" = '2027-01-01'")
    }


def amounts(row: Record) -> tuple[Decimal | None, ...]:
    return tuple(
        None if row[name] is None else Decimal(row[name]).normalize() for name in ("identified", "accepted", "realised")
    )


def test_a_month_says_what_was_found_kept_and_saved(seen: Seen) -> None:
    found = savings(seen)
    assert amounts(found["i-idle", "idle_instance"]) == (Decimal("77.088"), None, None)
    assert amounts(found["vol-accepted", "gp2_volume"]) == (None, Decimal("2.4"), None)
    # What is gone has saved nothing before the bill shows it; tests/test_savings.py has bills that do.
    for key in (("vol-gp2", "gp2_volume"), ("vol-idle", "unattached_volume")):
        assert amounts(found[key]) == (None, None, None)
        assert found[key]["unknown_reason"] == "the bill by usage type does not hold the weeks before and after"
    # AWS measured 0.30 a day: the bill is better than the list.
    assert found["vol-idle", "unattached_volume"]["basis"] == "measured by AWS on 2 days before it went"
    # The instance went, and its disk, which was all that it cost, stays.
    assert amounts(found["i-stopped", "stopped_instance"]) == (None, None, Decimal(0))
    assert ("vol-taken", "unattached_volume") not in found
    # Unknown is neither found nor saved, and what has no price is no zero.
    assert ("i-sparse", "idle_instance") not in found
    assert amounts(found["i-windows", "old_generation"]) == (None, None, None)


def test_what_two_rules_find_is_counted_once(seen: Seen) -> None:
    found = savings(seen)
    assert amounts(found["vol-both", "unattached_volume"])[0] == Decimal(12).normalize()
    assert amounts(found["vol-both", "gp2_volume"])[0] == Decimal(0)
    assert found["vol-both", "gp2_volume"]["basis"].startswith("counted under another rule; ")


def test_a_month_that_is_over_stays_as_its_last_run_left_it(seen: Seen) -> None:
    rows = seen.home.rows("select arn, rule, identified from cost.saving where \"month\" = '2026-11-01'")
    found = {(last_part(row["arn"]), row["rule"]): row["identified"] for row in rows}
    assert Decimal(found["vol-gp2", "gp2_volume"]) == 6
    assert Decimal(found["i-stopped", "stopped_instance"]) == Decimal("2.88")


# ------------------------------------------------------------------------------------- the bill by resource


def shares(seen: Seen, account: str, service: str, month: str = "2026-12-01") -> dict[str | None, tuple[str, str]]:
    return {
        row["arn"] and last_part(row["arn"]): (f"{Decimal(row['cost']).normalize():f}", row["attribution"])
        for row in seen.resource_cost
        if (row["account_id"], row["service"], row["month"]) == (account, service, month)
    }


def test_a_service_is_shared_out_by_the_size_of_its_resources_to_the_last_digit(seen: Seen) -> None:
    # Half the size for twice as long: as much, but for the unit that cannot be halved.
    assert shares(seen, OTHER, COMPUTE) == {
        "i-large": ("50.0000000001", "allocated"),
        "i-xlarge": ("50", "allocated"),
    }
    weights = {row["weight"] for row in seen.resource_cost if row["account_id"] == OTHER and row["service"] == COMPUTE}
    assert weights == {f"{Decimal('0.12') * 31 * 24:.4f}"}, "at list price"


def test_of_a_service_that_is_more_than_its_resources_only_their_usage_is_shared_out(seen: Seen) -> None:
    assert shares(seen, OTHER, ELSE) == {"vol-other": ("30", "allocated"), None: ("70", "unattributed")}


def test_what_was_measured_stands_and_the_other_days_follow_at_its_pace(seen: Seen) -> None:
    # Six were measured on one of the two days; what a day costs beyond that is nobody's.
    assert shares(seen, WORKLOAD, S3) == {
        "b-full": ("12", "extrapolated"),
        None: ("68.0000000003", "unattributed"),
    }
    (row,) = [row for row in seen.resource_cost if row["attribution"] == "extrapolated" and row["service"] == S3]
    assert (row["measured_days"], Decimal(row["measured_cost"]), row["weight"]) == (1, Decimal(6), None)


@pytest.mark.parametrize(
    ("account", "service", "month", "cost"),
    [
        pytest.param(OTHER, RDS, "2026-12-01", "33", id="one of its resources has no known size"),
        pytest.param(OTHER, "AWS Lambda", "2026-12-01", "-1.5", id="a service without a size"),
        pytest.param(WORKLOAD, "Tax", "2026-12-01", "9.5", id="a tax"),
        pytest.param(WORKLOAD, COMPUTE, "2026-10-01", "50", id="a month in which nobody looked"),
    ],
)
def test_what_has_no_known_size_is_not_attributed(
    seen: Seen, account: str, service: str, month: str, cost: str
) -> None:
    assert shares(seen, account, service, month) == {None: (cost, "unattributed")}


def test_the_bill_by_resource_that_lacks_the_last_digit_is_reported(seen: Seen) -> None:
    check = RULES["resource_costs_add_up_to_the_bill"]
    assert check.blocking
    with seen.home.store.read() as connection:
        assert run(connection, check).count == 0
    spoilt = "update cost.resource_cost set cost = cost + $by where arn like '%i-large'"
    for spoil, whole in (
        (spoilt.replace("$by", "0.0000000001"), spoilt.replace("$by", "-0.0000000001")),
        (
            "delete from cost.resource_cost where service = 'Tax'",
            "insert into cost.resource_cost by name select date '2026-12-01' as \"month\", "
            f"'{WORKLOAD}' as account_id, 'Tax' as service, 9.5 as cost, 'USD' as currency, "
            "'unattributed' as attribution, 0 as measured_days",
        ),
    ):
        seen.home.execute(spoil)
        with seen.home.store.read() as connection:
            assert run(connection, check).count == 1
        seen.home.execute(whole)
    with seen.home.store.read() as connection:
        assert run(connection, check).count == 0


def test_management_takes_no_part(seen: Seen) -> None:
    assert not [row for row in seen.nights[LAST].values() if row["account_id"] == MANAGEMENT]
