"""Compares the fast transport with botocore's own at start: one signed request, and one response per protocol.

A release of botocore may change what the fast transport builds upon. Where the results differ, the fast transport is
not used. The tests compare far more; this check covers an installed botocore that the tests did not run with.
"""

from datetime import UTC, datetime
from typing import Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserFactory

from resources.aws.fast.connections import Connections, Settings
from resources.aws.fast.http_response import HttpResponse
from resources.aws.fast.parsers import PROTOCOLS, FastParsers
from resources.aws.fast.sigv4 import SigningKeys, signed
from resources.aws.fast.transport import FastTransport
from resources.aws.transport import Call, OperationModels

NOT_COMPARED = frozenset({"user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "host", "accept-encoding"})
"""Headers that botocore creates anew for each attempt, or that the connection adds."""

CREDENTIALS = ReadOnlyCredentials("AKIASELFTEST", "not-a-secret", "not-a-token")

_IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)

_SHAPES: dict[str, Any] = {
    "ListResult": {
        "type": "structure",
        "members": {
            "Items": {"shape": "Items", "locationName": "items"},
            "Next": {"shape": "Text", "locationName": "next"},
        },
    },
    "Items": {"type": "list", "member": {"shape": "Item", "locationName": "item"}},
    "Item": {
        "type": "structure",
        "members": {
            "Name": {"shape": "Text", "locationName": "name"},
            "Size": {"shape": "Number", "locationName": "size"},
            "Used": {"shape": "Flag", "locationName": "used"},
            "Since": {"shape": "Time", "locationName": "since"},
            "Data": {"shape": "Blob", "locationName": "data"},
        },
    },
    "Text": {"type": "string"},
    "Number": {"type": "integer"},
    "Flag": {"type": "boolean"},
    "Time": {"type": "timestamp"},
    "Blob": {"type": "blob"},
}
_ITEMS_IN_XML = (
    "<items><item><size>7</size><name>a</name><used>true</used><since>2026-11-25T01:02:03.004Z</since>"
    "<data>YQ==</data></item><item><name/></item></items><next>t</next>"
)
_BODIES = {
    "ec2": f"<ListResponse>{_ITEMS_IN_XML}<requestId>r</requestId></ListResponse>",
    "query": (
        f"<ListResponse><ListResult>{_ITEMS_IN_XML}</ListResult>"
        "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ListResponse>"
    ),
    "json": (
        '{"next": "t", "items": [{"size": 7, "name": "a", "used": true, "since": 1764032523.004, "data": "YQ=="}, '
        '{"name": null}, null], "notInTheModel": {}}'
    ),
}


class _Session(botocore.session.Session):  # type: ignore[misc]  # botocore publishes no types
    """A session that reads no configuration files."""

    @property
    def full_config(self) -> dict[str, Any]:
        """An empty default profile."""
        return {"profiles": {"default": {}}}


def difference(loader: Any) -> str | None:
    """The first difference between the fast transport and botocore; None where the results are equal.

    Args:
        loader: of botocore's models, which it then has cached for later clients.
    """
    for protocol in PROTOCOLS:
        if _parses_differently(protocol):
            return f"a response of the protocol {protocol} is parsed otherwise"
    return _sends_differently(loader)


def _parses_differently(protocol: str) -> bool:
    output = {"shape": "ListResult"} | ({"resultWrapper": "ListResult"} if protocol == "query" else {})
    operation = {"name": "List", "http": {"method": "POST", "requestUri": "/"}, "output": output}
    metadata = {"protocol": protocol, "apiVersion": "2026-11-25", "endpointPrefix": "x", "serviceId": "X"}
    model = ServiceModel({"metadata": metadata, "operations": {"List": operation}, "shapes": _SHAPES}, "x")
    shape = model.operation_model("List").output_shape
    response = {
        "headers": {"x-amzn-requestid": "r", "Date": "d"},
        "status_code": 200,
        "context": {"operation_name": "List"},
        "body": _BODIES[protocol].encode(),
    }
    theirs = ResponseParserFactory().create_parser(protocol).parse(response, shape)
    return bool(FastParsers().create_parser(protocol).parse(response, shape) != theirs)


class _Unconnected(Connections):
    """Connections that send nothing: they keep each request, and return a fixed response."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def send(self, request: Any, settings: Settings) -> AWSResponse:
        """A response, as if from a connection."""
        self.requests.append(request)
        return AWSResponse(request.url, 200, {}, HttpResponse(200, {}, _IDENTITY))


def _sends_differently(loader: Any) -> str | None:
    session = _Session(profile="default")
    session.register_component("data_loader", loader)
    connections = _Unconnected()
    transport = FastTransport(lambda *_: None, lambda: None, lambda _: None, OperationModels(), connections)
    session.set_default_client_config(Config(ignore_configured_endpoint_urls=True, use_fips_endpoint=False))
    transport.watch(session)
    session.set_credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, CREDENTIALS.token)
    client = session.create_client("sts", region_name="us-east-1", verify=True)
    try:
        parsed = client.get_caller_identity()
        prepared = transport.prepare(client, "GetCallerIdentity", {})
    finally:
        client.close()
        transport.close()
    seen = connections.requests
    if parsed.get("Account") != "000000000000" or not seen:
        return "botocore does not take a response from its event before-send"
    if isinstance(prepared, Call):
        # Another signature version is configured here, and the fast transport leaves such calls to botocore.
        return None
    theirs = {name.lower(): _text(value) for name, value in seen[0].headers.items()}
    at = datetime.strptime(theirs["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = {name.lower(): value for name, value in signed(prepared.unsigned, CREDENTIALS, SigningKeys(), at).items()}
    if (prepared.unsigned.url, prepared.unsigned.body) != (seen[0].url, _bytes(seen[0].body)):
        return "a request is prepared otherwise"
    for name in sorted((ours.keys() | theirs.keys()) - NOT_COMPARED):
        if ours.get(name) != theirs.get(name):
            return f"a request is signed otherwise (header {name})"
    return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")
