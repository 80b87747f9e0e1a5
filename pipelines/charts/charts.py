"""Charts: one Vega-Lite specification each, made with Altair; `drawing` renders them as SVG with vl-convert.

The same chart appears on an asset's page in Dagster and in the report. Only here do amounts become floats, because they
are lengths. The caller formats the text beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipelines.charts.labels import labels, shortened

if TYPE_CHECKING:
    import altair as alt
    import duckdb

COLOURS = {"green": "#2f7d4f", "amber": "#b7791f", "red": "#b83232"}
UNJUDGED = "#7b8794"
SERIES = ("#2b6cb0", "#dd7f2c", "#3b8f72", "#8a5fb5", "#c2557c", "#8c7327", "#4aa3c7", "#6b7f3a")
OTHERS = "#9aa5b1"
INK, MUTED, GRID, TRACK = "#1f2933", "#52606d", "#d9dfe6", "#e4e9ef"
PAPER = "#fdfefe"
"""The colours of all charts. The report's style sheet replaces each of them on dark screens."""

PALETTE = (*COLOURS.values(), UNJUDGED, *SERIES, OTHERS, INK, MUTED, GRID, TRACK, PAPER)

BARS_SHOWN = 20
LEGEND_WIDTH = 30
"""Of a label of the legend, in small letters: two columns of such labels are as wide as a chart."""

WIDTH = 540
FONT_SIZE = 14


@dataclass(frozen=True)
class Bar:
    """A budget and the amount that was spent of it."""

    name: str
    spent: Decimal
    budget: Decimal
    forecast: Decimal | None
    verdict: str | None
    currency: str


@dataclass(frozen=True)
class Day:
    """The cumulative cost of a month through one complete day.

    Attributes:
        so_far: None where the cost of a day up to it is unknown.
        before: of the month before through the same day; None where that is unknown, or has no such day.
    """

    day: date
    so_far: Decimal | None
    before: Decimal | None = None


@dataclass(frozen=True)
class Part:
    """One series' segment in one month's bar."""

    month: date
    series: str
    place: int
    amount: Decimal | None


def newest_budgets(connection: "duckdb.DuckDBPyConnection") -> list[Bar]:
    """The budgets of `cost.spend_vs_budget` as of their newest date, the most spent first."""
    rows = connection.execute(
        """
        with standing as (
            select
                *,
                -- Budgets of a key are held against what has one.
                (period_to_date - coalesce(unbudgeted_to_date, 0))::decimal(28, 10) as spent,
                (budget + variance)::decimal(28, 10) as budgeted_forecast
            from cost.spend_vs_budget
        )

        select scope || ' ' || budget_name, spent, budget, budgeted_forecast, verdict, currency
        from standing
        where
            as_of_date = (select max(newest.as_of_date) from cost.spend_vs_budget as newest)
            -- A night without any budget to judge has no row; what stood before it is nothing of now.
            -- Without any bill there is nothing that the budgets could be older than.
            and as_of_date >= coalesce((select max(collected_at at time zone 'UTC')::date from cost.daily), as_of_date)
            and spent is not null and budget > 0
        order by spent / budget desc, 1
        limit $shown
        """,
        {"shown": BARS_SHOWN},
    ).fetchall()
    return [Bar(*row) for row in rows]


# ---------------------------------------------------------------------------------------------- the charts


