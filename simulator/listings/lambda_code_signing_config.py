"""Code signing configurations: one that refuses what nobody signed, where people made subnets."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output
from simulator.world import digest

CALL = ("lambda", "ListCodeSigningConfigs")
RESULT = "CodeSigningConfigs"
TRUTH = "code_signing_configs"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    config_id = f"csc-{digest('csc', account_id, region)[:17]}"
    return [
        {
            "arn": f"arn:aws:lambda:{region}:{account_id}:code-signing-config:{config_id}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "code_signing_config_id": config_id,
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    profile = f"arn:aws:signer:{row['region']}:{row['account_id']}:/signing-profiles/releases/1a2b3c4d5e"
    return {
        "CodeSigningConfigId": row["code_signing_config_id"],
        "CodeSigningConfigArn": row["arn"],
        "Description": "only what the release job signed",
        "AllowedPublishers": {"SigningProfileVersionArns": [profile]},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Enforce"},
        "LastModified": "2026-11-02T09:00:00.000+0000",
    }
