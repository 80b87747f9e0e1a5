"""The report as an asset: made after every publishing, from what was published."""

from typing import Any

import dagster as dg

from pipelines.dagster_metadata import PUBLISHED_KEY
from pipelines.report.writing import report_path, write_report
from pipelines.settings import Settings
from pipelines.trust.gate import refuse, refusing
from resources.warehouse import Warehouse

REPORT_KEY = dg.AssetKey(["report"])


@dg.asset(
    key=REPORT_KEY,
    deps=[PUBLISHED_KEY],
    description="One HTML page for people: spend against budget, where the money goes, what can be trusted, what "
    "changed. Made from the published file alone, which lies beside it.",
    group_name="published",
    kinds={"html"},
    required_resource_keys={"warehouse", "settings"},
    op_tags={"dagster/priority": "-20"},
)
def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Write the report beside the published file; it takes no lock, since it changes nothing of the warehouse."""
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    if settings.problem:
        raise refuse(f"The report was not made. {settings.problem}", exit_code=2)
    with refusing():
        target = report_path(warehouse.store.database)
        written = write_report(warehouse.store, target, warehouse.now(), settings.ui_url)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(written.path)),
            "size_bytes": written.size,
            "published_by": written.run_id,
        }
    )
