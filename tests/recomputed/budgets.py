"""How spend stands against budgets: those of the reference file by the value of a tag, and AWS's own."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from statistics import median
from typing import Any

from recomputed.bill import CURRENCY
from recomputed.figures import Figures, Row, recomputes, rounded
from recomputed.sharing import spent
from recomputed.world import World, days, last_day, month_of, reference

NEAR = Decimal("1e-7")
"""Medians and quotients are doubles."""


@recomputes("cost.budget")
def budget(world: World) -> Figures:
    """Every budget of the payer, as AWS keeps it."""
    rows: list[Row] = [
        {
            "as_of_date": world.today,
            "account_id": world.truth["central"]["billing"],
            "budget_name": one["budget_name"],
            "budget_type": one["budget_type"],
            "time_unit": one["time_unit"],
            "limit_amount": Decimal(one["limit"]),
            "actual_amount": Decimal(one["actual"]),
            "forecast_amount": None if one["forecast"] is None else Decimal(one["forecast"]),
            "currency": one["unit"],
            "is_stale": False,
        }
        for one in world.truth["budgets"]
    ]
    return Figures(("as_of_date", "account_id", "budget_name"), rows)


@recomputes("cost.budget_alert")
def budget_alert(world: World) -> Figures:
    """Every alert of theirs, and whether it is raised."""
    rows: list[Row] = [
        {
            "account_id": world.truth["central"]["billing"],
            "budget_name": one["budget_name"],
            "kind": alert["kind"],
            "comparison": alert["operator"],
            "threshold": Decimal(str(alert["threshold"])),
            "threshold_type": alert["threshold_type"],
            "state": alert["state"],
        }
        for one in world.truth["budgets"]
        for alert in one["alerts"]
    ]
    return Figures(("budget_name", "kind", "comparison", "threshold", "threshold_type"), rows)


def verdict(row: dict[str, Any], *, has_unbudgeted: bool = False) -> str | None:
    """Red, amber, green or none: by what is spent, then by what is expected, and green only where all is known."""
    if row["limit_amount"] is None:
        return "no budget"
    if row["actual_amount"] > row["limit_amount"]:
        return "red"
    if row["forecast_amount"] is not None and row["forecast_amount"] > row["limit_amount"]:
        return "amber"
    if row["forecast_amount"] is None or row["unknown_reason"]:
        return None
    return "partly budgeted" if has_unbudgeted else "green"


def _pace(row: dict[str, Any], elapsed: int, length: int) -> Decimal | None:
    if not elapsed or not row["limit_amount"]:
        return None
    return 100 * row["actual_amount"] * length / (row["limit_amount"] * elapsed)


def of_tags(world: World, key: str) -> list[Row]:
    """The values of one tag key in the running month, and all of them together."""
    through = world.through
    first, last = month_of(through), last_day(through)
    every, own = spent(world, key), [row for row in reference("budget") if row["scope"] == key]
    limits = {row["budget_name"]: Decimal(row["amount"]) for row in own if row["month"] == first.isoformat()}
    before = max((row["month"] for row in own if row["month"] < first.isoformat()), default="")
    names = {*limits, *(row["budget_name"] for row in own if row["month"] == before)}
    names |= {name for (day, name), (cost, _) in every.items() if first <= day <= through and cost}
    rows: list[dict[str, Any]] = []
    for name in sorted(names):
        to_date = sum((every[day, name][1] for day in days(first, through)), Decimal(0))
        weekdays: dict[int, list[Decimal]] = defaultdict(list)
        for day in days(max(through - dt.timedelta(days=27), world.bill_days[0]), through):
            weekdays[day.weekday()].append(every[day, name][1])
        to_come = sum(
            (median(weekdays[day.weekday()]) for day in days(through + dt.timedelta(days=1), last)), Decimal(0)
        )
        limit = limits.get(name)
        row: dict[str, Any] = {
            "scope": key,
            "budget_name": name,
            "period_to_date": to_date,
            "budget": limit,
            "run_rate_forecast": to_date + to_come,
            "limit_amount": limit,
            "budget_currency": None if limit is None else world.currency,
            "actual_amount": None if limit is None else to_date,
            "forecast_amount": None if limit is None else to_date + to_come,
            "variance": None if limit is None else to_date + to_come - limit,
            "unbudgeted_to_date": None,
            "unknown_reason": None,
        }
        rows.append(row)
    budgeted = [row for row in rows if row["limit_amount"] is not None]

    def added(chosen: list[dict[str, Any]], column: str) -> Decimal:
        return sum((row[column] for row in chosen), Decimal(0))

    total = {
        "scope": "total",
        "budget_name": key,
        "period_to_date": added(rows, "period_to_date"),
        "run_rate_forecast": added(rows, "run_rate_forecast"),
        "budget": added(budgeted, "budget") if budgeted else None,
        "limit_amount": added(budgeted, "budget") if budgeted else None,
        "budget_currency": world.currency if budgeted else None,
        "actual_amount": added(budgeted, "actual_amount") if budgeted else None,
        "forecast_amount": added(budgeted, "forecast_amount") if budgeted else None,
        "variance": added(budgeted, "variance") if budgeted else None,
        "unbudgeted_to_date": added([row for row in rows if row["limit_amount"] is None], "period_to_date"),
        "unknown_reason": None,
    }
    # The credits of one value pay nothing of what another spends.
    spends = any(row["limit_amount"] is None and row["period_to_date"] > 0 for row in rows)
    length, elapsed = (last - first).days + 1, (through - first).days + 1
    return [
        {
            **row,
            "period_start": first,
            "period_end": last + dt.timedelta(days=1),
            "last_complete_date": through,
            "days_missing": 0,
            "month_to_date": row["period_to_date"],
            "forecast_source": "run_rate",
            "verdict": verdict(row, has_unbudgeted=row is total and spends),
            "pace_pct": _pace(row, elapsed, length),
        }
        for row in [*rows, total]
    ]


def of_aws(world: World) -> list[Row]:
    """The cost budgets of the payer, judged in their own currency and by AWS's own count."""
    rows: list[Row] = []
    for one in world.truth["budgets"]:
        if one["budget_type"] != "COST":
            continue
        first, end = (dt.date.fromisoformat(one[name]) for name in ("period_start", "period_end"))
        if one["time_unit"] == "DAILY":
            # The day that runs has no complete day of its own.
            first, end = world.today, world.today + dt.timedelta(days=1)
        elapsed, length = (world.today - first).days, (end - first).days
        limit, actual = Decimal(one["limit"]), Decimal(one["actual"])
        paced = rounded(actual * length / elapsed) if elapsed else None
        forecast = paced if one["forecast"] is None else Decimal(one["forecast"])
        row = {
            "scope": f"aws:{world.truth['central']['billing']}",
            "budget_name": one["budget_name"],
            "period_start": first,
            "period_end": end,
            "last_complete_date": world.today - dt.timedelta(days=1),
            "days_missing": None,
            "limit_amount": limit,
            "budget_currency": CURRENCY,
            "actual_amount": actual,
            "forecast_amount": forecast,
            "forecast_source": None if forecast is None else "run_rate" if one["forecast"] is None else "aws",
            "unbudgeted_to_date": None,
            "unknown_reason": None if forecast is not None else "AWS forecasts nothing, and no pace is known",
            "pace_pct": _pace({"actual_amount": actual, "limit_amount": limit}, elapsed, length),
        }
        rows.append({**row, "verdict": verdict(row), **_shown(world, first, row)})
    return rows


