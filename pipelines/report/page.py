"""How the figures become a page: text that cannot do harm, pictures, and what is to be known before one is believed."""

import base64
import functools
import hashlib
from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import plain_text
from pipelines.charts import charts, drawing
from pipelines.report import sections
from pipelines.report.figures import Figure

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

FOLDER = Path(__file__).parent
TEMPLATE = "page.html.j2"
STYLE = FOLDER / "page.css"

FRESH = timedelta(hours=26)
"""How old a night may be before the page says that it is old."""

LONGEST_TEXT, LONGEST_SENTENCE = 140, 1000

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


@dataclass(frozen=True)
class Caveat:
    """What is missing, stale or not to be taken at its word, said in the banner and again where it matters.

    Attributes:
        section: the id of the section that it concerns.
        kind: missing, stale, example or note.
        figure: the query that it comes from.
    """

    section: str
    kind: str
    sentence: str
    figure: str


# ----------------------------------------------------------------------------------------------- the words


def plain(value: object, longest: int = LONGEST_TEXT) -> str:
    """A value as one line of text of a length that a page bears."""
    return plain_text.plain(value, longest)


def rounded(value: Decimal, places: int) -> str:
    """A number with thousands separated; half is rounded up, as on an invoice."""
    step = Decimal(1).scaleb(-places)
    amount = value.quantize(step, rounding=ROUND_HALF_UP)
    if not amount and value:
        return f"{'−' if value < 0 else ''}<{step}"
    return f"{amount:,}".replace("-", "−")


def places_of(figure: Figure) -> int:
    """Cents only where no amount of the figure is large."""
    amounts = [
        abs(amount)
        for row in figure
        for column, amount in row.items()
        if isinstance(amount, Decimal) and not column.endswith(("rate", "pct"))
    ]
    return 0 if amounts and max(amounts) >= 100 else 2


def text_of(value: Any, kind: str, places: int = 0) -> str:
    """A value as the page shows it."""
    match kind:
        case "money":
            return rounded(Decimal(value), places)
        case "change":
            amount = rounded(Decimal(value), places)
            return amount if value <= 0 or amount.startswith("<") else f"+{amount}"
        case "percent":
            return f"{rounded(Decimal(str(value)), 1)} %"
        case "rate":
            return rounded(Decimal(value), 4)
        case "count":
            return f"{int(value):,}"
        case "month":
            return f"{value:%b %Y}"
        case "date":
            return f"{value:%Y-%m-%d}"
        case "sentence":
            return plain(value, LONGEST_SENTENCE)
        case "word":
            return plain(value).replace("_", " ")
        case "time":
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        case _:
            return plain(value)


NUMERIC = frozenset({"money", "change", "percent", "rate", "count"})


def value_of(figure: Figure, index: int, column: str, kind: str = "text", null: str = "unknown") -> "Markup":
    """One value of a figure, with where it comes from.

    Args:
        null: what stands where there is none: what is not known is never shown as nothing.
    """
    from markupsafe import Markup

    value = figure.rows[index][column]
    where = Markup('data-figure="{}" data-row="{}" data-column="{}"').format(figure.name, index, column)
    if value is None:
        return Markup('<span class="unknown" {}>{}</span>').format(where, null)
    shown = text_of(value, kind, places_of(figure) if kind in ("money", "change") else 0)
    if kind in NUMERIC:
        return Markup('<data value="{}" {}>{}</data>').format(f"{value}", where, shown)
    if kind in ("month", "date", "time"):
        return Markup('<time datetime="{}" {}>{}</time>').format(value.isoformat(), where, shown)
    return Markup("<bdi {}>{}</bdi>").format(where, shown)


def bar(parts: Sequence[tuple[Any, str]], total: Any) -> "Markup":
    """A line of coloured lengths, 100 wide where the parts are the total."""
    from markupsafe import Markup

    drawn, at = [], 0.0
    for amount, kind in parts:
        width = 0.0 if not total or amount is None else max(min(float(amount) / float(total) * 100, 100.0 - at), 0.0)
        drawn.append(
            Markup('<rect class="{}" x="{}" width="{}" height="10"/>').format(kind, f"{at:.2f}", f"{width:.2f}")
        )
        at += width
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(drawn))


# --------------------------------------------------------------------------------------------- the caveats


def caveats(figures: Mapping[str, Figure], now: datetime) -> list[Caveat]:
    """Everything that a reader has to know before a figure is believed."""
    found: list[Caveat] = []

    def say(section: str, kind: str, sentence: str, figure: str) -> None:
        found.append(Caveat(section, kind, sentence, figure))

    night = figures["night"].first or {}
    if night and now - night["finished_at"] > FRESH:
        hours = (now - night["finished_at"]) / timedelta(hours=1)
        say("top", "stale", f"The newest published night is {hours:,.0f} hours old.", "night")
    for row in figures["stale"]:
        if row["stale_count"]:
            section = "health" if row["what"] == "configuration items" else "spend"
            say(
                section,
                "stale",
                f"{row['stale_count']:,} {row['what']} of {row['account_count']:,} account(s) are shown as they were "
                f"at {text_of(row['true_at'], 'time')} or later: this night's answer could not be believed.",
                "stale",
            )
    for row in figures["months"]:
        if row["state"] in ("not read", "stale", "days missing"):
            known = "is not in any figure" if row["state"] == "not read" else f"has {row['day_count']} day(s)"
            say("months", "missing", f"{row['month']:%B %Y}: {row['state']}; it {known}.", "months")
        elif row["cost"] is None:
            say("months", "missing", f"{row['month']:%B %Y} has a day without an exchange rate: unknown.", "months")
    for row in figures["allocation_by_key"]:
        if row["why_unknown"]:
            say(
                "allocation",
                "missing",
                f"{plain(row['tag_key'])} says nothing about {row['month']:%B %Y}: {row['why_unknown']}.",
                "allocation_by_key",
            )
    found += _of_coverage(figures)
    found += [Caveat(*caveat) for caveat in sections.caveats(figures)]
    for row in figures["examples"]:
        if row["example_count"]:
            say(
                "spend",
                "example",
                f"{row['example_count']:,} {row['what']} are the product's examples, nobody's own figures.",
                "examples",
            )
    if not figures["spend_total"]:
        say("spend", "missing", "No budget is set for this month in ref.budget, so nothing is judged.", "spend_total")
    return found


