"""What Dagster's UI shows beside a model: where its columns come from, and of money its sum, window, price and age."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipelines.collection.cost_slices import REQUEST_PRICE_USD
from pipelines.models.model import Model, once
from pipelines.models.query_facts import lineage_of
from pipelines.models.sources import as_text

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Sum:
    """How the amounts of a table are added up: each once.

    Attributes:
        rows: the condition of the rows that hold every amount once.
        amount, currency: columns.
        first, last: the columns that say of which days it is.
    """

    rows: str = "true"
    amount: str = "unblended_cost"
    currency: str = "currency"
    first: str = "usage_date"
    last: str = "usage_date"


SUMMED: Mapping[str, Sum] = {
    "cost.daily": Sum("slice = 'service'"),
    "cost.tag_service_daily": Sum("tag_key = (select min(one.tag_key) from cost.tag_service_daily as one)"),
    "cost.resource_daily": Sum(),
    "cost.resource_cost": Sum(amount="cost", first="month", last="last_day(month)"),
    "cost.allocation": Sum(
        "tag_key = (select min(one.tag_key) from cost.allocation as one)", first="month", last="last_day(month)"
    ),
    "cost.movement": Sum(
        "slice = 'service' and month = (select max(one.month) from cost.movement as one)",
        amount="reporting_cost",
        currency="reporting_currency",
        first="month",
        last="through_date",
    ),
    "cost.spend_vs_budget": Sum(
        "scope = 'total' and budget_name = (select min(one.budget_name) from cost.spend_vs_budget as one "
        "where one.scope = 'total')",
        amount="period_to_date",
        first="period_start",
        last="last_complete_date",
    ),
    "cost.saving": Sum(
        "month = (select max(one.month) from cost.saving as one)",
        amount="identified",
        first="month",
        last="last_day(month)",
    ),
}
"""The tables whose rows can be added up. Budgets overlap, and an anomaly is no amount of its own."""


def cost_metadata(
    connection: "duckdb.DuckDBPyConnection", relation: str, sources: Collection[str], now: datetime
) -> dict[str, Any]:
    """Sum, window, requests, their price and the age of the data; of what a table has not, nothing.

    Args:
        sources: the listings that the table rests on.
        now: the time that the age is counted to.
    """
    shown: dict[str, Any] = {}
    if relation in SUMMED:
        how = SUMMED[relation]
        row = connection.execute(
            f"""
            select sum({how.amount}), any_value({how.currency}), min({how.first}), max({how.last})
            from {relation} where {how.rows}
            """
        ).fetchone()
        if row is not None and row[0] is not None:
            shown["sum"] = f"{row[0]:,.2f} {row[1]}"
            # Dagster plots numbers only; the text beside it is the exact one.
            shown["sum_plotted"] = float(row[0])
            shown["window"] = f"{row[2]} to {row[3]}"
    row = connection.execute(
        """
        with fetched as (
            select *
            from audit.collection
            where role = 'billing' and list_contains($sources, split_part(listing, ':', 1)) and request_count > 0
        )

        select
            sum(request_count),
            sum(request_count - throttle_count) filter (starts_with(listing, 'cost_')),
            (select max(ended_at) from fetched where is_trusted)
        from fetched
        where run_id = (select max_by(run_id, ended_at) from fetched)
        """,
        {"sources": sorted(sources)},
    ).fetchone()
    if row is not None and row[0] is not None:
        shown["requests"] = int(row[0])
        shown["requests_cost_usd"] = float(REQUEST_PRICE_USD * int(row[1] or 0))
        if row[2] is not None:
            shown["age_hours"] = round((now - row[2]).total_seconds() / 3600, 1)
    return shown


def month_metadata(connection: "duckdb.DuckDBPyConnection", months: Collection[str]) -> dict[str, dict[str, Any]]:
    """Rows, sum and window of months of the daily bill, by month; the zero of a month without rows is no sum."""
    rows = connection.execute(
        """
        select
            strftime(usage_date, '%Y-%m') as month, count(*), sum(unblended_cost) filter (slice = 'service'),
            any_value(currency), min(usage_date), max(usage_date), bool_or(is_stale)
        from cost.daily
        where list_contains($months, month)
        group by month
        """,
        {"months": sorted(months)},
    ).fetchall()
    shown: dict[str, dict[str, Any]] = {month: {"dagster/partition_row_count": 0} for month in sorted(months)}
    for month, count, amount, currency, first, last, is_stale in rows:
        shown[month] = {"dagster/partition_row_count": count, "window": f"{first} to {last}", "stale": is_stale}
        if amount is not None:
            shown[month] |= {"sum": f"{amount:,.2f} {currency}", "sum_plotted": float(amount)}
    return shown


def lineage_metadata(models: Mapping[str, Model]) -> Mapping[str, Mapping[str, Any]]:
    """Which columns the columns of each model come from, by relation: as Dagster knows it, and as a table to be read.

    Nothing of a model of which no column comes from any, such as one that is read from a file.
    """
    return once(_lineage_metadata, models)


def _lineage_metadata(models: Mapping[str, Model]) -> dict[str, dict[str, Any]]:
    lineage, key = lineage_of(models), cache(dg.AssetKey)
    shown: dict[str, dict[str, Any]] = {relation: {} for relation in models}
    for relation in models:
        known = {column: sorted(sources) for column, sources in lineage.of(relation).items() if sources}
        if known:
            deps = {
                column: [dg.TableColumnDep(key(source.asset), source.column) for source in sources]
                for column, sources in known.items()
            }
            shown[relation] = {
                "dagster/column_lineage": dg.TableColumnLineage(deps),
                "columns_come_from": dg.MetadataValue.table(
                    [dg.TableRecord({"column": column, "from": as_text(sources)}) for column, sources in known.items()],
                    schema=dg.TableSchema([dg.TableColumn("column"), dg.TableColumn("from")]),
                ),
            }
    return shown
