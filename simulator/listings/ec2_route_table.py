"""Route tables of the organisation: the main one of each VPC, and one more where people have made subnets.

A default VPC leads to its internet gateway, and so do the subnets of people's first VPC in two of three places.
"""

from __future__ import annotations

from typing import Any

from simulator.network import Network, Vpc, made_id
from simulator.pages import Output

CALL = ("ec2", "DescribeRouteTables")
RESULT = "RouteTables"
TRUTH = "route_tables"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The main one of each VPC; the subnets of a VPC that people made share another, which has tags."""
    if region not in network.world.regions:
        return []
    own = network.own(account_id, region)
    found = [
        _row(account_id, region, vpc, [], {}, gateway=vpc.is_default)
        for vpc in (*network.default(account_id, region).vpcs, *own.vpcs)
    ]
    is_public = network.number(account_id, region) % 3 < 2
    for vpc in own.vpcs:
        subnets = sorted(subnet.resource_id for subnet in own.subnets if subnet.vpc_id == vpc.resource_id)
        if subnets:
            tags = {"Name": f"subnets of {vpc.resource_id}", **vpc.tags}
            found.append(_row(account_id, region, vpc, subnets, tags, gateway=is_public and vpc is own.vpcs[0]))
    return found


def _row(
    account_id: str, region: str, vpc: Vpc, subnet_ids: list[str], tags: dict[str, str], *, gateway: bool
) -> dict[str, Any]:
    vpc_id = vpc.resource_id
    table_id = made_id("rtb", vpc_id, "subnets" if subnet_ids else "main")
    return {
        "arn": f"arn:aws:ec2:{region}:{account_id}:route-table/{table_id}",
        "account_id": account_id,
        "region": region,
        "tags": tags,
        "route_table_id": table_id,
        "vpc_id": vpc_id,
        "cidr": vpc.cidr,
        "gateway_id": made_id("igw", vpc_id) if gateway else None,
        "is_main": not subnet_ids,
        "subnet_ids": subnet_ids,
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    table_id = row["route_table_id"]
    associations = [{"SubnetId": subnet_id, "Main": False} for subnet_id in row["subnet_ids"]] or [{"Main": True}]
    return {
        "RouteTableId": table_id,
        "VpcId": row["vpc_id"],
        "OwnerId": row["account_id"],
        "Associations": [
            {
                **association,
                "RouteTableAssociationId": made_id("rtbassoc", table_id, association.get("SubnetId", "main")),
                "RouteTableId": table_id,
                "AssociationState": {"State": "associated"},
            }
            for association in associations
        ],
        "Routes": [
            {
                "DestinationCidrBlock": row["cidr"],
                "GatewayId": "local",
                "State": "active",
                "Origin": "CreateRouteTable",
            },
            *(
                {
                    f"Destination{family}CidrBlock": destination,
                    "GatewayId": row["gateway_id"],
                    "State": "active",
                    "Origin": "CreateRoute",
                }
                for family, destination in (("", "0.0.0.0/0"), ("Ipv6", "::/0"))
                if row["gateway_id"]
            ),
        ],
        "PropagatingVgws": [],
        "Tags": [{"Key": key, "Value": value} for key, value in row["tags"].items()],
    }
