"""Strict parsers of AWS's responses: botocore's parsers, which here refuse an invalid body.

botocore parses an empty body, half a document or the sign-in page of a network as a success without records. Here each
body with status 200 is checked first: its root, its kind, its lists. The parsers of `resources.aws.fast` parse the same
bodies faster, by the same rules.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from botocore.parsers import ResponseParserError

ROOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ListBuckets": ("ListAllMyBucketsResult",),
        "ListObjectsV2": ("ListBucketResult",),
        # The API reference documents the first; serialisers that name the root after the operation send the second.
        "ListTagsForResource": ("ListTagsForResourceResult", "ListTagsForResourceResponse"),
        "ListAccessPoints": ("ListAccessPointsResult", "ListAccessPointsResponse"),
        "ListMultiRegionAccessPoints": ("ListMultiRegionAccessPointsResult", "ListMultiRegionAccessPointsResponse"),
        "ListAccessPointsForObjectLambda": (
            "ListAccessPointsForObjectLambdaResult",
            "ListAccessPointsForObjectLambdaResponse",
        ),
        "ListAccessGrantsInstances": ("ListAccessGrantsInstancesResult", "ListAccessGrantsInstancesResponse"),
        "ListAccessGrantsLocations": ("ListAccessGrantsLocationsResult", "ListAccessGrantsLocationsResponse"),
        "ListAccessGrants": ("ListAccessGrantsResult", "ListAccessGrantsResponse"),
        # Its types are named in the singular.
        "ListStorageLensConfigurations": (
            "ListStorageLensConfigurationsResult",
            "ListStorageLensConfigurationsResponse",
            "ListStorageLensConfigurationResult",
        ),
        "ListStorageLensGroups": ("ListStorageLensGroupsResult", "ListStorageLensGroupsResponse"),
    }
)
"""Root elements by operation of REST with XML, from AWS's API reference: botocore's models name none."""


EMPTY_MEANS_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ListTagsForResource": ("Tags",),
        "ListAccessPoints": ("AccessPointList",),
        "ListMultiRegionAccessPoints": ("AccessPoints",),
        "ListAccessPointsForObjectLambda": ("ObjectLambdaAccessPointList",),
        "ListAccessGrantsInstances": ("AccessGrantsInstancesList",),
        "ListAccessGrantsLocations": ("AccessGrantsLocationsList",),
        "ListAccessGrants": ("AccessGrantsList",),
        "ListStorageLensConfigurations": ("StorageLensConfigurationList",),
        "ListStorageLensGroups": ("StorageLensGroupList",),
    }
)
"""Lists by operation that count as empty where the root has no child elements, since the root identifies the response.
AWS does not document whether S3 sends an empty list where there is nothing."""

ABSENT_MEANS_NONE: Mapping[str, str] = MappingProxyType(
    {"DescribeBudgets": "Budgets", "DescribeNotificationsForBudget": "Notifications"}
)
"""The list by operation that AWS leaves out of a JSON object where it has no entries (`left_out`)."""

CONTAINERS = frozenset({dict, list})
_SUFFIXES = ("", "Output", "Response", "Result")
"""Suffixes that AWS adds to an operation's name to name its output."""


class ForeignResponse(ResponseParserError):  # type: ignore[misc]  # botocore publishes no types
    """A body with status 200 that is no response to the request. The message ends `CALL returned a response …`."""


class BodyParser(Protocol):
    """Parses a response into a dictionary, as botocore's parsers do."""

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The parsed response, from status, headers, body and the shape of the operation's output."""


class StrictParser:
    """botocore's parser of a protocol, restricted to bodies that match the model.

    Args:
        inner: botocore's parser.
    """

    def __init__(self, inner: BodyParser) -> None:
        self._inner = inner

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response as botocore parses it.

        Raises:
            ForeignResponse: the body does not match the model.
        """
        if response["status_code"] <= 300:
            self.check(response, shape)
        return self._inner.parse(response, shape)

    def check(self, response: dict[str, Any], shape: Any) -> None:
        """Check the body of a success before botocore parses it.

        Raises:
            ForeignResponse: the body does not match the model.
        """
        raise NotImplementedError


def operation_of(response: dict[str, Any]) -> str:
    """The name of the operation that a response belongs to."""
    return str(response["context"]["operation_name"])


# ------------------------------------------------------------------------------------------------------------ JSON


class MemberTwice(ValueError):
    """An object of a JSON text has a member twice, and JSON does not say which of the two counts."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise MemberTwice
    return found


