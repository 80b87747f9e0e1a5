"""Plans: the accounts, regions and parents that a step requests. `collector` sends, `cost_collector` plans the bill.

A plan yields batches of requests. The caller sends a batch before it advances the generator, so a later batch can use
earlier responses. The batches of many plans are sent together, so no listing waits for another one unless it needs the
other one's records.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipelines.catalogue.metrics import MEASURED
from pipelines.catalogue.names import ACCOUNT, EXPLORER, METRIC
from pipelines.collection import metrics, previous
from pipelines.collection.accounts import Reached
from pipelines.collection.cadence import due, parents_hash
from pipelines.collection.denied_before import hold_back, settle
from pipelines.collection.regions import enabled_regions, known_regions, leave_out, regions_to_fetch
from pipelines.collection.state import StepState
from pipelines.trust.outcomes import NOT_OFFERED, REGION_DISABLED, REQUESTED_ELSEWHERE, RETIRING
from resources.audit.coverage import EVERY_ACCOUNT
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import CUT_OFF, DENIED_BY_POLICY, OPTIONAL_GRANT, CellKey, Outcome, Request
from resources.contract import Role

Plan = Iterator[Sequence[Request]]
"""Batches of requests; the responses to a batch are known when the next one is taken."""


ACCOUNTS_TRIED = 3
"""Accounts through which a run requests a shared listing of a region before it leaves it to the next run."""


def central_plan(state: StepState, listing: Listing, role: Role) -> Plan:
    """The plan of a listing in a central account: one request, or one for each region of a regional listing."""
    identity = state.identity(role)
    account = identity.account_id
    if listing.each is not None and listing.each.enum:
        values = state.client(role).enum_values(listing.service, listing.each.enum)
        make_request = _request_factory(listing, role, identity.profile, account)
        yield [make_request(GLOBAL_REGION, {listing.each.parameter: value}, value) for value in values]
        return
    yield from _places(state, listing, role, {account: identity.profile})


def _request_factory(listing: Listing, role: Role, profile: str, account: str) -> Callable[..., Request]:
    """A function that makes the requests of a listing to one account."""

    def make_request(
        region: str,
        parameters: Mapping[str, Any] | None = None,
        suffix: str = "",
        batches: Sequence[Mapping[str, Any]] = (),
    ) -> Request:
        return Request(
            profile=profile,
            account_id=account,
            region=region,
            listing=listing,
            listing_role=role,
            parameters=parameters or {},
            batches=batches,
            suffix=suffix,
        )

    return make_request


def _places(state: StepState, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """The plan of a listing in several accounts: one request for each account, region, or parent record."""
    if listing.on_request and listing.on_request not in state.settings.requested:
        for account, profile in profile_of.items():
            key = CellKey(role, account, GLOBAL_REGION, listing.name)
            state.set_outcome(key, "skipped", "not_requested", profile=profile)
        return
    if listing.name == METRIC:
        yield from _metrics(state, listing, role, profile_of)
        return
    if listing.name == EXPLORER:
        yield from _explored(state, listing, role, profile_of)
        return
    if listing.is_shared:
        yield from _through_one_account(state, listing, role, profile_of)
        return
    if listing.each is not None:
        yield from _for_parents(state, listing, role, profile_of)
        return
    requests: list[Request] = []
    regions_of = regions_to_fetch(state, listing, role, profile_of)
    for account, profile in profile_of.items():
        make_request = _request_factory(listing, role, profile, account)
        requests += [make_request(region) for region in regions_of[account]]
    yield from _rounds(state, listing, role, requests)


def _metrics(state: StepState, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """The plan of CloudWatch's metrics of every resource, in one cell for each account and region.

    Only resources that a rule could judge by their metrics are measured, and only on days that are not held yet: a cell
    that was trusted today (UTC) has every whole day already, and stays. Where a listing of resources is untrusted, the
    plan also includes its previous resources. The cell's response replaces the previous one as a whole, so a resource
    that it omits would lose its metrics.
    """
    resources: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for source, measured in MEASURED.items():
        for record in state.records_of(source):
            if not metrics.is_candidate(source, record.fields):
                continue
            resources[record.key.account_id, record.key.region].append((source, str(record.fields[measured.field])))
    namespaces = {source: measured.namespace for source, measured in MEASURED.items()}
    own = [entry.name for entry in state.listings]
    refused = [
        (account, region, name)
        for (_, account, region, name), entry in state.attempts.items()
        if name in MEASURED
        and (
            entry.response.outcome in ("denied", "failed", "wrong_account")
            or entry.response.skip_reason == DENIED_BY_POLICY
        )
    ]
    for account, region, source, resource in previous.last_measured(state.store, namespaces, own, refused):
        resources[account, region].append((source, resource))
    today = datetime.now(UTC).date()
    held = {
        key
        for key, cell in state.earlier_of(listing.name).items()
        if cell.is_trusted
        and not cell.is_disputed
        and state.is_of_before(cell)
        and cell.ended_at.astimezone(UTC).date() == today
    }
    state.batch.kept.update(
        key for account, region in resources if (key := CellKey(role, account, region, listing.name)) in held
    )
    yield from _rounds(
        state,
        listing,
        role,
        [
            _request_factory(listing, role, profile_of[account], account)(
                region, batches=metrics.MetricRequests(found, today)
            )
            for (account, region), found in resources.items()
            if account in profile_of and CellKey(role, account, region, listing.name) not in held
        ],
    )
    measured_accounts = {account for account, _ in resources}
    for account, profile in profile_of.items():
        if account not in measured_accounts:
            state.batch.childless.append(_request_factory(listing, role, profile, account)(GLOBAL_REGION))


def _explored(state: StepState, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """The plan of what a view of Resource Explorer shows: one request for all accounts, where the view lies.

    Where AWS may have cut the response off, the cell is requested anew, with a request for each account.
    """
    view = state.settings.explorer_view
    parameters, region = {"ViewArn": view}, view.split(":")[3]
    for account, profile in profile_of.items():
        make_request = _request_factory(listing, role, profile, account)
        request = make_request(region, parameters)
        yield from _rounds(state, listing, role, [request])
        entry = state.attempts.get(request.key)
        if entry is None or entry.response.error_code != CUT_OFF:
            continue
        members = sorted({str(record.fields["Id"]) for record in state.records_of(ACCOUNT, EVERY_ACCOUNT)})
        whole = listing.parameters["Filters"]["FilterString"]
        filters = [{"Filters": {"FilterString": f"accountid:{member} {whole}"}} for member in members]
        yield [make_request(region, parameters, batches=filters)]


def _for_parents(state: StepState, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """The plan of a listing with parents: a request for each parent record, or one where there is any.

    A listing may be its own parent.
    """
    each = listing.each
    assert each is not None, "only a listing with parents comes here"
    done: dict[tuple[str, str], set[str]] = defaultdict(set)
    held = _held_resources(state, listing, role)
    enabled = enabled_regions(state) if each.region_field else {}
    while True:
        requests: list[Request] = []
        for (account, region), named in {**held, **state.named_by_parents(listing)}.items():
            fresh = sorted(named - done[account, region])
            is_requested = not each.parameter and bool(done[account, region])
            done[account, region] |= named
            if not fresh or is_requested or account not in profile_of:
                continue
            wanted = state.settings.regions
            if wanted and region not in (*wanted, GLOBAL_REGION):
                leave_out(state, CellKey(role, account, region, listing.name), [region], profile_of[account])
                continue
            if each.region_field and region != GLOBAL_REGION and region not in enabled.get(account, (region,)):
                # What lies in a region that was disabled later stays in lists, and refuses every request.
                key = CellKey(role, account, region, listing.name)
                state.set_outcome(key, "skipped", REGION_DISABLED, profile=profile_of[account])
                continue
            make_request = _request_factory(listing, role, profile_of[account], account)
            if listing.every > 1 and (each.is_by_parent or each.in_one_cell):
                state.batch.parents[make_request(region).key] = parents_hash(named)
            if not each.parameter:
                requests.append(make_request(region))
            elif each.in_one_cell:
                requests.append(make_request(region, batches=[{each.parameter: value} for value in fresh]))
            else:
                requests += [make_request(region, {each.parameter: value}, value) for value in fresh]
        if not requests:
            break
        yield from _rounds(state, listing, role, requests)
    asked = {account for account, _ in done}
    for account, profile in profile_of.items():
        if account not in asked:
            state.batch.childless.append(_request_factory(listing, role, profile, account)(GLOBAL_REGION))


def _through_one_account(state: StepState, listing: Listing, role: Role, profile_of: Mapping[str, str]) -> Plan:
    """The plan of a shared listing: one request for each region and parent's value, through one account that has it.

    The account whose response is trusted stays, else the first by its id is taken. Where one is refused, another takes
    over, up to `ACCOUNTS_TRIED` in a run; the next run begins with those that were not tried.
    """
    each = listing.each
    assert each is not None, "a shared listing has parents"
    candidates: dict[tuple[str, str], list[str]] = defaultdict(list)
    unrequested: dict[str, set[str]] = {account: set() for account in profile_of}
    for (account, region), named in state.named_by_parents(listing).items():
        if account not in profile_of:
            continue
        unrequested[account].add(region)
        if state.settings.regions and region not in state.settings.regions:
            leave_out(state, CellKey(role, account, region, listing.name), [region], profile_of[account])
            continue
        for value in named:
            candidates[region, value].append(account)

    def request(region: str, value: str, account: str) -> Request:
        make_request = _request_factory(listing, role, profile_of[account], account)
        return make_request(region, {each.parameter: value}, value)

    waiting = {
        (region, value): sorted(accounts, key=lambda account: _turn(state, request(region, value, account).key))
        for (region, value), accounts in candidates.items()
    }
    for _ in range(ACCOUNTS_TRIED):
        batch = [request(*place, accounts.pop(0)) for place, accounts in waiting.items() if accounts]
        yield from _rounds(state, listing, role, batch)
        for sent in batch:
            unrequested[sent.account_id].discard(sent.region)
            if _is_settled(state, sent.key):
                waiting[sent.region, sent.suffix].clear()
    having = {account for accounts in candidates.values() for account in accounts}
    for account, regions in unrequested.items():
        profile = profile_of[account]
        for region in regions:
            key = CellKey(role, account, region, listing.name)
            if key not in state.batch.unrequested:
                state.set_outcome(key, "skipped", REQUESTED_ELSEWHERE, profile=profile)
        if account not in having and not regions:
            state.batch.childless.append(_request_factory(listing, role, profile, account)(GLOBAL_REGION))


def _turn(state: StepState, key: CellKey) -> tuple[int, datetime, str]:
    """The place of an account among those through which a shared listing may be requested; the least comes first."""
    earlier = state.earlier.get(key)
    if earlier is None or earlier.skip_reason in RETIRING:
        return (1, datetime.min.replace(tzinfo=UTC), key.account_id)
    is_good = earlier.is_trusted or earlier.outcome == "empty_unconfirmed" or earlier.skip_reason == NOT_OFFERED
    # An account with a response that counts stays; of refused ones, that which was refused longest ago is next.
    return (0, datetime.min.replace(tzinfo=UTC), key.account_id) if is_good else (2, earlier.ended_at, key.account_id)


def _is_settled(state: StepState, key: CellKey) -> bool:
    """Whether AWS's response to a shared request holds for all accounts, so that no other one need be requested."""
    if key in state.batch.kept:
        return True
    entry = state.attempts.get(key)
    if entry is None:
        return False
    response = entry.response
    return response.outcome in ("found", "empty_unconfirmed") or response.skip_reason == NOT_OFFERED


