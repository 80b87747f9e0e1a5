"""Databases, buckets and functions as the simulator serves them: plain boto3 over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_simulator_governance import client, code_of, listed, pages, profiles, tags_of

from simulator.client import Simulator, SimulatorError

pytestmark = pytest.mark.large

Record = dict[str, Any]


def workload(truth: Record, number: int = 0) -> tuple[str, str]:
    """Account and profile of a workload that can be reached."""
    account = truth["reachable"][number]
    return account, profiles(truth)[account]


def true(rows: list[Record], account: str, region: str | None = None) -> dict[str, Record]:
    """Rows of the truth in one account, and region, by ARN."""
    return {row["arn"]: row for row in rows if row["account_id"] == account and region in {None, row["region"]}}


def test_databases_clusters_and_snapshots_come_in_pages_with_their_tags(organisation: Simulator) -> None:
    truth = organisation.truth("databases")
    (account, profile), region = workload(truth), truth["regions"][0]
    organisation.configure(page_size=3)
    assert len(pages(profile, "rds", "describe_db_instances", region)) > 2
    found = {
        row["DBInstanceArn"]: row for row in listed("DBInstances", profile, "rds", "describe_db_instances", region)
    }
    expected = true(truth["db_instances"], account, region)
    assert found.keys() == expected.keys()
    for arn, row in expected.items():
        seen = found[arn]
        assert {tag["Key"]: tag["Value"] for tag in seen["TagList"]} == row["tags"]
        assert (seen["DBInstanceStatus"], seen["DBInstanceClass"]) == (row["status"], row["instance_class"])
        assert seen["DBSubnetGroup"]["VpcId"] == row["vpc_id"]
        assert seen.get("DBClusterIdentifier") == row["db_cluster"]
    for number, at in ((n, at) for n in range(4) for at in truth["regions"]):
        account, profile = workload(truth, number)
        clusters = listed("DBClusters", profile, "rds", "describe_db_clusters", at)
        expected = true(truth["db_clusters"], account, at)
        assert {c["DBClusterArn"]: [m["DBInstanceIdentifier"] for m in c["DBClusterMembers"]] for c in clusters} == {
            arn: row["members"] for arn, row in expected.items()
        }
        snapshots = listed("DBSnapshots", profile, "rds", "describe_db_snapshots", at)
        of_clusters = listed("DBClusterSnapshots", profile, "rds", "describe_db_cluster_snapshots", at)
        types = {row["DBSnapshotArn"]: row["SnapshotType"] for row in snapshots}
        types |= {row["DBClusterSnapshotArn"]: row["SnapshotType"] for row in of_clusters}
        assert types == {arn: row["snapshot_type"] for arn, row in true(truth["db_snapshots"], account, at).items()}
    assert code_of(lambda: client(profile, "rds").describe_db_instances(DBInstanceIdentifier="none")) == (
        "DBInstanceNotFound"
    )


def test_the_estate_has_what_goes_wrong_with_databases(organisation: Simulator) -> None:
    truth = organisation.truth("databases", "network")
    instances, snapshots = truth["db_instances"], truth["db_snapshots"]
    assert {row["status"] for row in instances} == {"available", "stopped"}
    assert {row["engine"] for row in instances} >= {"postgres", "mysql", "aurora-postgresql", "neptune", "sqlserver-se"}
    assert {} in [row["tags"] for row in instances]
    alive = {row["resource_id"] for row in (*instances, *truth["db_clusters"])}
    assert {row["is_orphan"] for row in snapshots if row["is_of_cluster"]} == {True, False}
    assert all(row["is_orphan"] == (row["source_resource_id"] not in alive) for row in snapshots)
    names = {(row["account_id"], row["region"], row["name"]) for row in instances}
    # One orphan has the name of a database that is there.
    assert any(row["is_orphan"] and (row["account_id"], row["region"], row["source"]) in names for row in snapshots)
    vpcs = {row["vpc_id"]: (row["account_id"], row["region"]) for row in truth["vpcs"]}
    assert all(vpcs[row["vpc_id"]] == (row["account_id"], row["region"]) for row in instances)
    empty = {*truth["reachable"]} - {row["account_id"] for row in instances}
    assert empty, "every account has a database"
    assert {row["service"] for row in organisation.truth("ledger")["ledger"]} >= {
        "Amazon Relational Database Service",
        "AWS Lambda",
    }


def test_buckets_tell_their_region_only_to_those_who_request_pages(organisation: Simulator) -> None:
    truth = organisation.truth("buckets")
    account, profile = workload(truth)
    s3 = client(profile, "s3", truth["regions"][0])
    expected = true(truth["buckets"], account)
    whole = s3.list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in whole] == sorted(row["name"] for row in expected.values())
    assert not any("BucketRegion" in bucket for bucket in whole)
    first = s3.list_buckets(MaxBuckets=4)
    assert len(first["Buckets"]) == 4 and first["ContinuationToken"]
    paged = listed("Buckets", profile, "s3", "list_buckets", truth["regions"][0], MaxBuckets=1000)
    assert {bucket["Name"]: bucket["BucketRegion"] for bucket in paged} == {
        row["name"]: row["region"] for row in expected.values()
    }
    assert len({row["region"] for row in expected.values()}) > 1


def test_a_bucket_responds_in_its_region_and_to_its_owner(organisation: Simulator) -> None:
    truth = organisation.truth("buckets")
    (account, profile), (other, stranger) = workload(truth), workload(truth, 1)
    rows = true(truth["buckets"], account)
    codes: dict[str, Record] = {}
    for arn, row in rows.items():
        control = client(profile, "s3control", row["region"])
        if row["is_locked"] or not row["tags"]:
            codes[arn] = row
            continue
        answer = control.list_tags_for_resource(AccountId=account, ResourceArn=arn)
        assert tags_of(answer) == row["tags"]
        listing = client(profile, "s3", row["region"]).list_objects_v2(
            Bucket=row["name"], MaxKeys=1, ExpectedBucketOwner=account
        )
        assert (listing["KeyCount"] > 0) == row["has_objects"]
    never, once = (next(row for row in codes.values() if kind in row["name"]) for kind in ("logs", "left.over"))
    control = client(profile, "s3control", never["region"])

    def tags(arn: str, asker: Any = control, of: str = account) -> str:
        return code_of(lambda: asker.list_tags_for_resource(AccountId=of, ResourceArn=arn))

    assert tags(never["arn"]) == "NoSuchTagSet"
    past = client(profile, "s3control", once["region"])
    assert past.list_tags_for_resource(AccountId=account, ResourceArn=once["arn"])["Tags"] == []
    assert tags(never["arn"], of=other) == "AccessDenied"
    assert tags(never["arn"], client(stranger, "s3control", never["region"]), other) == "AccessDenied"
    assert tags("arn:aws:s3:::none") == "NoSuchBucket"
    s3 = client(profile, "s3", never["region"])
    mine = never["name"]
    assert code_of(lambda: s3.list_objects_v2(Bucket=mine, ExpectedBucketOwner=other)) == "AccessDenied"
    assert {row["is_locked"] for row in truth["buckets"]} == {True, False}
    assert max(len(row["tags"]) for row in truth["buckets"]) == 50


def test_functions_come_in_pages_with_a_secret_and_their_tags_apart(organisation: Simulator) -> None:
    truth = organisation.truth("functions")
    (account, profile), region = workload(truth), truth["regions"][0]
    answered = pages(profile, "lambda", "list_functions", region)
    functions = {item["FunctionArn"]: item for page in answered for item in page["Functions"]}
    expected = true(truth["functions"], account, region)
    assert len(answered) > 1 and functions.keys() == expected.keys()
    tagging = client(profile, "lambda", region)
    for arn, row in expected.items():
        assert functions[arn].get("Runtime") == row["runtime"]
        assert functions[arn].get("VpcConfig", {}).get("VpcId") == row["vpc_id"]
        assert "canary" in json.dumps(functions[arn]["Environment"])
        assert tagging.list_tags(Resource=arn)["Tags"] == row["tags"]
    assert {} in [row["tags"] for row in expected.values()]
    assert {row["package_type"] for row in truth["functions"]} == {"Zip", "Image"}
    assert code_of(lambda: tagging.list_tags(Resource=f"{arn}-none")) == "ResourceNotFoundException"


def test_databases_buckets_and_functions_change(organisation: Simulator) -> None:
    truth = organisation.truth("databases", "buckets", "functions")
    account, region = truth["reachable"][0], truth["regions"][0]
    orders = next(row for row in true(truth["db_instances"], account, region).values() if row["name"] == "orders")
    new = organisation.change("create_database", account_id=account, region=region, name="new", tags={"a": "b"})["arn"]
    organisation.change("stop_database", arn=new)
    organisation.change("retag_database", arn=new, tags={"a": "c"})
    organisation.change("delete_database", arn=orders["arn"])
    bucket = organisation.change("create_bucket", account_id=account, region=region, name="new-bucket")["name"]
    organisation.change("retag_bucket", name=bucket, tags={"x": "y"})
    gone = next(iter(true(truth["buckets"], account).values()))
    organisation.change("delete_bucket", name=gone["name"])
    function = next(iter(true(truth["functions"], account, region)))
    organisation.change("update_function", arn=function, runtime="python3.14", memory_mb=256)
    now = organisation.truth("databases", "buckets", "functions")
    databases = true(now["db_instances"], account, region)
    assert orders["arn"] not in databases
    assert (databases[new]["status"], databases[new]["tags"]) == ("stopped", {"a": "c"})
    left = [row for row in now["db_snapshots"] if row["source_resource_id"] == orders["resource_id"]]
    assert [(row["snapshot_type"], row["is_orphan"]) for row in left] == [("manual", True)]
    buckets = true(now["buckets"], account)
    assert gone["arn"] not in buckets
    assert buckets["arn:aws:s3:::new-bucket"]["tags"] == {"x": "y"}
    changed = {row["arn"]: row for row in now["functions"]}[function]
    assert (changed["runtime"], changed["memory_mb"]) == ("python3.14", 256)
    # One that comes back under its name is another one.
    again = organisation.change("create_database", account_id=account, region=region, name="orders")["arn"]
    resource = true(organisation.truth("databases")["db_instances"], account, region)[again]["resource_id"]
    assert again == orders["arn"] and resource != orders["resource_id"]
    with pytest.raises(SimulatorError, match="there is no bucket"):
        organisation.change("delete_bucket", name=gone["name"])
