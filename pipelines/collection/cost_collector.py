"""Collects from Cost Explorer: the bill by slice and month, within the day's limit of requests.

Requests go out one at a time: each costs money, and AWS publishes no rate for Cost Explorer, which throttles loops that
send one after the other (botocore issue 1820, aws-sdk-java issue 1662). Its response to one month (throttling without
end, only the classic metrics) applies to the next month too. The monthly totals and the bill by account come first, and
show which of the slices and months have to be fetched at all (`cost_changes`).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

from pipelines.catalogue.names import COST_ACCOUNT, COST_BY_MONTH, COST_RESOURCE, COST_TAG, COST_TAG_BACKFILL
from pipelines.collection import bill_months, cost_history, cost_slices
from pipelines.collection.cadence import today
from pipelines.collection.closed_months import ClosedMonths
from pipelines.collection.collector import Collector
from pipelines.collection.cost_changes import Cell, CostChanges
from pipelines.collection.cost_limit import DayLimit, granted, requests_of
from pipelines.collection.cost_turn import part_of_turn
from pipelines.collection.seeds import every_slice, services_of_listings
from pipelines.trust.outcomes import FOR_LATER, NO_COST_DATA, NO_PARENTS, NOT_COMPARED, TOO_MANY_PAGES
from resources.audit.paid_requests import DailyLimitReached
from resources.aws.errors import THROTTLE_CODES
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import (
    DENIED_BY_POLICY,
    REQUEST_LIMIT,
    CellKey,
    Outcome,
    Request,
    Response,
)

REFUSED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "ValidationException"})
"""Error codes of Cost Explorer for a request that it does not support or does not permit."""


def collect_costs(collector: Collector, listings: Sequence[Listing]) -> None:
    """Send all requests to Cost Explorer, most needed first, and stop before the day's limit.

    The order is: cost allocation tags and their backfills, the monthly totals, the bill by account, then slices and
    months of the bill, then the cost of single resources, then one closed month again. A run that is to fetch months
    whole sends nothing but their requests.

    Raises:
        DailyLimitReached: the limit has no room for the months that are to be fetched whole. Nothing but the totals
            was sent.
    """
    (_WholeMonths if collector.state.whole_months else _Bill)(collector, listings).fetch()


class _Bill:
    """The requests of one run to Cost Explorer."""

    def __init__(self, collector: Collector, listings: Sequence[Listing]) -> None:
        self._collector = collector
        self._state = state = collector.state
        self._listings: Mapping[str, Listing] = {entry.name: entry for entry in listings}
        self._identity = state.identity("billing")
        self._today = today()
        self._limit = state.settings.cost_request_limit
        self._day = DayLimit(state, self._identity.profile)
        self._most = self._limit
        self._metrics: tuple[str, ...] = cost_slices.METRICS
        self._metrics_are_known = False
        self._gave_up: tuple[Outcome, str, str] | None = None
        self._not_offered: set[cost_slices.Slice] = set()
        self._pages: Counter[cost_slices.Slice] = Counter()
        self._known_months = cost_history.known_months(state.earlier, self._identity.account_id)
        self._without_costs: dict[cost_slices.Month, str] = {}
        self._changes = CostChanges(state, self._identity.account_id, self._today, {}, (), ())

    def fetch(self) -> None:
        """Send the requests; every wanted cell gets its outcome."""
        state = self._state
        tags, backfills = (
            requests_of(state, self._identity, self._listings.get(name), [("", {})])
            for name in (COST_TAG, COST_TAG_BACKFILL)
        )
        totals = Counter(request.listing.name for request in (*tags, *backfills))
        optional = (granted(state, self._day, tags), granted(state, self._day, backfills))
        self._collector.fetch_in_turn(chain(*optional), totals)
        bill_slices = [
            bill_slice for bill_slice in every_slice(state.settings.reference) if bill_slice.listing in self._listings
        ]
        self._skip_without_slices(bill_slices)
        closed = ClosedMonths(state, self._identity.account_id, self._today, bill_slices)
        # They show closed months whose total AWS has changed: without these months the run would be refused.
        total = [
            one
            for one in cost_slices.total(self._today, state.settings.cost_months, bill_slices)
            if not state.keep(self._request(*one))
        ]
        self._send(total)
        planned = cost_slices.plan(
            self._today, state.settings.cost_months, bill_slices, closed.known, closed.reopened()
        )
        self._changes = CostChanges(
            state, self._identity.account_id, self._today, closed.stored, closed.backfilled(), closed.disputed
        )
        planned = [one for one in planned if one[0] != cost_slices.TOTAL and not state.keep(self._request(*one))]
        self._compare(planned)
        months = [one for one in planned if not self._stays(*one)]
        resources = requests_of(
            state,
            self._identity,
            self._listings.get(COST_RESOURCE),
            [(service, cost_slices.resource_parameters(service, self._today)) for service in services_of_listings()],
        )
        state.log(
            f"Cost Explorer: {len(months) + len(resources)} results to fetch, at least as many requests of "
            f"US${cost_slices.REQUEST_PRICE_USD} each; CMDB_COST_REQUEST_LIMIT={self._limit}."
        )
        totals = Counter(bill_slice.listing for bill_slice, _ in months)
        totals.update(request.listing.name for request in resources)
        self._collector.fetch_in_turn(chain(self._bill(months), granted(state, self._day, resources)), totals)
        if not state.only_untrusted:
            self._fetch_again(closed)
        waiting = sum(cell.skip_reason == FOR_LATER for cell in state.batch.unrequested.values())
        later = f", {waiting} results wait for the next run" if waiting else ""
        state.log(f"Cost Explorer: {self._day.sent} requests{later}. {self._day.price}")

    def _skip_without_slices(self, bill_slices: Sequence[cost_slices.Slice]) -> None:
        """Give a listing that no tag key asks for a cell of its own: without any, it would count as never requested."""
        with_cells = {COST_ACCOUNT, *(entry.listing for entry in bill_slices)}
        for name in {*COST_BY_MONTH} & self._listings.keys() - with_cells:
            key = CellKey("billing", self._identity.account_id, GLOBAL_REGION, name)
            self._state.set_outcome(key, "skipped", NO_PARENTS, profile=self._identity.profile)

    def _compare(self, cells: Sequence[Cell]) -> None:
        """Fetch the bill by account of the months of these cells, which shows what of them has changed."""
        months = self._changes.to_compare(cells)
        self._send([(cost_slices.ACCOUNT, month) for month in months])
        for month in months:
            self._changes.learn(cells, month)
        if months:
            self._state.log(self._changes.sentence(cells))
        elif COST_ACCOUNT in self._listings and not any(key.name == COST_ACCOUNT for key in self._state.attempts):
            key = CellKey("billing", self._identity.account_id, GLOBAL_REGION, COST_ACCOUNT)
            if self._state.only_untrusted and (held := self._changes.recent()):
                self._state.batch.kept.update(held)
                return
            self._state.set_outcome(key, "skipped", NOT_COMPARED, profile=self._identity.profile)

    def _stays(self, bill_slice: cost_slices.Slice, month: cost_slices.Month) -> bool:
        """Whether the last response of a cell stays, since nothing has changed."""
        if not self._changes.is_unchanged(bill_slice, month):
            return False
        self._state.batch.kept.add(self._request(bill_slice, month).key)
        return True

    def _needed(self, bill_slice: cost_slices.Slice, month: cost_slices.Month) -> int:
        """The requests that a cell takes at least, as far as is known."""
        expected = self._changes.pages(bill_slice, month)
        return max(1, expected if self._changes.days(bill_slice, month) else max(expected, self._pages[bill_slice]))

    def _fetch_again(self, closed: ClosedMonths) -> None:
        """Fetch a closed month whose turn it is, if today's limit has room for all of it; else what there is room for.

        Where a part is fetched, the bill by account comes first: what it shows to have changed is fetched in all slices
        or in none, since they must agree with each other. A month whose changes have no room does not stop the others.
        """
        if self._gave_up is not None or not (cells := closed.in_turn()):
            return
        month, needed = cells[0][1], sum(self._needed(*one) for one in cells)
        if needed > self._day.left:
            is_on = self._changes.is_on
            cells = part_of_turn(closed, self._changes, self._day, self._needed, self._compare) if is_on else []
        if not cells or cells[0][1] != month:
            self._state.log(
                f"It is the turn of {month.name} to be fetched again, which takes {needed} requests or more, and "
                f"{self._state.paid_requests.explanation('ce')} {month.name} waits for a run with room for it."
            )
        if cells:
            self._state.log(f"Cost Explorer: {cells[0][1].name} is fetched again in its turn, {len(cells)} slices.")
            self._send(cells)

    def _send(self, cells: Sequence[Cell]) -> None:
        self._collector.fetch_in_turn(self._bill(cells), Counter(bill_slice.listing for bill_slice, _ in cells))

    def _request(self, bill_slice: cost_slices.Slice, month: cost_slices.Month) -> Request:
        ranges = self._changes.ranges(bill_slice, month) or ()
        return Request(
            profile=self._identity.profile,
            account_id=self._identity.account_id,
            region=GLOBAL_REGION,
            listing=self._listings[bill_slice.listing],
            listing_role="billing",
            parameters=cost_slices.parameters(bill_slice, month, self._metrics),
            batches=[cost_slices.period(days) for days in ranges],
            suffix=cost_slices.cell(bill_slice, month),
        )

    def _bill(self, wanted: Sequence[tuple[cost_slices.Slice, cost_slices.Month]]) -> Iterator[Request]:
        self._most = self._limit - self._day.sent
        for bill_slice, month in wanted:
            if not self._is_left_out(bill_slice, month):
                yield from self._fetched_until_settled(bill_slice, month)

    def _is_left_out(self, bill_slice: cost_slices.Slice, month: cost_slices.Month) -> bool:
        """Whether earlier responses of this run settle a cell without a request; if so, the cell gets its outcome."""
        key = self._request(bill_slice, month).key
        profile = self._identity.profile
        needed = self._needed(bill_slice, month)
        if bill_slice in self._not_offered:
            message = "Cost Explorer does not cut the bill so."
            self._state.set_outcome(key, "skipped", "not_offered", message, profile)
        elif month in self._without_costs:
            self._state.set_outcome(key, "skipped", NO_COST_DATA, self._without_costs[month], profile)
        elif self._gave_up is not None:
            self._state.set_outcome(key, *self._gave_up, profile)
        elif self._day.left < needed:
            self._day.wait(key, needed)
        else:
            return False
        return True

    def _fetched_until_settled(self, bill_slice: cost_slices.Slice, month: cost_slices.Month) -> Iterator[Request]:
        """The requests of one cell, with a second one after a failure, or with the classic metrics after a refusal."""
        request = self._request(bill_slice, month)
        key = request.key
        yield request
        response = self._state.attempts[key].response
        if self._has_no_costs_yet(key, month):
            return
        if (
            _is_refused(response)
            and not self._metrics_are_known
            and self._metrics == cost_slices.METRICS
            and self._day.left
        ):
            # For a payer without the newer metrics Cost Explorer refuses the whole request.
            self._metrics = cost_slices.CLASSIC_METRICS
            yield self._request(bill_slice, month)
            response = self._state.attempts[key].response
            if _is_refused(response):
                self._metrics = cost_slices.METRICS
            else:
                self._state.log("Cost Explorer refused the newer metrics; going on with the classic four.")
        elif self._day.left and _may_pass(response):
            yield self._request(bill_slice, month)
            response = self._state.attempts[key].response
        self._learn(bill_slice, month, response)

    def _has_no_costs_yet(self, key: CellKey, month: cost_slices.Month) -> bool:
        """Whether AWS reports that it has no costs of a month yet; if so, no slice of the month is requested again."""
        attempt = self._state.attempts[key]
        reason = cost_history.reported_reason(attempt.response)
        if reason is None or not cost_history.begins_later(self._known_months, month):
            return False
        attempt.skip(NO_COST_DATA, reason)
        self._without_costs[month] = reason
        return True

    def _learn(self, bill_slice: cost_slices.Slice, month: cost_slices.Month, response: Response) -> None:
        """Record what a response shows for the requests that follow."""
        key = response.request.key
        if response.outcome in ("found", "empty_unconfirmed"):
            self._metrics_are_known = True
            if not self._changes.days(bill_slice, month):
                self._pages[bill_slice] = max(self._pages[bill_slice], response.page_count)
            self._state.attempts[key].notes |= self._changes.evidence(bill_slice, month)
            if self._metrics != cost_slices.METRICS:
                self._state.attempts[key].notes |= {"metrics": "the classic four: Cost Explorer refused the newer ones"}
        elif response.error_code == REQUEST_LIMIT and response.request_count >= self._most:
            self._state.attempts[key].skip(
                TOO_MANY_PAGES,
                f"It has more pages than CMDB_COST_REQUEST_LIMIT={self._limit} by itself, so it is never loaded "
                f"until the limit is raised. {self._day.price}",
            )
        elif response.error_code == "ValidationException" and bill_slice.is_probed:
            self._not_offered.add(bill_slice)
            self._state.attempts[key].skip("not_offered", response.error_message)
        elif response.skip_reason == DENIED_BY_POLICY:
            self._gave_up = ("skipped", DENIED_BY_POLICY, f"Not requested again: {response.error_message}")
        elif response.outcome == "denied":
            self._gave_up = (
                "denied",
                response.error_code or "",
                f"Not requested: Cost Explorer refused the request before. {response.error_message}",
            )
        elif response.error_code in THROTTLE_CODES:
            self._gave_up = (
                "failed",
                response.error_code or "",
                "Not requested: Cost Explorer throttled the previous request until the last attempt.",
            )


class _WholeMonths(_Bill):
    """The requests of a run that fetches months whole, whatever is known of them, and nothing else of the bill."""

    def fetch(self) -> None:
        """Send the requests, if today's limit has room for all of them."""
        state = self._state
        slices = [one for one in every_slice(state.settings.reference) if one.listing in self._listings]
        total = cost_slices.total(self._today, state.settings.cost_months, slices)
        cells = bill_months.whole(slices, state.whole_months, self._today)
        needed = self._room([*total, *cells], "Nothing was requested of it.")
        names = _names(state.whole_months)
        state.log(f"Cost Explorer: {names} again, {len(total) + len(cells)} results in {needed} requests or more.")
        self._send(total)
        closed = ClosedMonths(state, self._identity.account_id, self._today, slices)
        if also := self._loaded(closed.disputed - state.whole_months):
            # Nothing is published while the days of a closed month do not add up to its total.
            cells += bill_months.whole(slices, also, self._today)
            reason = f"AWS has changed the total of {_names(also)}"
            self._room(cells, f"{reason}, so that it has to be fetched too. Nothing but the totals was requested.")
            state.log(f"Cost Explorer: {reason}, so that it is fetched too.")
        self._send(cells)

    def _loaded(self, months: Collection[str]) -> set[str]:
        """Those of some months that were fetched once: what was never loaded is no change of AWS's."""
        earlier = self._state.earlier
        return {
            month.name
            for one, month in bill_months.whole([cost_slices.SERVICE], months, self._today)
            if (cell := earlier.get(self._request(one, month).key)) is not None and cell.last_trusted_at is not None
        }

    def _room(self, cells: Sequence[Cell], otherwise: str) -> int:
        """The requests that cells take at least.

        Raises:
            DailyLimitReached: today's limit has no room for them; `otherwise` ends its sentence.
        """
        with self._state.store.read() as connection:
            pages = bill_months.pages_before(connection, self._identity.account_id)
        needed = bill_months.needed([self._request(*cell) for cell in cells], pages)
        if needed > self._day.left:
            names = _names({month.name for one, month in cells if one != cost_slices.TOTAL})
            raise DailyLimitReached(
                f"To fetch {names} again takes {needed} requests or more, and "
                f"{self._state.paid_requests.explanation('ce')} {otherwise}"
            )
        return needed


def _names(months: Collection[str]) -> str:
    return ", ".join(sorted(months))


def _is_refused(response: Response) -> bool:
    return response.outcome in ("failed", "denied") and response.error_code in REFUSED_CODES


def _may_pass(response: Response) -> bool:
    return response.outcome == "failed" and response.error_code not in REFUSED_CODES | THROTTLE_CODES
