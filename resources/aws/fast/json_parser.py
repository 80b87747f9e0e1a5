"""Reads answers of the JSON protocol as botocore does, at little more than what it takes to decode them.

botocore builds each structure, list and map anew, member by member of its model. Most of an answer comes out as it was
decoded: text, numbers, lists of text. So a reader says for each shape what there is to do, which is often nothing, and
each structure remembers by the names that were sent whether all are known and in the order of the model. What comes of
it is the same, to the order of the fields; a test holds each against botocore's. What is rare (tagged unions) is left
to botocore's own parser.

In one thing both protocols in JSON are stricter than botocore, which takes an object for a list of its keys: a body
that is no object, that names itself otherwise (`__type`), or that has an object, a list or a plain value where the
model has another of the three, is no answer.
"""

import json
from collections.abc import Iterable
from typing import Any

from botocore.parsers import JSONParser, RestJSONParser

from resources.aws.fast.shape_readers import SPELLINGS_KEPT, ByShape, ForeignAnswer, Reader, operation_of

_AS_DECODED = frozenset(
    {"bigdecimal", "biginteger", "boolean", "character", "double", "float", "integer", "long", "string"}
)
_DESCENDED = frozenset({"list", "map", "structure"})
_CONTAINERS = frozenset({dict, list})
_NOT_PLAIN = _CONTAINERS | {type(None)}
_SUFFIXES = ("", "Output", "Response", "Result")
"""What AWS adds to an operation's name to name its answer."""

_Plan = tuple[bool, tuple[tuple[str, str, Reader], ...], tuple[str, ...]]
"""Of the members that were sent: whether they stand as they are to come out, which are to be read, which are plain."""


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


def _decoded(response: dict[str, Any], shape: Any) -> dict[str, Any]:
    """The object that an answer with status 200 is.

    Raises:
        ForeignAnswer: it is something else.
    """
    text = response["body"].decode()
    if not text:
        raise ForeignAnswer("with an empty body")
    try:
        body = decoded_json(text)
    except ValueError:
        raise ForeignAnswer("with something that is no JSON") from None
    if type(body) is not dict:
        raise ForeignAnswer("with JSON that is no object")
    named = body.get("__type")
    if named is not None:
        name = str(named).rpartition("#")[2].partition(":")[0]
        operation = operation_of(response)
        if name not in (shape.name, *[operation + suffix for suffix in _SUFFIXES]):
            raise ForeignAnswer(f"with a body that calls itself {name[:100]}")
    refused = response["headers"].get("x-amzn-errortype")
    if refused:
        raise ForeignAnswer(f"with status {response['status_code']} and the error {refused[:100]}")
    return body


def _other_kind(shape: Any, node: Any) -> ForeignAnswer:
    expected = {"list": "a list", "map": "an object", "structure": "an object"}.get(shape.type_name, "a plain value")
    found = "an object" if isinstance(node, dict) else "a list" if isinstance(node, list) else "a plain value"
    return ForeignAnswer(f"with {found} where {expected} belongs ({shape.name})")


def _has_containers(values: Iterable[Any]) -> bool:
    return not _CONTAINERS.isdisjoint(map(type, values))


def _check_kinds(shape: Any, node: Any) -> None:
    """That lists, objects and plain values stand where the model has them.

    Raises:
        ForeignAnswer: they do not.
    """
    if node is None or (shape.type_name == "structure" and shape.is_document_type):
        return
    kind = shape.type_name
    expected = {"list": list, "map": dict, "structure": dict}.get(kind)
    if type(node) is not expected if expected else type(node) in _CONTAINERS:
        raise _other_kind(shape, node)
    if kind == "list":
        for item in node:
            _check_kinds(shape.member, item)
    elif kind == "map":
        for value in node.values():
            _check_kinds(shape.value, value)
    elif kind == "structure":
        for name, member in shape.members.items():
            _check_kinds(member, node.get(member.serialization.get("name", name)))


