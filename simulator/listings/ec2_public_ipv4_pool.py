"""IPv4 pools that the organisation brought to AWS: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribePublicIpv4Pools")
RESULT = "PublicIpv4Pools"
TRUTH = "public_ipv4_pools"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the first region, where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []
    pool_id = made_id("ipv4pool-ec2", account_id)
    row = network.owned(pool_id, (account_id, region), "ipv4pool-ec2", {"Name": "offices"})
    return [{**row, "pool_id": pool_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    free = {"AddressCount": 256, "AvailableAddressCount": 256}
    return {
        "PoolId": row["pool_id"],
        "Description": "",
        "PoolAddressRanges": [{"FirstAddress": "203.0.113.0", "LastAddress": "203.0.113.255", **free}],
        "TotalAddressCount": 256,
        "TotalAvailableAddressCount": 256,
        "NetworkBorderGroup": row["region"],
        **tag_list(row["tags"]),
    }
