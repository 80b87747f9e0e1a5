"""Sends one request of a shared client, once: the seam between the client of AWS and its transport.

Everything that the client knows of the transport stands here. Patience, pages and what an answer is worth do not.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from resources.aws.fast import fast_transport
from resources.aws.transport import BotocoreTransport, OperationModels, SessionTransport
from resources.aws.value_text import AS_TEXT


class Sender:
    """Sends the requests of one role: by the fast transport where it suits, else by botocore.

    Args:
        allow: refuses what the role may not do: given the signing name and the operation, before anything is signed.
        sent: told of each request that the fast transport signs; botocore's are counted by its own events.
        on_response: given each answer to those, as parsed.
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
        """Set up a botocore session whose clients are to send through here."""
        self._transport(session).watch(session)

    def carry(self, session: Any) -> None:
        """Set up a botocore session whose clients send by themselves, such as those that ask for credentials."""
        self._transport(session).carry(session)

    def model(self, client: Any, operation: str) -> Any:
        """Botocore's model of an operation, the same one for the clients of all regions."""
        return self._models.of(client, operation)

    def send(self, client: Any, operation: str, parameters: Mapping[str, Any], credentials: Any) -> dict[str, Any]:
        """One request and its answer, as parsed. The client is of a session that `watch` was given.

        Args:
            credentials: whose signature, frozen. Where botocore sends it, it takes those of the signing context.

        Raises:
            ContractViolation: the role's clause does not cover it. Nothing was signed.
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.BotoCoreError: nothing came back, or the parameters are not the operation's.
            botocore.parsers.ResponseParserError: what came back is no answer.
        """
        transport = self._chosen
        assert transport is not None, "A client sends after its session was watched."
        return transport.send(transport.prepare(client, operation, parameters), credentials)

    def close(self) -> None:
        """Close the connections and forget requests and keys. May be used again."""
        if self._chosen is not None:
            self._chosen.close()
        self._models.forget()

    def _transport(self, session: Any) -> SessionTransport:
        """The transport, chosen when the first session comes: comparing the two reads botocore's models."""
        with self._lock:
            if self._chosen is None:
                loader = session.get_component("data_loader")
                fast = fast_transport(loader, *self._callbacks, self._models, **AS_TEXT)
                self._chosen = fast or BotocoreTransport(**AS_TEXT)
            return self._chosen
