"""The AWS client of one role: guarded sessions and typed responses. Every AWS call of the product goes through here.

Every session is guarded: an operation outside the role's clause raises before anything is serialised or sent. Failures
of AWS and of the network do not raise; each becomes the outcome of a `Response`. The client does not judge zeros: it
reports each as `empty_unconfirmed`, and the pipeline's rules decide.
"""

import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from resources.aws.cloudtrail import CloudTrail
from resources.aws.distinct import distinct
from resources.aws.errors import CREDENTIAL_CODES, AwsError, Failed
from resources.aws.identity import Identities
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import (
    OPTIONAL_GRANT,
    Identity,
    Lookup,
    Outcome,
    Request,
    Response,
    TrailEvents,
)
from resources.aws.meter import Meter
from resources.aws.objects import Objects
from resources.aws.paging import Pager
from resources.aws.profile_errors import ProfileError
from resources.aws.records import Pages, record_path
from resources.aws.request_counter import RequestCounter
from resources.aws.retry import Retry, RetryingSender, outcome_of
from resources.aws.sending import Sender
from resources.aws.sessions import Sessions
from resources.aws.signing_context import SigningContext
from resources.contract import Role, check, iam_action, is_optional


@dataclass
class _Pending:
    """A request in progress: what is known of it so far, and constructors for the responses that can end it."""

    request: Request
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    context: SigningContext | None = None
    identity: Identity | None = None

    def response(self, outcome: Outcome, **what: Any) -> Response:
        return Response(
            request=self.request,
            outcome=outcome,
            started_at=self.started_at,
            ended_at=datetime.now(UTC),
            request_count=self.context.requests if self.context else 0,
            throttle_count=self.context.throttles if self.context else 0,
            caller_account_id=self.identity.account_id if self.identity else None,
            caller_arn=self.identity.arn if self.identity else None,
            **what,
        )

    def nobody(self, error: ProfileError) -> Response:
        """The response where the profile leads to no account."""
        return self.response(outcome_of(error), error_code=error.error_code or error.reason, error_message=str(error))

    def failed(self, failure: Failed, page_count: int) -> Response:
        """The response of a failed request; the records that were read are dropped."""
        return self.response(
            failure.outcome,
            page_count=page_count,
            error_code=failure.code,
            error_message=failure.message,
            raw_response=failure.raw,
        )

    def somebody_else(self, identity: Identity, what: str) -> Response | None:
        """The `wrong_account` response; None where the profile leads to the account of the request."""
        request = self.request
        if identity.account_id == request.account_id:
            return None
        return self.response(
            "wrong_account",
            error_code="WrongAccount",
            error_message=f"Profile {request.profile} is {identity.account_id}, not {request.account_id}. {what}",
        )

    def foreign(self, identities: Identities, context: SigningContext, known: Identity) -> Response | None:
        """The response where STS does not confirm the signer; None where it was the account of the request."""
        try:
            self.identity = identities.signer(context, known)
        except ProfileError as error:
            return self.nobody(error)
        return self.somebody_else(self.identity, "Its response does not count.")


