"""Reads the XML of EC2 and of the query protocol as botocore does, without going through the whole model each time.

botocore looks, in each element, for every member that its model has: an instance has sixty. Here an element says which
members there are. What comes of it is the same, to the order of the fields; a test holds each against botocore's. What
is rare (repeated elements, flattened lists, unions) is left to botocore's own parser.

In one thing all protocols in XML are stricter than botocore, which looks at no root: a body whose root is not that of
the operation's answer, that has text in the place of a list's elements or a list twice, is no answer.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from botocore.parsers import EC2QueryParser, QueryParser, RestXMLParser

from resources.aws.fast.shape_readers import SPELLINGS_KEPT, ByShape, ForeignAnswer, Reader, operation_of

ROOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ListBuckets": ("ListAllMyBucketsResult",),
        "ListObjectsV2": ("ListBucketResult",),
        # The API reference has the first; what serialises by the name of the operation sends the second.
        "ListTagsForResource": ("ListTagsForResourceResult", "ListTagsForResourceResponse"),
    }
)
"""Roots of the answers of REST with XML by operation, from AWS's API reference: botocore's models do not name them."""


EMPTY_MEANS_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({"ListTagsForResource": ("Tags",)})
"""Lists that an answer without any element is known to have none of, since its root says which answer it is: whether S3
sends an empty list for a bucket without tags is written nowhere."""


def _check_root(root: Any, *names: str) -> None:
    found = root.tag.rpartition("}")[2]
    if found not in names:
        raise ForeignAnswer(f"with <{found[:100]}> in place of <{names[0]}>" if found else "with an empty body")


def _check_list(shape: Any, node: Any) -> None:
    if isinstance(node, list):
        raise ForeignAnswer(f"with a list given twice ({shape.name})")
    if not len(node) and (node.text or "").strip():
        raise ForeignAnswer(f"with text in place of a list ({shape.name})")


class _Lists:
    """What botocore reads, but no list that is given twice or has text for elements; beside one of its parsers."""

    def _handle_list(self, shape: Any, node: Any) -> Any:
        if not shape.serialization.get("flattened"):
            _check_list(shape, node)
        return super()._handle_list(shape, node)  # type: ignore[misc]  # of botocore's class


class _PlainQuery(_Lists, QueryParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of the query protocol."""


class _PlainEC2(_Lists, EC2QueryParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of EC2's protocol."""


class _ByElement(ByShape):
    """What both protocols share: a reader goes by the elements that there are."""

    _parse_xml_string_to_dom: Callable[[Any], Any]
    _find_result_wrapped_shape: Callable[[str, Any], Any]
    _inject_response_metadata: Callable[[Any, Any], None]

    def _do_parse(self, response: dict[str, Any], shape: Any) -> Any:
        root = self._parse_xml_string_to_dom(response["body"])
        _check_root(root, f"{operation_of(response)}Response")
        parsed: Any = {}
        if shape is not None:
            wrapper = shape.serialization.get("resultWrapper")
            parsed = self._parse_shape(shape, self._find_result_wrapped_shape(wrapper, root) if wrapper else root)
        self._inject_response_metadata(root, parsed)
        return parsed

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
            found = [read(item) for item in node]
            if not found:
                _check_list(shape, node)
            return found

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
        self._made_with(_PlainQuery(**settings))


class EC2Answers(_ByElement, EC2QueryParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of EC2's protocol, by element.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._made_with(_PlainEC2(**settings))


class RestXmlAnswers(_Lists, RestXMLParser):  # type: ignore[misc]  # botocore publishes no types
    """Botocore's parser of REST with XML, for answers that are what they say.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def _do_parse(self, response: dict[str, Any], shape: Any) -> Any:
        operation = operation_of(response)
        if operation not in ROOTS:
            raise ForeignAnswer(
                "with something that cannot be told: its root is not in resources/aws/fast/xml_parser.py ROOTS"
            )
        # Parsed twice: what comes this way is small.
        root = self._initial_body_parse(response["body"])
        _check_root(root, *ROOTS[operation])
        parsed = super()._do_parse(response, shape)
        if operation in EMPTY_MEANS_NONE and not len(root):
            parsed |= {name: [] for name in EMPTY_MEANS_NONE[operation]}
        return parsed
