"""One step's collection: ask, land, ask again what is doubtful, judge every cell, store.

A step is done in parts, some accounts at a time: what is asked of them is judged and written before the next ones are
asked, so that memory does not grow with the organisation. Nothing here decides what to ask (`plan`) or
touches a table that analysts read.
"""

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pipelines.catalogue import registry as catalogue
from pipelines.catalogue.registry import COST_BY_MONTH, MEASURED, METRIC, REGION
from pipelines.collection import cost_slices, previous
from pipelines.collection.landing import Key, LandingWriter
from pipelines.collection.previous import Capture, Earlier
from pipelines.collection.progress import Part, Reporter, Reports
from pipelines.settings import Settings
from pipelines.trust import organization_policies, rules
from pipelines.trust.gate import listing_verdicts, refuse
from pipelines.trust.organization_policies import (
    BY_DOCUMENT,
    DeniedRequest,
    PolicyDenial,
    PolicySkips,
    StoredPolicies,
)
from resources.audit import evidence
from resources.audit.evidence import EVERY_ACCOUNT, NO_ACCOUNT, Accounts, Cell
from resources.audit.paid_requests import PaidRequests
from resources.aws.client import Reach
from resources.aws.dispatch import Processes, ask_all, look_up_all
from resources.aws.listing import GLOBAL_REGION, Each, Listing, ZeroSense
from resources.aws.messages import DENIED_BY_POLICY, Answer, Lookup, Outcome, Progress, Question, TrailEvents
from resources.aws.records import Failed
from resources.check_result import CheckResult
from resources.contract import Role
from resources.roles import AwsRole
from resources.store.store import Store

if TYPE_CHECKING:
    import duckdb

NO_SILENT_ZERO = "no_silent_zero"

POLICIES_DENY_NOTHING = "policies_deny_nothing"
"""The rule by which each policy that closes something is named once a run; its scope is the policy."""

HORIZON = timedelta(minutes=5)
"""How long before and after a question CloudTrail is searched for it: as far as clocks may differ for AWS to answer."""

KEPT_FOR = timedelta(hours=20)
"""How old a trusted answer may be to be left as it is where only the others are asked again: publishing allows 24 h."""

LOADED_AT_ONCE = 16 << 20
"""Bytes of landed cells in one transaction: until its end DuckDB holds all of them, the verbatim answers included."""

LOADING_MEMORY = 128 << 20
"""Bytes that DuckDB may hold while many cells are loaded: by itself it keeps what a checkpoint moves about."""

Place = tuple[Role, str, str, str]
"""Role, profile, account and region whose trail has the events of a question."""


@dataclass(slots=True)
class Asked:
    """A question and what came of it so far; the records are in the landing already.

    Attributes:
        denial: the policy of the organisation that it is skipped for.
        refusal: AWS's answer before it was skipped for a policy.
    """

    answer: Answer
    attempts: int = 1
    zeros: int = 0
    raw: str | None = None
    request_ids: tuple[str, ...] = ()
    requests: int = 0
    throttles: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    first_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    denial: PolicyDenial | None = None
    refusal: Answer | None = None

    def forget_denial(self) -> None:
        """Let no policy be what it is skipped for."""
        if self.denial is not None:
            self.notes = {name: note for name, note in self.notes.items() if name not in self.denial.as_evidence()}
        self.denial = self.refusal = None


class _Known(NamedTuple):
    """What a parent's newest cell says of its region."""

    region: str
    is_settled: bool
    is_settled_or_waits: bool
    is_denied: bool


class _Knowledge:
    """Where the newest answers of a listing leave nothing open: trusted, or by AWS's own word nothing to ask.

    A zero that waits for CloudTrail leaves nothing open where the last trusted answer was a zero too.
    """

    _SETTLED = rules.ANSWERED_SKIPS | rules.RETIRING | {rules.NO_LONGER_ASKED}

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], list[_Known]] = defaultdict(list)

    def take(self, cell: Cell, earlier: Earlier | None = None) -> None:
        """Take in a cell of this step, and the newest one before it."""
        last_count = earlier.last_trusted_count if earlier is not None else None
        self.add(
            cell.listing, cell.account_id, cell.region, cell.is_trusted, cell.skip_reason, cell.outcome, last_count
        )

    def add(
        self,
        listing: str,
        account: str,
        region: str,
        is_trusted: bool,
        skip_reason: str | None,
        outcome: str,
        last_trusted_count: int | None,
    ) -> None:
        """Take in one newest cell."""
        if skip_reason in ("region_not_enabled", rules.REGION_NOT_SELECTED):
            return
        waits = outcome == "empty_unconfirmed" or skip_reason in rules.WAITING_SKIPS
        settled = is_trusted or skip_reason in self._SETTLED or (waits and last_trusted_count == 0)
        cell = _Known(region, settled, settled or waits, skip_reason == DENIED_BY_POLICY)
        self._cells[listing.partition(":")[0], account].append(cell)

    def is_whole(
        self, listings: Iterable[str], account: str, region: str = GLOBAL_REGION, *, or_waiting: bool = False
    ) -> bool:
        """Whether all of these listings are known for an account: in one region, or in all for `aws-global`.

        Args:
            or_waiting: zeros that CloudTrail has not confirmed yet count as known.
        """
        for listing in listings:
            cells = self._at(listing, account, region)
            if not cells or not all(cell.is_settled_or_waits if or_waiting else cell.is_settled for cell in cells):
                return False
        return True

    def is_denied(self, listings: Iterable[str], account: str, region: str = GLOBAL_REGION) -> bool:
        """Whether all that is neither known of these listings nor waits for CloudTrail, a policy denies."""
        cells = [self._at(listing, account, region) for listing in listings]
        unknown = [cell.is_denied for own in cells for cell in own if not cell.is_settled_or_waits]
        return all(cells) and bool(unknown) and all(unknown)

    def _at(self, listing: str, account: str, region: str) -> list[_Known]:
        cells = self._cells.get((listing, account), [])
        return cells if region == GLOBAL_REGION else [cell for cell in cells if cell.region in (region, GLOBAL_REGION)]


