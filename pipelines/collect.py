"""From a catalogue entry to a landed, judged listing. Written once for all of them.

A step collects a family: it asks every listing, asks again what failed or what something speaks against, puts
the question of refusals to CloudTrail once per account and region that has a zero, judges every cell, and only
then gives the landed files their names and writes the cells. Nothing here touches a table that analysts read.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import dagster as dg

from pipelines import accounts, cost, landed, rules
from pipelines.catalogue import ACCOUNT, COST_DAILY, FAMILIES, REGION, Family
from pipelines.gate import GATE_TAG, begin, cell_states, open_gate, refuse, refusing
from pipelines.landed import Capture, Earlier
from pipelines.landing import Key, LandingWriter
from pipelines.metadata import cells_table, listing_metadata
from pipelines.progress import Reporter
from pipelines.settings import Settings
from resources import evidence
from resources.evidence import Cell
from resources.listing import GLOBAL_REGION, Listing
from resources.profile import Answer, Outcome, Question, Reach, Refusals
from resources.roles import AwsRole, Workload
from resources.warehouse import Store
from resources.warehouse_resource import Warehouse

NO_SILENT_ZERO = "no_silent_zero"
ACCOUNT_COVERAGE = "account_coverage"

HORIZON = timedelta(minutes=5)
"""How long before the question CloudTrail is searched for refusals."""

LOOKUP_REGION = "us-east-1"
"""Where CloudTrail keeps the events of global services."""


@dataclass
class Asked:
    """A question and what came of it so far; the records are in the landing already."""

    answer: Answer
    attempts: int = 1
    zeros: int = 0
    requests: int = 0
    throttles: int = 0
    first_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class NotAsked:
    """A cell that gets its outcome without a question, and why."""

    key: Key
    outcome: Outcome
    reason: str
    message: str | None = None
    profile: str | None = None


class Collection:
    """One step's work: the listings of a family that were selected, asked by one role.

    Memory holds one small entry a cell and the records of the cells that are being asked, whatever the number of
    accounts.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        resource: AwsRole,
        listings: Sequence[Listing],
        settings: Settings,
        log: Callable[[str], None],
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.resource = resource
        self.reach: Reach = resource.reach
        self.listings = listings
        self.settings = settings
        self.log = log
        self.asked: dict[Key, Asked] = {}
        self.not_asked: dict[Key, NotAsked] = {}
        self.captured: dict[str, list[Capture]] = defaultdict(list)
        self.findings: list[str] = []
        self.left: frozenset[str] = frozenset()
        self.earlier = landed.earlier_cells(store, listings)
        self._lock = threading.Lock()
        self._writers: dict[str, LandingWriter] = {}
        self._wanted = {REGION: ("RegionName", "OptInStatus")} | {
            source: (entry.each.field,)
            for entry in listings
            if entry.each is not None
            for source in entry.each.of
        }

    # ------------------------------------------------------------------------------------------ asking

    def key_of(self, question: Question) -> Key:
        """The key of the cell that a question fills."""
        name = question.listing.name + (f":{question.suffix}" if question.suffix else "")
        return (self.resource.role, question.account_id, question.region, name)

    def ask(self, listing: Listing, questions: Sequence[Question]) -> None:
        """Put the questions of one listing, land what they find; what failed is asked once more at the end."""
        self._ask_once(listing, questions)
        failed = [q for q in questions if self.asked[self.key_of(q)].answer.outcome == "failed"]
        if failed:
            self.log(f"{listing.name}: asking {len(failed)} failed cell(s) a second time.")
            self._ask_once(listing, failed)

    def _ask_once(self, listing: Listing, questions: Sequence[Question]) -> None:
        if not questions:
            return
        writer = self._writer(listing)
        fields = self._wanted.get(listing.name, ())

        def take(answer: Answer) -> None:
            key = self.key_of(answer.question)
            if answer.outcome == "found":
                writer.append(key, answer.records)
            captures = [
                Capture(key, {name: record.get(name) for name in fields})
                for record in (answer.records if fields else ())
            ]
            with self._lock:
                self.captured[listing.name] += captures
                entry = self.asked.get(key)
                if entry is None:
                    entry = self.asked[key] = Asked(answer, attempts=0, first_at=answer.started_at)
                entry.answer = replace(answer, records=[])
                entry.attempts += 1
                entry.zeros += answer.outcome == "empty_suspect"
                entry.requests += answer.request_count
                entry.throttles += answer.throttle_count

        self.reach.ask_all(questions, take, progress=Reporter(listing.name, self.log))

    def _writer(self, listing: Listing) -> LandingWriter:
        if listing.name not in self._writers:
            self._writers[listing.name] = LandingWriter(self.store.landing, self.run_id, listing.name)
        return self._writers[listing.name]

    def records_of(self, listing: str) -> list[Capture]:
        """Captured fields of a listing: of this step, or of its newest collection where it was not selected."""
        if any(entry.name == listing for entry in self.listings):
            return self.captured[listing]
        try:
            return landed.captures(self.store, listing, self._wanted[listing])
        except LookupError as error:
            raise refuse(f"{error} Materialise landing/{listing} first. Nothing was asked.") from error

    def skip(self, cell: NotAsked) -> None:
        """Record a cell that is not asked."""
        self.not_asked[cell.key] = cell

    # ----------------------------------------------------------------------------------------- settling

    def settle(self) -> None:
        """Ask once more the zeros that something speaks against."""
        billed = self._billed()
        again: dict[str, list[Question]] = defaultdict(list)
        for key, entry in self.asked.items():
            answer = entry.answer
            listing = answer.question.listing
            doubtful = answer.outcome == "empty_suspect" and rules.must_ask_again(
                listing.zero, self._witness(key, listing, billed)
            )
            if doubtful:
                again[listing.name].append(answer.question)
        for listing in self.listings:
            if again[listing.name]:
                self.log(f"{listing.name}: asking {len(again[listing.name])} unlikely zero(s) a second time.")
                self._ask_once(listing, again[listing.name])

    def cells(self) -> list[Cell]:
        """Every cell, judged."""
        billed = self._billed()
        refusals = self._refusals() if self.settings.zero_evidence == "cloudtrail" else {}
        judged = [
            self._judge(key, entry, refusals.get(_place(entry.answer.question)), billed)
            for key, entry in self.asked.items()
        ]
        now = datetime.now(UTC)
        listings = {listing.name: listing for listing in self.listings}
        judged += [
            Cell(
                run_id=self.run_id,
                role=self.resource.role,
                account_id=cell.key[1],
                region=cell.key[2],
                listing=cell.key[3],
                outcome=cell.outcome,
                is_trusted=False,
                zero_sense=listings[cell.key[3].partition(":")[0]].zero,
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
        return judged

    def _judge(
        self,
        key: Key,
        entry: Asked,
        refusals: Refusals | None,
        billed: Mapping[tuple[str, str], tuple[str, ...]],
    ) -> Cell:
        answer = entry.answer
        listing = answer.question.listing
        outcome: Outcome = answer.outcome
        message = answer.error_message
        proof: dict[str, Any] | None = None
        if outcome == "empty_suspect":
            metadata = (answer.raw_response or {}).get("ResponseMetadata", {})
            verdict = rules.zero_verdict(
                listing.zero,
                asked=entry.zeros,
                request_id=metadata.get("RequestId"),
                refusals=refusals,
                witness=self._witness(key, listing, billed),
                zero_evidence=self.settings.zero_evidence,
            )
            outcome, proof = verdict.outcome, verdict.evidence
            message = verdict.sentence if outcome == "empty_suspect" else None
        return Cell(
            run_id=self.run_id,
            role=self.resource.role,
            account_id=key[1],
            region=key[2],
            listing=key[3],
            outcome=outcome,
            is_trusted=outcome in ("found", "empty_verified"),
            zero_sense=listing.zero,
            started_at=entry.first_at,
            ended_at=answer.ended_at,
            profile=answer.question.profile,
            caller_account_id=answer.caller_account_id,
            record_count=answer.record_count,
            page_count=answer.page_count,
            request_count=entry.requests,
            throttle_count=entry.throttles,
            attempt_count=entry.attempts,
            error_code=answer.error_code,
            error_message=message,
            skip_reason=answer.skip_reason,
            evidence=proof,
            raw_response=answer.raw_response,
        )

    def _witness(
        self, key: Key, listing: Listing, billed: Mapping[tuple[str, str], tuple[str, ...]]
    ) -> rules.Witness:
        earlier = self.earlier.get(key, Earlier("skipped", False, None, False))
        return rules.Witness(
            last_count=earlier.last_trusted_count,
            billed=billed.get((key[1], listing.name), ()),
            earlier_confirmed=earlier.confirmed,
        )

    def _billed(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """What the bill says against listings that are empty in every region of an account."""
        if not any(listing.zero == "witnessed" for listing in self.listings):
            return {}
        found = {
            (key[1], entry.answer.question.listing.name)
            for key, entry in self.asked.items()
            if entry.answer.outcome == "found"
        }
        shown = landed.billed_services(self.store, cost.final_days_since(datetime.now(UTC).date()))
        return {place: services for place, services in shown.items() if place not in found}

    def _refusals(self) -> dict[tuple[str, str, str], Refusals]:
        """CloudTrail's word for every account and region that has a zero: one look-up each."""
        zeros: dict[tuple[str, str, str], list[Asked]] = defaultdict(list)
        for entry in self.asked.values():
            if entry.answer.outcome == "empty_suspect":
                zeros[_place(entry.answer.question)].append(entry)
        if not zeros:
            return {}
        self.log(f"Asking CloudTrail for refusals in {len(zeros)} account-region(s) that have a zero.")

        def look_up(place: tuple[str, str, str]) -> Refusals:
            profile, account, region = place
            entries = zeros[place]
            calls = {entry.answer.question.listing.trail_name for entry in entries}
            since = min(entry.first_at for entry in entries) - HORIZON
            return self.reach.refusals(profile, account, region, since, calls)

        with ThreadPoolExecutor(max_workers=min(self.settings.concurrency, len(zeros))) as pool:
            return dict(zip(zeros, pool.map(look_up, zeros), strict=True))

    # ------------------------------------------------------------------------------------------ storing

    def commit(self, cells: Sequence[Cell]) -> dict[str, rules.Verdict]:
        """Name the landed files, write the cells and the verdict of each listing."""
        by_listing: dict[str, list[Cell]] = defaultdict(list)
        untrusted = {cell.listing.partition(":")[0] for cell in cells if not cell.is_trusted}
        for cell in cells:
            by_listing[cell.listing.partition(":")[0]].append(cell)
        for listing in self.listings:
            if listing.name != COST_DAILY:
                by_listing[listing.name] += self._gone(listing, {_cell_key(c) for c in cells}, untrusted)
        paths = {
            listing.name: self._writer(listing).commit(by_listing[listing.name]) for listing in self.listings
        }
        verdicts: dict[str, rules.Verdict] = {}
        requests = sum(entry.requests for entry in self.asked.values())
        price = cost.REQUEST_PRICE_USD if self.resource.role == "billing" else Decimal(0)
        with self.store.transaction() as connection:
            for path in paths.values():
                evidence.load_cells(connection, str(path))
            evidence.count_requests(connection, self.run_id, requests, price * requests)
            states = cell_states(evidence.coverage(connection, list(paths)))
            for name in paths:
                verdict = rules.listing_verdict(name, states.get(name, []), self.settings.untrusted_tolerance)
                verdicts[name] = verdict
                evidence.record_check(
                    connection,
                    self.run_id,
                    NO_SILENT_ZERO,
                    name,
                    severity=verdict.severity,
                    passed=verdict.passed,
                    observed=verdict.sentence,
                    tolerance=str(self.settings.untrusted_tolerance),
                    detail=verdict.at_fault[:100],
                    config_hash=self.settings.config_hash,
                )
        return verdicts

    def _gone(self, listing: Listing, current: set[Key], untrusted: set[str]) -> list[Cell]:
        """Cells for keys that earlier nights asked and this one does not, so that none is judged for ever.

        Only a trusted list of accounts makes an account leave, and only a trusted list of parents makes a parent
        go; their rows are then removed. Everything else keeps its rows, stale.
        """
        now = datetime.now(UTC)
        parents_known = listing.each is not None and not untrusted & set(listing.each.of)

        def reason(account: str) -> str:
            if account in self.left:
                return "account_left"
            return "parent_gone" if parents_known else "no_longer_asked"

        return [
            Cell(
                run_id=self.run_id,
                role=self.resource.role,
                account_id=key[1],
                region=key[2],
                listing=key[3],
                outcome="skipped",
                is_trusted=False,
                zero_sense=listing.zero,
                started_at=now,
                ended_at=now,
                attempt_count=0,
                skip_reason=reason(key[1]),
            )
            for key, earlier in self.earlier.items()
            if key[3].partition(":")[0] == listing.name
            and key not in current
            and key[0] == self.resource.role
            and earlier.outcome != "skipped"
        ]

    def close(self) -> None:
        """Close the landing files; those of an interrupted step keep their temporary names."""
        for writer in self._writers.values():
            writer.__exit__(None, None, None)


def _place(question: Question) -> tuple[str, str, str]:
    region = LOOKUP_REGION if question.region == GLOBAL_REGION else question.region
    return (question.profile, question.account_id, region)


def _cell_key(cell: Cell) -> Key:
    return (cell.role, cell.account_id, cell.region, cell.listing)


# ------------------------------------------------------------------------------------------------ plans


def ask_central(collection: Collection, listing: Listing) -> None:
    """Ask a listing of a central account: once, or once for each record of its parents, level by level."""
    resource = collection.resource
    identity = resource.verify()
    assert identity is not None, "a central role has one identity"

    def question(value: str | None = None) -> Question:
        return Question(
            profile=identity.profile,
            account_id=identity.account_id,
            region=GLOBAL_REGION if listing.scope == "global" else collection.settings.home_region,
            listing=listing,
            listing_role=resource.role,
            parameters={} if listing.each is None or value is None else {listing.each.parameter: value},
            suffix=value or "",
        )

    if listing.each is None:
        collection.ask(listing, [question()])
        return
    done: set[str] = set()
    while True:
        values = {
            str(capture.fields[listing.each.field])
            for source in listing.each.of
            for capture in collection.records_of(source)
        }
        fresh = sorted(values - done)
        if not fresh:
            return
        done |= values
        collection.ask(listing, [question(value) for value in fresh])


def ask_costs(collection: Collection, listing: Listing) -> None:
    """Ask Cost Explorer month by month, newest first, and stop before the limit of the night."""
    resource, settings = collection.resource, collection.settings
    identity = resource.verify()
    assert identity is not None, "a central role has one identity"
    today = datetime.now(UTC).date()
    spent = collection.reach.request_count
    metrics = cost.METRICS
    for cut in cost.SLICES:
        known = {
            key[3].rpartition(":")[2]
            for key, earlier in collection.earlier.items()
            if key[3].startswith(f"{listing.name}:{cut.name}:") and earlier.is_trusted
        }
        for month in cost.months_to_ask(today, settings.cost_months, known):
            question = Question(
                profile=identity.profile,
                account_id=identity.account_id,
                region=GLOBAL_REGION,
                listing=listing,
                listing_role=resource.role,
                parameters=cost.parameters(cut, month, metrics),
                suffix=f"{cut.name}:{month.name}",
                request_limit=settings.cost_request_limit - (collection.reach.request_count - spent),
            )
            if question.request_limit is not None and question.request_limit < 1:
                collection.skip(
                    NotAsked(
                        collection.key_of(question),
                        "skipped",
                        "request_limit",
                        f"CMDB_COST_REQUEST_LIMIT={settings.cost_request_limit} was reached; the next night goes on.",
                        identity.profile,
                    )
                )
                continue
            collection.ask(listing, [question])
            answer = collection.asked[collection.key_of(question)].answer
            if answer.error_code == "ValidationException" and metrics == cost.METRICS:
                # Payers without the newer metrics refuse the whole question.
                collection.log("Cost Explorer refused the newer metrics; going on with the classic four.")
                metrics = cost.CLASSIC_METRICS
                again = replace(question, parameters=cost.parameters(cut, month, metrics))
                collection.ask(listing, [again])


def ask_workloads(collection: Collection, listing: Listing, reached: accounts.Reached) -> None:
    """Ask a listing of every reached account, in each of its regions."""
    role = collection.resource.role
    known_regions: dict[str, set[str]] = defaultdict(set)
    for key, earlier in collection.earlier.items():
        if key[3] == listing.name and earlier.outcome != "skipped":
            known_regions[key[1]].add(key[2])
    for account, reason in reached.skipped.items():
        collection.skip(NotAsked((role, account, GLOBAL_REGION, listing.name), "skipped", reason))
    for account, broken in reached.broken.items():
        outcome: Outcome = "denied" if broken.error.reason in ("refused", "expired") else "failed"
        for region in sorted(known_regions[account]) or [GLOBAL_REGION]:
            collection.skip(
                NotAsked(
                    (role, account, region, listing.name),
                    outcome,
                    broken.error.reason,
                    f"{broken.error} {broken.error.cure}",
                    broken.profile,
                )
            )
    questions: list[Question] = []
    enabled = _enabled_regions(collection) if listing.scope == "regional" else {}
    for account, profile in reached.profile_of.items():
        if listing.scope == "global":
            regions: Iterable[str] = [GLOBAL_REGION]
        elif account in enabled:
            regions = enabled[account]
        else:
            # Its regions could not be listed: what is known of it is asked, so that each cell says why it fails.
            regions = sorted(known_regions[account])
            if not regions:
                collection.skip(
                    NotAsked(
                        (role, account, GLOBAL_REGION, listing.name),
                        "failed",
                        "RegionsUnknown",
                        f"Not asked, because the enabled regions of {account} could not be listed.",
                        profile,
                    )
                )
        for region in collection.settings.regions if listing.scope == "regional" else ():
            if account in enabled and region not in enabled[account]:
                collection.skip(
                    NotAsked((role, account, region, listing.name), "skipped", "region_not_enabled")
                )
        questions += [
            Question(
                profile=profile, account_id=account, region=region, listing=listing, listing_role=role
            )
            for region in regions
        ]
    collection.ask(listing, questions)


def _enabled_regions(collection: Collection) -> dict[str, list[str]]:
    """The regions to ask by account: enabled, and wanted where `CMDB_REGIONS` says which."""
    wanted = collection.settings.regions
    regions: dict[str, list[str]] = defaultdict(list)
    for capture in collection.records_of(REGION):
        name = str(capture.fields["RegionName"])
        enabled = capture.fields["OptInStatus"] != "not-opted-in"
        listed = regions[capture.key[1]]
        if enabled and (not wanted or name in wanted):
            listed.append(name)
    return regions


def match_accounts(collection: Collection, resource: Workload) -> accounts.Reached:
    """Ask STS who every workload profile is and match the answers with the organisation's accounts."""
    members = [
        accounts.Member(
            str(capture.fields["Id"]),
            str(capture.fields["Name"]),
            str(capture.fields["State"] or capture.fields["Status"]),
        )
        for capture in landed.captures(collection.store, ACCOUNT, ("Id", "Name", "State", "Status"))
    ]
    central = {
        caller.account_id: role
        for role, caller in resource.callers().items()
        if caller.account_id is not None
    }
    earlier = landed.earlier_accounts(collection.store)
    reached = accounts.match(resource.reached(), members, central, earlier)
    in_organisation = {member.account_id for member in members if member.state != "CLOSED"}
    collection.left = frozenset({key[1] for key in collection.earlier} - in_organisation)
    collection.findings = reached.findings
    return reached


def account_coverage(collection: Collection, reached: accounts.Reached) -> rules.Verdict:
    """Accounts and spend that no profile reaches: warns; fails when an account is lost from one night to the next."""
    missing = sorted(account for account, reason in reached.skipped.items() if reason == "no_profile")
    lost = sorted(
        {
            key[1]
            for key, earlier in collection.earlier.items()
            if key[1] in missing and earlier.outcome != "skipped"
        }
    )
    if not missing:
        return rules.Verdict(
            True, f"A profile reaches each of the {len(reached.profile_of)} active accounts."
        )
    share = landed.unreached_spend(collection.store, missing)
    spend = "" if share is None else f", {share:.1%} of the last thirty days' spend"
    rows = tuple({"account_id": account, "lost": account in lost} for account in missing)
    if lost:
        return rules.Verdict(
            False,
            f"No profile reaches {', '.join(lost[:5])} any more, which earlier nights did; "
            f"{len(missing)} account(s) are not reached{spend}. Restore the profile, or close the account.",
            at_fault=rows,
        )
    return rules.Verdict(
        False,
        f"No profile reaches {len(missing)} account(s) of the organisation{spend}: {', '.join(missing[:5])}.",
        severity="WARN",
        at_fault=rows,
    )


# ----------------------------------------------------------------------------------------------- assets


def landing_key(listing: str) -> dg.AssetKey:
    """The key of a raw asset."""
    return dg.AssetKey(["landing", listing])


def family_asset(family: Family) -> dg.AssetsDefinition:
    """The step that collects a family: a raw asset and its silent-zero check for every listing."""
    after = [landing_key(listing) for listing in family.after]
    preflight = dg.AssetKey(["audit", "caller_identity"])
    specs = [
        dg.AssetSpec(
            landing_key(listing.name),
            deps=[
                preflight,
                *after,
                *(
                    [landing_key(name) for name in listing.each.of if name != listing.name]
                    if listing.each
                    else []
                ),
                *([landing_key(REGION)] if family.role == "workload" and listing.scope == "regional" else []),
            ],
            description=f"{listing.call} as AWS answered it, one line a record, asked by {family.role}.",
            group_name=family.group,
            kinds={"aws", "json"},
            tags=GATE_TAG | {"aws/role": family.role},
            metadata={"call": listing.call, "zero_sense": listing.zero},
        )
        for listing in family.listings
    ]
    check_specs = [
        dg.AssetCheckSpec(
            NO_SILENT_ZERO,
            asset=landing_key(listing.name),
            blocking=True,
            description="No cell of this listing is empty, refused or misrouted without being noticed.",
        )
        for listing in family.listings
    ]
    if family.role == "workload":
        check_specs.append(
            dg.AssetCheckSpec(
                ACCOUNT_COVERAGE,
                asset=landing_key(REGION),
                description="A profile reaches every active account of the organisation.",
            )
        )

    @dg.multi_asset(
        name=f"collect_{family.name}",
        specs=specs,
        check_specs=check_specs,
        can_subset=True,
        required_resource_keys={"warehouse", "settings", family.role},
        op_tags={"dagster/priority": str(family.priority)},
    )
    def collect(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        selected = [
            listing
            for listing in family.listings
            if landing_key(listing.name) in context.op_execution_context.selected_asset_keys
        ]
        yield from _collect(context, family, selected)

    return collect


def _collect(
    context: dg.AssetExecutionContext, family: Family, listings: Sequence[Listing]
) -> Iterator[dg.MaterializeResult[Any]]:
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    resource: AwsRole = getattr(context.resources, family.role)
    what = "landing/" + (listings[0].name if len(listings) == 1 else family.name)
    begin(warehouse, settings, what)
    with refusing():
        # First, so that a gate later in a long night sees identities that were checked a moment ago.
        resource.verify()
    store = open_gate(
        warehouse,
        settings,
        what,
        max_age=rules.COLLECTION_MAX_AGE,
        account_list=bool(family.after),
    )
    collection = Collection(store, warehouse.run_id, resource, listings, settings, context.log.info)
    coverage: rules.Verdict | None = None
    try:
        with refusing():
            reached = None
            if isinstance(resource, Workload):
                reached = match_accounts(collection, resource)
                coverage = account_coverage(collection, reached)
            for listing in listings:
                if reached is not None:
                    ask_workloads(collection, listing, reached)
                elif listing.name == COST_DAILY:
                    ask_costs(collection, listing)
                else:
                    ask_central(collection, listing)
            collection.settle()
            cells = collection.cells()
            verdicts = collection.commit(cells)
    finally:
        collection.close()
    for finding in collection.findings:
        context.log.warning(finding)
    yield from _results(context, listings, cells, verdicts, coverage, collection.findings)


def _results(
    context: dg.AssetExecutionContext,
    listings: Sequence[Listing],
    cells: Sequence[Cell],
    verdicts: Mapping[str, rules.Verdict],
    coverage: rules.Verdict | None,
    findings: Sequence[str],
) -> Iterator[dg.MaterializeResult[Any]]:
    selected = context.op_execution_context.selected_asset_check_keys
    for listing in listings:
        own = [cell for cell in cells if cell.listing.partition(":")[0] == listing.name]
        shown = {NO_SILENT_ZERO: verdicts[listing.name]}
        if coverage is not None and listing.name == REGION:
            shown[ACCOUNT_COVERAGE] = coverage
        key = landing_key(listing.name)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata=listing_metadata(own, Counter(cell.outcome for cell in own), findings),
            check_results=[
                dg.AssetCheckResult(
                    check_name=name,
                    asset_key=key,
                    passed=verdict.passed,
                    severity=dg.AssetCheckSeverity(verdict.severity),
                    description=verdict.sentence,
                    metadata=cells_table(verdict.at_fault),
                )
                for name, verdict in shown.items()
                if dg.AssetCheckKey(key, name) in selected
            ],
        )


def collection_assets() -> list[dg.AssetsDefinition]:
    """Every family of the catalogue as a step."""
    return [family_asset(family) for family in FAMILIES]
