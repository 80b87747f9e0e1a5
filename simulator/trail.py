"""The call log, and CloudTrail's view of it.

Every request that could be read is one record. CloudTrail shows an account's records of one region, newest
first, with times in whole seconds, and EC2's error codes with the prefix `Client.` as the real one does. It shows
them late, as the real one does: each event between five and fifteen minutes after its call.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import threading
import time
from collections import defaultdict, deque
from typing import Any

from simulator.wire import AwsError, Call, Response, throttled

KEEP = 200_000
KEEP_EACH = 20_000
LOOKUPS_A_SECOND = 2
DELAY_SECONDS = (300.0, 900.0)
"""After how many seconds an event is shown, at the least and at the most."""
UNRECORDED = frozenset({"cloudwatch:GetMetricData", "s3:ListObjectsV2"})
"""Calls that CloudTrail takes for data events, which its event history never shows."""
EVENT_SOURCES = {"resourcegroupstaggingapi": "tagging", "cloudwatch": "monitoring"}


class Trail:
    """What was called, by whom, and how it ended."""

    def __init__(self) -> None:
        self.set_up(passes=False)
        self._lookups: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()
        # Never begun anew: no two responses have the same id.
        self._request_ids = itertools.count(1)
        self.clear()

    def set_up(self, *, passes: bool) -> None:
        """As it is at the start, but for what it has recorded.

        Args:
            passes: whoever looks up comes late enough: before each look-up the clock passes every delay.
        """
        self.passes = passes
        self.delay_seconds: tuple[float, float] = DELAY_SECONDS
        self.passed_seconds = 0.0
        self.unrecorded = UNRECORDED
        self.lookups_a_second = LOOKUPS_A_SECOND

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._number = 0
            self._records: deque[dict[str, Any]] = deque(maxlen=KEEP)
            self._by_place: defaultdict[tuple[str, str], deque[dict[str, Any]]] = defaultdict(
                lambda: deque(maxlen=KEEP_EACH)
            )

    def record(self, call: Call, response: Response, started: dt.datetime, milliseconds: float) -> str:
        """Write one call down; the request id that it got."""
        with self._lock:
            self._number += 1
            request_id = f"51b00000-0000-4000-8000-{next(self._request_ids):012d}"
            entry = {
                "number": self._number,
                "time": started.isoformat(),
                "account_id": call.account_id,
                "role": call.role,
                "session": call.session,
                "arn": call.arn,
                "access_key": call.access_key,
                "service": call.service,
                "operation": call.operation,
                "region": call.region,
                "parameters": call.parameters,
                "status": response.status,
                "error_code": call.error_code,
                "error_message": call.error_message,
                "fault": call.fault,
                "request_id": request_id,
                "milliseconds": round(milliseconds, 2),
                "bytes": len(response.body),
            }
            self._records.append(entry)
            if call.account_id:
                self._by_place[call.account_id, call.region].append(entry)
        return request_id

    def records(self, since: int = 0) -> list[dict[str, Any]]:
        """The log after a record's number, oldest first."""
        with self._lock:
            return [entry for entry in self._records if entry["number"] > since]

    # ------------------------------------------------------------------ CloudTrail

    def admit(self, account_id: str, region: str) -> None:
        """Refuse a look-up beyond what CloudTrail answers an account and region in a second.

        Raises:
            AwsError: too many.
        """
        now = time.monotonic()
        with self._lock:
            recent = self._lookups[account_id, region]
            while recent and recent[0] <= now - 1:
                recent.popleft()
            if self.lookups_a_second and len(recent) >= self.lookups_a_second:
                raise throttled("cloudtrail")
            recent.append(now)

    def events(
        self, account_id: str, region: str, wanted: dict[str, str], start: Any, end: Any
    ) -> list[dict[str, Any]]:
        """CloudTrail's events of an account and region, newest first."""
        now = dt.datetime.now(dt.UTC)
        first, last = _moment(start) or now - dt.timedelta(days=90), _moment(end) or now
        if first > last:
            raise AwsError("InvalidTimeRangeException", "The start time occurs after the end time.", 400)
        with self._lock:
            entries = list(self._by_place.get((account_id, region), ()))
        found = []
        for entry in reversed(entries):
            at = dt.datetime.fromisoformat(entry["time"])
            if first <= at.replace(microsecond=0) <= last and self._is_shown(entry, at, now):
                event = _event(entry)
                if all(str(event.get(key)) == value for key, value in wanted.items()):
                    found.append(event)
        return found

    def _is_shown(self, entry: dict[str, Any], at: dt.datetime, now: dt.datetime) -> bool:
        if f"{entry['service']}:{entry['operation']}" in self.unrecorded:
            return False
        if self.passes:
            return True
        low, high = self.delay_seconds
        # Neighbours arrive in another order than they were called in.
        late = low + (high - low) * (entry["number"] * 7919 % 101) / 100
        return at <= now + dt.timedelta(seconds=self.passed_seconds - late)


def _moment(value: Any) -> dt.datetime | None:
    if value is None:
        return None
    moment = value if isinstance(value, dt.datetime) else dt.datetime.fromtimestamp(float(value), dt.UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _event(entry: dict[str, Any]) -> dict[str, Any]:
    source = f"{EVENT_SOURCES.get(entry['service'], entry['service'])}.amazonaws.com"
    at = dt.datetime.fromisoformat(entry["time"]).replace(microsecond=0)
    detail = {
        "eventVersion": "1.11",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source,
        "eventName": entry["operation"],
        "awsRegion": entry["region"],
        "recipientAccountId": entry["account_id"],
        "requestID": entry["request_id"],
        "eventID": entry["request_id"],
        "readOnly": True,
        "userIdentity": {
            "type": "AssumedRole" if entry["role"] else "IAMUser",
            "arn": entry["arn"],
            "accountId": entry["account_id"],
            "accessKeyId": entry["access_key"],
        },
    }
    if entry["error_code"]:
        prefix = "Client." if entry["service"] == "ec2" else ""
        detail["errorCode"] = prefix + entry["error_code"]
        detail["errorMessage"] = entry["error_message"]
    return {
        "EventId": entry["request_id"],
        "EventName": entry["operation"],
        "ReadOnly": "true",
        "AccessKeyId": entry["access_key"],
        "EventTime": at,
        "EventSource": source,
        "Username": entry["session"],
        "Resources": [],
        "CloudTrailEvent": json.dumps(detail),
    }
