"""Subnets of secondary networks: one of each."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_secondary_network
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeSecondarySubnets")
RESULT = "SecondarySubnets"
TRUTH = "secondary_subnets"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the network is."""
    found = []
    for own in ec2_secondary_network.rows(network, account_id, region):
        subnet_id = made_id("ss", own["secondary_network_id"])
        row = network.owned(subnet_id, (account_id, region), "secondary-subnet", {})
        names = {"secondary_subnet_id": subnet_id, "secondary_network_id": own["secondary_network_id"]}
        found.append({**row, **names, "relations": [("contained_in", own["arn"])]})
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "SecondarySubnetId": row["secondary_subnet_id"],
        "SecondarySubnetArn": row["arn"],
        "SecondaryNetworkId": row["secondary_network_id"],
        "SecondaryNetworkType": "rdma",
        "OwnerId": row["account_id"],
        "AvailabilityZone": f"{row['region']}a",
        "State": "create-complete",
        "Ipv4CidrBlockAssociations": [{"CidrBlock": "10.250.0.0/20", "State": "associated"}],
        **tag_list(row["tags"]),
    }
