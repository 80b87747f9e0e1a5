"""Event source mappings: a queue that a function works off, where people made subnets."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("lambda", "ListEventSourceMappings")
RESULT = "EventSourceMappings"
TRUTH = "event_source_mappings"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    mapping_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{account_id} {region}"))
    return [
        {
            "arn": f"arn:aws:lambda:{region}:{account_id}:event-source-mapping:{mapping_id}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "event_source_mapping_id": mapping_id,
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "UUID": row["event_source_mapping_id"],
        "BatchSize": 10,
        "EventSourceArn": f"arn:aws:sqs:{row['region']}:{row['account_id']}:orders",
        "FunctionArn": f"arn:aws:lambda:{row['region']}:{row['account_id']}:function:orders",
        "LastModified": dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC),
        "State": "Enabled",
        "StateTransitionReason": "USER_INITIATED",
        "EventSourceMappingArn": row["arn"],
    }
