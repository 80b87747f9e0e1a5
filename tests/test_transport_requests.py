"""Every request that the contract allows is prepared and signed as botocore does it, wherever it goes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from pipelines.catalogue.registry import listings
from resources.aws.fast.parsers import PROTOCOLS
from resources.aws.fast.self_test import NOT_COMPARED
from resources.aws.fast.sigv4 import SigningKeys, signed
from resources.aws.fast.transport import FastTransport, is_page_token
from resources.aws.service_models import ContractLoader
from resources.aws.transport import Call, OperationModels
from simulator.client import is_foreign

NOW = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)
ONE, TWO = "111122223333", "444455556666"
LOADER = ContractLoader(Loader())
SERVICES = sorted({listing.service for listing in listings().values()} | {"cloudtrail", "sts"})
FEW = ["ec2", "organizations", "sts"]
PROFILE = "[profile w]\nregion = us-east-1\n"


@dataclass(frozen=True)
class World:
    """Where requests go: region, variables and profile.

    Attributes:
        is_left: whether botocore has to send all of them, for what stands in the address.
    """

    region: str = "us-east-1"
    environment: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    services: list[str] = field(default_factory=lambda: SERVICES)
    is_left: bool = False


ENDPOINTS = "services = s\n[services s]\nec2 =\n  endpoint_url = https://[::1]:8443\nrds =\n  endpoint_url = https://rds.internal:443/\n"
WORLDS = {
    "aws": World(),
    "China": World("cn-north-1"),
    "GovCloud": World("us-gov-west-1"),
    "European sovereign cloud": World("eusc-de-east-1"),
    "opt-in region": World("mx-central-1", services=FEW),
    "region that nobody knows": World("xx-new-9", services=["ec2", "sts"]),
    "FIPS": World(environment={"AWS_USE_FIPS_ENDPOINT": "true"}),
    "FIPS by profile": World("us-west-2", profile="use_fips_endpoint = true\n", services=FEW),
    "dualstack": World(environment={"AWS_USE_DUALSTACK_ENDPOINT": "true"}),
    "FIPS and dualstack": World(
        environment={"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, services=FEW
    ),
    "FIPS in GovCloud": World("us-gov-east-1", environment={"AWS_USE_FIPS_ENDPOINT": "true"}, services=FEW),
    "endpoint_url": World(environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}),
    "endpoint_url of a service": World(
        environment={"AWS_ENDPOINT_URL_EC2": "https://vpce-1.ec2.us-east-1.vpce.amazonaws.com"}, services=["ec2", "rds"]
    ),
    "endpoint_urls in a section": World(profile=ENDPOINTS, services=["ec2", "rds", "sts"]),
    "endpoint_url with a path": World(
        environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/aws"}, services=FEW, is_left=True
    ),
    "endpoint_url with a query": World(
        environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/?x=1"}, services=["sts"], is_left=True
    ),
    "endpoint_urls ignored": World(
        environment={"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        profile="endpoint_url = http://127.0.0.1:1\n",
        services=FEW,
    ),
    "STS as it was": World("eu-west-1", environment={"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, services=["sts"]),
    "sigv4a preferred": World(environment={"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a,sigv4"}, services=FEW),
    "sigv4a for all regions": World(
        environment={"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a", "AWS_SIGV4A_SIGNING_REGION_SET": "*"}, services=FEW
    ),
    "compression": World(environment={"AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "1"}, services=["cloudwatch", "ec2"]),
    "defaults and name of an application": World(
        environment={"AWS_DEFAULTS_MODE": "in-region", "AWS_SDK_UA_APP_ID": "x"}, services=["ec2"]
    ),
}
QUICK = ("aws", "endpoint_urls in a section", "endpoint_url with a query", "sigv4a preferred", "FIPS and dualstack")
"""The others take half a minute together."""


def least(shape: Any) -> Any:
    """The least value that a shape takes."""
    kind = shape.type_name
    if kind == "structure":
        return {name: least(member) for name, member in shape.members.items() if name in shape.required_members}
    if kind == "list":
        return [least(shape.member)] * max(1, shape.metadata.get("min", 1))
    if kind == "map":
        return {"k": least(shape.value)}
    if kind == "string":
        return (shape.enum or ["x" * max(8, min(40, shape.metadata.get("min", 8)))])[0]
    if kind == "boolean":
        return True
    if kind in ("integer", "long"):
        return max(1, shape.metadata.get("min", 1))
    if kind in ("double", "float"):
        return 1.0
    return NOW if kind == "timestamp" else b"x"


@cache
def operations(service: str) -> dict[str, dict[str, Any]]:
    """Parameters by operation of the contract."""
    model = ServiceModel(LOADER.load_service_model(service, "service-2"), service)
    shapes = {name: model.operation_model(name).input_shape for name in model.operation_names}
    return {name: least(shape) if shape is not None else {} for name, shape in shapes.items()}


def credentials(account: str) -> ReadOnlyCredentials:
    return ReadOnlyCredentials(f"ASIA{account}", "s" * 40, "t" * 360, account)


class Unsent(Exception):
    """A request, instead of sending it."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def session(asker: list[ReadOnlyCredentials]) -> Any:
    class Asking:
        method = "test"

        def __getattr__(self, name: str) -> Any:
            return getattr(asker[0], name)

        def get_frozen_credentials(self) -> Any:
            return asker[0]

        def get_deferred_property(self, name: str) -> Any:
            return lambda: getattr(asker[0], name)

    class Provider:
        METHOD = "test"
        CANONICAL_NAME = None

        def load(self) -> Any:
            return Asking()

    made = botocore.session.Session(profile="w")
    made.register_component("credential_provider", botocore.credentials.CredentialResolver([Provider()]))
    made.register_component("data_loader", LOADER)
    made.set_default_client_config(Config(retries={"mode": "legacy", "total_max_attempts": 1}))
    return made


