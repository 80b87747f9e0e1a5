"""Parses the XML of EC2 and of the query protocol as botocore does, without walking the whole model each time.

botocore looks, in each element, for every member of its model: an instance has sixty. Here the child elements select
the members. The result is the same, including the order of the fields; tests compare each with botocore's. A body with
a rare construct (a repeated element, a flattened list, a union) goes to the strict parser as a whole.
"""

from typing import Any

from resources.aws.fast.shape_readers import SPELLINGS_KEPT, ByShape, Rare, Reader, refuse
from resources.aws.responses import (
    BodyParser,
    check_list,
    check_root,
    list_given_twice,
    local_name,
    operation_of,
    xml_root,
)


class FastXmlParser(ByShape):
    """Parses bodies by the elements that they contain.

    Args:
        strict: the strict parser of the same protocol.
        is_ec2: whether the request id is a child of the root, as in EC2's protocol.
        settings: as in `ByShape`.
    """

    def __init__(self, strict: BodyParser, *, is_ec2: bool, **settings: Any) -> None:
        super().__init__(strict, **settings)
        self._is_ec2 = is_ec2

    def read(self, response: dict[str, Any], shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The output, and the metadata in the body."""
        root = xml_root(response["body"])
        if root is None:
            raise Rare
        check_root(root, f"{operation_of(response)}Response")
        parsed: dict[str, Any] = self.reader(shape)(_result(root, shape))
        return parsed, self._metadata(root)

    def _metadata(self, root: Any) -> dict[str, Any]:
        """The metadata in a body: the request id, and other elements that a query service puts beside it."""
        wanted = "requestId" if self._is_ec2 else "ResponseMetadata"
        found = [child for child in root if local_name(child) == wanted]
        if not found:
            return {}
        if len(found) > 1:
            raise Rare
        if self._is_ec2:
            return {"RequestId": found[0].text}
        metadata = {local_name(child): child.text for child in found[0]}
        if len(metadata) < len(found[0]):
            raise Rare
        return metadata

    def made(self, shape: Any) -> Reader:
        """A reader of elements of a shape."""
        kind = shape.type_name
        if kind == "string":
            return _text
        if kind == "boolean":
            return lambda node: node.text == "true"
        if kind in ("integer", "long"):
            return lambda node: int(node.text or "")
        if kind in ("float", "double"):
            return lambda node: float(node.text or "")
        if kind == "timestamp":
            return lambda node: self._timestamp(node.text or "")
        if kind == "blob":
            return lambda node: self._blob(node.text or "")
        if kind == "list" and not shape.serialization.get("flattened"):
            return self._list(shape)
        if kind == "structure" and not _is_rare(shape):
            return self._structure(shape)
        return refuse

    def _list(self, shape: Any) -> Reader:
        # Created when first needed: a shape may contain itself.
        read: Reader | None = None

        def read_list(node: Any) -> list[Any]:
            nonlocal read
            if read is None:
                read = self.reader(shape.member)
            found = [read(item) for item in node]
            if not found:
                check_list(shape, node)
            return found

        return read_list

    def _structure(self, shape: Any) -> Reader:
        members = {
            member.serialization.get("name") or name: (rank, name, member)
            for rank, (name, member) in enumerate(shape.members.items())
        }
        if len(members) < len(shape.members):
            return refuse
        ranks = {name: rank for rank, name in enumerate(shape.members)}
        by_tag: dict[str, tuple[int, str, Reader]] = {}

        def known(tag: str) -> tuple[int, str, Reader] | None:
            found = members.get(tag.rpartition("}")[2])
            if found is None:
                return None
            rank, name, member = found
            entry = (rank, name, self.reader(member))
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
                        if shape.members[name].type_name == "list":
                            raise list_given_twice(shape.members[name])
                        raise Rare
                    in_order = False
                else:
                    last = rank
                parsed[name] = read(child)
            if in_order:
                return parsed
            return {name: parsed[name] for name in sorted(parsed, key=ranks.__getitem__)}

        return read_structure


def _result(root: Any, shape: Any) -> Any:
    """The element that contains the output's members."""
    wrapper = shape.serialization.get("resultWrapper")
    if not wrapper:
        return root
    found = [child for child in root if local_name(child) == wrapper]
    if len(found) != 1:
        raise Rare
    return found[0]


def _is_rare(shape: Any) -> bool:
    return (
        shape.metadata.get("exception", False)
        or shape.is_tagged_union
        or any(
            member.serialization.get(how)
            for member in shape.members.values()
            for how in ("flattened", "xmlAttribute", "location", "eventheader")
        )
    )


def _text(node: Any) -> str:
    text: str | None = node.text
    return "" if text is None else text
