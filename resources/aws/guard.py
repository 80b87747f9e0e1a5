"""The guard: enforces the contract on every session before anything is sent."""

from typing import Any

from resources.contract import Role, check


class Guard:
    """Refuses every operation that the role's clause does not cover, on each session that it watches."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    def watch(self, session: Any) -> None:
        """Guard every client that will be created from a botocore session, whoever creates and uses it."""
        events = session.get_component("event_emitter")
        # This is the first event of every client method, paginator, waiter, resource and presigned URL.
        events.register_first("provide-client-params", self.refuse_operation)
        # Presigned posts and database tokens are signed without the event above.
        events.register_first("before-sign", self.refuse_signature)

    def refuse_operation(self, model: Any, **_: Any) -> None:
        """Refuse an operation before its parameters are validated.

        Raises:
            ContractViolation: the clause does not cover the operation.
        """
        check(self.role, model.service_model.signing_name, model.name)

    def refuse_signature(self, signing_name: str, operation_name: str, request: Any, **_: Any) -> None:
        """Refuse a signature before it is made, by the signing name that the endpoint rules chose.

        Raises:
            ContractViolation: the clause does not cover the operation under that signing name.
        """
        chosen = request.context.get("signing", {}).get("signing_name") or signing_name
        check(self.role, chosen, operation_name)
