"""The state of one step of the collection.

The modules that plan, send, judge and store a step share this state, and nothing else. This module sends nothing to AWS
and judges nothing.
"""

import copy
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from pipelines.catalogue.metrics import MEASURED
from pipelines.catalogue.names import ACCOUNT, COST_TAG, COST_TAG_BACKFILL, EXPLORER, METRIC, REGION
from pipelines.collection import late_costs
from pipelines.collection.cells import Attempt, Cadence, DeniedBefore, KeptKeys, ListingStats
from pipelines.collection.known import Known, KnownFromWarehouse
from pipelines.collection.landing import LandingWriter
from pipelines.collection.paid_limits import daily_limits
from pipelines.collection.previous import ParentRecord, PreviousCell
from pipelines.collection.progress import Part
from pipelines.collection.record_rules import RecordRule
from pipelines.collection.turns import Alone, Turns
from pipelines.errors import LandingError
from pipelines.settings import Settings
from pipelines.trust.gate import refuse
from resources.audit.cells import Cell
from resources.audit.coverage import EVERY_ACCOUNT, Accounts
from resources.audit.paid_requests import PaidRequests
from resources.audit.step_plans import Place
from resources.aws.client import AwsClient
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import CellKey, Identity, Outcome, Request
from resources.aws.workers import WorkerPool
from resources.contract import Role
from resources.roles import AwsRole, worker_processes
from resources.store.store import Store

KEPT_FOR = timedelta(hours=20)
"""Maximum age of a trusted response that a run with `--only-untrusted` keeps; publishing allows 24 hours."""


@dataclass(slots=True)
class BatchState:
    """The state of one batch of accounts: one small entry for each cell.

    Attributes:
        accounts: the interval of account ids in this batch.
        part: number of the batch in its step; None where there is only one.
        attempts: the request and its latest response, by cell key.
        planned: keys that are written down as those of cells that have to come.
        unrequested: cells that get their outcome without a request, by cell key.
        landed: number of records that were landed, by listing name.
        parent_records: records that decide further requests, by listing name.
        stored_records: the same of earlier runs, once they were read, by listing name and accounts.
        childless: requests of listings whose parents have no records: skipped, with the reason set later, from the
            parents' outcomes.
        kept: keys whose last response stays, since only the other cells are requested again.
        earlier: the newest cells before this run; None until they are read.
        earlier_of: the same by listing; empty until they are read.
        without_regions: accounts in which a policy of the organisation denies listing the regions; None until computed.
        denied_before: the cells that a policy of the organisation denied in an earlier run; None until they are read.
        cadence: what is known of listings that change seldom; None until it is read.
        parents: hash of the parents for which a cell of such a listing is requested, by cell key.
    """

    accounts: Accounts = EVERY_ACCOUNT
    part: Part | None = None
    attempts: dict[CellKey, Attempt] = field(default_factory=dict)
    planned: set[CellKey] = field(default_factory=set)
    unrequested: dict[CellKey, Cell] = field(default_factory=dict)
    landed: Counter[str] = field(default_factory=Counter)
    parent_records: dict[str, list[ParentRecord]] = field(default_factory=lambda: defaultdict(list))
    stored_records: dict[tuple[str, Accounts], list[ParentRecord]] = field(default_factory=dict)
    childless: list[Request] = field(default_factory=list)
    kept: KeptKeys = field(default_factory=KeptKeys)
    earlier: dict[CellKey, PreviousCell] | None = None
    earlier_of: dict[str, dict[CellKey, PreviousCell]] = field(default_factory=dict)
    without_regions: frozenset[str] | None = None
    denied_before: DeniedBefore | None = None
    cadence: Cadence | None = None
    parents: dict[CellKey, str] = field(default_factory=dict)

    def stored(
        self, known: Known, listing: str, fields: Sequence[str], accounts: Accounts | None = None
    ) -> list[ParentRecord]:
        """Fields of a listing's records as earlier runs landed them, read once: they stay until the step is stored.

        Raises:
            LandingError: as `previous.records`.
        """
        key = (listing, accounts or self.accounts)
        if key not in self.stored_records:
            self.stored_records[key] = known.records(listing, fields, key[1])
        return self.stored_records[key]


