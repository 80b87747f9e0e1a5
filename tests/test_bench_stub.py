"""The stub of the benchmark knows what the product asks: a new listing must not end `make bench`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from bench import certificate
from bench.stage import Stage, staged
from pipelines.catalogue.registry import listings

REGION = "us-east-1"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("bench")
    with staged(folder, certificate.make(folder), 1, [REGION], 0.0) as started:
        yield started


def without_parameters() -> list[str]:
    """The calls of all listings that can be sent without a parameter, and what of a parent is not in the request."""
    session = botocore.session.get_session()
    calls = {listing.call for listing in listings().values() if listing.each is None or not listing.each.parameter}
    models = {service: session.get_service_model(service) for service in {call.split(":")[0] for call in calls}}
    shapes = {call: models[call.split(":")[0]].operation_model(call.split(":")[1]).input_shape for call in calls}
    return sorted(call for call, shape in shapes.items() if shape is None or not shape.required_members)


def test_the_stub_responds_every_listing_of_the_product_or_refuses_it_as_not_granted(stage: Stage) -> None:
    unknown = []
    for call in without_parameters():
        service, operation = call.split(":")
        client = stage.client(service, stage.accounts[0], REGION, parameter_validation=False)
        try:
            client._make_api_call(operation, {})
        except ClientError as error:
            if error.response["Error"]["Code"] == "UnknownOperationException":
                unknown.append(f"{call}: {error}")
        except BotoCoreError as error:  # A connection that ends is no answer either.
            unknown.append(f"{call}: {error}")
    assert not unknown


def test_a_program_and_the_stub_have_the_clock_of_some_days_ago(stage: Stage) -> None:
    def clocks() -> tuple[datetime, datetime]:
        """The program's, and the stub's by when credentials that it gives for an hour expire."""
        program = [sys.executable, "-c", "from datetime import *; print(datetime.now(UTC).isoformat())"]
        said = subprocess.run(
            program, env={**stage.environment, **clock}, capture_output=True, text=True, check=True, timeout=60
        )
        sts = stage.client("sts", "111111111111", REGION)
        given = sts.assume_role(RoleArn="arn:aws:iam::111111111111:role/CMDBReader", RoleSessionName="test")
        return datetime.fromisoformat(said.stdout.strip()), given["Credentials"]["Expiration"] - timedelta(hours=1)

    clock = stage.set_back(3)
    try:
        assert all(timedelta(days=3) <= datetime.now(UTC) - at < timedelta(days=3, hours=1) for at in clocks())
    finally:
        clock = stage.set_back(0)
    assert not clock
    assert all(datetime.now(UTC) - at < timedelta(hours=1) for at in clocks())
