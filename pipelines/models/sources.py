"""Where the values of a column come from: what `lineage` finds in the queries of the models."""

from collections.abc import Iterable
from dataclasses import dataclass

LANDING = "landing"


@dataclass(frozen=True, order=True)
class Source:
    """A column that a value comes from.

    Attributes:
        asset: key of the asset that holds it, as a path.
        column: its name; of a listing, the path in AWS's record.
    """

    asset: tuple[str, ...]
    column: str


Sources = frozenset[Source]
NONE: Sources = frozenset()


def as_text(sources: Iterable[Source]) -> str:
    """Sources as people read them: `org.account.state, landing/organizations_account State`."""
    return ", ".join(
        f"{'/'.join(source.asset)} {source.column}"
        if source.asset[0] == LANDING
        else ".".join((*source.asset, source.column))
        for source in sorted(sources)
    )
