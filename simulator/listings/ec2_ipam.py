"""The organisation's IPAM: one of the hub in its first region, which watches all regions."""

from __future__ import annotations

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
    home = network.world.regions[0]
    watched = region in network.world.regions and region != home
    return rows(network, account_id, home) if watched else []


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
