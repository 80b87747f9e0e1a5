"""The bill by month in Dagster: the partitions, and the step that fetches months whole.

The job `nightly` has no partition key, and Dagster ends a step whose asset and upstream asset both have partitions in a
run without one. So the months are assets of their own, beside those that every run builds, and outside of that job.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from pipelines.catalogue.family import DOMAIN_TAG, LANDING
from pipelines.catalogue.names import ACCOUNT
from pipelines.catalogue.registry import listings
from pipelines.collection import bill_months
from pipelines.collection.bill_months import ReadMonth
from pipelines.collection.collector import Collector
from pipelines.collection.record_rules import RecordRule
from pipelines.collection.seeds import every_slice
from pipelines.collection.state import StepState
from pipelines.collection.step import collect
from pipelines.plain_text import plain
from pipelines.settings import Settings
from pipelines.trust import ages
from pipelines.trust.gate import GATE_TAG, open_gate, refuse, refusing, stop_where_blocked
from resources.roles import AwsRole
from resources.store.store import Store
from resources.warehouse import Warehouse

LANDED_KEY = dg.AssetKey(["bill_month", "landing"])
"""The months of the bill as Cost Explorer returned them."""

DAILY_KEY = dg.AssetKey(["bill_month", "daily"])
"""The months of `cost.daily`."""

BILL_MONTH = "bill_month"
"""The job that fetches months of the bill again, builds and publishes."""


def partitions(settings: Settings, today: date) -> dg.MonthlyPartitionsDefinition:
    """The months of the configured history, and the current one: `2026-03`."""
    return dg.MonthlyPartitionsDefinition(
        start_date=f"{bill_months.oldest(today, settings.cost_months):%Y-%m}", fmt="%Y-%m", end_offset=1
    )


def months_of(context: dg.AssetExecutionContext, what: str) -> frozenset[str]:
    """The months of a run.

    Raises:
        dagster.Failure: the run has none. Nothing was requested.
    """
    if context.has_partition_key:
        return frozenset({context.partition_key})
    if not context.has_partition_key_range:
        raise refuse(f"{what} needs a month, such as 2026-03: choose partitions. Nothing was requested.", exit_code=2)
    return frozenset(context.partition_keys)


def read_months(store: Store, run_id: str, settings: Settings) -> Mapping[str, ReadMonth]:
    """The months of the bill of which a run has cells."""
    with store.read() as connection:
        return bill_months.read_in_run(connection, run_id, every_slice(settings.reference))


def landed_metadata(month: ReadMonth) -> dict[str, Any]:
    """What the page of a month shows: requests, and their price."""
    return {"requests": month.request_count, "requests_cost_usd": float(month.cost_usd)}


def log_months(context: dg.AssetExecutionContext, key: dg.AssetKey, metadata: Mapping[str, dict[str, Any]]) -> None:
    """Let the page of an asset with months show what a step of another asset did for them."""
    for month, shown in metadata.items():
        context.log_event(dg.AssetMaterialization(key, partition=month, metadata=shown))


def bill_month_asset(
    record_rules: Mapping[str, RecordRule], months: dg.MonthlyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The step that fetches months of the bill whole, whatever is known of them."""

    @dg.asset(
        key=LANDED_KEY,
        op_tags={"dagster/priority": "10"},
        deps=[dg.AssetKey(["audit", "caller_identity"]), dg.AssetKey(["landing", ACCOUNT])],
        description="The bill of a month, all slices of it. Materialize a month to fetch it again whole; every run "
        "shows here which months it fetched whole.",
        group_name=LANDING,
        kinds={"aws", "json"},
        tags=GATE_TAG | {"aws/role": "billing", DOMAIN_TAG: "cost"},
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"warehouse", "settings", "billing"},
    )
    def collect_bill_month(context: dg.AssetExecutionContext) -> None:
        _fetch(context, record_rules)

    return collect_bill_month


def _fetch(context: dg.AssetExecutionContext, record_rules: Mapping[str, RecordRule]) -> None:
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    billing: AwsRole = context.resources.billing
    what = "/".join(LANDED_KEY.path)
    if settings.problem:
        raise refuse(f"{what} was not started. {settings.problem}", exit_code=2)
    months = months_of(context, what)
    reason = bill_months.refusal(months, warehouse.now().date(), settings.cost_months)
    if reason:
        raise refuse(f"{what} was not requested. {reason} Nothing was changed.", exit_code=2)
    store = open_gate(warehouse, settings, what, max_age=ages.COLLECTION_MAX_AGE, verify=[billing])
    known = listings()
    state = StepState(
        store,
        warehouse.run_id,
        {"billing": billing},
        [known[name] for name in bill_months.WHOLE],
        settings,
        lambda text: context.log.info(plain(text)),
        whole_months=months,
        record_rules=record_rules,
    )
    collector = Collector(state)
    try:
        with refusing():
            collect(collector, what, lambda _: None)
            results = collector.commit()
    finally:
        collector.close()
    read = read_months(store, warehouse.run_id, settings)
    short = [read.get(name) or ReadMonth(name, 0, ("all",)) for name in sorted(months)]
    short = [month for month in short if month.missing]
    if short:
        log_months(context, LANDED_KEY, {name: landed_metadata(one) for name, one in read.items() if not one.missing})
    stop_where_blocked(
        what, [result.sentence for result in results.values() if result.blocks] or [_sentence(one) for one in short]
    )
    for name in months:
        context.add_asset_metadata(landed_metadata(read[name]), partition_key=name)
    # Closed months whose total AWS has changed were fetched as well.
    others = {name: landed_metadata(one) for name, one in read.items() if name not in months and not one.missing}
    log_months(context, LANDED_KEY, others)


def _sentence(month: ReadMonth) -> str:
    slices = f"{month.missing[0]}{f' and {len(month.missing) - 1} more' if len(month.missing) > 1 else ''}"
    return f"{month.name} was not fetched whole: {slices}. {month.reason}".strip()
