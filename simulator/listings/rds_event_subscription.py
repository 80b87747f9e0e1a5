"""Event subscriptions: one for failures of databases, where people made subnets."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeEventSubscriptions")
RESULT = "EventSubscriptionsList"
TRUTH = "event_subscriptions"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:es:failures",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "subscription_name": "failures",
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "CustomerAwsId": row["account_id"],
        "CustSubscriptionId": row["subscription_name"],
        "SnsTopicArn": f"arn:aws:sns:{row['region']}:{row['account_id']}:operators",
        "Status": "active",
        "SubscriptionCreationTime": "2025-03-03 09:00:00.0",
        "SourceType": "db-instance",
        "EventCategoriesList": ["failure", "failover"],
        "Enabled": True,
        "EventSubscriptionArn": row["arn"],
    }
