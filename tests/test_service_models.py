"""What the shared clients know of AWS: all that the contract lets some role ask, whole, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, StructureShape

from resources.aws.service_models import ContractLoader, OnceLoader, _undocumented
from resources.contract import ROLES, allows, iam_action


def described(shape: Any, seen: frozenset[str] = frozenset()) -> Any:
    """A shape with everything below it; a shape within itself by its name alone."""
    if shape is None or shape.name in seen:
        return shape and shape.name
    inner = seen | {shape.name}
    if isinstance(shape, StructureShape):
        return [shape.name, shape.serialization, {n: described(m, inner) for n, m in shape.members.items()}]
    if isinstance(shape, ListShape):
        return [shape.name, shape.serialization, described(shape.member, inner)]
    if isinstance(shape, MapShape):
        return [shape.name, described(shape.key, inner), described(shape.value, inner)]
    return [shape.name, shape.type_name, shape.serialization, shape.metadata]


@pytest.mark.parametrize("service", ["cloudwatch", "ec2", "organizations", "s3", "s3control", "sts"])
def test_what_some_role_may_request_is_there_whole_and_nothing_else_is(service: str) -> None:
    loader = ContractLoader(Loader())
    whole = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    cut = ServiceModel(loader.load_service_model(service, "service-2"), service)
    may = {
        name
        for name in whole.operation_names
        if any(allows(role, iam_action(whole.signing_name, name)) for role in ROLES)
    }
    assert may
    assert set(cut.operation_names) == may < loader.operation_names(service) == set(whole.operation_names)
    assert cut.metadata == whole.metadata
    for name in may:
        ours, theirs = cut.operation_model(name), whole.operation_model(name)
        assert ours.http == theirs.http
        for part in ("input_shape", "output_shape"):
            assert described(getattr(ours, part)) == described(getattr(theirs, part)), (name, part)
        assert [error.name for error in ours.error_shapes] == [error.name for error in theirs.error_shapes]


def test_which_services_there_are_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    find = Loader._potential_locations

    def counted(loader: Any, name: str | None = None, *args: Any, **options: Any) -> Any:
        found.extend(["services"] if name is None else [])
        return find(loader, name, *args, **options)

    monkeypatch.setattr(Loader, "_potential_locations", counted)
    loader = ContractLoader(OnceLoader())
    for service in ("sts", "budgets", "s3"):
        loader.load_service_model(service, "service-2")
    assert found == ["services"]


def test_everything_else_is_read_as_botocore_reads_it() -> None:
    loader = ContractLoader(Loader())
    assert loader.load_data("endpoints") == Loader().load_data("endpoints")
    assert loader.load_service_model("ec2", "paginators-1") == Loader().load_service_model("ec2", "paginators-1")
    assert loader.search_paths == Loader().search_paths
    with pytest.raises(UnknownServiceError):
        loader.load_service_model("no-such-service", "service-2")


def test_a_file_that_many_threads_want_at_once_is_read_once_and_kept_once() -> None:
    loader, all_there = OnceLoader(), Barrier(4)

    def read(_: int) -> Any:
        all_there.wait(timeout=10)
        return loader.load_data("endpoints"), loader.load_service_model("sso", "service-2")

    with ThreadPoolExecutor(4) as pool:
        (endpoints, model), *others = pool.map(read, range(4))
    assert endpoints == Loader().load_data("endpoints")
    assert model == Loader().load_service_model("sso", "service-2")
    assert all(found is endpoints and other is model for found, other in others)


def test_what_is_written_for_people_is_cut_off_and_a_member_of_that_name_is_not() -> None:
    loader = ContractLoader(Loader())
    for service in ("ec2", "lambda", "s3"):
        shapes = loader.load_service_model(service, "service-2")["shapes"].values()
        assert {shape["documentation"] for shape in shapes if "documentation" in shape} == {""}
    # A client of S3 wants it to be there.
    model = ServiceModel(loader.load_service_model("s3", "service-2"), "s3")
    assert {parameter.documentation for parameter in model.client_context_parameters} == {""}
    named = {"members": {"documentation": {"shape": "String", "documentation": "What it says."}}}
    assert _undocumented(named) == {"members": {"documentation": {"shape": "String", "documentation": ""}}}
