"""DHCP options of the organisation: one set of the hub, whose names are resolved in its own network."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeDhcpOptions")
RESULT = "DhcpOptions"
TRUTH = "dhcp_option_sets"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has networks."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []

    options_id = made_id("dopt", account_id)
    row = network.owned(options_id, (account_id, home), "dhcp-options", {"Name": "own names"})
    return [{**row, "dhcp_option_set_id": options_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "DhcpOptionsId": row["dhcp_option_set_id"],
        "OwnerId": row["account_id"],
        "DhcpConfigurations": [{"Key": "domain-name-servers", "Values": [{"Value": "10.0.0.2"}]}],
        **tag_list(row["tags"]),
    }
