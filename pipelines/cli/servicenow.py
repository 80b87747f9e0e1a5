"""`cmdb export servicenow`: configuration items and their relations as two CSV files for ServiceNow."""

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from pipelines.cli.command import (
    Command,
    Group,
    Misused,
    demo_option,
    json_option,
    plainly,
    print_json,
    say,
    store_of,
)
from pipelines.plain_text import as_csv_cell

if TYPE_CHECKING:
    from resources.store.store import Store

FILES = {
    "servicenow_ci.csv": "select * from cmdb.servicenow_ci order by correlation_id",
    "servicenow_relationship.csv": 'select * from cmdb.servicenow_relationship order by parent, "type", child',
}
"""The SQL queries of the two files, by file name."""

ROWS_AT_ONCE = 10_000


class ExportError(Misused):
    """The files could not be written. The message is one sentence and says that nothing was written."""


@dataclass(frozen=True)
class ExportedFile:
    """One exported file.

    Attributes:
        rows: how many rows it has, without its header.
        judged, unknown: cells that its rows rest on, whose newest response counts or does not (`audit.claim`).
        unknown_reason: why they are unknown, with how many each; None where none is.
    """

    file: str
    rows: int
    judged: int
    unknown: int
    unknown_reason: str | None

    def __str__(self) -> str:
        """One line: what the file holds, and what it cannot hold."""
        known = f"{self.file}  {self.rows:,} rows of {self.judged:,} judged cells"
        if not self.unknown:
            return known
        return f"{known}; {self.unknown:,} more are unknown ({self.unknown_reason}), so the file may lack what is there"


@click.group(cls=Group)
def export() -> None:
    """Export the dataset to other systems."""


@export.command(name="servicenow", cls=Command)
@click.argument("dir", type=click.Path(path_type=Path))
@demo_option
@json_option
@plainly
def export_servicenow(dir: Path, demo: bool, as_json: bool) -> None:
    """Write the published configuration items and their relations as CSV files for ServiceNow's import sets.

    DIR gets servicenow_ci.csv (coalesce on correlation_id) and servicenow_relationship.csv (parent, type, child), each
    complete or not at all. For each file the command prints how much of its scope is unknown.

    Example: cmdb export servicenow exports
    """
    store = store_of(demo=demo)
    store.require_current_schema()
    exported = export_to(dir, store)
    if as_json:
        print_json([asdict(file) for file in exported])
        return
    for file in exported:
        say(str(file))


def export_to(folder: Path, store: "Store") -> list[ExportedFile]:
    """Write both CSV files from the published file, each complete or not at all.

    Each file is written under a temporary name in the folder; both are renamed when both are complete. So a reader of
    the folder finds the last file or the new one, never half of one. A cell that a spreadsheet would take for a formula
    begins with an apostrophe.

    Raises:
        ExportError: the folder cannot be written to. The files of an earlier export are unchanged.
        WarehouseError: nothing is published yet.
    """
    from resources.store.files import atomic_writes, make_folder

    try:
        with store.published() as connection:
            make_folder(folder)
            exported = []
            scopes = {
                claim: scope
                for claim, *scope in connection.execute(
                    "select claim, judged, unknown, unknown_reason from audit.claim where starts_with(claim, $claims)",
                    {"claims": "cmdb.servicenow_"},
                ).fetchall()
            }
            with atomic_writes([folder / name for name in FILES]) as files:
                for file, (name, sql) in zip(files, FILES.items(), strict=True):
                    cursor = connection.execute(sql)
                    rows = _write(file, [column[0] for column in cursor.description or ()], _rows(cursor))
                    exported.append(ExportedFile(str(folder / name), rows, *scopes[f"cmdb.{Path(name).stem}"]))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(
            f"{folder} cannot be written to: {reason}. Nothing was exported. Name a folder that you may write to."
        ) from error
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
