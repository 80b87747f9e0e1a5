"""The regions to request in an account: those that are enabled there and that CMDB_REGIONS selects."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pipelines.catalogue.names import REGION
from pipelines.collection.state import StepState
from pipelines.trust import outcomes
from resources.audit.coverage import EVERY_ACCOUNT
from resources.aws.listing import GLOBAL_REGION, Listing, partition_of
from resources.aws.messages import CellKey
from resources.contract import Role

REGIONS_UNKNOWN = (
    "Where a policy of the organisation denies the list in the region of the request, set AWS_DEFAULT_REGION "
    "to one that is allowed, or name the allowed ones in CMDB_REGIONS."
)


def regions_to_fetch(
    state: StepState, listing: Listing, role: Role, profile_of: Mapping[str, str]
) -> dict[str, list[str]]:
    """The regions to request by account id; cells record which regions are left out, and why."""
    if listing.scope == "global":
        if listing.home and partition_of(listing.home) != partition_of(state.client(role).home_region):
            for account in profile_of:
                state.set_outcome(CellKey(role, account, GLOBAL_REGION, listing.name), "skipped", "not_offered")
            return {account: [] for account in profile_of}
        return {account: [GLOBAL_REGION] for account in profile_of}
    enabled = enabled_regions(state)
    known = known_regions(state, listing, role)
    offers = state.client(role).offers
    regions_of: dict[str, list[str]] = {}
    for account, profile in profile_of.items():
        # If an account's regions could not be listed, its known cells are requested, so that each one records why it
        # fails.
        regions_of[account] = enabled.get(account, sorted(known[account]))
        if account not in enabled and account in state.without_regions:
            # A policy that denies listing the regions in one region may allow other regions, so each region is tried.
            regions_of[account] = sorted(known[account] | state.usual_regions)
        left_out = state.regions_left_out.get(account)
        if left_out:
            leave_out(state, CellKey(role, account, GLOBAL_REGION, listing.name), left_out, profile)
        if account not in enabled and not regions_of[account]:
            state.set_outcome(
                CellKey(role, account, GLOBAL_REGION, listing.name),
                "failed",
                "RegionsUnknown",
                f"Not requested, because the enabled regions of {account} could not be listed. {REGIONS_UNKNOWN}",
                profile,
            )
        for region in state.settings.regions:
            if account in enabled and region not in enabled[account]:
                state.set_outcome(CellKey(role, account, region, listing.name), "skipped", "region_not_enabled")
        for region in regions_of[account]:
            if not offers(listing.service, region):
                state.set_outcome(CellKey(role, account, region, listing.name), "skipped", "not_offered")
        regions_of[account] = [region for region in regions_of[account] if offers(listing.service, region)]
    return regions_of


def known_regions(state: StepState, listing: Listing, role: Role) -> dict[str, set[str]]:
    """The regions in which earlier runs requested a listing, by account id."""
    known: dict[str, set[str]] = defaultdict(set)
    for key, earlier in state.earlier_of(listing.name).items():
        if key.role == role and key.listing == listing.name and earlier.outcome != "skipped":
            known[key.account_id].add(key.region)
    return known


def enabled_regions(state: StepState) -> Mapping[str, list[str]]:
    """The regions to request by account id: enabled ones, reduced to `CMDB_REGIONS` if that is set."""
    if state.regions_of is not None:
        return state.regions_of
    wanted = state.settings.regions
    regions: dict[str, list[str]] = {}
    left_out: dict[str, list[str]] = defaultdict(list)
    usual = set(wanted)
    for record in state.records_of(REGION, EVERY_ACCOUNT):
        name = sys.intern(str(record.fields["RegionName"]))
        status = record.fields["OptInStatus"]
        listed = regions.setdefault(record.key.account_id, [])
        if status == "not-opted-in":
            continue
        if wanted and name not in wanted:
            left_out[record.key.account_id].append(name)
            continue
        listed.append(name)
        if status == "opt-in-not-required":
            usual.add(name)
    state.regions_left_out, state.usual_regions = left_out, frozenset(usual)
    if not any(listing.name == REGION for listing in state.listings):
        # Cached for all listings of the step, except in the step that lists the regions: it will know more of them
        # later.
        state.regions_of = regions
    return regions


def leave_out(state: StepState, key: CellKey, regions: Sequence[str], profile: str) -> None:
    """Record in one cell which regions CMDB_REGIONS leaves out; a cell for each could double the number of cells."""
    where = ", ".join(regions)
    reason = outcomes.REGION_NOT_SELECTED
    state.set_outcome(key, "skipped", reason, f"Not requested in {where}: not in CMDB_REGIONS.", profile)