def spend_against_budget(bars: Sequence[Bar]) -> "alt.LayerChart":
    """A bar chart with one bar for each budget, all of one length: the spent part, and a line for the forecast."""
    import altair as alt

    # A bar ends at twice its budget, so that one overspent budget does not make the others invisible.
    longest = min(max([Decimal(1), *(max(b.spent, b.forecast or b.spent) / b.budget for b in bars)]), Decimal(2))

    def length(amount: Decimal, bar: Bar) -> float:
        return float(max(min(amount / bar.budget, longest), Decimal(0)))

    rows = [
        {
            # Two budgets may have the same name.
            "line": number,
            "name": shortened(bar.name, 26),
            "spent": length(bar.spent, bar),
            "forecast": None if bar.forecast is None else length(bar.forecast, bar),
            "colour": COLOURS.get(bar.verdict or "", UNJUDGED),
            "figures": f"{bar.spent:,.0f} of {bar.budget:,.0f}",
            "text": f"{bar.name}: {bar.spent:,.2f} of {bar.budget:,.2f} {bar.currency}"
            + ("" if bar.forecast is None else f", forecast {bar.forecast:,.2f}"),
        }
        for number, bar in enumerate(bars)
    ]
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y("line:O", axis=None, scale=alt.Scale(paddingInner=0.35)), description="text:N"
    )
    scale = alt.Scale(domain=[0, float(longest)], nice=False)
    x = alt.X("spent:Q", scale=scale, axis=None)
    track = base.mark_bar(color=TRACK).encode(x=alt.XDatum(1, scale=scale, axis=None), x2=alt.X2Datum(0))
    spent = base.mark_bar(height={"band": 0.55}).encode(x=x, color=alt.Color("colour:N", scale=None))
    forecast = base.mark_tick(thickness=2, height={"band": 1.15}, orient="vertical").encode(
        x=alt.X("forecast:Q", scale=scale, axis=None), color=alt.Color("colour:N", scale=None)
    )
    names = base.mark_text(align="right", dx=-8, color=INK).encode(x=alt.value(0), text="name:N")
    figures = base.mark_text(align="left", dx=8, color=MUTED).encode(x=alt.value("width"), text="figures:N")
    return _finished(track, spent, forecast, names, figures, height=26 * len(rows) + 8)


def month_so_far(
    days: Sequence[Day], last: date, *, budget: Decimal | None, forecast: tuple[Decimal | None, ...]
) -> "alt.LayerChart":
    """The running month's cumulative cost beside that of the month before, with the forecast for the month's end.

    Args:
        last: the month's last day.
        budget: the month's budget, whose even pace is drawn; None where there is none, or none of the whole bill.
        forecast: the forecast cost of the whole month, its lowest and its highest; each None where it is unknown.
    """
    import altair as alt

    expected, lowest, highest = forecast
    known = [
        {"day": row.day.day, "cost": float(row.so_far), "text": f"{row.day}: {row.so_far:,.2f} so far"}
        for row in days
        if row.so_far is not None
    ]
    before = [
        {
            "day": row.day.day,
            "cost": float(row.before),
            "text": f"the month before: {row.before:,.2f} through the same day",
        }
        for row in days
        if row.before is not None
    ]
    amounts = [*(row.so_far for row in days), *(row.before for row in days), budget, *forecast]
    known_amounts = [Decimal(0), *(amount for amount in amounts if amount is not None)]
    # Credits can be more than what was spent.
    bottom, top = min(known_amounts), max(known_amounts)
    x_scale = alt.Scale(domain=[0, last.day], nice=False)
    y_scale = alt.Scale(domain=[float(bottom) * 1.12, float(top) * 1.12 or float(bottom == 0)], nice=False)

    def points(rows: list[dict[str, Any]]) -> "alt.Chart":
        return alt.Chart(_data(rows)).encode(
            x=alt.X(
                "day:Q",
                scale=x_scale,
                axis=alt.Axis(title=None, grid=False, values=[1, 5, 10, 15, 20, 25, last.day], format="d"),
            ),
            y=alt.Y("cost:Q", scale=y_scale, axis=alt.Axis(title=None, format="~s", tickCount=5)),
        )

    layers: list[alt.Chart] = []
    if budget is not None:
        pace = [{"day": 0, "cost": 0.0}, {"day": last.day, "cost": float(budget)}]
        layers += [
            points(pace).mark_line(color=MUTED, strokeDash=[5, 4], strokeWidth=1.5),
            points([pace[1] | {"label": f"budget {budget:,.0f}"}])
            .mark_text(align="right", dy=-9, dx=-2, color=MUTED)
            .encode(text="label:N"),
        ]
    if before:
        layers.append(points(before).mark_line(color=OTHERS, strokeWidth=2).encode(description="text:N"))
    if lowest is not None and highest is not None:
        reach = [{"day": last.day, "cost": float(lowest), "to": float(highest)}]
        layers.append(points(reach).mark_rule(color=SERIES[0], strokeWidth=5, opacity=0.35).encode(y2="to:Q"))
    if expected is not None and known:
        ends: list[dict[str, Any]] = [known[-1], {"day": last.day, "cost": float(expected)}]
        layers += [
            points(ends).mark_line(color=SERIES[0], strokeDash=[2, 3], strokeWidth=2),
            points([ends[1] | {"label": f"forecast {expected:,.0f}"}])
            .mark_text(align="right", dy=-10, dx=-6, color=SERIES[0], fontWeight="bold")
            .encode(text="label:N"),
        ]
    layers += [
        points(known).mark_line(color=SERIES[0], strokeWidth=2.5),
        points(known).mark_point(color=SERIES[0], filled=True, size=28, opacity=1).encode(description="text:N"),
    ]
    return _finished(*layers, height=250)


