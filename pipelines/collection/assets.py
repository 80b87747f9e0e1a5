"""The catalogue's families as steps: a raw asset and its silent-zero check for every listing.

A step asks every listing, some accounts at a time, asks again what failed or what something speaks against, looks up
in CloudTrail once per account and region that has a zero, judges every cell, and only then gives
the landed files their names and writes the cells.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from pipelines.catalogue.registry import FAMILIES, REGION, Family
from pipelines.collection import accounts
from pipelines.collection.collector import NO_SILENT_ZERO, Collection
from pipelines.collection.confirmation import CONFIRMATION_KEY
from pipelines.collection.cost_collector import ask_costs
from pipelines.collection.listing_metadata import listing_metadata
from pipelines.collection.plan import (
    Plan,
    account_coverage,
    ask_in_step,
    central_plan,
    identity_of,
    match_accounts,
    shares,
    too_many_unplaced,
    workload_plan,
)
from pipelines.dagster_metadata import cells_table
from pipelines.plain_text import as_markdown, plain
from pipelines.settings import Settings
from pipelines.trust import rules
from pipelines.trust.gate import GATE_TAG, begin, open_gate, refuse, refusing, stop_where_blocked
from resources.audit.evidence import Cell
from resources.aws.listing import Listing
from resources.check_result import CheckResult
from resources.contract import Role
from resources.roles import AwsRole, Workload
from resources.warehouse import Warehouse

ACCOUNT_COVERAGE = "account_coverage"

ONLY_UNTRUSTED = "cmdb/only_untrusted"
"""Tag of a run that asks only what the last answers left open."""

MANY_CELLS = 1_000
"""From so many on, a step's answers are removed at once: going through all objects takes a third of a second."""


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
                CONFIRMATION_KEY,
                *after,
                *([landing_key(name) for name in listing.each.of if name != listing.name] if listing.each else []),
                *([landing_key(REGION)] if listing.scope == "regional" else []),
            ],
            description=f"{listing.call} as AWS answered it, one line a record. Asked by: {', '.join(listing.roles)}.",
            group_name=family.group,
            kinds={"aws", "json"},
            tags=GATE_TAG | {"aws/role": "_".join(listing.roles)},
            metadata={"call": listing.call, "zero_sense": listing.zero}
            | {f"zero_sense:{name}": sense for name, sense in listing.zero_of.items()},
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
    if any(listing.name == REGION for listing in family.listings):
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
        required_resource_keys={"warehouse", "settings", *family.roles},
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
    resources: dict[Role, AwsRole] = {
        role: getattr(context.resources, role)
        for role in family.roles
        if any(role in entry.roles for entry in listings)
    }
    what = "landing/" + (listings[0].name if len(listings) == 1 else family.name)
    begin(warehouse, settings, what)
    with refusing():
        # First, so that a gate later in a long night sees identities that were checked a moment ago.
        for resource in resources.values():
            resource.verify()
    store = open_gate(
        warehouse,
        settings,
        what,
        max_age=rules.COLLECTION_MAX_AGE,
        account_list=bool(family.after),
    )
    collection = Collection(
        store,
        warehouse.run_id,
        resources,
        listings,
        settings,
        lambda text: context.log.info(plain(text)),
        only_untrusted=ONLY_UNTRUSTED in context.run.tags,
    )
    try:
        with refusing():
            coverage = ask(collection, what, _forget)
            verdicts = collection.commit({} if coverage is None else {ACCOUNT_COVERAGE: coverage})
    finally:
        collection.close()
    if coverage is not None:
        for finding in collection.findings:
            context.log.warning(plain(finding))
    yield from _results(context, collection, verdicts, coverage)
    stop_where_blocked(what, [verdict.sentence for verdict in verdicts.values() if verdict.blocks])


def _forget(cells: Sequence[Cell]) -> None:
    """The answers of a large part are cyclic garbage by now; what follows needs the room."""
    if len(cells) >= MANY_CELLS:
        gc.collect()


def ask(collection: Collection, what: str, judged: Callable[[Sequence[Cell]], None]) -> CheckResult | None:
    """Put every question of a step, and again where something speaks against the answer; land what comes of it.

    Returns the verdict on the reach of the workload profiles where the step lists regions.

    Args:
        judged: is given the cells of each part of the step.

    Raises:
        dagster.Failure: too many profiles do not answer to know whose accounts would be missing. Nothing was asked.
    """
    reached: accounts.Reached | None = None
    workload = collection.resources.get("workload")
    if isinstance(workload, Workload):
        reached = match_accounts(collection, workload)
        profiles = len(reached.profile_of) + len(reached.broken) + len(reached.unplaced)
        stop = too_many_unplaced(reached, profiles, collection.settings.untrusted_tolerance)
        if stop is not None:
            raise refuse(f"{what} was not asked. {stop}")
    bill = [listing for listing in collection.listings if listing.service == "ce"]
    portions = shares(collection, reached)
    for share in portions:
        collection.begin(share.whose, share.part)
        if bill:
            ask_costs(collection, bill)
        plans: list[tuple[Listing, Plan]] = []
        for listing in collection.listings:
            for role in listing.roles:
                if role == "workload":
                    if share.reached is not None:
                        plans.append((listing, workload_plan(collection, listing, share.reached)))
                elif listing not in bill and identity_of(collection, role).account_id in share.whose:
                    plans.append((listing, central_plan(collection, listing, role)))
        ask_in_step(collection, plans)
        collection.settle()
        judged(collection.judge())
    if len(portions) > 1:
        for name, tally in collection.tallies.items():
            collection.log(f"{name}: {tally.sentence()}")
    lists_regions = any(listing.name == REGION for listing in collection.listings)
    return account_coverage(collection, reached) if lists_regions and reached is not None else None


def _results(
    context: dg.AssetExecutionContext,
    collection: Collection,
    verdicts: Mapping[str, CheckResult],
    coverage: CheckResult | None,
) -> Iterator[dg.MaterializeResult[Any]]:
    selected = context.op_execution_context.selected_asset_check_keys
    for listing in collection.listings:
        shown = {NO_SILENT_ZERO: verdicts[listing.name]}
        if coverage is not None and listing.name == REGION:
            shown[ACCOUNT_COVERAGE] = coverage
        key = landing_key(listing.name)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata=listing_metadata(collection.tallies[listing.name], collection.findings),
            check_results=[
                dg.AssetCheckResult(
                    check_name=name,
                    asset_key=key,
                    passed=verdict.passed,
                    severity=dg.AssetCheckSeverity(verdict.severity),
                    description=as_markdown(verdict.sentence),
                    metadata=cells_table(verdict.at_fault),
                )
                for name, verdict in shown.items()
                if dg.AssetCheckKey(key, name) in selected
            ],
        )


def collection_assets() -> list[dg.AssetsDefinition]:
    """Every family of the catalogue as a step."""
    return [family_asset(family) for family in FAMILIES]
