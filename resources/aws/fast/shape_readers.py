"""What XML and JSON are read with: a reader for each shape of botocore's models, made when it is first met."""

from collections.abc import Callable
from typing import Any

from botocore.parsers import ResponseParserError

Reader = Callable[[Any], Any]
"""Makes a value of what an answer has for a shape."""

SPELLINGS_KEPT = 1_000
"""So many spellings of its members' names a structure remembers: an answer cannot make it remember without end."""


class ForeignAnswer(ResponseParserError):  # type: ignore[misc]  # botocore publishes no types
    """A body with status 200 that is no answer to what was asked. The message says what it is, after `answered`."""


def operation_of(response: dict[str, Any]) -> str:
    """The operation that a response is parsed for."""
    return str(response["context"]["operation_name"])


class ByShape:
    """A parser of botocore's that goes by readers, and leaves what is rare to a plain one of the same protocol.

    Beside one of botocore's parsers as base class.
    """

    _plain: Any
    _timestamp_parser: Callable[[Any], Any]

    def _made_with(self, plain: Any) -> None:
        self._plain = plain
        # By the identity of a shape, which is kept with its reader: shapes of one name differ by where they stand.
        self._readers: dict[int, tuple[Any, Reader]] = {}

    def _reader(self, shape: Any) -> Reader:
        known = self._readers.get(id(shape))
        if known is None:
            known = self._readers[id(shape)] = (shape, self._made(shape))
        return known[1]

    def _made(self, shape: Any) -> Reader:
        raise NotImplementedError
