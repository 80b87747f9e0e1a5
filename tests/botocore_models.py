"""botocore's models of services, each read once in a process: that of EC2 takes a tenth of a second."""

import functools

import botocore.session
from botocore.model import OperationModel, ServiceModel


@functools.cache
def _session() -> botocore.session.Session:
    """One for all, whose loader finds out once which services there are."""
    return botocore.session.Session()


@functools.cache
def service_model(service: str) -> ServiceModel:
    """The model of a service by botocore's name of it."""
    return _session().get_service_model(service)


def operation_model(service: str, operation: str) -> OperationModel:
    """The model of one of its operations."""
    return service_model(service).operation_model(operation)
