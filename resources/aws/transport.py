"""The protocol by which one request reaches AWS and its response returns, and its implementation by botocore.

`resources.aws.fast` has an optional faster implementation. `resources.aws.sending` chooses between the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore import xform_name

from resources.aws.response_parsers import Parsers


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a client's method, which botocore prepares, signs and sends in one step.

    Attributes:
        operation: such as `DescribeInstances`.
    """

    client: Any
    operation: str
    parameters: Mapping[str, Any]

    def send(self) -> dict[str, Any]:
        """The response, as the client's method returns it."""
        response: dict[str, Any] = getattr(self.client, xform_name(self.operation))(**self.parameters)
        return response


class Transport(Protocol):
    """Prepares requests and sends them. Thread-safe."""

    def prepare(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        """The prepared request of a call, for `send`: everything but credentials and timestamp.

        Raises:
            ContractViolation: the role's clause does not cover the call.
            botocore.exceptions.ParamValidationError: the parameters do not fit the operation.
        """

    def send(self, request: Any, credentials: Any) -> dict[str, Any]:
        """Sign one request, send it, and return its response as botocore would parse it.

        Args:
            request: a result of `prepare`.
            credentials: frozen credentials to sign with. Where botocore sends the request, it uses those of the signing
                context.

        Raises:
            ContractViolation: the role's clause does not cover the call. Nothing was signed.
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.BotoCoreError: no response arrived, or the parameters do not fit the operation.
            botocore.parsers.ResponseParserError: the response is invalid.
        """


class SessionTransport(Transport, Protocol):
    """A transport that also sets up the sessions whose requests it sends."""

    def watch(self, session: Any) -> None:
        """Set up a session whose clients will be passed to `prepare`."""

    def carry(self, session: Any) -> None:
        """Set up a session whose clients send by themselves, such as those that fetch credentials."""

    def close(self) -> None:
        """Close the connections and drop cached requests and keys. The transport may be used again."""


class BotocoreTransport:
    """botocore's own requests, signatures and connections, with its parsers behind strict checks.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        self._parsers = Parsers(**settings)

    def prepare(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> Call:
        """The call: botocore prepares its request when it sends it."""
        return Call(client, operation, parameters)

    def send(self, request: Call, credentials: Any) -> dict[str, Any]:
        """The response to a call, as `Transport.send`."""
        return request.send()

    def watch(self, session: Any) -> None:
        """Make the clients of a session parse responses strictly."""
        session.register_component("response_parser_factory", self._parsers)

    def carry(self, session: Any) -> None:
        """Leave a session as it is."""

    def close(self) -> None:
        """Do nothing: each client has its own connections."""


class OperationModels:
    """botocore's models of operations: one for the clients of all regions, since each grows as responses are parsed."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], Any] = {}

    def of(self, client: Any, operation: str) -> Any:
        """The model of an operation."""
        service = client.meta.service_model
        key = (service.service_name, operation)
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = service.operation_model(operation)
        return model

    def forget(self) -> None:
        """Drop all cached models."""
        self._models.clear()
