"""Metadata of a raw asset for Dagster's UI: requests, outcomes, and the first untrusted cells."""

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
    # A table shows its cells as text; Markdown would turn names into links and pictures.
    table = rows_table([{"finding": finding} for finding in findings])
    if table is not None:
        shown["to_mend"] = table
    return shown
