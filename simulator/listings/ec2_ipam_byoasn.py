"""AS numbers that the organisation brought to AWS: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_ipam
from simulator.network import Network
from simulator.pages import Output

CALL = ("ec2", "DescribeIpamByoasn")
RESULT = "Byoasns"
TRUTH = "ipam_byoasns"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In the home region of the IPAM; AWS gives it no ARN, and the truth needs one."""
    return [
        {**network.owned("64496", (account_id, region), "byoasn"), "asn": "64496", "ipam_id": ipam["ipam_id"]}
        for ipam in ec2_ipam.rows(network, account_id, region)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {"Asn": row["asn"], "IpamId": row["ipam_id"], "StatusMessage": "", "State": "provisioned"}
