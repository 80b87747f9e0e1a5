"""Reads the XML of EC2 and of the query protocol as botocore does, without going through the whole model each time.

botocore looks, in each element, for every member that its model has: an instance has sixty. Here an element says which
members there are. What comes of it is the same, to the order of the fields; a test holds each against botocore's. What
is rare (repeated elements, flattened lists, unions) is left to botocore's own parser.
"""

from typing import Any

from botocore.parsers import EC2QueryParser, QueryParser

from resources.shape_readers import SPELLINGS_KEPT, ByShape, Reader


class _ByElement(ByShape):
    """What both protocols share: a reader goes by the elements that there are."""

    def _parse_shape(self, shape: Any, node: Any) -> Any:
        if isinstance(node, list):
            return self._plain._parse_shape(shape, node)
        return self._reader(shape)(node)

    def _made(self, shape: Any) -> Reader:
        kind = shape.type_name
        if kind == "string":
            return _text
        if kind == "boolean":
            return lambda node: node.text == "true"
        if kind in ("integer", "long"):
            return lambda node: int(node.text or "")
        if kind == "timestamp":
            return lambda node: self._timestamp_parser(node.text or "")
        if kind == "list" and not shape.serialization.get("flattened"):
            return self._list(shape)
        if kind == "structure" and not self._is_rare(shape):
            return self._structure(shape)
        return lambda node: self._plain._parse_shape(shape, node)

    def _is_rare(self, shape: Any) -> bool:
        return (
            shape.metadata.get("exception", False)
            or shape.is_tagged_union
            or any(
                member.serialization.get(how)
                for member in shape.members.values()
                for how in ("flattened", "xmlAttribute", "location", "eventheader")
            )
        )

    def _list(self, shape: Any) -> Reader:
        # Not before it is needed: a shape may hold itself.
        read: Reader | None = None

        def read_list(node: Any) -> list[Any]:
            nonlocal read
            if read is None:
                read = self._reader(shape.member)
            return [read(item) for item in node]

        return read_list

    def _structure(self, shape: Any) -> Reader:
        members = {
            member.serialization.get("name") or name: (rank, name, member)
            for rank, (name, member) in enumerate(shape.members.items())
        }
        if len(members) < len(shape.members):
            return lambda node: self._plain._parse_shape(shape, node)
        ranks = {name: rank for rank, (name, *_) in enumerate(shape.members.items())}
        by_tag: dict[str, tuple[int, str, Reader]] = {}

        def known(tag: str) -> tuple[int, str, Reader] | None:
            found = members.get(tag.rpartition("}")[2])
            if found is None:
                return None
            rank, name, member = found
            entry = (rank, name, self._reader(member))
            if len(by_tag) < SPELLINGS_KEPT:
                by_tag[tag] = entry
            return entry

        def read_structure(node: Any) -> Any:
            parsed: dict[str, Any] = {}
            last = -1
            in_order = True
            for child in node:
                tag = child.tag
                entry = by_tag.get(tag) or known(tag)
                if entry is None:
                    continue
                rank, name, read = entry
                if rank <= last:
                    if name in parsed:
                        return self._plain._parse_shape(shape, node)
                    in_order = False
                else:
                    last = rank
                parsed[name] = read(child)
            if in_order:
                return parsed
            return {name: parsed[name] for name in sorted(parsed, key=ranks.__getitem__)}

        return read_structure


def _text(node: Any) -> str:
    text: str | None = node.text
    return "" if text is None else text


class QueryAnswers(_ByElement, QueryParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of the query protocol, by element.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._made_with(QueryParser(**settings))


class EC2Answers(_ByElement, EC2QueryParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of EC2's protocol, by element.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._made_with(EC2QueryParser(**settings))
