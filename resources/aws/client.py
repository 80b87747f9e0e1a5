"""Asks AWS as one role, through named profiles, and says what came of it. The only way to AWS there is.

Every session is guarded: an operation outside the role's clause raises before anything is serialised or sent.
What AWS does never raises here; it becomes the outcome of an `Answer`. What counts as nothing is decided
elsewhere: here a zero is unconfirmed.
"""

import gc
import json
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import CredentialResolver
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    DataNotFoundError,
    HTTPClientError,
    PaginationError,
    UnknownServiceError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.paginate import Paginator

from resources.aws.credentials import (
    EXPIRED_CODES,
    SET_THE_CLOCK,
    UNKNOWN_KEY_CODES,
    UNREADABLE,
    AwsConfigError,
    ConfiguredSession,
    Credentials,
    ProfileError,
    available_profiles,
    clock_error,
    without_secrets,
)
from resources.aws.distinct import distinct
from resources.aws.guard import Guard
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import (
    OPTIONAL_GRANT,
    REQUEST_LIMIT,
    Answer,
    AwsError,
    Identity,
    Lookup,
    Outcome,
    Progress,
    Question,
    TrailEvents,
)
from resources.aws.meter import PRICES_USD, Meter
from resources.aws.records import TOKEN_FIELDS, Failed, Pages, record_path, redacted
from resources.aws.responses import ForeignAnswer
from resources.aws.sending import Sender
from resources.aws.service_models import ContractLoader
from resources.aws.thread_pool import FanOut
from resources.contract import Role, check, iam_action, is_optional

__all__ = [
    "REQUEST_LIMIT",
    "Answer",
    "AwsConfigError",
    "AwsError",
    "Identity",
    "Outcome",
    "ProfileError",
    "Progress",
    "Question",
    "Reach",
    "Retry",
    "TrailEvents",
    "available_profiles",
]

CONNECT_SECONDS = 5
READ_SECONDS = 60

IDENTITY_AGE = timedelta(minutes=5)
"""How long an identity, as STS gave it, is good for; a refusal is asked again sooner."""
REFUSAL_AGE = timedelta(seconds=30)

MANY_PROFILES = 50
"""From so many on, what identifying them leaves behind is removed at once."""

TRAIL_PAGES = 200
TRAIL_SECONDS = 0.5
"""CloudTrail answers two look-ups a second in an account and region, 50 events each."""

