"""Notifications of endpoint services: one of each service of the hub that is there."""

from __future__ import annotations

from typing import Any

from simulator.listings import ec2_vpc_endpoint_service
from simulator.network import Network, made_id
from simulator.pages import Output

CALL = ("ec2", "DescribeVpcEndpointConnectionNotifications")
RESULT = "ConnectionNotificationSet"
TRUTH = "vpc_endpoint_connection_notifications"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """AWS gives it no ARN, and the truth needs one."""
    found = []
    for service in ec2_vpc_endpoint_service.rows(network, account_id, region):
        if service["state"] == "Available":
            notification_id = made_id("vpce-nfn", service["vpc_endpoint_service_id"])
            row = network.owned(notification_id, (account_id, region), "vpc-endpoint-connection-notification")
            service_id = service["vpc_endpoint_service_id"]
            found.append({**row, "notification_id": notification_id, "vpc_endpoint_service_id": service_id})
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {
        "ConnectionNotificationId": row["notification_id"],
        "ServiceId": row["vpc_endpoint_service_id"],
        "ConnectionNotificationType": "Topic",
        "ConnectionNotificationArn": f"arn:aws:sns:{row['region']}:{row['account_id']}:endpoints",
        "ConnectionEvents": ["Connect", "Reject"],
        "ConnectionNotificationState": "Enabled",
        "ServiceRegion": row["region"],
    }
