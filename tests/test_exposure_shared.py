"""Snapshots and images that are for everybody, or for accounts that are named: who may use them, or who knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from given import FIRST_NIGHT, MANAGEMENT, WORKLOAD, Given, House, member

from resources.aws.messages import Outcome

Record = dict[str, Any]

MEMBER, LEFT, STRANGER = "012345678902", "012345678903", "999988887777"
REGION = "ap-southeast-2"
BUILT = ("cmdb.database_snapshot_access", "cmdb.finding_exposure", "cmdb.exposure", "cmdb.finding_exposure_unknown")
TAKEN = "2026-11-01T00:00:00+00:00"

SHARED: dict[str, tuple[tuple[str, ...], str]] = {
    "own": ((), "own"),
    "member": ((MEMBER,), "organization"),
    "outside": ((MEMBER, STRANGER), "outside"),
    "left": ((LEFT,), "outside"),
    "public": (("all",), "public"),
    "public and named": (("all", STRANGER), "public"),
}
"""By snapshot who may restore it, and what that is."""


def arn(name: str, kind: str = "snapshot") -> str:
    return f"arn:aws:rds:{REGION}:{WORKLOAD}:{kind}:{name}"


def snapshot(name: str, **other: Any) -> Record:
    shown = {"DBSnapshotArn": arn(name), "DBSnapshotIdentifier": name, "SnapshotType": "manual", "Engine": "mysql"}
    return {**shown, "SnapshotCreateTime": TAKEN, "Encrypted": False, **other}


def attributes(name: str, *restore_by: str, of: str = "DBSnapshot") -> Record:
    restore = {"AttributeName": "restore", "AttributeValues": list(restore_by)}
    return {f"{of}Identifier": name, f"{of}AttributesResult": {f"{of}Attributes": [restore]}}


def organization() -> list[Given]:
    accounts = [member(account) for account in (MANAGEMENT, WORKLOAD, MEMBER)]
    none = ("ec2_network_interface", "ec2_address", "rds_db_instance", "lambda_function", "s3_bucket")
    return [
        Given("organizations_account", accounts),
        Given("ec2_region", [{"RegionName": REGION}]),
        *(Given(name) for name in none),
    ]


def cells(*listed: Given) -> list[Given]:
    """A night in which what is not given is empty."""
    given = {cell.listing for cell in listed}
    parents = ("ec2_snapshot", "ec2_image", "rds_db_snapshot", "rds_db_cluster_snapshot")
    return [*organization(), *listed, *(Given(name) for name in parents if name not in given)]


def night(home: House, *listed: Given, number: int = 1) -> None:
    home.night(f"night-{number}", cells(*listed), FIRST_NIGHT + timedelta(days=number - 1))
    home.build(*BUILT)


def access(home: House) -> dict[str, str]:
    return {row["name"]: row["access"] for row in home.rows("select name, access from cmdb.database_snapshot_access")}


def verdicts(home: House) -> dict[str, str]:
    return {row["entry"]: row["verdict"] for row in home.rows("select entry, verdict from cmdb.exposure")}


def unknown(home: House) -> set[tuple[str, str, str]]:
    """Kind, entry and reason of what is not known in the account."""
    rows = home.rows(
        "select kind, entry, reason from cmdb.finding_exposure_unknown where account_id = $account",
        {"account": WORKLOAD},
    )
    return {(row["kind"], row["entry"], row["reason"]) for row in rows}


def listed_snapshots(**shared: tuple[str, ...]) -> list[Given]:
    return [
        Given("rds_db_snapshot", [snapshot(name) for name in shared]),
        Given("rds_db_snapshot_attribute", [attributes(name, *ids) for name, ids in shared.items()]),
    ]


def test_who_may_restore_a_snapshot_is_named_and_whether_it_is_somebody_outside(home: House) -> None:
    home.night("night-0", [Given("organizations_account", [member(LEFT), member(MANAGEMENT)])])
    night(
        home,
        *listed_snapshots(**{name: ids for name, (ids, _) in SHARED.items()}),
        Given(
            "rds_db_cluster_snapshot",
            [
                {
                    "DBClusterSnapshotArn": arn("own", "cluster-snapshot"),
                    "DBClusterSnapshotIdentifier": "own",
                    "SnapshotType": "manual",
                    "SnapshotCreateTime": TAKEN,
                    "StorageEncrypted": False,
                }
            ],
        ),
        Given("rds_db_cluster_snapshot_attribute", [attributes("own", "all", of="DBClusterSnapshot")]),
    )
    rows = {row["arn"]: row for row in home.rows("select * from cmdb.database_snapshot_access")}
    assert {name: rows[arn(name)]["access"] for name in SHARED} == {name: one for name, (_, one) in SHARED.items()}
    assert rows[arn("outside")]["shared_account_ids"] == [MEMBER, STRANGER]
    assert rows[arn("outside")]["outside_account_ids"] == [STRANGER]
    assert {(row["reason"], len(row["unknown"])) for row in rows.values()} == {(None, 0)}
    public = {arn("public"), arn("public and named"), arn("own", "cluster-snapshot")}
    assert {row["arn"] for row in home.rows("select arn from cmdb.exposure where verdict = 'exposed'")} == public
    found = home.rows("select arn, kind, opening, audience, path from cmdb.finding_exposure order by arn")
    assert {row["arn"] for row in found} == public
    assert {(row["kind"], row["opening"], row["audience"]) for row in found} == {("snapshot", "data", "everybody")}
    assert unknown(home) == set()


@pytest.mark.parametrize("outcome", ["denied", "failed", None], ids=["denied", "failed", "never"])
def test_where_attributes_were_not_listed_no_snapshot_is_anybodys_own(home: House, outcome: Outcome | None) -> None:
    """An encrypted one cannot be public, and may still be shared; an automated one can be neither."""
    held = [
        snapshot("plain"),
        snapshot("sealed", Encrypted=True),
        snapshot("not said", Encrypted=None),
        snapshot("by itself", SnapshotType="automated"),
        snapshot("by AWS Backup", SnapshotType="awsbackup"),
    ]
    listed = [Given("rds_db_snapshot", held)]
    if outcome is not None:
        listed.append(Given("rds_db_snapshot_attribute", outcome=outcome))
    night(home, *listed)
    assert access(home) == dict.fromkeys(("plain", "sealed", "not said"), "unknown")
    assert verdicts(home) == {"plain": "unknown", "not said": "unknown"}
    reason = f"rds_db_snapshot_attribute of {WORKLOAD}: {outcome or 'never_asked'}"
    assert unknown(home) == {("snapshot", name, reason) for name in ("plain", "not said")}
    assert home.rows("select * from cmdb.finding_exposure") == []


def test_what_one_snapshot_hides_is_unknown_and_the_others_are_judged(home: House) -> None:
    """One is refused, one came without the attribute, and one was taken anew under the name of another."""
    after = (FIRST_NIGHT + timedelta(hours=1)).isoformat()
    held = [snapshot("own"), snapshot("refused"), snapshot("bare"), snapshot("new"), snapshot("anew")]
    held[-1]["SnapshotCreateTime"] = after
    given = [
        attributes("own"),
        {"DBSnapshotIdentifier": "refused", "ErrorCode": "AccessDenied"},
        {"DBSnapshotIdentifier": "bare", "DBSnapshotAttributesResult": {"DBSnapshotAttributes": []}},
        attributes("anew"),
    ]
    night(home, Given("rds_db_snapshot", held), Given("rds_db_snapshot_attribute", given))
    assert access(home) == {"own": "own"} | dict.fromkeys(("refused", "bare", "new", "anew"), "unknown")
    listing = f"rds_db_snapshot_attribute of {WORKLOAD}"
    assert unknown(home) == {
        ("snapshot", "refused", f"{listing}: AccessDenied"),
        *(("snapshot", name, f"{listing}: not_listed") for name in ("bare", "new", "anew")),
    }


def test_what_was_public_stands_marked_while_its_attributes_are_refused(home: House) -> None:
    night(home, *listed_snapshots(public=("all",), own=()))
    listed = [Given("rds_db_snapshot", [snapshot("public"), snapshot("own")])]
    night(home, *listed, Given("rds_db_snapshot_attribute", outcome="denied"), number=2)
    assert access(home) == {"public": "unknown", "own": "unknown"}
    assert verdicts(home) == {"public": "unknown", "own": "unknown"}
    (found,) = home.rows("select entry, is_stale from cmdb.finding_exposure")
    assert found == {"entry": "public", "is_stale": True}
    (row,) = home.rows("select is_public, is_stale from cmdb.database_snapshot_access where name = 'public'")
    assert row == {"is_public": True, "is_stale": True}


@pytest.mark.parametrize("listing", ["rds_db_snapshot", "rds_db_cluster_snapshot", "ec2_image", "ec2_snapshot"])
def test_where_what_could_be_shared_is_not_listed_the_place_is_unknown(home: House, listing: str) -> None:
    night(home, Given(listing, outcome="denied"))
    kind = "image" if listing == "ec2_image" else "snapshot"
    assert unknown(home) == {(kind, "", f"{listing} of {WORKLOAD}: denied")}


def test_an_image_for_everybody_is_exposed_and_unknown_once_nobody_can_tell(home: House) -> None:
    image = {"OwnerId": WORKLOAD, "ImageId": "ami-1", "Name": "golden", "Public": True}
    night(home, Given("ec2_image", [image, {**image, "ImageId": "ami-2", "Public": False}]))
    assert verdicts(home) == {"ami-1": "exposed"}
    (found,) = home.rows("select * from cmdb.finding_exposure")
    shown = {name: found[name] for name in ("kind", "opening", "audience", "name", "path")}
    assert shown == {
        "kind": "image",
        "opening": "data",
        "audience": "everybody",
        "name": "golden",
        "path": "everybody with an AWS account → ami-1",
    }
    assert unknown(home) == set()
    night(home, Given("ec2_image", outcome="denied"), number=2)
    reason = f"ec2_image of {WORKLOAD}: denied"
    assert verdicts(home) == {"ami-1": "unknown"}
    # Another image may be public by now.
    assert unknown(home) == {("image", "ami-1", reason), ("image", "", reason)}
    night(home, Given("ec2_image", [{**image, "Public": False}]), number=3)
    assert verdicts(home) == {}
    assert unknown(home) == set()
