"""How the figures become a page: charts, tables and one template that takes only what was made here as HTML."""

import base64
import functools
import hashlib
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.charts import charts, drawing, svg
from pipelines.report import sections
from pipelines.report.caveats import caveats
from pipelines.report.figures import Figure
from pipelines.report.summary import summary
from pipelines.report.text import LONGEST_SENTENCE, NUMERIC, bar, console_address, plain, text_of, value_of

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

FOLDER = Path(__file__).parent
TEMPLATE = "page.html.j2"
STYLE = FOLDER / "page.css"
SCRIPT = FOLDER / "age.js"
TABLES = FOLDER / "tables.js"

DARK = {
    "#2f7d4f": "#56b37f",
    "#b7791f": "#e0a94a",
    "#b83232": "#ee7b74",
    "#7b8794": "#93a1b0",
    "#2b6cb0": "#6aa9e9",
    "#dd7f2c": "#f0a25e",
    "#3b8f72": "#5cbf9c",
    "#8a5fb5": "#b592e0",
    "#c2557c": "#e987aa",
    "#8c7327": "#cdb256",
    "#4aa3c7": "#7fd0ef",
    "#6b7f3a": "#a6bd6b",
    "#9aa5b1": "#76828f",
    "#1f2933": "#e8edf2",
    "#52606d": "#a9b6c3",
    "#d9dfe6": "#3a444e",
    "#e4e9ef": "#333d47",
    "#fdfefe": "#1b2127",
}
"""What each colour of the charts is on a dark screen."""

# ---------------------------------------------------------------------------------------------- the charts


def pictures(figures: Mapping[str, Figure]) -> dict[str, "Markup"]:
    """The charts by name, or instead of one why it was not drawn; one with nothing to show is not there."""
    wanted: dict[str, drawing.Chart] = {}
    titles: dict[str, str] = {}
    days = [
        charts.Day(row["usage_date"], row["cost_so_far"], row["previous_cost_so_far"])
        for row in figures["spend_by_day"]
    ]
    if days:
        first = days[0].day
        last = first.replace(day=monthrange(first.year, first.month)[1])
        wanted["month"] = partial(
            charts.month_so_far,
            days,
            last,
            budget=budget_of_all(figures, first.replace(day=1)),
            forecast=_forecast(figures, days[-1].day),
        )
        titles["month"] = f"Spend of {first:%B %Y} day by day, beside the month before, with the forecast of its end"
    bars = [
        charts.Bar(
            plain(row["budget_name"]),
            row["period_to_date"],
            row["budget"],
            row["forecast"],
            row["verdict"],
            row["currency"],
        )
        for row in figures["spend_by_budget"].rows[: charts.BARS_SHOWN]
        if row["period_to_date"] is not None and row["budget"] is not None and row["budget"] > 0
    ]
    if bars:
        wanted["budgets"] = partial(charts.spend_against_budget, bars)
        titles["budgets"] = "Spend of each budget, and its forecast"
    months = [row["month"] for row in figures["months"]]
    remarks = {
        row["month"]: "to date" if row["state"] == "running" else "no rate" if row["cost"] is None else row["state"]
        for row in figures["months"]
        if row["state"] not in ("closed",) or row["cost"] is None
    } | {row["month"]: "not read" for row in figures["months"] if row["state"] == "not read"}
    for name, column in (("accounts", "account_name"), ("services", "service")):
        parts = [
            charts.Part(row["month"], _series(row, column), row["place"], row["cost"])
            for row in figures[f"monthly_by_{column.removesuffix('_name')}"]
        ]
        if parts:
            wanted[name] = partial(charts.monthly_stack, parts, months, remarks)
            titles[name] = f"The bill by month and {column.removesuffix('_name')}"
    from markupsafe import Markup

    # What `inline` returns holds only elements and attributes that it knows.
    return {
        name: Markup('<p class="unknown">{}</p>').format(plain(drawn, LONGEST_SENTENCE))
        if isinstance(drawn, drawing.DrawingError)
        else Markup(svg.inline(drawn, name=f"chart-{name}", title=titles[name]))
        for name, drawn in drawing.each_svg(wanted).items()
    }


def budget_of_all(figures: Mapping[str, Figure], month: date) -> Decimal | None:
    """The budget that the whole bill of a month is held against; None where a part of the bill has none."""
    for row in figures["spend_total"]:
        if row["period_start"] == month and row["budget"] is not None and row["unbudgeted_to_date"] == 0:
            return Decimal(row["budget"])
    return None


