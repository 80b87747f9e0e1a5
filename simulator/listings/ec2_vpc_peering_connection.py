"""Peering connections of the organisation: a workload's with the hub, a vendor's, and one that ran out unanswered."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import VENDOR, Network, Vpc, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeVpcPeeringConnections")
RESULT = "VpcPeeringConnections"
TRUTH = "vpc_peering_connections"

VENDOR_VPC = "vpc-0fedcba9876543210"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """What the account asked for: the first workload account is the requester."""
    if account_id != network.first_workload:
        return []
    hub = _hub_vpc(network, region)
    found = []
    for vpc in network.own(account_id, region).vpcs[:1] if hub else ():
        found.append(_row(network, vpc, (hub.account_id, hub.resource_id, hub.cidr), "active", vpc.tags))  # type: ignore[union-attr]
        found.append(_row(network, vpc, (VENDOR[0], VENDOR_VPC, "10.250.0.0/16"), "expired", {}))
    return found


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """What others asked of the account: the hub has those of the workload, and one of a vendor outside."""
    hub = _hub_vpc(network, region)
    if hub is None or account_id != hub.account_id:
        return []
    found = [
        row
        for row in (rows(network, network.first_workload, region) if network.first_workload else ())
        if row["accepter"][0] == account_id
    ]
    vendor = Vpc(resource_id=VENDOR_VPC, account_id=VENDOR[0], region=region, kind="vpc", cidr="10.250.0.0/16")
    found.append(_row(network, vendor, (hub.account_id, hub.resource_id, hub.cidr), "active", {}))
    return found


def _hub_vpc(network: Network, region: str) -> Vpc | None:
    """The VPC of the operations account that others may peer with."""
    own = network.own(network.world.operations, region)
    return next((vpc for vpc in own.vpcs if vpc.cidr == "10.2.0.0/16"), None)


def _row(
    network: Network, vpc: Vpc, accepter: tuple[str, str, str], status: str, tags: dict[str, str]
) -> dict[str, Any]:
    peering_id = made_id("pcx", vpc.resource_id, accepter[1])
    other = f"arn:aws:ec2:{vpc.region}:{accepter[0]}:vpc/{accepter[1]}"
    return {
        **network.owned(peering_id, (vpc.account_id, vpc.region), "vpc-peering-connection", tags),
        "vpc_peering_connection_id": peering_id,
        "requester": (vpc.account_id, vpc.resource_id, vpc.cidr),
        "accepter": accepter,
        "state": status,
        "relations": [("attached_to", vpc.arn), ("attached_to", other)] if status == "active" else [],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: each side sees its own tags only, and the ranges of both while it is active."""
    is_active = row["state"] == "active"

    def side(who: tuple[str, str, str]) -> dict[str, Any]:
        account_id, vpc_id, cidr = who
        return given(
            OwnerId=account_id,
            VpcId=vpc_id,
            Region=row["region"],
            CidrBlock=cidr if is_active or who == row["requester"] else None,
            CidrBlockSet=[{"CidrBlock": cidr}] if is_active else None,
            PeeringOptions={"AllowDnsResolutionFromRemoteVpc": account_id == row["account_id"]} if is_active else None,
        )

    return {
        "VpcPeeringConnectionId": row["vpc_peering_connection_id"],
        "RequesterVpcInfo": side(row["requester"]),
        "AccepterVpcInfo": side(row["accepter"]),
        "Status": {"Code": row["state"], "Message": row["state"].title()},
        **({} if is_active else {"ExpirationTime": EPOCH + dt.timedelta(days=7)}),
        **(tag_list(row["tags"]) if row["at"][0] == row["account_id"] else {}),
    }
