"""The type of a family: the listings that one step collects."""

from dataclasses import dataclass

from resources.aws.listing import Listing
from resources.contract import ROLES, Role

SELDOM = 7
"""Nights between two requests of a listing that changes seldom, and is read for what is due, billed or reachable."""

RARELY = 14
"""The same of other listings, and of every cell of a listing that changes seldom while it is empty."""

MONTHLY = 28
"""The same of what never changes once it is there: a request finds only what is new, or gone."""

LANDING = "landing"
"""The Dagster group of what is collected, and of the internal tables that show it as AWS sent it."""

DOMAIN_TAG = "domain"
"""Tag of assets in internal groups: the domain that they are about."""


def nights_between(listing: Listing, has_records: bool) -> int:
    """Nights between two requests of a cell; where there was nothing, something is seldom there soon after.

    Args:
        listing: the cell's listing.
        has_records: whether the last trusted response has records.
    """
    return listing.every if has_records or listing.every == 1 else max(listing.every, RARELY)


@dataclass(frozen=True)
class Family:
    """Listings that one step collects, because they belong together.

    Attributes:
        name: the step's name.
        group: the domain, which is also the Dagster group of its tables.
        listings: the listings; each comes after its parent listings (`Listing.each`).
        after: landing listings that must have landed before this family is requested.
        priority: Dagster starts ready steps of higher priority first.
    """

    name: str
    group: str
    listings: tuple[Listing, ...]
    after: tuple[str, ...] = ()
    priority: int = 0

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that send the family's requests, in the contract's order."""
        return tuple(role for role in ROLES if any(role in listing.roles for listing in self.listings))
