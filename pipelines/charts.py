"""Small pictures on an asset's page: SVG by hand, since a chart library weighs more than all that it would draw."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    import duckdb

COLOURS = {"green": "#2e7d32", "amber": "#ef8f00", "red": "#c62828"}
UNJUDGED = "#757575"
BARS_SHOWN = 20
LABEL, BAR, FIGURES, LINE = 250, 380, 200, 26
"""Widths of the three columns and height of a line, in pixels."""


@dataclass(frozen=True)
class Bar:
    """One budget, and what was spent of it."""

    name: str
    spent: Decimal
    budget: Decimal
    forecast: Decimal | None
    verdict: str | None
    currency: str


def drawn(relation: str, connection: "duckdb.DuckDBPyConnection") -> str | None:
    """The picture of a table as Markdown; None where it has none, or nothing to show."""
    if relation != "cost.spend_vs_budget":
        return None
    rows = connection.execute(
        """
        select scope || ' ' || budget_name, month_to_date, budget, forecast, verdict, currency
        from cost.spend_vs_budget
        where
            as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
            and month_to_date is not null and budget > 0
        order by month_to_date / budget desc, 1
        limit $shown
        """,
        {"shown": BARS_SHOWN},
    ).fetchall()
    if not rows:
        return None
    svg = spend_against_budget([Bar(*row) for row in rows])
    return f"![spend against budget](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def spend_against_budget(bars: Sequence[Bar]) -> str:
    """A bar a budget, all budgets of one length: what is spent, coloured by verdict, and a line for the forecast."""
    # What goes beyond its budget twice over is cut off, so that one does not make the others invisible.
    longest = min(max([Decimal(1), *(max(b.spent, b.forecast or b.spent) / b.budget for b in bars)]), Decimal(2))

    def length(amount: Decimal, bar: Bar) -> float:
        return float(max(min(amount / bar.budget, longest), Decimal(0)) / longest * BAR)

    height = LINE * len(bars) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + BAR + FIGURES}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="{height}" fill="white"/>',
    ]
    for number, bar in enumerate(bars):
        top = number * LINE + 6
        colour = COLOURS.get(bar.verdict or "", UNJUDGED)
        lines += [
            f'<text x="{LABEL - 8}" y="{top + 13}" text-anchor="end">{escape(_short(bar.name))}</text>',
            f'<rect x="{LABEL}" y="{top}" width="{length(bar.budget, bar):.1f}" height="18" fill="#e0e0e0"/>',
            f'<rect x="{LABEL}" y="{top + 3}" width="{length(bar.spent, bar):.1f}" height="12" fill="{colour}"/>',
        ]
        if bar.forecast is not None:
            at = LABEL + length(bar.forecast, bar)
            lines.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 2}" y2="{top + 20}" stroke="{colour}"/>')
        lines.append(
            f'<text x="{LABEL + BAR + 8}" y="{top + 13}">{bar.spent:,.0f} of {bar.budget:,.0f} '
            f"{escape(bar.currency)}</text>"
        )
    return "".join([*lines, "</svg>"])


def _short(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:35]}…"
