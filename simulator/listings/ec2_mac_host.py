"""Dedicated Mac hosts of the organisation."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_host
from simulator.network import Network
from simulator.pages import Output

CALL = ("ec2", "DescribeMacHosts")
RESULT = "MacHosts"
TRUTH = "mac_hosts"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Those hosts that are Macs."""
    return [row for row in ec2_host.rows(network, account_id, region) if row["family"] == "mac2"]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {"HostId": row["host_id"], "MacOSLatestSupportedVersions": ["14.7.1", "15.1.1"]}
