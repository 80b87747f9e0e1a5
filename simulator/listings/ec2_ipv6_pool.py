"""IPv6 pools that the organisation brought to AWS: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeIpv6Pools")
RESULT = "Ipv6Pools"
TRUTH = "ipv6_pools"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region, where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []
    pool_id = made_id("ipv6pool-ec2", account_id)
    row = network.owned(pool_id, (account_id, region), "ipv6pool-ec2", {})
    return [{**row, "pool_id": pool_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {"PoolId": row["pool_id"], "PoolCidrBlocks": [{"Cidr": "2001:db8::/48"}], **tag_list(row["tags"])}
