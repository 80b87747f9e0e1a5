"""Reads answers of the JSON protocol as botocore does, at little more than what it takes to decode them.

botocore builds each structure, list and map anew, member by member of its model. Most of an answer comes out as it was
decoded: text, numbers, lists of text. So a reader says for each shape what there is to do, which is often nothing, and
each structure remembers by the names that were sent whether all are known and in the order of the model. What comes of
it is the same, to the order of the fields; a test holds each against botocore's. What is rare (tagged unions), or not
what the model says, is left to botocore's own parser.
"""

from typing import Any

from botocore.parsers import JSONParser

from resources.shape_readers import SPELLINGS_KEPT, ByShape, Reader

_AS_DECODED = frozenset(
    {"bigdecimal", "biginteger", "boolean", "character", "double", "float", "integer", "long", "string"}
)


class JsonAnswers(ByShape, JSONParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of the JSON protocol, with a reader for each shape.

    What has been decoded belongs to nobody else, so it is changed in its place where something has to be.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._made_with(JSONParser(**settings))

    def _parse_shape(self, shape: Any, node: Any) -> Any:
        return self._reader(shape)(node)

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
        return lambda node: self._plain._parse_shape(shape, node)

    def _list(self, shape: Any) -> Reader:
        # Not before it is needed, here and below: a shape may hold itself.
        read: Reader | None = None

        def read_list(node: Any) -> Any:
            nonlocal read
            if type(node) is not list:
                return self._plain._parse_shape(shape, node)
            if read is None:
                read = self._reader(shape.member)
            if read is _as_decoded:
                return node
            return [None if item is None else read(item) for item in node]

        return read_list

    def _map(self, shape: Any) -> Reader:
        read: Reader | None = None

        def read_map(node: Any) -> Any:
            nonlocal read
            if type(node) is not dict:
                return self._plain._parse_shape(shape, node)
            if read is None:
                read = self._reader(shape.value)
            if read is not _as_decoded:
                for key, value in node.items():
                    node[key] = read(value)
            return node

        return read_map

    def _structure(self, shape: Any) -> Reader:
        members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        if len(members) < len(shape.members):
            return lambda node: self._plain._parse_shape(shape, node)
        plans: dict[tuple[str, ...], tuple[bool, tuple[tuple[str, str, Reader], ...]]] = {}

        def planned(spelling: tuple[str, ...]) -> tuple[bool, tuple[tuple[str, str, Reader], ...]]:
            """Whether these names stand as they are to come out, and what is to be read of them."""
            sent = frozenset(spelling)
            wanted = tuple((name, key, self._reader(member)) for key, (name, member) in members.items() if key in sent)
            stands = spelling == tuple(name for name, *_ in wanted)
            if stands:
                wanted = tuple(part for part in wanted if part[2] is not _as_decoded)
            if len(plans) < SPELLINGS_KEPT:
                plans[spelling] = stands, wanted
            return stands, wanted

        def read_structure(node: Any) -> Any:
            if type(node) is not dict:
                return self._plain._parse_shape(shape, node)
            if None in node.values():
                node = {key: value for key, value in node.items() if value is not None}
            spelling = tuple(node)
            stands, wanted = plans.get(spelling) or planned(spelling)
            if not stands:
                return {name: read(node[key]) for name, key, read in wanted}
            for name, _, read in wanted:
                node[name] = read(node[name])
            return node

        return read_structure


def _as_decoded(node: Any) -> Any:
    return node
