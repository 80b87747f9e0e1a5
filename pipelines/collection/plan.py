"""What a step asks: which accounts, regions and parents. The asking itself is `Collection`'s; the bill is in `bill`.

A plan is a generator: it gives the questions that can be put now, and goes on when all of them have their answers. So
the questions of many plans are put together, and no listing waits for another one unless it needs what that found.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from pipelines.catalogue.registry import ACCOUNT, MEASURED, METRIC, REGION
from pipelines.collection import accounts, metrics, previous
from pipelines.collection.collector import Collection, NotAsked
from pipelines.collection.landing import Key
from pipelines.collection.progress import Part
from pipelines.trust import rules
from resources.audit.evidence import EVERY_ACCOUNT, Accounts
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT, Identity, Outcome, Question
from resources.check_result import CheckResult
from resources.contract import Role
from resources.roles import Workload

Plan = Iterator[Sequence[Question]]
"""Questions to put at once, again and again; what came of them is known when the next are wanted."""


REGIONS_UNKNOWN = (
    "Where a policy of the organisation denies the list in the region that it is asked for in, set AWS_DEFAULT_REGION "
    "to one that is allowed, or name the allowed ones in CMDB_REGIONS."
)

PART_CELLS = 15_000
"""Cells that are asked, judged and written before the next ones are: some 4 KB each until then."""


@dataclass(frozen=True)
class Share:
    """Some of a step's accounts, asked together.

    Attributes:
        whose: whose cells are asked or known of in this part; every cell is of one part.
        reached: the workload profiles' accounts of this part; None where the step asks none.
        part: which part of the step it is; None where there is only one.
    """

    whose: Accounts
    reached: accounts.Reached | None
    part: Part | None = None


def shares(collection: Collection, reached: accounts.Reached | None) -> list[Share]:
    """A step's accounts, so many at a time that what is held of them does not grow with the organisation.

    What central roles are asked is in the part of their account, and that part comes first: whoever answered for
    an account last night may be another one tonight.
    """
    if reached is None:
        return [Share(EVERY_ACCOUNT, None)]
    listings = [listing for listing in collection.listings if "workload" in listing.roles]
    widest = 1
    if any(listing.scope == "regional" for listing in listings):
        widest = max((len(regions) for regions in _enabled_regions(collection).values()), default=1)
    size = max(1, PART_CELLS // (len(listings) * max(1, widest)))
    named = sorted(reached.profile_of)
    count = max(1, -(-len(named) // size))
    # Evenly, so that the last part keeps all threads at work too.
    size = max(1, -(-len(named) // count))
    bounds = [EVERY_ACCOUNT.since, *named[size::size], EVERY_ACCOUNT.before]
    pieces = sorted(
        (Accounts(since, before) for since, before in pairwise(bounds)),
        key=lambda piece: not any(account in piece for account in reached.central),
    )
    began = time.monotonic()
    return [
        Share(
            piece,
            replace(
                reached,
                profile_of={account: name for account, name in reached.profile_of.items() if account in piece},
                broken={account: why for account, why in reached.broken.items() if account in piece},
                skipped={account: why for account, why in reached.skipped.items() if account in piece},
            ),
            Part(number, len(pieces), began) if len(pieces) > 1 else None,
        )
        for number, piece in enumerate(pieces, 1)
    ]


def ask_in_step(collection: Collection, plans: Sequence[tuple[Listing, Plan]]) -> None:
    """Put the questions of several listings, together where none of them needs what another one finds."""
    waiting = list(plans)
    while waiting:
        names = {listing.name for listing, _ in waiting}
        later = [pair for pair in waiting if pair[0].each and names & {*pair[0].each.of} - {pair[0].name}]
        going = [plan for listing, plan in waiting if not any(listing is other for other, _ in later)]
        assert going, "no two listings are asked for each other's records"
        waiting = later
        while going:
            rounds = [(plan, next(plan, None)) for plan in going]
            going = [plan for plan, questions in rounds if questions is not None]
            collection.ask([question for _, questions in rounds for question in questions or ()])


def central_plan(collection: Collection, listing: Listing, role: Role) -> Plan:
    """A listing of a central account: in each of its regions where the listing is regional."""
    identity = identity_of(collection, role)
    account = identity.account_id
    if listing.each is not None and listing.each.enum:
        values = collection.reach(role).enum_values(listing.service, listing.each.enum)
        ask = _asker(listing, role, identity.profile, account)
        yield [ask(GLOBAL_REGION, {listing.each.parameter: value}, value) for value in values]
        return
    yield from _places(collection, listing, role, {account: identity.profile})


def _asker(listing: Listing, role: Role, profile: str, account: str) -> Callable[..., Question]:
    """What makes the questions of a listing to one account."""

    def ask(
        region: str,
        parameters: Mapping[str, Any] | None = None,
        suffix: str = "",
        batches: Sequence[Mapping[str, Any]] = (),
    ) -> Question:
        return Question(
            profile=profile,
            account_id=account,
            region=region,
            listing=listing,
            listing_role=role,
            parameters=parameters or {},
            batches=batches,
            suffix=suffix,
        )

    return ask


def _places(collection: Collection, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """A listing of accounts: once, in each of their regions, or for each record of its parents there."""
    if listing.on_request and listing.on_request not in collection.settings.requested:
        for account, profile in profile_of.items():
            key = (role, account, GLOBAL_REGION, listing.name)
            collection.skip(NotAsked(key, "skipped", "not_requested", profile=profile))
        return
    if listing.name == METRIC:
        yield from _metrics(collection, listing, role, profile_of)
        return
    if listing.each is not None:
        yield from _for_parents(collection, listing, role, profile_of)
        return
    questions: list[Question] = []
    regions_of = _regions_of(collection, listing, role, profile_of)
    for account, profile in profile_of.items():
        ask = _asker(listing, role, profile, account)
        questions += [ask(region) for region in regions_of[account]]
    yield from _rounds(collection, listing, role, questions)


def _metrics(collection: Collection, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """CloudWatch about every resource that was found, in one cell an account and region.

    Where a list of resources cannot be believed, those that were known before are asked about: the cell's answer
    replaces its last one whole, and what it leaves out would be gone.
    """
    resources: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for source, measured in MEASURED.items():
        for capture in collection.records_of(source):
            resources[capture.key[1], capture.key[2]].append((source, str(capture.fields[measured.field])))
    namespaces = {source: measured.namespace for source, measured in MEASURED.items()}
    own = [entry.name for entry in collection.listings]
    refused = [
        (account, region, name)
        for (_, account, region, name), entry in collection.asked.items()
        if name in MEASURED
        and (
            entry.answer.outcome in ("denied", "failed", "wrong_account")
            or entry.answer.skip_reason == DENIED_BY_POLICY
        )
    ]
    for account, region, source, resource in previous.last_measured(collection.store, namespaces, own, refused):
        resources[account, region].append((source, resource))
    today = datetime.now(UTC).date()
    yield from _rounds(
        collection,
        listing,
        role,
        [
            _asker(listing, role, profile_of[account], account)(region, batches=metrics.requests(found, today))
            for (account, region), found in resources.items()
            if account in profile_of
        ],
    )
    measured_accounts = {account for account, _ in resources}
    for account, profile in profile_of.items():
        if account not in measured_accounts:
            collection.childless(_asker(listing, role, profile, account)(GLOBAL_REGION))


def _for_parents(collection: Collection, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """A listing for what its parents name, and again for what the answers name where it is its own parent."""
    each = listing.each
    assert each is not None, "only a listing with parents comes here"
    done: dict[tuple[str, str], set[str]] = defaultdict(set)
    while True:
        questions: list[Question] = []
        for (account, region), named in collection.named_by_parents(listing).items():
            fresh = sorted(named - done[account, region])
            done[account, region] |= named
            if not fresh or account not in profile_of:
                continue
            wanted = collection.settings.regions
            if wanted and region not in (*wanted, GLOBAL_REGION):
                collection.skip(_left_out((role, account, region, listing.name), [region], profile_of[account]))
                continue
            ask = _asker(listing, role, profile_of[account], account)
            if each.in_one_cell:
                questions.append(ask(region, batches=[{each.parameter: value} for value in fresh]))
            else:
                questions += [ask(region, {each.parameter: value}, value) for value in fresh]
        if not questions:
            break
        yield from _rounds(collection, listing, role, questions)
    asked = {account for account, _ in done}
    for account, profile in profile_of.items():
        if account not in asked:
            collection.childless(_asker(listing, role, profile, account)(GLOBAL_REGION))


def _rounds(collection: Collection, listing: Listing, role: Role, questions: Sequence[Question]) -> Plan:
    """The questions; of an optional grant first one to each account, the others where it was given."""
    questions = [question for question in questions if not collection.keep(question)]
    if not collection.reach(role).is_optional(listing):
        yield questions
        return
    probes = {question.account_id: question for question in reversed(questions)}
    yield list(probes.values())
    refused = {
        account
        for account, probe in probes.items()
        if collection.asked[collection.key_of(probe)].answer.skip_reason == OPTIONAL_GRANT
    }
    rest: list[Question] = []
    for question in questions:
        if question is probes[question.account_id]:
            continue
        if question.account_id in refused:
            collection.skip(NotAsked(collection.key_of(question), "skipped", OPTIONAL_GRANT, profile=question.profile))
        else:
            rest.append(question)
    yield rest


def _left_out(key: Key, regions: Sequence[str], profile: str) -> NotAsked:
    """The one cell that says which regions CMDB_REGIONS leaves out: a cell each would be as many as are asked."""
    where = ", ".join(regions)
    return NotAsked(key, "skipped", rules.REGION_NOT_SELECTED, f"Not asked in {where}: not in CMDB_REGIONS.", profile)


def _regions_of(
    collection: Collection, listing: Listing, role: Role, profile_of: Mapping[str, str]
) -> dict[str, list[str]]:
    """The regions to ask by account; what is not asked, and why, is recorded."""
    if listing.scope == "global":
        return {account: [GLOBAL_REGION] for account in profile_of}
    enabled = _enabled_regions(collection)
    known = _known_regions(collection, listing, role)
    offers = collection.reach(role).offers
    regions_of: dict[str, list[str]] = {}
    for account, profile in profile_of.items():
        # Where its regions could not be listed, what is known of it is asked, so that each cell says why it fails.
        regions_of[account] = enabled.get(account, sorted(known[account]))
        if account not in enabled and account in collection.without_regions:
            # A policy that denies the list in the region where it is asked for may allow others: each says so itself.
            regions_of[account] = sorted(known[account] | collection.usual_regions)
        left_out = collection.regions_left_out.get(account)
        if left_out:
            key = (role, account, GLOBAL_REGION, listing.name)
            collection.skip(_left_out(key, left_out, profile))
        if account not in enabled and not regions_of[account]:
            collection.skip(
                NotAsked(
                    (role, account, GLOBAL_REGION, listing.name),
                    "failed",
                    "RegionsUnknown",
                    f"Not asked, because the enabled regions of {account} could not be listed. {REGIONS_UNKNOWN}",
                    profile,
                )
            )
        for region in collection.settings.regions:
            if account in enabled and region not in enabled[account]:
                collection.skip(NotAsked((role, account, region, listing.name), "skipped", "region_not_enabled"))
        for region in regions_of[account]:
            if not offers(listing.service, region):
                collection.skip(NotAsked((role, account, region, listing.name), "skipped", "not_offered"))
        regions_of[account] = [region for region in regions_of[account] if offers(listing.service, region)]
    return regions_of


def _known_regions(collection: Collection, listing: Listing, role: Role) -> dict[str, set[str]]:
    """Where earlier nights asked a listing, by account."""
    known: dict[str, set[str]] = defaultdict(set)
    for key, earlier in collection.earlier.items():
        if key[0] == role and key[3] == listing.name and earlier.outcome != "skipped":
            known[key[1]].add(key[2])
    return known


def identity_of(collection: Collection, role: Role) -> Identity:
    """Who a central role is, verified."""
    identity = collection.resources[role].verify()
    assert identity is not None, "a central role has one identity"
    return identity


def workload_plan(collection: Collection, listing: Listing, reached: accounts.Reached) -> Plan:
    """A listing of every reached account but the one that the operations role asks it of."""
    role: Role = "workload"
    elsewhere = identity_of(collection, "operations").account_id if "operations" in listing.roles else ""
    known_regions = _known_regions(collection, listing, role)
    for account, reason in reached.skipped.items():
        if account != elsewhere:
            collection.skip(NotAsked((role, account, GLOBAL_REGION, listing.name), "skipped", reason))
    for account, broken in reached.broken.items():
        if account == elsewhere:
            continue
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
    own = {account: profile for account, profile in reached.profile_of.items() if account != elsewhere}
    yield from _places(collection, listing, role, own)


def _enabled_regions(collection: Collection) -> Mapping[str, list[str]]:
    """The regions to ask by account: enabled, and wanted where `CMDB_REGIONS` says which."""
    if collection.regions_of is not None:
        return collection.regions_of
    wanted = collection.settings.regions
    regions: dict[str, list[str]] = {}
    left_out: dict[str, list[str]] = defaultdict(list)
    usual = set(wanted)
    for capture in collection.records_of(REGION, EVERY_ACCOUNT):
        name = sys.intern(str(capture.fields["RegionName"]))
        status = capture.fields["OptInStatus"]
        listed = regions.setdefault(capture.key[1], [])
        if status == "not-opted-in":
            continue
        if wanted and name not in wanted:
            left_out[capture.key[1]].append(name)
            continue
        listed.append(name)
        if status == "opt-in-not-required":
            usual.add(name)
    collection.regions_left_out, collection.usual_regions = left_out, frozenset(usual)
    if not any(listing.name == REGION for listing in collection.listings):
        # Read once for all listings of the step; a step that lists the regions itself has more of them later.
        collection.regions_of = regions
    return regions


def match_accounts(collection: Collection, resource: Workload) -> accounts.Reached:
    """Ask STS who every workload profile is and match the answers with the organisation's accounts."""
    members = [
        accounts.Member(
            str(capture.fields["Id"]),
            str(capture.fields["Name"]),
            str(capture.fields["State"] or capture.fields["Status"]),
        )
        for capture in previous.captures(collection.store, ACCOUNT, ("Id", "Name", "State", "Status"))
    ]
    central = {caller.account_id: role for role, caller in resource.callers().items() if caller.account_id is not None}
    earlier = previous.earlier_accounts(collection.store)
    reached = accounts.match(resource.reached(), members, central, earlier)
    in_organisation = {member.account_id for member in members if member.state != "CLOSED"}
    collection.asked_before = previous.asked_accounts(collection.store, collection.listings)
    collection.left = frozenset(collection.asked_before.keys() - in_organisation)
    collection.findings = reached.findings
    return reached


