"""The comparison as a page: one self-contained HTML file that opens offline."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipelines.differences.comparing import Comparison, Row
from pipelines.differences.text import HEADINGS, money, summary, verdict_after, verdict_before
from pipelines.report.page import TABLES, digest_of, style
from pipelines.report.text import LONGEST_TEXT, plain
from resources import release
from resources.store.errors import WarehouseError
from resources.store.files import atomic_write

TEMPLATE = Path(__file__).parent / "page.html.j2"

SHOWN = 500
"""Rows of each section on the page: it stays small enough for a mail."""

NUMERIC = ("cost_before", "cost_after", "difference", "restated")


def write_page(comparison: Comparison, path: Path) -> None:
    """Write the page of a comparison; what is at the path is replaced, whole or not at all.

    Raises:
        WarehouseError: it cannot be written. What was at the path is as it was.
    """
    page = render(comparison)
    try:
        with atomic_write(path) as file:
            file.write(page)
    except OSError as error:
        raise WarehouseError(
            f"The page cannot be written to {path}: {error.strerror or error}. Name another place.", exit_code=2
        ) from error


def render(comparison: Comparison) -> str:
    """The page as HTML. It reaches for nothing, and its own policy forbids everything but its style and one script."""
    import jinja2
    from markupsafe import Markup

    release.require("pipelines/differences")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True)
    environment.filters["plain"] = lambda value, longest=LONGEST_TEXT: plain(value, longest)
    sheet, script = style(), TABLES.read_text(encoding="utf-8")
    page: str = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        before=comparison.before,
        after=comparison.after,
        doubt=comparison.doubt,
        sections=[_section(comparison, name) for name in HEADINGS],
        numeric=NUMERIC,
        shown=_shown,
        style=Markup(sheet),
        script=Markup(script),
        policy=f"default-src 'none'; style-src '{digest_of(sheet)}'; script-src '{digest_of(script)}'; "
        "base-uri 'none'; form-action 'none'",
    )
    return page


def _section(comparison: Comparison, name: str) -> dict[str, Any]:
    rows = comparison.rows[name]
    return {
        "name": name,
        "heading": HEADINGS[name],
        "summary": summary(comparison, name),
        "rows": rows[:SHOWN],
        "columns": list(rows[0]) if rows else [],
        "left_out": max(len(rows) - SHOWN, 0),
    }


def _shown(row: Row, column: str) -> str:
    """A value as the page shows it: that something is not there is said only where that was judged."""
    verdicts = {"verdict_before": verdict_before, "verdict_after": verdict_after}
    value = verdicts[column](row) if column in verdicts else row[column]
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        return money(value) if column in ("difference", "restated") else f"{value:,.2f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        return f"{value:%Y-%m}" if column == "month" else f"{value:%Y-%m-%d}"
    return plain(value, 300)
