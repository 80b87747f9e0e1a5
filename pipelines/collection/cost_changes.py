"""Which slices and months of the bill a run fetches whole, of which it fetches some days, and which stay."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipelines.collection import cost_difference
from pipelines.collection.cost_difference import ChangedDays, StoredSlice, days_of
from pipelines.collection.cost_slices import (
    ACCOUNT,
    BY_ACCOUNT,
    SERVICE,
    TOTAL,
    Month,
    Slice,
    cell_listing,
    first_open_month,
)
from pipelines.collection.state import KEPT_FOR, StepState
from pipelines.trust.outcomes import FOR_LATER, NOT_COMPARED
from resources.aws.listing import GLOBAL_REGION
from resources.aws.messages import CellKey

Cell = tuple[Slice, Month]
"""A slice and a month of the bill, which is one cell."""


class CostChanges:
    """What the bill by account says of the slices and months that are stored.

    Args:
        state: the step's state.
        account_id: the payer account.
        today: the current day, UTC.
        stored: what is stored of its slices and months, as `cost_difference.stored_slices` reads it.
        backfilled: slices and first days of months that a backfill of tags has changed since they were fetched.
        disputed: months, such as `2026-09`, that do not add up to AWS's latest monthly total.
    """

    def __init__(
        self,
        state: StepState,
        account_id: str,
        today: date,
        stored: Mapping[str, StoredSlice],
        backfilled: Collection[tuple[Slice, date]],
        disputed: Collection[str],
    ) -> None:
        self._state = state
        self._account_id = account_id
        self._open_since = first_open_month(today)
        self._stored = stored
        self._backfilled = backfilled
        self._disputed = disputed
        self._found: dict[tuple[Slice, date], ChangedDays] = {}
        self._made_by = {
            listing.name: state.record_rules[listing.name].fingerprint(listing) for listing in state.listings
        }
        self._page = max((one.rows_a_page for one in stored.values()), default=0)
        self.is_on = state.is_by_cadence and any(listing.name == ACCOUNT.listing for listing in state.listings)

    def to_compare(self, cells: Iterable[Cell]) -> list[Month]:
        """The months of cells whose bill by account decides what is fetched, newest first."""
        return cost_difference.months_of(one for one in cells if self._is_comparable(*one))

    def recent(self) -> set[CellKey]:
        """The cells of the bill by account of earlier runs that are young enough to be published."""
        since = datetime.now(UTC) - KEPT_FOR
        return {
            key
            for key, earlier in self._state.earlier.items()
            if key.name == ACCOUNT.listing and self._state.is_of_before(earlier) and earlier.ended_at >= since
        }

    def learn(self, cells: Iterable[Cell], month: Month) -> None:
        """Compare the slices of a month with its bill by account.

        Without one they are fetched whole. Its cell is skipped then, since it need not block them.
        """
        attempt = self._state.attempts.get(self._key(ACCOUNT, month))
        if attempt is None:
            return
        if attempt.response.outcome != "found":
            message = attempt.response.error_message
            if attempt.response.outcome != "skipped":
                attempt.skip(NOT_COMPARED, message)
            self._state.log(
                f"Cost Explorer gave no bill by account of {month.name} to compare with ({message or 'no records'}), "
                "so its slices are requested whole."
            )
            return
        landed = self._state.writer(attempt.response.request.listing).records_part
        slices = [one for one, of in cells if of == month and self._is_comparable(one, of)]
        with self._state.store.read() as connection:
            found = cost_difference.changed_days(connection, self._account_id, month, slices, landed)
        self._found |= {(one, month.start): changed for one, changed in found.items()}

    def ranges(self, bill_slice: Slice, month: Month) -> tuple[Month, ...] | None:
        """The ranges of days that are fetched; None for the whole month, and empty where nothing has changed."""
        changed = self._found.get((bill_slice, month.start))
        if changed is None:
            return None
        ranges = changed.ranges(month, self._page or cost_difference.ROWS_A_PAGE)
        if ranges == (month,):
            return None
        earlier = self._state.earlier[self._key(bill_slice, month)]
        is_by_account = BY_ACCOUNT in bill_slice.groups
        if not is_by_account and not earlier.is_trusted:
            # The slices by account, which showed what moved between accounts, may agree since.
            return None
        # Something is wrong with a cell without a trusted response, and with a month that adds up to another total
        # although its services agree with the bill by account.
        is_disputed = month.name in self._disputed and not self._differs(month)
        if ranges or (earlier.is_trusted and not is_disputed):
            return ranges
        if is_by_account and changed.rows and earlier.skip_reason == FOR_LATER and not is_disputed:
            # It had to wait, and agrees since: a day shows that AWS gives it, where there may never be room for all.
            day = max(changed.rows)
            return (Month(day, day + timedelta(days=1)),)
        return None

    def _differs(self, month: Month) -> bool:
        """Whether the service slice, by which a month is added up, is fetched anyway."""
        found = self._found.get((SERVICE, month.start))
        return found is None or bool(found.days) or found.is_doubtful

    def days(self, bill_slice: Slice, month: Month) -> list[date]:
        """The days that are fetched where that is not the whole month; else empty."""
        return days_of(self.ranges(bill_slice, month) or ())

    def is_unchanged(self, bill_slice: Slice, month: Month) -> bool:
        """Whether the bill by account shows that nothing has changed, so that the cell stays as it is."""
        return self.ranges(bill_slice, month) == ()

    def pages(self, bill_slice: Slice, month: Month) -> int:
        """The pages that a cell is expected to take, by the rows that are stored; 0 where none are.

        Where no response had two pages, each counts as one: a guess that is too high would let a cell wait for ever.
        """
        page = self._page or sys.maxsize
        changed, ranges = self._found.get((bill_slice, month.start)), self.ranges(bill_slice, month)
        if changed is not None and ranges:
            return changed.pages(ranges, page)
        stored = self._stored.get(self._key(bill_slice, month).listing)
        return 0 if stored is None else -(-stored.rows // page)

    def whole(self, bill_slice: Slice, month: Month) -> None:
        """Have a cell fetched whole, although it agrees with the bill by account."""
        self._found.pop((bill_slice, month.start), None)

    def longest_ago(self, bill_slice: Slice, month: Month, room: int) -> bool:
        """Have those days of a cell fetched that were fetched longest ago, as many as take no more than `room` pages.

        Returns:
            Whether there is room for any.
        """
        changed = self._found.get((bill_slice, month.start))
        if changed is None:
            return False
        chosen = changed.longest_ago(month, self._page or sys.maxsize, room)
        self._found[bill_slice, month.start] = chosen
        return bool(chosen.days)

    def evidence(self, bill_slice: Slice, month: Month) -> dict[str, Any]:
        """What the evidence of a fetched cell has beside its response: what made its rows, and the days that it has."""
        days = self.days(bill_slice, month)
        found: dict[str, Any] = {"made_by": self._made_by[bill_slice.listing]}
        return found | ({"days": [f"{day}" for day in days]} if days else {})

    def sentence(self, cells: Sequence[Cell]) -> str:
        """What the comparison decided about cells, for the log."""
        compared = [one for one in cells if (one[0], one[1].start) in self._found]
        kept = sum(self.is_unchanged(*one) for one in compared)
        some = sum(bool(self.ranges(*one)) for one in compared)
        return (
            f"Cost Explorer: compared with the bill by account, {kept} of {len(compared)} slices and months are "
            f"unchanged, and of {some} only the changed days are requested."
        )

    def _is_comparable(self, bill_slice: Slice, month: Month) -> bool:
        """Whether the stored rows of a cell are those of its last trusted response, and nothing speaks against it."""
        if not self.is_on or bill_slice == TOTAL or month.name in self._state.whole_months:
            return False
        key = self._key(bill_slice, month)
        earlier, stored = self._state.earlier.get(key), self._stored.get(key.listing)
        return (
            earlier is not None
            and stored is not None
            and stored.read_at == earlier.last_trusted_at
            and stored.is_of_this_bill
            # Of a closed month the rows stay as a release before made them.
            and (month.start < self._open_since or stored.made_by == self._made_by[bill_slice.listing])
            and self._state.is_of_before(earlier)
            and not earlier.is_disputed
            and (bill_slice, month.start) not in self._backfilled
        )

    def _key(self, bill_slice: Slice, month: Month) -> CellKey:
        return CellKey("billing", self._account_id, GLOBAL_REGION, cell_listing(bill_slice, month))
