"""The parameters of a request, which note what an answer looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_keys, dict_values


class Asked(dict[str, Any]):
    """A structure of a request. To look at all of it at once, such as by `items()`, is to look at each member."""

    __slots__ = ("_read",)

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The member of a name."""
        self._read.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._read.add(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self._read.update(super().keys())
        return super().__iter__()

    def keys(self) -> dict_keys[str, Any]:
        """All names."""
        self._read.update(super().keys())
        return super().keys()

    def values(self) -> dict_values[str, Any]:
        """All members."""
        self._read.update(super().keys())
        return super().values()

    def items(self) -> dict_items[str, Any]:
        """All members with their names."""
        self._read.update(super().keys())
        return super().items()

    def unread(self) -> str | None:
        """The path of a member at which nothing looked, here or in a structure into which somebody looked."""
        for name, value in super().items():
            if name not in self._read:
                return name
            for place, inner in _structures(value):
                if inner._read and (below := inner.unread()):
                    return f"{name}{place}.{below}"
        return None


def plain(value: Any) -> Any:
    """The same without notes: what is kept of a request, which has been answered."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def _structures(value: Any) -> Iterator[tuple[str, Asked]]:
    if isinstance(value, Asked):
        yield "", value
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ((f"[{place}]{further}", found) for further, found in _structures(inner))
