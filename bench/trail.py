"""The stub's CloudTrail: who sent which request, as `LookupEvents` returns it some minutes later."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple

DELIVERED_AFTER = 300.0
"""Seconds until an event can be looked up; AWS takes five minutes on average."""

PAGE = 50


class Event(NamedTuple):
    """One recorded request.

    Attributes:
        at: seconds since 1970.
        is_refused: whether it was answered with an error.
    """

    at: float
    service: str
    operation: str
    request_id: str
    is_refused: bool


class Trail:
    """The events of each account and region, in the order in which they came."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], list[Event]] = defaultdict(list)

    def record(self, account: str, region: str, event: Event) -> None:
        """Keep an event."""
        self._events[account, region].append(event)

    def look_up(self, account: str, region: str, caller: str, now: float, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A page of the caller's events, the newest first, as `LookupEvents` returns it.

        Args:
            caller: the ARN of all who send requests from this account.
            now: seconds since 1970.
            asked: the parameters of the request.
        """
        # Programs that only measure requests send no parameters.
        wanted = asked.get("LookupAttributes", ())
        names = [one["AttributeValue"] for one in wanted if one["AttributeKey"] == "Username"]
        events = self._events[account, region] if caller.rpartition("/")[2] in names else []
        until = min(float(asked.get("EndTime", now)), now - DELIVERED_AFTER)
        begin = bisect_right(events, float(asked.get("StartTime", 0)), key=attrgetter("at"))
        # The token is the place in the list, so that what comes meanwhile moves no page.
        end = int(asked.get("NextToken") or bisect_right(events, until, key=attrgetter("at")))
        first = max(begin, end - min(int(asked.get("MaxResults", PAGE)), PAGE))
        shown: dict[str, Any] = {"Events": [_shown(event, caller) for event in reversed(events[first:end])]}
        return shown | ({"NextToken": str(first)} if first > begin else {})


def _shown(event: Event, caller: str) -> dict[str, Any]:
    source = f"{event.service}.amazonaws.com"
    detail = {
        "eventVersion": "1.09",
        "userIdentity": {"type": "AssumedRole", "arn": caller},
        "eventTime": datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source,
        "eventName": event.operation,
        "requestID": event.request_id,
        "eventType": "AwsApiCall",
    }
    if event.is_refused:
        detail["errorCode"] = "AccessDenied"
    return {
        "EventId": event.request_id,
        "EventName": event.operation,
        "ReadOnly": "true",
        "EventTime": round(event.at),
        "EventSource": source,
        "Username": caller.rpartition("/")[2],
        "Resources": [],
        "CloudTrailEvent": json.dumps(detail),
    }
