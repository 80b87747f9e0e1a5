"""What a family of listings is: what one step collects."""

from dataclasses import dataclass

from resources.aws.listing import Listing
from resources.contract import ROLES, Role


@dataclass(frozen=True)
class Family:
    """Listings that one step collects, because they belong together.

    Attributes:
        name: the step's name.
        group: the Dagster group, a domain.
        listings: in an order in which each comes after those it is asked for (`Listing.each`).
        after: landing listings that must stand before this family is asked.
        priority: Dagster starts ready steps of higher priority first.
    """

    name: str
    group: str
    listings: tuple[Listing, ...]
    after: tuple[str, ...] = ()
    priority: int = 0

    @property
    def roles(self) -> tuple[Role, ...]:
        """Who asks, in the contract's order."""
        return tuple(role for role in ROLES if any(role in listing.roles for listing in self.listings))
