"""Sends one request of a shared client, once: the boundary between the AWS client and its transport.

All knowledge of the transport is here. Retries, pages and the checks of a response are elsewhere.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from resources.aws.fast import fast_transport
from resources.aws.transport import BotocoreTransport, OperationModels, SessionTransport
from resources.aws.value_text import AS_TEXT


class Sender:
    """Sends the requests of one role: by the fast transport where it is compatible, else by botocore.

    Args:
        allow: raises for a call that the role's clause does not cover; called with signing name and operation, before
            anything is signed.
        sent: called for each request that the fast transport signs; botocore's events count its own.
        on_response: called with each parsed response to those requests.
    """

    def __init__(
        self,
        allow: Callable[[str, str], None],
        sent: Callable[[], None],
        on_response: Callable[[dict[str, Any]], None],
    ) -> None:
        self._callbacks = (allow, sent, on_response)
        self._models = OperationModels()
        self._lock = threading.Lock()
        self._chosen: SessionTransport | None = None

    def watch(self, session: Any) -> None:
        """Set up a botocore session whose clients will be passed to `send`."""
        self._transport(session).watch(session)

    def carry(self, session: Any) -> None:
        """Set up a botocore session whose clients send by themselves, such as those that fetch credentials."""
        self._transport(session).carry(session)

    def model(self, client: Any, operation: str) -> Any:
        """Botocore's model of an operation, one for the clients of all regions."""
        return self._models.of(client, operation)

    def send(self, client: Any, operation: str, parameters: Mapping[str, Any], credentials: Any) -> dict[str, Any]:
        """The parsed response to one request. `watch` must have been called with the client's session.

        Args:
            credentials: frozen credentials to sign with. Where botocore sends the request, it uses those of the signing
                context.

        Raises:
            ContractViolation: the role's clause does not cover the call. Nothing was signed.
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.BotoCoreError: no response arrived, or the parameters do not fit the operation.
            botocore.parsers.ResponseParserError: the response is invalid.
        """
        transport = self._chosen
        assert transport is not None, "A client sends after its session was watched."
        return transport.send(transport.prepare(client, operation, parameters), credentials)

    def close(self) -> None:
        """Close the connections and drop cached requests and keys. The sender may be used again."""
        if self._chosen is not None:
            self._chosen.close()
        self._models.forget()

    def _transport(self, session: Any) -> SessionTransport:
        """The transport, chosen with the first session, since the comparison of the two loads botocore's models."""
        with self._lock:
            if self._chosen is None:
                loader = session.get_component("data_loader")
                fast = fast_transport(loader, *self._callbacks, self._models, **AS_TEXT)
                self._chosen = fast or BotocoreTransport(**AS_TEXT)
            return self._chosen
