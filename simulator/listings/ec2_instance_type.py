"""Instance types that the hub lists in each region: what the organisation and its databases use, and others."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES as KNOWN

from simulator.network import Network
from simulator.pages import Output
from simulator.world import INSTANCE_TYPES

CALL = ("ec2", "DescribeInstanceTypes")
RESULT = "InstanceTypes"
TRUTH = "instance_types"

OTHERS = ("m4.large", "g4dn.xlarge", "m7g.metal", "i3.large", "t4g.micro", "c1.medium")
"""A previous generation, one with a graphics processor, bare metal, own disks, another processor, 32 bits."""

OF_DATABASES = ("t3.medium", "m6g.large", "r6g.large", "m4.xlarge")
"""What the classes of databases are made of: by them the vCPUs of a database are known."""


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The same in each region; only the hub's are counted."""
    if account_id != network.world.operations or region not in network.world.regions:
        return []
    return [
        {
            # AWS gives it none; this one is the key of the truth.
            "arn": f"arn:aws:ec2:{region}::instance-type/{name}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "instance_type": name,
        }
        for name in (*INSTANCE_TYPES, *OTHERS, *OF_DATABASES)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    known: Output = KNOWN[row["instance_type"]]
    return {name: value for name, value in known.items() if name != "SupportedInRegion"}
