"""How one request reaches AWS and its response comes back: the protocol, and botocore's own way.

`resources.aws.fast` has a quicker way, which is optional. `resources.aws.sending` chooses between the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore import xform_name

from resources.aws.response_parsers import Parsers


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a client's method: what botocore prepares, signs and sends in one.

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
    """Prepares requests and sends them. Safe for threads."""

    def prepare(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        """The request of a call, for `send`: everything but credentials and timestamp.

        Raises:
            ContractViolation: the role's clause does not cover it.
            botocore.exceptions.ParamValidationError: the parameters are not the operation's.
        """

    def send(self, request: Any, credentials: Any) -> dict[str, Any]:
        """Sign one request, send it, and return its response as botocore would parse it.

        Args:
            request: as `prepare` gave it.
            credentials: whose signature, frozen. Where botocore sends it, it takes those of the signing context.

        Raises:
            ContractViolation: the role's clause does not cover it. Nothing was signed.
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.BotoCoreError: nothing came back, or the parameters are not the operation's.
            botocore.parsers.ResponseParserError: what came back is no answer.
        """


class SessionTransport(Transport, Protocol):
    """A transport, with what it needs of the sessions whose requests it sends."""

    def watch(self, session: Any) -> None:
        """Set up a session whose clients are to be given to `prepare`."""

    def carry(self, session: Any) -> None:
        """Set up a session whose clients send by themselves, such as those that credentials are asked for with."""

    def close(self) -> None:
        """Close the connections and forget requests and keys. May be used again."""


class BotocoreTransport:
    """botocore's own way: its requests, signatures and connections, and its parsers behind strict checks.

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
        """Have the clients of a session read responses strictly."""
        session.register_component("response_parser_factory", self._parsers)

    def carry(self, session: Any) -> None:
        """Leave a session as it is."""

    def close(self) -> None:
        """Nothing to close: each client has connections of its own."""


class OperationModels:
    """Botocore's models of operations: one for the clients of all regions, since each grows as responses are read."""

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
        """Keep none."""
        self._models.clear()
