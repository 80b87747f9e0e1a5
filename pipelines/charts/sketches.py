"""Small SVG pictures for the asset pages in Dagster, without a drawing library: daily cost, and trusted cells.

They show at a glance whether something is unusual; exact values belong into the report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from pipelines.charts import charts, svg
from pipelines.charts.labels import shortened

if TYPE_CHECKING:
    import duckdb

DAYS_SHOWN = 62
ACCOUNTS_SHOWN = 40
REGIONS_SHOWN = 34

TRUSTED, PARTLY, UNTRUSTED, NOT_REQUESTED = "trusted", "partly", "untrusted", "not requested"
COLOURS: Mapping[str, str] = {
    TRUSTED: charts.COLOURS["green"],
    PARTLY: charts.COLOURS["amber"],
    UNTRUSTED: charts.COLOURS["red"],
    NOT_REQUESTED: charts.TRACK,
}


@dataclass(frozen=True)
class Day:
    """The cost of a day; an estimate is drawn pale."""

    day: date
    cost: Decimal
    is_estimated: bool


@dataclass(frozen=True)
class Square:
    """The number of requested and of trusted cells in an account and region."""

    account: str
    region: str
    requested: int
    trusted: int

    @property
    def kind(self) -> str:
        """Whether all, some or none of the requested cells are trusted, or no cell was requested."""
        if not self.requested:
            return NOT_REQUESTED
        return TRUSTED if self.trusted == self.requested else PARTLY if self.trusted else UNTRUSTED


def spend(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """A bar chart of the newest days' cost, as Markdown; None where no cost is known."""
    rows = connection.execute(
        """
        select usage_date, sum(unblended_cost), bool_or(is_estimated), any_value(currency)
        from cost.daily
        where slice = 'service'
        group by usage_date
        order by usage_date desc
        limit $shown
        """,
        {"shown": DAYS_SHOWN},
    ).fetchall()
    if not rows:
        return None
    days = [Day(day, cost, estimated) for day, cost, estimated, _ in reversed(rows)]
    return svg.in_markdown(bars(days, str(rows[0][3])), f"what each day cost, {days[0].day} to {days[-1].day}")


def coverage(connection: "duckdb.DuckDBPyConnection") -> str | None:
    """A grid of trusted cells by account and region, the worst accounts first, as Markdown; None without cells."""
    rows = connection.execute(
        """
        with square as (
            select
                coverage.account_id, coverage.region,
                count(*) filter (coverage.outcome <> 'skipped') as requested,
                count(*) filter (coverage.outcome <> 'skipped' and coverage.is_trusted) as trusted
            from audit.coverage as coverage
            group by coverage.account_id, coverage.region
        ), worst as (
            select account_id, row_number() over (order by sum(requested - trusted) desc, account_id asc) as place
            from square
            group by account_id
        )
        select coalesce(account.account_name, square.account_id), square.region, square.requested, square.trusted
        from square
        inner join worst using (account_id)
        left join org.account as account using (account_id)
        where worst.place <= $shown
        order by worst.place, square.region
        """,
        {"shown": ACCOUNTS_SHOWN},
    ).fetchall()
    if not rows:
        return None
    return svg.in_markdown(grid([Square(*row) for row in rows]), "what can be trusted, by account and region")


# ------------------------------------------------------------------------------------------------ as SVG


def bars(days: Sequence[Day], currency: str) -> str:
    """An SVG with a bar for each day, from zero; a day that has only credits has no bar."""
    width, height, head, foot = 9, 110, 18, 18
    most = max([*(day.cost for day in days), Decimal(0)])
    drawn, labelled = [], -DAYS_SHOWN
    for place, day in enumerate(days):
        length = float(day.cost / most) * height if most and day.cost > 0 else 0.0
        drawn.append(
            f'<rect x="{place * width}" y="{head + height - length:.1f}" width="{width - 2}" height="{length:.1f}" '
            f'fill="{charts.SERIES[0]}" fill-opacity="{0.45 if day.is_estimated else 1}"/>'
        )
        # Label the first day, and each first of a month that is more than 8 bars after the previous label.
        if place == 0 or (day.day.day == 1 and place - labelled > 8):
            drawn.append(_text(place * width, head + height + 14, f"{day.day:{'%b' if place else '%d %b %Y'}}"))
            labelled = place
    drawn.append(_text(0, 10, f"up to {most:,.0f} {currency} a day; pale: an estimate"))
    return _svg(max(len(days) * width, 240), head + height + foot, drawn)


def grid(squares: Sequence[Square]) -> str:
    """An SVG with a square for each account and region, coloured by how many of its cells are trusted."""
    size, left, top = 14, 190, 92
    accounts = list(dict.fromkeys(square.account for square in squares))
    regions = sorted({square.region for square in squares}, key=lambda region: (region != "aws-global", region))
    hidden = len(regions) - REGIONS_SHOWN
    regions = regions[:REGIONS_SHOWN]
    drawn = [_text(left - 6, top + row * size + 11, shortened(name, 28), "end") for row, name in enumerate(accounts)]
    drawn += [
        f'<g transform="translate({left + column * size + 11} {top - 4}) rotate(-60)">{_text(0, 0, region)}</g>'
        for column, region in enumerate(regions)
    ]
    for square in squares:
        if square.region in regions:
            x, y = left + regions.index(square.region) * size, top + accounts.index(square.account) * size
            drawn.append(
                f'<rect x="{x}" y="{y}" width="{size - 2}" height="{size - 2}" fill="{COLOURS[square.kind]}">'
                f"<title>{_escaped(square.account)} {_escaped(square.region)}: "
                f"{square.trusted} of {square.requested}</title>"
                "</rect>"
            )
    foot = top + len(accounts) * size + 18
    at = 0
    for kind, colour in COLOURS.items():
        drawn.append(f'<rect x="{at}" y="{foot - 9}" width="10" height="10" fill="{colour}"/>')
        drawn.append(_text(at + 14, foot, kind))
        at += 90
    if hidden > 0:
        drawn.append(_text(at, foot, f"and {hidden} more regions"))
    return _svg(max(left + len(regions) * size + 40, at + 40), foot + 8, drawn)


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{charts.MUTED}">{_escaped(words)}</text>'


def _escaped(words: str) -> str:
    """Text escaped for XML; a character that XML forbids would make the whole picture unreadable."""
    return escape("".join(letter if letter.isprintable() else "\ufffd" for letter in words))


def _svg(width: int, height: int, drawn: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>'
    )
