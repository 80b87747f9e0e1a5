"""Capacity providers: one in the first VPC with subnets of every second account."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("lambda", "ListCapacityProviders")
RESULT = "CapacityProviders"
TRUTH = "capacity_providers"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One."""
    place = network.own(account_id, region)
    if not place.subnets or network.world.numbers[account_id] % 2:
        return []
    home = place.subnets[0].vpc_id
    subnets = [subnet for subnet in place.subnets if subnet.vpc_id == home]
    row = {
        "arn": f"arn:aws:lambda:{region}:{account_id}:capacity-provider:steady",
        "account_id": account_id,
        "region": region,
        "tags": {},
        "capacity_provider_name": "steady",
        "subnet_ids": [subnet.resource_id for subnet in subnets],
    }
    return [{**row, "relations": [("attached_to", subnet.arn) for subnet in subnets]}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    account = row["account_id"]
    return {
        "CapacityProviderArn": row["arn"],
        "State": "Active",
        "VpcConfig": {"SubnetIds": row["subnet_ids"], "SecurityGroupIds": []},
        "PermissionsConfig": {"CapacityProviderOperatorRoleArn": f"arn:aws:iam::{account}:role/capacity"},
        "InstanceRequirements": {
            "Architectures": ["arm64"],
            "AllowedInstanceTypes": ["m8g.large", "m8g.xlarge"],
            "ExcludedInstanceTypes": [],
        },
        "CapacityProviderScalingConfig": {
            "MaxVCpuCount": 400,
            "ScalingMode": "Manual",
            "ScalingPolicies": [
                {"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 70.0}
            ],
        },
        "KmsKeyArn": f"arn:aws:kms:{row['region']}:{account}:key/4f0c9a12",
        "LastModified": "2026-11-02T09:00:00.000Z",
        "PropagateTags": {"Mode": "None"},
    }
