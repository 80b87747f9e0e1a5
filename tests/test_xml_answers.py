"""Answers in XML are read as botocore reads them, to the order of the fields, whatever stands in them."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserError, create_parser

from pipelines import catalogue
from resources.listing import Listing
from resources.parsers import Parsers

PROTOCOLS = ("ec2", "query")


@cache
def service(name: str) -> Any:
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def listings() -> list[Listing]:
    calls = {listing.call: listing for listing in catalogue.listings().values()}
    return [listing for listing in calls.values() if service(listing.service).resolved_protocol in PROTOCOLS]


class Writer:
    """Writes an element of a shape: what it has and in which order is left to chance, and so is what is odd in it."""

    def __init__(self, seed: int, odd: float) -> None:
        self.chance = random.Random(seed)
        self.odd = odd

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
        if self.is_odd():
            written.append("<notInTheModel><item>1</item></notInTheModel>")
        if self.is_odd():
            written.append("<!-- said on the way -->")
        self.chance.shuffle(written)
        return "".join(written)


def answer(listing: Listing, writer: Writer) -> bytes:
    model = service(listing.service)
    shape = model.operation_model(listing.operation).output_shape
    inner = writer.content(shape, 0)
    if "resultWrapper" in shape.serialization:
        wrapper = shape.serialization["resultWrapper"]
        inner = f"<{wrapper}>{inner}</{wrapper}><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    else:
        inner += "<requestId>r</requestId>"
    return f'<{listing.operation}Response xmlns="http://aws/{writer.chance.randrange(2)}/">{inner}</{listing.operation}Response>'.encode()


def read(parser: Any, body: bytes, shape: Any, status: int = 200) -> Any:
    response = {"headers": {"X-A": "b"}, "status_code": status, "body": body, "context": {"operation_name": "o"}}
    try:
        return parser.parse(response, shape)
    except (ResponseParserError, ValueError, TypeError, AttributeError, KeyError) as error:
        return type(error)


PARSERS = Parsers(timestamp_parser=str.upper, blob_parser=str)


@pytest.mark.parametrize("listing", listings(), ids=lambda listing: listing.call)
def test_what_comes_of_an_answer_is_what_botocore_makes_of_it(listing: Listing) -> None:
    model = service(listing.service)
    shape = model.operation_model(listing.operation).output_shape
    theirs = create_parser(model.resolved_protocol)
    theirs.__init__(timestamp_parser=str.upper, blob_parser=str)
    ours = PARSERS.create_parser(model.resolved_protocol)
    seen = set()
    for seed in range(6):
        body = answer(listing, Writer(seed, 0.0 if seed < 4 else 0.05))
        expected = read(theirs, body, shape)
        assert json.dumps(read(ours, body, shape)) == json.dumps(expected), body
        seen.add(json.dumps(expected))
    assert len(seen) > 1


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
        (b"<R><vpcSet><item><isDefault>true</isDefault></item></vpcSet><vpcSet><item/></vpcSet></R>", 200),
        (b"<R><vpcSet>text<item/></vpcSet><vpcSet/></R>", 200),
        (b"{}", 200),
    ],
)  # fmt: skip
def test_errors_and_nonsense_are_what_they_are_for_botocore(body: bytes, status: int) -> None:
    shape = service("ec2").operation_model("DescribeVpcs").output_shape
    for protocol in PROTOCOLS:
        expected = read(create_parser(protocol), body, shape, status)
        assert read(Parsers().create_parser(protocol), body, shape, status) == expected


def test_other_protocols_have_the_parsers_of_botocore() -> None:
    assert type(PARSERS.create_parser("rest-xml")) is type(create_parser("rest-xml"))
    assert PARSERS.create_parser("rest-xml") is PARSERS.create_parser("rest-xml")
