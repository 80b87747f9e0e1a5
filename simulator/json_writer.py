"""Writes answers of the JSON protocol as moto does, where they stand plainly in the form of their model.

moto looks for each member of each structure in objects of any kind, by way of a context and a path. Answers that are
made here are dictionaries, those of a request among them, and lists: each shape has a function that makes what is to
be written of them. moto writes whatever is of another kind, and every refusal. A test holds both against one another
for each operation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

from moto.core.model import Shape
from moto.core.serialize import JSONSerializer, ResponseDict, TimestampSerializer

Write = Callable[[Any], Any]
"""Makes what `json.dumps` is given of a value."""


class _NotPlainError(Exception):
    """moto has to write this answer."""


class PlainJsonSerializer(JSONSerializer):
    """moto's serializer, which is asked only for what is not plain."""

    def _serialize_result(self, resp: ResponseDict, result: Any) -> ResponseDict:
        shape = self.operation_model.output_shape
        try:
            written = {} if shape is None else _writer(shape)(result)
        except _NotPlainError:
            return super()._serialize_result(resp, result)
        return self._serialized_result_to_response(resp, result, shape, written)


@functools.cache
def _writer(shape: Shape) -> Write:
    match shape.type_name:
        case "string":
            return _text
        case "boolean":
            return _boolean
        case "integer" | "long":
            return _integer
        case "float" | "double":
            return _float
        case "timestamp":
            return _timestamp(shape)
        # moto names entries as their shape says and then does not find them; such entries are its own affair.
        case "list" if "name" not in shape.member.serialization:
            return _list(shape)
        case "map" if "name" not in shape.value.serialization:
            return _map(shape)
        case "structure" if not shape.is_document_type:
            return _structure(shape)
    return _left_to_moto


def _left_to_moto(_: Any) -> NoReturn:
    raise _NotPlainError


def _text(value: Any) -> Any:
    return value if type(value) is str else _left_to_moto(value)


def _boolean(value: Any) -> Any:
    return value if type(value) is bool else _left_to_moto(value)


def _integer(value: Any) -> Any:
    return value if type(value) is int else _left_to_moto(value)


def _float(value: Any) -> Any:
    return float(value) if type(value) in (int, float) else _left_to_moto(value)


def _timestamp(shape: Shape) -> Write:
    serializer = TimestampSerializer(JSONSerializer.DEFAULT_TIMESTAMP_FORMAT)

    def write(value: Any) -> Any:
        written: dict[str, Any] = {}
        serializer.serialize(written, value, shape, "at")
        return written["at"]

    return write


def _list(shape: Shape) -> Write:
    def write(value: Any) -> Any:
        if type(value) is not list:
            _left_to_moto(value)
        # Not before it is needed, here and below: a shape may hold itself.
        entry = _writer(shape.member)
        return [entry(item) for item in value]

    return write


def _map(shape: Shape) -> Write:
    def write(value: Any) -> Any:
        if not isinstance(value, dict):
            _left_to_moto(value)
        entry = _writer(shape.value)
        return {key: entry(item) for key, item in value.items()}

    return write


def _structure(shape: Shape) -> Write:
    members = [(name, member.serialization.get("name", name), member) for name, member in shape.members.items()]
    writers: dict[str, Write] = {}

    def write(value: Any) -> Any:
        if not isinstance(value, dict):
            _left_to_moto(value)
        written: dict[str, Any] = {}
        for name, sent_as, member in members:
            found = value.get(name)
            if found is not None:
                writer = writers.get(name)
                if writer is None:
                    writer = writers[name] = _writer(member)
                written[sent_as] = writer(found)
        return written

    return write
