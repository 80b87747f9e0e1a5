"""The explorer as a folder that any web server serves: the built page beside the data and the report."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.explorer.data import REPORT, write_data
from pipelines.exports.files import ExportError, replaced
from pipelines.report.writing import write_report

if TYPE_CHECKING:
    from resources.store.store import Store

STATIC = Path(__file__).parent / "static"
"""What `make explorer` builds: page, engine, licences. No part of the checkout; a released wheel has it."""

PARTS = ("index.html", "app.js", "app.css", "duckdb-eh.wasm", "duckdb-browser-eh.worker.js", "licenses.txt")


@dataclass(frozen=True)
class WrittenExplorer:
    """A folder that was written: the version of which it shows the rows, and the bytes of all its files."""

    folder: Path
    published: str
    size: int


def require_build() -> None:
    """Check that the page was built.

    Raises:
        ExportError: a part of it is missing.
    """
    missing = [part for part in PARTS if not (STATIC / part).is_file()]
    if missing:
        raise ExportError(
            f"The explorer's page is not built, since {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} "
            "missing. Nothing was written. In a checkout `make explorer` builds it, which needs Node and npm; a "
            "released wheel holds it."
        )


def export_explorer(folder: Path, store: "Store", ui_url: str = "") -> WrittenExplorer:
    """Write the page, its data and the report into a folder, which is replaced whole.

    Args:
        ui_url: where Dagster's UI is, to which the report links.

    Raises:
        ExportError: the page is not built, the folder cannot be written to or holds something else, or another run was
            published meanwhile. What was there is unchanged.
        WarehouseError: nothing is published yet, or its report cannot be written.
    """
    require_build()
    described = {"format": "explorer"}
    with replaced(folder, described) as part:
        described |= write_data(part, store)
        reported = write_report(store, part / REPORT, datetime.now(UTC), ui_url, explorer="index.html")
        if reported.run_id != described["run_id"]:
            raise ExportError(
                f"Run {reported.run_id} was published while the explorer was being written. Nothing was written; do it "
                "again."
            )
        for name in PARTS:
            shutil.copyfile(STATIC / name, part / name)
        size = sum(path.stat().st_size for path in part.iterdir())
    return WrittenExplorer(folder, described["published"], size)
