"""Pools of the organisation's IPAM: one at the top, and one for each region, which all who have a network share."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipam
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list

CALL = ("ec2", "DescribeIpamPools")
RESULT = "IpamPools"
TRUTH = "ipam_pools"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """All of them stand in the home region of their IPAM; the one at the top has tags."""
    found = []
    for ipam in ec2_ipam.rows(network, account_id, region):
        top = _row(network, ipam, None, None)
        found += [top, *(_row(network, ipam, top, locale) for locale in network.world.regions)]
    return found


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Whoever has a network lists the pool of its region; the hub lists all of them in the other regions too."""
    hub, home = network.world.operations, network.world.regions[0]
    if account_id == hub:
        return rows(network, hub, home) if region in network.world.regions and region != home else []
    if not network.own(account_id, region).vpcs:
        return []
    return [row for row in rows(network, hub, home) if row["locale"] == region]


def _row(network: Network, ipam: dict[str, Any], top: dict[str, Any] | None, locale: str | None) -> dict[str, Any]:
    pool_id = made_id("ipam-pool", ipam["ipam_id"], locale)
    row = network.owned(pool_id, (ipam["account_id"], ipam["region"]), "ipam-pool", {} if top else {"Name": "top"})
    return {
        **row,
        "arn": row["arn"].replace(f":{ipam['region']}:", "::"),
        "ipam_pool_id": pool_id,
        "ipam_arn": ipam["arn"],
        "source_ipam_pool_id": top["ipam_pool_id"] if top else None,
        "locale": locale,
        "relations": [("contained_in", ipam["arn"]), *([("contained_in", top["arn"])] if top else [])],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: to those with whom it is shared without tags."""
    return given(
        OwnerId=row["account_id"],
        IpamPoolId=row["ipam_pool_id"],
        SourceIpamPoolId=row["source_ipam_pool_id"],
        IpamPoolArn=row["arn"],
        IpamArn=row["ipam_arn"],
        IpamScopeType="private",
        IpamRegion=row["region"],
        Locale=row["locale"] or "None",
        PoolDepth=2 if row["source_ipam_pool_id"] else 1,
        State="create-complete",
        AutoImport=False,
        AddressFamily="ipv4",
    ) | (tag_list(row["tags"]) if row["at"][0] == row["account_id"] else {})