def too_many_unplaced(reached: accounts.Reached, asked: int, tolerance: Decimal) -> str | None:
    """Why the collection must not begin, where more profiles than the tolerance fail and no account can be told.

    Their accounts would pass for accounts without a profile, which are skipped and count as no failure. As many as
    there are suspended accounts may belong to those.
    """
    suspended = sum(reason == "account_suspended" for reason in reached.skipped.values())
    if len(reached.unplaced) - suspended <= tolerance * asked:
        return None
    return (
        f"{len(reached.unplaced)} of {asked} workload profiles do not answer, and which accounts they reach is not "
        f"known: {', '.join(reached.unplaced[:5])}. That is more than CMDB_UNTRUSTED_TOLERANCE={tolerance} allows. "
        f"{reached.findings[0]}"
    )


def account_coverage(collection: Collection, reached: accounts.Reached) -> CheckResult:
    """Accounts and spend that no profile reaches: warns; fails when an account is lost from one night to the next."""
    missing = sorted(
        account
        for account, reason in reached.skipped.items()
        # The central accounts take part only where a workload profile is configured for them.
        if reason == "no_profile" and account not in reached.central
    )
    lost = [account for account in missing if collection.asked_before.get(account, False)]
    if not missing:
        return CheckResult(True, f"A profile reaches each of the {len(reached.profile_of)} active accounts.")
    share = previous.unreached_spend(collection.store, missing)
    spend = "" if share is None else f", {share:.1%} of the last thirty days' spend"
    rows = tuple({"account_id": account, "lost": account in lost} for account in missing)
    never = [account for account in missing if account not in lost]
    others = f"; never reached: {', '.join(never[:5])}" if never else ""
    if lost:
        return CheckResult(
            False,
            f"No profile reaches {', '.join(lost[:5])} any more, which earlier nights did; "
            f"{len(missing)} account(s) are not reached{spend}{others}. Restore the profile, or close the account.",
            at_fault=rows,
        )
    return CheckResult(
        False,
        f"No profile reaches {len(missing)} account(s) of the organisation{spend}: {', '.join(missing[:5])}. "
        "`cmdb profiles` prints the profile and the role that each of them needs.",
        severity="WARN",
        at_fault=rows,
    )
