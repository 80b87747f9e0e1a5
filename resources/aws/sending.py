"""Sends one request of a shared client, once: the seam between the client of AWS and its transport.

Everything that the client knows of the transport stands here. Patience, pages and what an answer is worth do not.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore import xform_name

from resources.aws.fast.parsers import FastParsers
from resources.aws.fast.transport import Wire
from resources.aws.value_text import blob_text, iso_text


class Sender:
    """Sends the requests of one role: by the fast transport where it can, else by botocore.

    Args:
        allow: refuses what the role may not do: given the signing name and the operation, before anything is signed.
        sent: told of each request that the fast transport sends; botocore's are counted by its own events.
        answered: given each answer to those, as parsed.
    """

    def __init__(
        self,
        allow: Callable[[str, str], None],
        sent: Callable[[], None],
        answered: Callable[[dict[str, Any]], None],
    ) -> None:
        self._wire = Wire(allow, sent, answered)

    def watch(self, session: Any) -> None:
        """Set up a botocore session whose clients are to send through here."""
        session.register_component(
            "response_parser_factory", FastParsers(timestamp_parser=iso_text, blob_parser=blob_text)
        )
        self._wire.watch(session)

    def adopt(self, client: Any) -> None:
        """Let a client of such a session use the connections of those before it."""
        self._wire.share_connections(client)

    def model(self, client: Any, operation: str) -> Any:
        """Botocore's model of an operation, the same one for the clients of all regions."""
        return self._wire.model(client, operation)

    def send(self, client: Any, operation: str, parameters: Mapping[str, Any], credentials: Any) -> dict[str, Any]:
        """One request and its answer, as parsed.

        Args:
            credentials: whose signature, frozen. Where botocore sends it, it takes those of the signing context.

        Raises:
            ContractViolation: the role's clause does not cover it. Nothing was signed.
            botocore.exceptions.ClientError: AWS refused.
            botocore.exceptions.BotoCoreError: nothing came back, or the parameters are not the operation's.
            botocore.parsers.ResponseParserError: what came back is no answer.
        """
        made = self._wire.make(client, operation, parameters)
        if made is not None:
            return self._wire.send(client, operation, made, credentials)
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
        return answer

    def close(self) -> None:
        """Close the connections and forget requests and keys. May be used again."""
        self._wire.close()
