"""Asks AWS as one role, through named profiles, and says what came of it. The only way to AWS there is.

Every session is guarded: an operation outside the role's clause raises before anything is serialised or sent.
What AWS does never raises here; it becomes the outcome of a `Response`. What counts as nothing is decided
elsewhere: here a zero is unconfirmed.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from resources.aws.cloudtrail import CloudTrail
from resources.aws.distinct import distinct
from resources.aws.errors import CREDENTIAL_CODES, AwsError, Failed
from resources.aws.identity import Identities
from resources.aws.listing import Listing
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
    """A question on its way: what is known of it so far, and the answers that it may end in."""

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
        """The profile leads nowhere."""
        return self.response(outcome_of(error), error_code=error.error_code or error.reason, error_message=str(error))

    def failed(self, failure: Failed, page_count: int) -> Response:
        """What was read does not count."""
        return self.response(
            failure.outcome,
            page_count=page_count,
            error_code=failure.code,
            error_message=failure.message,
            raw_response=failure.raw,
        )

    def somebody_else(self, what: str) -> Response | None:
        """The profile leads to another account; None where it is the one that was meant."""
        request, identity = self.request, self.identity
        if identity is None or identity.account_id == request.account_id:
            return None
        return self.response(
            "wrong_account",
            error_code="WrongAccount",
            error_message=f"Profile {request.profile} is {identity.account_id}, not {request.account_id}. {what}",
        )


class AwsClient:
    """Asks AWS as one role, through any number of profiles that share one client per region and service.

    Safe for threads. Identities, outcomes and counts are per question; connections and models are shared.

    Args:
        role: whose clause guards every session.
        home_region: where STS is asked, and the global listings of services that have regions.
        concurrency: threads of a fan-out, and connections kept per client.
        per_account: questions of one account that are asked at the same time.
        retry: how much patience each question has.

    Attributes:
        counter: how many requests went out.
        sessions: the shared clients, and what they are made with.
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
        self._trail = CloudTrail(self.sessions, self._requests, self._identities)
        self._checked: set[tuple[str, str]] = set()

    # ---------------------------------------------------------------------------------------- who

    def identify(self, profile: str) -> Identity:
        """Who a profile is, by STS, with the very credentials that its questions are signed with.

        Kept for five minutes.

        Raises:
            ProfileError: it leads to no account; the error has the cure.
        """
        return self._identities.identify(profile)

    def identify_all(self, profiles: Iterable[str]) -> dict[str, Identity | ProfileError]:
        """Who each profile is; a profile that leads nowhere keeps its error."""
        return self._identities.identify_all(profiles)

    # ---------------------------------------------------------------------------------------- asking

    def fetch(
        self,
        request: Request,
        keep: Callable[[dict[str, Any]], None] | None = None,
        stopping: threading.Event | None = None,
        meter: Meter | None = None,
    ) -> Response:
        """Every record of a question, all pages of it, or the reason why there are none. Never half of them.

        Never raises for what AWS or the network does.

        Args:
            request: what to ask, of whom.
            keep: is given each record as its page arrives, and `Response.records` stays empty: for answers that are
                too large to hold. What it was given counts only if the outcome is `found`, and holds a record that
                AWS lists twice twice.
            stopping: once it is set, patience ends: nothing is tried again.
            meter: counts the requests that AWS charges for; one that it refuses ends the question.

        Raises:
            ContractViolation: the role's clause does not cover the call. Nothing was sent.
            Unmetered: AWS charges for the call, and there is no meter. Nothing was sent.
            ValueError: the question is put to another role, or its listing is malformed. Nothing was sent.
        """
        listing = request.listing
        if request.listing_role != self.role:
            raise ValueError(f"{listing.name} of {request.listing_role} was put to {self.role}.")
        self.check_listing(listing)
        pending = _Pending(request)
        try:
            pending.identity = known = self.identify(request.profile)
        except ProfileError as error:
            return pending.nobody(error)
        foreign = pending.somebody_else("Nothing was asked.")
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
            skip_reason = self._skip_reason(listing, failure)
            response = pending.failed(failure, pages.count)
            return response if skip_reason is None else replace(response, outcome="skipped", skip_reason=skip_reason)
        try:
            pending.identity = self._identities.signer(context, known)
        except ProfileError as error:
            return pending.nobody(error)
        foreign = pending.somebody_else("Its answer does not count.")
        if foreign is not None:
            return foreign
        if not pages.count and request.batches:
            # All of what it was asked about went away meanwhile, by AWS's own word.
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
        """One call, one page of answer, as parsed.

        Raises:
            ContractViolation: the role's clause does not cover the call. Nothing was sent.
            ProfileError: the profile leads to no account.
            AwsError: AWS refused, or did not answer.
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
        """A guarded `boto3.Session` of one profile, for code that is not ours. Retries as boto3 does.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        return self.sessions.foreign(profile)

    def trail_events(self, lookup: Lookup) -> TrailEvents:
        """What CloudTrail shows of these calls of a caller. Never raises for AWS."""
        return self._trail.events(lookup)

    # ---------------------------------------------------------------------------------------- what may be asked

    def check_listing(self, listing: Listing) -> None:
        """That the role's clause covers a listing, and that it can be read.

        Raises:
            ContractViolation: it does not.
            ValueError: botocore knows no such operation, the path of its records is malformed, or what it requires is
                nothing that the operation answers.
        """
        if (listing.call, listing.records) in self._checked:
            return
        check(self.role, self.sessions.models.signing_name(listing.service, listing.operation), listing.operation)
        record_path(listing.records)
        if not listing.must_have:
            raise ValueError(f"{listing.name} names no member that an answer of {listing.call} must have.")
        members = self.sessions.models.lasting_members(listing.service, listing.operation)
        for name in listing.must_have:
            if name not in members:
                raise ValueError(f"{listing.name} requires {name}, which not every answer of {listing.call} has.")
        self._checked.add((listing.call, listing.records))

    def action_of(self, listing: Listing) -> str:
        """The IAM action that guards a listing, such as `ec2:DescribeInstances`."""
        return iam_action(self.sessions.models.signing_name(listing.service, listing.operation), listing.operation)

    def is_optional(self, listing: Listing) -> bool:
        """Whether only an optional grant covers a listing, so that a refusal says that it was not given."""
        return is_optional(self.role, self.action_of(listing))

    def _skip_reason(self, listing: Listing, failure: Failed) -> str | None:
        """Why a failure counts as not asked; None where it is one."""
        reason = listing.skip_codes.get(failure.code)
        refused = failure.outcome == "denied" and failure.code not in CREDENTIAL_CODES
        if reason is None and refused and self.is_optional(listing):
            return OPTIONAL_GRANT
        return reason

    def region_of(self, listing: Listing, region: str) -> str:
        """Where a question is sent, and where its events are kept.

        A service without regions has one place, one with regions is asked for its global listings at home.
        """
        return self.sessions.region_of(listing.service, region)

    def enum_values(self, service: str, shape: str) -> tuple[str, ...]:
        """The values of an enum of a service, as botocore's model has them; nobody is asked.

        Raises:
            ValueError: botocore knows no such service, or no enum of this name in it.
        """
        return self.sessions.models.enum_values(service, shape)

    def offers(self, service: str, region: str) -> bool:
        """Whether AWS has a service in a region, as botocore knows it; where it knows nothing, it may."""
        return self.sessions.models.offers(service, region)

    # ---------------------------------------------------------------------------------------- closing

    def close(self) -> None:
        """Close the connections and forget identities and credentials. May be used again."""
        self.sessions.close()
        self._identities.forget()
