"""Launch templates of the organisation: one of each network of people's, and in some places one without tags."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeLaunchTemplates")
RESULT = "LaunchTemplates"
TRUTH = "launch_templates"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Of every third place a second one, that somebody made by hand."""
    found = [_row(network, vpc, "web", vpc.tags) for vpc in network.own(account_id, region).vpcs]
    if found and network.number(account_id, region) % 3 == 0:
        found.append(_row(network, network.own(account_id, region).vpcs[0], "test by hand", {}))
    return found


def _row(network: Network, vpc: Any, name: str, tags: dict[str, str]) -> dict[str, Any]:
    template_id = made_id("lt", vpc.resource_id, name)
    return {
        **network.owned(template_id, (vpc.account_id, vpc.region), "launch-template", tags),
        "launch_template_id": template_id,
        "launch_template_name": f"{name} {vpc.resource_id}".replace(" ", "-"),
        "relations": [],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "LaunchTemplateId": row["launch_template_id"],
        "LaunchTemplateName": row["launch_template_name"],
        "CreateTime": EPOCH + dt.timedelta(days=20),
        "CreatedBy": f"arn:aws:iam::{row['account_id']}:root",
        "DefaultVersionNumber": 1,
        "LatestVersionNumber": 2,
        **tag_list(row["tags"]),
    }
