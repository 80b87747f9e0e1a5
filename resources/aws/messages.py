"""A question put to AWS and what can come of it: the words that the rest of the product uses.

Data only. `resources.aws.client` asks; what may be believed of an answer is for the pipeline's rules to say.
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

REQUEST_LIMIT: Final = "RequestLimit"
"""The error code of a question that would have taken more paid requests than the limit of a day allows."""


OPTIONAL_GRANT: Final = "optional_grant_not_given"
"""The reason of a question that was not answered because only an optional grant would allow it."""

DENIED_BY_POLICY: Final = "denied_by_policy"
"""The reason of a question that a policy of the organisation denies, whatever the role is granted."""


@dataclass(frozen=True)
class Identity:
    """Who a profile is, by STS.

    Attributes:
        access_key: the id of the key that the question to STS was signed with.
    """

    role: Role
    profile: str
    account_id: str
    arn: str
    checked_at: datetime
    access_key: str = field(default="", repr=False)


class CellKey(NamedTuple):
    """What identifies a cell within a run.

    Attributes:
        listing: with its parameter where it has one, `organizations_account_parent:ou-1234-abcd`.
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
    """One cell to ask: a listing, in an account and region.

    Attributes:
        region: a region, or `aws-global`.
        listing_role: the role that the cell belongs to.
        parameters: sent beside the listing's own.
        batches: further parameters, one request (with all its pages) for each; the answer has the records of all of
            them or none.
        suffix: the parameter's part of the cell's name, `listing:suffix`.
        verbatim: keep every page as AWS sent it in `Response.raw_response`, for people who look.
    """

    profile: str
    account_id: str
    region: str
    listing: Listing
    listing_role: Role
    # One for all: a night has hundreds of thousands of questions.
    parameters: Mapping[str, Any] = field(default_factory=lambda: NO_PARAMETERS)
    batches: Sequence[Mapping[str, Any]] = ()
    suffix: str = ""
    verbatim: bool = False

    @property
    def key(self) -> CellKey:
        """The key of the cell that the question fills."""
        name = f"{self.listing.name}:{self.suffix}" if self.suffix else self.listing.name
        return CellKey(self.listing_role, self.account_id, self.region, name)


@dataclass(frozen=True, slots=True)
class Response:
    """What came of a question: all the records there are, or the reason why there are none.

    Attributes:
        outcome: a zero is always `empty_unconfirmed`: only the rule that sees all the evidence makes it more or less.
        records: as AWS sent them, timestamps as ISO text. Empty unless `found`.
        request_count: everything that went out for this question, retries included.
        error_code: AWS's own, or the kind of the failure.
        raw_response: zeros and refusals: the last page, verbatim, with its request id. Of a verbatim question
            that found something: `pages`, all of them.
        request_ids: of a zero, the request id of each page; empty text where AWS sent none.
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
    """What CloudTrail is asked about one caller in one account and region.

    Attributes:
        profile: signs the look-up.
        account_id: the account that it must be.
        region: whose trail; that of global services is kept in us-east-1.
        since: events before are not read.
        until: events from then on are not read; None reads up to now.
        caller_arn: whose events; empty for those of the profile as it is now.
        request_ids: the calls that are looked for. Once all of them are there, no further page is read.
        calls: event source and event name of these calls, such as `("ec2.amazonaws.com", "DescribeInstances")`, and
            what they are called here, `ec2:DescribeInstances`.
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
    """What CloudTrail shows of one caller's calls in one account and region. An event that is late is not there yet.

    Attributes:
        available: the look-up was answered to its end.
        reason: why not.
        is_denied: AWS refused the look-up itself, so that waiting brings nothing.
        recorded: of the calls that were looked for, those that are there: by request id, the error code or None.
        kinds: those of `Lookup.calls` that it shows any event of, as they are called here.
        refused: refusals of these calls under other request ids: id, time, source, name, error code.
        event_count: events of the caller, refused or not, as far as they were read.
        newest_event_at: the newest of them.
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
    """How far a fan-out is. `requests` and `throttles` count what has gone out, retries included."""

    done: int
    total: int
    records: int
    requests: int
    throttles: int
    elapsed: float