def _forecast(figures: Mapping[str, Figure], through: date) -> tuple[Decimal | None, ...]:
    """Forecast, lowest and highest of the month that is known through a day."""
    row = figures["forecast_range"].first
    if row is None or row["through_date"] != through:
        return None, None, None
    return row["forecast"], row["lowest"], row["highest"]


def _series(row: Mapping[str, Any], column: str) -> str:
    if row["place"] > 8:
        return "all others"
    return plain(row[column] or row.get("account_id") or "unknown")


# ------------------------------------------------------------------------------------------------ the page


@dataclass(frozen=True)
class Stack:
    """A table of months by series: row index of the figure for each pair."""

    months: list[date]
    names: list[tuple[str, int]]
    at: Mapping[tuple[int, date], int]


def stack(figure: Figure, column: str) -> Stack:
    """A monthly figure as a table: a line a series, a column a month."""
    months = sorted({row["month"] for row in figure})
    names: dict[int, str] = {}
    for row in figure:
        names[row["place"]] = _series(row, column)
    return Stack(
        months,
        [(names[place], place) for place in sorted(names)],
        {(row["place"], row["month"]): index for index, row in enumerate(figure)},
    )


@dataclass(frozen=True)
class Heat:
    """The coverage as a table of accounts by regions."""

    regions: list[str]
    accounts: list[tuple[int, Mapping[str, Any]]]
    at: Mapping[tuple[int, str], int]


def heat(figure: Figure) -> Heat:
    """The coverage by place and region: where each cell stands in the figure."""
    accounts: dict[int, Mapping[str, Any]] = {}
    for row in figure:
        accounts.setdefault(row["place"], row)
    regions = sorted({row["region"] for row in figure}, key=lambda region: (region != "aws-global", region))
    return Heat(
        regions, sorted(accounts.items()), {(row["place"], row["region"]): index for index, row in enumerate(figure)}
    )


def heat_kind(row: Mapping[str, Any]) -> str:
    """How a cell of the heat map stands: all responses can be trusted, some of them, or none."""
    if not row["cell_count"]:
        return "none-requested"
    if row["trusted_count"] == row["cell_count"]:
        return "trusted"
    if row["not_requested_count"] == row["cell_count"]:
        return "not-requested"
    return "partly" if row["trusted_count"] else "untrusted"


def _finalised(value: Any) -> Any:
    """Whatever a template prints: only what was made here as HTML is taken as such."""
    from markupsafe import Markup

    return value if isinstance(value, Markup) else plain(value, LONGEST_SENTENCE)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        # Also what does not end in .html is HTML here.
        autoescape=True,
        finalize=_finalised,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.globals |= {
        "value": value_of,
        "bar": bar,
        "stack": stack,
        "heat": heat,
        "heat_kind": heat_kind,
        "numeric": NUMERIC,
        "text_of": text_of,
        "ask": sections.question,
        "console": console_address,
    }
    return environment


def style() -> str:
    """The style sheet, with the charts' colours of the night."""
    dark = "\n".join(
        f'svg [{what}="{light}"] {{ {what}: {by_night}; }}'
        for light, by_night in DARK.items()
        for what in ("fill", "stroke")
    )
    return f"{STYLE.read_text(encoding='utf-8')}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def digest_of(text: str) -> str:
    """The hash by which a content security policy allows one text of a style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def render(figures: Mapping[str, Figure], now: datetime, ui_url: str = "", explorer: str = "") -> str:
    """The page. It reaches for nothing: no font, no other file, and its own policy forbids them.

    One script shows how old the file is when it is opened, the other saves a table as CSV. The policy allows these two
    texts alone, by their hashes.

    Args:
        ui_url: where Dagster's UI is, to which the assets behind a figure link; they are only named where it is empty.
        explorer: the explorer's page, relative to this one; empty where there is none, and nothing leads there then.
    """
    from markupsafe import Markup

    sheet, script, tables = style(), SCRIPT.read_text(encoding="utf-8"), TABLES.read_text(encoding="utf-8")
    page: str = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            q=figures,
            run=figures["run"].first,
            caveats=caveats(figures, now),
            summary=summary(figures),
            charts=pictures(figures),
            maps=sections.maps(figures, plain),
            applications=sections.applications(figures),
            now=now,
            ui_url=ui_url.rstrip("/"),
            explorer=explorer,
            style=Markup(sheet),
            script=Markup(script),
            tables=Markup(tables),
            policy=f"default-src 'none'; style-src '{digest_of(sheet)}'; "
            f"script-src '{digest_of(script)}' '{digest_of(tables)}'; base-uri 'none'; form-action 'none'",
        )
    )
    return page.lstrip()
