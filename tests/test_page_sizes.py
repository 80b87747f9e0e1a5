"""What a listing asks for is within what AWS takes: botocore holds a number to its least, and not to its most."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from botocore_models import operation_model

from pipelines.catalogue.registry import listings
from resources.aws.listing import Listing
from resources.aws.paging import TOKEN_FIELDS


def input_shape(service: str, operation: str) -> Any:
    return operation_model(service, operation).input_shape


def out_of_bounds(shape: Shape, parameters: dict[str, Any]) -> dict[str, Any]:
    """The numbers among the parameters that are not within the bounds of botocore's model."""
    found = {}
    for name, value in parameters.items():
        bounds = shape.members[name].metadata
        if isinstance(value, int) and not bounds.get("min", value) <= value <= bounds.get("max", value):
            found[name] = value
    return found


ASKING = [listing for listing in listings().values() if listing.parameters]


@pytest.mark.parametrize("listing", ASKING, ids=lambda listing: listing.name)
def test_a_listing_requests_no_larger_page_than_aws_gives(listing: Listing) -> None:
    assert out_of_bounds(input_shape(listing.service, listing.operation), dict(listing.parameters)) == {}


def test_a_page_that_is_too_large_or_too_small_is_seen() -> None:
    shape = input_shape("ec2", "DescribeRouteTables")
    assert out_of_bounds(shape, {"MaxResults": 100}) == {}
    assert out_of_bounds(shape, {"MaxResults": 101}) == {"MaxResults": 101}
    assert out_of_bounds(shape, {"MaxResults": 4}) == {"MaxResults": 4}


def test_every_listing_whose_response_has_a_token_reads_the_pages_that_follow() -> None:
    """botocore does not know of every operation that it has pages: a listing may name the token itself."""
    session = botocore.session.Session()
    unread = []
    for listing in listings().values():
        shape = operation_model(listing.service, listing.operation).output_shape
        known = session.get_component("data_loader").load_service_model(listing.service, "paginators-1")["pagination"]
        has_pages = listing.token is not None or listing.operation in known or listing.first_page_only
        if shape is not None and set(TOKEN_FIELDS) & set(shape.members) and not has_pages:
            unread.append(listing.name)
    assert unread == []


HIDES = [listing for listing in listings().values() if listing.service == "ec2"]


@pytest.mark.parametrize("listing", HIDES, ids=lambda listing: listing.name)
def test_a_listing_requests_what_an_account_hides(listing: Listing) -> None:
    """What AWS services keep in an account is left out of every response but to who requests it."""
    if "IncludeManagedResources" in input_shape(listing.service, listing.operation).members:
        assert listing.parameters.get("IncludeManagedResources") is True


def test_some_operations_hide_resources() -> None:
    found = [one for one in HIDES if "IncludeManagedResources" in input_shape(one.service, one.operation).members]
    assert {"ec2_instance", "ec2_network_interface", "ec2_volume"} <= {one.name for one in found}
