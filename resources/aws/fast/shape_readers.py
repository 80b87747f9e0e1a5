"""The common base of the fast parsers: one reader per shape of botocore's models, created when first needed."""

import base64
from collections.abc import Callable
from typing import Any

from botocore.utils import parse_timestamp

from resources.aws.responses import BodyParser

Reader = Callable[[Any], Any]
"""Converts the value that a body has for a shape."""

SPELLINGS_KEPT = 1_000
"""The most spellings of member names that a structure caches, so that no body can grow the cache without limit."""


class Rare(Exception):
    """A body contains an element that only botocore's own parser reads. Values read so far must be dropped."""


def refuse(node: Any) -> Any:
    """The reader of shapes that are not supported here.

    Raises:
        Rare: always.
    """
    raise Rare


def metadata_of(response: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """`ResponseMetadata` as botocore builds it: the response's own metadata, then status and headers."""
    metadata["HTTPStatusCode"] = response["status_code"]
    metadata["HTTPHeaders"] = {name.lower(): value for name, value in response["headers"].items()}
    return metadata


class ByShape:
    """Parses bodies of a protocol with one reader per shape. Subclasses create the readers and find the output.

    Args:
        strict: the strict parser of the same protocol.
        timestamp_parser: as in botocore's parsers.
        blob_parser: as in botocore's parsers.
    """

    def __init__(self, strict: BodyParser, *, timestamp_parser: Any = None, blob_parser: Any = None) -> None:
        self._strict = strict
        self._timestamp = timestamp_parser or parse_timestamp
        self._blob = blob_parser or base64.b64decode
        # By the identity of a shape, which is stored with its reader: two shapes of one name may differ by where they
        # are used.
        self._readers: dict[int, tuple[Any, Reader]] = {}

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response, as the strict parser returns it.

        Raises:
            ForeignResponse: the body does not match the model.
        """
        is_usual = response["status_code"] < 300 and shape is not None and not shape.event_stream_name
        if is_usual and not response["context"].get("checksum"):
            try:
                parsed, metadata = self.read(response, shape)
            except Rare:
                pass
            else:
                parsed["ResponseMetadata"] = metadata_of(response, metadata)
                return parsed
        return self._strict.parse(response, shape)

    def read(self, response: dict[str, Any], shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The output of a success, and the response's own metadata, such as the request id.

        Raises:
            ForeignResponse: the body does not match the model.
            Rare: only botocore's own parser reads the body.
        """
        raise NotImplementedError

    def reader(self, shape: Any) -> Reader:
        """The reader of a shape."""
        known = self._readers.get(id(shape))
        if known is None:
            known = self._readers[id(shape)] = (shape, self.made(shape))
        return known[1]

    def made(self, shape: Any) -> Reader:
        """A new reader of a shape."""
        raise NotImplementedError
