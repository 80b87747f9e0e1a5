"""Secondary networks of the organisation: one of the first workload account."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeSecondaryNetworks")
RESULT = "SecondaryNetworks"
TRUTH = "secondary_networks"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region alone."""
    vpcs = network.own(account_id, region).vpcs
    if not vpcs or account_id != network.first_workload or region != network.world.regions[0]:
        return []
    network_id = made_id("sn", account_id, region)
    row = network.owned(network_id, (account_id, region), "secondary-network", {"Name": "training"})
    return [{**row, "secondary_network_id": network_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "SecondaryNetworkId": row["secondary_network_id"],
        "SecondaryNetworkArn": row["arn"],
        "OwnerId": row["account_id"],
        "Type": "rdma",
        "State": "create-complete",
        "Ipv4CidrBlockAssociations": [{"CidrBlock": "10.250.0.0/16", "State": "associated"}],
        **tag_list(row["tags"]),
    }
