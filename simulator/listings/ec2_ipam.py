"""The organisation's IPAM: one of the hub in its first region, which watches all regions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeIpams")
RESULT = "Ipams"
TRUTH = "ipams"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region, where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []
    ipam_id = made_id("ipam", account_id)
    row = network.owned(ipam_id, (account_id, home), "ipam", {"Name": "all ranges"})
    # Its ARN names no region.
    arn = row["arn"].replace(f":{home}:", "::")
    return [{**row, "arn": arn, "ipam_id": ipam_id, "regions": list(network.world.regions), "relations": []}]


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub lists it in every region that it watches."""
    return elsewhere(rows, network, account_id, region)


def elsewhere(
    of: Callable[[Network, str, str], list[dict[str, Any]]], network: Network, account_id: str, region: str
) -> list[dict[str, Any]]:
    """What `of` has in the IPAM's home region, for the other regions that the IPAM watches."""
    home = network.world.regions[0]
    watched = region in network.world.regions and region != home
    return of(network, account_id, home) if watched else []


def part(network: Network, ipam: dict[str, Any], prefix: str, kind: str, tags: dict[str, str]) -> dict[str, Any]:
    """Something of an IPAM that there is once; its ARN names no region either."""
    own_id = made_id(prefix, ipam["ipam_id"])
    row = network.owned(own_id, (ipam["account_id"], ipam["region"]), kind, tags)
    return {
        **row,
        "arn": row["arn"].replace(f":{ipam['region']}:", "::"),
        "own_id": own_id,
        "ipam_id": ipam["ipam_id"],
        "ipam_arn": ipam["arn"],
        "relations": [("contained_in", ipam["arn"])],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "OwnerId": row["account_id"],
        "IpamId": row["ipam_id"],
        "IpamArn": row["arn"],
        "IpamRegion": row["region"],
        "PublicDefaultScopeId": made_id("ipam-scope", row["ipam_id"], "public"),
        "PrivateDefaultScopeId": made_id("ipam-scope", row["ipam_id"], "private"),
        "ScopeCount": 2,
        "OperatingRegions": [{"RegionName": region} for region in row["regions"]],
        "State": "create-complete",
        "Tier": "advanced",
        "ResourceDiscoveryAssociationCount": 1,
        **tag_list(row["tags"]),
    }
