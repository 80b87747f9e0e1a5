"""Which parent listings are settled: for each parent and account, are all cells trusted or known to be empty?"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from pipelines.catalogue import registry as catalogue
from pipelines.collection.state import StepState
from pipelines.trust import outcomes
from resources.audit.cells import Cell, CellState
from resources.aws.listing import GLOBAL_REGION, Each
from resources.aws.messages import DENIED_BY_POLICY, CellKey
from resources.contract import Role


def parents_of(role: Role, each: Each) -> tuple[str, ...]:
    """The parent listings that a role requests itself: the operations role, for one, requests no databases."""
    known = catalogue.listings()
    return tuple(name for name in each.of if role in known[name].roles) or each.of


class _Known(NamedTuple):
    region: str
    is_settled: bool
    is_settled_or_waits: bool
    is_denied: bool


class ParentCoverage:
    """Which parents' newest cells are settled: trusted, or skipped for a reason that AWS gave.

    A zero that waits for CloudTrail is settled if the last trusted response was a zero too.
    """

    _SETTLED = outcomes.CONCLUSIVE_SKIPS | outcomes.RETIRING | {outcomes.NO_LONGER_REQUESTED}

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], list[_Known]] = defaultdict(list)

    def add(self, cell: CellState, last_trusted_count: int | None) -> None:
        """Add one newest cell.

        Args:
            cell: the cell.
            last_trusted_count: number of records in the last trusted cell of its key; None without one.
        """
        if cell.skip_reason in ("region_not_enabled", outcomes.REGION_NOT_SELECTED):
            return
        waits = cell.outcome == "empty_unconfirmed" or cell.skip_reason in outcomes.WAITING_SKIPS
        settled = cell.is_trusted or cell.skip_reason in self._SETTLED or (waits and last_trusted_count == 0)
        known = _Known(cell.region, settled, settled or waits, cell.skip_reason == DENIED_BY_POLICY)
        self._cells[cell.name, cell.account_id].append(known)

    def is_whole(
        self, listings: Iterable[str], account: str, region: str = GLOBAL_REGION, *, or_waiting: bool = False
    ) -> bool:
        """Whether all of these listings are settled for an account: in one region, or in all for `aws-global`.

        Args:
            listings: names of the listings.
            account: the account id.
            region: the region.
            or_waiting: whether zeros that CloudTrail has not confirmed yet count as settled.
        """
        for listing in listings:
            cells = self._at(listing, account, region)
            if not cells or not all(cell.is_settled_or_waits if or_waiting else cell.is_settled for cell in cells):
                return False
        return True

    def is_denied(self, listings: Iterable[str], account: str, region: str = GLOBAL_REGION) -> bool:
        """Whether a policy denies every cell of these listings that is neither settled nor waiting for CloudTrail."""
        cells = [self._at(listing, account, region) for listing in listings]
        unknown = [cell.is_denied for own in cells for cell in own if not cell.is_settled_or_waits]
        return all(cells) and bool(unknown) and all(unknown)

    def _at(self, listing: str, account: str, region: str) -> list[_Known]:
        cells = self._cells.get((listing, account), [])
        return cells if region == GLOBAL_REGION else [cell for cell in cells if cell.region in (region, GLOBAL_REGION)]


def parent_coverage(state: StepState, cells: Iterable[Cell]) -> ParentCoverage:
    """The coverage of the parents of this step's listings, from this step's and earlier cells.

    Args:
        cells: the cells of this step.
    """
    own = {listing.name for listing in state.listings}
    parents = {name for listing in state.listings if listing.each for name in listing.each.of}
    known = ParentCoverage()
    for cell in cells:
        if cell.name in parents:
            known.add(cell, last_trusted_count(state, cell.key))
    for key in state.batch.kept:
        if key.name in parents:
            known.add(state.earlier[key], last_trusted_count(state, key))
    if parents - own:
        for newest in state.known.coverage(sorted(parents - own), state.batch.accounts):
            known.add(newest, newest.last_trusted_count)
    return known


def last_trusted_count(state: StepState, key: CellKey) -> int | None:
    """Number of records in the last trusted cell of a key before this run; None without one."""
    earlier = state.earlier.get(key)
    return None if earlier is None else earlier.last_trusted_count
