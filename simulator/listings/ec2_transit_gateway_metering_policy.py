"""Metering policies: one of each transit gateway of the hub, which meters what its first attachment passes on."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_transit_gateway, ec2_transit_gateway_attachment
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGatewayMeteringPolicies")
RESULT = "TransitGatewayMeteringPolicies"
TRUTH = "transit_gateway_metering_policies"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the gateways that the account owns; they have the tags of their gateway."""
    found = []
    for gateway in ec2_transit_gateway.rows(network, account_id, region):
        policy_id = made_id("tgw-mp", gateway["transit_gateway_id"])
        row = network.owned(policy_id, (account_id, region), "transit-gateway-metering-policy", gateway["tags"])
        middleboxes = ec2_transit_gateway_attachment.rows(network, account_id, region)[:1]
        found.append(
            {
                **row,
                "metering_policy_id": policy_id,
                "transit_gateway_id": gateway["transit_gateway_id"],
                "attachment_ids": [middlebox["transit_gateway_attachment_id"] for middlebox in middleboxes],
                "relations": [
                    ("contained_in", gateway["arn"]),
                    *(("associated_with", middlebox["arn"]) for middlebox in middleboxes),
                ],
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TransitGatewayMeteringPolicyId": row["metering_policy_id"],
        "TransitGatewayId": row["transit_gateway_id"],
        "MiddleboxAttachmentIds": row["attachment_ids"],
        "State": "available",
        "UpdateEffectiveAt": EPOCH + dt.timedelta(days=9),
        **tag_list(row["tags"]),
    }
