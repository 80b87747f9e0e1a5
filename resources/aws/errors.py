"""AWS's error codes by meaning, and the exceptions that the client derives from them. No request is sent here."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ProxyConnectionError, SSLError
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

REGION_TOKEN_CODES = frozenset({"AuthFailure", "InvalidClientTokenId", "InvalidToken", "UnrecognizedClientException"})
"""Codes by which a region refuses a session token that is valid elsewhere."""

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
"""Codes by which AWS throttles; `LimitExceededException` is Cost Explorer's."""

CREDENTIAL_CODES = EXPIRED_CODES | UNKNOWN_KEY_CODES
"""Codes that refuse the credentials themselves, not their permissions."""

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
"""Codes by which S3 reports that a bucket lies in another region; the response is kept, since it names the region."""

UNREACHED_CODES = frozenset({"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "TunnelRefused"})
"""Classes of the errors of requests that never reached AWS."""

UNREADABLE = (
    ResponseParserError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""Exceptions of botocore's parsers for a response that is not AWS's: a time beyond all years, JSON nested too deep."""


class AwsError(Exception):
    """A single call failed. `code` is AWS's error code, or the class of the network error."""

    def __init__(self, code: str, message: str, operation: str) -> None:
        super().__init__(code, message, operation)
        self.code = code
        self.message = message
        self.operation = operation

    def __str__(self) -> str:
        return f"{self.operation}: {self.message} ({self.code})"


class Failed(Exception):
    """Why a request has no valid response.

    Attributes:
        raw: AWS's verbatim response, where it is worth keeping.
    """

    def __init__(self, outcome: Outcome, code: str, message: str, raw: dict[str, Any] | None = None) -> None:
        super().__init__(code, message)
        self.outcome: Outcome = outcome
        self.code = code
        self.message = message
        self.raw = raw


class TunnelRefused(ProxyConnectionError):  # type: ignore[misc]  # botocore publishes no types
    """The proxy responds, and refuses the way to one host: others may be allowed."""

    fmt = "The proxy {proxy_url} refuses a tunnel to {host}: {error}"


class CaBundleUnreadable(SSLError):  # type: ignore[misc]  # botocore publishes no types
    """The file of the certificates to trust cannot be used: nothing was connected to."""

    fmt = "The CA bundle {bundle} cannot be read: {error}"


def proxy_error(proxy: str, host: str, error: Exception) -> Exception:
    """The botocore exception for a connection to a host that failed at the proxy.

    Args:
        proxy: its URL, without a password.
    """
    # The standard library has no exception of its own for it.
    _, is_refusal, status = str(error).partition("Tunnel connection failed: ")
    found: Exception = ProxyConnectionError(proxy_url=proxy, error=error)
    return TunnelRefused(proxy_url=proxy, host=host, error=status) if is_refusal else found


def is_throttle(response: Mapping[str, Any]) -> bool:
    """Whether AWS throttled the request, by error code or by HTTP status 429."""
    # A valid response may have a field of this name too.
    error = response.get("Error")
    code = error.get("Code") if isinstance(error, Mapping) else None
    return code in THROTTLE_CODES or response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 429
