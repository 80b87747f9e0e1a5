"""What a query reads, and where the values of its columns come from: what a parser finds in it."""

from collections.abc import Iterable
from dataclasses import dataclass

LANDING = "landing"

WHOLE_BILL = frozenset({"cost.daily", "stage.reported_cost", "cost.month_coverage"})
"""Relations that hold every slice of the bill, distinguished by their column `slice`."""


@dataclass(frozen=True)
class Reads:
    """What a query reads.

    Attributes:
        relations: by `schema.table`.
        listings: through `landing(listing, type)`, in the order of the query.
        slices: the cuts of the bill, where each of its parts that reads it names them; else none.
    """

    relations: frozenset[str]
    listings: tuple[str, ...]
    slices: frozenset[str]


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