class StepState:
    """One step of the collection: the selected listings of a family, and the roles that request them.

    Memory holds one small entry for each cell of the current batches, whatever the number of accounts.

    Attributes:
        known: what is known of earlier runs and of this run's steps before.
        findings: a sentence for each thing to fix.
        requested_before: the accounts that earlier runs know, and whether the newest cell of any was requested.
        left: accounts that have left the organisation.
        regions_of: the regions to request by account id, once they are known for the whole step.
        regions_left_out: enabled regions that CMDB_REGIONS leaves out, by account id.
        record_rules: what the tables need of the records of a listing, by its name; nothing where no table reads it.
        usual_regions: regions that every account has.
        recorded: the kinds of call in CloudTrail's events.
        central_responses: the callers with a response from a central account, by region and listing; an earlier batch
            may have sent the request.
        only_untrusted: whether trusted responses of the last hours are kept.
        is_by_cadence: whether responses of listings that change seldom are kept until they are due.
        planned_places: the accounts from which a cell has to come, by listing name.
        kept_places: the accounts of which a response is kept, by listing name.
        whole_months: months of the bill, such as `2026-03`, that are fetched whole whatever the bill by account says.
        kept_since: older responses are not kept either; a run that goes on keeps those of the interrupted run alone.
        lock: held while a response is added to the state.
        turns: that of two parts that are collected at the same time.
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
        is_by_cadence: bool = False,
        kept_since: datetime | None = None,
        whole_months: frozenset[str] = frozenset(),
        paid_requests: PaidRequests | None = None,
        known: Known | None = None,
        record_rules: Mapping[str, RecordRule],
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.known = known or KnownFromWarehouse(store, run_id)
        self.resources, self.listings = resources, listings
        self.settings = settings
        self.log = log
        self.record_rules = defaultdict(RecordRule, record_rules)
        self.paid_requests = paid_requests or PaidRequests(store, run_id, daily_limits(settings))
        self.findings: list[str] = []
        self.requested_before: Mapping[str, bool] = {}
        self.left: frozenset[str] = frozenset()
        self.regions_of: Mapping[str, list[str]] | None = None
        self.regions_left_out: Mapping[str, list[str]] = {}
        self.usual_regions: frozenset[str] = frozenset()
        self.stats: dict[str, ListingStats] = {listing.name: ListingStats() for listing in listings}
        self.writers: dict[str, LandingWriter] = {}
        self.recorded: set[str] = set()
        self.central_responses: dict[tuple[str, str], set[tuple[Role, str]]] = defaultdict(set)
        self.planned_places: dict[str, set[Place]] = {}
        self.kept_places: dict[str, set[Place]] = defaultdict(set)
        self.lock = threading.Lock()
        self.turns: Turns | Alone = Alone()
        self.wanted_fields = _wanted_fields(listings)
        self.batch = BatchState()
        self._by_name = {listing.name: listing for listing in listings}
        self.only_untrusted, self.is_by_cadence = only_untrusted, is_by_cadence
        self.whole_months = whole_months
        self.kept_since = kept_since or datetime.min.replace(tzinfo=UTC)

    def begin(self, accounts: Accounts, part: Part | None = None) -> None:
        """Start a batch of accounts; the state of the batch before is freed.

        Args:
            accounts: the accounts of the batch.
            part: number of the batch in its step; None where there is only one.
        """
        self.batch = BatchState(accounts, part)

    def beside(self, turns: Turns) -> Self:
        """The state of the same step for one of two parts at the same time: it has a batch of its own."""
        own = copy.copy(self)
        own.turns, own.batch = turns, BatchState()
        return own

    # ------------------------------------------------------------------------------------ the AWS clients

    def client(self, role: Role) -> AwsClient:
        """The AWS client of one of the step's roles, whose identity has been verified."""
        return self.resources[role].client

    def identity(self, role: Role) -> Identity:
        """The verified identity of a central role."""
        identity = self.resources[role].verify()
        assert identity is not None, "a central role has one identity"
        return identity

    @property
    def processes(self) -> WorkerPool | None:
        """As `worker_processes`."""
        return worker_processes(self.resources)

    # ----------------------------------------------------------------------------------------- the cells

    @property
    def attempts(self) -> dict[CellKey, Attempt]:
        """The requests of the batch and their latest responses, by cell key."""
        return self.batch.attempts

    def set_outcome(
        self, key: CellKey, outcome: Outcome, reason: str, message: str | None = None, profile: str | None = None
    ) -> None:
        """Give a cell its outcome without a request; the arguments are those of `unrequested_cell`."""
        self.batch.unrequested[key] = self.unrequested_cell(key, outcome, reason, message, profile)

    def unrequested_cell(
        self, key: CellKey, outcome: Outcome, reason: str, message: str | None = None, profile: str | None = None
    ) -> Cell:
        """A cell that gets its outcome now and without a request.

        Args:
            key: the cell's key.
            outcome: the cell's outcome.
            reason: the skip reason, or the error code for any outcome but `skipped`.
            message: the error message.
            profile: the profile of the request that is not sent.
        """
        role, account, region, name = key
        listing, _, suffix = name.partition(":")
        is_skipped = outcome == "skipped"
        now = datetime.now(UTC)
        return Cell(
            run_id=self.run_id,
            role=role,
            account_id=account,
            region=region,
            listing=name,
            outcome=outcome,
            is_trusted=False,
            empty_policy=self._by_name[listing].empty_policy(suffix),
            started_at=now,
            ended_at=now,
            profile=profile,
            attempt_count=0,
            skip_reason=reason if is_skipped else None,
            error_code=None if is_skipped else reason,
            error_message=message,
        )

    def is_of_before(self, earlier: PreviousCell) -> bool:
        """Whether a cell is of an earlier run; the records of this very run are replaced by this attempt's."""
        return earlier.run_id != self.run_id

    def keep(self, request: Request) -> bool:
        """Whether the last trusted response stays instead of a new request, in a run of untrusted cells only.

        A cell that a failed check named is requested again: its response was complete, but contradicts other evidence.
        So is one of this very run, whose landed records this attempt replaces.
        """
        earlier = self.earlier.get(request.key)
        if not self.only_untrusted or earlier is None or earlier.is_disputed or not self.is_of_before(earlier):
            return False
        # A new request for such a zero would only wait for CloudTrail again.
        waits = earlier.outcome == "empty_unconfirmed" and not earlier.error_code
        if not (earlier.is_trusted or waits) or earlier.ended_at < max(datetime.now(UTC) - KEPT_FOR, self.kept_since):
            return False
        self.batch.kept.add(request.key)
        return True

    def writer(self, listing: Listing) -> LandingWriter:
        """The landing writer of a listing in this run; opened at its first use."""
        if listing.name not in self.writers:
            self.writers[listing.name] = LandingWriter(self.store.landing, self.run_id, listing.name)
        return self.writers[listing.name]

    def close(self) -> None:
        """Close the landing files; those of an interrupted step keep their temporary names."""
        for writer in self.writers.values():
            writer.__exit__(None, None, None)

    # ----------------------------------------------------------------------------------- earlier responses

    @property
    def earlier(self) -> dict[CellKey, PreviousCell]:
        """The newest cells of the batch's accounts before this run, by key."""
        if self.batch.earlier is None:
            self.batch.earlier = self.known.earlier(self.listings, self.batch.accounts)
            for key, cell in self.batch.earlier.items():
                self.batch.earlier_of.setdefault(key.name, {})[key] = cell
        return self.batch.earlier

    def earlier_of(self, listing: str) -> Mapping[CellKey, PreviousCell]:
        """Those of one listing, with any parameter."""
        return self.batch.earlier_of.get(listing, {}) if self.earlier else {}

    @property
    def without_regions(self) -> frozenset[str]:
        """Accounts of the batch in which a policy of the organisation denies listing the regions."""
        if self.batch.without_regions is None:
            own = frozenset(
                key.account_id
                for key, entry in self.attempts.items()
                if key.listing == REGION and entry.denial is not None
            )
            self.batch.without_regions = own | self.known.without_regions(self.batch.accounts)
        return self.batch.without_regions

    # ----------------------------------------------------------------------------------- parents' records

    def records_of(self, listing: str, accounts: Accounts | None = None) -> list[ParentRecord]:
        """Captured fields of a listing's records, from this step or, if it lacks the listing, the newest collection.

        Args:
            listing: the listing's name.
            accounts: the accounts to read of the newest collection; those of the batch if none are given.
        """
        own = any(entry.name == listing for entry in self.listings)
        kept = self.batch.kept.of(listing)
        parent_records = self.batch.parent_records[listing]
        if own and not kept:
            return parent_records
        try:
            stored = self.batch.stored(self.known, listing, self.wanted_fields[listing], accounts)
            return parent_records + [record for record in stored if record.key in kept] if own else stored
        except LandingError as error:
            raise refuse(
                f"{error} Nothing was requested. Materialise landing/{listing} first, or run "
                "`cmdb nightly --everything`."
            ) from error

    def named_by_parents(self, listing: Listing) -> dict[tuple[str, str], set[str]]:
        """The values that the parents' records name so far, by account id and region of the request.

        The region is the parent's own, or the one that `Each.region_field` names; `aws-global` for a global listing.
        """
        each = listing.each
        named: dict[tuple[str, str], set[str]] = defaultdict(set)
        if each is None:
            return named
        for source in each.of:
            for record in self.records_of(source):
                if any(record.fields[name] != value for name, value in each.where.items()):
                    continue
                region = str(record.fields[each.region_field] if each.region_field else record.key.region)
                place = (record.key.account_id, GLOBAL_REGION if listing.scope == "global" else region)
                named[place].add(each.value(str(record.fields[each.field]), region))
        return named


def _wanted_fields(listings: Iterable[Listing]) -> dict[str, tuple[str, ...]]:
    """The fields of records that decide further requests, by listing name."""
    wanted: dict[str, set[str]] = defaultdict(
        set,
        {
            REGION: {"RegionName", "OptInStatus"},
            COST_TAG: {*late_costs.TAG_FIELDS},
            COST_TAG_BACKFILL: {*late_costs.BACKFILL_FIELDS},
        },
    )
    for listing in listings:
        if listing.nightly_unless is not None:
            source, field_name, _ = listing.nightly_unless
            wanted[source].add(field_name)
        if listing.name == METRIC:
            for source, measured in MEASURED.items():
                wanted[source] |= {measured.field, measured.state_field} - {""}
        elif listing.name == EXPLORER:
            wanted[ACCOUNT].add("Id")
        elif listing.each is not None:
            for source in listing.each.of:
                wanted[source] |= {listing.each.field, listing.each.region_field, *listing.each.where} - {""}
    return {source: tuple(sorted(fields)) for source, fields in wanted.items()}
