"""Zeros of earlier runs that CloudTrail had not recorded yet: looked up again, and decided on.

The step comes right after the pre-flight of every run. The job `confirm` runs it with the models and publishing behind
it, so that what CloudTrail confirms takes effect; what it holds against a zero refuses.
"""

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import orjson

from pipelines.catalogue.registry import listings
from pipelines.collection.storing import NO_SILENT_ZERO
from pipelines.collection.trails import HORIZON, ListedZero, Place, lookup, trail_events
from pipelines.dagster_metadata import rows_table
from pipelines.settings import Settings
from pipelines.trust import ages, outcomes, zero_rule
from pipelines.trust.gate import GATE_TAG, listing_verdicts, open_gate, refusing, stop_where_blocked
from resources.audit import evidence
from resources.audit.evidence import Accounts, PendingZero
from resources.aws.listing import Listing
from resources.aws.messages import Identity, TrailEvents
from resources.contract import ROLES, Role
from resources.identity_rules import CENTRAL_ROLES
from resources.roles import AwsRole, Workload
from resources.store.store import Store, explained, make_folder
from resources.warehouse import Warehouse

CONFIRMATION_KEY = dg.AssetKey(["audit", "zero_confirmation"])

CONFIRM = "confirm"
"""The job that only looks zeros up, builds and publishes."""

ZEROS_ARE_CONFIRMED = "zeros_are_confirmed"

OVERDUE = (
    " {:,} of them have waited for more than a night: their rows stay, marked stale. `cmdb explain` says what to do."
)

TRAIL_KEEPS = timedelta(days=89)
"""How far back CloudTrail's event history is asked; it keeps ninety days."""

UNRECORDED_AFTER = timedelta(hours=20)
"""How long a kind of call must be missing until CloudTrail counts as not recording it: two nights."""

ZEROS_AT_ONCE = 20_000
"""Zeros that are read, looked up and written before the next ones are: some 3 KB each until then."""

Decision = Literal["confirmed", "suspect", "not_recorded", "waiting", "unavailable", "unreached"]
"""What a look-up came to for one zero."""


@dataclass
class Confirmation:
    """What looking up the pending zeros came to.

    Attributes:
        decisions: how many zeros came to what.
        overdue: how many still wait after a night.
        listings: those of which a cell changed.
        findings: a sentence for each thing to know.
    """

    decisions: Counter[Decision] = field(default_factory=Counter)
    lookups: int = 0
    overdue: int = 0
    listings: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """How many zeros were decided on and how many still wait, for people."""
        if not self.decisions.total():
            return "No zero waits for CloudTrail."
        confirmed = self.decisions["confirmed"] + self.decisions["not_recorded"]
        waiting = self.decisions["waiting"] + self.decisions["unavailable"] + self.decisions["unreached"]
        return (
            f"Of {self.decisions.total():,} zeros that waited for CloudTrail {confirmed:,} are confirmed, "
            f"{self.decisions['suspect']:,} suspect, {waiting:,} still wait."
        )


@dataclass(frozen=True)
class _Found:
    """A pending zero and its listing."""

    pending: PendingZero
    zero: zero_rule.Zero
    listing: Listing


