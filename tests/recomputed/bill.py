"""The bill itself: every slice, in both currencies, by place in the organisation, and how much of it there is."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from recomputed.figures import RECOMPUTED, Figures, Row, recomputes, rounded
from recomputed.world import METRICS, World, days, last_day, month_of, reference

CURRENCY = "USD"


@recomputes("cost.daily")
def daily(world: World) -> Figures:
    """Every slice is the ledger, to the last digit."""
    return Figures(
        ("slice", "usage_date", "account_id", "dimension_value"),
        [
            {
                "slice": cut,
                "usage_date": day,
                "account_id": account,
                "dimension_value": value,
                **amounts,
                "currency": CURRENCY,
                "is_estimated": day >= world.first_estimated,
            }
            for (cut, day, account, value), amounts in world.daily.items()
        ],
    )


def money(world: World, day: dt.date, amounts: dict[str, Decimal]) -> Row:
    """Amounts of a day in both currencies, with the rate."""
    rate = world.rates[day]
    return {
        **amounts,
        **{f"reporting_{name}": world.reported(day, amount) for name, amount in amounts.items()},
        "currency": CURRENCY,
        "reporting_currency": world.currency,
        "rate": rate and rate[0],
        "rate_kind": rate and rate[1],
        "rate_date": rate and rate[2],
        "is_estimated": day >= world.first_estimated,
    }


def _by(cut: str) -> Callable[[World], Figures]:
    def by(world: World) -> Figures:
        """One slice in both currencies."""
        rows: list[Row] = [
            {"usage_date": day, "account_id": account, cut: value, **money(world, day, amounts)}
            for day, account, value, amounts in world.cells(cut)
        ]
        return Figures(("usage_date", "account_id", cut), rows)

    return by


for _cut in ("service", "record_type", "region", "usage_type"):
    RECOMPUTED[f"cost.by_{_cut}"] = _by(_cut)


@recomputes("cost.by_tag")
def by_tag(world: World) -> Figures:
    """The slices by tag, with the value that counts."""
    rows: list[Row] = [
        {
            "usage_date": day,
            "tag_key": key,
            "account_id": account,
            "written_value": written,
            "tag_value": world.counted(key, written),
            **money(world, day, amounts),
        }
        for key in world.tag_keys
        for day, account, written, amounts in world.cells(f"tag:{key}")
    ]
    return Figures(("usage_date", "tag_key", "account_id", "written_value"), rows)


def by_account(world: World) -> dict[tuple[dt.date, str], dict[str, Decimal]]:
    """What each account cost each day."""
    sums: dict[tuple[dt.date, str], dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(METRICS, Decimal(0)))
    for day, account, _, amounts in world.cells("service"):
        for name, amount in amounts.items():
            sums[day, account][name] += amount
    return sums


@recomputes("cost.daily_total")
def daily_total(world: World) -> Figures:
    """Every amount once."""
    reported: dict[tuple[dt.date, str], Decimal] = defaultdict(Decimal)
    for day, account, _, amounts in world.cells("service"):
        reported[day, account] += world.reported(day, amounts["unblended_cost"]) or 0
    rows: list[Row] = [
        {
            "usage_date": day,
            "account_id": account,
            **{name: amounts[name] for name in METRICS[:4]},
            "reporting_unblended_cost": reported[day, account],
            "is_estimated": day >= world.first_estimated,
            "bill_domain": "own",
        }
        for (day, account), amounts in by_account(world).items()
    ]
    return Figures(("usage_date", "account_id"), rows)


@recomputes("cost.by_organizational_unit")
def by_organizational_unit(world: World) -> Figures:
    """On a first night everybody's place is that of tonight, and of no day of the bill is it known."""
    places = {account["account_id"]: account for account in world.truth["accounts"]}
    rows: list[Row] = [
        {
            "usage_date": day,
            "account_id": account,
            "account_name": places[account]["name"],
            "ou_id": places[account]["ou_id"],
            "ou_path": "/" + places[account]["ou_path"],
            "is_place_known": False,
            "unblended_cost": amounts["unblended_cost"],
            "amortized_cost": amounts["amortized_cost"],
        }
        for (day, account), amounts in by_account(world).items()
    ]
    return Figures(("usage_date", "account_id"), rows)


@recomputes("cost.exchange_rate")
def exchange_rate(world: World) -> Figures:
    """The rate of each day that something was billed on."""
    rows: list[Row] = [
        {
            "usage_date": day,
            "currency": CURRENCY,
            "rate": rate and rate[0],
            "rate_kind": rate and rate[1],
            "rate_date": rate and rate[2],
            "is_example_rate": rate and True,
            "rate_age_days": rate and (day - rate[2]).days,
        }
        for day, rate in world.rates.items()
    ]
    return Figures(("usage_date", "currency"), rows)


@recomputes("cost.month_coverage")
def month_coverage(world: World) -> Figures:
    """Up to which day each month of each slice is complete."""
    rows: list[Row] = []
    for cut, month in itertools.product(world.slices, world.months):
        through, first = world.through_of(month), max(month, world.bill_days[0])
        billed = max(day for day in world.bill_days if month_of(day) == month)
        rows.append(
            {
                "slice": cut,
                "month": month,
                "first_date": first,
                "through_date": through,
                "day_count": (through - first).days + 1 if through else 0,
                "days_missing": 0,
                "is_estimated": billed >= world.first_estimated,
                "is_final": world.is_final(month),
                "bill_domain": "own",
                "payer_account_id": world.truth["central"]["management"],
                "is_stale": False,
            }
        )
    return Figures(("slice", "month"), rows)


