"""What is excluded from blocked public access: a subnet, the VPC of another place, and one that was deleted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, Owned, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeVpcBlockPublicAccessExclusions")
RESULT = "VpcBlockPublicAccessExclusions"
TRUTH = "vpc_block_public_access_exclusions"

GONE = "delete-complete"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of every eighth place by its number; that of the VPC stands where nothing is blocked yet."""
    own = network.own(account_id, region)
    if not own.vpcs or not own.subnets:
        return []
    number = network.number(account_id, region) % 8
    vpc, subnet = own.vpcs[0], own.subnets[0]
    if number == 3:
        return [
            _row(network, subnet, "contained", "allow-bidirectional", "create-complete", vpc.tags),
            _row(network, vpc, "gone", "allow-bidirectional", GONE, {}),
        ]
    if number == 7:
        return [_row(network, vpc, "egress", "allow-egress", "update-complete", vpc.tags)]
    if number == 4:
        return [_row(network, vpc, "ahead", "allow-bidirectional", "create-complete", vpc.tags)]
    return []


def _row(network: Network, of: Owned, part: str, mode: str, state: str, tags: dict[str, str]) -> dict[str, Any]:
    exclusion_id = made_id("vpcbpa-exclude", of.resource_id, part)
    place = (of.account_id, of.region)
    return {
        **network.owned(exclusion_id, place, "vpc-block-public-access-exclusion", tags),
        "exclusion_id": exclusion_id,
        "resource_arn": of.arn,
        "exclusion_mode": mode,
        "state": state,
        "relations": [] if state == GONE else [("associated_with", of.arn)],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: ResourceArn is that of the VPC or subnet."""
    made = EPOCH + dt.timedelta(days=91)
    return {
        "ExclusionId": row["exclusion_id"],
        "InternetGatewayExclusionMode": row["exclusion_mode"],
        "ResourceArn": row["resource_arn"],
        "State": row["state"],
        "CreationTimestamp": made,
        "LastUpdateTimestamp": made + dt.timedelta(minutes=3),
        **({"DeletionTimestamp": made + dt.timedelta(days=2)} if row["state"] == GONE else {}),
        **tag_list(row["tags"]),
    }