# Created once: `json.loads` creates a decoder for each call with options.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_distinct)


def decoded_json(text: str) -> Any:
    """The value of a JSON text. NaN and infinities are refused, since JSON has neither.

    Raises:
        TypeError: the argument is not text.
        MemberTwice: an object has a member twice: an empty list could hide a full one.
        ValueError: the text is not JSON.
        RecursionError: the JSON is nested too deep.
    """
    return _DECODER.decode(text)


def json_object(response: dict[str, Any], shape: Any) -> dict[str, Any]:
    """The JSON object in a response with status 200.

    Raises:
        ForeignResponse: the body is something else.
    """
    text = response["body"].decode()
    if not text:
        raise ForeignResponse("with an empty body")
    try:
        body = decoded_json(text)
    except MemberTwice:
        raise ForeignResponse("with an object that has a member twice") from None
    except ValueError:
        raise ForeignResponse("with something that is no JSON") from None
    if type(body) is not dict:
        raise ForeignResponse("with JSON that is no object")
    named = body.get("__type")
    if named is not None:
        name = str(named).rpartition("#")[2].partition(":")[0]
        operation = operation_of(response)
        if name not in (shape.name, *[operation + suffix for suffix in _SUFFIXES]):
            raise ForeignResponse(f"with a body that calls itself {name[:100]}")
    refused = response["headers"].get("x-amzn-errortype")
    if refused:
        raise ForeignResponse(f"with status {response['status_code']} and the error {refused[:100]}")
    return body


