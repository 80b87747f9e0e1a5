"""Answers in XML are read as botocore reads them, to the order of the fields, whatever stands in them."""

from __future__ import annotations

import json
import random
from typing import Any
from xml.sax.saxutils import escape

import pytest
from botocore.parsers import ResponseParserError, create_parser
from botocore_models import service_model

from pipelines.catalogue import registry as catalogue
from resources.aws.fast.parsers import FastParsers
from resources.aws.listing import Listing
from resources.aws.response_parsers import Parsers
from resources.aws.responses import ROOTS, ForeignResponse

PROTOCOLS = ("ec2", "query")


def listings() -> list[Listing]:
    calls = {listing.call: listing for listing in catalogue.listings().values()}
    return [listing for listing in calls.values() if service_model(listing.service).resolved_protocol in PROTOCOLS]


class Writer:
    """Writes an element of a shape: what it has and in which order is left to chance, and so is what is odd in it."""

    def __init__(self, seed: int, odd: float) -> None:
        self.chance = random.Random(seed)
        self.odd = odd
        self.has_list_twice = False

    def is_odd(self) -> bool:
        return self.chance.random() < self.odd

    def element(self, tag: str, shape: Any, depth: int) -> str:
        return f"<{tag}>{self.content(shape, depth)}</{tag}>"

    def content(self, shape: Any, depth: int) -> str:
        kind = shape.type_name
        if kind == "structure":
            return "" if depth > 6 else self.members(shape, depth)
        if kind == "list":
            tag = shape.member.serialization.get("name") or "member"
            return "".join(self.element(tag, shape.member, depth + 1) for _ in range(self.chance.randint(0, 2)))
        if kind == "map":
            return "<entry><key>k</key><value>v</value></entry>"
        if kind == "boolean":
            return self.chance.choice(("true", "false", "True"))
        if kind in ("integer", "long"):
            return str(self.chance.randint(-9, 10**12))
        if kind in ("float", "double"):
            return "1.5"
        if kind == "timestamp":
            return self.chance.choice(("2026-11-25T01:02:03.000Z", "2026-11-25T01:02:03+00:00"))
        return self.chance.choice(("", " ", "ein Wörtchen", escape("<&>"), "0123"))

    def members(self, shape: Any, depth: int) -> str:
        written: list[str] = []
        for name, member in shape.members.items():
            if self.chance.random() < 0.6:
                tag = member.serialization.get("name") or name
                written.append(self.element(tag, member, depth + 1))
                if self.is_odd():
                    written.append(self.element(tag, member, depth + 1))
                    self.has_list_twice |= member.type_name == "list"
        if self.is_odd():
            written.append("<notInTheModel><item>1</item></notInTheModel>")
        if self.is_odd():
            written.append("<!-- said on the way -->")
        self.chance.shuffle(written)
        return "".join(written)


def answer(listing: Listing, writer: Writer) -> bytes:
    model = service_model(listing.service)
    shape = model.operation_model(listing.operation).output_shape
    inner = writer.content(shape, 0)
    if "resultWrapper" in shape.serialization:
        wrapper = shape.serialization["resultWrapper"]
        inner = f"<{wrapper}>{inner}</{wrapper}><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    else:
        inner += "<requestId>r</requestId>"
    return f'<{listing.operation}Response xmlns="http://aws/{writer.chance.randrange(2)}/">{inner}</{listing.operation}Response>'.encode()


def read(parser: Any, body: bytes, shape: Any, status: int = 200, operation: str = "DescribeVpcs") -> Any:
    context = {"operation_name": operation}
    response = {"headers": {"X-A": "b"}, "status_code": status, "body": body, "context": context}
    try:
        return parser.parse(response, shape)
    except (ResponseParserError, ValueError, TypeError, AttributeError, KeyError) as error:
        return type(error)


def as_text(found: Any) -> str:
    """What was read, as text: of text that stands twice botocore makes a list of elements."""
    return json.dumps(found, default=lambda element: (element.tag, element.text))


WAYS = pytest.mark.parametrize("parsers", [FastParsers, Parsers], ids=["fast", "plain"])
SETTINGS: dict[str, Any] = {"timestamp_parser": str.upper, "blob_parser": str}


@WAYS
@pytest.mark.parametrize("listing", listings(), ids=lambda listing: listing.call)
def test_what_comes_of_a_response_is_what_botocore_makes_of_it(parsers: Any, listing: Listing) -> None:
    model = service_model(listing.service)
    shape = model.operation_model(listing.operation).output_shape
    theirs = create_parser(model.resolved_protocol)
    theirs.__init__(timestamp_parser=str.upper, blob_parser=str)
    ours = parsers(**SETTINGS).create_parser(model.resolved_protocol)
    seen = set()
    for seed in range(6):
        writer = Writer(seed, 0.0 if seed < 4 else 0.05)
        body = answer(listing, writer)
        expected, found = read(theirs, body, shape), read(ours, body, shape, operation=listing.operation)
        if found is ForeignResponse:
            assert writer.has_list_twice, body
            continue
        assert as_text(found) == as_text(expected), body
        seen.add(as_text(expected))
    assert len(seen) > 1


