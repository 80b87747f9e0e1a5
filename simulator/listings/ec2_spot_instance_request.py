"""Spot instance requests of the organisation: one that brought an instance, and one that nothing came of."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list
from simulator.world import EPOCH

CALL = ("ec2", "DescribeSpotInstanceRequests")
RESULT = "SpotInstanceRequests"
TRUTH = "spot_instance_requests"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """In every third place: for the first instance there, and for none."""
    if not network.own(account_id, region).vpcs or network.number(account_id, region) % 3 != 1:
        return []
    return [
        *(
            _row(network, (account_id, region), "active", one)
            for one in network.world.instances(account_id, region)[:1]
        ),
        _row(network, (account_id, region), "cancelled", None),
    ]


def _row(network: Network, place: tuple[str, str], state: str, instance: Any) -> dict[str, Any]:
    request_id = f"sir-{made_id('sir', *place, state)[-8:]}"
    return {
        **network.owned(request_id, place, "spot-instances-request", {"Name": "batch"} if instance else {}),
        "spot_instance_request_id": request_id,
        "state": state,
        "instance_id": instance.instance_id if instance else None,
        "relations": [("associated_with", instance.arn)] if instance else [],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: with user data that nobody should keep."""
    is_active = row["state"] == "active"
    made_at = EPOCH + dt.timedelta(days=700)
    return given(
        SpotInstanceRequestId=row["spot_instance_request_id"],
        State=row["state"],
        Status={
            "Code": "fulfilled" if is_active else "canceled-before-fulfillment",
            "Message": "As its code says.",
            "UpdateTime": made_at + dt.timedelta(minutes=2),
        },
        Type="one-time",
        InstanceId=row["instance_id"],
        LaunchSpecification={
            "InstanceType": "t3.large",
            "ImageId": "ami-0123456789abcdef0",
            "UserData": "bm90LWZvci1hbnlib2R5LWVsc2U=",
        },
        ProductDescription="Linux/UNIX",
        SpotPrice="0.083200",
        InstanceInterruptionBehavior="terminate",
        LaunchedAvailabilityZone=f"{row['region']}a" if is_active else None,
        CreateTime=made_at,
        ValidUntil=None if is_active else made_at + dt.timedelta(days=7),
    ) | tag_list(row["tags"])
