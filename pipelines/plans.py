"""What a step asks: which accounts, regions, parents and months. The asking itself is `Collection`'s."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from pipelines import accounts, cost, landed, rules
from pipelines.catalogue import ACCOUNT, REGION
from pipelines.collection import Collection, NotAsked
from resources.answer import Identity, Outcome, Question
from resources.listing import GLOBAL_REGION, Listing
from resources.profile import THROTTLE_CODES
from resources.roles import Workload


def ask_central(collection: Collection, listing: Listing) -> None:
    """Ask a listing of a central account: once, for each value of an enum, or for each record of its parents."""
    identity = _identity(collection)

    def question(value: str | None = None) -> Question:
        return Question(
            profile=identity.profile,
            account_id=identity.account_id,
            region=GLOBAL_REGION if listing.scope == "global" else collection.settings.home_region,
            listing=listing,
            listing_role=collection.resource.role,
            parameters={} if listing.each is None or value is None else {listing.each.parameter: value},
            suffix=value or "",
        )

    if listing.each is None:
        collection.ask(listing, [question()])
        return
    if listing.each.enum:
        values = collection.reach.enum_values(listing.service, listing.each.enum)
        collection.ask(listing, [question(value) for value in values])
        return
    done: set[str] = set()
    while True:
        named = collection.named_by_parents(listing)
        fresh = sorted(named - done)
        if not fresh:
            if not done:
                collection.childless(question())
            return
        done |= named
        collection.ask(listing, [question(value) for value in fresh])


def ask_costs(collection: Collection, listing: Listing) -> None:
    """Ask Cost Explorer month by month, newest first, and stop before the limit of the night.

    One question at a time: each costs money, the limit has to be kept exactly, and what Cost Explorer says to one
    month (that it throttles for ever, that it knows only the classic metrics) holds for the next.
    """
    identity = _identity(collection)
    today = datetime.now(UTC).date()
    wanted = [
        (cut, month)
        for cut in cost.SLICES
        for month in cost.months_to_ask(
            today, collection.settings.cost_months, _known(collection, listing, cut, identity.account_id)
        )
    ]
    before = collection.reach.request_count
    metrics: tuple[str, ...] = cost.METRICS

    def question(cut: cost.Slice, month: cost.Month) -> Question:
        spent = collection.reach.request_count - before
        return Question(
            profile=identity.profile,
            account_id=identity.account_id,
            region=GLOBAL_REGION,
            listing=listing,
            listing_role=collection.resource.role,
            parameters=cost.parameters(cut, month, metrics),
            suffix=f"{cut.name}:{month.name}",
            request_limit=collection.settings.cost_request_limit - spent,
        )

    def plan() -> Iterator[Question]:
        nonlocal metrics
        gave_up = False
        for cut, month in wanted:
            asked = question(cut, month)
            if gave_up:
                collection.skip(
                    NotAsked(
                        collection.key_of(asked),
                        "failed",
                        "LimitExceededException",
                        "Not asked: Cost Explorer throttled the month before to the end.",
                        identity.profile,
                    )
                )
                continue
            if asked.request_limit is not None and asked.request_limit < 1:
                limit = collection.settings.cost_request_limit
                collection.skip(
                    NotAsked(
                        collection.key_of(asked),
                        "skipped",
                        "request_limit",
                        f"CMDB_COST_REQUEST_LIMIT={limit} was reached; the next night goes on.",
                        identity.profile,
                    )
                )
                continue
            yield asked
            answer = collection.asked[collection.key_of(asked)].answer
            if answer.error_code == "ValidationException" and metrics == cost.METRICS:
                # Payers without the newer metrics refuse the whole question.
                collection.log("Cost Explorer refused the newer metrics; going on with the classic four.")
                metrics = cost.CLASSIC_METRICS
                yield question(cut, month)
            elif answer.outcome == "failed" and answer.error_code in THROTTLE_CODES:
                gave_up = True
            elif answer.outcome == "failed":
                yield question(cut, month)

    collection.ask_in_turn(listing, plan(), len(wanted))


def _known(collection: Collection, listing: Listing, cut: cost.Slice, account: str) -> set[str]:
    """The months of a slice that this payer answered, trusted, when they did not change any more."""
    return {
        month
        for key, earlier in collection.earlier.items()
        if key[3].startswith(f"{listing.name}:{cut.name}:")
        and key[1] == account
        and earlier.is_trusted
        and cost.is_final(month := key[3].rpartition(":")[2], earlier.ended_at.astimezone(UTC).date())
    }


def _identity(collection: Collection) -> Identity:
    identity = collection.resource.verify()
    assert identity is not None, "a central role has one identity"
    return identity


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
                collection.skip(NotAsked((role, account, region, listing.name), "skipped", "region_not_enabled"))
        questions += [
            Question(profile=profile, account_id=account, region=region, listing=listing, listing_role=role)
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
    central = {caller.account_id: role for role, caller in resource.callers().items() if caller.account_id is not None}
    earlier = landed.earlier_accounts(collection.store)
    reached = accounts.match(resource.reached(), members, central, earlier)
    in_organisation = {member.account_id for member in members if member.state != "CLOSED"}
    collection.left = frozenset({key[1] for key in collection.earlier} - in_organisation)
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


def account_coverage(collection: Collection, reached: accounts.Reached) -> rules.Verdict:
    """Accounts and spend that no profile reaches: warns; fails when an account is lost from one night to the next."""
    missing = sorted(
        account
        for account, reason in reached.skipped.items()
        # The central accounts take part only where a workload profile is configured for them.
        if reason == "no_profile" and account not in reached.central
    )
    lost = sorted(
        {key[1] for key, earlier in collection.earlier.items() if key[1] in missing and earlier.outcome != "skipped"}
    )
    if not missing:
        return rules.Verdict(True, f"A profile reaches each of the {len(reached.profile_of)} active accounts.")
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
