"""The parsers of AWS's responses: botocore's, which take nothing for a response that is none.

botocore reads an empty body, half a document or a sign-in page of a network as a success without records. Here each
body with status 200 is looked at first: its root, its kind, its lists. The parsers of `resources.aws.fast` read the
same bodies quicker, by the same rules.
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
        # The API reference has the first; what serialises by the name of the operation sends the second.
        "ListTagsForResource": ("ListTagsForResourceResult", "ListTagsForResourceResponse"),
    }
)
"""Roots of the responses of REST with XML by operation, from AWS's API reference: botocore's models name none."""


EMPTY_MEANS_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({"ListTagsForResource": ("Tags",)})
"""Lists that a response without any element is known to have none of, since its root says which response it is: whether
S3 sends an empty list for a bucket without tags is written nowhere."""

CONTAINERS = frozenset({dict, list})
_SUFFIXES = ("", "Output", "Response", "Result")
"""What AWS adds to an operation's name to name its output."""


class ForeignResponse(ResponseParserError):  # type: ignore[misc]  # botocore publishes no types
    """A body with status 200 that is no answer to what was asked. The message says what it is, after `answered`."""


class BodyParser(Protocol):
    """Makes a dictionary of a response, as botocore's parsers do."""

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response, given status, headers, body and the shape of the operation's output."""


class StrictParser:
    """botocore's parser of a protocol, for bodies that are what the model says.

    Args:
        inner: botocore's parser.
    """

    def __init__(self, inner: BodyParser) -> None:
        self._inner = inner

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response as botocore parses it.

        Raises:
            ForeignResponse: the body is not what the model says.
        """
        if response["status_code"] <= 300:
            self.check(response, shape)
        return self._inner.parse(response, shape)

    def check(self, response: dict[str, Any], shape: Any) -> None:
        """Look at the body of a success before botocore does.

        Raises:
            ForeignResponse: it is not what the model says.
        """
        raise NotImplementedError


def operation_of(response: dict[str, Any]) -> str:
    """The operation that a response is parsed for."""
    return str(response["context"]["operation_name"])


# ------------------------------------------------------------------------------------------------------------ JSON


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


# Made once: `json.loads` makes one for each call that wants anything of its own.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def decoded_json(text: str) -> Any:
    """A text in JSON, which knows no NaN.

    Raises:
        TypeError: it is no text.
        ValueError: it is no JSON.
        RecursionError: it is nested too deep.
    """
    return _DECODER.decode(text)


def json_object(response: dict[str, Any], shape: Any) -> dict[str, Any]:
    """The object that a response with status 200 is.

    Raises:
        ForeignResponse: it is something else.
    """
    text = response["body"].decode()
    if not text:
        raise ForeignResponse("with an empty body")
    try:
        body = decoded_json(text)
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


def other_kind(shape: Any, node: Any) -> ForeignResponse:
    """What to raise for a value of another kind than its shape."""
    expected = {"list": "a list", "map": "an object", "structure": "an object"}.get(shape.type_name, "a plain value")
    found = "an object" if isinstance(node, dict) else "a list" if isinstance(node, list) else "a plain value"
    return ForeignResponse(f"with {found} where {expected} belongs ({shape.name})")


def has_containers(values: Iterable[Any]) -> bool:
    """Whether an object or a list is among these values."""
    return not CONTAINERS.isdisjoint(map(type, values))


def check_kinds(shape: Any, node: Any) -> None:
    """Check that lists, objects and plain values stand where the model has them.

    Raises:
        ForeignResponse: they do not.
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
    """botocore's parser of a JSON protocol."""

    def check(self, response: dict[str, Any], shape: Any) -> None:
        """Take a JSON object with lists, maps and values where the model has them; an output without a body passes."""
        if shape is not None and not shape.event_stream_name and "payload" not in shape.serialization:
            check_kinds(shape, json_object(response, shape))


# ------------------------------------------------------------------------------------------------------------- XML


def local_name(node: Any) -> str:
    """The tag of an element without its namespace; empty for a comment."""
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def check_root(root: Any, *names: str) -> None:
    """Check that the root of a response is one of these.

    Raises:
        ForeignResponse: it is another one.
    """
    found = local_name(root)
    if found not in names:
        raise ForeignResponse(f"with <{found[:100]}> in place of <{names[0]}>")


def check_list(shape: Any, node: Any) -> None:
    """Check that an element of a list holds elements, or nothing.

    Raises:
        ForeignResponse: it holds text.
    """
    if not len(node) and (node.text or "").strip():
        raise ForeignResponse(f"with text in place of a list ({shape.name})")


def list_given_twice(shape: Any) -> ForeignResponse:
    """What to raise for a list that comes twice: which of the two counts is not known."""
    return ForeignResponse(f"with a list given twice ({shape.name})")


def check_lists(shape: Any, node: Any) -> None:
    """Check that below an element each list comes once, and holds elements or nothing.

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
    """botocore's parser of the query protocol or EC2's."""

    def check(self, response: dict[str, Any], shape: Any) -> None:
        """Take the operation's root with one list of each name; of what is no XML botocore's parser says why."""
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
    """botocore's parser of REST with XML; an empty root says of some lists that they are empty."""

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response as botocore parses it.

        Raises:
            ForeignResponse: the body is not what the operation sends.
        """
        if response["status_code"] > 300:
            return self._inner.parse(response, shape)
        operation = operation_of(response)
        if operation not in ROOTS:
            raise ForeignResponse(
                "with something that cannot be told: its root is not in resources/aws/responses.py ROOTS"
            )
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


def xml_root(body: bytes) -> Any:
    """The root of a document; None where it is none, of which botocore's parsers say why."""
    parser = ET.XMLParser(encoding="utf-8")
    try:
        parser.feed(body)
        return parser.close()
    except ET.ParseError:
        return None
