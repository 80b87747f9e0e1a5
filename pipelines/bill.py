"""Asks Cost Explorer for the bill: slice by slice, month by month, and never more requests than a night may cost.

One question at a time: each costs money, the limit has to be kept exactly, and what Cost Explorer says to one month
(that it throttles for ever, that it knows only the classic metrics) holds for the next.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from pipelines import cost
from pipelines.collection import Collection, NotAsked
from pipelines.plans import identity_of
from pipelines.rules import FOR_LATER
from pipelines.seeds import tag_keys
from resources.answer import REQUEST_LIMIT, Answer, Outcome, Question
from resources.listing import GLOBAL_REGION, Listing
from resources.profile import THROTTLE_CODES

REFUSED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "ValidationException"})
"""How Cost Explorer says that it does not know, or does not give, what a question asks for."""


def ask_costs(collection: Collection, listings: Sequence[Listing]) -> None:
    """Ask every slice and month of the bill that is wanted, most needed first, and stop before the night's limit."""
    _Bill(collection, listings).ask()


class _Bill:
    """One night's questions to Cost Explorer."""

    def __init__(self, collection: Collection, listings: Sequence[Listing]) -> None:
        self._collection = collection
        self._listings: Mapping[str, Listing] = {entry.name: entry for entry in listings}
        self._identity = identity_of(collection, "billing")
        self._limit = collection.settings.cost_request_limit
        self._metrics: tuple[str, ...] = cost.METRICS
        self._metrics_are_known = False
        self._gave_up: tuple[Outcome, str, str] | None = None
        self._not_offered: set[cost.Slice] = set()
        self._pages: Counter[cost.Slice] = Counter()

    def ask(self) -> None:
        """Put the questions; every cell that was wanted gets its outcome."""
        collection = self._collection
        cuts = [cut for cut in cost.slices(tag_keys()) if cut.listing in self._listings]
        wanted = [
            (cut, month)
            for cut, month in cost.plan(
                datetime.now(UTC).date(), collection.settings.cost_months, cuts, self._known_months
            )
            if not collection.keep(self._question(cut, month))
        ]
        collection.log(
            f"Cost Explorer: {len(wanted)} slices and months to ask, at least as many requests of "
            f"US${cost.REQUEST_PRICE_USD} each; CMDB_COST_REQUEST_LIMIT={self._limit}."
        )
        collection.ask_in_turn(self._questions(wanted), Counter(cut.listing for cut, _ in wanted))
        missing = [cell.key[3] for cell in collection.not_asked.values() if cell.reason == FOR_LATER]
        waiting = f"; {len(missing)} wait for the next night" if missing else ""
        collection.log(f"Cost Explorer: {self._spent} requests{waiting}. {self._price}")

    @property
    def _spent(self) -> int:
        """What went out to Cost Explorer tonight, retries and throttled requests included."""
        return self._collection.requests_to("ce")

    @property
    def _left(self) -> int:
        return self._limit - self._spent

    @property
    def _price(self) -> str:
        return f"Tonight's requests cost US${self._collection.charged()}."

    def _known_months(self, cut: cost.Slice) -> set[str]:
        """The months of a slice that this payer answered, trusted, when they did not change any more."""
        known = set()
        for key, earlier in self._collection.earlier.items():
            name, _, month = key[3].rpartition(":")
            if (
                name == f"{cut.listing}:{cut.name}"
                and key[1] == self._identity.account_id
                and earlier.is_trusted
                and cost.is_final(month, earlier.ended_at.astimezone(UTC).date())
            ):
                known.add(month)
        return known

    def _question(self, cut: cost.Slice, month: cost.Month) -> Question:
        return Question(
            profile=self._identity.profile,
            account_id=self._identity.account_id,
            region=GLOBAL_REGION,
            listing=self._listings[cut.listing],
            listing_role="billing",
            parameters=cost.parameters(cut, month, self._metrics),
            suffix=f"{cut.name}:{month.name}",
            request_limit=self._left,
        )

    def _questions(self, wanted: Sequence[tuple[cost.Slice, cost.Month]]) -> Iterator[Question]:
        for cut, month in wanted:
            not_asked = self._reason_not_to_ask(cut, month)
            if not_asked is not None:
                self._collection.skip(not_asked)
                continue
            yield from self._asked_until_settled(cut, month)

    def _reason_not_to_ask(self, cut: cost.Slice, month: cost.Month) -> NotAsked | None:
        key = self._collection.key_of(self._question(cut, month))
        profile = self._identity.profile
        if cut in self._not_offered:
            return NotAsked(key, "skipped", "not_offered", "Cost Explorer does not cut the bill so.", profile)
        if self._gave_up is not None:
            outcome, code, why = self._gave_up
            return NotAsked(key, outcome, code, why, profile)
        if self._left < max(1, self._pages[cut]):
            return NotAsked(
                key,
                "skipped",
                FOR_LATER,
                f"{self._left} of CMDB_COST_REQUEST_LIMIT={self._limit} requests are left, and it takes "
                f"{max(1, self._pages[cut])} or more; the next night goes on. {self._price}",
                profile,
            )
        return None

    def _asked_until_settled(self, cut: cost.Slice, month: cost.Month) -> Iterator[Question]:
        """The questions for one cell: again where the newer metrics may be what is refused, or after a failure."""
        asked = self._question(cut, month)
        key = self._collection.key_of(asked)
        yield asked
        answer = self._collection.asked[key].answer
        if _is_refused(answer) and not self._metrics_are_known and self._metrics == cost.METRICS and self._left:
            # Payers without the newer metrics refuse the whole question.
            self._metrics = cost.CLASSIC_METRICS
            yield self._question(cut, month)
            answer = self._collection.asked[key].answer
            if _is_refused(answer):
                self._metrics = cost.METRICS
            else:
                self._collection.log("Cost Explorer refused the newer metrics; going on with the classic four.")
        elif self._left and _may_pass(answer):
            yield self._question(cut, month)
            answer = self._collection.asked[key].answer
        self._learn(cut, answer, asked)

    def _learn(self, cut: cost.Slice, answer: Answer, asked: Question) -> None:
        """What an answer says about the questions that follow."""
        key = self._collection.key_of(asked)
        if answer.outcome in ("found", "empty_suspect"):
            self._metrics_are_known = True
            self._pages[cut] = max(self._pages[cut], answer.page_count)
            if self._metrics != cost.METRICS:
                self._collection.note(key, {"metrics": "the classic four: Cost Explorer refused the newer ones"})
        elif answer.error_code == REQUEST_LIMIT and asked.request_limit == self._limit:
            self._collection.excuse(
                key,
                "more_pages_than_the_limit",
                f"It has more pages than CMDB_COST_REQUEST_LIMIT={self._limit} by itself, so it is never loaded "
                f"until the limit is raised. {self._price}",
            )
        elif answer.error_code == "ValidationException" and cut.is_probed:
            self._not_offered.add(cut)
            self._collection.excuse(key, "not_offered", answer.error_message)
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


def _is_refused(answer: Answer) -> bool:
    return answer.outcome in ("failed", "denied") and answer.error_code in REFUSED_CODES


def _may_pass(answer: Answer) -> bool:
    return answer.outcome == "failed" and answer.error_code not in REFUSED_CODES | THROTTLE_CODES
