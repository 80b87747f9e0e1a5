"""The months of the bill that are stored: which a run need not fetch, and which it fetches once more."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any

from pipelines.catalogue.names import COST_TAG, COST_TAG_BACKFILL
from pipelines.collection import cost_difference, late_costs, previous
from pipelines.collection.cost_difference import StoredSlice
from pipelines.collection.cost_slices import TOTAL, Month, Slice, cell_listing, first_open_month
from pipelines.collection.late_costs import Readings
from pipelines.collection.state import StepState
from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT


class ClosedMonths:
    """The slices of closed months with a trusted response of this payer.

    Args:
        state: the step's state, whose tags and backfills have been fetched.
        account_id: the payer account.
        today: the current day, UTC.
        bill_slices: the slices of the bill.
    """

    def __init__(self, state: StepState, account_id: str, today: date, bill_slices: Sequence[Slice]) -> None:
        self._state = state
        self._account_id = account_id
        self._today = today
        self._bill_slices = bill_slices

    def known(self, bill_slice: Slice) -> set[str]:
        """The months of a slice, such as `2026-09`, whose stored costs are final."""
        return {f"{start:%Y-%m}" for one, start in self._readings if one == bill_slice}

    def reopened(self) -> list[tuple[Slice, Month]]:
        """The slices that a backfill of tags has changed; adds a finding where backfills may not be listed."""
        state, switched = self._state, self._switched
        refused = any(
            key.name == COST_TAG_BACKFILL and entry.response.skip_reason in (OPTIONAL_GRANT, DENIED_BY_POLICY)
            for key, entry in state.attempts.items()
        )
        if refused and self._closed:
            state.findings.append(late_costs.sentence(late_costs.unseen(self._closed, switched)))
            state.log(state.findings[-1])
        return late_costs.reopened(self._closed, late_costs.succeeded(self._records(COST_TAG_BACKFILL)), switched)

    def backfilled(self) -> set[tuple[Slice, date]]:
        """The slices and first days of months that a backfill of tags has changed since they were fetched."""
        closed = late_costs.closed(late_costs.final_readings(self._cells, self._bill_slices, ()), self._today)
        readings = {**closed, **late_costs.open_readings(self._cells, self._bill_slices, self._today)}
        backfills = late_costs.succeeded(self._records(COST_TAG_BACKFILL))
        return {(one, month.start) for one, month in late_costs.reopened(readings, backfills, self._switched)}

    def in_turn(self, may: Callable[[Slice, Month], bool] = lambda *_: True) -> list[tuple[Slice, Month]]:
        """The slices of the month whose turn it is to be fetched again, without those that this run has fetched.

        Args:
            may: which slices and months may have a turn.
        """
        fetched = {key.listing for key in self._state.attempts}
        cells = ((one, late_costs.month_of(start), at) for (one, start), at in self._closed.items())
        return late_costs.in_turn(
            {
                (one, month.start): at
                for one, month, at in cells
                if cell_listing(one, month) not in fetched and may(one, month)
            }
        )

    @cached_property
    def stored(self) -> Mapping[str, StoredSlice]:
        """What is stored of each slice and month, by the name of its cell."""
        with self._state.store.read() as connection:
            return cost_difference.stored_slices(connection, self._account_id)

    @cached_property
    def disputed(self) -> set[str]:
        """Months, such as `2026-09`, that do not add up to AWS's monthly total: this run's, or else the last one's."""
        state = self._state
        responses = (one.response for key, one in state.attempts.items() if key.name == TOTAL.listing)
        total = next((one.request.listing for one in responses if one.outcome == "found"), None)
        with state.store.read() as connection:
            if total is None:
                return previous.disputed_months(connection)
            return cost_difference.disputed_months(
                connection, self._account_id, first_open_month(self._today), state.writer(total).records_part
            )

    @property
    def _switched(self) -> Mapping[str, datetime | None] | None:
        return late_costs.switched_at(self._records(COST_TAG)) if self._is_found(COST_TAG) else None

    @cached_property
    def _cells(self) -> list[tuple[str, datetime, datetime]]:
        """The trusted cells of the payer, as `late_costs.final_readings` takes them."""
        cells = (
            (key.listing, earlier.ended_at)
            for key, earlier in self._state.earlier.items()
            if key.account_id == self._account_id and earlier.is_trusted and self._state.is_of_before(earlier)
        )
        return cost_difference.read_times(cells, self.stored)

    @cached_property
    def _readings(self) -> Readings:
        """When each slice was last fetched, of months that are known to be final."""
        return late_costs.final_readings(self._cells, self._bill_slices, self.disputed)

    @cached_property
    def _closed(self) -> Readings:
        return late_costs.closed(self._readings, self._today)

    def _is_found(self, listing: str) -> bool:
        return any(key.name == listing and one.response.outcome == "found" for key, one in self._state.attempts.items())

    def _records(self, listing: str) -> list[Mapping[str, Any]]:
        """What this run has found of a listing; empty where an earlier response is kept, which was judged before."""
        return [record.fields for record in self._state.batch.parent_records[listing]]
