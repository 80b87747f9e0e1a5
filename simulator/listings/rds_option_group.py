"""Option groups of the organisation: one where people made subnets."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeOptionGroups")
RESULT = "OptionGroupsList"
TRUTH = "option_groups"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One that people made."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:og:{name}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "option_group_name": name,
        }
        for name in ("backup-to-s3",)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "OptionGroupName": row["option_group_name"],
        "OptionGroupDescription": "native backup",
        "EngineName": "sqlserver-se",
        "MajorEngineVersion": "16.00",
        "Options": [{"OptionName": "SQLSERVER_BACKUP_RESTORE", "Persistent": False, "Permanent": False}],
        "AllowsVpcAndNonVpcInstanceMemberships": True,
        "OptionGroupArn": row["arn"],
    }
