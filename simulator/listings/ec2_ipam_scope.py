"""Scopes of the organisation's IPAM: the public and the private one that AWS made with it."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipam
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeIpamScopes")
RESULT = "IpamScopes"
TRUTH = "ipam_scopes"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Both in the home region of their IPAM."""
    found = []
    for ipam in ec2_ipam.rows(network, account_id, region):
        for kind in ("public", "private"):
            scope_id = made_id("ipam-scope", ipam["ipam_id"], kind)
            row = network.owned(scope_id, (account_id, region), "ipam-scope", {})
            found.append(
                {
                    **row,
                    "arn": row["arn"].replace(f":{region}:", "::"),
                    "ipam_scope_id": scope_id,
                    "ipam_arn": ipam["arn"],
                    "scope_type": kind,
                    "relations": [("contained_in", ipam["arn"])],
                }
            )
    return found


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub lists them in every region that the IPAM watches."""
    return ec2_ipam.elsewhere(rows, network, account_id, region)


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "OwnerId": row["account_id"],
        "IpamScopeId": row["ipam_scope_id"],
        "IpamScopeArn": row["arn"],
        "IpamArn": row["ipam_arn"],
        "IpamRegion": row["region"],
        "IpamScopeType": row["scope_type"],
        "IsDefault": True,
        "PoolCount": 0 if row["scope_type"] == "public" else 4,
        "State": "create-complete",
        **tag_list(row["tags"]),
    }
