"""What XML and JSON are read with: a reader for each shape of botocore's models, made when it is first met."""

from collections.abc import Callable
from typing import Any

Reader = Callable[[Any], Any]
"""Makes a value of what a body has for a shape."""

SPELLINGS_KEPT = 1_000
"""So many spellings of its members' names a structure remembers: a body cannot make it remember without end."""


class Rare(Exception):
    """A body holds what only botocore's own parser reads. Nothing of what was read counts."""


def metadata_of(response: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """`ResponseMetadata` as botocore gives it: what the response tells, then status and headers."""
    told["HTTPStatusCode"] = response["status_code"]
    told["HTTPHeaders"] = {name.lower(): value for name, value in response["headers"].items()}
    return told


class ByShape:
    """Keeps one reader a shape. Subclasses say how to make one."""

    def __init__(self) -> None:
        # By the identity of a shape, which is kept with its reader: shapes of one name differ by where they stand.
        self._readers: dict[int, tuple[Any, Reader]] = {}

    def reader(self, shape: Any) -> Reader:
        """The reader of a shape."""
        known = self._readers.get(id(shape))
        if known is None:
            known = self._readers[id(shape)] = (shape, self.made(shape))
        return known[1]

    def made(self, shape: Any) -> Reader:
        """A new reader of a shape."""
        raise NotImplementedError
