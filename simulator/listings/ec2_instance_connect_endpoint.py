"""Instance Connect endpoints of the organisation: one of every third network of people's."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeInstanceConnectEndpoints")
RESULT = "InstanceConnectEndpoints"
TRUTH = "instance_connect_endpoints"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first subnet of the first VPC."""
    own = network.own(account_id, region)
    if not own.vpcs or not own.subnets or network.number(account_id, region) % 3:
        return []
    subnet = own.subnets[0]
    endpoint_id = made_id("eice", account_id, region)
    row = network.owned(endpoint_id, (account_id, region), "instance-connect-endpoint", own.vpcs[0].tags)
    return [
        {
            **row,
            "instance_connect_endpoint_id": endpoint_id,
            "subnet_id": subnet.resource_id,
            "vpc_id": subnet.vpc_id,
            "zone": subnet.zone,
            "relations": [("contained_in", subnet.arn)],
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "OwnerId": row["account_id"],
        "InstanceConnectEndpointId": row["instance_connect_endpoint_id"],
        "InstanceConnectEndpointArn": row["arn"],
        "State": "create-complete",
        "DnsName": f"{row['instance_connect_endpoint_id']}.ec2-instance-connect-endpoint.{row['region']}.amazonaws.com",
        "VpcId": row["vpc_id"],
        "SubnetId": row["subnet_id"],
        "AvailabilityZone": row["zone"],
        "SecurityGroupIds": [],
        "NetworkInterfaceIds": [],
        "PreserveClientIp": False,
        "CreatedAt": EPOCH + dt.timedelta(days=30),
        **tag_list(row["tags"]),
    }