class AwsClient:
    """Sends the requests of one role, for any number of profiles that share one client per region and service.

    The client is thread-safe. Identities, outcomes and counts are kept per request; connections and models are shared.

    Args:
        role: the role whose clause guards every session.
        home_region: region for STS, and for the global listings of services that have regions.
        concurrency: threads of a fan-out, and connections kept per client.
        per_account: requests of one account that are sent at the same time.
        retry: limits of retries per request.

    Attributes:
        counter: counts the requests that were sent.
        sessions: the shared clients, and the sessions and credentials behind them.
        objects: downloads objects of S3.
    """

    def __init__(
        self,
        role: Role,
        *,
        home_region: str,
        concurrency: int = 64,
        per_account: int = 8,
        retry: Retry | None = None,
    ) -> None:
        self.role: Role = role
        self.home_region = home_region
        self.concurrency = concurrency
        # Two parts of a step may be requested at the same time, each by as many threads.
        self.slots = threading.Semaphore(concurrency)
        self.per_account = per_account
        self.counter = RequestCounter()
        sender = Sender(
            lambda name, operation: check(role, name, operation),
            self.counter.count_request,
            self.counter.count_response,
        )
        patience = retry or Retry()
        self.sessions = Sessions(role, home_region, concurrency, self.counter, sender)
        self._requests = RetryingSender(patience, self.sessions, sender)
        self._pager = Pager(patience, self.sessions, sender, self._requests)
        self._identities = Identities(self.sessions, self._requests, concurrency)
        self.objects = Objects(role, self.sessions, self._requests, self._identities)
        self._trail = CloudTrail(self.sessions, self._requests, self._identities)
        self._checked: set[tuple[str, str]] = set()

    # ---------------------------------------------------------------------------------------- identities

    def identify(self, profile: str) -> Identity:
        """The identity of a profile by STS, with the credentials that also sign the profile's requests.

        An identity is cached for five minutes.

        Raises:
            ProfileError: the profile leads to no account; the error has the hint.
        """
        return self._identities.identify(profile)

    def identify_all(self, profiles: Iterable[str]) -> dict[str, Identity | ProfileError]:
        """The identity of each profile, or the error of a profile that leads to no account."""
        return self._identities.identify_all(profiles)

    # ---------------------------------------------------------------------------------------- fetching

    def fetch(
        self,
        request: Request,
        keep: Callable[[dict[str, Any]], None] | None = None,
        stopping: threading.Event | None = None,
        meter: Meter | None = None,
    ) -> Response:
        """All records of a request from all of its pages, or the reason why there are none. Never a part of them.

        Failures of AWS or the network never raise.

        Args:
            request: the listing, account and region to fetch.
            keep: receives each record as its page arrives, and `Response.records` stays empty: for responses that do
                not fit into memory. Its records count only if the outcome is `found`. A record that AWS lists twice is
                passed twice.
            stopping: once this event is set, nothing is retried.
            meter: counts the requests that AWS charges for; a request that the meter refuses ends the fetch.

        Raises:
            ContractViolation: the role's clause does not cover the call. Nothing was sent.
            Unmetered: AWS charges for the call, and there is no meter. Nothing was sent.
            ValueError: the request belongs to another role, or its listing is malformed. Nothing was sent.
        """
        listing = request.listing
        if request.listing_role != self.role:
            raise ValueError(f"{listing.name} of {request.listing_role} was requested through {self.role}.")
        self.check_listing(listing)
        pending = _Pending(request)
        try:
            pending.identity = known = self.identify(request.profile)
        except ProfileError as error:
            return pending.nobody(error)
        foreign = pending.somebody_else(known, "Nothing was requested.")
        if foreign is not None:
            return foreign
        records: list[dict[str, Any]] = []
        request_ids: list[str] = []
        verbatim: list[dict[str, Any]] = []
        pages = Pages(listing, request.account_id, keep or records.append)
        region = self.region_of(listing, request.region)
        try:
            with self.sessions.signing_as(request.profile, stopping, meter) as context:
                pending.context = context
                for page, model, parameters in self._pager.pages(context, request, region, pages):
                    if request.verbatim:
                        verbatim.append(page)
                    if not pages.found:
                        request_ids.append(str(page.get("ResponseMetadata", {}).get("RequestId") or ""))
                    pages.take(page, model, parameters)
        except Failed as failure:
            foreign = pending.foreign(self._identities, context, known)
            skip_reason = self.skip_reason(listing, failure)
            # A skip can retire rows: it does not count for a caller that nobody knows. Other failures keep their code.
            if foreign is not None and (skip_reason is not None or foreign.outcome == "wrong_account"):
                return foreign
            response = pending.failed(failure, pages.count)
            return response if skip_reason is None else replace(response, outcome="skipped", skip_reason=skip_reason)
        foreign = pending.foreign(self._identities, context, known)
        if foreign is not None:
            return foreign
        # equivalent: A request without batches has at least one page.
        if not pages.count and request.batches:
            # By AWS's own word every parent of this request was deleted in the meantime.
            return pending.response("skipped", skip_reason="parent_gone")
        if not pages.found:
            return pending.response(
                "empty_unconfirmed",
                page_count=pages.count,
                raw_response=pages.last,
                request_ids=tuple(request_ids),
            )
        try:
            records = distinct(listing, records)
        except Failed as failure:
            return pending.failed(failure, pages.count)
        return pending.response(
            "found",
            page_count=pages.count,
            records=records,
            record_count=len(records) if keep is None else pages.found,
            raw_response={"pages": verbatim} if verbatim else None,
        )

    def call(self, profile: str, service: str, operation: str, region: str, **parameters: Any) -> dict[str, Any]:
        """The parsed response of one call, one page.

        Raises:
            ContractViolation: the role's clause does not cover the call. Nothing was sent.
            ProfileError: the profile leads to no account.
            AwsError: AWS refused the call, or sent no response.
            ValueError: there is no such operation.
        """
        check(self.role, self.sessions.models.signing_name(service, operation), operation)
        with self.sessions.signing_as(profile) as context:
            try:
                return self._requests.send_by_name(context, service, operation, region, parameters)
            except Failed as failure:
                if isinstance(failure.__cause__, ProfileError):
                    raise failure.__cause__.again() from None
                raise AwsError(failure.code, failure.message, f"{service}:{operation}") from None

    def session(self, profile: str) -> Any:
        """A guarded `boto3.Session` of one profile, for code outside this product. It retries as boto3 does.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        return self.sessions.foreign(profile)

    def trail_events(self, lookup: Lookup) -> Generator[float, None, TrailEvents]:
        """Look up the CloudTrail events of one caller's calls, as `CloudTrail.events`. Failures of AWS never raise."""
        return self._trail.events(lookup)

    # ---------------------------------------------------------------------------------------- listings

    def check_listing(self, listing: Listing) -> None:
        """Check that the role's clause covers a listing, and that the listing can be read.

        Raises:
            ContractViolation: the clause does not cover the listing.
            ValueError: botocore knows no such operation, the path of the records is malformed, or a required member is
                not in every response of the operation.
        """
        if (listing.call, listing.records) in self._checked:
            return
        check(self.role, self.sessions.models.signing_name(listing.service, listing.operation), listing.operation)
        record_path(listing.records)
        if not listing.must_have:
            raise ValueError(f"{listing.name} names no member that a response of {listing.call} must have.")
        members = self.sessions.models.lasting_members(listing.service, listing.operation)
        for name in listing.must_have:
            if name not in members:
                raise ValueError(f"{listing.name} requires {name}, which not every response of {listing.call} has.")
        self._checked.add((listing.call, listing.records))

    def action_of(self, listing: Listing) -> str:
        """The IAM action that guards a listing, such as `ec2:DescribeInstances`."""
        return iam_action(self.sessions.models.signing_name(listing.service, listing.operation), listing.operation)

    def is_optional(self, listing: Listing) -> bool:
        """Whether only an optional grant covers a listing, so that a refusal means that the grant was not given."""
        return is_optional(self.role, self.action_of(listing))

    def skip_reason(self, listing: Listing, failure: Failed) -> str | None:
        """The skip reason of a failure; None for a failure that is not a skip."""
        if isinstance(failure.__cause__, ProfileError):
            # The profile has no credentials, so AWS refused nothing of this listing.
            return None
        reason = listing.skip_reason(failure.code, failure.message)
        refused = failure.outcome == "denied" and failure.code not in CREDENTIAL_CODES
        if reason is None and refused and self.is_optional(listing):
            return OPTIONAL_GRANT
        return reason

    def region_of(self, listing: Listing, region: str) -> str:
        """The region that a request is sent to and whose CloudTrail has its events.

        A service without regions has one fixed region. A service with regions serves its global listings in the home
        region, or in the one that the listing names.
        """
        if region == GLOBAL_REGION and listing.home:
            return listing.home
        return self.sessions.region_of(listing.service, region)

    def enum_values(self, service: str, shape: str) -> tuple[str, ...]:
        """The values of a service's enum in botocore's model. No request is sent.

        Raises:
            ValueError: botocore knows no such service, or the service has no enum of this name.
        """
        return self.sessions.models.enum_values(service, shape)

    def offers(self, service: str, region: str) -> bool:
        """Whether AWS offers a service in a region, by botocore's data; True where botocore has none."""
        return self.sessions.models.offers(service, region)

    # ---------------------------------------------------------------------------------------- closing

    def close(self) -> None:
        """Close the connections and drop cached identities and credentials. The client may be used again."""
        self.sessions.close()
        self._identities.forget()
