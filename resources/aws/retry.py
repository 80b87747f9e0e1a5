"""Retries one page of one call while its failure may be temporary, and classifies the final failure."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from resources.aws.clock import SET_THE_CLOCK, clock_error
from resources.aws.errors import REFUSAL_CODES, TRANSIENT_CODES, UNREADABLE, WRONG_REGION_CODES, Failed, is_throttle
from resources.aws.messages import Outcome
from resources.aws.meter import PRICES_USD, Unmetered, units_of
from resources.aws.profile_errors import ProfileError
from resources.aws.redaction import without_secrets
from resources.aws.responses import ForeignResponse
from resources.aws.sending import Sender
from resources.aws.sessions import Sessions
from resources.aws.signing_context import SigningContext


@dataclass(frozen=True)
class Retry:
    """Limits of retries for one request.

    Attributes:
        seconds: time lost to throttling and outages, over all pages of one request. A request for many parents may lose
            as much for each of them, until `request_seconds` are over.
        transient_attempts: attempts for one page when no response or an unreadable one arrives.
        first_delay: upper limit of the first random pause, in seconds; it doubles with each attempt.
        longest_delay: upper limit of any pause, in seconds.
        empty_pages: consecutive pages without a record, each with a token for one more. Organizations, EC2 and tagging
            send some; no service is known to send this many.
        request_seconds: limit for a request with all its pages, in seconds. The largest, of an aggregator or a bill,
            take a fraction of it.
    """

    seconds: float = 60.0
    transient_attempts: int = 4
    first_delay: float = 0.5
    longest_delay: float = 5.0
    empty_pages: int = 1_000
    request_seconds: float = 4 * 3600.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after this many consecutive failures."""
        ceiling = min(self.longest_delay, self.first_delay * 2.0 ** (failures - 1))
        return random.uniform(ceiling / 4, ceiling)


class _Unsettled(Exception):
    """One attempt failed in a way that may be temporary."""

    def __init__(self, failure: Failed, throttled: bool) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.throttled = throttled


class RetryingSender:
    """Sends requests for one role, with retries. Failures of AWS and the network raise only `Failed`.

    Args:
        retry: limits of retries per request.
        sessions: provides clients and credentials.
        sender: sends one request once.
    """

    def __init__(self, retry: Retry, sessions: Sessions, sender: Sender) -> None:
        self._retry = retry
        self._sessions = sessions
        self._sender = sender

    def send_by_name(
        self, context: SigningContext, service: str, operation: str, region: str, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """One page of a call that is not a listing. A response without any of the operation's members is invalid.

        Raises:
            Failed: there is no valid response.
        """
        client = self._sessions.client(context.profile, service, region)
        page = self.send(context, client, operation, parameters)
        # Each operation of the contract returns something.
        if page.keys().isdisjoint(self._sender.model(client, operation).output_shape.members):
            raise Failed(
                # equivalent: Of a call by name nobody asks for the outcome, but whether it is denied.
                "failed",
                "UnreadableAnswer",
                f"{operation} returned a response without any of its members.",
                page,
            )
        return page

    def send(
        self, context: SigningContext, client: Any, operation: str, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """One page, with retries.

        botocore's own retries are off. The quota of its `standard` mode belongs to a client, which all accounts share
        here. Its `legacy` mode has no time limit and cannot be stopped. Neither counts retries per request.

        Raises:
            Failed: there is no valid response.
        """
        failures = 0
        while True:
            began = time.monotonic()
            try:
                return self._attempt(context, client, operation, parameters)
            except _Unsettled as unsettled:
                failures += 1
                context.lost_seconds += time.monotonic() - began
                tried_enough = not unsettled.throttled and failures >= self._retry.transient_attempts
                pause = self._retry.pause(failures)
                # equivalent: No two sums of times measured are the same.
                if tried_enough or context.lost_seconds + pause > self._retry.seconds:
                    raise unsettled.failure from unsettled.__cause__
                if context.stopping.wait(pause):
                    raise unsettled.failure from None
                context.lost_seconds += pause

    def _attempt(
        self, context: SigningContext, client: Any, operation: str, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            # Renewed here and not while signing, so that a failure names the profile to renew.
            credentials = self._sessions.credentials.frozen(context.profile)
        except ProfileError as error:
            failure = Failed(outcome_of(error), error.error_code or error.reason, str(error))
            # Identity Center and STS throttle those who fetch credentials for hundreds of profiles.
            raise (_Unsettled(failure, throttled=True) if error.reason == "throttled" else failure) from error
        context.access_keys[credentials.access_key] = None
        service = client.meta.service_model.service_name
        if context.meter is not None:
            context.meter.reserve(service, operation, units_of(service, parameters))
        elif service in PRICES_USD:
            raise Unmetered(
                f"{self._sessions.role} was about to send {service}:{operation}, which AWS charges for, where nobody "
                "counts it. Nothing was sent. Hand AwsClient.fetch a meter, as the collector does."
            )
        try:
            return self._sender.send(client, operation, parameters, credentials)
        except ClientError as error:
            secrets = (credentials.token, credentials.secret_key)
            error.response = without_secrets(error.response, *secrets)
            error.args = without_secrets(error.args, *secrets)
            if context.meter is not None and is_throttle(error.response):
                context.meter.turned_away(service, operation, units_of(service, parameters))
            raise _classified(error, operation) from error
        except (AwsConnectionError, HTTPClientError) as error:
            failure = Failed("failed", type(error).__name__, str(error))
            raise _Unsettled(failure, throttled=False) from error
        except BotoCoreError as error:
            raise Failed("failed", type(error).__name__, str(error)) from error
        except ForeignResponse as error:
            raise Failed("failed", "UnreadableAnswer", f"{operation} returned a response {error}.") from error
        except UNREADABLE as error:
            failure = Failed("failed", "UnreadableAnswer", f"{operation} returned a response that is malformed.")
            raise _Unsettled(failure, throttled=False) from error


def outcome_of(error: ProfileError) -> Outcome:
    """The outcome of a request whose profile leads to no account."""
    return "denied" if error.reason in ("expired", "refused") else "failed"


def _classified(error: Any, operation: str) -> Failed | _Unsettled:
    """The failure for an error of AWS. Its message is kept verbatim, since an explicit deny names its policy there."""
    response: dict[str, Any] = error.response
    details = response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    if error.operation_name != operation:
        message = f"{error.operation_name}: {message}"
    # equivalent (2): Every answer has a status; neither number is one.
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if is_throttle(response):
        return _Unsettled(Failed("failed", code, message), throttled=True)
    clock = clock_error(response, datetime.now(UTC))
    if clock is not None:
        return Failed("failed", code, f"{clock} {SET_THE_CLOCK} AWS reported: {message}", response)
    if code in REFUSAL_CODES or status in (401, 403):
        return Failed("denied", code, message, response)
    if code in WRONG_REGION_CODES:
        return Failed("failed", code, message, response)
    failure = Failed("failed", code, message)
    if code in TRANSIENT_CODES or status >= 500:
        return _Unsettled(failure, throttled=False)
    return failure
