"""The catalogue's families as Dagster steps: a raw asset and its silent-zero check for every listing.

The landed files get their names and the cells are written only once every cell of a step is judged (`step`).
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg

from pipelines.catalogue.family import DOMAIN_TAG, LANDING, Family
from pipelines.catalogue.names import REGION
from pipelines.catalogue.registry import FAMILIES
from pipelines.collection.bill_month_assets import LANDED_KEY, landed_metadata, log_months, read_months
from pipelines.collection.bill_months import BY_SLICE
from pipelines.collection.collector import Collector
from pipelines.collection.confirmation_assets import CONFIRMATION_KEY
from pipelines.collection.listing_metadata import listing_metadata
from pipelines.collection.progress import begin_step
from pipelines.collection.record_rules import RecordRule
from pipelines.collection.remote import workers_of
from pipelines.collection.state import StepState
from pipelines.collection.step import collect
from pipelines.collection.storing import NO_SILENT_ZERO
from pipelines.dagster_metadata import cells_table
from pipelines.plain_text import as_markdown, plain
from pipelines.settings import Settings
from pipelines.trust import ages
from pipelines.trust.gate import GATE_TAG, open_gate, refusing, stop_where_blocked
from resources.audit.cells import Cell
from resources.aws.listing import Listing
from resources.check_result import CheckResult
from resources.contract import Role
from resources.roles import AwsRole
from resources.warehouse import Warehouse

ACCOUNT_COVERAGE = "account_coverage"

ONLY_UNTRUSTED = "cmdb/only_untrusted"
"""Tag of a run that requests only the cells without a trusted response: `yes`, or since when one is kept (ISO)."""

EVERYTHING = "cmdb/everything"
"""Tag of a run that requests every cell, also of listings that change seldom and are not due."""

MANY_CELLS = 1_000
"""From this number of cells on a step collects garbage at once, which takes a third of a second."""


def landing_key(listing: str) -> dg.AssetKey:
    """The key of a raw asset."""
    return dg.AssetKey(["landing", listing])


RecordRules = Mapping[str, RecordRule]
"""What the tables need of the records of each listing."""


def family_asset(family: Family, record_rules: RecordRules) -> dg.AssetsDefinition:
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
                *(landing_key(name) for name in listing.needs),
                *([landing_key(REGION)] if listing.scope == "regional" else []),
            ],
            description=f"The records of {listing.call}, one line a record. Requested by: {', '.join(listing.roles)}.",
            group_name=LANDING,
            kinds={"aws", "json"},
            tags=GATE_TAG | {"aws/role": "_".join(listing.roles), DOMAIN_TAG: family.group},
            metadata={"call": listing.call, "empty_policy": listing.zero}
            | {f"empty_policy:{name}": empty_policy for name, empty_policy in listing.zero_of.items()},
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
        selected = [listing for listing in family.listings if landing_key(listing.name) in context.selected_asset_keys]
        yield from _collect(context, family, selected, record_rules)

    return collect


def _collect(
    context: dg.AssetExecutionContext,
    family: Family,
    listings: Sequence[Listing],
    record_rules: RecordRules,
) -> Iterator[dg.MaterializeResult[Any]]:
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    resources: dict[Role, AwsRole] = {
        role: getattr(context.resources, role)
        for role in family.roles
        if any(role in entry.roles for entry in listings)
    }
    what = "landing/" + (listings[0].name if len(listings) == 1 else family.name)
    store = open_gate(
        warehouse,
        settings,
        what,
        max_age=ages.COLLECTION_MAX_AGE,
        account_list=bool(family.after),
        verify=resources.values(),
    )
    kept = context.run.tags.get(ONLY_UNTRUSTED)
    state = StepState(
        store,
        warehouse.run_id,
        resources,
        listings,
        settings,
        lambda text: context.log.info(plain(text)),
        only_untrusted=kept is not None,
        # Whoever picks listings by hand wants them requested.
        is_by_cadence=(
            len(listings) == len(family.listings) and EVERYTHING not in context.run.tags and not settings.every_night
        ),
        kept_since=None if kept in (None, "yes") else datetime.fromisoformat(kept),
        record_rules=record_rules,
    )
    calls = f"{len(listings)} listings" if len(listings) > 1 else listings[0].name
    begin_step(family.name, f"{calls}, requested by {', '.join(family.roles)}")
    collector = Collector(state)
    try:
        with refusing(), _seldom_garbage():
            coverage = collect(collector, what, _forget, workers_of(settings))
            results = collector.commit({} if coverage is None else {ACCOUNT_COVERAGE: coverage})
    finally:
        collector.close()
        for resource in resources.values():
            resource.forget_clients()
        gc.collect()
    if coverage is not None:
        for finding in state.findings:
            context.log.warning(plain(finding))
    if any(listing.name in BY_SLICE for listing in listings):
        read = read_months(store, warehouse.run_id, settings)
        log_months(
            context, LANDED_KEY, {name: landed_metadata(month) for name, month in read.items() if not month.missing}
        )
    yield from _results(context, state, results, coverage)
    stop_where_blocked(what, [result.sentence for result in results.values() if result.blocks])


@contextmanager
def _seldom_garbage() -> Iterator[None]:
    """A block in which Python looks for cyclic garbage after 50,000 new objects instead of 2,000.

    A batch has a million objects that stay, which each look at the older ones goes through.
    """
    before = gc.get_threshold()
    gc.set_threshold(50_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _forget(cells: Sequence[Cell]) -> None:
    """Free the responses of a large batch, which are cyclic garbage by now; the next batch needs the memory."""
    if len(cells) >= MANY_CELLS:
        gc.collect()


def _results(
    context: dg.AssetExecutionContext,
    state: StepState,
    results: Mapping[str, CheckResult],
    coverage: CheckResult | None,
) -> Iterator[dg.MaterializeResult[Any]]:
    selected = context.selected_asset_check_keys
    for listing in state.listings:
        shown = {NO_SILENT_ZERO: results[listing.name]}
        if coverage is not None and listing.name == REGION:
            shown[ACCOUNT_COVERAGE] = coverage
        key = landing_key(listing.name)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata=listing_metadata(state.stats[listing.name], state.findings),
            check_results=[
                dg.AssetCheckResult(
                    check_name=name,
                    asset_key=key,
                    passed=result.passed,
                    severity=dg.AssetCheckSeverity(result.severity),
                    description=as_markdown(result.sentence),
                    metadata=cells_table(result.at_fault),
                )
                for name, result in shown.items()
                if dg.AssetCheckKey(key, name) in selected
            ],
        )


def collection_assets(record_rules: RecordRules) -> list[dg.AssetsDefinition]:
    """Every family of the catalogue as a step."""
    return [family_asset(family, record_rules) for family in FAMILIES]
