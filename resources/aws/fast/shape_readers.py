"""What XML and JSON are read with: a reader for each shape of botocore's models, made when it is first met."""

import base64
from collections.abc import Callable
from typing import Any

from botocore.utils import parse_timestamp

from resources.aws.responses import BodyParser

Reader = Callable[[Any], Any]
"""Makes a value of what a body has for a shape."""

SPELLINGS_KEPT = 1_000
"""So many spellings of its members' names a structure remembers: a body cannot make it remember without end."""


class Rare(Exception):
    """A body holds what only botocore's own parser reads. Nothing of what was read counts."""


def refuse(node: Any) -> Any:
    """The reader of what is not read here.

    Raises:
        Rare: always.
    """
    raise Rare


def metadata_of(response: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """`ResponseMetadata` as botocore gives it: what the response tells, then status and headers."""
    metadata["HTTPStatusCode"] = response["status_code"]
    metadata["HTTPHeaders"] = {name.lower(): value for name, value in response["headers"].items()}
    return metadata


class ByShape:
    """Reads bodies of a protocol with one reader a shape. Subclasses say how to make one, and where to begin.

    Args:
        strict: the strict parser of the same protocol.
        timestamp_parser: as botocore's parsers have it.
        blob_parser: as botocore's parsers have it.
    """

    def __init__(self, strict: BodyParser, *, timestamp_parser: Any = None, blob_parser: Any = None) -> None:
        self._strict = strict
        self._timestamp = timestamp_parser or parse_timestamp
        self._blob = blob_parser or base64.b64decode
        # By the identity of a shape, which is kept with its reader: shapes of one name differ by where they stand.
        self._readers: dict[int, tuple[Any, Reader]] = {}

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """The response, as the strict parser gives it.

        Raises:
            ForeignResponse: the body is not what the model says.
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
        """The output of a success, and what its response tells of itself, such as the request id.

        Raises:
            ForeignResponse: the body is not what the model says.
            Rare: only botocore's own parser reads it.
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