def refuse(request: Any, **_: Any) -> None:
    raise Unsent(request)


def sent(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
    """What botocore would send; the class of its error where it sends nothing."""
    try:
        getattr(client, xform_name(operation))(**parameters)
    except Unsent as unsent:
        return unsent.request
    except (BotoCoreError, ValueError) as error:
        return type(error)
    raise AssertionError("It was sent.")


def fast() -> FastTransport:
    return FastTransport(lambda *_: None, lambda: None, lambda _: None, OperationModels())


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def form(url: str, headers: Mapping[str, Any], body: Any) -> Any:
    compared = {name.lower(): text(value) for name, value in headers.items() if name.lower() not in NOT_COMPARED}
    return url.rstrip("/"), compared, body.encode() if isinstance(body, str) else bytes(body or b"")


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def entered(world: World) -> None:
        for name in [name for name in os.environ if is_foreign(name)]:
            monkeypatch.delenv(name)
        (tmp_path / "config").write_text(PROFILE + world.profile)
        (tmp_path / "credentials").write_text("")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)

    yield entered


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.large]) for name in WORLDS]
)
def test_a_request_is_what_botocore_sends(name: str, enter: Any) -> None:
    world = WORLDS[name]
    enter(world)
    asker = [credentials(ONE)]
    theirs, ours = session(asker), session(asker)
    theirs.register("before-send", refuse)
    transport, keys = fast(), SigningKeys()
    transport.watch(ours)
    compared = 0
    for service in world.services:
        plain, quick = (each.create_client(service, region_name=world.region) for each in (theirs, ours))
        protocol = plain.meta.service_model.resolved_protocol
        for operation, parameters in operations(service).items():
            expected = sent(plain, operation, parameters)
            if isinstance(expected, type):
                with pytest.raises((BotoCoreError, ValueError)) as caught:
                    transport.send(transport.prepare(quick, operation, parameters), asker[0])
                assert caught.type is expected, operation
                continue
            prepared = transport.prepare(quick, operation, parameters)
            if isinstance(prepared, Call):
                assert protocol not in PROTOCOLS or world.is_left, operation
                continue
            headers = {text(key).lower(): text(value) for key, value in expected.headers.items()}
            at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            found = form(prepared.unsigned.url, signed(prepared.unsigned, asker[0], keys, at), prepared.unsigned.body)
            assert found == form(expected.url, expected.headers, expected.body), operation
            compared += 1
    assert (compared == 0) == world.is_left


