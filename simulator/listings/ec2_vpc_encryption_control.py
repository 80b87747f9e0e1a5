"""Encryption controls of VPCs: the hub enforces, some workloads monitor."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeVpcEncryptionControls")
RESULT = "VpcEncryptionControls"
TRUTH = "vpc_encryption_controls"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the first VPC that people made; of the workloads, every third has one."""
    vpcs = network.own(account_id, region).vpcs[:1]
    is_hub = account_id == network.world.operations
    if not vpcs or not (is_hub or network.number(account_id, region) % 3 == 0):
        return []
    control_id = made_id("vpcec", vpcs[0].resource_id)
    return [
        {
            **network.owned(control_id, (account_id, region), "vpc-encryption-control", vpcs[0].tags),
            "vpc_encryption_control_id": control_id,
            "vpc_id": vpcs[0].resource_id,
            "mode": "enforce" if is_hub else "monitor",
            "relations": [("contained_in", vpcs[0].arn)],
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: who enforces leaves the way to the internet out."""
    is_left_out = row["mode"] == "enforce"
    return {
        "VpcId": row["vpc_id"],
        "VpcEncryptionControlId": row["vpc_encryption_control_id"],
        "Mode": row["mode"],
        "State": "available",
        "ResourceExclusions": {"InternetGateway": {"State": "enabled" if is_left_out else "disabled"}},
        **tag_list(row["tags"]),
    }
