"""DB subnet groups of the organisation: the one that all databases of an account and region share."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBSubnetGroups")
RESULT = "DBSubnetGroups"
TRUTH = "db_subnet_groups"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One where people made subnets, in the first VPC."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:subgrp:main",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "db_subnet_group_name": "main",
            "vpc_id": place.vpcs[0].resource_id,
            "zones": {subnet.resource_id: subnet.zone for subnet in place.subnets},
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "DBSubnetGroupName": row["db_subnet_group_name"],
        "DBSubnetGroupDescription": "both zones",
        "VpcId": row["vpc_id"],
        "SubnetGroupStatus": "Complete",
        "Subnets": [
            {"SubnetIdentifier": subnet_id, "SubnetAvailabilityZone": {"Name": zone}, "SubnetStatus": "Active"}
            for subnet_id, zone in row["zones"].items()
        ],
        "DBSubnetGroupArn": row["arn"],
        "SupportedNetworkTypes": ["IPV4"],
    }
