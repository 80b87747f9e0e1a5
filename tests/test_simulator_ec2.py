"""The simulator's volumes, snapshots, images, addresses and NAT gateways, asked by real AWS clients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from simulator.client import Simulator, SimulatorError

pytestmark = pytest.mark.large

Record = dict[str, Any]
KEPT: dict[str, tuple[str, str, str, Record]] = {
    "volumes": ("describe_volumes", "Volumes", "VolumeId", {}),
    "snapshots": ("describe_snapshots", "Snapshots", "SnapshotId", {"OwnerIds": ["self"]}),
    "images": ("describe_images", "Images", "ImageId", {"Owners": ["self"], "IncludeDisabled": True}),
    "nat_gateways": ("describe_nat_gateways", "NatGateways", "NatGatewayId", {}),
}


def client(profile: str, region: str) -> Any:
    return boto3.session.Session(profile_name=profile).client("ec2", region_name=region)


def pages(ec2: Any, operation: str, **parameters: Any) -> list[Record]:
    """The answers page by page, as the tokens lead: an empty one is not the last."""
    found: list[Record] = []
    token: Record = {}
    while not found or token:
        page = getattr(ec2, operation)(**parameters, **token)
        token = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}
        found.append(page)
    return found


def places(truth: Record) -> Iterator[tuple[str, str, str]]:
    """Account, profile and region: the hub and two workload accounts, one region each."""
    profile_of = {account["account_id"]: account["profile"] for account in truth["accounts"]}
    wanted = [truth["central"]["operations"], *truth["reachable"][:2]]
    for account_id, region in zip(wanted, truth["regions"], strict=True):
        yield account_id, profile_of[account_id], region


def of_place(truth: Record, key: str, account_id: str, region: str) -> list[Record]:
    return [row for row in truth[key] if (row["account_id"], row["region"]) == (account_id, region)]


def tags_of(item: Record) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_everything_is_listed_once_as_it_is_in_truth(organisation: Simulator) -> None:
    truth = organisation.truth("storage", "addressing")
    empty: set[str] = set()
    for account_id, profile, region in places(truth):
        ec2 = client(profile, region)
        found: dict[str, list[Record]] = {}
        for key, (operation, result, identifier, parameters) in KEPT.items():
            answered = pages(ec2, operation, MaxResults=1000, **parameters)
            found[key] = [item for page in answered for item in page[result]]
            empty |= {key for page in answered if page.get("NextToken") and not page[result]}
            name = {"NatGatewayId": "nat_gateway_id"}.get(identifier, f"{result[:-1].lower()}_id")
            wanted = {row[name]: row for row in of_place(truth, key, account_id, region)}
            assert sorted(item[identifier] for item in found[key]) == sorted(wanted)
            for item in found[key]:
                assert tags_of(item) == wanted[item[identifier]]["tags"]
                assert item["State"] == wanted[item[identifier]]["state"]
        volumes = {row["volume_id"]: row for row in of_place(truth, "volumes", account_id, region)}
        for item in found["volumes"]:
            row = volumes[item["VolumeId"]]
            assert (item["Size"], item["VolumeType"], item.get("Iops"), item.get("Throughput")) == (
                row["size_gb"],
                row["volume_type"],
                row["iops"],
                row["throughput"],
            )
            assert (item["CreateTime"], item["AvailabilityZone"]) == (
                moment(row["created_at"]),
                row["availability_zone"],
            )
            assert [(a["InstanceId"], a["Device"], a["AttachTime"]) for a in item["Attachments"]] == [
                (a["instance_id"], a["device"], moment(a["attached_at"])) for a in row["attachments"]
            ]
        images = {row["image_id"]: row for row in of_place(truth, "images", account_id, region)}
        for item in found["images"]:
            disks = [disk["Ebs"]["SnapshotId"] for disk in item["BlockDeviceMappings"] if "Ebs" in disk]
            assert disks == images[item["ImageId"]]["snapshot_ids"]
        addresses = {row["allocation_id"]: row for row in of_place(truth, "addresses", account_id, region)}
        answered_addresses = ec2.describe_addresses()["Addresses"]
        assert {item["AllocationId"] for item in answered_addresses} == addresses.keys()
        for item in answered_addresses:
            row = addresses[item["AllocationId"]]
            for field, column in (
                ("PublicIp", "public_ip"),
                ("AssociationId", "association_id"),
                ("InstanceId", "instance_id"),
                ("NetworkInterfaceId", "network_interface_id"),
            ):
                assert item.get(field) == row[column]
            assert ("PrivateIpAddress" in item) == (row["association_id"] is not None)
    assert empty == {"snapshots", "images"}


def test_there_is_something_to_find(organisation: Simulator) -> None:
    truth = organisation.truth("storage", "addressing")
    today = moment(truth["today"]).replace(tzinfo=dt.UTC)
    instances = {row["instance_id"]: row for row in truth["instances"]}
    volumes, snapshots, images = truth["volumes"], truth["snapshots"], truth["images"]
    assert {row["state"] for row in volumes} == {"in-use", "available", "error", "creating"}
    assert {row["volume_type"] for row in volumes} == {"gp2", "gp3", "io2", "st1", "standard"}
    assert "stopped" in {instances[a["instance_id"]]["state"] for row in volumes for a in row["attachments"]}
    assert max(len(row["attachments"]) for row in volumes) == 2
    known = {row["volume_id"] for row in volumes}
    assert {row["volume_id"] in known for row in snapshots} == {True, False}
    ages = {(today - moment(row["started_at"])).days for row in snapshots if row["state"] == "completed"}
    assert {90, 91} <= ages and min(ages) < 90
    assert {row["state"] for row in snapshots} == {"completed", "pending", "error"}
    assert {row["storage_tier"] for row in snapshots} == {"standard", "archive"}
    kept = {row["snapshot_id"] for row in snapshots}
    assert {set(row["snapshot_ids"]) <= kept for row in images} == {True, False}
    assert {row["state"] for row in images} == {"available", "disabled", "failed", "pending"}
    own = {row["image_id"] for row in images}
    assert {image in own for image in truth["image_of_instance"].values()} == {True, False}
    assert {row["state"] for row in truth["nat_gateways"]} == {"available", "deleted", "pending", "failed"}
    held = {(bool(row["instance_id"]), bool(row["network_interface_id"])) for row in truth["addresses"]}
    assert held == {(True, True), (False, True), (False, False)}
    tags = [row["tags"] for key in (*KEPT, "addresses") for row in truth[key]]
    assert all({} in [row["tags"] for row in truth[key]] for key in (*KEPT, "addresses"))
    names = "".join(each.get("Name", "") for each in tags)
    assert all(character in names for character in "🥝冷'\"–")


def test_an_instance_has_the_disks_the_image_and_the_address_that_the_others_name(organisation: Simulator) -> None:
    truth = organisation.truth("storage", "addressing")
    for _, profile, region in [*places(truth)][1:]:
        ec2 = client(profile, region)
        disks = {
            (a["InstanceId"], a["Device"], item["VolumeId"])
            for page in pages(ec2, "describe_volumes")
            for item in page["Volumes"]
            for a in item["Attachments"]
        }
        instances = {
            instance["InstanceId"]: instance
            for page in pages(ec2, "describe_instances")
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        }
        assert disks == {
            (name, disk["DeviceName"], disk["Ebs"]["VolumeId"])
            for name, instance in instances.items()
            for disk in instance["BlockDeviceMappings"]
        }
        for name, instance in instances.items():
            assert instance["ImageId"] == truth["image_of_instance"][name]
            assert bool(instance["BlockDeviceMappings"]) == (instance["State"]["Name"] != "terminated")
        (address,) = [item for item in ec2.describe_addresses()["Addresses"] if item.get("InstanceId")]
        holder = instances[address["InstanceId"]]
        assert (holder["PublicIpAddress"], holder["PrivateIpAddress"]) == (
            address["PublicIp"],
            address["PrivateIpAddress"],
        )
        assert holder["NetworkInterfaces"][0]["NetworkInterfaceId"] == address["NetworkInterfaceId"]
        interfaces = {
            item["NetworkInterfaceId"]: item
            for page in pages(ec2, "describe_network_interfaces")
            for item in page["NetworkInterfaces"]
        }
        for page in pages(ec2, "describe_nat_gateways"):
            for gateway in page["NatGateways"]:
                for held in gateway["NatGatewayAddresses"]:
                    interface = interfaces[held["NetworkInterfaceId"]]
                    assert interface["InterfaceType"] == "nat_gateway"
                    assert interface["PrivateIpAddress"] == held["PrivateIp"]
                    assert interface["SubnetId"] == gateway["SubnetId"]


def test_who_does_not_request_the_own_ones_gets_those_of_others_too(organisation: Simulator) -> None:
    truth = organisation.truth("storage")
    organisation.configure(page_size=50)
    _, profile, region = [*places(truth)][1]
    ec2 = client(profile, region)
    snapshots = [item for page in pages(ec2, "describe_snapshots") for item in page["Snapshots"]]
    images = [item for page in pages(ec2, "describe_images") for item in page["Images"]]
    assert "999988887777" in {item["OwnerId"] for item in snapshots} & {item["OwnerId"] for item in images}
    # And a disabled image is not there unless it is asked for.
    assert "disabled" not in {item["State"] for item in images}
    with pytest.raises(ClientError, match="does not support the parameter Filters"):
        ec2.describe_volumes(Filters=[{"Name": "status", "Values": ["available"]}])
    with pytest.raises(ClientError, match=r"InvalidVolume\.NotFound"):
        ec2.describe_volumes(VolumeIds=["vol-none"])


def test_storage_and_addresses_change(organisation: Simulator) -> None:
    def now(key: str, name: str) -> dict[str, Record]:
        found = organisation.truth("storage", "addressing")[key]
        return {row[name]: row for row in of_place({key: found}, key, account_id, region)}

    truth = organisation.truth("storage", "addressing")
    account_id, _, region = [*places(truth)][1]
    running = [
        row["instance_id"] for row in of_place(truth, "instances", account_id, region) if row["state"] == "running"
    ]
    before = now("volumes", "volume_id")
    attached = next(row for row in before.values() if [a["instance_id"] for a in row["attachments"]] == running[:1])
    spare = [name for name, row in before.items() if row["state"] == "available"]

    added = organisation.change("add_volume", account_id=account_id, region=region, size_gb=7, tags={"a": "b"})
    organisation.change("attach_volume", volume_id=spare[0], instance_id=running[1])
    organisation.change("modify_volume", volume_id=spare[1], volume_type="gp2", size_gb=60)
    organisation.change("delete_storage", resource_id=spare[2])
    organisation.change("retag_storage", resource_id=spare[1], tags={"Name": "nýtt"})
    organisation.change("detach_volume", volume_id=attached["volume_id"])
    after = now("volumes", "volume_id")
    assert after.keys() ^ before.keys() == {added["volume_id"], spare[2]}
    assert {name for name in after.keys() & before.keys() if after[name] != before[name]} == {
        spare[0],
        spare[1],
        attached["volume_id"],
    }
    assert [a["instance_id"] for a in after[spare[0]]["attachments"]] == [running[1]]
    assert (after[spare[1]]["volume_type"], after[spare[1]]["iops"], after[spare[1]]["tags"]) == (
        "gp2",
        180,
        {"Name": "nýtt"},
    )

    # An instance takes its root volume with it and leaves the others.
    roots = [row["volume_id"] for row in after.values() if running[1] in [a["instance_id"] for a in row["attachments"]]]
    organisation.change("terminate_instance", instance_id=running[1])
    later = now("volumes", "volume_id")
    assert after.keys() - later.keys() == set(roots) - {spare[0]}
    assert later[spare[0]]["state"] == "available"

    snapshot = organisation.change("add_snapshot", volume_id=added["volume_id"], description="x")["snapshot_id"]
    assert now("snapshots", "snapshot_id")[snapshot]["volume_id"] == added["volume_id"]
    organisation.change("delete_storage", resource_id=snapshot)
    assert snapshot not in now("snapshots", "snapshot_id")

    addresses = now("addresses", "allocation_id")
    held = next(name for name, row in addresses.items() if row["instance_id"])
    free = next(name for name, row in addresses.items() if not row["association_id"])
    moved = organisation.change("associate_address", allocation_id=held, instance_id=running[2])
    new = organisation.change("allocate_address", account_id=account_id, region=region)["allocation_id"]
    organisation.change("release_address", allocation_id=free)
    gateway = next(row for row in of_place(truth, "nat_gateways", account_id, region) if row["state"] == "available")
    organisation.change("delete_nat_gateway", nat_gateway_id=gateway["nat_gateway_id"])
    organisation.change("retag_addressing", resource_id=gateway["nat_gateway_id"], tags={"x": "y"})
    changed = now("addresses", "allocation_id")
    assert changed.keys() ^ addresses.keys() == {new, free}
    assert changed[held]["instance_id"] == moved["instance_id"] == running[2]
    assert changed[held]["association_id"] != addresses[held]["association_id"]
    assert changed[gateway["allocation_ids"][0]]["association_id"] is None
    gone = now("nat_gateways", "nat_gateway_id")[gateway["nat_gateway_id"]]
    assert (gone["state"], gone["tags"]) == ("deleted", {"x": "y"})
    organisation.change("forget_nat_gateway", nat_gateway_id=gateway["nat_gateway_id"])
    assert gateway["nat_gateway_id"] not in now("nat_gateways", "nat_gateway_id")
    with pytest.raises(SimulatorError, match="there is no volume, snapshot or image vol-none"):
        organisation.change("detach_volume", volume_id="vol-none")
