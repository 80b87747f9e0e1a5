"""Sends the questions that are the same for every account without making the request anew each time.

botocore builds a request from its model for every call: parameters, endpoint, form, headers, some thirty events. For
one listing in one region all of that comes out the same for every account; what differs is the signature. So botocore
makes each request once, under the guard, and here it is signed and sent for whoever asks. Its answer is read by
botocore's parsers, and what goes wrong raises what botocore raises.

Only for what is signed with Signature Version 4 and has its parameters in the body; everything else is botocore's.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.auth import SIGNED_HEADERS_BLACKLIST
from botocore.awsrequest import create_request_object
from botocore.exceptions import ClientError

from resources.aws.fast.connections import Connections, Headers, RequestIds

PROTOCOLS = frozenset({"ec2", "json", "query"})
"""Their requests are a POST to `/` with everything in the body."""

REQUESTS_KEPT = 2_000
"""Made requests are kept up to so many: more than a night has listings times regions."""

BODY_KEPT = 2_000
"""Bytes of the longest body that is kept: what is longer, such as five hundred metrics, is asked of one account."""

KEYS_KEPT = 20_000
"""Signing keys are kept up to so many: one an account, day, region and service."""

UNSIGNED = frozenset(SIGNED_HEADERS_BLACKLIST) | {"content-length"}
"""Headers that proxies may change."""


@dataclass(frozen=True, slots=True)
class Made:
    """A request that lacks only who asks, and when.

    Attributes:
        service: the name that it is signed for.
        body_hash: SHA-256 of the body, in hex.
    """

    url: str
    host: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    body_hash: str
    service: str
    region: str


class _Making(Exception):
    """Ends a call of botocore where the request is made; nothing is sent."""

    def __init__(self, request: dict[str, Any], signer: Any) -> None:
        super().__init__()
        self.request = request
        self.signer = signer


_MAKING: ContextVar[bool] = ContextVar("making", default=False)


def _stop_before_sending(params: dict[str, Any], request_signer: Any, **_: Any) -> None:
    if _MAKING.get():
        raise _Making(params, request_signer)


class SigningKeys:
    """Keys derived from secrets, so that each is derived once a day, region and service."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str, str], bytes] = {}

    def of(self, secret: str, day: str, region: str, service: str) -> bytes:
        """The key of Signature Version 4."""
        wanted = (secret, day, region, service)
        key = self._keys.get(wanted)
        if key is None:
            key = f"AWS4{secret}".encode()
            for part in (day, region, service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            if len(self._keys) >= KEYS_KEPT:
                self._keys.clear()
            self._keys[wanted] = key
        return key

    def forget(self) -> None:
        """Keep no key any more."""
        self._keys.clear()


def signed(made: Made, credentials: Any, keys: SigningKeys, now: datetime) -> dict[str, str]:
    """The headers of a request as Signature Version 4 signs it, for frozen credentials of botocore."""
    at = now.strftime("%Y%m%dT%H%M%SZ")
    headers = dict(made.headers)
    headers["X-Amz-Date"] = at
    if credentials.token:
        headers["X-Amz-Security-Token"] = credentials.token
    to_sign = sorted(
        (lower, value)
        for name, value in (*headers.items(), ("Host", made.host))
        if (lower := name.lower()) not in UNSIGNED
    )
    names = ";".join([name for name, _ in to_sign])
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *[f"{name}:{' '.join(value.split())}" for name, value in to_sign],
            "",
            names,
            made.body_hash,
        ]
    )
    scope = f"{at[:8]}/{made.region}/{made.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = keys.of(credentials.secret_key, at[:8], made.region, made.service)
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


