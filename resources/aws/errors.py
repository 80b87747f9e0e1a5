"""AWS's error codes by what they mean, and the errors that the client makes of them. Asks nobody."""

from collections.abc import Mapping
from typing import Any

from botocore.parsers import ResponseParserError

from resources.aws.messages import Outcome

EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})

UNKNOWN_KEY_CODES = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

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

CREDENTIAL_CODES = EXPIRED_CODES | UNKNOWN_KEY_CODES
"""The credentials are refused, not what they may do."""

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
    | CREDENTIAL_CODES
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

WRONG_REGION_CODES = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
)
"""S3 says that a bucket lies in another region."""

UNREADABLE = (
    ResponseParserError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What botocore's parsers raise when the answer is not AWS's: a time may be beyond all years, JSON too deep."""


class AwsError(Exception):
    """A single call failed. `code` is AWS's error code, or the kind of the network's failure."""

    def __init__(self, code: str, message: str, operation: str) -> None:
        super().__init__(code, message, operation)
        self.code = code
        self.message = message
        self.operation = operation

    def __str__(self) -> str:
        return f"{self.operation}: {self.message} ({self.code})"


class Failed(Exception):
    """Why a question has no answer.

    Attributes:
        raw: what AWS said, verbatim, where it is worth keeping.
    """

    def __init__(self, outcome: Outcome, code: str, message: str, raw: dict[str, Any] | None = None) -> None:
        super().__init__(code, message)
        self.outcome: Outcome = outcome
        self.code = code
        self.message = message
        self.raw = raw


def is_throttle(response: Mapping[str, Any]) -> bool:
    """Whether AWS asks for patience: by its code, or by the status that HTTP has for it."""
    # A field of a good answer may be called so too.
    error = response.get("Error")
    code = error.get("Code") if isinstance(error, Mapping) else None
    return code in THROTTLE_CODES or response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 429
