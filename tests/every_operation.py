"""Every operation that the installed botocore can send, read from its models: no client, no network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from botocore.loaders import Loader
from botocore.model import ServiceModel

if TYPE_CHECKING:
    from resources.contract import Role


class Operation(NamedTuple):
    service: str
    """botocore's service name, the one that a client is made with."""
    signing_name: str
    name: str


@cache
def every_operation() -> tuple[Operation, ...]:
    return tuple(_operations())


@cache
def signing_names() -> dict[tuple[str, str], str]:
    return {(operation.service, operation.name): operation.signing_name for operation in every_operation()}


def is_let_through(role: Role, signing_name: str, operation: str) -> bool:
    """Whether the guard lets a role send it."""
    # The trials of the contract's mutants load this module before the contract is changed.
    from resources.contract import ContractViolation, check

    try:
        check(role, signing_name, operation)
    except ContractViolation:
        return False
    return True


def _operations() -> Iterator[Operation]:
    services = Loader().list_available_services("service-2")
    for service in services:
        # A loader keeps every model that it read (450 MB in all): one each, so that they are forgotten.
        loader = Loader()
        # Each would look for every service in its folder first.
        loader.list_available_services = lambda _: services
        model = ServiceModel(loader.load_service_model(service, "service-2"), service)
        for name in model.operation_names:
            yield Operation(service, model.signing_name, name)
