"""Whether the organisation blocks public access to its VPCs: every fourth place does, by turns in two ways."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.world import EPOCH

CALL = ("ec2", "DescribeVpcBlockPublicAccessOptions")
RESULT = "VpcBlockPublicAccessOptions"
TRUTH = "vpc_block_public_access_options"
IS_ONE = True


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One for each account and region, whether there is a VPC or not."""
    if not network.world.is_enabled(account_id, region):
        return []
    mode = "off"
    if network.own(account_id, region).vpcs and network.number(account_id, region) % 4 == 3:
        mode = "block-ingress" if network.number(account_id, region) % 8 == 3 else "block-bidirectional"
    # The truth tells rows apart by their ARN, and options have none.
    row = network.owned(account_id, (account_id, region), "vpc-block-public-access-options")
    return [{**row, "block_mode": mode}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without a time where nobody has set the mode."""
    is_set = row["block_mode"] != "off"
    return {
        "AwsAccountId": row["account_id"],
        "AwsRegion": row["region"],
        "State": "update-complete" if is_set else "default-state",
        "InternetGatewayBlockMode": row["block_mode"],
        **({"LastUpdateTimestamp": EPOCH + dt.timedelta(days=90)} if is_set else {}),
        "ManagedBy": "account",
        "ExclusionsAllowed": "allowed",
    }