@pytest.mark.parametrize("service", [*SERVICES, "dynamodb"])
def test_a_request_of_two_accounts_holds_neither(service: str, enter: Any) -> None:
    """Whatever an account is asked, under an endpoint of its own too, another's request is not it."""
    enter(World())
    asker = [credentials(ONE)]
    ours, transport = session(asker), fast()
    transport.watch(ours)
    # DynamoDB is nothing that a role may ask; its endpoint is an account's.
    asked = {"ListTables": {}} if service == "dynamodb" else operations(service)
    if service == "dynamodb":
        ours.register_component("data_loader", Loader())
    client = ours.create_client(service, region_name="us-east-1")
    shared = 0
    for operation, parameters in asked.items():
        found = []
        for account in (ONE, TWO):
            asker[0] = credentials(account)
            found.append(transport.prepare(client, operation, parameters))
        if isinstance(found[0], Call):
            continue
        assert found[1] is found[0]
        shared += 1
        unsigned = found[0].unsigned
        written = f"{unsigned.url} {unsigned.host} {unsigned.headers} {unsigned.body!r}"
        assert not any(account in written for account in (ONE, TWO)), operation
    is_fast = client.meta.service_model.resolved_protocol in PROTOCOLS
    assert bool(shared) == (is_fast and service != "dynamodb")


def test_what_an_account_is_requested_itself_goes_to_its_own_endpoint(enter: Any) -> None:
    enter(World())
    asker = [credentials(ONE)]
    ours, transport = session(asker), fast()
    ours.register_component("data_loader", Loader())
    ours.register("before-send", refuse)
    transport.watch(ours)
    client = ours.create_client("dynamodb", region_name="us-east-1")
    hosts = []
    for account in (ONE, TWO):
        asker[0] = credentials(account)
        with pytest.raises(Unsent) as unsent:
            transport.send(transport.prepare(client, "ListTables", {}), asker[0])
        hosts.append(unsent.value.request.url)
    assert hosts == [f"https://{account}.ddb.us-east-1.amazonaws.com/" for account in (ONE, TWO)]


def test_a_request_for_a_page_is_not_kept(enter: Any) -> None:
    enter(World())
    ours, transport = session([credentials(ONE)]), fast()
    transport.watch(ours)
    client = ours.create_client("ec2", region_name="us-east-1")
    first = transport.prepare(client, "DescribeVpcs", {})
    for page in range(3):
        token = {"NextToken": f"t{page}"}
        one, two = (transport.prepare(client, "DescribeVpcs", token) for _ in range(2))
        assert one is not two
        assert one == two
        assert f"NextToken=t{page}".encode() in one.unsigned.body
    assert transport.prepare(client, "DescribeVpcs", {}) is first


@pytest.mark.parametrize("service", SERVICES)
def test_the_parameter_that_says_where_a_page_begins_is_known(service: str) -> None:
    pagination = LOADER.load_service_model(service, "paginators-1")["pagination"]
    stated = [pagination[name].get("input_token", []) for name in operations(service).keys() & pagination.keys()]
    tokens = {token for names in stated for token in ([names] if isinstance(names, str) else names)}
    # What is called of STS has no pages.
    assert bool(tokens) is (service != "sts")
    assert {token for token in tokens if not is_page_token(token)} == set()


def test_the_parameter_that_a_listing_states_for_a_page_is_known() -> None:
    tokens = {listing.token[0] for listing in listings().values() if listing.token is not None}
    assert {token: is_page_token(token) for token in tokens} == {
        "NextToken": True,
        "NextPageToken": True,
        "Marker": True,
    }
