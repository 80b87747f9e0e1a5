"""Confirms zeros of earlier runs that CloudTrail had not recorded yet.

`decisions` holds the rules of the outcome; this module sends the look-ups to CloudTrail and writes the outcomes.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, Any

import orjson

from pipelines.catalogue.registry import listings
from pipelines.collection.decisions import Confirmation, decide, portions, stored_together
from pipelines.collection.trails import HORIZON, ListedZero, Place, lookup, trail_events
from pipelines.collection.turns import AT_A_TIME, Turns
from pipelines.memory import MEMORY, within_memory
from pipelines.settings import Settings
from pipelines.trust import outcomes, zero_rule
from resources.audit.coverage import Accounts
from resources.audit.zeros import (
    PendingZero,
    pending_accounts,
    pending_zeros,
    record_trail_calls,
    settle_zeros,
    unrecorded_calls,
)
from resources.aws.listing import Listing
from resources.aws.messages import Identity, TrailEvents
from resources.contract import Role
from resources.roles import AwsRole, Workload, worker_processes
from resources.store.errors import explained
from resources.store.files import make_folder, remove
from resources.store.store import Store

TRAIL_KEEPS = timedelta(days=89)
"""Maximum age of events in a look-up; CloudTrail's event history keeps 90 days."""

UNRECORDED_AFTER = timedelta(hours=20)
"""How long a kind of call must be missing until it counts as not recorded by CloudTrail: two nightly runs."""


SPOOL = "confirmation-"
"""How the name of the file begins that decisions wait in."""

SPOOLED_AT_ONCE = 64 << 20
"""Bytes of decisions to wait for before they are stored: each time DuckDB writes whole groups of cells again."""


@dataclass(frozen=True)
class _Found:
    """A pending zero and its listing."""

    pending: PendingZero
    zero: zero_rule.Zero
    listing: Listing


