"""Parses bodies of the JSON protocol as botocore does, at little more than the cost of decoding them.

botocore rebuilds each structure, list and map, member by member of its model. Most of a body needs no such work: text,
numbers, lists of text. So a reader knows for each shape what to convert, which is often nothing. Each structure caches
by the names sent whether all are known and in the model's order. The result is the same, including the order of the
fields; tests compare each with botocore's. A body with a rare element (a tagged union) goes to the strict parser as a
whole. `python -m bench.json_pages` measures the gain.
"""

from typing import Any

from resources.aws.fast.shape_readers import SPELLINGS_KEPT, ByShape, Reader, refuse
from resources.aws.responses import CONTAINERS, ForeignResponse, has_containers, json_object, left_out, other_kind

_AS_DECODED = frozenset(
    {"bigdecimal", "biginteger", "boolean", "character", "double", "float", "integer", "long", "string"}
)
_DESCENDED = frozenset({"list", "map", "structure"})
_NOT_PLAIN = CONTAINERS | {type(None)}

_Plan = tuple[bool, tuple[tuple[str, str, Reader], ...], tuple[str, ...]]
"""For the members that were sent: whether their order is the model's, which ones to convert, which ones must be plain
values."""


class FastJsonParser(ByShape):
    """Parses bodies with one reader per shape.

    The decoded values have no other owner, so readers change them in place.
    """

    def read(self, response: dict[str, Any], shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The output, and the request id from the headers."""
        request_id = response["headers"].get("x-amzn-requestid")
        body = json_object(response, shape)
        parsed: dict[str, Any] = self.reader(shape)(left_out(response, body) | body)
        return parsed, {} if request_id is None else {"RequestId": request_id}

    def made(self, shape: Any) -> Reader:
        """A reader of decoded values of a shape."""
        kind = shape.type_name
        if kind in _AS_DECODED or (kind == "structure" and shape.is_document_type):
            return _as_decoded
        if kind == "timestamp":
            return _plain_value(shape, self._timestamp)
        if kind == "blob":
            return _plain_value(shape, self._blob)
        if kind == "list":
            return self._list(shape)
        if kind == "map" and shape.key.type_name == "string":
            return self._map(shape)
        if kind == "structure" and not shape.is_tagged_union:
            return self._structure(shape)
        return refuse

    def _list(self, shape: Any) -> Reader:
        # Created when first needed, here and below: a shape may contain itself.
        read: Reader | None = None

        def read_list(node: Any) -> Any:
            nonlocal read
            if type(node) is not list:
                raise other_kind(shape, node)
            if read is None:
                read = self.reader(shape.member)
            if read is _as_decoded:
                if shape.member.type_name in _AS_DECODED and has_containers(node):
                    raise ForeignResponse(f"with more than plain values in a list of them ({shape.name})")
                return node
            return [None if item is None else read(item) for item in node]

        return read_list

    def _map(self, shape: Any) -> Reader:
        read: Reader | None = None

        def read_map(node: Any) -> Any:
            nonlocal read
            if type(node) is not dict:
                raise other_kind(shape, node)
            if read is None:
                read = self.reader(shape.value)
            if read is not _as_decoded:
                for key, value in node.items():
                    node[key] = read(value)
            elif shape.value.type_name in _AS_DECODED and has_containers(node.values()):
                raise ForeignResponse(f"with more than plain values in a map of them ({shape.name})")
            return node

        return read_map

    def _structure(self, shape: Any) -> Reader:
        members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        if len(members) < len(shape.members):
            return refuse
        plain = {key: member for key, (_, member) in members.items() if member.type_name not in _DESCENDED}
        plans: dict[tuple[str, ...], _Plan] = {}

        def planned(spelling: tuple[str, ...]) -> _Plan:
            sent = frozenset(spelling)
            wanted = tuple((name, key, self.reader(member)) for key, (name, member) in members.items() if key in sent)
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
                raise other_kind(shape, node)
            are_plain = _NOT_PLAIN.isdisjoint(map(type, node.values()))
            if not are_plain and None in node.values():
                node = {key: value for key, value in node.items() if value is not None}
            spelling = tuple(node)
            stands, wanted, must_be_plain = plans.get(spelling) or planned(spelling)
            if not are_plain:
                for key in must_be_plain:
                    if type(node[key]) in CONTAINERS:
                        raise other_kind(plain[key], node[key])
            if not stands:
                return {name: read(node[key]) for name, key, read in wanted}
            for name, _, read in wanted:
                node[name] = read(node[name])
            return node

        return read_structure


def _as_decoded(node: Any) -> Any:
    return node


def _plain_value(shape: Any, read: Reader) -> Reader:
    def read_plain(node: Any) -> Any:
        if type(node) in CONTAINERS:
            raise other_kind(shape, node)
        return read(node)

    return read_plain
