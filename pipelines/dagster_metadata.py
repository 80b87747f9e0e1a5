"""What Dagster's UI shows beside an asset or a check: counts, and small tables that are cut at a limit."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from pipelines.collection.collector import Tally
from pipelines.models.lineage import Sources, as_text
from pipelines.plain_text import plain

ROWS_SHOWN = Tally.SHOWN


def rows_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | None:
    """Rows as a table of text, cut at `ROWS_SHOWN`; None where there are none."""
    if not rows:
        return None
    columns = list(rows[0])
    return dg.MetadataValue.table(
        [
            dg.TableRecord({name: "" if row[name] is None else plain(row[name]) for name in columns})
            for row in rows[:ROWS_SHOWN]
        ],
        schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
    )


def cells_table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The metadata of a check: how many rows are at fault, and the first of them."""
    table = rows_table(rows)
    return {} if table is None else {"at_fault": len(rows), "rows": table}


def lineage_metadata(lineage: Mapping[str, Sources]) -> dict[str, Any]:
    """Which columns each column comes from: for Dagster's own page of lineage, and as a table that people read."""
    if not lineage:
        return {}
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                name: [dg.TableColumnDep(dg.AssetKey(source.asset), source.column) for source in sorted(sources)]
                for name, sources in lineage.items()
            }
        ),
        "columns_come_from": dg.MetadataValue.table(
            [dg.TableRecord({"column": name, "from": as_text(sources)}) for name, sources in lineage.items()],
            schema=dg.TableSchema([dg.TableColumn("column"), dg.TableColumn("from")]),
        ),
    }


def listing_metadata(tally: Tally, findings: Sequence[str]) -> dict[str, Any]:
    """The metadata of a raw asset."""
    shown: dict[str, Any] = {
        "dagster/row_count": tally.record_count,
        "cells": tally.cells,
        "requests": tally.requests,
        "throttled": tally.throttles,
    }
    shown |= {f"cells_{outcome}": count for outcome, count in sorted(tally.outcomes.items())}
    table = rows_table(
        [
            {
                "account_id": cell.account_id,
                "region": cell.region,
                "listing": cell.listing,
                "outcome": cell.outcome,
                "why": cell.error_message or cell.skip_reason,
            }
            for cell in tally.untrusted
        ]
    )
    if table is not None:
        shown["untrusted_cells"] = table
    # A table, since its cells are text: Markdown would make links and pictures of what names hold.
    table = rows_table([{"finding": finding} for finding in findings])
    if table is not None:
        shown["to_mend"] = table
    return shown
