"""What checks of applications are for: a tag, and one instance."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_application_status_check
from simulator.network import Network
from simulator.pages import Output
from simulator.storage import given

CALL = ("ec2", "DescribeApplicationStatusCheckAssociations")
RESULT = "Associations"
TRUTH = "application_status_check_associations"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS gives them no ARN, and the truth needs one."""
    running = [one for one in network.world.instances(account_id, region) if one.state == "running"]
    return [
        {
            **check,
            "arn": f"{check['arn']}:{kind}:{target}",
            "tags": {},
            "association_type": kind,
            "tag_key": key,
            "target": target,
        }
        for check in ec2_application_status_check.rows(network, account_id, region)
        for kind, key, target in (
            ("tag", "bc:environment", "prod"),
            *(("instance-id", None, one.instance_id) for one in running[:1]),
        )
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return given(
        ApplicationStatusCheckId=row["application_status_check_id"],
        AssociationType=row["association_type"],
        Key=row["tag_key"],
        Value=row["target"],
    )
