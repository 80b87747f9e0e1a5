"""Configuration items and their relations as two CSV files for ServiceNow's import sets."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pipelines.exports.files import ExportedFile, explained, scopes
from pipelines.plain_text import as_csv_cell
from resources.store.files import atomic_writes, make_folder

if TYPE_CHECKING:
    from resources.store.store import Store

FILES = {
    "servicenow_ci.csv": "select * from cmdb.servicenow_ci order by correlation_id",
    "servicenow_relationship.csv": 'select * from cmdb.servicenow_relationship order by parent, "type", child',
}
"""The SQL queries of the two files, by file name."""

ROWS_AT_ONCE = 10_000


def export_to(folder: Path, store: "Store") -> list[ExportedFile]:
    """Write both CSV files from the published file, each complete or not at all.

    Each file is written under a temporary name in the folder; both are renamed when both are complete. So a reader of
    the folder finds the last file or the new one, never half of one. A cell that a spreadsheet would take for a formula
    begins with an apostrophe.

    Raises:
        ExportError: the folder cannot be written to. The files of an earlier export are unchanged.
        WarehouseError: nothing is published yet.
    """
    with explained(folder), store.published() as connection:
        make_folder(folder)
        exported = []
        known = scopes(connection)
        with atomic_writes([folder / name for name in FILES]) as files:
            for file, (name, sql) in zip(files, FILES.items(), strict=True):
                cursor = connection.execute(sql)
                rows = _write(file, [column[0] for column in cursor.description or ()], _rows(cursor))
                exported.append(ExportedFile.of(folder / name, rows, known[f"cmdb.{Path(name).stem}"]))
    return exported


def _rows(cursor: Any) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield from rows


def _write(file: TextIO, names: list[str], rows: Iterator[tuple[Any, ...]]) -> int:
    count = 0
    writer = csv.writer(file)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        count += 1
    return count


def _cell(value: Any) -> str:
    """A value as text: times in UTC in ServiceNow's format, and nothing that a spreadsheet would evaluate."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return as_csv_cell(str(value))
