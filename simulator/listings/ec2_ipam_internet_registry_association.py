"""Internet registries of the organisation's IPAM: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipam
from simulator.network import Network
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeIpamInternetRegistryAssociations")
RESULT = "IpamInternetRegistryAssociations"
TRUTH = "ipam_internet_registry_associations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the home region of the IPAM."""
    return [
        ec2_ipam.part(network, ipam, "ipam-ira", "ipam-internet-registry-association", {})
        for ipam in ec2_ipam.rows(network, account_id, region)
    ]


def others(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub lists it in every region that the IPAM watches."""
    return ec2_ipam.elsewhere(rows, network, account_id, region)


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: with what the registry is to trust, which nobody needs to keep."""
    return {
        "OwnerId": row["account_id"],
        "IpamInternetRegistryAssociationId": row["own_id"],
        "IpamInternetRegistryAssociationArn": row["arn"],
        "IpamId": row["ipam_id"],
        "IpamRegion": row["region"],
        "Rir": "apnic",
        "OrganizationHandle": "ORG-EX1-AP",
        "State": "enable-complete",
        "ChildRequestXml": "<child_request>not-for-anybody-else</child_request>",
        **tag_list(row["tags"]),
    }
