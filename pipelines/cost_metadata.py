"""What Dagster's UI shows beside a table of money: its sum and window, what asking for it took, how old it is."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.cost import REQUEST_PRICE_USD

if TYPE_CHECKING:
    import duckdb

SUMMED: Mapping[str, str] = {
    "cost.daily": "slice = 'service'",
    "cost.tag_service_daily": "tag_key = (select min(first.tag_key) from cost.tag_service_daily as first)",
    "cost.resource_daily": "true",
}
"""The tables whose rows can be added up, and the rows that hold every amount once."""


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
        row = connection.execute(
            f"""
            select sum(unblended_cost), any_value(currency), min(usage_date), max(usage_date)
            from {relation} where {SUMMED[relation]}
            """
        ).fetchone()
        if row is not None and row[0] is not None:
            shown["sum"] = f"{row[0]:,.2f} {row[1]}"
            shown["window"] = f"{row[2]} to {row[3]}"
    row = connection.execute(
        """
        with asked as (
            select *
            from audit.collection
            where role = 'billing' and list_contains($sources, split_part(listing, ':', 1)) and request_count > 0
        )

        select
            sum(request_count),
            sum(request_count - throttle_count) filter (starts_with(listing, 'cost_')),
            (select max(ended_at) from asked where is_trusted)
        from asked
        where run_id = (select max_by(run_id, ended_at) from asked)
        """,
        {"sources": sorted(sources)},
    ).fetchone()
    if row is not None and row[0] is not None:
        shown["requests"] = int(row[0])
        shown["requests_cost_usd"] = f"{REQUEST_PRICE_USD * int(row[1] or 0)}"
        if row[2] is not None:
            shown["age_hours"] = round((now - row[2]).total_seconds() / 3600, 1)
    return shown