class Wire:
    """Sends through the clients of one role.

    Args:
        allow: refuses what the role may not do: given the signing name and the operation, before anything is signed.
        sent: told of each request that goes out.
        answered: given each answer, as parsed.
    """

    def __init__(
        self,
        allow: Callable[[str, str], None],
        sent: Callable[[], None],
        answered: Callable[[dict[str, Any]], None],
    ) -> None:
        self._allow = allow
        self._sent = sent
        self._answered = answered
        self._keys = SigningKeys()
        self._requests: dict[tuple[Any, str, str], Made | None] = {}
        self._models: dict[tuple[str, str], Any] = {}
        self._connections: dict[str, Connections] = {}
        self._request_ids = RequestIds()

    def watch(self, session: Any) -> None:
        """Be able to take requests from the clients of a session."""
        session.register("before-call", _stop_before_sending)

    def share_connections(self, client: Any) -> None:
        """Let a client use the connections of those before it that reach the network in the same way."""
        endpoint = client._endpoint
        key = Connections.key(endpoint.http_session)
        if key not in self._connections:
            self._connections[key] = Connections(endpoint.http_session, self._request_ids)
        endpoint.http_session.close()
        endpoint.http_session = self._connections[key]

    def model(self, client: Any, operation: str) -> Any:
        """Botocore's model of an operation: one for the clients of all regions, since it grows as answers are read."""
        service = client.meta.service_model
        key = (service.service_name, operation)
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = service.operation_model(operation)
        return model

    def make(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> Made | None:
        """The request of a call, made by botocore when it is first asked for; None where botocore has to send it.

        Raises:
            ContractViolation: the role's clause does not cover it.
            botocore.exceptions.ParamValidationError: the parameters are not the operation's.
        """
        if client.meta.service_model.resolved_protocol not in PROTOCOLS:
            return None
        key = (client, operation, json.dumps(parameters, sort_keys=True, default=str))
        if key in self._requests:
            return self._requests[key]
        token = _MAKING.set(True)
        try:
            getattr(client, xform_name(operation))(**parameters)
        except _Making as stopped:
            made = _made(stopped.request, stopped.signer)
        finally:
            _MAKING.reset(token)
        if made is None or len(made.body) <= BODY_KEPT:
            if len(self._requests) >= REQUESTS_KEPT:
                self._requests.clear()
            self._requests[key] = made
        return made

    def send(self, client: Any, operation: str, made: Made, credentials: Any) -> dict[str, Any]:
        """One request and its answer, as botocore would parse it.

        Args:
            credentials: whose signature, frozen.

        Raises:
            ContractViolation: the role's clause does not cover it. Nothing was signed.
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.HTTPClientError: nothing came back, or botocore's other errors of connections.
        """
        self._allow(made.service, operation)
        headers = signed(made, credentials, self._keys, datetime.now(UTC))
        self._sent()
        endpoint = client._endpoint
        parser = endpoint._response_parser_factory.create_parser(client.meta.service_model.resolved_protocol)
        with endpoint.http_session.exchange(
            made.url, Headers({"Host": made.host, "Accept-Encoding": "identity", **headers}), made.body
        ) as said:
            # A connection that brought what nobody can read is not used again.
            answer: dict[str, Any] = parser.parse(
                {
                    "headers": said.headers,
                    "status_code": said.status,
                    "context": {"operation_name": operation},
                    "body": said.content,
                },
                self.model(client, operation).output_shape,
            )
        self._answered(answer)
        if said.status >= 300:
            raise ClientError(answer, operation)
        return answer

    def close(self) -> None:
        """Close the connections and forget requests and keys."""
        for connections in self._connections.values():
            connections.close()
        self._connections.clear()
        self._request_ids.forget()
        self._requests.clear()
        self._models.clear()
        self._keys.forget()


def _made(request: dict[str, Any], signer: Any) -> Made | None:
    """What botocore was about to send, if it is of the kind that is sent from here."""
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
    return Made(
        url=prepared.url,
        host=_host(url),
        headers=headers,
        body=body,
        body_hash=hashlib.sha256(body).hexdigest(),
        service=signing.get("signing_name") or signer.signing_name,
        region=signing.get("region") or signer.region_name,
    )


def _host(url: Any) -> str:
    """The host as the Host header has it: without a port that goes without saying."""
    host: str = url.hostname or ""
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(url.scheme)
    return host if url.port in (None, usual) else f"{host}:{url.port}"
