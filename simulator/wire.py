"""AWS's wire formats: what a request asks, and answers and refusals in the form that its protocol has.

Parsing and serialising is moto's work (`moto.core`), which knows every service of botocore; these are
internals, hence the exact pins. What stands here by hand are the codes that each family of services uses for
the same fault.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import botocore.exceptions
import botocore.parsers
import botocore.session
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import JSONSerializer, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from simulator.asked import Asked
from simulator.json_writer import PlainJsonSerializer
from simulator.world import Kind

# No service model lists AccessDenied and its like; moto's serializer says so at each refusal.
warnings.filterwarnings("ignore", message="Exception.* does not match an error shape")

SERVICE_BY_SIGNING_NAME = {
    "tagging": "resourcegroupstaggingapi",
    "monitoring": "cloudwatch",
    "awsssoportal": "sso",
}
INVALID_HOST = "aws.invalid"
"""The host of the endpoint that the profiles name; it is reached through HTTP_PROXY and need not resolve."""

GLOBAL_SERVICES = frozenset({"organizations", "ce", "budgets", "billing", "iam"})
"""Their calls are recorded in us-east-1, whatever region the client names."""


class AwsError(ServiceException):
    """An error answer of AWS: code, message and HTTP status, with headers where they say something too."""

    def __init__(self, code: str, message: str, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(code, message)
        self.http_status = status
        self.headers = headers or {}


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


# ------------------------------------------------------------------ models


_LOADING = threading.Lock()


@functools.cache
def service_model(service: str) -> ServiceModel:
    """The model of a service, as moto has it; loaded once, where moto lets each of many first threads load it.

    So are its operations: while moto makes one, another thread finds botocore's in its place, without what moto adds.

    Raises:
        UnknownServiceError: there is no such service.
    """
    with _LOADING:
        model = get_service_model(service)
        for name in model.operation_names:
            model.operation_model(name)
        return model


@functools.cache
def _session() -> Any:
    """One session of botocore, whose loader finds out once which services there are."""
    return botocore.session.get_session()


@functools.cache
def _client_model(service: str) -> Any:
    with _LOADING:
        return _session().get_service_model(service)


# ------------------------------------------------------------------ the same fault in each protocol's words


def protocol_of(service: str) -> str:
    """`ec2`, `query`, `rest-xml`, `json` or `rest-json`."""
    return str(service_model(service).metadata.get("protocol"))


def _by_protocol(service: str, ec2: AwsError, xml: AwsError, code: str, message: str) -> AwsError:
    protocol = protocol_of(service)
    if protocol == "ec2":
        return ec2
    if protocol in {"query", "rest-xml"}:
        return xml
    return AwsError(code, message, 403 if protocol == "rest-json" else 400)


def denied(service: str, action: str, arn: str, resource: str = "*") -> AwsError:
    """The role's policies do not allow the action."""
    message = (
        f"User: {arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    ec2 = f"You are not authorized to perform this operation. User: {arn}, action: {action}"
    return _by_protocol(
        service,
        AwsError("UnauthorizedOperation", ec2, 403),
        AwsError("AccessDenied", message, 403),
        "AccessDeniedException",
        message,
    )


PolicyWording = Literal["arn", "words", "bare"]
"""How much a refusal says of the organisation's policy behind it: its ARN, its type alone, nothing."""


def denied_by_policy(
    service: str, action: str, arn: str, *, kind: str, policy_arn: str | None, wording: PolicyWording
) -> AwsError:
    """A policy of the organisation denies the action, by its statement; or, without `policy_arn`, allows it not."""
    who = f"User: {arn} is not authorized to perform: {action}"
    if policy_arn is None:
        reason = f"because no {kind} allows the {action} action"
    else:
        reason = f"with an explicit deny in a {kind}" + (f": {policy_arn}" if wording == "arn" else "")
    refusal = "You are not authorized to perform this operation."
    if wording == "bare":
        ec2, xml, json_text = refusal, "Access Denied", who
    else:
        ec2, xml, json_text = f"{refusal} {who} {reason}", f"{who} {reason}", f"{who} on resource: * {reason}"
    return _by_protocol(
        service,
        AwsError("UnauthorizedOperation", ec2, 403),
        AwsError("AccessDenied", xml, 403),
        "AccessDeniedException",
        json_text,
    )


def expired(service: str) -> AwsError:
    """The session's time is over."""
    message = "The security token included in the request is expired"
    return _by_protocol(
        service,
        AwsError("RequestExpired", "Request has expired.", 400),
        AwsError("ExpiredToken", message, 400 if service == "s3" else 403),
        "ExpiredTokenException",
        message,
    )


def unknown_token(service: str) -> AwsError:
    """Credentials that are not known there: made up, or of a region that is not opted in."""
    message = "The security token included in the request is invalid"
    return _by_protocol(
        service,
        AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
        AwsError("InvalidClientTokenId", message, 403),
        "UnrecognizedClientException",
        message,
    )


_THROTTLES = {
    "ec2": ("RequestLimitExceeded", "Request limit exceeded.", 503),
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    "organizations": (
        "TooManyRequestsException",
        "Too many requests in too short a period.",
        400,
    ),
    "ce": (
        "LimitExceededException",
        "Rate of calls exceeded. Try again later.",
        400,
    ),
    "lambda": ("TooManyRequestsException", "Rate exceeded", 429),
    "resource-groups": ("TooManyRequestsException", "Rate exceeded", 429),
    "resourcegroupstaggingapi": ("ThrottledException", "Rate exceeded", 400),
    "rds": ("Throttling", "Rate exceeded", 400),
    "sts": ("Throttling", "Rate exceeded", 400),
}


def throttled(service: str) -> AwsError:
    """Too many requests, in the words of the service."""
    return AwsError(*_THROTTLES.get(service, ("ThrottlingException", "Rate exceeded", 400)))


def enumeration(service: str, shape: str) -> tuple[str, ...]:
    """The values of an enumeration of botocore's model."""
    return tuple(_client_model(service).shape_for(shape).enum)


# ------------------------------------------------------------------ pages


def make_token(offset: int, question: str = "") -> str:
    """An opaque page token, of one question where that matters."""
    return base64.urlsafe_b64encode(json.dumps({"offset": offset, "question": question}).encode()).decode()


def read_token(token: str | None, code: str = "InvalidNextTokenException", question: str = "") -> int:
    """The offset that a page token stands for; 0 for none.

    Raises:
        AwsError: it is not a token (`code`), or it was given for another question.
    """
    if not token:
        return 0
    try:
        record = json.loads(base64.urlsafe_b64decode(token))
        offset, asked = int(record["offset"]), record.get("question")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AwsError(code, "The pagination token is not valid.", 400) from error
    if asked and asked != question:
        raise AwsError("RequestChangedException", "Your request parameters changed between pages. Try again.", 400)
    return offset


@dataclass(frozen=True)
class Paging:
    """Names of the request token, the answer's token, the limit and the paged lists of an operation."""

    input_token: str
    output_token: str
    limit: str | None
    results: tuple[str, ...]


def _by_token(limit: str | None, records: str) -> Paging:
    return Paging("NextToken", "NextToken", limit, (records,))


_DAYS = Paging("NextPageToken", "NextPageToken", None, ("ResultsByTime",))

_FURTHER = {
    ("ce", "GetCostAndUsage"): _DAYS,
    ("ce", "GetCostAndUsageWithResources"): _DAYS,
    ("rds", "DescribeDBShardGroups"): Paging("Marker", "Marker", "MaxRecords", ("DBShardGroups",)),
    ("ec2", "DescribeApplicationStatus"): _by_token("MaxResults", "Instances"),
    ("ec2", "DescribeApplicationStatusCheckAssociations"): _by_token("MaxResults", "Associations"),
    ("ec2", "DescribeApplicationStatusChecks"): _by_token("MaxResults", "ApplicationStatusChecks"),
    ("ec2", "DescribeIpamPolicies"): _by_token("MaxResults", "IpamPolicies"),
    ("ec2", "DescribeIpamInternetRegistryAssociations"): _by_token("MaxResults", "IpamInternetRegistryAssociations"),
    ("ec2", "DescribeIpamByoasn"): _by_token("MaxResults", "Byoasns"),
    ("ec2", "DescribeLockedSnapshots"): _by_token("MaxResults", "Snapshots"),
    ("ec2", "DescribeInstanceSqlHaStates"): _by_token("MaxResults", "Instances"),
    ("ec2", "DescribeTransitGatewayMeteringPolicies"): _by_token("MaxResults", "TransitGatewayMeteringPolicies"),
    ("ec2", "DescribeVpcEncryptionControls"): _by_token("MaxResults", "VpcEncryptionControls"),
    ("ec2", "DescribeVpcBlockPublicAccessExclusions"): _by_token("MaxResults", "VpcBlockPublicAccessExclusions"),
    ("s3control", "ListAccessPoints"): _by_token("MaxResults", "AccessPointList"),
    ("s3control", "ListMultiRegionAccessPoints"): _by_token("MaxResults", "AccessPoints"),
    ("s3control", "ListAccessGrantsInstances"): _by_token("MaxResults", "AccessGrantsInstancesList"),
    ("s3control", "ListAccessGrantsLocations"): _by_token("MaxResults", "AccessGrantsLocationsList"),
    ("s3control", "ListAccessGrants"): _by_token("MaxResults", "AccessGrantsList"),
    ("s3control", "ListStorageLensConfigurations"): _by_token(None, "StorageLensConfigurationList"),
    ("s3control", "ListStorageLensGroups"): _by_token(None, "StorageLensGroupList"),
}
"""The operations whose pages botocore does not know."""


@functools.cache
def paging(service: str, operation: str) -> Paging | None:
    """What botocore knows of an operation's pages, and of those that it does not know."""
    if (service, operation) in _FURTHER:
        return _FURTHER[service, operation]
    try:
        with _LOADING:
            model = _session().get_component("data_loader").load_service_model(service, "paginators-1")
        known = model["pagination"].get(operation)
    except botocore.exceptions.UnknownServiceError:
        return None
    if known is None or not isinstance(known["input_token"], str):
        return None
    results = known["result_key"]
    return Paging(
        known["input_token"],
        known["output_token"],
        known.get("limit_key"),
        tuple(results) if isinstance(results, list) else (results,),
    )


# ------------------------------------------------------------------ one request


@dataclass
class Call:
    """One request, as far as it has been understood."""

    environ: dict[str, Any]
    body: bytes
    service: str = ""
    region: str = ""
    operation: str = ""
    uri: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=Asked)
    is_unreadable: bool = False
    access_key: str = ""
    account_id: str = ""
    role: Kind | None = None
    role_name: str = ""
    session: str = ""
    arn: str = ""
    fault: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def model(self) -> OperationModel:
        """Moto's model of the operation."""
        found: OperationModel = service_model(self.service).operation_model(self.operation)
        return found

    @property
    def protocol(self) -> str:
        """The protocol that this request uses, of those that the service offers."""
        return determine_request_protocol(service_model(self.service), str(self.environ.get("CONTENT_TYPE") or ""))

    @property
    def query(self) -> str:
        """The query string."""
        return str(self.environ.get("QUERY_STRING") or "")

    def _request(self) -> Request:
        return Request({**self.environ, "wsgi.input": io.BytesIO(self.body)})

    def read_scope(self) -> bool:
        """Service, region and access key from the signature; False where there is none."""
        scope = re.search(
            r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request", self.environ.get("HTTP_AUTHORIZATION", "")
        )
        if not scope:
            if not self.environ.get("PATH_INFO", "").startswith("/federation/credentials"):
                return False
            self.service, self.region = "sso", "us-east-1"
            return True
        self.access_key, self.region, signing_name = scope.groups()
        self.service = SERVICE_BY_SIGNING_NAME.get(signing_name, signing_name)
        if self.service == "s3" and self.environ.get("PATH_INFO", "").startswith("/v20180820/"):
            self.service = "s3control"
        if self.service in GLOBAL_SERVICES:
            self.region = "us-east-1"
        self._name_host()
        return True

    def _name_host(self) -> None:
        """Give S3 its own host name back: from any other, its router takes the first label for a bucket."""
        prefix, found, _ = self.environ.get("HTTP_HOST", "").partition(INVALID_HOST)
        if found and self.service in {"s3", "s3control"}:
            endpoint = "s3" if self.service == "s3" else "s3-control"
            self.environ["HTTP_HOST"] = f"{prefix}{endpoint}.{self.region}.amazonaws.com"

    def read_operation(self) -> bool:
        """The operation and its parameters; False where the service has no such operation.

        Parameters that cannot be read are none, and `is_unreadable` is set: who may not send them is refused for that.
        """
        target = self.environ.get("HTTP_X_AMZ_TARGET", "")
        form = re.search(rb"(?:^|&)Action=([A-Za-z0-9]+)", self.body)
        try:
            if target:
                self.operation = target.rpartition(".")[2]
            elif form and str(self.environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form"):
                self.operation = form.group(1).decode()
            else:
                operation, self.uri = get_service_router(self.service).match(self._request())
                self.operation = operation.name
            model = service_model(self.service)
        except (HTTPException, botocore.exceptions.BotoCoreError, KeyError):
            return False
        if self.operation not in model.operation_names:
            return False
        try:
            self.parameters = self._parse()
        except (ValueError, TypeError, AttributeError):
            self.is_unreadable = True
        return True

    def _parse(self) -> dict[str, Any]:
        request = self._request()
        parser = PROTOCOL_PARSERS[self.protocol](self.model, map_type=Asked)
        return Asked(
            parser.parse(
                {
                    "method": request.method,
                    "values": request.values,
                    "headers": request.headers,
                    "body": b"" if request.form else request.data,
                    "url_path": request.path,
                    "url_params": self.uri,
                }
            )
            or {}
        )

    def replace_form(self, **values: str | None) -> None:
        """Set or drop (None) parameters of a form request, before moto reads it."""
        form = dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        for name, value in values.items():
            form.pop(name, None)
            if value is not None:
                form[name] = value
        self.body = urlencode(form).encode()
        self.environ["CONTENT_LENGTH"] = str(len(self.body))

    def render(self, result: dict[str, Any] | AwsError) -> Response:
        """An answer, or a refusal, in the protocol of the request."""
        serializer = get_serializer_class(self.service, self.protocol)
        if serializer is JSONSerializer:
            serializer = PlainJsonSerializer
        made = serializer(operation_model=self.model).serialize(result)
        status = result.http_status if isinstance(result, AwsError) else int(made["status_code"])
        body = made["body"]
        further = result.headers if isinstance(result, AwsError) else {}
        return Response(status, {**made["headers"], **further}, body.encode() if isinstance(body, str) else body)

    def parse_response(self, response: Response) -> dict[str, Any]:
        """An answer as a client would see it."""
        shape = _client_model(self.service).operation_model(self.operation).output_shape
        parsed: dict[str, Any] = botocore.parsers.create_parser(self.protocol).parse(
            {
                "status_code": response.status,
                "headers": {name.lower(): value for name, value in response.headers.items()},
                "body": response.body,
            },
            shape,
        )
        return parsed

    def empty_output(self) -> dict[str, Any]:
        """An answer of which every list is there and empty."""
        shape = self.model.output_shape
        if shape is None:
            return {}
        return _empty_lists(shape, depth=2)


def _empty_lists(shape: Any, depth: int) -> dict[str, Any]:
    """The lists of a structure and of those in it, so many deep, all empty: a structure may hold itself."""
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        if member.type_name == "list":
            found[name] = []
        elif member.type_name == "structure" and depth > 1 and (inner := _empty_lists(member, depth - 1)):
            found[name] = inner
    return found