class Confirmer:
    """Looks pending zeros up in CloudTrail and decides on them, some accounts at a time.

    Args:
        resources: by role; each is verified before its first look-up.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        resources: Mapping[Role, AwsRole],
        settings: Settings,
        log: Callable[[str], None],
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._resources = resources
        self._settings = settings
        self._log = log
        self._profiles: dict[tuple[Role, str], str] = {}
        self._since = datetime.now(UTC) - TRAIL_KEEPS
        self._unrecorded: frozenset[str] = frozenset()
        self._recorded: set[str] = set()
        self._missed: set[str] = set()
        self.found = Confirmation()

    def confirm(self) -> Confirmation:
        """Decide on every pending zero that CloudTrail can decide on now; write it down.

        Raises:
            IdentityRefused: a central role is not who it should be. Nothing was looked up.
            WarehouseError: the working file cannot be written.
        """
        if self._settings.zero_evidence != "cloudtrail":
            return self.found
        with self._store.read() as connection:
            counts = evidence.pending_accounts(connection, self._since)
            self._unrecorded = evidence.unrecorded_calls(connection)
        if not counts:
            return self.found
        self._profiles = self._reached()
        self._log(f"Looking in CloudTrail for {sum(counts.values()):,} zero(s) of earlier runs.")
        for accounts in _portions(counts):
            self._decide(accounts)
        self._learn()
        self._log(self.found.sentence())
        return self.found

    def _reached(self) -> dict[tuple[Role, str], str]:
        """By role and account, the profile that reaches it now."""
        profiles: dict[tuple[Role, str], str] = {}
        for role, resource in self._resources.items():
            if isinstance(resource, Workload):
                for profile, who in resource.reached().items():
                    if isinstance(who, Identity):
                        profiles.setdefault((role, who.account_id), profile)
            else:
                identity = resource.verify()
                if identity is not None:
                    profiles[role, identity.account_id] = identity.profile
        return profiles

    def _decide(self, accounts: Accounts) -> None:
        with self._store.read() as connection:
            pending = evidence.pending_zeros(connection, self._since, accounts)
        found = self._readable(pending)
        trails = self._look_up(found)
        now = datetime.now(UTC)
        lines = []
        for entry, trail in zip(found, trails, strict=True):
            self._recorded |= trail.kinds
            if zero_rule.is_missed(entry.zero, trail, now=now):
                self._missed.add(entry.zero.call)
            line = self._judged(entry, trail, now)
            if line is not None:
                lines.append(line)
        if lines:
            self._write(lines)

    def _learn(self) -> None:
        """Remember which kinds of call CloudTrail records; those that it was found not to are said once."""
        with self._store.transaction() as connection:
            unrecorded = evidence.record_trail_calls(
                connection,
                self._recorded,
                self._missed - self._recorded,
                now=datetime.now(UTC),
                patience=UNRECORDED_AFTER,
            )
        for call in unrecorded:
            self.found.findings.append(
                f"CloudTrail has recorded no {call} for a day, though it shows other calls of the same callers: zeros "
                "of it are judged without CloudTrail from now on, until it records one."
            )

    def _readable(self, pending: Sequence[PendingZero]) -> list[_Found]:
        """The zeros whose listing the catalogue still has, and whose account a profile still reaches."""
        known = listings()
        found = []
        for zero in pending:
            listing = known.get(zero.listing.partition(":")[0])
            if listing is None or (zero.role, zero.account_id) not in self._profiles:
                self._count("unreached", zero)
                continue
            found.append(_Found(zero, zero_rule.Zero.from_evidence(zero.evidence), listing))
        return found

    def _count(self, decision: Decision, zero: PendingZero) -> None:
        self.found.decisions[decision] += 1
        is_old = datetime.now(UTC) - zero.ended_at >= ages.ONE_NIGHT
        self.found.overdue += is_old and decision in ("waiting", "unavailable", "unreached")

    def _look_up(self, found: Sequence[_Found]) -> list[TrailEvents]:
        """What CloudTrail shows for each zero; one look-up for the zeros of one caller, place and run."""
        together: dict[tuple[Place, str, str], list[int]] = defaultdict(list)
        for index, entry in enumerate(found):
            pending, zero = entry.pending, entry.zero
            profile = self._profiles[pending.role, pending.account_id]
            place = Place(pending.role, profile, pending.account_id, zero.trail_region)
            together[place, zero.caller_arn, pending.run_id].append(index)
        lookups = []
        for (place, caller, _), indices in together.items():
            entries = [found[index] for index in indices]
            until = max(entry.pending.ended_at for entry in entries) + HORIZON
            zeros = [ListedZero(entry.zero, entry.listing) for entry in entries]
            lookups.append(lookup(place, zeros, until=min(until, datetime.now(UTC)), caller_arn=caller))
        self.found.lookups += len(lookups)
        shown = trail_events(self._resources, lookups)
        by_index = {index: trail for indices, trail in zip(together.values(), shown, strict=True) for index in indices}
        return [by_index[index] for index in range(len(found))]

    def _judged(self, entry: _Found, trail: TrailEvents, now: datetime) -> dict[str, Any] | None:
        """The line that writes what was decided on a zero; None where nothing was."""
        pending = entry.pending
        verdict = zero_rule.zero_verdict(entry.zero, trail, is_recorded=entry.zero.call not in self._unrecorded)
        decision = _decision(verdict, trail, pending)
        self._count(decision, pending)
        if decision == "waiting":
            return None
        self.found.listings.add(pending.listing.partition(":")[0])
        return {
            "run_id": pending.run_id,
            "role": pending.role,
            "account_id": pending.account_id,
            "region": pending.region,
            "listing": pending.listing,
            "outcome": verdict.outcome,
            "is_trusted": verdict.outcome in outcomes.TRUSTED,
            "error_code": verdict.error_code,
            "error_message": None if verdict.outcome in outcomes.TRUSTED else verdict.sentence,
            "evidence": orjson.dumps(verdict.evidence).decode(),
            "confirmed_at": now.isoformat() if decision != "unavailable" else None,
        }

    def _write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        with explained(self._store.landing):
            make_folder(self._store.landing)
            handle, name = tempfile.mkstemp(suffix=".ndjson", dir=self._store.landing)
            path = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.writelines(orjson.dumps(line) + b"\n" for line in lines)
                with self._store.transaction() as connection:
                    evidence.settle_zeros(connection, path)
            finally:
                path.unlink()


def _decision(verdict: zero_rule.ZeroVerdict, trail: TrailEvents, pending: PendingZero) -> Decision:
    shown = verdict.evidence["cloudtrail"]
    if verdict.outcome == "empty_verified":
        return "not_recorded" if "not_recorded" in shown else "confirmed"
    if verdict.outcome == "empty_suspect":
        # The bill spoke against it before: new is only what CloudTrail says for or against it.
        is_new = (
            pending.outcome != "empty_suspect"
            or verdict.evidence.get("confirmed")
            or (trail.available and shown["refused"])
        )
        return "suspect" if is_new else "waiting"
    return "unavailable" if verdict.error_code else "waiting"


def waits(store: Store) -> bool:
    """Whether CloudTrail may still decide on any zero."""
    with store.read() as connection:
        return bool(evidence.pending_accounts(connection, datetime.now(UTC) - TRAIL_KEEPS))


def _portions(counts: Mapping[str, int]) -> Iterator[Accounts]:
    """Accounts whose pending zeros fit into memory together."""
    since, held = "", 0
    for account, count in sorted(counts.items()):
        if held and held + count > ZEROS_AT_ONCE:
            yield Accounts(since, account)
            since, held = account, 0
        held += count
    yield Accounts(since)


@dg.asset(
    key=CONFIRMATION_KEY,
    deps=[dg.AssetKey(["audit", "caller_identity"])],
    description="Zeros of earlier runs whose call CloudTrail had not recorded: looked up again, confirmed or refused.",
    group_name="preflight",
    kinds={"aws", "duckdb"},
    tags=GATE_TAG,
    required_resource_keys={"warehouse", "settings", *ROLES},
    op_tags={"dagster/priority": "50"},
)
def zero_confirmation(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Look up, decide, record, show."""
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    resources: dict[Role, AwsRole] = {role: getattr(context.resources, role) for role in ROLES}
    what = "/".join(CONFIRMATION_KEY.path)
    store = open_gate(warehouse, settings, what, max_age=ages.COLLECTION_MAX_AGE, account_list=False)
    with refusing():
        for role in CENTRAL_ROLES:
            resources[role].verify()
        found = Confirmer(store, warehouse.run_id, resources, settings, context.log.info).confirm()
        blocked = _recorded(store, warehouse.run_id, resources, settings, found)
    for finding in found.findings:
        context.log.warning(finding)
    if context.run.job_name == CONFIRM:
        # In a night the zeros are asked again after this; here nothing else would say that one was refused.
        stop_where_blocked(what, blocked)
    yield dg.MaterializeResult(
        metadata={
            "said": found.sentence(),
            "lookups": found.lookups,
            **{f"zeros_{decision}": count for decision, count in sorted(found.decisions.items())},
            **({"to_know": table} if (table := rows_table([{"finding": text} for text in found.findings])) else {}),
        }
    )


def _recorded(
    store: Store, run_id: str, resources: Mapping[Role, AwsRole], settings: Settings, found: Confirmation
) -> list[str]:
    """Write what the listings' rule says now where a zero changed; the sentences of those that block."""
    with store.transaction() as connection:
        requests = sum(resource.take_request_count() for resource in resources.values())
        evidence.count_requests(connection, run_id, requests)
        evidence.record_check(
            connection,
            run_id,
            ZEROS_ARE_CONFIRMED,
            "",
            severity="WARN",
            passed=not found.overdue,
            observed=found.sentence() + (OVERDUE.format(found.overdue) if found.overdue else ""),
            detail=dict(found.decisions),
            config_hash=settings.config_hash,
        )
        verdicts = listing_verdicts(connection, sorted(found.listings), settings)
        for name, verdict in verdicts.items():
            evidence.record_check(
                connection,
                run_id,
                NO_SILENT_ZERO,
                name,
                severity=verdict.severity,
                passed=verdict.passed,
                observed=verdict.sentence,
                tolerance=str(settings.untrusted_tolerance),
                detail=verdict.at_fault[:100],
                config_hash=settings.config_hash,
            )
    return [verdict.sentence for verdict in verdicts.values() if verdict.blocks]
