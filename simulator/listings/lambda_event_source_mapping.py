"""Event source mappings: a queue or a stream that a function works off, where people made subnets."""

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
            "is_of_stream": network.number(account_id, region) % 3 == 1,
        }
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    place = f"{row['region']}:{row['account_id']}"
    source: Output = {
        "EventSourceArn": f"arn:aws:sqs:{place}:orders",
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    if row["is_of_stream"]:
        source = {
            "EventSourceArn": f"arn:aws:kinesis:{place}:stream/clicks",
            "StartingPosition": "LATEST",
            "BatchSize": 100,
            "MaximumBatchingWindowInSeconds": 5,
            "ParallelizationFactor": 1,
            "LastProcessingResult": "OK",
            "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{place}:clicks-dead-letters"}},
            "MaximumRecordAgeInSeconds": -1,
            "BisectBatchOnFunctionError": False,
            "MaximumRetryAttempts": 3,
            "TumblingWindowInSeconds": 0,
            "FunctionResponseTypes": [],
        }
    return {
        "UUID": row["event_source_mapping_id"],
        **source,
        "FunctionArn": f"arn:aws:lambda:{place}:function:orders",
        "LastModified": dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC),
        "State": "Enabled",
        "StateTransitionReason": "USER_INITIATED",
        "EventSourceMappingArn": row["arn"],
    }