def monthly_stack(
    parts: Sequence[Part], months: Sequence[date], remarks: Mapping[date, str], legend_columns: int = 2
) -> "alt.LayerChart":
    """A stacked bar chart with a bar for each month and a colour for each series; remarks mark incomplete months.

    Args:
        months: every month of the axis, also months without data.
        remarks: text above a month with incomplete data, such as `not read`; the bars of such a month are pale.
    """
    import altair as alt

    label_of = labels([part.series for part in sorted(parts, key=lambda part: part.place)], LEGEND_WIDTH)
    names = list(label_of.values())
    colours = [*SERIES[: len(names)], *[OTHERS] * max(0, len(names) - len(SERIES))]
    rows = [
        {
            "month": f"{part.month:%Y-%m}",
            "series": label_of[part.series],
            "place": part.place,
            "cost": float(part.amount),
            "opacity": 0.55 if part.month in remarks else 1.0,
            "text": f"{part.month:%B %Y}, {part.series}: {part.amount:,.2f}",
        }
        for part in parts
        if part.amount is not None
    ]
    shown = [f"{month:%Y-%m}" for month in months]
    month_of = "toDate(datum.value + '-01')"
    x = alt.X(
        "month:O",
        scale=alt.Scale(domain=shown, paddingInner=0.22, paddingOuter=0.1),
        axis=alt.Axis(
            title=None,
            labelAngle=0,
            labelExpr=f"[utcFormat({month_of}, '%b'), "
            f"utcmonth({month_of}) == 0 || datum.value == '{shown[0]}' ? utcFormat({month_of}, '%Y') : '']",
        ),
    )
    bars = (
        alt.Chart(_data(rows))
        .mark_bar(stroke=PAPER, strokeWidth=0.5)
        .encode(
            x=x,
            y=alt.Y("cost:Q", stack="zero", axis=alt.Axis(title=None, format="~s", tickCount=5)),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=names, range=colours),
                # Zero, since the library would cut a label by UTF-16 units, and a halved emoji stops the drawing.
                legend=alt.Legend(
                    title=None, orient="bottom", columns=legend_columns, labelLimit=0, symbolType="square"
                ),
            ),
            opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
            order=alt.Order("place:Q"),
            description="text:N",
        )
    )
    notes = (
        alt.Chart(_data([{"month": f"{month:%Y-%m}", "remark": text} for month, text in sorted(remarks.items())]))
        .mark_text(align="left", angle=270, dx=6, color=INK, fontStyle="italic")
        .encode(x=x, y=alt.value("height"), text="remark:N")
    )
    return _finished(bars, *([notes] if remarks else []), height=270)


def _data(rows: list[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Data(values=rows)  # type: ignore[no-untyped-call]  # Altair has no types for it


def _finished(*layers: Any, height: int) -> "alt.LayerChart":
    """One chart of several layers, in the size and plain style that all charts have."""
    import altair as alt

    finished: alt.LayerChart = (
        alt.layer(*layers)
        .properties(width=WIDTH, height=height, autosize={"type": "fit-x", "contains": "padding"})
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=GRID,
            gridColor=GRID,
            tickColor=GRID,
            labelColor=MUTED,
            labelFontSize=FONT_SIZE,
        )
        .configure_legend(labelColor=INK, labelFontSize=FONT_SIZE)
        .configure_text(fontSize=FONT_SIZE)
    )
    return finished


def specification(chart: "alt.LayerChart", background: str) -> dict[str, Any]:
    """A chart as a Vega-Lite specification."""
    # A test validates every chart against the schema; doing that in every run would take longer than drawing.
    made: dict[str, Any] = chart.to_dict(validate=False)
    return made | {"background": background}
