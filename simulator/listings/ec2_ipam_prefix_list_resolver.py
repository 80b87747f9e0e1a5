"""Prefix list resolvers of the organisation's IPAM: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipam
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeIpamPrefixListResolvers")
RESULT = "IpamPrefixListResolvers"
TRUTH = "ipam_prefix_list_resolvers"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the home region of the IPAM."""
    found = []
    for ipam in ec2_ipam.rows(network, account_id, region):
        own_id = made_id("ipam-plr", ipam["ipam_id"])
        row = network.owned(own_id, (account_id, region), "ipam-prefix-list-resolver", {})
        found.append(
            {
                **row,
                "arn": row["arn"].replace(f":{region}:", "::"),
                "own_id": own_id,
                "ipam_id": ipam["ipam_id"],
                "ipam_arn": ipam["arn"],
                "relations": [("contained_in", ipam["arn"])],
            }
        )
    return found


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub lists it in every region that the IPAM watches."""
    home = network.world.regions[0]
    watched = region in network.world.regions and region != home
    return rows(network, account_id, home) if watched else []


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
