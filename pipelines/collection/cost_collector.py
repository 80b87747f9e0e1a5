"""Asks Cost Explorer: the bill slice by slice and month by month, and never more requests than a day may cost.

One question at a time: each costs money, the limit has to be kept exactly, and what Cost Explorer says to one month
(that it throttles for ever, that it knows only the classic metrics) holds for the next.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from pipelines.catalogue.names import COST_RESOURCE, COST_TAG
from pipelines.collection import cost_slices, previous
from pipelines.collection.collector import Collector
from pipelines.collection.seeds import services_of_listings, tag_keys
from pipelines.trust.outcomes import FOR_LATER, TOO_MANY_PAGES
from resources.aws.errors import THROTTLE_CODES
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT, REQUEST_LIMIT, CellKey, Outcome, Request, Response

REFUSED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "ValidationException"})
"""How Cost Explorer says that it does not know, or does not give, what a question asks for."""


def ask_costs(collector: Collector, listings: Sequence[Listing]) -> None:
    """Ask all that Cost Explorer is asked, most needed first, and stop before the day's limit.

    First which tags are cost allocation tags, then slices and months of the bill, last what single resources cost.
    """
    _Bill(collector, listings).ask()


class _Bill:
    """One night's questions to Cost Explorer."""

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
        # What AWS changed after it had closed it is read again, and recorded as restated.
        self._disputed = previous.disputed_months(state.store)

    def ask(self) -> None:
        """Put the questions; every cell that was wanted gets its outcome."""
        state = self._state
        cuts = [cut for cut in cost_slices.slices(tag_keys()) if cut.listing in self._listings]
        planned = cost_slices.plan(self._today, state.settings.cost_months, cuts, self._known_months)
        months = [(cut, month) for cut, month in planned if not state.keep(self._question(cut, month))]
        tags = self._whole_listing(COST_TAG, [("", {})])
        resources = self._whole_listing(
            COST_RESOURCE,
            [(service, cost_slices.resource_parameters(service, self._today)) for service in services_of_listings()],
        )
        count = len(tags) + len(months) + len(resources)
        state.log(
            f"Cost Explorer: {count} questions, at least as many requests of US${cost_slices.REQUEST_PRICE_USD} each; "
            f"CMDB_COST_REQUEST_LIMIT={self._limit}."
        )
        totals = Counter(cut.listing for cut, _ in months)
        totals.update(question.listing.name for question in (*tags, *resources))
        self._collector.ask_in_turn(chain(self._put(tags), self._bill(months), self._put(resources)), totals)
        waiting = sum(cell.skip_reason == FOR_LATER for cell in state.batch.not_asked.values())
        later = f", {waiting} questions wait for the next night" if waiting else ""
        state.log(f"Cost Explorer: {self._sent} requests{later}. {self._price}")

    @property
    def _sent(self) -> int:
        """What went out to Cost Explorer in this step, retries and throttled requests included."""
        return self._state.requests_to("ce")

    @property
    def _left(self) -> int:
        """How many requests today's limit allows after those of this run, of all others and of `cmdb ask`."""
        return self._state.paid_requests.left("ce")

    @property
    def _price(self) -> str:
        return f"Today's requests cost US${self._state.paid_requests.cost_today('ce')}."

    def _known_months(self, cut: cost_slices.Slice) -> set[str]:
        """The months of a slice that this payer answered, trusted, when they did not change any more."""
        known = set()
        for key, earlier in self._state.earlier.items():
            name, _, month = key.listing.rpartition(":")
            if (
                name == f"{cut.listing}:{cut.name}"
                and key.account_id == self._identity.account_id
                and earlier.is_trusted
                and cost_slices.is_final(month, earlier.ended_at.astimezone(UTC).date())
                and month not in self._disputed
            ):
                known.add(month)
        return known

    def _question(self, cut: cost_slices.Slice, month: cost_slices.Month) -> Request:
        return Request(
            profile=self._identity.profile,
            account_id=self._identity.account_id,
            region=GLOBAL_REGION,
            listing=self._listings[cut.listing],
            listing_role="billing",
            parameters=cost_slices.parameters(cut, month, self._metrics),
            suffix=cost_slices.cell(cut, month),
        )

    def _whole_listing(self, name: str, parts: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Request]:
        """The questions of a listing that has no months: its parts by name, each with what is sent."""
        listing = self._listings.get(name)
        if listing is None:
            return []
        questions = [
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
        return [question for question in questions if not self._state.keep(question)]

    def _put(self, questions: Sequence[Request]) -> Iterator[Request]:
        """Questions of an optional grant, as far as it was given and the limit allows."""
        refused: str | None = None
        for question in questions:
            key = question.key
            if refused is not None:
                self._state.set_outcome(key, "skipped", refused, profile=question.profile)
            elif self._left < 1:
                self._wait(key, 1)
            else:
                yield question
                reason = self._state.asked[key].answer.skip_reason
                refused = reason if reason in (OPTIONAL_GRANT, DENIED_BY_POLICY) else None

    def _bill(self, wanted: Sequence[tuple[cost_slices.Slice, cost_slices.Month]]) -> Iterator[Request]:
        self._most = self._limit - self._sent
        for cut, month in wanted:
            if not self._is_left_out(cut, month):
                yield from self._asked_until_settled(cut, month)

    def _is_left_out(self, cut: cost_slices.Slice, month: cost_slices.Month) -> bool:
        """Whether a cell is not asked, by what was learnt so far; then it has its outcome."""
        key = self._question(cut, month).key
        profile = self._identity.profile
        needed = max(1, self._pages[cut])
        if cut in self._not_offered:
            message = "Cost Explorer does not cut the bill so."
            self._state.set_outcome(key, "skipped", "not_offered", message, profile)
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

    def _asked_until_settled(self, cut: cost_slices.Slice, month: cost_slices.Month) -> Iterator[Request]:
        """The questions for one cell: again where the newer metrics may be what is refused, or after a failure."""
        question = self._question(cut, month)
        key = question.key
        yield question
        answer = self._state.asked[key].answer
        if _is_refused(answer) and not self._metrics_are_known and self._metrics == cost_slices.METRICS and self._left:
            # Payers without the newer metrics refuse the whole question.
            self._metrics = cost_slices.CLASSIC_METRICS
            yield self._question(cut, month)
            answer = self._state.asked[key].answer
            if _is_refused(answer):
                self._metrics = cost_slices.METRICS
            else:
                self._state.log("Cost Explorer refused the newer metrics; going on with the classic four.")
        elif self._left and _may_pass(answer):
            yield self._question(cut, month)
            answer = self._state.asked[key].answer
        self._learn(cut, answer, key)

    def _learn(self, cut: cost_slices.Slice, answer: Response, key: CellKey) -> None:
        """What an answer says about the questions that follow."""
        if answer.outcome in ("found", "empty_unconfirmed"):
            self._metrics_are_known = True
            self._pages[cut] = max(self._pages[cut], answer.page_count)
            if self._metrics != cost_slices.METRICS:
                self._state.asked[key].notes |= {"metrics": "the classic four: Cost Explorer refused the newer ones"}
        elif answer.error_code == REQUEST_LIMIT and answer.request_count >= self._most:
            self._state.asked[key].skip(
                TOO_MANY_PAGES,
                f"It has more pages than CMDB_COST_REQUEST_LIMIT={self._limit} by itself, so it is never loaded "
                f"until the limit is raised. {self._price}",
            )
        elif answer.error_code == "ValidationException" and cut.is_probed:
            self._not_offered.add(cut)
            self._state.asked[key].skip("not_offered", answer.error_message)
        elif answer.skip_reason == DENIED_BY_POLICY:
            self._gave_up = ("skipped", DENIED_BY_POLICY, f"Not asked again: {answer.error_message}")
        elif answer.outcome == "denied":
            self._gave_up = (
                "denied",
                answer.error_code or "",
                f"Not asked: Cost Explorer refused the question before. {answer.error_message}",
            )
        elif answer.error_code in THROTTLE_CODES:
            self._gave_up = (
                "failed",
                answer.error_code or "",
                "Not asked: Cost Explorer throttled the question before to the end.",
            )


def _is_refused(answer: Response) -> bool:
    return answer.outcome in ("failed", "denied") and answer.error_code in REFUSED_CODES


def _may_pass(answer: Response) -> bool:
    return answer.outcome == "failed" and answer.error_code not in REFUSED_CODES | THROTTLE_CODES