def _of_coverage(figures: Mapping[str, Figure]) -> Iterable[Caveat]:
    unreached = figures["unreached"]
    if unreached:
        shares = [row["share_pct"] for row in unreached if row["share_pct"] is not None]
        names = ", ".join(f"{plain(row['account_name'])} ({row['account_id']})" for row in unreached.rows[:5])
        yield Caveat(
            "coverage",
            "missing",
            f"No profile reaches {len(unreached):,} account(s), {float(sum(shares)):.1f} % of the last thirty days' "
            f"spend: {names}{', …' if len(unreached) > 5 else ''}. What they hold is unknown; what they cost is in the "
            "bill.",
            "unreached",
        )
    wrong = [row for row in figures["untrusted"] if row["outcome"] != "skipped"]
    if wrong:
        yield Caveat(
            "coverage",
            "stale",
            f"{sum(row['question_count'] for row in wrong):,} answer(s) of AWS cannot be believed "
            f"({', '.join(sorted({row['outcome'] for row in wrong}))}): what rests on them is as it was before.",
            "untrusted",
        )
    limited = sum(row["question_count"] for row in figures["untrusted"] if row["reason"] == "request_limit")
    if limited:
        yield Caveat(
            "months",
            "missing",
            f"{limited:,} part(s) of the bill were not asked, since CMDB_COST_REQUEST_LIMIT was reached; the next "
            "nights go on.",
            "untrusted",
        )


# ---------------------------------------------------------------------------------------------- the charts


def pictures(figures: Mapping[str, Figure]) -> dict[str, "Markup"]:
    """The charts by name; one that has nothing to show is not there.

    Raises:
        DrawingError: they could not be drawn.
    """
    wanted: dict[str, drawing.Chart] = {}
    titles: dict[str, str] = {}
    days = [charts.Day(row["usage_date"], row["cost_so_far"], row["is_complete"]) for row in figures["spend_by_day"]]
    total = figures["spend_total"].first or {}
    if days:
        first = days[0].day
        last = first.replace(day=monthrange(first.year, first.month)[1])
        own = total if total.get("period_start") == first.replace(day=1) else {}
        wanted["month"] = partial(charts.month_so_far, days, last, own.get("budget"), own.get("forecast"))
        titles["month"] = f"Spend of {first:%B %Y} day by day against an even pace of the budget"
    bars = [
        charts.Bar(
            plain(row["budget_name"]),
            row["month_to_date"],
            row["budget"],
            row["forecast"],
            row["verdict"],
            row["currency"],
        )
        for row in figures["spend_by_budget"].rows[: charts.BARS_SHOWN]
        if row["month_to_date"] is not None and row["budget"] is not None and row["budget"] > 0
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
    for name, column, others in (
        ("accounts", "account_name", "account_count"),
        ("services", "service", "service_count"),
    ):
        parts = [
            charts.Part(row["month"], _series(row, column, others), row["place"], row["cost"])
            for row in figures[f"monthly_by_{column.removesuffix('_name')}"]
        ]
        if parts:
            wanted[name] = partial(charts.monthly_stack, parts, months, remarks)
            titles[name] = f"The bill by month and {column.removesuffix('_name')}"
    from markupsafe import Markup

    # What `inline` returns holds only elements and attributes that it knows.
    return {
        name: Markup(charts.inline(svg, name=f"chart-{name}", title=titles[name]))
        for name, svg in zip(wanted, drawing.svgs([*wanted.values()]), strict=True)
    }


def _series(row: Mapping[str, Any], column: str, others: str) -> str:
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
        names[row["place"]] = _series(row, column, "")
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
    """How a cell of the heat map stands: all that was to be asked can be believed, some of it, or none."""
    if not row["question_count"]:
        return "none-asked"
    if row["trusted_count"] == row["question_count"]:
        return "trusted"
    if row["not_asked_count"] == row["question_count"]:
        return "not-asked"
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
    }
    return environment


def style() -> str:
    """The style sheet, with the charts' colours of the night."""
    night = "\n".join(
        f'svg [{what}="{light}"] {{ {what}: {dark}; }}' for light, dark in DARK.items() for what in ("fill", "stroke")
    )
    return f"{STYLE.read_text(encoding='utf-8')}\n@media screen and (prefers-color-scheme: dark) {{\n{night}\n}}\n"


def render(figures: Mapping[str, Figure], now: datetime) -> str:
    """The page. It reaches for nothing: no script, no font, no other file, and its own policy forbids them."""
    from markupsafe import Markup

    sheet = style()
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    page: str = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            q=figures,
            night=figures["night"].first,
            caveats=caveats(figures, now),
            charts=pictures(figures),
            maps=sections.maps(figures, plain),
            applications=sections.applications(figures),
            now=now,
            style=Markup(sheet),
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        )
    )
    return page.lstrip()