@dataclass(frozen=True, slots=True)
class NotAsked:
    """A cell that gets its outcome without a question, and why."""

    key: Key
    outcome: Outcome
    reason: str
    message: str | None = None
    profile: str | None = None


@dataclass(slots=True)
class Tally:
    """What the cells of a listing come to.

    Attributes:
        record_count: of the trusted cells.
        untrusted: the first cells that are not trusted, as many as are shown.
    """

    SHOWN: ClassVar[int] = 50

    cells: int = 0
    record_count: int = 0
    requests: int = 0
    throttles: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    untrusted: list[Cell] = field(default_factory=list)

    def take(self, cell: Cell) -> None:
        """Count a cell."""
        self.cells += 1
        self.record_count += cell.record_count if cell.is_trusted else 0
        self.requests += cell.request_count
        self.throttles += cell.throttle_count
        self.outcomes[cell.outcome] += 1
        if not cell.is_trusted and len(self.untrusted) < self.SHOWN:
            self.untrusted.append(cell)

    def sentence(self) -> str:
        """`480 cells, 3,204 records, 131 requests, 2 throttled`."""
        return (
            f"{self.cells:,} cells, {self.record_count:,} records, {self.requests:,} requests, "
            f"{self.throttles:,} throttled"
        )


class Collection:
    """One step's work: the listings of a family that were selected, asked by the roles that they are for.

    Memory holds one small entry a cell of the part that is being asked and the records of the cells that are being
    asked at the moment, whatever the number of accounts.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        resources: Mapping[Role, AwsRole],
        listings: Sequence[Listing],
        settings: Settings,
        log: Callable[[str], None],
        *,
        only_untrusted: bool = False,
        paid_requests: PaidRequests | None = None,
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.resources = resources
        self.listings = listings
        self.settings = settings
        self.log = log
        self.findings: list[str] = []
        self.asked_before: Mapping[str, bool] = {}
        self.left: frozenset[str] = frozenset()
        self.regions_of: Mapping[str, list[str]] | None = None
        self.regions_left_out: Mapping[str, list[str]] = {}
        self.usual_regions: frozenset[str] = frozenset()
        self._policies: StoredPolicies | None = None
        self.tallies: dict[str, Tally] = {listing.name: Tally() for listing in listings}
        self._only_untrusted = only_untrusted
        self._lock = threading.Lock()
        self._writers: dict[str, LandingWriter] = {}
        self._wanted = _wanted_fields(listings)
        self._shown: dict[tuple[str, str], tuple[str, ...]] | None = None
        # By region and listing, who has answered for a central account: it may have been asked in an earlier part.
        self._central_answers: dict[tuple[str, str], set[tuple[Role, str]]] = defaultdict(set)
        self.paid_requests = paid_requests or PaidRequests(
            store, run_id, cost_slices.daily_limits(settings.cost_request_limit)
        )
        self._unrecorded: frozenset[str] = frozenset()
        self._recorded: set[str] = set()
        self.begin(EVERY_ACCOUNT)

    # ------------------------------------------------------------------------------------------- parts

    def begin(self, accounts: Accounts, part: Part | None = None) -> None:
        """Begin with a part of the step.

        Args:
            accounts: what will be asked is theirs.
            part: which one it is; None where there is only one.
        """
        self._accounts = accounts
        self._part = part
        self.asked: dict[Key, Asked] = {}
        self.not_asked: dict[Key, NotAsked] = {}
        self.captured: dict[str, list[Capture]] = defaultdict(list)
        self._childless: list[Question] = []
        self._kept: set[Key] = set()
        self._earlier: dict[Key, Earlier] | None = None
        self._without_regions: frozenset[str] | None = None

    @property
    def earlier(self) -> dict[Key, Earlier]:
        """The newest cells before this run, of the part's accounts."""
        if self._earlier is None:
            self._earlier = previous.earlier_cells(self.store, self.listings, self._accounts)
        return self._earlier

    def judge(self) -> list[Cell]:
        """End a part: its cells, judged and landed. Nothing more of it is held."""
        cells = self.cells()
        by_listing: dict[str, list[Cell]] = defaultdict(list)
        for cell in [*cells, *self._gone(cells)]:
            by_listing[cell.listing.partition(":")[0]].append(cell)
        for listing in self.listings:
            self._writer(listing).keep(by_listing[listing.name])
        for cell in cells:
            self.tallies[cell.listing.partition(":")[0]].take(cell)
        self.begin(NO_ACCOUNT)
        return cells

    # ------------------------------------------------------------------------------------------ asking

    def reach(self, role: Role) -> Reach:
        """The way to AWS as one of the step's roles, which has been verified."""
        return self.resources[role].reach

    def key_of(self, question: Question) -> Key:
        """The key of the cell that a question fills."""
        name = question.listing.name + (f":{question.suffix}" if question.suffix else "")
        return (question.listing_role, question.account_id, question.region, name)

    def ask(self, questions: Sequence[Question]) -> None:
        """Put questions, land what they find; what failed is asked once more at the end."""
        questions = [question for question in questions if not self.keep(question)]
        self._ask_once(questions)
        failed = [q for q in questions if self.asked[self.key_of(q)].answer.outcome == "failed"]
        if failed:
            for name, count in Counter(question.listing.name for question in failed).items():
                self.log(f"{name}: asking {count} failed cell(s) a second time.")
            self._ask_once(failed)
        self._heed_policies(map(self.key_of, questions))

    def keep(self, question: Question) -> bool:
        """Whether a question is left out because its last answer is trusted and only others are asked again.

        What a refusal named is asked again: the answer was whole, and did not fit what else is known.
        """
        key = self.key_of(question)
        earlier = self.earlier.get(key)
        if not self._only_untrusted or earlier is None or earlier.is_disputed:
            return False
        # Asked again, a zero would only wait for CloudTrail anew.
        waits = earlier.outcome == "empty_unconfirmed" and not earlier.error_code
        if not earlier.is_trusted and not waits:
            return False
        if datetime.now(UTC) - earlier.ended_at > KEPT_FOR:
            return False
        self._kept.add(key)
        return True

    def ask_in_turn(self, plan: Iterable[Question], totals: Mapping[str, int]) -> None:
        """Put questions one after the other, as long as `plan` gives any; it sees what came of those before.

        Args:
            totals: how many questions each listing has, by its name.
        """
        reports = {name: Reporter(name, self.log) for name in totals}
        done: Counter[str] = Counter()
        began = time.monotonic()
        for question in plan:
            listing = question.listing
            # A month of a large organisation's bill does not fit into memory, nor does all that Config knows.
            with self._writer(listing).spool(self.key_of(question), listing) as spool:
                answer = self.reach(question.listing_role).ask(question, keep=spool.keep, meter=self.paid_requests)
                if answer.outcome == "found":
                    try:
                        answer = replace(answer, record_count=spool.land())
                    except Failed as failure:
                        answer = _unusable(answer, failure)
            self._take(answer)
            self._heed_policies([self.key_of(question)])
            done[listing.name] += 1
            entries = [e for k, e in self.asked.items() if k[3].partition(":")[0] == listing.name]
            reports[listing.name](
                Progress(
                    done=min(done[listing.name], totals[listing.name]),
                    total=totals[listing.name],
                    records=sum(entry.answer.record_count for entry in entries),
                    requests=sum(entry.requests for entry in entries),
                    throttles=sum(entry.throttles for entry in entries),
                    elapsed=time.monotonic() - began,
                )
            )

    def requests_to(self, service: str) -> int:
        """Requests that went out for this step's questions to a service, retries included."""
        return sum(e.requests for e in self.asked.values() if e.answer.question.listing.service == service)

    def note(self, key: Key, proof: Mapping[str, str]) -> None:
        """Keep with a cell what its reader should know about its answer."""
        self.asked[key].notes |= proof

    def excuse(self, key: Key, reason: str, message: str | None) -> None:
        """Take a refusal for what it says: that there is nothing to ask there, or that it may not be asked."""
        entry = self.asked[key]
        entry.answer = replace(entry.answer, outcome="skipped", skip_reason=reason, error_message=message)

    # ------------------------------------------------------------------- policies of the organisation

    def _heed_policies(self, keys: Iterable[Key]) -> None:
        """Skip what a policy of the organisation denies: by AWS's words, or by the stored policies where it has none.

        No such policy binds the management account, so that what it is refused is never excused. A stored policy that
        denies what AWS has answered the account is not in force there as it is known here, and is no evidence.
        """
        bare: list[Key] = []
        for key in keys:
            answer = self.asked[key].answer
            if key[0] == "management" or not organization_policies.is_refusal(answer):
                continue
            denial = organization_policies.named_in(answer.error_message)
            if denial is not None:
                self._deny(key, self.policies.named(denial) if denial.policy_id else self._likely(key, denial))
            elif organization_policies.is_bare(answer.error_code, answer.error_message):
                bare.append(key)
        if not bare or not self.policies.attached:
            return
        refuted = self._refuted({key[1] for key in bare})
        for key in bare:
            for denial in self.policies.denials(self._denied_request(key)):
                if (key[1], denial.policy_id) not in refuted:
                    self._deny(key, denial)
                    break
        self._take_back(refuted)

    def _likely(self, key: Key, denial: PolicyDenial) -> PolicyDenial:
        """The stored policy that denies what AWS says one denies, without saying which."""
        stored = self.policies.denials(self._denied_request(key))
        return next((replace(one, known_by=denial.known_by) for one in stored if one.kind == denial.kind), denial)

    def _deny(self, key: Key, denial: PolicyDenial) -> None:
        entry = self.asked[key]
        entry.refusal, entry.denial = entry.answer, denial
        self.excuse(key, DENIED_BY_POLICY, entry.answer.error_message)
        self.note(key, denial.as_evidence())

    def _refuted(self, accounts: set[str]) -> set[tuple[str, str]]:
        """Account and policy where AWS has answered what the policy, as it is known here, denies."""
        return {
            (key[1], denial.policy_id)
            for key, entry in self.asked.items()
            if key[1] in accounts and entry.answer.outcome == "found"
            for denial in self.policies.denials(self._denied_request(key))
        }

    def _take_back(self, refuted: set[tuple[str, str]]) -> None:
        """Let what was skipped for a policy that is refuted since be the refusal that it was."""
        for key, entry in self.asked.items():
            denial = entry.denial
            by_document = denial is not None and denial.known_by == BY_DOCUMENT
            if denial and entry.refusal and by_document and (key[1], denial.policy_id) in refuted:
                entry.answer = entry.refusal
                entry.forget_denial()

    def _denied_request(self, key: Key) -> DeniedRequest:
        answer = self.asked[key].answer
        reach = self.reach(key[0])
        listing = answer.question.listing
        return DeniedRequest(
            key[1], reach.action_of(listing), reach.region_of(listing, key[2]), answer.caller_arn or ""
        )

    @property
    def policies(self) -> StoredPolicies:
        """The service control policies as the management role listed them last; read when the first is needed."""
        if self._policies is None:
            self._policies = previous.stored_policies(self.store)
        return self._policies

    @property
    def without_regions(self) -> frozenset[str]:
        """Accounts of the part whose list of regions a policy of the organisation denies."""
        if self._without_regions is None:
            own = {key[1] for key, entry in self.asked.items() if key[3] == REGION and entry.denial is not None}
            with self.store.read() as connection:
                rows = evidence.coverage(connection, [REGION], accounts=self._accounts, without_quiet=True)
            stored = {row["account_id"] for row in rows if row["skip_reason"] == DENIED_BY_POLICY}
            self._without_regions = frozenset(own | stored)
        return self._without_regions

    # ------------------------------------------------------------------------------------------ sending

    def _ask_once(self, questions: Sequence[Question]) -> None:
        """Put questions of any listings together; what does not fit into memory one after the other."""
        large: dict[str, list[Question]] = defaultdict(list)
        for question in questions:
            self._writer(question.listing)
            if question.listing.is_large:
                large[question.listing.name].append(question)
        for name, own in large.items():
            self.ask_in_turn(own, {name: len(own)})
        together = [question for question in questions if not question.listing.is_large]
        if not together:
            return
        reports = Reports(Counter(question.listing.name for question in together), self.log, self._part)

        def take(answer: Answer) -> None:
            self._take(answer)
            reports.count(answer.question.listing.name, answer)

        reaches = {role: self.reach(role) for role in {question.listing_role for question in together}}
        ask_all(reaches, together, take, progress=reports, processes=self._processes)

    @property
    def _processes(self) -> Processes | None:
        workload = self.resources.get("workload")
        return None if workload is None else workload.processes

    def _take(self, answer: Answer) -> None:
        """Land an answer and keep what will be judged; called from any thread."""
        listing = answer.question.listing
        fields = self._wanted.get(listing.name, ())
        key = self.key_of(answer.question)
        try:
            if answer.outcome == "found":
                self._writer(listing).append(key, answer.records)
        except Failed as failure:
            answer = _unusable(answer, failure)
        captures = [
            Capture(key, {name: record.get(name) for name in fields}) for record in (answer.records if fields else ())
        ]
        # As text: tens of thousands of parsed answers would take a hundred megabytes.
        raw = None if answer.raw_response is None else json.dumps(answer.raw_response, default=str, ensure_ascii=False)
        with self._lock:
            self.captured[listing.name] += captures
            entry = self.asked.get(key)
            if entry is None:
                entry = self.asked[key] = Asked(answer, attempts=0, first_at=answer.started_at)
            entry.answer = replace(answer, records=[], raw_response=None, error_message=_writable(answer.error_message))
            entry.raw, entry.request_ids = _writable(raw), answer.request_ids
            entry.forget_denial()
            entry.attempts += 1
            entry.zeros += answer.outcome == "empty_unconfirmed"
            entry.requests += answer.request_count
            entry.throttles += answer.throttle_count

    def _writer(self, listing: Listing) -> LandingWriter:
        if listing.name not in self._writers:
            self._writers[listing.name] = LandingWriter(self.store.landing, self.run_id, listing.name)
        return self._writers[listing.name]

    def records_of(self, listing: str, accounts: Accounts | None = None) -> list[Capture]:
        """Captured fields of a listing: of this step, or of its newest collection where it was not selected.

        Args:
            accounts: of the newest collection; those of the part where none are given.
        """
        own = any(entry.name == listing for entry in self.listings)
        kept = {key for key in self._kept if key[3].partition(":")[0] == listing}
        if own and not kept:
            return self.captured[listing]
        try:
            stored = previous.captures(self.store, listing, self._wanted[listing], accounts or self._accounts)
            return self.captured[listing] + [capture for capture in stored if capture.key in kept] if own else stored
        except LookupError as error:
            raise refuse(f"{error} Materialise landing/{listing} first. Nothing was asked.") from error

    def named_by_parents(self, listing: Listing) -> dict[tuple[str, str], set[str]]:
        """What the records of a listing's parents name, as far as they have been found, by account and region to ask.

        The region is the parent's own, or the one that `Each.region_field` names; `aws-global` for a global listing.
        """
        each = listing.each
        named: dict[tuple[str, str], set[str]] = defaultdict(set)
        if each is None:
            return named
        for source in each.of:
            for capture in self.records_of(source):
                region = str(capture.fields[each.region_field] if each.region_field else capture.key[2])
                place = (capture.key[1], GLOBAL_REGION if listing.scope == "global" else region)
                named[place].add(each.value(str(capture.fields[each.field]), region))
        return named

    def childless(self, question: Question) -> None:
        """Record that no parent has a record to put this question for; why is judged with the parents' cells."""
        self._childless.append(question)

    def skip(self, cell: NotAsked) -> None:
        """Record a cell that is not asked."""
        self.not_asked[cell.key] = cell

    # ----------------------------------------------------------------------------------------- settling

    def settle(self) -> None:
        """Ask once more the zeros that something speaks against."""
        billed = self._billed()
        again: list[Question] = []
        for key, entry in self.asked.items():
            answer = entry.answer
            listing = answer.question.listing
            doubtful = answer.outcome == "empty_unconfirmed" and rules.must_ask_again(
                listing.sense(answer.question.suffix), self._witness(key, listing, billed)
            )
            if doubtful:
                again.append(answer.question)
        for name, count in Counter(question.listing.name for question in again).items():
            self.log(f"{name}: asking {count} unlikely zero(s) a second time.")
        self._ask_once(again)
        self._heed_policies(map(self.key_of, again))

    def cells(self) -> list[Cell]:
        """Every cell, judged."""
        billed = self._billed()
        trails = self._trails() if self.settings.zero_evidence == "cloudtrail" else {}
        judged = [
            self._judge(key, entry, trails.get(self._place(entry.answer.question)), billed)
            for key, entry in self.asked.items()
        ]
        # Where a profile answered for another account, its empty lists prove nothing, nor does CloudTrail there.
        strayed = {(key[0], key[1]) for key, entry in self.asked.items() if entry.answer.outcome == "wrong_account"}
        judged = [_of_another(cell) if (cell.role, cell.account_id) in strayed else cell for cell in judged]
        now = datetime.now(UTC)
        listings = {listing.name: listing for listing in self.listings}
        judged += [
            Cell(
                run_id=self.run_id,
                role=cell.key[0],
                account_id=cell.key[1],
                region=cell.key[2],
                listing=cell.key[3],
                outcome=cell.outcome,
                is_trusted=False,
                zero_sense=_sense(listings, cell.key[3]),
                started_at=now,
                ended_at=now,
                profile=cell.profile,
                attempt_count=0,
                skip_reason=cell.reason if cell.outcome == "skipped" else None,
                error_code=None if cell.outcome == "skipped" else cell.reason,
                error_message=cell.message,
            )
            for cell in self.not_asked.values()
        ]
        first = self._knowledge(judged)
        judged = [self._unlisted(cell, listings[cell.listing.partition(":")[0]], first) for cell in judged]
        knowledge = self._knowledge(judged)
        for question in self._childless:
            cell = self._nothing_to_ask(question, knowledge)
            # Others may be asked for what this one would have had.
            knowledge.take(cell)
            judged.append(cell)
        return judged

    def _unlisted(self, cell: Cell, listing: Listing, knowledge: "_Knowledge") -> Cell:
        """An empty answer for a value that the parents do not name says that it is not in use, not that it has none."""
        each = listing.each
        if (
            each is None
            or not each.unlisted
            or not cell.outcome.startswith("empty_")
            or cell.listing.partition(":")[2] in self.named_by_parents(listing)[cell.account_id, cell.region]
            or not knowledge.is_whole(each.of, cell.account_id, cell.region)
        ):
            return cell
        return replace(
            cell, outcome="skipped", is_trusted=False, skip_reason=each.unlisted, error_code=None, error_message=None
        )

    def _nothing_to_ask(self, question: Question, knowledge: "_Knowledge") -> Cell:
        """The cell of a listing whose parents have no records: known where they are trusted, else not."""
        listing = question.listing
        each = listing.each
        parents = () if each is None else _asked_by(question.listing_role, each)
        reason = "parents_unknown"
        if parents and knowledge.is_whole(parents, question.account_id):
            reason = "no_parents"
        elif parents and knowledge.is_denied(parents, question.account_id):
            reason = DENIED_BY_POLICY
        elif parents and knowledge.is_whole(parents, question.account_id, or_waiting=True):
            reason = "parents_unconfirmed"
        role, account, region, name = self.key_of(question)
        now = datetime.now(UTC)
        return Cell(
            run_id=self.run_id,
            role=role,
            account_id=account,
            region=region,
            listing=name,
            outcome="skipped",
            is_trusted=False,
            zero_sense=listing.sense(""),
            started_at=now,
            ended_at=now,
            profile=question.profile,
            attempt_count=0,
            skip_reason=reason,
        )

    def _knowledge(self, cells: Iterable[Cell]) -> "_Knowledge":
        """What is known of the listings that others are asked for, in this step or before it."""
        own = {listing.name for listing in self.listings}
        parents = {name for listing in self.listings if listing.each for name in listing.each.of}
        knowledge = _Knowledge()
        for cell in cells:
            if cell.listing.partition(":")[0] in parents:
                knowledge.take(cell, self.earlier.get(_cell_key(cell)))
        for key in self._kept:
            if key[3].partition(":")[0] in parents:
                kept = self.earlier[key]
                knowledge.add(
                    key[3], key[1], key[2], kept.is_trusted, kept.skip_reason, kept.outcome, kept.last_trusted_count
                )
        if parents - own:
            with self.store.read() as connection:
                rows = evidence.coverage(connection, sorted(parents - own), accounts=self._accounts)
            for row in rows:
                knowledge.add(
                    row["listing"],
                    row["account_id"],
                    row["region"],
                    row["is_trusted"],
                    row["skip_reason"],
                    row["outcome"],
                    row["previous_record_count"],
                )
        return knowledge

    def _judge(
        self,
        key: Key,
        entry: Asked,
        trail: TrailEvents | None,
        billed: Mapping[tuple[str, str], tuple[str, ...]],
    ) -> Cell:
        answer = entry.answer
        listing = answer.question.listing
        outcome: Outcome = answer.outcome
        message = answer.error_message
        proof: dict[str, Any] | None = None
        code = answer.error_code
        if outcome == "empty_unconfirmed":
            zero = rules.Zero(
                sense=listing.sense(answer.question.suffix),
                asked=entry.zeros,
                asked_from=entry.first_at,
                request_ids=entry.request_ids,
                call=listing.call,
                caller_arn=answer.caller_arn or "",
                trail_region=self._place(answer.question)[3],
                witness=self._witness(key, listing, billed),
            )
            if trail is not None:
                self._recorded |= trail.kinds
            verdict = rules.zero_verdict(
                zero,
                trail,
                zero_evidence=self.settings.zero_evidence,
                is_recorded=listing.call not in self._unrecorded,
            )
            outcome, proof, code = verdict.outcome, verdict.evidence, verdict.error_code
            message = None if outcome in rules.TRUSTED else verdict.sentence
        return Cell(
            run_id=self.run_id,
            role=key[0],
            account_id=key[1],
            region=key[2],
            listing=key[3],
            outcome=outcome,
            is_trusted=outcome in rules.TRUSTED,
            zero_sense=listing.sense(answer.question.suffix),
            started_at=entry.first_at,
            ended_at=answer.ended_at,
            profile=answer.question.profile,
            caller_account_id=answer.caller_account_id,
            record_count=answer.record_count,
            page_count=answer.page_count,
            request_count=entry.requests,
            throttle_count=entry.throttles,
            attempt_count=entry.attempts,
            error_code=code,
            error_message=message,
            skip_reason=answer.skip_reason,
            evidence={**(proof or {}), **entry.notes} or None,
            raw_response=entry.raw,
        )

    def _witness(self, key: Key, listing: Listing, billed: Mapping[tuple[str, str], tuple[str, ...]]) -> rules.Witness:
        earlier = self.earlier.get(key)
        return rules.Witness(
            last_count=earlier.last_trusted_count if earlier else None,
            billed=billed.get((key[1], listing.name), ()),
            earlier_confirmed=earlier.confirmed if earlier else False,
        )

    def _billed(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """What the bill says against listings that are empty in every region of an account.

        Where a region did not answer, what is billed may be there: then the bill speaks against no other region.
        """
        if not any("witnessed" in (listing.zero, *listing.zero_of.values()) for listing in self.listings):
            return {}
        found = {
            (key[1], entry.answer.question.listing.name)
            for key, entry in self.asked.items()
            if entry.answer.outcome in ("found", *rules.FAILURES) or entry.answer.skip_reason in rules.CLOSED
        }
        found |= {
            (key[1], key[3].partition(":")[0]) for key, cell in self.not_asked.items() if cell.reason in rules.CLOSED
        }
        # What was kept from an earlier run explains the bill too.
        found |= {(key[1], key[3].partition(":")[0]) for key in self._kept if self.earlier[key].outcome == "found"}
        if self._shown is None:
            self._shown = previous.billed_services(self.store, cost_slices.final_days_since(datetime.now(UTC).date()))
        return unexplained(self._shown, found)

    def _trails(self) -> dict[Place, TrailEvents]:
        """What CloudTrail shows already of every account and region that has a zero: one look-up each."""
        zeros: dict[Place, list[Asked]] = defaultdict(list)
        for entry in self.asked.values():
            if entry.answer.outcome == "empty_unconfirmed":
                zeros[self._place(entry.answer.question)].append(entry)
        if not zeros:
            return {}
        self.log(f"Looking in CloudTrail for the zeros of {len(zeros)} account-region(s).")
        with self.store.read() as connection:
            self._unrecorded = evidence.unrecorded_calls(connection)
        lookups = [
            Lookup(
                role,
                profile,
                account,
                region,
                min(entry.first_at for entry in entries) - HORIZON,
                {entry.answer.question.listing.trail_name: entry.answer.question.listing.call for entry in entries},
                request_ids=frozenset(name for entry in entries for name in entry.request_ids if name),
            )
            for (role, profile, account, region), entries in zeros.items()
        ]
        reaches = {role: self.reach(role) for role in {lookup.listing_role for lookup in lookups}}
        return dict(zip(zeros, look_up_all(reaches, lookups, processes=self._processes), strict=True))

    def _place(self, question: Question) -> Place:
        """Where CloudTrail keeps the events of a question."""
        role, region = question.listing_role, question.region
        if region == GLOBAL_REGION:
            region = self.reach(role).region_of(question.listing, region)
        return (role, question.profile, question.account_id, region)

    # ------------------------------------------------------------------------------------------ storing

    def commit(self, also: Mapping[str, CheckResult] = MappingProxyType({})) -> dict[str, CheckResult]:
        """Name the landed files, write the cells of all parts and the verdict of each listing.

        Args:
            also: verdicts on the step as a whole by the name of their rule, to be written with them.
        """
        names = [listing.name for listing in self.listings]
        self._load([self._writer(listing).commit() for listing in self.listings])
        with self.store.transaction() as connection:
            evidence.count_requests(
                connection,
                self.run_id,
                sum(resource.take_request_count() for resource in self.resources.values()),
            )
            evidence.record_trail_calls(connection, self._recorded, now=datetime.now(UTC))
            evidence.record_paid_requests(connection, self.paid_requests.counts(), counted=self.run_id)
            verdicts = listing_verdicts(connection, names, self.settings)
            said = [(NO_SILENT_ZERO, name, verdict) for name, verdict in verdicts.items()]
            said += [(rule, "workload", verdict) for rule, verdict in also.items()]
            said += [
                (POLICIES_DENY_NOTHING, skips.policy_id or skips.kind, verdict)
                for skips, verdict in self._closed(connection)
            ]
            for rule, scope, verdict in said:
                evidence.record_check(
                    connection,
                    self.run_id,
                    rule,
                    scope,
                    severity=verdict.severity,
                    passed=verdict.passed,
                    observed=verdict.sentence,
                    tolerance=str(self.settings.untrusted_tolerance) if rule == NO_SILENT_ZERO else None,
                    detail=verdict.at_fault[:100],
                    config_hash=self.settings.config_hash,
                )
        return verdicts

    def _closed(self, connection: "duckdb.DuckDBPyConnection") -> list[tuple[PolicySkips, CheckResult]]:
        """What each policy of the organisation closes in the run so far, in place of what earlier steps said of it."""
        before = evidence.forget_check(connection, self.run_id, POLICIES_DENY_NOTHING)
        found = previous.policy_skips(connection, self.run_id, cost_slices.final_days_since(datetime.now(UTC).date()))
        for skips in found:
            if skips.sentence() not in before:
                self.log(skips.sentence())
        return [(skips, CheckResult(False, skips.sentence(), severity="WARN")) for skips in found]

    def _load(self, paths: Sequence[Path]) -> None:
        """Load landed cells, so much at a time as memory takes, a listing as a whole or not at all."""
        longest = max((writer.longest for writer in self._writers.values()), default=0)
        sizes = {path: path.stat().st_size for path in paths}
        # Of a little DuckDB holds little by itself.
        memory = LOADING_MEMORY + 8 * longest if sum(sizes.values()) > LOADED_AT_ONCE else None
        together: list[Path] = []
        for path in paths:
            together.append(path)
            if sum(sizes[one] for one in together) >= LOADED_AT_ONCE or path is paths[-1]:
                with self.store.transaction(memory) as connection:
                    evidence.load_cells(connection, together, longest)
                together = []

    def _gone(self, cells: Sequence[Cell]) -> list[Cell]:
        """Cells for keys that earlier nights asked and this one does not, so that none is judged for ever.

        Only a trusted list of accounts makes an account leave, only a trusted list of parents makes a parent go, and
        only an answer of another caller to the same question takes the place of the one before; their rows are then
        removed. Everything else keeps its rows, stale. The months of a bill that were not asked again stand.
        """
        knowledge = self._knowledge(cells)
        answered: dict[tuple[str, str], set[tuple[Role, str]]] = defaultdict(set)
        for cell in cells:
            earlier = self.earlier.get(_cell_key(cell))
            was_empty = earlier is not None and earlier.last_trusted_count == 0
            if cell.is_trusted or (cell.outcome == "empty_unconfirmed" and was_empty):
                place = self._central_answers if cell.role != "workload" else answered
                place[cell.region, cell.listing].add((cell.role, cell.account_id))
        for place_of, who in self._central_answers.items():
            answered[place_of] |= who
        current = self._kept | {_cell_key(cell) for cell in cells}
        return [cell for listing in self.listings for cell in self._gone_of(listing, current, answered, knowledge)]

    def _gone_of(
        self,
        listing: Listing,
        current: set[Key],
        answered: Mapping[tuple[str, str], set[tuple[Role, str]]],
        knowledge: "_Knowledge",
    ) -> list[Cell]:
        now = datetime.now(UTC)
        each = listing.each

        def answered_by_another(role: Role, account: str, region: str, name: str) -> bool:
            # A workload account is asked by itself or by a central role; a central role speaks for one account.
            return any(
                other == account if by != role else role != "workload" and other != account
                for by, other in answered.get((region, name), ())
            )

        def reason(key: Key, earlier: Earlier) -> str | None:
            known_gone = each is not None and knowledge.is_whole(_asked_by(key[0], each), key[1], key[2])
            why = "parent_gone" if known_gone else rules.NO_LONGER_ASKED
            if not known_gone and each is not None and knowledge.is_denied(_asked_by(key[0], each), key[1], key[2]):
                why = DENIED_BY_POLICY
            elif not known_gone and self.settings.regions and key[2] not in (*self.settings.regions, GLOBAL_REGION):
                why = rules.REGION_NOT_SELECTED
            if key[1] in self.left:
                why = "account_left"
            if answered_by_another(*key):
                why = "caller_changed"
            elif listing.name in COST_BY_MONTH and (earlier.is_trusted or key[1] in self.left):
                return None
            # What was skipped already is written again only where now more is known of it.
            settled = rules.RETIRING | rules.ANSWERED_SKIPS | {why}
            known = earlier.outcome == "skipped" and (why == rules.NO_LONGER_ASKED or earlier.skip_reason in settled)
            return None if known else why

        return [
            Cell(
                run_id=self.run_id,
                role=key[0],
                account_id=key[1],
                region=key[2],
                listing=key[3],
                outcome="skipped",
                is_trusted=False,
                zero_sense=listing.sense(key[3].partition(":")[2]),
                started_at=now,
                ended_at=now,
                attempt_count=0,
                skip_reason=why,
            )
            for key, earlier in self.earlier.items()
            if key[3].partition(":")[0] == listing.name
            and key not in current
            and key[0] in self.resources
            and (why := reason(key, earlier)) is not None
        ]

    def close(self) -> None:
        """Close the landing files; those of an interrupted step keep their temporary names."""
        for writer in self._writers.values():
            writer.__exit__(None, None, None)


def unexplained(
    shown: Mapping[tuple[str, str], tuple[str, ...]], found: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """The billed services, by account and listing, that nothing found in the account explains.

    A service that several listings may cause is explained by any of them: what is left of databases costs too.
    """
    explained = {(account, service) for account, name in found for service in shown.get((account, name), ())}
    against = {
        place: tuple(service for service in services if (place[0], service) not in explained)
        for place, services in shown.items()
    }
    return {place: services for place, services in against.items() if services}


def _wanted_fields(listings: Iterable[Listing]) -> dict[str, tuple[str, ...]]:
    """The fields of records that decide what else is asked, by listing."""
    wanted: dict[str, set[str]] = defaultdict(set, {REGION: {"RegionName", "OptInStatus"}})
    for listing in listings:
        if listing.name == METRIC:
            for source, measured in MEASURED.items():
                wanted[source].add(measured.field)
        elif listing.each is not None:
            for source in listing.each.of:
                wanted[source] |= {listing.each.field, listing.each.region_field} - {""}
    return {source: tuple(sorted(fields)) for source, fields in wanted.items()}


def _unusable(answer: Answer, failure: Failed) -> Answer:
    """An answer that was whole, and cannot be landed."""
    return replace(
        answer,
        outcome=failure.outcome,
        records=[],
        record_count=0,
        error_code=failure.code,
        error_message=failure.message,
    )


def _of_another(cell: Cell) -> Cell:
    """A cell of a profile whose other answers are another account's: its zero is that account's too, if anybody's."""
    if not cell.outcome.startswith("empty_"):
        return cell
    return replace(
        cell,
        outcome="wrong_account",
        is_trusted=False,
        record_count=0,
        error_code="WrongAccount",
        error_message="Empty, but other answers to this profile are those of another account.",
    )


def _writable(text: str | None) -> str | None:
    """Text as a file takes it: half a surrogate pair, which JSON can name, is no character."""
    return None if text is None else text.encode(errors="replace").decode()


def _asked_by(role: Role, each: Each) -> tuple[str, ...]:
    """The parents that a role asks for: the hub's databases are no business of operations."""
    known = catalogue.listings()
    return tuple(name for name in each.of if role in known[name].roles) or each.of


def _sense(listings: Mapping[str, Listing], name: str) -> ZeroSense:
    listing, _, suffix = name.partition(":")
    return listings[listing].sense(suffix)


def _cell_key(cell: Cell) -> Key:
    return (cell.role, cell.account_id, cell.region, cell.listing)