@recomputes("cost.tag_key_status")
def tag_key_status(world: World) -> Figures:
    """Which tags are activated, and which the bill has values of."""
    listed = {
        tag["TagKey"]: tag["Status"].lower() for tag in world.truth["allocation_tags"] if tag["Type"] == "UserDefined"
    }
    rows: list[Row] = []
    for key in world.tag_keys:
        used = [day for day, _, value, _ in world.cells(f"tag:{key}") if value.strip()]
        status = listed.get(key, "not_listed")
        unused = "active but not used" if status == "active" else "not activated"
        rows.append(
            {
                "tag_key": key,
                "status": status,
                "is_used": bool(used),
                "said_by": "ce:ListCostAllocationTags",
                "verdict": "used" if used else unused,
                "first_used_date": min(used, default=None),
                "last_used_date": max(used, default=None),
            }
        )
    return Figures(("tag_key",), rows)


@recomputes("cost.tag_service_daily")
def tag_service_daily(world: World) -> Figures:
    """The bill by one tag and service."""
    wanted = [row["tag_key"] for row in reference("tag_key") if row["is_cut_by_service"] == "true"]
    sums: dict[tuple[dt.date, str, str, str], Decimal] = defaultdict(Decimal)
    for line in world.ledger:
        for key in wanted:
            place = (dt.date.fromisoformat(line["usage_date"]), key, line["tags"].get(key, ""), line["service"])
            sums[place] += Decimal(line["unblended_cost"])
    names = ("usage_date", "tag_key", "written_value", "service")
    return Figures(
        names, [{**dict(zip(names, key, strict=True)), "unblended_cost": cost} for key, cost in sums.items()]
    )


@recomputes("cost.resource_daily")
def resource_daily(world: World) -> Figures:
    """Single resources of the services that can be told by resource, on the days that AWS keeps."""
    names = ("usage_date", "account_id", "service", "resource_id")
    rows: list[Row] = [
        {**dict(zip(names, key, strict=True)), "unblended_cost": cost, "amortized_cost": amortized}
        for key, (cost, amortized) in by_resource(world).items()
    ]
    return Figures(names, rows)


def by_resource(world: World) -> dict[tuple[dt.date, str, str, str], tuple[Decimal, Decimal]]:
    """Unblended and amortized cost of single resources on the last fourteen days."""
    services = {row["service"] for row in reference("service_listing") if row["is_witness"] == "true"}
    since = world.today - dt.timedelta(days=14)
    sums: dict[tuple[dt.date, str, str, str], tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for line in world.ledger:
        day = dt.date.fromisoformat(line["usage_date"])
        if world.has_resource_costs and day >= since and line["service"] in services:
            key = (day, line["account_id"], line["service"], line["resource_id"])
            sums[key] = (
                sums[key][0] + Decimal(line["unblended_cost"]),
                sums[key][1] + Decimal(line["amortized_cost"]),
            )
    return sums


@recomputes("cost.movement")
def movement(world: World) -> Figures:
    """Each month beside as many days of the one before, and what of it the exchange rate did."""
    rows: list[Row] = []
    daily: dict[str, list[tuple[dt.date, str, Decimal]]] = defaultdict(list)
    for (cut, day, account, value), amounts in world.daily.items():
        named = world.counted(cut[4:], value) if cut.startswith("tag:") else value
        daily[cut].append((day, named, amounts["unblended_cost"]))
        if cut == "service":
            daily["account"].append((day, account, amounts["unblended_cost"]))
    for before, month in itertools.pairwise(world.months):
        through, through_before = world.through_of(month), world.through_of(before)
        if through is None or through_before is None:
            continue
        if through < last_day(month):
            through_before = min(through_before, before + (through - month))
        rate, rate_before = world.average_rate(month, through), world.average_rate(before, through_before)
        for cut, cells in daily.items():
            sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
            for day, value, cost in cells:
                if month <= day <= through or before <= day <= through_before:
                    at = 0 if day >= month else 1
                    sums[value][at] += cost
                    sums[value][at + 2] += world.reported(day, cost) or 0
            for value, (cost, cost_before, reported, reported_before) in sums.items():
                change, use = reported - reported_before, rounded((cost - cost_before) * (rate_before or 0))
                rows.append(
                    {
                        "month": month,
                        "slice": cut,
                        "dimension_value": value,
                        "through_date": through,
                        "previous_through_date": through_before,
                        "cost": cost,
                        "previous_cost": cost_before,
                        "reporting_cost": reported,
                        "previous_reporting_cost": reported_before,
                        "change": change,
                        "usage_effect": use,
                        "rate_effect": change - use,
                        "rate": rate,
                        "previous_rate": rate_before,
                        "days_missing": 0,
                        "is_final": world.is_final(month) and world.is_final(before),
                    }
                )
    return Figures(("month", "slice", "dimension_value"), rows)


def total_of(world: World, month: dt.date) -> Decimal:
    """What a month of the bill costs."""
    wanted = set(days(month, last_day(month)))
    return sum(
        (amounts["unblended_cost"] for day, _, _, amounts in world.cells("service") if day in wanted), Decimal(0)
    )