def left_out(response: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The empty list that a JSON body leaves out, by its name; nothing where the body has more than a token.

    An object without members could be anybody's, so the response must have a request id. The zero rule treats the list
    as any other empty one: CloudTrail still has to prove it.
    """
    name = ABSENT_MEANS_NONE.get(operation_of(response))
    if name is None or not body.keys() <= {"NextToken"} or not response["headers"].get("x-amzn-requestid"):
        return {}
    return {name: []}


def other_kind(shape: Any, node: Any) -> ForeignResponse:
    """The exception for a value of another kind than its shape."""
    expected = {"list": "a list", "map": "an object", "structure": "an object"}.get(shape.type_name, "a plain value")
    found = "an object" if isinstance(node, dict) else "a list" if isinstance(node, list) else "a plain value"
    return ForeignResponse(f"with {found} where {expected} belongs ({shape.name})")


def has_containers(values: Iterable[Any]) -> bool:
    """Whether one of these values is an object or a list."""
    return not CONTAINERS.isdisjoint(map(type, values))


def check_kinds(shape: Any, node: Any) -> None:
    """Check that lists, objects and plain values are where the model has them.

    Raises:
        ForeignResponse: one of them is not.
    """
    if node is None or (shape.type_name == "structure" and shape.is_document_type):
        return
    kind = shape.type_name
    expected = {"list": list, "map": dict, "structure": dict}.get(kind)
    if type(node) is not expected if expected else type(node) in CONTAINERS:
        raise other_kind(shape, node)
    if kind == "list":
        for item in node:
            check_kinds(shape.member, item)
    elif kind == "map":
        for value in node.values():
            check_kinds(shape.value, value)
    elif kind == "structure":
        for name, member in shape.members.items():
            check_kinds(member, node.get(member.serialization.get("name", name)))


class JsonParser(StrictParser):
    """botocore's parser of a JSON protocol; for some operations an object without members means an empty list."""

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response as botocore parses it.

        Raises:
            ForeignResponse: the body does not match the model.
        """
        parsed = super().parse(response, shape)
        if response["status_code"] <= 300 and operation_of(response) in ABSENT_MEANS_NONE:
            return left_out(response, json_object(response, shape)) | parsed
        return parsed

    def check(self, response: dict[str, Any], shape: Any) -> None:
        """Check that the body is a JSON object of the model's structure; an output without a body passes."""
        if shape is not None and not shape.event_stream_name and "payload" not in shape.serialization:
            check_kinds(shape, json_object(response, shape))


# ------------------------------------------------------------------------------------------------------------- XML


def local_name(node: Any) -> str:
    """The tag of an element without its namespace; empty for a comment."""
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def check_root(root: Any, *names: str) -> None:
    """Check that the root of a response has one of these names.

    Raises:
        ForeignResponse: the root has another name.
    """
    found = local_name(root)
    if found not in names:
        raise ForeignResponse(f"with <{found[:100]}> in place of <{names[0]}>")


def check_list(shape: Any, node: Any) -> None:
    """Check that a list element holds elements, or nothing.

    Raises:
        ForeignResponse: the element holds text.
    """
    if not len(node) and (node.text or "").strip():
        raise ForeignResponse(f"with text in place of a list ({shape.name})")


def list_given_twice(shape: Any) -> ForeignResponse:
    """The exception for a list that a response has twice: nobody knows which one counts."""
    return ForeignResponse(f"with a list given twice ({shape.name})")


def check_lists(shape: Any, node: Any) -> None:
    """Check that below an element each list occurs once, and holds elements or nothing.

    Raises:
        ForeignResponse: a list does not.
    """
    kind = shape.type_name
    if kind == "list" and not shape.serialization.get("flattened"):
        check_list(shape, node)
        for item in node:
            check_lists(shape.member, item)
    elif kind == "structure":
        members = {member.serialization.get("name") or name: member for name, member in shape.members.items()}
        seen = set()
        for child in node:
            name = local_name(child)
            member = members.get(name)
            if member is None:
                continue
            if name in seen and member.type_name == "list" and not member.serialization.get("flattened"):
                raise list_given_twice(member)
            seen.add(name)
            check_lists(member, child)


class XmlParser(StrictParser):
    """botocore's parser of the query protocol or of EC2's protocol."""

    def check(self, response: dict[str, Any], shape: Any) -> None:
        """Check the root's name, and that each list occurs once. Malformed XML passes; botocore's parser reports it."""
        root = xml_root(response["body"])
        if root is None:
            return
        check_root(root, f"{operation_of(response)}Response")
        if shape is None:
            return
        wrapper = shape.serialization.get("resultWrapper")
        for start in [child for child in root if local_name(child) == wrapper] if wrapper else [root]:
            check_lists(shape, start)


class RestXmlParser(StrictParser):
    """botocore's parser of REST with XML; for some operations an empty root means an empty list."""

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response as botocore parses it.

        Raises:
            ForeignResponse: the body is not a response of the operation.
        """
        if response["status_code"] > 300:
            return self._inner.parse(response, shape)
        if is_streamed(shape):
            # An object's content is no XML; whoever reads it compares its ETag and length.
            return self._inner.parse(response, shape)
        operation = operation_of(response)
        if operation not in ROOTS:
            raise ForeignResponse("of unknown form: its root is not in resources/aws/responses.py ROOTS")
        if not response["body"]:
            raise ForeignResponse("with an empty body")
        root = xml_root(response["body"])
        if root is not None:
            check_root(root, *ROOTS[operation])
            check_lists(shape, root)
        parsed = self._inner.parse(response, shape)
        if operation in EMPTY_MEANS_NONE and root is not None and not len(root):
            parsed |= {name: [] for name in EMPTY_MEANS_NONE[operation]}
        return parsed


def is_streamed(shape: Any) -> bool:
    """Whether the body of a response is content to be read piece by piece, and not a document."""
    payload = None if shape is None else shape.serialization.get("payload")
    return payload is not None and bool(shape.members[payload].serialization.get("streaming"))


def xml_root(body: bytes) -> Any:
    """The root of a document; None for malformed XML, which botocore's parsers report."""
    parser = ET.XMLParser(encoding="utf-8")
    try:
        parser.feed(body)
        return parser.close()
    except ET.ParseError:
        return None
