"""botocore's models of AWS's services, reduced to the operations that the contract allows to any role.

Roles may send fewer than 200 of EC2's 830 operations, and each client holds a part of its service's whole model.
Without the other operations and the documentation texts, the models and clients of a run take half the memory. A
removed operation could not be sent anyway: the guard refuses it.
"""

import threading
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import botocore.session
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from resources.aws.responses import EMPTY_MEANS_NONE
from resources.contract import iam_action, roles_allowing

GLOBAL_SERVICE_REGIONS: Mapping[str, str] = MappingProxyType(
    {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}
)
"""The region that a service without regions is called in and signed for, by partition."""


class OnceLoader(Loader):  # type: ignore[misc]  # botocore publishes no types
    """A botocore loader that reads each file once, even if many threads need it at the same time.

    With botocore's own loader each of these threads reads the file and keeps a copy: 7 MB each for the endpoints alone.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._reading = threading.RLock()

    def load_data_with_path(self, name: str) -> Any:
        """The content of a botocore data file, and its path."""
        with self._reading:
            return super().load_data_with_path(name)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Botocore's model of a service."""
        with self._reading:
            return super().load_service_model(service_name, type_name, api_version)


class _Reader(Loader):  # type: ignore[misc]  # botocore publishes no types
    """A loader for one model, so that the whole model is not cached; which services there are, another one has cached.

    To find that out it would look into each of 400 folders.
    """

    def __init__(self, whole: Any) -> None:
        super().__init__(extra_search_paths=list(whole.search_paths))
        self._whole = whole

    def list_available_services(self, type_name: str) -> Any:
        """The names of all services."""
        return self._whole.list_available_services(type_name)


class ContractLoader:
    """A botocore loader whose service models contain only the operations that some role may send.

    Args:
        whole: loads all other data, such as endpoints and paginators.
    """

    def __init__(self, whole: Any) -> None:
        self._whole = whole
        self._lock = threading.Lock()
        self._models: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._operations: dict[str, frozenset[str]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Botocore's model of a service; for `service-2`, which describes the operations, only the allowed ones.

        Raises:
            botocore.exceptions.UnknownServiceError: there is no such service.
        """
        if type_name != "service-2":
            return self._whole.load_service_model(service_name, type_name, api_version)
        key = (service_name, api_version)
        with self._lock:
            if key not in self._models:
                model = _Reader(self._whole).load_service_model(service_name, type_name, api_version)
                self._operations[service_name] = frozenset(model["operations"])
                self._models[key] = _without_documentation(model)
            return self._models[key]

    def operation_names(self, service_name: str) -> frozenset[str]:
        """Every operation of a service, allowed or not.

        Raises:
            botocore.exceptions.UnknownServiceError: there is no such service.
        """
        self.load_service_model(service_name, "service-2")
        return self._operations[service_name]


def _without_documentation(model: dict[str, Any]) -> dict[str, Any]:
    facts = model["metadata"]
    signing_name = facts.get("signingName") or facts["endpointPrefix"]
    operations = {
        name: operation
        for name, operation in model["operations"].items()
        if roles_allowing(iam_action(signing_name, name))
    }
    shapes: dict[str, Any] = model["shapes"]
    kept: set[str] = set()
    waiting = list(_shapes_in(operations))
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting += _shapes_in(shapes[name])
    cut = {"operations": operations, "shapes": {n: shape for n, shape in shapes.items() if n in kept}}
    undocumented: dict[str, Any] = _undocumented({**model, **cut})
    return undocumented


def _undocumented(part: Any) -> Any:
    """A part of a model without its documentation texts, which are half of it."""
    if isinstance(part, dict):
        # A shape may have a member of this name; its value is then no text.
        return {
            name: "" if name == "documentation" and isinstance(value, str) else _undocumented(value)
            for name, value in part.items()
        }
    return [_undocumented(value) for value in part] if isinstance(part, list) else part


def _shapes_in(part: Any) -> Iterator[str]:
    """The shapes that a part of a model refers to."""
    if isinstance(part, dict):
        name = part.get("shape")
        if isinstance(name, str):
            yield name
        for value in part.values():
            yield from _shapes_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from _shapes_in(value)


class ServiceModels:
    """botocore's data about services. No request is sent."""

    def __init__(self, loader: ContractLoader) -> None:
        self._loader = loader
        self._session = botocore.session.Session()
        self._session.register_component("data_loader", loader)
        self._homes: dict[tuple[str, str], str] = {}
        self._offers: dict[tuple[str, str], bool] = {}
        self._paginations: dict[tuple[str, str], dict[str, Any] | None] = {}

    def _service_model(self, service: str) -> Any:
        try:
            return self._session.get_service_model(service)
        except UnknownServiceError:
            raise ValueError(f"botocore knows no service {service}.") from None

    def enum_values(self, service: str, shape: str) -> tuple[str, ...]:
        """The values of an enum in botocore's model.

        Raises:
            ValueError: there is no such service or enum.
        """
        model = self._service_model(service)
        values = model.shape_for(shape).enum if shape in model.shape_names else ()
        if not values:
            raise ValueError(f"botocore knows no enum {service}:{shape}.")
        return tuple(values)

    def signing_name(self, service: str, operation: str) -> str:
        """The name that an operation's requests are signed with.

        Raises:
            ValueError: botocore knows no such service or operation.
        """
        model = self._service_model(service)
        if operation not in self._loader.operation_names(service):
            raise ValueError(f"botocore knows no operation {service}:{operation}.")
        return str(model.signing_name)

    def lasting_members(self, service: str, operation: str) -> frozenset[str]:
        """The members of an operation's response, except lists that have no XML element while they are empty.

        Such a list counts as a member where an empty root is known to mean that it is empty.
        """
        known = EMPTY_MEANS_NONE.get(operation, ())
        shape = self._service_model(service).operation_model(operation).output_shape
        members = shape.members.items() if shape is not None else ()
        return frozenset(name for name, member in members if name in known or not member.serialization.get("flattened"))

    def pagination(self, service: str, operation: str) -> dict[str, Any] | None:
        """Botocore's paginator settings of an operation; None where it has none."""
        key = (service, operation)
        if key not in self._paginations:
            try:
                model = self._session.get_paginator_model(service)
                self._paginations[key] = model.get_paginator(operation)
            except (DataNotFoundError, ValueError):
                self._paginations[key] = None
        return self._paginations[key]

    def offers(self, service: str, region: str) -> bool:
        """Whether a service is in a region. True for a service without regions, and for regions newer than botocore."""
        key = (service, region)
        if key not in self._offers:
            partition = self._session.get_partition_for_region(region)
            known = self._session.get_available_regions(service, partition)
            newer = region not in self._session.get_available_regions("ec2", partition)
            self._offers[key] = region in known or not known or newer
        return self._offers[key]

    def home_of(self, service: str, home_region: str) -> str:
        """The region for a global listing: the home region if the service has regions, else the service's only one."""
        key = (service, home_region)
        if key not in self._homes:
            partition = self._session.get_partition_for_region(home_region)
            regions = self._session.get_available_regions(service, partition)
            place = GLOBAL_SERVICE_REGIONS.get(partition, home_region)
            self._homes[key] = home_region if regions else place
        return self._homes[key]


@cache
def service_models(loader: ContractLoader) -> ServiceModels:
    """One instance for all roles, since each would hold the same data."""
    return ServiceModels(loader)
