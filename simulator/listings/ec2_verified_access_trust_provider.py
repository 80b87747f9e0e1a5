"""Trust providers of Verified Access: one of the hub."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeVerifiedAccessTrustProviders")
RESULT = "VerifiedAccessTrustProviders"
TRUTH = "verified_access_trust_providers"

SECRET = "canary-provider-c4ca4238a0b92382"
"""The client's secret: nothing of ours may keep it."""


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Where the hub has Verified Access."""
    home = network.world.regions[0]
    if account_id != network.world.operations or region != home or not network.own(account_id, home).vpcs:
        return []

    provider_id = made_id("vatp", account_id)
    row = network.owned(provider_id, (account_id, home), "verified-access-trust-provider", {"Name": "staff"})
    return [{**row, "trust_provider_id": provider_id, "relations": []}]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: times are text."""
    return {
        "VerifiedAccessTrustProviderId": row["trust_provider_id"],
        "TrustProviderType": "user",
        "UserTrustProviderType": "oidc",
        "OidcOptions": {"Issuer": "https://idp.example", "ClientId": "staff", "ClientSecret": SECRET},
        "PolicyReferenceName": "staff",
        "CreationTime": "2025-03-04T05:06:07",
        "LastUpdatedTime": "2025-03-04T05:06:07",
        **tag_list(row["tags"]),
    }