class Confirmer:
    """Looks pending zeros up in CloudTrail and decides on them, in batches of accounts.

    Args:
        resources: the AWS roles; each one's identity is verified before its first look-up.
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
        self._spooled: Counter[str] = Counter()
        self.found = Confirmation()

    def confirm(self) -> Confirmation:
        """Decide on every pending zero that CloudTrail can decide on now, and store the decisions.

        Raises:
            IdentityRefused: a central role has an unexpected identity. Nothing was looked up.
            WarehouseError: the working file cannot be written.
        """
        if self._settings.zero_evidence != "cloudtrail":
            return self.found
        with self._store.read() as connection:
            counts = pending_accounts(connection, self._since)
            self._unrecorded = unrecorded_calls(connection)
        if not counts:
            return self.found
        self._profiles = self._reached()
        self._log(f"Looking in CloudTrail for {sum(counts.values()):,} zero(s) of earlier runs.")
        batches = list(portions(counts))
        with self._spool() as file:
            turns = Turns()
            turns.run(partial(self._decide_all, iter(batches), file, turns))
            if len(batches) > AT_A_TIME and (processes := worker_processes(self._resources)) is not None:
                # As after the parts of a step.
                processes.close()
            self._settle(file)
        self._learn()
        self._log(self.found.sentence())
        return self.found

    def _reached(self) -> dict[tuple[Role, str], str]:
        """The profile that reaches an account in this run, by role and account id."""
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

    def _decide_all(self, left: Iterator[Accounts], file: IO[bytes], turns: Turns) -> None:
        """Decide on portions of the accounts as long as any is left, in one of two threads."""
        for accounts in left:
            self._decide(accounts, file, turns)
            if file.tell() > SPOOLED_AT_ONCE:
                self._settle(file)

    def _decide(self, accounts: Accounts, file: IO[bytes], turns: Turns) -> None:
        found = self._readable(accounts)
        lines = self._lines(found, self._look_up(found, turns))
        with explained(self._store.landing):
            file.writelines(orjson.dumps(line) + b"\n" for line in lines)

    def _lines(self, found: Sequence[_Found], trails: Sequence[TrailEvents]) -> Iterator[dict[str, Any]]:
        """The lines that store the decisions on zeros."""
        now = datetime.now(UTC)
        for entry, trail in zip(found, trails, strict=True):
            self._recorded |= trail.kinds
            if zero_rule.is_missed(entry.zero, trail, now=now):
                self._missed.add(entry.zero.call)
            line = self._judged(entry, trail, now)
            if line is not None:
                yield line

    def _learn(self) -> None:
        """Store which kinds of call CloudTrail records; report each kind once when it turns out not to be recorded."""
        with self._store.transaction(MEMORY) as connection:
            unrecorded = record_trail_calls(
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

    def _readable(self, accounts: Accounts) -> list[_Found]:
        """The pending zeros whose listing the catalogue still has, and whose account a profile still reaches."""
        with self._store.read() as connection:
            pending = pending_zeros(connection, self._since, accounts)
        known = listings()
        found = []
        for zero in pending:
            listing = known.get(zero.listing.partition(":")[0])
            if listing is None or (zero.role, zero.account_id) not in self._profiles:
                self.found.count("unreached", zero.ended_at, datetime.now(UTC))
                continue
            # Without the evidence as it was read, which takes more memory than all the rest of it.
            found.append(_Found(replace(zero, evidence={}), zero_rule.Zero.from_evidence(zero.evidence), listing))
        return found

    def _look_up(self, found: Sequence[_Found], turns: Turns) -> list[TrailEvents]:
        """CloudTrail's events for each zero, with one look-up for the zeros of one caller, place and run."""
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
        shown = trail_events(self._resources, lookups, turns)
        by_index = {index: trail for indices, trail in zip(together.values(), shown, strict=True) for index in indices}
        return [by_index[index] for index in range(len(found))]

    def _judged(self, entry: _Found, trail: TrailEvents, now: datetime) -> dict[str, Any] | None:
        """The line that stores the decision on a zero; None where the zero still waits."""
        pending = entry.pending
        result = zero_rule.judge_zero(entry.zero, trail, is_recorded=entry.zero.call not in self._unrecorded)
        decision = decide(result, trail, pending.outcome)
        self.found.count(decision, pending.ended_at, now)
        if decision == "waiting":
            return None
        listing = pending.listing.partition(":")[0]
        self.found.listings.add(listing)
        self._spooled[listing] += 1
        return {
            "run_id": pending.run_id,
            "role": pending.role,
            "account_id": pending.account_id,
            "region": pending.region,
            "listing": pending.listing,
            "outcome": result.outcome,
            "is_trusted": result.outcome in outcomes.TRUSTED,
            "error_code": result.error_code,
            "error_message": None if result.outcome in outcomes.TRUSTED else result.sentence,
            "evidence": orjson.dumps(result.evidence).decode(),
            "confirmed_at": now.isoformat() if decision != "unavailable" else None,
        }

    def _spool(self) -> IO[bytes]:
        """A file for decisions that are not stored yet, gone when it is closed; one of a killed run goes first."""
        with explained(self._store.landing):
            make_folder(self._store.landing)
            for left in self._store.landing.glob(f"{SPOOL}*"):
                remove(left)
            return tempfile.NamedTemporaryFile(prefix=SPOOL, suffix=".ndjson", dir=self._store.landing)

    def _settle(self, file: IO[bytes]) -> None:
        """Store the decisions that a file has, and empty it."""
        with explained(self._store.landing):
            file.flush()
        # What is updated stays in memory until the transaction ends. The cells of a listing stand together in their
        # table, those of an account do not: so each transaction writes groups of its own.
        for names in stored_together(self._spooled):
            within_memory(partial(self._store_decisions, file.name, names))
        self._spooled.clear()
        file.seek(0)
        file.truncate()

    def _store_decisions(self, path: str, names: Sequence[str], memory: int | None) -> None:
        with self._store.transaction(memory) as connection:
            settle_zeros(connection, path, names)


def waits(store: Store) -> bool:
    """Whether CloudTrail may still decide on any zero."""
    with store.read() as connection:
        return bool(pending_accounts(connection, datetime.now(UTC) - TRAIL_KEEPS))
