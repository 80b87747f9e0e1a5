"""Metadata for Dagster's UI beside an asset or a check: counts, and small tables with a row limit."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from pipelines.plain_text import plain

ROWS_SHOWN = 50

PUBLISHED_KEY = dg.AssetKey(["published"])
"""The key of the file that analysts read."""

COPY_KEY = dg.AssetKey(["published_copy"])
"""The key of its copy in an object store; there is such an asset where one is set."""


def rows_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | None:
    """Rows as a table of text with at most `ROWS_SHOWN` rows; None without rows."""
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
    """The metadata of a check: the number of rows at fault, 0 where it passed, and the first of them."""
    table = rows_table(rows)
    return {"at_fault": len(rows)} | ({} if table is None else {"rows": table})
