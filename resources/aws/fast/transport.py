"""Sends requests that are the same for every account, without preparing each of them anew.

botocore builds a request from its model for every call: parameters, endpoint, form, headers, some thirty events. For
one listing in one region all of that is the same for every account; only the signature differs. So botocore prepares
each request once, under the guard, and this module signs and sends it for each account. Errors raise botocore's
exceptions.

This works only for requests with Signature Version 4, with their parameters in the body, and with an endpoint that does
not depend on the account. botocore prepares and signs all others; they too use these connections, through botocore's
event `before-send`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import create_request_object
from botocore.exceptions import ClientError, DataNotFoundError

from resources.aws.fast.connections import Connections, Settings, host_header
from resources.aws.fast.parsers import PROTOCOLS, FastParsers
from resources.aws.fast.sigv4 import SigningKeys, UnsignedRequest, signed
from resources.aws.transport import Call, OperationModels

REQUESTS_KEPT = 2_000
"""The most prepared requests in the cache: more than a run has listings times regions."""

BODY_KEPT = 2_000
"""The longest body in the cache, in bytes. A longer one, such as five hundred metrics, is sent for one account only."""

_PAGE_TOKEN = re.compile(r"(token|marker)$", re.IGNORECASE)

_OF_AN_ACCOUNT = "AWS::Auth::AccountId"
"""Name of the caller's account in the endpoint rules."""


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A prepared request without credentials and timestamp, and what is needed to parse its response."""

    unsigned: UnsignedRequest
    operation: str
    protocol: str
    output_shape: Any
    settings: Settings


class _Prepared(Exception):
    """Stops a botocore call once its request is prepared; nothing is sent."""

    def __init__(self, request: dict[str, Any], signer: Any, session: "_Session") -> None:
        super().__init__()
        self.request = request
        self.signer = signer
        self.session = session


_PREPARING: ContextVar[bool] = ContextVar("preparing", default=False)


class _Session:
    """What the clients of one botocore session have in common."""

    def __init__(self, session: Any, connections: Connections) -> None:
        self._session = session
        self._connections = connections
        self._services_of_accounts: dict[str, bool] = {}

    @cached_property
    def settings(self) -> Settings | None:
        """The network settings of the session; None where only botocore supports them."""
        return Settings.of(self._session)

    def stop_before_sending(self, params: dict[str, Any], request_signer: Any, **_: Any) -> None:
        """Handler of botocore's event `before-call`: stop a call whose request is only to be prepared."""
        if _PREPARING.get():
            raise _Prepared(params, request_signer, self)

    def send(self, request: Any, **_: Any) -> Any:
        """Handler of botocore's event `before-send`: the response, over the shared connections."""
        return None if self.settings is None else self._connections.send(request, self.settings)

    def has_endpoints_of_accounts(self, service: str) -> bool:
        """Whether an endpoint of a service may depend on the caller's account."""
        known = self._services_of_accounts.get(service)
        if known is None:
            loader = self._session.get_component("data_loader")
            try:
                rules = loader.load_service_model(service, "endpoint-rule-set-1")
            except DataNotFoundError:
                rules = {}
            parameters = rules.get("parameters", {}).values()
            known = any(str(parameter.get("builtIn", "")).startswith(_OF_AN_ACCOUNT) for parameter in parameters)
            self._services_of_accounts[service] = known
        return known


