"""Collects from Cost Explorer: the bill by slice and month, within the day's limit of requests.

Requests go out one at a time, since each costs money and the limit must be kept exactly. Cost Explorer's response to
one month (throttling without end, only the classic metrics) applies to the next month too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from pipelines.catalogue.names import COST_BY_MONTH, COST_RESOURCE, COST_TAG, COST_TAG_BACKFILL
from pipelines.collection import bill_months, cost_history, cost_slices
from pipelines.collection.closed_months import ClosedMonths
from pipelines.collection.collector import Collector
from pipelines.collection.seeds import every_slice, services_of_listings
from pipelines.trust.outcomes import FOR_LATER, NO_COST_DATA, TOO_MANY_PAGES
from resources.audit.paid_requests import DailyLimitReached
from resources.aws.errors import THROTTLE_CODES
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT, REQUEST_LIMIT, CellKey, Outcome, Request, Response

REFUSED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "ValidationException"})
"""Error codes of Cost Explorer for a request that it does not support or does not permit."""


def collect_costs(collector: Collector, listings: Sequence[Listing]) -> None:
    """Send all requests to Cost Explorer, most needed first, and stop before the day's limit.

    The order is: cost allocation tags and their backfills, then slices and months of the bill, then the cost of single
    resources, then one closed month again. A run that is to fetch months whole sends nothing but their requests.

    Raises:
        DailyLimitReached: the limit has no room for the months that are to be fetched whole. Nothing was sent.
    """
    (_WholeMonths if collector.state.whole_months else _Bill)(collector, listings).fetch()


class _Bill:
    """The requests of one run to Cost Explorer."""

    def __init__(self, collector: Collector, listings: Sequence[Listing]) -> None:
        self._collector = collector
        self._state = state = collector.state
        self._listings: Mapping[str, Listing] = {entry.name: entry for entry in listings}
        self._identity = state.identity("billing")
        self._today = datetime.now(UTC).date()
        self._limit = state.settings.cost_request_limit
        self._most = self._limit
        self._metrics: tuple[str, ...] = cost_slices.METRICS
        self._metrics_are_known = False
        self._gave_up: tuple[Outcome, str, str] | None = None
        self._not_offered: set[cost_slices.Slice] = set()
        self._pages: Counter[cost_slices.Slice] = Counter()
        self._known_months = cost_history.known_months(state.earlier, self._identity.account_id)
        self._without_costs: dict[cost_slices.Month, str] = {}

    def fetch(self) -> None:
        """Send the requests; every wanted cell gets its outcome."""
        state = self._state
        tags, backfills = (self._whole_listing(name, [("", {})]) for name in (COST_TAG, COST_TAG_BACKFILL))
        totals = Counter(request.listing.name for request in (*tags, *backfills))
        self._collector.fetch_in_turn(chain(self._granted(tags), self._granted(backfills)), totals)
        bill_slices = [
            bill_slice for bill_slice in every_slice(state.settings.reference) if bill_slice.listing in self._listings
        ]
        self._skip_without_slices(bill_slices)
        closed = ClosedMonths(state, self._identity.account_id, self._today, bill_slices)
        planned = cost_slices.plan(
            self._today, state.settings.cost_months, bill_slices, closed.known, closed.reopened()
        )
        months = [
            (bill_slice, month) for bill_slice, month in planned if not state.keep(self._request(bill_slice, month))
        ]
        resources = self._whole_listing(
            COST_RESOURCE,
            [(service, cost_slices.resource_parameters(service, self._today)) for service in services_of_listings()],
        )
        state.log(
            f"Cost Explorer: {len(months) + len(resources)} results to fetch, at least as many requests of "
            f"US${cost_slices.REQUEST_PRICE_USD} each; CMDB_COST_REQUEST_LIMIT={self._limit}."
        )
        totals = Counter(bill_slice.listing for bill_slice, _ in months)
        totals.update(request.listing.name for request in resources)
        self._collector.fetch_in_turn(chain(self._bill(months), self._granted(resources)), totals)
        if not state.only_untrusted:
            self._fetch_again(closed.in_turn())
        waiting = sum(cell.skip_reason == FOR_LATER for cell in state.batch.unrequested.values())
        later = f", {waiting} results wait for the next run" if waiting else ""
        state.log(f"Cost Explorer: {self._sent} requests{later}. {self._price}")

    def _skip_without_slices(self, bill_slices: Sequence[cost_slices.Slice]) -> None:
        """Give a listing that no tag key asks for a cell of its own: without any, it would count as never requested."""
        for name in {*COST_BY_MONTH} & self._listings.keys() - {entry.listing for entry in bill_slices}:
            key = CellKey("billing", self._identity.account_id, GLOBAL_REGION, name)
            self._state.set_outcome(key, "skipped", "no_parents", profile=self._identity.profile)

    @property
    def _sent(self) -> int:
        """Number of requests that this step sent to Cost Explorer, including retries and throttled requests."""
        attempts = self._state.attempts.values()
        return sum(entry.requests for entry in attempts if entry.response.request.listing.service == "ce")

    @property
    def _left(self) -> int:
        """Number of requests that today's limit still allows, after those of all runs and of `cmdb ask`."""
        return self._state.paid_requests.left("ce")

    @property
    def _price(self) -> str:
        return f"Today's requests cost US${self._state.paid_requests.cost_today('ce')}."

    def _fetch_again(self, cells: Sequence[tuple[cost_slices.Slice, cost_slices.Month]]) -> None:
        """Fetch a closed month whose turn it is, if today's limit has room for all of it; else stored costs stay."""
        if not cells or self._gave_up is not None:
            return
        month = cells[0][1].name
        needed = sum(max(1, self._pages[bill_slice]) for bill_slice, _ in cells)
        if needed > self._left:
            self._state.log(
                f"It is the turn of {month} to be fetched again, which takes {needed} requests or more, and "
                f"{self._state.paid_requests.explanation('ce')} {month} waits for a run with room for it."
            )
            return
        self._state.log(f"Cost Explorer: it is the turn of {month} to be fetched again, {len(cells)} slices.")
        self._collector.fetch_in_turn(self._bill(cells), Counter(bill_slice.listing for bill_slice, _ in cells))

    def _request(self, bill_slice: cost_slices.Slice, month: cost_slices.Month) -> Request:
        return Request(
            profile=self._identity.profile,
            account_id=self._identity.account_id,
            region=GLOBAL_REGION,
            listing=self._listings[bill_slice.listing],
            listing_role="billing",
            parameters=cost_slices.parameters(bill_slice, month, self._metrics),
            suffix=cost_slices.cell(bill_slice, month),
        )

    def _whole_listing(self, name: str, parts: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Request]:
        """The requests of a listing without months.

        Args:
            name: the listing's name.
            parts: the parameter of each cell, with the parameters of its request.
        """
        listing = self._listings.get(name)
        if listing is None:
            return []
        requests = [
            Request(
                profile=self._identity.profile,
                account_id=self._identity.account_id,
                region=GLOBAL_REGION,
                listing=listing,
                listing_role="billing",
                parameters=parameters,
                suffix=suffix,
            )
            for suffix, parameters in parts
        ]
        return [request for request in requests if not self._state.keep(request)]

    def _granted(self, requests: Sequence[Request]) -> Iterator[Request]:
        """The requests of an optional grant, as long as the grant is given and the limit allows."""
        refused: str | None = None
        for request in requests:
            key = request.key
            if refused is not None:
                self._state.set_outcome(key, "skipped", refused, profile=request.profile)
            elif self._left < 1:
                self._wait(key, 1)
            else:
                yield request
                reason = self._state.attempts[key].response.skip_reason
                refused = reason if reason in (OPTIONAL_GRANT, DENIED_BY_POLICY) else None

    def _bill(self, wanted: Sequence[tuple[cost_slices.Slice, cost_slices.Month]]) -> Iterator[Request]:
        self._most = self._limit - self._sent
        for bill_slice, month in wanted:
            if not self._is_left_out(bill_slice, month):
                yield from self._fetched_until_settled(bill_slice, month)

    def _is_left_out(self, bill_slice: cost_slices.Slice, month: cost_slices.Month) -> bool:
        """Whether earlier responses of this run settle a cell without a request; if so, the cell gets its outcome."""
        key = self._request(bill_slice, month).key
        profile = self._identity.profile
        needed = max(1, self._pages[bill_slice])
        if bill_slice in self._not_offered:
            message = "Cost Explorer does not cut the bill so."
            self._state.set_outcome(key, "skipped", "not_offered", message, profile)
        elif month in self._without_costs:
            self._state.set_outcome(key, "skipped", NO_COST_DATA, self._without_costs[month], profile)
        elif self._gave_up is not None:
            self._state.set_outcome(key, *self._gave_up, profile)
        elif self._left < needed:
            self._wait(key, needed)
        else:
            return False
        return True

    def _wait(self, key: CellKey, needed: int) -> None:
        """Leave a cell to a later run, since today's limit is reached."""
        self._state.set_outcome(
            key,
            "skipped",
            FOR_LATER,
            f"It takes {needed} or more, and {self._state.paid_requests.explanation('ce')} "
            f"The next run after that goes on where this one stopped. {self._price}",
            self._identity.profile,
        )

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
            and self._left
        ):
            # For a payer without the newer metrics Cost Explorer refuses the whole request.
            self._metrics = cost_slices.CLASSIC_METRICS
            yield self._request(bill_slice, month)
            response = self._state.attempts[key].response
            if _is_refused(response):
                self._metrics = cost_slices.METRICS
            else:
                self._state.log("Cost Explorer refused the newer metrics; going on with the classic four.")
        elif self._left and _may_pass(response):
            yield self._request(bill_slice, month)
            response = self._state.attempts[key].response
        self._learn(bill_slice, response, key)

    def _has_no_costs_yet(self, key: CellKey, month: cost_slices.Month) -> bool:
        """Whether AWS reports that it has no costs of a month yet; if so, no slice of the month is requested again."""
        attempt = self._state.attempts[key]
        reason = cost_history.reported_reason(attempt.response)
        if reason is None or not cost_history.begins_later(self._known_months, month):
            return False
        attempt.skip(NO_COST_DATA, reason)
        self._without_costs[month] = reason
        return True

    def _learn(self, bill_slice: cost_slices.Slice, response: Response, key: CellKey) -> None:
        """Record what a response shows for the requests that follow."""
        if response.outcome in ("found", "empty_unconfirmed"):
            self._metrics_are_known = True
            self._pages[bill_slice] = max(self._pages[bill_slice], response.page_count)
            if self._metrics != cost_slices.METRICS:
                self._state.attempts[key].notes |= {"metrics": "the classic four: Cost Explorer refused the newer ones"}
        elif response.error_code == REQUEST_LIMIT and response.request_count >= self._most:
            self._state.attempts[key].skip(
                TOO_MANY_PAGES,
                f"It has more pages than CMDB_COST_REQUEST_LIMIT={self._limit} by itself, so it is never loaded "
                f"until the limit is raised. {self._price}",
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
        cells = bill_months.whole(slices, state.whole_months, self._today, state.settings.cost_months)
        with state.store.read() as connection:
            pages = bill_months.pages_before(connection, self._identity.account_id)
        needed = bill_months.needed([self._request(*cell) for cell in cells], pages)
        names = ", ".join(sorted(state.whole_months))
        if needed > self._left:
            raise DailyLimitReached(
                f"To fetch {names} again takes {needed} requests or more, and "
                f"{state.paid_requests.explanation('ce')} Nothing was requested of it."
            )
        state.log(f"Cost Explorer: {names} again, {len(cells)} results in {needed} requests or more.")
        self._collector.fetch_in_turn(self._bill(cells), Counter(one.listing for one, _ in cells))


def _is_refused(response: Response) -> bool:
    return response.outcome in ("failed", "denied") and response.error_code in REFUSED_CODES


def _may_pass(response: Response) -> bool:
    return response.outcome == "failed" and response.error_code not in REFUSED_CODES | THROTTLE_CODES
