"""Address ranges that the organisation brought to AWS: those of the hub's pools."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipv6_pool, ec2_public_ipv4_pool
from simulator.network import Network
from simulator.pages import Output

CALL = ("ec2", "DescribeByoipCidrs")
RESULT = "ByoipCidrs"
TRUTH = "byoip_cidrs"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Both stand where their pools do; AWS gives them no ARN, and the truth needs one."""
    pools = (
        ("203.0.113.0/24", "advertised", ec2_public_ipv4_pool.rows(network, account_id, region)),
        ("2001:db8::/48", "provisioned", ec2_ipv6_pool.rows(network, account_id, region)),
    )
    return [
        {
            **network.owned(cidr, (account_id, region), "byoip-cidr"),
            "cidr": cidr,
            "state": state,
            "pool_id": pool["pool_id"],
        }
        for cidr, state, found in pools
        for pool in found
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: the message names the pool."""
    return {
        "Cidr": row["cidr"],
        "StatusMessage": row["pool_id"],
        "State": row["state"],
        "NetworkBorderGroup": row["region"],
        "PoolId": row["pool_id"],
    }
