"""What Dagster's UI shows beside a raw asset: its requests, its outcomes, and the first cells that are untrusted."""

from collections.abc import Sequence
from typing import Any

from pipelines.collection.cells import ListingStats
from pipelines.dagster_metadata import rows_table


def listing_metadata(stats: ListingStats, findings: Sequence[str]) -> dict[str, Any]:
    """The metadata of a raw asset."""
    shown: dict[str, Any] = {
        "dagster/row_count": stats.record_count,
        "cells": stats.cells,
        "requests": stats.requests,
        "throttled": stats.throttles,
    }
    shown |= {f"cells_{outcome}": count for outcome, count in sorted(stats.outcomes.items())}
    table = rows_table(
        [
            {
                "account_id": cell.account_id,
                "region": cell.region,
                "listing": cell.listing,
                "outcome": cell.outcome,
                "why": cell.error_message or cell.skip_reason,
            }
            for cell in stats.untrusted
        ]
    )
    if table is not None:
        shown["untrusted_cells"] = table
    # A table, since its cells are text: Markdown would make links and pictures of what names hold.
    table = rows_table([{"finding": finding} for finding in findings])
    if table is not None:
        shown["to_mend"] = table
    return shown
