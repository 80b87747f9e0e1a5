"""Requests to AWS, and the responses and outcomes that they can have.

This module holds data only. `resources.aws.client` sends the requests; the rules of the pipeline decide which responses
are trusted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from resources.aws.listing import Listing
from resources.contract import Role

Outcome = Literal[
    "found", "empty_verified", "empty_unconfirmed", "empty_suspect", "denied", "wrong_account", "failed", "skipped"
]

NO_PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType({})

CUT_OFF: Final = "CutOff"
"""The error code of a response that ended where AWS may cut one off (`Listing.cut_at`)."""

REQUEST_LIMIT: Final = "RequestLimit"
"""The error code of a request that would have exceeded the daily limit of paid requests."""


OPTIONAL_GRANT: Final = "optional_grant_not_given"
"""The skip reason of a request that only an optional grant would allow, where that grant was not given."""

DENIED_BY_POLICY: Final = "denied_by_policy"
"""The skip reason of a request that a policy of the organisation denies, whatever the role is granted."""


@dataclass(frozen=True)
class Identity:
    """The identity of a profile, by STS.

    Attributes:
        access_key: id of the access key that signed the request to STS.
    """

    role: Role
    profile: str
    account_id: str
    arn: str
    checked_at: datetime
    access_key: str = field(default="", repr=False)

    @property
    def partition(self) -> str:
        """The partition of the account, such as `aws` or `aws-cn`."""
        return arn_partition(self.arn)


def arn_partition(arn: str) -> str:
    """The partition that an ARN names, such as `aws-cn`."""
    return arn.partition(":")[2].partition(":")[0]


class CellKey(NamedTuple):
    """The key of a cell within a run.

    Attributes:
        listing: name of the listing, with its parameter where it has one: `organizations_account_parent:ou-1234-abcd`.
    """

    role: Role
    account_id: str
    region: str
    listing: str

    @property
    def name(self) -> str:
        """The listing without its parameter."""
        return self.listing.partition(":")[0]

    @property
    def suffix(self) -> str:
        """The listing's parameter; empty where it has none."""
        return self.listing.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Request:
    """One cell to fetch: a listing, in an account and region.

    Attributes:
        region: a region, or `aws-global`.
        listing_role: the role that the cell belongs to.
        parameters: sent in addition to the listing's own parameters.
        batches: further parameters; each set is one request with all its pages. The response has the records of all
            batches, or none.
        suffix: the parameter's part of the cell's name, `listing:suffix`.
        verbatim: keep every page as AWS sent it in `Response.raw_response`, for people to read.
    """

    profile: str
    account_id: str
    region: str
    listing: Listing
    listing_role: Role
    # One shared mapping saves memory: a run has hundreds of thousands of requests.
    parameters: Mapping[str, Any] = field(default_factory=lambda: NO_PARAMETERS)
    batches: Sequence[Mapping[str, Any]] = ()
    suffix: str = ""
    verbatim: bool = False

    @property
    def key(self) -> CellKey:
        """The key of the cell that the request fills."""
        name = f"{self.listing.name}:{self.suffix}" if self.suffix else self.listing.name
        return CellKey(self.listing_role, self.account_id, self.region, name)


@dataclass(frozen=True, slots=True)
class Response:
    """The outcome of a request: all its records, or the reason why there are none.

    Attributes:
        outcome: a zero is always `empty_unconfirmed` here; only the rule that sees all the evidence changes that.
        records: as AWS sent them, timestamps as ISO text. Empty unless `found`.
        request_count: all HTTP requests that were sent for this request, retries included.
        error_code: AWS's error code, or the kind of the failure.
        raw_response: for zeros and refusals the last page, verbatim, with its request id. For a verbatim request with
            records: `pages`, all of them.
        request_ids: for a zero, AWS's request id of each page; empty text where AWS sent none.
    """

    request: Request
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    records: list[dict[str, Any]] = field(default_factory=list)
    record_count: int = 0
    page_count: int = 0
    request_count: int = 0
    throttle_count: int = 0
    error_code: str | None = None
    error_message: str | None = None
    skip_reason: str | None = None
    caller_account_id: str | None = None
    caller_arn: str | None = None
    raw_response: dict[str, Any] | None = None
    request_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """One CloudTrail look-up: the events of one caller in one account and region.

    Attributes:
        profile: the profile that signs the look-up.
        account_id: the account that the profile must lead to.
        region: the region whose trail is read; global services record theirs in us-east-1.
        since: earlier events are not read.
        until: events at or after this time are not read; None reads up to now.
        caller_arn: the caller whose events are read; empty for the profile's present identity.
        request_ids: AWS request ids of the calls to find. Once all are found, no further page is read.
        calls: the product's name of each call, `ec2:DescribeInstances`, by event source and event name, such as
            `("ec2.amazonaws.com", "DescribeInstances")`.
    """

    listing_role: Role
    profile: str
    account_id: str
    region: str
    since: datetime
    calls: Mapping[tuple[str, str], str]
    request_ids: frozenset[str] = frozenset()
    until: datetime | None = None
    caller_arn: str = ""


@dataclass(frozen=True, slots=True)
class TrailEvents:
    """CloudTrail's events of one caller's calls in one account and region. An event that arrives late is missing.

    Attributes:
        available: whether the look-up was completed.
        reason: why the look-up was not completed.
        is_denied: AWS refused the look-up itself, so that a later one would not succeed either.
        recorded: error code or None by AWS request id, for those of the calls to find that CloudTrail has recorded.
        kinds: the product's names of those `Lookup.calls` that have any event.
        refused: refusals of these calls under other request ids: id, time, source, name, error code.
        event_count: number of the caller's events that were read, refused or not.
        newest_event_at: time of the newest of these events.
    """

    available: bool
    reason: str
    recorded: Mapping[str, str | None]
    refused: list[dict[str, Any]]
    event_count: int
    newest_event_at: datetime | None
    since: datetime
    until: datetime
    request_count: int
    is_denied: bool = False
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Progress:
    """Progress of a fan-out; `elapsed` is in seconds. `requests` and `throttles` count HTTP requests with retries."""

    done: int
    total: int
    records: int
    requests: int
    throttles: int
    elapsed: float
