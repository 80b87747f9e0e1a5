"""What single resources cost in a month: as AWS measured it, and at that pace on the other days."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from recomputed.bill import by_resource
from recomputed.figures import Figures, recomputes, units
from recomputed.items import Item, items
from recomputed.weights import by_weight, is_there
from recomputed.world import World, month_of

Place = tuple[dt.date, str, str]
"""Month, account and service."""


@recomputes("cost.resource_cost")
def resource_cost(world: World) -> Figures:
    """Rows of a month, account and service are the bill, to the last digit."""
    bill: dict[Place, dict[dt.date, list[Decimal]]] = defaultdict(dict)
    for day, account, service, amounts in world.cells("service"):
        bill[month_of(day), account, service][day] = [amounts["unblended_cost"], amounts["amortized_cost"]]
    known = {item.arn: item for item in items(world)}
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in known.values():
        named[item.account_id, item.resource_id].append(item.arn)
    measured: dict[Place, dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(lambda: [Decimal(0)] * 2))
    whole_days: dict[Place, dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(lambda: [Decimal(0)] * 2))
    measured_days: dict[Place, set[dt.date]] = defaultdict(set)
    for (day, account, service, resource), amounts in by_resource(world).items():
        place = (month_of(day), account, service)
        measured_days[place].add(day)
        if resource != "NoResourceId":
            of_name = named[account, resource]
            arn = resource if resource in known else of_name[0] if len(of_name) == 1 else resource
            for sums in (measured, whole_days) if _is_whole(world, day) else (measured,):
                own = sums[place][arn]
                sums[place][arn] = [old + new for old, new in zip(own, amounts, strict=True)]
    rows: list[dict[str, Any]] = []
    for place, of_days in bill.items():
        whole = [sum((amounts[at] for amounts in of_days.values()), Decimal(0)) for at in (0, 1)]
        rest = list(whole)
        added, missing = _extrapolated(world, of_days, measured[place], whole_days[place], measured_days[place], known)
        for arn, own in measured[place].items():
            more = added.get(arn, [Decimal(0)] * 2)
            rows.append(
                {
                    **dict(zip(("month", "account_id", "service"), place, strict=True)),
                    "arn": arn,
                    "cost": own[0] + more[0],
                    "amortized_cost": own[1] + more[1],
                    "attribution": "extrapolated" if more[0] else "measured",
                    "measured_cost": own[0],
                    "extrapolated_cost": more[0],
                    "measured_days": len(measured_days[place]),
                    "extrapolated_days": missing.get(arn, 0),
                }
            )
            rest = [left - part - plus for left, part, plus in zip(rest, own, more, strict=True)]
        if not measured_days[place]:
            for arn, (own, weight) in by_weight(world, place, whole).items():
                rows.append(
                    {
                        **dict(zip(("month", "account_id", "service"), place, strict=True)),
                        "arn": arn,
                        "cost": own[0],
                        "amortized_cost": own[1],
                        "attribution": "allocated",
                        "measured_cost": None,
                        "measured_days": 0,
                        "weight": weight,
                    }
                )
                rest = [left - part for left, part in zip(rest, own, strict=True)]
        if any(rest) or rest == whole:
            rows.append(
                {
                    **dict(zip(("month", "account_id", "service"), place, strict=True)),
                    "arn": None,
                    "cost": rest[0],
                    "amortized_cost": rest[1],
                    "attribution": "unattributed",
                    "measured_cost": None,
                    "extrapolated_cost": None,
                    "measured_days": len(measured_days[place]),
                    "extrapolated_days": None,
                }
            )
    # Prices of an hour are doubles; what the rows add up to is held to the last digit by test_recomputed.
    near = dict.fromkeys(("cost", "amortized_cost"), Decimal("1e-8"))
    return Figures(("month", "account_id", "service", "arn"), rows, {**near, "weight": Decimal("0.01")})


def _is_whole(world: World, day: dt.date) -> bool:
    """Whether a day had ended 24 hours before its costs were fetched."""
    return day <= world.through


def _extrapolated(
    world: World,
    of_days: dict[dt.date, list[Decimal]],
    measured: dict[str, list[Decimal]],
    whole_days: dict[str, list[Decimal]],
    measured_days: set[dt.date],
    known: dict[str, Item],
) -> tuple[dict[str, list[Decimal]], dict[str, int]]:
    """What each resource is given for how many days that AWS did not measure: on none more than the bill has."""
    since = {
        arn: min(item.created.date() if item.created else world.today, world.today)
        for arn in measured
        if (item := known.get(arn)) is not None and is_there(item)
    }
    pace: dict[str, list[int]] = {}
    for arn, first in since.items():
        there = [day for day in measured_days if day >= first and day in of_days]
        if whole := [day for day in there if _is_whole(world, day)]:
            pace[arn] = [max(units(amount), 0) // len(whole) for amount in whole_days[arn]]
        elif there:
            pace[arn] = [max(units(amount), 0) // len(there) for amount in measured[arn]]
    given: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    missing: dict[str, int] = defaultdict(int)
    for day, amounts in of_days.items():
        if day in measured_days:
            continue
        alive = [arn for arn in pace if since[arn] <= day]
        for arn in alive:
            missing[arn] += 1
        for at, amount in enumerate(amounts):
            most, wanted = max(units(amount), 0), sum(pace[arn][at] for arn in alive)
            for arn in alive:
                own = pace[arn][at]
                given[arn][at] += own if wanted <= most else most * own // wanted
    return {arn: [Decimal(part).scaleb(-10) for part in parts] for arn, parts in given.items()}, missing
