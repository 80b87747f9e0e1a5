"""Resource discoveries of IPAM: the one that AWS made with the organisation's IPAM."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipam
from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeIpamResourceDiscoveries")
RESULT = "IpamResourceDiscoveries"
TRUTH = "ipam_resource_discoveries"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the home region of the IPAM."""
    found = []
    for ipam in ec2_ipam.rows(network, account_id, region):
        discovery_id = made_id("ipam-res-disco", ipam["ipam_id"])
        row = network.owned(discovery_id, (account_id, region), "ipam-resource-discovery", {})
        arn = row["arn"].replace(f":{region}:", "::")
        found.append({**row, "arn": arn, "resource_discovery_id": discovery_id, "relations": []})
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "OwnerId": row["account_id"],
        "IpamResourceDiscoveryId": row["resource_discovery_id"],
        "IpamResourceDiscoveryArn": row["arn"],
        "IpamResourceDiscoveryRegion": row["region"],
        "IsDefault": True,
        "OperatingRegions": [{"RegionName": row["region"]}],
        "State": "create-complete",
        **tag_list(row["tags"]),
    }
