"""The guard: what the contract says, said by every session before anything is sent."""

from typing import Any

from resources.contract import Role, check


class Guard:
    """Refuses, on every session it is put on, what the role's clause does not cover."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    def watch(self, session: Any) -> None:
        """Guard every client that will be made from a botocore session, whoever makes and uses it."""
        events = session.get_component("event_emitter")
        # The first event of every client method, paginator, waiter, resource and presigned URL.
        events.register_first("provide-client-params", self.refuse_operation)
        # Presigned posts and database tokens are signed without it.
        events.register_first("before-sign", self.refuse_signature)

    def refuse_operation(self, model: Any, **_: Any) -> None:
        """Before parameters are even looked at.

        Raises:
            ContractViolation: the clause does not cover it.
        """
        check(self.role, model.service_model.signing_name, model.name)

    def refuse_signature(self, signing_name: str, operation_name: str, request: Any, **_: Any) -> None:
        """Before anything is signed, under the name that the endpoint's rules chose.

        Raises:
            ContractViolation: the clause does not cover it.
        """
        chosen = request.context.get("signing", {}).get("signing_name") or signing_name
        check(self.role, chosen, operation_name)