def _held_resources(state: StepState, listing: Listing, role: Role) -> dict[tuple[str, str], set[str]]:
    """The accounts and regions where a listing without a parameter held resources, each with the empty parameter.

    It is requested there also without a parent, until two responses show that they are gone: a resource is missing
    first, and retired by the second one.
    """
    if listing.each is None or listing.each.parameter or not listing.resource_type:
        return {}
    return {
        (key.account_id, key.region): {""}
        for key, cell in state.earlier_of(listing.name).items()
        if key.role == role
        and (
            cell.last_trusted_count
            or (cell.is_trusted and cell.previous_record_count)
            # What an attempt of this run has requested, the next one requests too.
            or (cell.outcome != "skipped" and not state.is_of_before(cell))
        )
    }


def _rounds(state: StepState, listing: Listing, role: Role, requests: Sequence[Request]) -> Plan:
    """The requests in batches: first those that decide whether the others are sent.

    Of a region's cells that a policy denied in an earlier run, one is requested first. The others follow only if the
    policy does not deny it any more.
    """
    requests, held = hold_back(state, due(state, [request for request in requests if not state.keep(request)]))
    yield from _granted(state, listing, role, requests)
    if held:
        yield from _granted(state, listing, role, settle(state, held))


def _granted(state: StepState, listing: Listing, role: Role, requests: Sequence[Request]) -> Plan:
    """The requests in one batch. For an optional grant each account gets one first, the others only if granted."""
    if not state.client(role).is_optional(listing):
        yield requests
        return
    probes = {request.account_id: request for request in reversed(requests)}
    yield list(probes.values())
    refused = {
        account
        for account, probe in probes.items()
        # A probe that waits for a later day's limit has no attempt.
        if (entry := state.attempts.get(probe.key)) and entry.response.skip_reason == OPTIONAL_GRANT
    }
    rest: list[Request] = []
    for request in requests:
        if request is probes[request.account_id]:
            continue
        if request.account_id in refused:
            state.set_outcome(request.key, "skipped", OPTIONAL_GRANT, profile=request.profile)
        else:
            rest.append(request)
    yield rest


def workload_plan(state: StepState, listing: Listing, reached: Reached) -> Plan:
    """The plan of a listing in every reached account except the one that the operations role covers."""
    role: Role = "workload"
    operations_account = state.identity("operations").account_id if "operations" in listing.roles else ""
    regions_before = known_regions(state, listing, role)
    for account, reason in reached.skipped.items():
        if account != operations_account:
            state.set_outcome(CellKey(role, account, GLOBAL_REGION, listing.name), "skipped", reason)
    for account, broken in reached.broken.items():
        if account == operations_account:
            continue
        outcome: Outcome = "denied" if broken.error.reason in ("refused", "expired") else "failed"
        for region in sorted(regions_before[account]) or [GLOBAL_REGION]:
            state.set_outcome(
                CellKey(role, account, region, listing.name),
                outcome,
                broken.error.reason,
                f"{broken.error} {broken.error.hint}",
                broken.profile,
            )
    own = {account: profile for account, profile in reached.profile_of.items() if account != operations_account}
    yield from _places(state, listing, role, own)
