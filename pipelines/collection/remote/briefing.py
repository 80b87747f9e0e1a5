"""The briefing of a part: all that a worker has to know of earlier runs, and of this run, to collect it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from pipelines.catalogue.names import REGION
from pipelines.collection.accounts import Broken, Reached
from pipelines.collection.batches import AccountBatch
from pipelines.collection.billed import BilledItem
from pipelines.collection.cells import Cadence, DeniedPlace, Refusal
from pipelines.collection.known import Billed, Callers
from pipelines.collection.previous import ParentRecord, PreviousCell
from pipelines.collection.progress import Part
from pipelines.collection.regions import enabled_regions
from pipelines.collection.state import StepState
from pipelines.errors import LandingError
from pipelines.settings import Settings
from pipelines.trust.organization_policies import StoredPolicies
from resources.audit.cells import NewestCell
from resources.audit.coverage import Accounts
from resources.aws.listing import Listing
from resources.aws.messages import CellKey, Identity
from resources.aws.profile_errors import ProfileError, Reason
from resources.contract import Role


@dataclass(frozen=True)
class Sender:
    """What must be the same on both sides, and what names the message.

    Attributes:
        step: the step execution: a retry of the same run is another one.
        release: fingerprint of the product's files.
        configuration: fingerprint of what decides which accounts are reached, by content.
        sent_at: by the coordinator's clock, UTC.
    """

    run_id: str
    step: str
    release: str
    configuration: str
    sent_at: datetime


@dataclass(frozen=True)
class BrokenProfile:
    """A `Broken` account in the form of a message."""

    account_id: str
    profile: str
    sentence: str
    reason: Reason
    role: Role
    hint: str
    error_code: str | None


@dataclass(frozen=True)
class Accountable:
    """The accounts of a part: a `Reached` in the form of a message."""

    since: str
    before: str
    profile_of: dict[str, str]
    skipped: dict[str, str]
    broken: tuple[BrokenProfile, ...]
    left: frozenset[str]


@dataclass(frozen=True)
class Options:
    """The settings of the coordinator by which a worker collects, whatever its own say."""

    regions: tuple[str, ...]
    zero_evidence: str
    bucket_content: bool
    only_untrusted: bool
    is_by_cadence: bool
    kept_since: datetime


@dataclass(frozen=True)
class Regions:
    """What the step knows of the regions; None and empty where it lists them itself."""

    regions_of: dict[str, list[str]] | None
    left_out: dict[str, list[str]]
    usual: frozenset[str]


@dataclass(frozen=True)
class StoredRecords:
    """What is stored of the records of a listing, or why it cannot be read."""

    listing: str
    records: tuple[tuple[CellKey, dict[str, Any]], ...]
    problem: str = ""


@dataclass(frozen=True)
class KnownRows:
    """The answers of `Known` for the accounts of a part."""

    earlier: tuple[PreviousCell, ...]
    records: tuple[StoredRecords, ...]
    coverage: tuple[NewestCell, ...]
    without_regions: frozenset[str]
    policies: StoredPolicies
    billed: tuple[tuple[str, str, tuple[BilledItem, ...]], ...]
    fingerprints: tuple[tuple[str, str, str], ...]
    named: frozenset[tuple[str, str, str]]
    parents: tuple[tuple[CellKey, str], ...]
    refusals: tuple[tuple[CellKey, Refusal], ...]
    probes: tuple[tuple[DeniedPlace, str], ...]
    unrecorded_calls: frozenset[str]
    callers: Callers


@dataclass(frozen=True)
class Briefing:
    """All that a worker has to know.

    Attributes:
        part: number of the part, and of all parts of the step.
        identities: the central identities, which the coordinator has verified, by role.
    """

    sender: Sender
    part: tuple[int, int]
    listings: tuple[str, ...]
    identities: dict[Role, Identity]
    accounts: Accountable
    options: Options
    regions: Regions
    known: KnownRows


# ------------------------------------------------------------------------------------------ the coordinator


def brief(state: StepState, share: AccountBatch, sender: Sender) -> Briefing:
    """The briefing of one part, from the warehouse.

    Args:
        state: the step's state, at the beginning of this part.
        share: the part; it requests accounts of workload profiles.
        sender: the step execution and its versions.
    """
    reached, part, whose = share.reached, share.part, share.whose
    if not any(listing.name == REGION for listing in state.listings):
        # Read once for the whole step.
        enabled_regions(state)
    assert reached is not None and part is not None, "only a part with workload accounts leaves this machine"
    return Briefing(
        sender=sender,
        part=(part.number, part.count),
        listings=tuple(listing.name for listing in state.listings),
        identities={
            role: replace(state.identity(role), access_key="") for role in state.resources if role != "workload"
        },
        accounts=Accountable(
            whose.since,
            whose.before,
            reached.profile_of,
            reached.skipped,
            tuple(
                BrokenProfile(
                    account,
                    broken.profile,
                    broken.error.sentence,
                    broken.error.reason,
                    broken.error.role,
                    broken.error.hint,
                    broken.error.error_code,
                )
                for account, broken in reached.broken.items()
            ),
            frozenset(account for account in state.left if account in whose),
        ),
        options=Options(
            state.settings.regions,
            state.settings.zero_evidence,
            state.settings.bucket_content,
            state.only_untrusted,
            state.is_by_cadence,
            state.kept_since,
        ),
        regions=Regions(
            None if state.regions_of is None else _within(state.regions_of, whose),
            _within(state.regions_left_out, whose),
            state.usual_regions,
        ),
        known=_known_rows(state, whose),
    )


def _within(values: Mapping[str, list[str]], whose: Accounts) -> dict[str, list[str]]:
    return {account: value for account, value in values.items() if account in whose}


def _known_rows(state: StepState, whose: Accounts) -> KnownRows:
    known, listings = state.known, state.listings
    own = {listing.name for listing in listings}
    parents = {name for listing in listings if listing.each for name in listing.each.of} - own
    seldom = [listing for listing in listings if listing.every > 1]
    cadence = known.cadence(seldom, whose) if seldom and state.is_by_cadence else Cadence()
    earlier = state.earlier
    wanted_runs = {cell.run_id for cell in earlier.values()}
    refusals = known.refusals(listings, whose)
    # Of its own listings a part reads stored records only where cells of them are kept.
    kept = {listing.name for listing in (listings if state.only_untrusted else seldom)}
    stored = [name for name in state.wanted_fields if name in kept or name in parents or name == REGION]
    return KnownRows(
        earlier=tuple(earlier.values()),
        records=tuple(_stored(state, name, whose) for name in stored if name != REGION or name in kept),
        coverage=tuple(known.coverage(sorted(parents), whose)) if parents else (),
        without_regions=known.without_regions(whose),
        policies=known.policies,
        billed=tuple((*place, items) for place, items in known.billed_services.items() if place[0] in whose),
        fingerprints=tuple((*key, found) for key, found in cadence.fingerprints.items() if key[0] in wanted_runs),
        named=cadence.named,
        parents=tuple(cadence.parents.items()),
        refusals=tuple(refusals.items()),
        probes=tuple(known.probes(listings, whose).items()) if refusals else (),
        unrecorded_calls=known.unrecorded_calls,
        callers=known.callers(whose),
    )


def _stored(state: StepState, listing: str, whose: Accounts) -> StoredRecords:
    try:
        found = state.known.records(listing, state.wanted_fields[listing], whose)
    except LandingError as error:
        # Whether the part needs them is known only where it is collected.
        return StoredRecords(listing, (), str(error))
    return StoredRecords(listing, tuple((record.key, record.fields) for record in found))


# ----------------------------------------------------------------------------------------------- the worker


class KnownFromBriefing:
    """Gives a worker what the coordinator's warehouse knows (`pipelines.collection.known.Known`).

    The accounts in the arguments of its methods are always those of the part.
    """

    def __init__(self, rows: KnownRows) -> None:
        self._rows = rows
        self._records = {stored.listing: stored for stored in rows.records}

    def earlier(self, listings: Sequence[Listing], accounts: Accounts) -> dict[CellKey, PreviousCell]:
        """As `Known.earlier`."""
        return {cell.key: cell for cell in self._rows.earlier}

    def records(self, listing: str, fields: Sequence[str], accounts: Accounts) -> list[ParentRecord]:
        """As `Known.records`."""
        stored = self._records[listing]
        if stored.problem:
            raise LandingError(stored.problem)
        return [ParentRecord(key, values) for key, values in stored.records]

    def coverage(self, listings: Sequence[str], accounts: Accounts) -> list[NewestCell]:
        """As `Known.coverage`."""
        return list(self._rows.coverage)

    def without_regions(self, accounts: Accounts) -> frozenset[str]:
        """As `Known.without_regions`."""
        return self._rows.without_regions

    @property
    def policies(self) -> StoredPolicies:
        """As `Known.policies`."""
        return self._rows.policies

    @cached_property
    def billed_services(self) -> Billed:
        """As `Known.billed_services`, of the part's accounts."""
        return {(account, listing): items for account, listing, items in self._rows.billed}

    def cadence(self, listings: Sequence[Listing], accounts: Accounts) -> Cadence:
        """As `Known.cadence`."""
        rows = self._rows
        fingerprints = {(run, listing): found for run, listing, found in rows.fingerprints}
        return Cadence(fingerprints, rows.named, dict(rows.parents))

    def refusals(self, listings: Sequence[Listing], accounts: Accounts) -> dict[CellKey, Refusal]:
        """As `Known.refusals`."""
        return dict(self._rows.refusals)

    def probes(self, listings: Sequence[Listing], accounts: Accounts) -> dict[DeniedPlace, str]:
        """As `Known.probes`."""
        return dict(self._rows.probes)

    @property
    def unrecorded_calls(self) -> frozenset[str]:
        """As `Known.unrecorded_calls`."""
        return self._rows.unrecorded_calls

    def callers(self, accounts: Accounts) -> Callers:
        """As `Known.callers`."""
        return self._rows.callers


def share_of(briefing: Briefing, began: float) -> AccountBatch:
    """The part that a briefing describes.

    Args:
        briefing: the briefing.
        began: when the part began, by `time.monotonic`.
    """
    accounts = briefing.accounts
    return AccountBatch(
        Accounts(accounts.since, accounts.before),
        Reached(
            profile_of=accounts.profile_of,
            skipped=accounts.skipped,
            broken={
                one.account_id: Broken(
                    one.profile,
                    ProfileError(one.sentence, one.reason, one.profile, one.role, one.hint, one.error_code),
                )
                for one in accounts.broken
            },
        ),
        Part(*briefing.part, began),
    )


def settings_of(own: Settings, options: Options) -> Settings:
    """A worker's settings, with those of the coordinator that decide what is requested and how it is judged."""
    return own.model_copy(
        update={
            "regions": options.regions,
            "zero_evidence": options.zero_evidence,
            "bucket_content": options.bucket_content,
        }
    )
