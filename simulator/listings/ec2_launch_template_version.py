"""Versions of the organisation's launch templates: the first of each, its default, and the second, the newest."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import ec2_launch_template
from simulator.network import Network
from simulator.pages import Output
from simulator.world import EPOCH

CALL = ("ec2", "DescribeLaunchTemplateVersions")
RESULT = "LaunchTemplateVersions"
TRUTH = "launch_template_versions"
FILTERS = {"Versions": ["$Latest", "$Default"]}

SECRET = "canary-template-9b74c9897bac770f"
"""Stands where people put passwords: nothing of ours may keep it."""


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Two of each template."""
    return [
        {
            **template,
            "tags": {},
            # The truth tells rows apart by their ARN, and a version has none.
            "arn": f"{template['arn']}:{version}",
            "version": version,
        }
        for template in ec2_launch_template.rows(network, account_id, region)
        for version in (1, 2)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "LaunchTemplateId": row["launch_template_id"],
        "LaunchTemplateName": row["launch_template_name"],
        "VersionNumber": row["version"],
        "DefaultVersion": row["version"] == 1,
        "CreateTime": EPOCH + dt.timedelta(days=20 + row["version"]),
        "CreatedBy": f"arn:aws:iam::{row['account_id']}:root",
        "LaunchTemplateData": {
            "ImageId": "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "InstanceType": "t3.micro",
            "UserData": SECRET,
            "MetadataOptions": {"HttpTokens": "required" if row["version"] == 2 else "optional"},
        },
    }