def _shown(world: World, first: dt.date, row: dict[str, Any]) -> Row:
    """An amount of AWS in the reporting currency: what is spent, by the rates of its days."""
    now = world.rates[world.through]
    assert now is not None
    rate = now[0]
    billed = [(day, amounts["unblended_cost"]) for day, _, _, amounts in world.cells("service") if day >= first]
    cost = sum((amount for _, amount in billed), Decimal(0))
    if billed and cost > 0 and first >= world.bill_days[0]:
        rate = rounded(sum((world.reported(day, amount) or 0 for day, amount in billed), Decimal(0)) / cost)
    limits = [
        (row["valid_from"], Decimal(row["rate"]))
        for row in reference("fx_rate")
        if row["kind"] == "budget" and row["from_currency"] == CURRENCY and row["to_currency"] == world.currency
        if row["valid_from"] <= month_of(world.through).isoformat()
    ]
    return {
        "period_to_date": rounded(row["actual_amount"] * rate),
        "budget": rounded(row["limit_amount"] * max(limits)[1]),
        "spend_rate": rate,
        "budget_rate": max(limits)[1],
    }


@recomputes("cost.spend_vs_budget")
def spend_vs_budget(world: World) -> Figures:
    """Every budget of either kind, tonight."""
    rows = [row for key in sorted({row["scope"] for row in reference("budget")}) for row in of_tags(world, key)]
    rows += of_aws(world)
    near = dict.fromkeys(("run_rate_forecast", "forecast_amount", "variance", "spend_rate", "period_to_date"), NEAR)
    near |= {"pace_pct": Decimal("0.01")}
    return Figures(("scope", "budget_name"), [{"as_of_date": world.today, **row} for row in rows], near)