THROTTLE_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""AWS asks for patience; `LimitExceededException` is how Cost Explorer says it."""

REFUSAL_CODES = (
    frozenset(
        {
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "Forbidden",
            "NotAuthorized",
            "NotAuthorizedException",
            "OptInRequired",
            "SubscriptionRequiredException",
            "UnauthorizedException",
            "UnauthorizedOperation",
        }
    )
    | EXPIRED_CODES
    | UNKNOWN_KEY_CODES
)

TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "InternalServiceException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Unavailable",
    }
)

ELSEWHERE_CODES = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
)
"""S3 says that a bucket lies in another region."""

GLOBAL_SERVICE_REGIONS: Mapping[str, str] = MappingProxyType(
    {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}
)
"""Where a service without regions is asked and signed for, by partition."""


@dataclass(frozen=True)
class Retry:
    """How much patience a question has.

    Attributes:
        seconds: lost to throttling and outages, over all pages of one question.
        transient_attempts: tries for one page when nothing or nonsense comes back.
        first_delay: the ceiling of the first random pause; it doubles each time.
        longest_delay: the ceiling of any pause.
        empty_pages: pages without a record in a row, each with a token for one more. Organizations, EC2 and tagging
            send some; nobody sends as many as these.
        question_seconds: what a question with all its pages may take. The largest, an aggregator's or a bill's,
            take a fraction of it.
    """

    seconds: float = 60.0
    transient_attempts: int = 4
    first_delay: float = 0.5
    longest_delay: float = 5.0
    empty_pages: int = 1_000
    question_seconds: float = 4 * 3600.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        ceiling = min(self.longest_delay, self.first_delay * 2.0 ** (failures - 1))
        return random.uniform(ceiling / 4, ceiling)


class NobodyAsks(RuntimeError):
    """A shared client was used outside a question. Nothing was signed, so nothing was sent."""


class Unmetered(RuntimeError):
    """A service that charges for its requests was asked where nobody counts them. Nothing was sent."""


class _Unsettled(Exception):
    """One attempt failed in a way that may pass."""

    def __init__(self, failure: Failed, throttled: bool) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.throttled = throttled


@dataclass
class _Asking:
    """The question that this thread is at: whose credentials sign, what it has cost so far."""

    profile: str
    credentials: Any
    stopping: threading.Event
    meter: Meter | None = None
    requests: int = 0
    throttles: int = 0
    lost_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    access_keys: dict[str, None] = field(default_factory=dict)
    """Ids of the keys that its requests were signed with, in their order."""


_ASKING: ContextVar[_Asking] = ContextVar("asking")


class _CredentialsOfTheQuestion:
    """What the shared clients sign with: looked up each time, so that nobody signs as the account before."""

    method = "named-profile"

    @property
    def _now(self) -> Any:
        try:
            return _ASKING.get().credentials
        except LookupError:
            raise NobodyAsks(
                "A client that all accounts share was used outside of a question, so there is no profile to "
                "sign for. Nothing was sent. Use Reach.ask, Reach.call or Reach.session."
            ) from None

    def get_frozen_credentials(self) -> Any:
        return self._now.get_frozen_credentials()

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        return lambda: getattr(self._now, name, None)

    @property
    def access_key(self) -> Any:
        return self._now.access_key

    @property
    def secret_key(self) -> Any:
        return self._now.secret_key

    @property
    def token(self) -> Any:
        return self._now.token

    @property
    def account_id(self) -> Any:
        return self._now.account_id


class _Fixed:
    """A credential provider that has its credentials already."""

    METHOD = "named-profile"
    CANONICAL_NAME = None

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        """Them."""
        return self._credentials


class Reach:
    """Asks AWS as one role, through any number of profiles that share one client per region and service.

    Safe for threads. Identities, outcomes and counts are per question; connections and models are shared.

    Args:
        role: whose clause guards every session.
        home_region: where STS is asked, and the global listings of services that have regions.
        concurrency: threads of a fan-out, and connections kept per client.
        per_account: questions of one account that are asked at the same time.
        retry: how much patience each question has.
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
        self.retry = retry or Retry()
        self._guard = Guard(role)
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._profiles: Credentials | None = None
        self._known: _Models | None = None
        self._checked: set[tuple[str, str]] = set()
        self._sessions: dict[str, Any] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._foreign: dict[str, Any] = {}
        self._identities: dict[str, tuple[datetime, Identity | ProfileError]] = {}
        self._identifying: dict[str, threading.Lock] = {}
        self._lookups: dict[tuple[str, str], float] = defaultdict(float)
        self._count_lock = threading.Lock()
        self._request_count = 0
        self._throttle_count = 0
        self._taken_count = 0
        self._sender = Sender(
            lambda name, operation: check(role, name, operation), self._count_request, self._count_throttle
        )

    @property
    def _credentials(self) -> Credentials:
        # Made when first needed: constructing a Reach reads no file.
        made = self._profiles
        if made is None:
            with self._lock:
                made = self._profiles
                if made is None:
                    made = Credentials(self.role, self.home_region, self._config(attempts=5), self._count)
                    self._profiles = made
        return made

    @property
    def _models(self) -> "_Models":
        made = self._known
        if made is None:
            made = self._known = _models(self._credentials.config.contract_loader)
        return made

    # ---------------------------------------------------------------------------------------- who

    def enum_values(self, service: str, shape: str) -> tuple[str, ...]:
        """The values of an enum of a service, as botocore's model has them; nobody is asked.

        Raises:
            ValueError: botocore knows no such service, or no enum of this name in it.
        """
        return self._models.enum_values(service, shape)

    def offers(self, service: str, region: str) -> bool:
        """Whether AWS has a service in a region, as botocore knows it; where it knows nothing, it may."""
        return self._models.offers(service, region)

    def profiles(self) -> list[str]:
        """The profiles of the AWS config and credentials files, in their order.

        Raises:
            AwsConfigError: a file cannot be read.
        """
        return available_profiles()

    def identify(self, profile: str) -> Identity:
        """Who a profile is, by STS, with the very credentials that its questions are signed with.

        Kept for five minutes.

        Raises:
            ProfileError: it leads to no account; the error has the cure.
        """
        with self._lock:
            lock = self._identifying.setdefault(profile, threading.Lock())
        with lock:
            who = self._known_identity(profile)
            if isinstance(who, ProfileError):
                raise who.again()
            if who is not None:
                return who
            try:
                identity = self._who(profile)
            except ProfileError as error:
                self._identities[profile] = (datetime.now(UTC), error.again())
                raise
            self._identities[profile] = (identity.checked_at, identity)
            return identity

    def _signer(self, asking: _Asking, known: Identity) -> Identity:
        """Who a question was signed as: where credentials were renewed since STS was asked, it is asked again.

        They may lead to another account now, and many records do not name theirs.

        Raises:
            ProfileError: as `identify`.
        """
        if [*asking.access_keys] == [known.access_key]:
            return known
        profile = asking.profile
        with self._lock:
            lock = self._identifying.setdefault(profile, threading.Lock())
        with lock:
            # Of many questions at once only the first asks.
            kept = self._identities.get(profile)
            if kept is not None and kept[1] == known:
                del self._identities[profile]
        return self.identify(profile)

    def _known_identity(self, profile: str) -> Identity | ProfileError | None:
        """Who a profile is, where that was asked a moment ago."""
        known = self._identities.get(profile)
        if known is None:
            return None
        checked_at, who = known
        age = IDENTITY_AGE if isinstance(who, Identity) else REFUSAL_AGE
        return who if datetime.now(UTC) - checked_at < age else None

    def identify_all(self, profiles: Iterable[str]) -> dict[str, Identity | ProfileError]:
        """Who each profile is; a profile that leads nowhere keeps its error."""
        names = list(dict.fromkeys(profiles))
        found: dict[str, Identity | ProfileError] = {}
        new = []
        for name in names:
            who = self._known_identity(name)
            if who is None:
                new.append(name)
            else:
                found[name] = who.again() if isinstance(who, ProfileError) else who

        def work(profile: str) -> tuple[str, Identity | ProfileError]:
            try:
                return profile, self.identify(profile)
            except ProfileError as error:
                return profile, error.again()

        def keep(answer: tuple[str, Identity | ProfileError]) -> None:
            found[answer[0]] = answer[1]

        FanOut(
            new,
            place=lambda profile: (self.home_region, profile),
            work=work,
            deliver=keep,
            threads=self.concurrency,
            per_account=1,
        ).run()
        # Each assumed role leaves an STS client of botocore's own behind, and clients are cycles: thousands of them
        # would wait for a collection that comes late, since little else is allocated meanwhile. For a few it is not
        # worth the third of a second that it takes to go through everything that Dagster and botocore have loaded.
        if len(new) >= MANY_PROFILES:
            gc.collect()
        return {name: found[name] for name in names}

    def _who(self, profile: str) -> Identity:
        with self._asking(profile) as asking:
            try:
                said = self._send(asking, "sts", "GetCallerIdentity", self.home_region, {})
            except Failed as failure:
                raise self._no_identity(profile, failure) from None
        account, arn = str(said.get("Account", "")), str(said.get("Arn", ""))
        if not re.fullmatch(r"\d{12}", account) or not arn:
            raise ProfileError(
                f"What answered GetCallerIdentity with profile {profile} is not AWS: it names no account.",
                "wrong_endpoint",
                profile,
                self.role,
                "Check endpoint_url of the profile.",
            )
        return Identity(self.role, profile, account, arn, datetime.now(UTC), next(reversed(asking.access_keys)))

    def _no_identity(self, profile: str, failure: Failed) -> ProfileError:
        cause = failure.__cause__
        if isinstance(cause, ProfileError):
            return cause.again()
        if cause is None or isinstance(cause, UNREADABLE):
            return ProfileError(
                f"What answered GetCallerIdentity with profile {profile} is not AWS ({failure.code}).",
                "wrong_endpoint",
                profile,
                self.role,
                "Check endpoint_url of the profile, and the proxy.",
            )
        return self._credentials.explain(cause, profile)

    # ---------------------------------------------------------------------------------------- asking

    def ask(
        self,
        question: Question,
        keep: Callable[[dict[str, Any]], None] | None = None,
        stopping: threading.Event | None = None,
        meter: Meter | None = None,
    ) -> Answer:
        """Every record of a question, all pages of it, or the reason why there are none. Never half of them.

        Never raises for what AWS or the network does.

        Args:
            question: what to ask, of whom.
            keep: is given each record as its page arrives, and `Answer.records` stays empty: for answers that are
                too large to hold. What it was given counts only if the outcome is `found`, and holds a record that
                AWS lists twice twice.
            stopping: once it is set, patience ends: nothing is tried again.
            meter: counts the requests that AWS charges for; one that it refuses ends the question.

        Raises:
            ContractViolation: the role's clause does not cover the call. Nothing was sent.
            Unmetered: AWS charges for the call, and there is no meter. Nothing was sent.
            ValueError: the question is put to another role, or its listing is malformed. Nothing was sent.
        """
        if question.listing_role != self.role:
            raise ValueError(f"{question.listing.name} of {question.listing_role} was put to {self.role}.")
        self.check_listing(question.listing)
        started_at = datetime.now(UTC)
        asking: _Asking | None = None
        identity: Identity | None = None

        def answer(outcome: Outcome, **what: Any) -> Answer:
            return Answer(
                question=question,
                outcome=outcome,
                started_at=started_at,
                ended_at=datetime.now(UTC),
                request_count=asking.requests if asking else 0,
                throttle_count=asking.throttles if asking else 0,
                caller_account_id=identity.account_id if identity else None,
                caller_arn=identity.arn if identity else None,
                **what,
            )

        def nobody(error: ProfileError) -> Answer:
            return answer(_outcome_of(error), error_code=error.error_code or error.reason, error_message=str(error))

        def somebody_else(known: Identity, what: str) -> Answer:
            return answer(
                "wrong_account",
                error_code="WrongAccount",
                error_message=f"Profile {question.profile} is {known.account_id}, not {question.account_id}. {what}",
            )

        try:
            identity = self.identify(question.profile)
        except ProfileError as error:
            return nobody(error)
        if identity.account_id != question.account_id:
            return somebody_else(identity, "Nothing was asked.")
        records: list[dict[str, Any]] = []
        request_ids: list[str] = []
        verbatim: list[dict[str, Any]] = []
        pages = Pages(question.listing, question.account_id, keep or records.append)
        try:
            with self._asking(question.profile, stopping, meter) as asking:
                for page, model, parameters in self._pages(asking, question, pages):
                    if question.verbatim:
                        verbatim.append(page)
                    if not pages.found:
                        request_ids.append(str(page.get("ResponseMetadata", {}).get("RequestId") or ""))
                    pages.take(page, model, parameters)
        except Failed as failure:
            skip_reason = self._skip_reason(question.listing, failure)
            return answer(
                failure.outcome if skip_reason is None else "skipped",
                page_count=pages.count,
                error_code=failure.code,
                error_message=failure.message,
                skip_reason=skip_reason,
                raw_response=failure.raw,
            )
        try:
            identity = self._signer(asking, identity)
        except ProfileError as error:
            return nobody(error)
        if identity.account_id != question.account_id:
            return somebody_else(identity, "Its answer does not count.")
        if not pages.count and question.batches:
            # All of what it was asked about went away meanwhile, by AWS's own word.
            return answer("skipped", skip_reason="parent_gone")
        if not pages.found:
            return answer(
                "empty_unconfirmed",
                page_count=pages.count,
                raw_response=pages.last,
                request_ids=tuple(request_ids),
            )
        try:
            records = distinct(question.listing, records)
        except Failed as failure:
            return answer(
                failure.outcome, page_count=pages.count, error_code=failure.code, error_message=failure.message
            )
        return answer(
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
        check(self.role, self._models.signing_name(service, operation), operation)
        with self._asking(profile) as asking:
            try:
                return self._send(asking, service, operation, region, parameters)
            except Failed as failure:
                if isinstance(failure.__cause__, ProfileError):
                    raise failure.__cause__.again() from None
                raise AwsError(failure.code, failure.message, f"{service}:{operation}") from None

    def _skip_reason(self, listing: Listing, failure: Failed) -> str | None:
        """Why a failure counts as not asked; None where it is one."""
        reason = listing.skip_codes.get(failure.code)
        refused = failure.outcome == "denied" and failure.code not in EXPIRED_CODES | UNKNOWN_KEY_CODES
        if reason is None and refused and self.is_optional(listing):
            return OPTIONAL_GRANT
        return reason

    def is_optional(self, listing: Listing) -> bool:
        """Whether only an optional grant covers a listing, so that a refusal says that it was not given."""
        return is_optional(self.role, self.action_of(listing))

    def action_of(self, listing: Listing) -> str:
        """The IAM action that guards a listing, such as `ec2:DescribeInstances`."""
        return iam_action(self._models.signing_name(listing.service, listing.operation), listing.operation)

    def check_listing(self, listing: Listing) -> None:
        """That the role's clause covers a listing, and that it can be read.

        Raises:
            ContractViolation: it does not.
            ValueError: botocore knows no such operation, the path of its records is malformed, or what it requires is
                nothing that the operation answers.
        """
        if (listing.call, listing.records) not in self._checked:
            check(self.role, self._models.signing_name(listing.service, listing.operation), listing.operation)
            record_path(listing.records)
            if not listing.must_have:
                raise ValueError(f"{listing.name} names no member that an answer of {listing.call} must have.")
            members = self._models.lasting_members(listing.service, listing.operation)
            for name in listing.must_have:
                if name not in members:
                    raise ValueError(f"{listing.name} requires {name}, which not every answer of {listing.call} has.")
            self._checked.add((listing.call, listing.records))

    @contextmanager
    def _asking(
        self, profile: str, stopping: threading.Event | None = None, meter: Meter | None = None
    ) -> Iterator[_Asking]:
        """Sign as `profile` in this thread, for the length of one question."""
        asking = _Asking(profile, self._credentials.of(profile), stopping or threading.Event(), meter)
        token = _ASKING.set(asking)
        try:
            yield asking
        finally:
            _ASKING.reset(token)

    def _pages(
        self, asking: _Asking, question: Question, taken: Pages
    ) -> Iterator[tuple[dict[str, Any], Any, Mapping[str, Any]]]:
        """The pages of a question, each with the model of its answer and what was asked.

        Args:
            taken: takes each page before it asks for the next, and is given the parents that AWS refuses to speak of.
        """
        listing = question.listing
        client = self._client(asking.profile, listing.service, self.region_of(listing, question.region))
        model = self._sender.model(client, listing.operation)
        given = {listing.account_parameter: question.account_id} if listing.account_parameter else {}
        own_errors = listing.each.own_errors if listing.each is not None and question.batches else ()
        said: list[tuple[Failed, Mapping[str, Any]]] = []
        is_answered = False
        for batch in question.batches or ({},):
            parameters = {**listing.parameters, **given, **question.parameters, **batch}
            try:
                for page in self._pages_of(asking, listing, client, model, parameters, taken):
                    is_answered = True
                    yield redacted(page, listing.redact), model, parameters
            except Failed as failure:
                if failure.code in own_errors:
                    said.append((failure, parameters))
                # What one of many was asked about went away meanwhile: it has nothing, the others have their answers.
                elif not question.batches or listing.skip_codes.get(failure.code) != "parent_gone":
                    raise
        # One that refuses among others that answer has its reasons; where all refuse, it is who asks that is refused.
        if said and not is_answered and all(error.outcome == "denied" for error, _ in said):
            raise said[0][0]
        for error, asked in said:
            taken.take_refusal(error.code, asked)

    def _pages_of(
        self, asking: _Asking, listing: Listing, client: Any, model: Any, parameters: Mapping[str, Any], taken: Pages
    ) -> Iterator[dict[str, Any]]:
        pagination = self._pagination(listing)
        if pagination is None or listing.first_page_only:
            page = self._try(asking, client, listing.operation, parameters)
            if not listing.first_page_only and any(page.get(name) for name in TOKEN_FIELDS):
                raise Failed("failed", "UnreadPages", f"{listing.call} has more pages and no known token.")
            yield page
            return
        asked: set[str] = set()
        found, empty_pages = taken.found, 0

        def send(**page_parameters: Any) -> dict[str, Any]:
            if empty_pages >= self.retry.empty_pages:
                raise _endless(listing, f"{empty_pages:,} pages in a row without a record")
            seconds = time.monotonic() - asking.began
            if seconds >= self.retry.question_seconds:
                raise _endless(listing, f"pages for {seconds:,.0f} seconds")
            page_key = json.dumps(page_parameters, sort_keys=True, default=str)
            if page_key in asked:
                raise _loop(listing)
            asked.add(page_key)
            return self._try(asking, client, listing.operation, page_parameters)

        try:
            for page in Paginator(send, pagination, model).paginate(**parameters):
                yield page
                empty_pages = 0 if taken.found > found else empty_pages + 1
                found = taken.found
        except PaginationError:
            raise _loop(listing) from None

    def _pagination(self, listing: Listing) -> dict[str, Any] | None:
        if listing.token is not None:
            request, response = listing.token
            # botocore counts by it on every page, and needs the count where a limit is set: here nobody sets one.
            return {"input_token": request, "output_token": response, "result_key": listing.records}
        return self._models.pagination(listing.service, listing.operation)

    def region_of(self, listing: Listing, region: str) -> str:
        """Where a question is sent, and where its events are kept.

        A service without regions has one place, one with regions is asked for its global listings at home.
        """
        if region != GLOBAL_REGION:
            return region
        return self._models.home_of(listing.service, self.home_region)

    # ---------------------------------------------------------------------------------------- sending

    def _send(
        self, asking: _Asking, service: str, operation: str, region: str, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """One page, for what is no listing: an answer with none of its members is none."""
        client = self._client(asking.profile, service, region)
        page = self._try(asking, client, operation, parameters)
        shape = self._sender.model(client, operation).output_shape
        if shape is not None and shape.members and page.keys().isdisjoint(shape.members):
            raise Failed("failed", "UnreadableAnswer", f"{operation} was answered without anything it answers.", page)
        return page

    def _try(self, asking: _Asking, client: Any, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One page, with patience.

        botocore's own retries are off: its `standard` quota belongs to a client, which all accounts share
        here, `legacy` knows neither a limit of time nor how to stop, and neither counts for a question.
        """
        failures = 0
        while True:
            began = time.monotonic()
            try:
                return self._attempt(asking, client, operation, parameters)
            except _Unsettled as unsettled:
                failures += 1
                asking.lost_seconds += time.monotonic() - began
                tried_enough = not unsettled.throttled and failures >= self.retry.transient_attempts
                pause = self.retry.pause(failures)
                if tried_enough or asking.lost_seconds + pause > self.retry.seconds:
                    raise unsettled.failure from unsettled.__cause__
                if asking.stopping.wait(pause):
                    raise unsettled.failure from None
                asking.lost_seconds += pause

    def _attempt(self, asking: _Asking, client: Any, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            # Renewed here and not while signing, so that a failure says which profile to renew.
            credentials = self._credentials.frozen(asking.profile)
        except ProfileError as error:
            failure = Failed(_outcome_of(error), error.error_code or error.reason, str(error))
            raise failure from error
        asking.access_keys[credentials.access_key] = None
        service = client.meta.service_model.service_name
        if asking.meter is not None:
            asking.meter.reserve(service, operation)
        elif service in PRICES_USD:
            raise Unmetered(
                f"{self.role} was about to send {service}:{operation}, which AWS charges for, where nobody counts it. "
                "Nothing was sent. Hand a meter to Reach.ask, as the collector does for large listings."
            )
        try:
            return self._sender.send(client, operation, parameters, credentials)
        except ClientError as error:
            secrets = (credentials.token, credentials.secret_key)
            error.response = without_secrets(error.response, *secrets)
            error.args = without_secrets(error.args, *secrets)
            if asking.meter is not None and _is_throttle(error.response):
                asking.meter.turned_away(service, operation)
            raise _classified(error, operation) from error
        except (AwsConnectionError, HTTPClientError) as error:
            failure = Failed("failed", type(error).__name__, str(error))
            raise _Unsettled(failure, throttled=False) from error
        except BotoCoreError as error:
            raise Failed("failed", type(error).__name__, str(error)) from error
        except ForeignAnswer as error:
            raise Failed("failed", "UnreadableAnswer", f"{operation} was answered {error}.") from error
        except UNREADABLE as error:
            failure = Failed("failed", "UnreadableAnswer", f"{operation} was answered with nonsense.")
            raise _Unsettled(failure, throttled=False) from error

    def _client(self, profile: str, service: str, region: str) -> Any:
        settings = self._credentials.settings_key(profile)
        key = (settings, service, region)
        client = self._clients.get(key)
        if client is None:
            # Making a client is neither cheap nor safe in threads.
            with self._making:
                client = self._clients.get(key)
                if client is None:
                    client = self._shared_session(settings, profile).client(service, region_name=region)
                    if service == "s3":
                        # Before botocore's own, which asks HeadBucket where the bucket is and goes there.
                        client.meta.events.register_first("needs-retry.s3", _follow_nobody)
                    self._sender.adopt(client)
                    self._clients[key] = client
        return client

    def _shared_session(self, settings: str, profile: str) -> Any:
        if settings not in self._sessions:
            session = self._guarded(profile, _CredentialsOfTheQuestion(), self._config(attempts=1))
            # Nothing but what the contract allows is ever asked through these clients.
            session.register_component("data_loader", self._credentials.config.contract_loader)
            session.register("getattr", self._refuse_cut)
            self._sender.watch(session)
            self._sessions[settings] = self._boto3(session)
        return self._sessions[settings]

    def _refuse_cut(self, event_name: str, client: Any, **_: Any) -> Callable[..., None] | None:
        """What a shared client has in place of an operation that was cut from its model: the guard's refusal."""
        model = client.meta.service_model
        method = event_name.rpartition(".")[2]
        for operation in self._credentials.config.contract_loader.operation_names(model.service_name):
            if xform_name(operation) == method:
                return lambda *_, **__: check(self.role, model.signing_name, operation)
        return None

    def session(self, profile: str) -> Any:
        """A guarded `boto3.Session` of one profile, for code that is not ours. Retries as boto3 does.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        credentials = self._credentials.of(profile)
        with self._making:
            if profile not in self._foreign:
                guarded = self._guarded(profile, credentials, self._config(attempts=7))
                self._foreign[profile] = self._boto3(guarded)
            return self._foreign[profile]

    def _guarded(self, profile: str, credentials: Any, config: Config) -> Any:
        session = ConfiguredSession(self._credentials.config, profile, self.home_region, config)
        session.register_component("credential_provider", CredentialResolver([_Fixed(credentials)]))
        self._guard.watch(session)
        self._count(session)
        return session

    def _boto3(self, session: Any) -> boto3.Session:
        made = boto3.Session(botocore_session=session)
        paths = self._credentials.config.loader.search_paths
        # Each boto3 session adds its data folder to the loader, which ours share.
        paths[:] = dict.fromkeys(paths)
        return made

    def _config(self, attempts: int) -> Config:
        return Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=self.concurrency,
            retries={"mode": "legacy", "total_max_attempts": attempts},
            tcp_keepalive=True,
        )

    # ---------------------------------------------------------------------------------------- counting

    @property
    def request_count(self) -> int:
        """Everything that went out, for credentials and identities too, retries included."""
        return self._request_count

    def take_request_count(self) -> int:
        """How many have gone out since this was last asked."""
        with self._count_lock:
            taken, self._taken_count = self._request_count - self._taken_count, self._request_count
        return taken

    @property
    def throttle_count(self) -> int:
        """How many of them were throttled."""
        return self._throttle_count

    def count_elsewhere(self, requests: int, throttles: int) -> None:
        """Take into account what another process has sent for this role."""
        with self._count_lock:
            self._request_count += requests
            self._throttle_count += throttles

    def _count(self, session: Any) -> None:
        session.register("before-send", lambda **_: self._count_request())
        session.register("response-received", lambda parsed_response, **_: self._count_throttle(parsed_response))

    def _count_request(self) -> None:
        asking = _ASKING.get(None)
        with self._count_lock:
            self._request_count += 1
            if asking is not None:
                asking.requests += 1

    def _count_throttle(self, parsed_response: Any) -> None:
        if _is_throttle(parsed_response or {}):
            asking = _ASKING.get(None)
            with self._count_lock:
                self._throttle_count += 1
                if asking is not None:
                    asking.throttles += 1

    # ---------------------------------------------------------------------------------------- evidence

    def trail_events(self, lookup: Lookup) -> TrailEvents:
        """What CloudTrail shows of these calls of a caller. Never raises for AWS."""
        profile, account_id, region, since = lookup.profile, lookup.account_id, lookup.region, lookup.since
        until = lookup.until or datetime.now(UTC)
        asking: _Asking | None = None
        recorded: dict[str, str | None] = {}
        refused: list[dict[str, Any]] = []
        kinds: set[str] = set()
        events = 0
        newest: datetime | None = None

        def found(reason: str = "", *, is_denied: bool = False) -> TrailEvents:
            requests = asking.requests if asking else 0
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
            identity = self.identify(profile)
            if identity.account_id != account_id:
                return found(f"Profile {profile} is {identity.account_id}, not {account_id}.")
            caller = lookup.caller_arn or identity.arn
            parameters: dict[str, Any] = {
                "LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": _user_name(caller)}],
                "StartTime": since,
                "EndTime": until,
                "MaxResults": 50,
            }
            place = self._models.home_of("organizations", self.home_region)
            place = place if region == GLOBAL_REGION else region
            with self._asking(profile) as asking:
                for _ in range(TRAIL_PAGES):
                    self._wait_for_trail(account_id, place)
                    page = self._send(asking, "cloudtrail", "LookupEvents", place, parameters)
                    self._trail_answered(account_id, place)
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
                            recorded[detail["requestID"]] = known or detail.get("errorCode") or None
                            continue
                        refusal = _refusal(event, detail, lookup.calls)
                        if refusal is not None:
                            refused.append(refusal)
                    is_found = bool(lookup.request_ids) and recorded.keys() >= lookup.request_ids
                    if is_found or not page.get("NextToken"):
                        signer = self._signer(asking, identity)
                        is_own = signer.account_id == account_id
                        return found("" if is_own else f"Profile {profile} is {signer.account_id}, not {account_id}.")
                    if page["NextToken"] == parameters.get("NextToken"):
                        return found("CloudTrail sent the same page token twice.")
                    parameters["NextToken"] = page["NextToken"]
        except ProfileError as error:
            return found(str(error))
        except Failed as failure:
            reason = f"cloudtrail:LookupEvents said {failure.code}: {failure.message}"
            is_passing = failure.code in EXPIRED_CODES | UNKNOWN_KEY_CODES
            return found(reason, is_denied=failure.outcome == "denied" and not is_passing)
        except UNREADABLE as error:
            return found(f"CloudTrail's answer could not be read ({type(error).__name__}).")
        return found(f"CloudTrail has more than {TRAIL_PAGES} pages of this caller's events since then.")

    def _wait_for_trail(self, account_id: str, region: str) -> None:
        with self._lock:
            now = time.monotonic()
            at = max(now, self._lookups[account_id, region] + TRAIL_SECONDS)
            self._lookups[account_id, region] = at
        if at > now:
            time.sleep(at - now)

    def _trail_answered(self, account_id: str, region: str) -> None:
        # The pace is kept from the answer on: of requests that were held up on their way, two may arrive together.
        with self._lock:
            self._lookups[account_id, region] = max(self._lookups[account_id, region], time.monotonic())

    # ---------------------------------------------------------------------------------------- closing

    def close(self) -> None:
        """Close the connections and forget identities and credentials. May be used again."""
        with self._lock, self._making:
            for client in self._clients.values():
                client.close()
            self._sender.close()
            self._clients.clear()
            self._sessions.clear()
            self._foreign.clear()
            self._identities.clear()
            if self._profiles is not None:
                self._profiles.close()
            self._profiles = self._known = None


# ------------------------------------------------------------------------------------------ what is known


class _Models:
    """What botocore knows about services. Asks nobody."""

    def __init__(self, loader: ContractLoader) -> None:
        self._loader = loader
        self._session = botocore.session.Session()
        self._session.register_component("data_loader", loader)
        self._homes: dict[tuple[str, str], str] = {}
        self._offers: dict[tuple[str, str], bool] = {}
        self._paginations: dict[tuple[str, str], dict[str, Any] | None] = {}

    def _service_model(self, service: str) -> Any:
        try:
            return self._session.get_service_model(service)
        except UnknownServiceError:
            raise ValueError(f"botocore knows no service {service}.") from None

    def enum_values(self, service: str, shape: str) -> tuple[str, ...]:
        """The values of an enum.

        Raises:
            ValueError: there is no such service or enum.
        """
        model = self._service_model(service)
        values = model.shape_for(shape).enum if shape in model.shape_names else ()
        if not values:
            raise ValueError(f"botocore knows no enum {service}:{shape}.")
        return tuple(values)

    def signing_name(self, service: str, operation: str) -> str:
        """The name that an operation's requests are signed with.

        Raises:
            ValueError: botocore knows no such service or operation.
        """
        model = self._service_model(service)
        if operation not in self._loader.operation_names(service):
            raise ValueError(f"botocore knows no operation {service}:{operation}.")
        return str(model.signing_name)

    def lasting_members(self, service: str, operation: str) -> frozenset[str]:
        """The members of an operation's answer, but for lists of which XML shows nothing while they are empty."""
        shape = self._service_model(service).operation_model(operation).output_shape
        members = shape.members.items() if shape is not None else ()
        return frozenset(name for name, member in members if not member.serialization.get("flattened"))

    def pagination(self, service: str, operation: str) -> dict[str, Any] | None:
        """How an operation pages; None where botocore knows of no pages."""
        key = (service, operation)
        if key not in self._paginations:
            try:
                model = self._session.get_paginator_model(service)
                self._paginations[key] = model.get_paginator(operation)
            except (DataNotFoundError, ValueError):
                self._paginations[key] = None
        return self._paginations[key]

    def offers(self, service: str, region: str) -> bool:
        """Whether a service is in a region. A region that is newer than botocore, or a service without any, may be."""
        key = (service, region)
        if key not in self._offers:
            partition = self._session.get_partition_for_region(region)
            known = self._session.get_available_regions(service, partition)
            newer = region not in self._session.get_available_regions("ec2", partition)
            self._offers[key] = region in known or not known or newer
        return self._offers[key]

    def home_of(self, service: str, home_region: str) -> str:
        """Where a global listing is asked: at home where the service has regions, else where it is."""
        key = (service, home_region)
        if key not in self._homes:
            partition = self._session.get_partition_for_region(home_region)
            regions = self._session.get_available_regions(service, partition)
            place = GLOBAL_SERVICE_REGIONS.get(partition, home_region)
            self._homes[key] = home_region if regions else place
        return self._homes[key]


@cache
def _models(loader: ContractLoader) -> _Models:
    """One for all roles: they know the same."""
    return _Models(loader)


# ------------------------------------------------------------------------------------------ what it means


def _loop(listing: Listing) -> Failed:
    return Failed("failed", "Loop", f"{listing.call} sent a page token that it had sent before.")


def _endless(listing: Listing, sent: str) -> Failed:
    return Failed(
        "failed",
        "EndlessPages",
        f"{listing.call} sent {sent}, each with a token for one more: no end is in sight, and nothing of it counts. "
        "Run `cmdb nightly --only-untrusted`; if it stays so, check endpoint_url and the proxy, or ask AWS Support.",
    )


def _outcome_of(error: ProfileError) -> Outcome:
    return "denied" if error.reason in ("expired", "refused") else "failed"


def _classified(error: Any, operation: str) -> Failed | _Unsettled:
    """What an error of AWS means. Its message is kept as it is: an explicit deny names its policy there."""
    response: dict[str, Any] = error.response
    said = response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    if error.operation_name != operation:
        message = f"{error.operation_name}: {message}"
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if _is_throttle(response):
        return _Unsettled(Failed("failed", code, message), throttled=True)
    clock = clock_error(response, datetime.now(UTC))
    if clock is not None:
        return Failed("failed", code, f"{clock} {SET_THE_CLOCK} AWS said: {message}", response)
    if code in REFUSAL_CODES or status in (401, 403):
        return Failed("denied", code, message, response)
    failure = Failed("failed", code, message)
    if code in TRANSIENT_CODES or status >= 500:
        return _Unsettled(failure, throttled=False)
    return failure


def _follow_nobody(operation: Any, response: Any, **_: Any) -> None:
    """Let S3 send nobody to another region: a question is asked where its cell is.

    Raises:
        botocore.exceptions.ClientError: it would.
    """
    if response is None:
        return
    answered, parsed = response
    if 300 <= answered.status_code < 400 or parsed.get("Error", {}).get("Code") in ELSEWHERE_CODES:
        raise ClientError(parsed, operation.name)


def _is_throttle(response: Mapping[str, Any]) -> bool:
    """Whether AWS asks for patience: by its code, or by the status that HTTP has for it."""
    # A field of a good answer may be called so too.
    error = response.get("Error")
    code = error.get("Code") if isinstance(error, Mapping) else None
    return code in THROTTLE_CODES or response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 429


def _user_name(arn: str) -> str:
    """What CloudTrail calls the caller: the session of a role, the name of a user, `root`."""
    return arn.rpartition(":")[2].rpartition("/")[2]


def _event_name(event: Mapping[str, Any]) -> tuple[str, str]:
    """Source and name of an event; Lambda's carry the version of its interface."""
    return event["EventSource"], re.sub(r"20\d{6}(v\d+)?$", "", str(event["EventName"]))


def _refusal(
    event: Mapping[str, Any], detail: Mapping[str, Any], calls: Container[tuple[str, str]]
) -> dict[str, Any] | None:
    # EC2's codes carry a prefix in CloudTrail.
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