class JsonAnswers(ByShape, JSONParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of the JSON protocol, with a reader for each shape.

    What has been decoded belongs to nobody else, so it is changed in its place where something has to be.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._made_with(JSONParser(**settings))

    def _do_parse(self, response: dict[str, Any], shape: Any) -> Any:
        if shape is None or shape.event_stream_name:
            return super()._do_parse(response, shape)
        parsed = self._parse_shape(shape, _decoded(response, shape))
        self._inject_response_metadata(parsed, response["headers"])
        return parsed

    def _parse_shape(self, shape: Any, node: Any) -> Any:
        return self._reader(shape)(node)

    def _by_botocore(self, shape: Any, node: Any) -> Any:
        _check_kinds(shape, node)
        return self._plain._parse_shape(shape, node)

    def _made(self, shape: Any) -> Reader:
        kind = shape.type_name
        if kind in _AS_DECODED or (kind == "structure" and shape.is_document_type):
            return _as_decoded
        if kind == "timestamp":
            return self._timestamp_parser
        if kind == "list":
            return self._list(shape)
        if kind == "map" and shape.key.type_name == "string":
            return self._map(shape)
        if kind == "structure" and not shape.is_tagged_union:
            return self._structure(shape)
        return lambda node: self._by_botocore(shape, node)

    def _list(self, shape: Any) -> Reader:
        # Not before it is needed, here and below: a shape may hold itself.
        read: Reader | None = None

        def read_list(node: Any) -> Any:
            nonlocal read
            if type(node) is not list:
                raise _other_kind(shape, node)
            if read is None:
                read = self._reader(shape.member)
            if read is _as_decoded:
                if shape.member.type_name in _AS_DECODED and _has_containers(node):
                    raise ForeignAnswer(f"with more than plain values in a list of them ({shape.name})")
                return node
            return [None if item is None else read(item) for item in node]

        return read_list

    def _map(self, shape: Any) -> Reader:
        read: Reader | None = None

        def read_map(node: Any) -> Any:
            nonlocal read
            if type(node) is not dict:
                raise _other_kind(shape, node)
            if read is None:
                read = self._reader(shape.value)
            if read is not _as_decoded:
                for key, value in node.items():
                    node[key] = read(value)
            elif shape.value.type_name in _AS_DECODED and _has_containers(node.values()):
                raise ForeignAnswer(f"with more than plain values in a map of them ({shape.name})")
            return node

        return read_map

    def _structure(self, shape: Any) -> Reader:
        members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        if len(members) < len(shape.members):
            return lambda node: self._by_botocore(shape, node)
        plain = {key: member for key, (_, member) in members.items() if member.type_name not in _DESCENDED}
        plans: dict[tuple[str, ...], _Plan] = {}

        def planned(spelling: tuple[str, ...]) -> _Plan:
            sent = frozenset(spelling)
            wanted = tuple((name, key, self._reader(member)) for key, (name, member) in members.items() if key in sent)
            stands = spelling == tuple(name for name, *_ in wanted)
            if stands:
                wanted = tuple(part for part in wanted if part[2] is not _as_decoded)
            plan = stands, wanted, tuple(key for key in spelling if key in plain)
            if len(plans) < SPELLINGS_KEPT:
                plans[spelling] = plan
            return plan

        def read_structure(node: Any) -> Any:
            if type(node) is not dict:
                if node is None:
                    return None
                raise _other_kind(shape, node)
            are_plain = _NOT_PLAIN.isdisjoint(map(type, node.values()))
            if not are_plain and None in node.values():
                node = {key: value for key, value in node.items() if value is not None}
            spelling = tuple(node)
            stands, wanted, must_be_plain = plans.get(spelling) or planned(spelling)
            if not are_plain:
                for key in must_be_plain:
                    if type(node[key]) in _CONTAINERS:
                        raise _other_kind(plain[key], node[key])
            if not stands:
                return {name: read(node[key]) for name, key, read in wanted}
            for name, _, read in wanted:
                node[name] = read(node[name])
            return node

        return read_structure


def _as_decoded(node: Any) -> Any:
    return node


class RestJsonAnswers(RestJSONParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of REST with JSON, for answers that are what they say.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def _parse_payload(self, response: dict[str, Any], shape: Any, members: Any, parsed: dict[str, Any]) -> None:
        if "payload" in shape.serialization or shape.metadata.get("exception", False):
            super()._parse_payload(response, shape, members, parsed)
            return
        body = _decoded(response, shape)
        _check_kinds(shape, body)
        parsed.update(self._parse_shape(shape, body))
