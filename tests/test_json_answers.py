"""Answers in JSON are read as botocore reads them, to the order of the fields, whatever stands in them."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import ResponseParserError, create_parser

from pipelines.catalogue import registry as catalogue
from resources.aws.fast.parsers import FastParsers
from resources.aws.response_parsers import Parsers
from resources.aws.responses import ForeignResponse
from resources.aws.service_models import ContractLoader
from resources.aws.value_text import iso_text

LOADER = ContractLoader(Loader())


@cache
def service(name: str) -> Any:
    return ServiceModel(LOADER.load_service_model(name, "service-2"), name)


def operations() -> list[str]:
    """Every operation of the contract that the services of the catalogue answer in JSON."""
    names = sorted({listing.service for listing in catalogue.listings().values()} | {"cloudtrail"})
    return [
        f"{name}:{operation}"
        for name in names
        if service(name).resolved_protocol == "json"
        for operation in service(name).operation_names
    ]


def model(call: str) -> OperationModel:
    name, _, operation = call.partition(":")
    return service(name).operation_model(operation)


class Writer:
    """Makes what stands for a shape: what it has and in which order is left to chance, and so is what is odd in it."""

    def __init__(self, seed: int, odd: float) -> None:
        self.chance = random.Random(seed)
        self.odd = odd

    def value(self, shape: Any, depth: int = 0) -> Any:
        kind = shape.type_name
        if self.chance.random() < self.odd:
            return self.chance.choice((None, "text", 7, [], {}, [None], {"notInTheModel": 1}))
        if kind == "structure":
            return {} if depth > 6 else self.members(shape, depth)
        if kind == "list":
            found = [self.value(shape.member, depth + 1) for _ in range(self.chance.randint(0, 3))]
            return [*found, None] if self.chance.random() < 0.1 else found
        if kind == "map":
            return {self.chance.choice("abcdef"): self.value(shape.value, depth + 1) for _ in range(2)}
        if kind == "boolean":
            return self.chance.random() < 0.5
        if kind in ("integer", "long"):
            return self.chance.choice((0, -1, 2**31, 2**63, 10**30))
        if kind in ("float", "double"):
            return self.chance.choice((0.1, 1e300, -0.0, 1e-320, 5))
        if kind == "timestamp":
            return self.chance.choice((1764032400, 1764032400.123, 0, -1.5, "2026-11-25T01:02:03.004Z", "1764032400"))
        if kind == "blob":
            return "YmxvYg=="
        return self.chance.choice(("", " ", "ein Wörtchen", "\u2028", "0123", "0.00000000010000000000000000001"))

    def members(self, shape: Any, depth: int) -> dict[str, Any]:
        names = [name for name in shape.members if self.chance.random() < 0.7]
        if shape.is_tagged_union:
            names = names[: self.chance.choice((1, 1, 1, 0, 2))]
        if self.chance.random() < 0.5:
            self.chance.shuffle(names)
        found = {
            shape.members[name].serialization.get("name", name): self.value(shape.members[name], depth + 1)
            for name in names
        }
        if found and self.chance.random() < 0.1:
            found[self.chance.choice(list(found))] = None
        if self.chance.random() < 0.1:
            found[self.chance.choice(("notInTheModel", "__type"))] = self.chance.choice((None, {"a": [1]}, "b"))
        return found


def response(body: bytes, status: int = 200, operation: str = "GetCostAndUsage", **headers: str) -> dict[str, Any]:
    return {"headers": headers, "status_code": status, "body": body, "context": {"operation_name": operation}}


def read(parser: Any, body: bytes, shape: Any, status: int = 200, **headers: str) -> Any:
    try:
        return parser.parse(response(body, status, **headers), shape)
    except (ResponseParserError, ValueError, TypeError, AttributeError, KeyError) as error:
        return type(error)


def is_answer(shape: Any, node: Any) -> bool:
    """Whether lists, objects and plain values stand where the model has them."""
    if node is None:
        return True
    if shape.type_name == "list":
        return isinstance(node, list) and all(is_answer(shape.member, item) for item in node)
    if shape.type_name == "map":
        # The place of a list in a map cannot be empty for botocore either.
        wants = shape.value.type_name in ("list", "map")
        return (
            isinstance(node, dict)
            and not (wants and None in node.values())
            and all(is_answer(shape.value, item) for item in node.values())
        )
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        return isinstance(node, dict) and all(is_answer(names[key], node[key]) for key in names.keys() & node.keys())
    return not isinstance(node, dict | list)


WAYS = pytest.mark.parametrize("parsers", [FastParsers, Parsers], ids=["fast", "plain"])
SETTINGS: dict[str, Any] = {"timestamp_parser": iso_text, "blob_parser": str}


@WAYS
@pytest.mark.parametrize("call", operations())
def test_what_comes_of_a_response_is_what_botocore_makes_of_it(parsers: Any, call: str) -> None:
    shape = model(call).output_shape
    theirs, ours = create_parser("json"), parsers(**SETTINGS).create_parser("json")
    theirs.__init__(timestamp_parser=iso_text, blob_parser=str)
    seen = set()
    for seed in range(40):
        written = Writer(seed, 0.0 if seed < 25 else 0.03).value(shape) if shape is not None else {}
        body = json.dumps(written).encode()
        expected = repr(read(theirs, body, shape, **{"x-amzn-RequestId": "r"}))
        for _ in range(2):
            found = read(ours, body, shape, **{"x-amzn-RequestId": "r"})
            if shape is not None and (not written or not is_answer(shape, written) or written.get("__type")):
                assert isinstance(found, type) or written == {}, body
            else:
                assert repr(found) == expected, body
        seen.add(expected)
    assert len(seen) > 1


@WAYS
def test_timestamps_and_blobs_are_botocores_where_nothing_else_is_said(parsers: Any) -> None:
    shape = model("cloudtrail:LookupEvents").output_shape
    body = json.dumps({"Events": [{"EventTime": 1764032400.5}, {"EventTime": "2026-11-25T01:02:03Z"}]}).encode()
    expected = read(create_parser("json"), body, shape)
    assert read(parsers().create_parser("json"), body, shape) == expected
    assert expected["Events"][0]["EventTime"].year == 2025


@WAYS
def test_no_amount_becomes_a_float(parsers: Any) -> None:
    shape = model("ce:GetCostAndUsage").output_shape
    amount = {"Amount": "0.10000000000000000001", "Unit": "USD"}
    group = {"Keys": ["EC2"], "Metrics": {"UnblendedCost": amount}}
    body = json.dumps({"ResultsByTime": [{"Groups": [group], "Total": {"UnblendedCost": amount}}]}).encode()
    (day,) = read(parsers(**SETTINGS).create_parser("json"), body, shape)["ResultsByTime"]
    assert day == {"Total": {"UnblendedCost": amount}, "Groups": [group]}


@WAYS
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"__type": "com.amazonaws#LimitExceededException", "message": "slow"}', 400),
        (b'{"__type": "AccessDeniedException", "Message": "no"}', 400),
        (b'{"__type": null}', 400),
        (b'["no error"]', 400),
        (b"<html><body>Bad gateway</body></html>", 502),
        (b"", 503),
        (b"\xff\xfe", 200),
        (b'{"ResultsByTime": [{"Total": {"a": null}}, null]}', 200),
        (b'{"ResultsByTime": []}', 200),
        (b'{"ResultsByTime": [], "__type": "com.amazonaws.ce#GetCostAndUsageResponse"}', 200),
        (b'{"ResultsByTime": [], "__type": null, "notInTheModel": [{}]}', 200),
    ],
)  # fmt: skip
def test_errors_and_nonsense_are_what_they_are_for_botocore(parsers: Any, body: bytes, status: int) -> None:
    shape = model("ce:GetCostAndUsage").output_shape
    for headers in ({}, {"x-amzn-RequestId": "r"}):
        for protocol in ("json", "rest-json"):
            expected = read(create_parser(protocol), body, shape, status, **headers)
            assert read(parsers().create_parser(protocol), body, shape, status, **headers) == expected


@WAYS
@pytest.mark.parametrize("protocol", ["json", "rest-json"])
@pytest.mark.parametrize(
    ("body", "how"),
    [
        (b"", "with an empty body"),
        (b"<html><body>Sign in</body></html>", "with something that is no JSON"),
        (b"{", "with something that is no JSON"),
        (b'{"ResultsByTime": [{"Groups"', "with something that is no JSON"),
        (b'{"ResultsByTime": [{}], "ResultsByTime": []}', "with an object that has a member twice"),
        (b'{"ResultsByTime": [{"Groups": [{}], "Groups": []}]}', "with an object that has a member twice"),
        (b"null", "with JSON that is no object"),
        (b"[]", "with JSON that is no object"),
        (b'"text"', "with JSON that is no object"),
        (b"NaN", "with something that is no JSON"),
        (b'{"ResultsByTime": {}}', "with an object where a list belongs (ResultsByTime)"),
        (b'{"ResultsByTime": {"a": 1}}', "with an object where a list belongs (ResultsByTime)"),
        (b'{"ResultsByTime": "text"}', "with a plain value where a list belongs (ResultsByTime)"),
        (b'{"ResultsByTime": [1]}', "with a plain value where an object belongs (ResultByTime)"),
        (b'{"ResultsByTime": [[]]}', "with a list where an object belongs (ResultByTime)"),
        (b'{"ResultsByTime": [{"Total": []}]}', "with a list where an object belongs (Metrics)"),
        (b'{"ResultsByTime": [], "NextPageToken": {}}', "with an object where a plain value belongs (NextPageToken)"),
        (b'{"ResultsByTime": [], "NextPageToken": [[]]}', "with a list where a plain value belongs (NextPageToken)"),
        (b'{"ResultsByTime": [], "__type": "AccessDeniedException"}', "that calls itself AccessDeniedException"),
        (b'{"ResultsByTime": [], "__type": "a.b#Denied:http://c"}', "with a body that calls itself Denied"),
    ],
)  # fmt: skip
def test_what_is_no_response_is_said_to_be_none(parsers: Any, protocol: str, body: bytes, how: str) -> None:
    shape = model("ce:GetCostAndUsage").output_shape
    with pytest.raises(ForeignResponse) as caught:
        parsers().create_parser(protocol).parse(response(body, operation="GetCostAndUsage"), shape)
    assert how in str(caught.value)


@WAYS
@pytest.mark.parametrize("protocol", ["json", "rest-json"])
def test_more_than_plain_values_in_a_list_or_map_of_them_is_no_response(parsers: Any, protocol: str) -> None:
    shape = model("ce:GetCostAndUsage").output_shape
    for group in ({"Keys": ["a", ["b"]]}, {"Metrics": {"a": {"Amount": {}}}}, {"Keys": [{}]}):
        body = json.dumps({"ResultsByTime": [{"Groups": [{"Keys": ["a"]}, group]}]}).encode()
        assert read(parsers().create_parser(protocol), body, shape) is ForeignResponse


@WAYS
def test_an_error_that_only_a_header_names_is_no_response(parsers: Any) -> None:
    shape = model("ce:GetCostAndUsage").output_shape
    for protocol in ("json", "rest-json"):
        said = read(
            parsers().create_parser(protocol), b'{"ResultsByTime": []}', shape, **{"x-amzn-errortype": "Denied"}
        )
        assert said is ForeignResponse


@WAYS
def test_a_protocol_that_nobody_reads_is_a_mistake(parsers: Any) -> None:
    with pytest.raises(ValueError, match="no parser of the protocol smithy-rpc-v2-cbor"):
        parsers(**SETTINGS).create_parser("smithy-rpc-v2-cbor")


@WAYS
def test_nothing_is_remembered_without_end(parsers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.aws.fast.json_parser.SPELLINGS_KEPT", 2)
    shape = model("ce:GetCostAndUsage").output_shape
    ours, theirs = parsers().create_parser("json"), create_parser("json")
    for name in ("ResultsByTime", "a", "b", "GroupDefinitions", "a"):
        body = json.dumps({name: [], "NextPageToken": "t"}).encode()
        assert read(ours, body, shape) == read(theirs, body, shape)
