"""Multicast domains: one of each transit gateway of the hub."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_transit_gateway
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeTransitGatewayMulticastDomains")
RESULT = "TransitGatewayMulticastDomains"
TRUTH = "transit_gateway_multicast_domains"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of the gateways that the account owns."""
    found = []
    for gateway in ec2_transit_gateway.rows(network, account_id, region):
        domain_id = made_id("tgw-mcast-domain", gateway["transit_gateway_id"])
        row = network.owned(domain_id, (account_id, region), "transit-gateway-multicast-domain", {})
        found.append(
            {
                **row,
                "multicast_domain_id": domain_id,
                "transit_gateway_id": gateway["transit_gateway_id"],
                "relations": [("contained_in", gateway["arn"])],
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "TransitGatewayMulticastDomainId": row["multicast_domain_id"],
        "TransitGatewayMulticastDomainArn": row["arn"],
        "TransitGatewayId": row["transit_gateway_id"],
        "OwnerId": row["account_id"],
        "Options": {
            "Igmpv2Support": "disable",
            "StaticSourcesSupport": "enable",
            "AutoAcceptSharedAssociations": "disable",
        },
        "State": "available",
        "CreationTime": EPOCH + dt.timedelta(days=6),
        **tag_list(row["tags"]),
    }