class FastTransport:
    """Sends requests through the clients of one role.

    Args:
        allow: raises for a call that the role's clause does not cover; called with signing name and operation, before
            anything is signed.
        sent: called for each request that is sent.
        on_response: called with each parsed response.
        models: of operations.
        connections: connections to use; new ones by default.
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(
        self,
        allow: Callable[[str, str], None],
        sent: Callable[[], None],
        on_response: Callable[[dict[str, Any]], None],
        models: OperationModels,
        connections: Connections | None = None,
        **settings: Any,
    ) -> None:
        self._allow = allow
        self._sent = sent
        self._on_response = on_response
        self._models = models
        self._parsers = FastParsers(**settings)
        self._keys = SigningKeys()
        self._requests: dict[tuple[Any, str, str], PreparedRequest | None] = {}
        self._connections = connections or Connections()

    def watch(self, session: Any) -> None:
        """Set up a session whose clients will be passed to `prepare`, with fast parsers for their responses."""
        session.register_component("response_parser_factory", self._parsers)
        watched = self._carried(session)
        session.register("before-call", watched.stop_before_sending)

    def carry(self, session: Any) -> None:
        """Send the requests of a session's clients over the connections of this transport."""
        self._carried(session)

    def _carried(self, session: Any) -> _Session:
        carried = _Session(session, self._connections)
        # Last, so that handlers that count requests run before.
        session.get_component("event_emitter").register_last("before-send", carried.send)
        return carried

    def prepare(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> PreparedRequest | Call:
        """The prepared request of a call, cached; a `Call` where botocore has to send it.

        Raises:
            ContractViolation: the role's clause does not cover the call.
            botocore.exceptions.ParamValidationError: the parameters do not fit the operation.
        """
        if client.meta.service_model.resolved_protocol not in PROTOCOLS:
            return Call(client, operation, parameters)
        key = (client, operation, json.dumps(parameters, sort_keys=True, default=str))
        if key in self._requests:
            request = self._requests[key]
        else:
            request = self._prepared(client, operation, parameters)
            if not any(map(is_page_token, parameters)) and (request is None or len(request.unsigned.body) <= BODY_KEPT):
                if len(self._requests) >= REQUESTS_KEPT:
                    self._requests.clear()
                self._requests[key] = request
        return Call(client, operation, parameters) if request is None else request

    def _prepared(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> PreparedRequest | None:
        token = _PREPARING.set(True)
        try:
            Call(client, operation, parameters).send()
        except _Prepared as stopped:
            session, service = stopped.session, client.meta.service_model
            unsigned = unsigned_request(stopped.request, stopped.signer)
            if unsigned is None or session.has_endpoints_of_accounts(service.service_name):
                return None
            if session.settings is None or not self._connections.can_reach(unsigned.url, session.settings):
                return None
            shape = self._models.of(client, operation).output_shape
            return PreparedRequest(unsigned, operation, service.resolved_protocol, shape, session.settings)
        finally:
            _PREPARING.reset(token)
        return None

    def send(self, request: PreparedRequest | Call, credentials: Any) -> dict[str, Any]:
        """Sign one request, send it, and return its response, as `Transport.send`."""
        if isinstance(request, Call):
            return request.send()
        unsigned = request.unsigned
        self._allow(unsigned.service, request.operation)
        headers = signed(unsigned, credentials, self._keys, datetime.now(UTC))
        headers = {"Host": unsigned.host, "Accept-Encoding": "identity", **headers}
        self._sent()
        # A connection whose response cannot be parsed is not reused.
        with self._connections.exchange("POST", unsigned.url, headers, unsigned.body, request.settings) as response:
            parsed = self._parsers.create_parser(request.protocol).parse(
                {
                    "headers": response.headers,
                    "status_code": response.status,
                    "context": {"operation_name": request.operation},
                    "body": response.content,
                },
                request.output_shape,
            )
        self._on_response(parsed)
        if response.status >= 300:
            raise ClientError(parsed, request.operation)
        return parsed

    def close(self) -> None:
        """Close the connections and drop cached requests and keys. The transport may be used again."""
        self._connections.close()
        self._requests.clear()
        self._keys.forget()


def is_page_token(parameter: str) -> bool:
    """Whether a parameter is a page token: such a request is sent once, so it is not cached."""
    return _PAGE_TOKEN.search(parameter) is not None


def unsigned_request(request: dict[str, Any], signer: Any) -> UnsignedRequest | None:
    """Botocore's request in unsigned form; None where this transport cannot send it."""
    context = request["context"]
    signing = context.get("signing") or {}
    version = context.get("auth_type") or signer.signature_version
    if (
        version != "v4"
        or (context.get("checksum") or {}).get("request_algorithm")
        or signing.get("request_credentials")
    ):
        return None
    prepared = create_request_object(request).prepare()
    url = urlsplit(prepared.url)
    body = prepared.body or b""
    if prepared.method != "POST" or url.path not in ("", "/") or url.query or not isinstance(body, bytes | str):
        return None
    body = body.encode() if isinstance(body, str) else body
    headers = tuple(
        (name, value.decode() if isinstance(value, bytes) else str(value)) for name, value in prepared.headers.items()
    )
    return UnsignedRequest(
        url=prepared.url,
        host=host_header(url),
        headers=headers,
        body=body,
        body_hash=hashlib.sha256(body).hexdigest(),
        service=signing.get("signing_name") or signer.signing_name,
        region=signing.get("region") or signer.region_name,
    )