@WAYS
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<Response><Errors><Error><Code>A</Code></Error></Errors><RequestID>r</RequestID></Response>", 400),
        (b"<ErrorResponse><Error><Code>A</Code></Error><RequestId>r</RequestId></ErrorResponse>", 403),
        (b"<html><body>Bad gateway</body></html>", 502),
        (b"", 503),
        (b"", 200),
        (b"<DescribeVpcsResponse/>", 200),
        (b"<DescribeVpcsResponse><vpcSet><item>", 200),
        (b"<DescribeVpcsResponse><vpcSet><item><isDefault>a</isDefault></item></vpcSet></DescribeVpcsResponse>", 200),
        (b"<DescribeVpcsResponse><vpcSet>text<item/></vpcSet></DescribeVpcsResponse>", 200),
        (b"{}", 200),
    ],
)  # fmt: skip
def test_errors_and_nonsense_are_what_they_are_for_botocore(parsers: Any, body: bytes, status: int) -> None:
    shape = service_model("ec2").operation_model("DescribeVpcs").output_shape
    for protocol in PROTOCOLS:
        expected = read(create_parser(protocol), body, shape, status)
        assert read(parsers().create_parser(protocol), body, shape, status) == expected


S3_LIST = b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"


@WAYS
@pytest.mark.parametrize(
    ("name", "operation", "body", "how"),
    [
        ("ec2", "DescribeVpcs", b"<html><vpcSet/></html>", "with <html> in place of <DescribeVpcsResponse>"),
        ("ec2", "DescribeVpcs", b"<DescribeSubnetsResponse><vpcSet/></DescribeSubnetsResponse>", "<DescribeSubnetsRes"),
        ("ec2", "DescribeVpcs", b"<Response><Errors/><vpcSet/></Response>", "with <Response> in place of"),
        ("ec2", "DescribeVpcs", b"<DescribeVpcsResponse><vpcSet>no</vpcSet></DescribeVpcsResponse>", "with text in pl"),
        ("ec2", "DescribeVpcs", b"<DescribeVpcsResponse><vpcSet/><vpcSet/></DescribeVpcsResponse>", "a list given twi"),
        (
            "rds",
            "DescribeDBInstances",
            b"<ErrorResponse><DescribeDBInstancesResult><DBInstances/></DescribeDBInstancesResult></ErrorResponse>",
            "with <ErrorResponse> in place of <DescribeDBInstancesResponse>",
        ),
        ("s3", "ListBuckets", b"", "with an empty body"),
        ("s3", "ListBuckets", b"<Error><Code>AccessDenied</Code></Error>", "with <Error> in place of <ListAllMyBuck"),
        ("s3", "ListBuckets", S3_LIST.replace(b"/>", b">no</Buckets>"), "with text in place of a list"),
        ("s3", "ListObjectsV2", S3_LIST, "with <ListAllMyBucketsResult> in place of <ListBucketResult>"),
        ("s3control", "ListTagsForResource", S3_LIST, "in place of <ListTagsForResourceResult>"),
        ("s3", "HeadBucket", S3_LIST, "its root is not in resources/aws/responses.py ROOTS"),
    ],
)
def test_what_is_no_response_is_said_to_be_none(parsers: Any, name: str, operation: str, body: bytes, how: str) -> None:
    model = service_model(name)
    context = {"operation_name": operation}
    said = {"headers": {}, "status_code": 200, "body": body, "context": context}
    parser = parsers(**SETTINGS).create_parser(model.resolved_protocol)
    with pytest.raises(ForeignResponse) as caught:
        parser.parse(said, model.operation_model(operation).output_shape)
    assert how in str(caught.value)


@WAYS
def test_a_response_of_rest_with_xml_is_what_botocore_makes_of_it(parsers: Any) -> None:
    shape = service_model("s3").operation_model("ListBuckets").output_shape
    body = S3_LIST.replace(
        b"<Buckets/>", b"<Buckets><Bucket><Name>b</Name></Bucket></Buckets><Owner><ID>o</ID></Owner>"
    )
    expected = read(create_parser("rest-xml"), body, shape, operation="ListBuckets")
    assert expected["Buckets"] == [{"Name": "b"}]
    assert read(parsers(**SETTINGS).create_parser("rest-xml"), body, shape, operation="ListBuckets") == expected


def test_every_root_of_rest_with_xml_is_known() -> None:
    # Where the response is an object, it has the object's own root.
    asked = {
        listing.operation
        for listing in catalogue.listings().values()
        if is_rest_xml(listing)
        and not service_model(listing.service).operation_model(listing.operation).has_streaming_output
    }
    assert asked == set(ROOTS)


def is_rest_xml(listing: Listing) -> bool:
    return bool(service_model(listing.service).resolved_protocol == "rest-xml")


@WAYS
@pytest.mark.parametrize(
    ("body", "tags"),
    [
        (b"<ListTagsForResourceResult/>", []),
        (b"<ListTagsForResourceResult><Tags/></ListTagsForResourceResult>", []),
        (b"<ListTagsForResourceResult><Other/></ListTagsForResourceResult>", None),
    ],
)
def test_a_bucket_without_tags_has_none_whether_or_not_the_empty_list_is_sent(
    parsers: Any, body: bytes, tags: list[object] | None
) -> None:
    model = service_model("s3control")
    said = {"headers": {}, "status_code": 200, "body": body, "context": {"operation_name": "ListTagsForResource"}}
    parsed = (
        parsers(**SETTINGS)
        .create_parser(model.resolved_protocol)
        .parse(said, model.operation_model("ListTagsForResource").output_shape)
    )
    assert parsed.get("Tags") == tags
