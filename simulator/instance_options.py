"""What else EC2 shows of an instance: its metadata service, key pair, placement, monitoring, processors.

Drawn from the instance's own id, so that one that goes changes none of its neighbours. Key pairs, placement groups,
hosts and reservations are those that the same account lists.
"""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_capacity_reservation, ec2_host, ec2_key_pair, ec2_placement_group
from simulator.network import Network
from simulator.pages import Output
from simulator.storage import ROOT_DEVICE
from simulator.world import Instance, digest

LOST_KEY = "ana's laptop"
"""A key pair that was deleted after instances were launched with it: they keep its name."""

MARKETPLACE = "4kq1rq7j5mfnkz0example"
CORES = {"t3.micro": 1, "t3.large": 1, "m5.large": 1, "c5.xlarge": 2, "r5.2xlarge": 4}

METADATA = (
    {"HttpTokens": "optional", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
    {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"},
    {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
    {"HttpTokens": "optional", "HttpPutResponseHopLimit": 64, "HttpEndpoint": "disabled"},
)


def options(network: Network, instance: Instance) -> Output:
    """The fields of an instance beside those that moto knows to give, as AWS writes them."""
    number = int(digest("options", instance.instance_id)[:8], 16)
    place = (instance.account_id, instance.region)
    is_gone = instance.state == "terminated"
    found: Output = {
        # The options of one that is gone are never applied any more.
        "MetadataOptions": {
            "State": "pending" if is_gone else "applied",
            **METADATA[0 if is_gone else number % 4],
            "HttpProtocolIpv6": "disabled",
            "InstanceMetadataTags": "enabled" if number % 8 == 2 else "disabled",
        },
        "Monitoring": {"State": "enabled" if number % 3 == 0 else "disabled"},
        "EbsOptimized": instance.instance_type.startswith(("m5", "c5")),
        "EnaSupport": True,
        "HibernationOptions": {"Configured": number % 5 == 0},
        "EnclaveOptions": {"Enabled": number % 9 == 0},
        "MaintenanceOptions": {"AutoRecovery": "disabled" if number % 7 == 0 else "default"},
        "CpuOptions": {"CoreCount": CORES.get(instance.instance_type, 1), "ThreadsPerCore": 2},
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "BootMode": "uefi-preferred",
        "CurrentInstanceBootMode": "uefi",
        "VirtualizationType": "hvm",
        "RootDeviceName": ROOT_DEVICE,
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "UsageOperationUpdateTime": instance.launched_at,
        "ProductCodes": [{"ProductCodeId": MARKETPLACE, "ProductCodeType": "marketplace"}] if number % 6 == 1 else [],
        "Placement": {"AvailabilityZone": instance.zone, "GroupName": "", "Tenancy": "default"},
    }
    keys = [row["key_name"] for row in ec2_key_pair.rows(network, *place)]
    if keys and number % 4:
        found["KeyName"] = LOST_KEY if number % 10 == 3 else keys[number % len(keys)]
    if number % 3 and not is_gone:
        name = "web" if number % 2 else "batch"
        found["IamInstanceProfile"] = {
            "Arn": f"arn:aws:iam::{instance.account_id}:instance-profile/{name}",
            "Id": f"AIPA{digest('instance profile', instance.account_id, name)[:17].upper()}",
        }
    _put(found, network, place, number)
    return found


def _put(found: Output, network: Network, place: tuple[str, str], number: int) -> None:
    """Where it stands: in a group, on a host, in capacity that somebody has reserved."""
    groups = ec2_placement_group.rows(network, *place)
    hosts = [row for row in ec2_host.rows(network, *place) if row["state"] == "available" and row["family"] == "m5"]
    reserved = [
        row
        for row in (*ec2_capacity_reservation.rows(network, *place), *ec2_capacity_reservation.others(network, *place))
        if row["state"] == "active"
    ]
    if groups and number % 4 == 2:
        found["Placement"] |= {
            "GroupName": ec2_placement_group.shown({**groups[0], "at": place})["GroupName"],
            "GroupId": groups[0]["placement_group_id"],
        }
        if groups[0]["strategy"] == "partition":
            found["Placement"]["PartitionNumber"] = 1 + number % 3
    elif hosts and number % 4 == 1:
        found["Placement"] |= {"Tenancy": "host", "HostId": hosts[0]["host_id"], "Affinity": "default"}
    elif number % 7 == 3:
        found["Placement"]["Tenancy"] = "dedicated"
    if reserved and number % 4 == 0:
        found["CapacityReservationId"] = reserved[0]["capacity_reservation_id"]


def related(network: Network, instance: Instance, shown: Output) -> list[list[str]]:
    """What an instance hangs together with by these fields: pairs of a relation and an ARN."""
    if instance.state == "terminated":
        return []
    place = (instance.account_id, instance.region)
    found = [
        ["associated_with", row["arn"]]
        for row in ec2_key_pair.rows(network, *place)
        if row["key_name"] == shown.get("KeyName")
        and (row["key_name"] == "old" or instance.launched_at >= ec2_key_pair.MADE_AT)
    ]
    found += [
        ["associated_with", row["arn"]]
        for row in ec2_placement_group.rows(network, *place)
        if row["placement_group_id"] == shown["Placement"].get("GroupId")
    ]
    found += [
        ["hosted_on", row["arn"]]
        for row in ec2_host.rows(network, *place)
        if row["host_id"] == shown["Placement"].get("HostId")
    ]
    reserved = (*ec2_capacity_reservation.rows(network, *place), *ec2_capacity_reservation.others(network, *place))
    return found + [
        ["associated_with", row["arn"]]
        for row in reserved
        if row["capacity_reservation_id"] == shown.get("CapacityReservationId")
    ]


def truth(network: Network) -> dict[str, Any]:
    """Of each instance what it shows, and what it hangs together with, as JSON data."""
    found = {}
    for instance in network.world.all_instances():
        shown = options(network, instance)
        found[instance.arn] = {
            "is_imdsv1_allowed": None
            if shown["MetadataOptions"]["State"] != "applied"
            else (shown["MetadataOptions"]["HttpEndpoint"], shown["MetadataOptions"]["HttpTokens"])
            == ("enabled", "optional"),
            "key_name": shown.get("KeyName"),
            "tenancy": shown["Placement"]["Tenancy"],
            "relations": related(network, instance, shown),
        }
    return {"instance_options": found}
