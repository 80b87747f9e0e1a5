"""The page on disk: whole or not at all, and never larger than a mail takes."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.report.figures import query_figures
from pipelines.report.page import render
from resources.store.engine import release_memory
from resources.store.errors import WarehouseError
from resources.store.files import atomic_write
from resources.store.store import Store

MOST_BYTES = 2_000_000


@dataclass(frozen=True)
class Written:
    """A report that was written."""

    path: Path
    size: int
    run_id: str


def report_path(database: Path) -> Path:
    """Where the report of a published file lies: beside it, named as the warehouse's other files are."""
    return database.with_name(f"{Store(database).stem}.report.html")


def write_report(store: Store, path: Path, now: datetime, ui_url: str = "", explorer: str = "") -> Written:
    """Write the report of what is published.

    Args:
        path: what is there is replaced.
        now: when it is made, which the page shows.
        ui_url: where Dagster's UI is, as of `render`.
        explorer: the explorer's page beside it, as of `render`.

    Raises:
        WarehouseError: there is nothing to report, or it cannot be written. What was at the path is as it was.
    """
    figures = query_figures(store)
    # Nothing is queried any more, and drawing takes what there is.
    release_memory()
    page = render(figures, now, ui_url, explorer)
    size = len(page.encode())
    if size > MOST_BYTES:
        raise WarehouseError(
            f"The report would have {size:,} bytes, more than the {MOST_BYTES:,} that a mail takes. It was not "
            "written, and what was published is as it was. Every list in it is cut, so this is a fault of the product: "
            "please report it."
        )
    run = figures["run"].first
    assert run is not None, "what is published was published by a run"
    try:
        with atomic_write(path) as file:
            file.write(page)
    except OSError as error:
        raise WarehouseError(
            f"The report cannot be written to {path}: {error.strerror or error}. What was published is as it was. Name "
            "another place with `cmdb report --output FILE`.",
            exit_code=2,
        ) from error
    return Written(path, size, str(run["run_id"]))
