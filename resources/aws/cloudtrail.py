"""Looks up a caller's events in CloudTrail: evidence for a zero, or against it."""

import json
import re
import threading
import time
from collections.abc import Container, Generator, Mapping
from datetime import UTC, datetime
from typing import Any

from resources.aws.errors import CREDENTIAL_CODES, REFUSAL_CODES, UNREADABLE, Failed
from resources.aws.identity import Identities
from resources.aws.messages import Lookup, TrailEvents
from resources.aws.profile_errors import ProfileError
from resources.aws.retry import RetryingSender
from resources.aws.sessions import Sessions
from resources.aws.signing_context import SigningContext, signing

TRAIL_PAGES = 200
TRAIL_SECONDS = 0.5
"""CloudTrail serves two look-ups a second per account and region, of 50 events each."""


class CloudTrail:
    """Looks up events for one role, no faster than CloudTrail's rate limit.

    Args:
        sessions: provides credentials and regions.
        requests: sends one page, with retries.
        identities: identifies the caller of a profile.
    """

    def __init__(self, sessions: Sessions, requests: RetryingSender, identities: Identities) -> None:
        self._sessions = sessions
        self._requests = requests
        self._identities = identities
        self._pace = _Pace()

    def events(self, lookup: Lookup) -> Generator[float, None, TrailEvents]:
        """Look up the CloudTrail events of one caller's calls, page by page. Failures of AWS never raise.

        Yields:
            The earliest time for the next page, by `time.monotonic`. Go on then, in any thread.

        Returns:
            The events of all pages.
        """
        profile, account_id, region, since = lookup.profile, lookup.account_id, lookup.region, lookup.since
        until = lookup.until or datetime.now(UTC)
        context: SigningContext | None = None
        recorded: dict[str, str | None] = {}
        refused: list[dict[str, Any]] = []
        kinds: set[str] = set()
        events = 0
        newest: datetime | None = None

        def found(reason: str = "", *, is_denied: bool = False) -> TrailEvents:
            requests = context.requests if context else 0
            return TrailEvents(
                not reason,
                reason,
                recorded,
                refused,
                events,
                newest,
                since,
                until,
                requests,
                is_denied,
                frozenset(kinds),
            )

        try:
            identity = self._identities.identify(profile)
            if identity.account_id != account_id:
                return found(f"Profile {profile} is {identity.account_id}, not {account_id}.")
            caller = lookup.caller_arn or identity.arn
            parameters: dict[str, Any] = {
                "LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": _user_name(caller)}],
                "StartTime": since,
                "EndTime": until,
                "MaxResults": 50,
            }
            # equivalent: Every service without regions has the same place.
            place = self._sessions.region_of("organizations", region)
            context = self._sessions.signing_context(profile)
            for _ in range(TRAIL_PAGES):
                while (due := self._pace.take(account_id, place)) is not None:
                    yield due
                # A thread that goes on with other work meanwhile must not sign it as this profile.
                with signing(context):
                    page = self._requests.send_by_name(context, "cloudtrail", "LookupEvents", place, parameters)
                self._pace.responded(account_id, place)
                for event in page["Events"]:
                    detail = json.loads(event["CloudTrailEvent"])
                    if detail.get("userIdentity", {}).get("arn") != caller:
                        continue
                    events += 1
                    at = datetime.fromisoformat(event["EventTime"])
                    newest = max(newest or at, at)
                    kinds |= {lookup.calls[name] for name in [_event_name(event)] if name in lookup.calls}
                    if detail.get("requestID") in lookup.request_ids:
                        known = recorded.get(detail["requestID"])
                        recorded[detail["requestID"]] = known or detail.get("errorCode")
                        continue
                    refusal = _refusal(event, detail, lookup.calls)
                    if refusal is not None:
                        refused.append(refusal)
                is_found = bool(lookup.request_ids) and recorded.keys() >= lookup.request_ids
                if is_found or not page.get("NextToken"):
                    signer = self._identities.signer(context, identity)
                    is_own = signer.account_id == account_id
                    return found("" if is_own else f"Profile {profile} is {signer.account_id}, not {account_id}.")
                if page["NextToken"] == parameters.get("NextToken"):
                    return found("CloudTrail sent the same page token twice.")
                parameters["NextToken"] = page["NextToken"]
        except ProfileError as error:
            return found(str(error))
        except Failed as failure:
            reason = f"cloudtrail:LookupEvents failed with {failure.code}: {failure.message}"
            is_passing = failure.code in CREDENTIAL_CODES or isinstance(failure.__cause__, ProfileError)
            return found(reason, is_denied=failure.outcome == "denied" and not is_passing)
        except UNREADABLE as error:
            return found(f"CloudTrail's response could not be read ({type(error).__name__}).")
        return found(f"CloudTrail has more than {TRAIL_PAGES} pages of this caller's events since then.")


class _Pace:
    """Spaces the look-ups of one account and region at least `TRAIL_SECONDS` apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], float] = {}

    def take(self, account_id: str, region: str) -> float | None:
        """Take the turn to send a look-up now; the earliest time for it, by `time.monotonic`, where that is later."""
        with self._lock:
            now = time.monotonic()
            due = self._last.get((account_id, region), 0.0) + TRAIL_SECONDS
            if due > now:
                return due
            self._last[account_id, region] = now
            return None

    def responded(self, account_id: str, region: str) -> None:
        """Count the pace from the response on: requests that were delayed on their way may arrive together."""
        with self._lock:
            self._last[account_id, region] = time.monotonic()


def _user_name(arn: str) -> str:
    """CloudTrail's user name of a caller: the session name of a role, the name of a user, or `root`."""
    return arn.rpartition(":")[2].rpartition("/")[2]


def _event_name(event: Mapping[str, Any]) -> tuple[str, str]:
    """Source and name of an event, without the API version that Lambda's event names end in."""
    return event["EventSource"], re.sub(r"20\d{6}(v\d+)?$", "", str(event["EventName"]))


def _refusal(
    event: Mapping[str, Any], detail: Mapping[str, Any], calls: Container[tuple[str, str]]
) -> dict[str, Any] | None:
    # CloudTrail prefixes the error codes of EC2.
    code = str(detail.get("errorCode", "")).removeprefix("Client.").removeprefix("Server.")
    if code not in REFUSAL_CODES or _event_name(event) not in calls:
        return None
    return {
        "event_id": event["EventId"],
        "time": event["EventTime"],
        "source": event["EventSource"],
        "name": event["EventName"],
        "error_code": detail["errorCode"],
    }
