"""Interfaces in secondary networks: one of each subnet, which no instance has."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_secondary_subnet
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeSecondaryInterfaces")
RESULT = "SecondaryInterfaces"
TRUTH = "secondary_interfaces"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the network is."""
    found = []
    for subnet in ec2_secondary_subnet.rows(network, account_id, region):
        interface_id = made_id("si", subnet["secondary_subnet_id"])
        names = {name: subnet[name] for name in ("secondary_subnet_id", "secondary_network_id")}
        row = network.owned(interface_id, (account_id, region), "secondary-interface", {})
        found.append(
            {**row, **names, "secondary_interface_id": interface_id, "relations": [("contained_in", subnet["arn"])]}
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "AvailabilityZone": f"{row['region']}a",
        "MacAddress": "02:00:00:00:00:01",
        "OwnerId": row["account_id"],
        "PrivateIpv4Addresses": [{"PrivateIpAddress": "10.250.0.10"}],
        "SecondaryInterfaceId": row["secondary_interface_id"],
        "SecondaryInterfaceArn": row["arn"],
        "SecondaryInterfaceType": "secondary",
        "SecondarySubnetId": row["secondary_subnet_id"],
        "SecondaryNetworkId": row["secondary_network_id"],
        "SecondaryNetworkType": "rdma",
        "SourceDestCheck": True,
        "Status": "available",
        **tag_list(row["tags"]),
    }
