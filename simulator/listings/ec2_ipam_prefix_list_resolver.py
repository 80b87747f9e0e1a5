"""Prefix list resolvers of the organisation's IPAM: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipam
from simulator.network import Network
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeIpamPrefixListResolvers")
RESULT = "IpamPrefixListResolvers"
TRUTH = "ipam_prefix_list_resolvers"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the home region of the IPAM."""
    return [
        ec2_ipam.part(network, ipam, "ipam-plr", "ipam-prefix-list-resolver", {})
        for ipam in ec2_ipam.rows(network, account_id, region)
    ]


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub lists it in every region that the IPAM watches."""
    return ec2_ipam.elsewhere(rows, network, account_id, region)


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "OwnerId": row["account_id"],
        "IpamPrefixListResolverId": row["own_id"],
        "IpamPrefixListResolverArn": row["arn"],
        "IpamArn": row["ipam_arn"],
        "IpamRegion": row["region"],
        "Description": "all networks",
        "AddressFamily": "ipv4",
        "State": "create-complete",
        "LastVersionCreationStatus": "success",
        **tag_list(row["tags"]),
    }
