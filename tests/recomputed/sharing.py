"""Who bears what: the bill of each month by the values of a tag, with what everybody shares."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal

from recomputed.figures import Figures, Row, recomputes, rounded, shared_out, units
from recomputed.world import World, month_of, reference

SHARED, UNALLOCATED = "(shared)", "(unallocated)"

Spent = dict[tuple[dt.date, str], tuple[Decimal, Decimal]]
"""By day and value of a tag: cost in the bill's currency and in the reporting one."""


def shared_accounts(world: World) -> set[str]:
    """The accounts of which everybody bears what they leave untagged."""
    named = [row["value"] for row in reference("shared_cost") if row["kind"] == "account"]
    return {world.truth["central"].get(value, value) for value in named}


def shared_services(world: World) -> dict[tuple[dt.date, str], Decimal]:
    """What everybody bears of each account's day for the service's sake."""
    named = {row["value"] for row in reference("shared_cost") if row["kind"] == "service"}
    sums: dict[tuple[dt.date, str], Decimal] = defaultdict(Decimal)
    for day, account, service, amounts in world.cells("service"):
        if service in named:
            sums[day, account] += amounts["unblended_cost"]
    return sums


def spent(world: World, key: str) -> Spent:
    """What each value of a tag costs each day; what carries none is shared or unallocated."""
    found: Spent = defaultdict(lambda: (Decimal(0), Decimal(0)))
    untagged: dict[tuple[dt.date, str], tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for day, account, written, amounts in world.cells(f"tag:{key}"):
        value, cost = world.counted(key, written), amounts["unblended_cost"]
        place, into = ((day, value), found) if value else ((day, account), untagged)
        into[place] = (into[place][0] + cost, into[place][1] + (world.reported(day, cost) or 0))
    services, accounts = shared_services(world), shared_accounts(world)
    for (day, account), (cost, reported) in untagged.items():
        part = cost if account in accounts else min(services.get((day, account), Decimal(0)), max(cost, Decimal(0)))
        reported_part = reported if part == cost else world.reported(day, part) or Decimal(0)
        for name, amount, shown in (
            (SHARED, part, reported_part),
            (UNALLOCATED, cost - part, reported - reported_part),
        ):
            old = found[day, name]
            found[day, name] = (old[0] + amount, old[1] + shown)
    return found


@recomputes("cost.allocation")
def allocation(world: World) -> Figures:
    """Direct cost, and shared cost spread in proportion to it."""
    rows: list[Row] = []
    verdicts = {tag["TagKey"]: tag["Status"].lower() for tag in world.truth["allocation_tags"]}
    for key in world.tag_keys:
        months: dict[dt.date, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for (day, value), (cost, _) in spent(world, key).items():
            months[month_of(day)][value] += cost
        for month, costs in months.items():
            bill = sum(costs.values(), Decimal(0))
            direct = {value: cost for value, cost in costs.items() if value not in (SHARED, UNALLOCATED)}
            rate = world.average_rate(month, month_of(month, -1) - dt.timedelta(days=1))
            shown: list[tuple[str, str, Decimal, Decimal]] = []
            if not direct:
                active = verdicts.get(key) == "active"
                status = "active but not used" if active else "not activated"
                shown.append(("(unknown)", status, bill, Decimal(0)))
            else:
                weights = {value: max(units(cost), 0) for value, cost in direct.items()}
                is_spread = sum(weights.values()) > 0
                shares = shared_out(costs[SHARED], weights) if is_spread else dict.fromkeys(weights, Decimal(0))
                shown += [(value, "allocated", cost, shares[value]) for value, cost in direct.items()]
                if costs[UNALLOCATED]:
                    shown.append((UNALLOCATED, "unallocated", costs[UNALLOCATED], Decimal(0)))
                if costs[SHARED] and not is_spread:
                    shown.append((SHARED, "shared", Decimal(0), costs[SHARED]))
            stands = sum((own + share for _, status, own, share in shown if status == "allocated"), Decimal(0))
            rows += [
                {
                    "month": month,
                    "tag_key": key,
                    "tag_value": value,
                    "status": status,
                    "direct_cost": own,
                    "shared_cost": share,
                    "unblended_cost": own + share,
                    "share": (own + share) / bill,
                    "allocated_pct": None if value == "(unknown)" else 100 * stands / bill,
                    "reporting_cost": None if rate is None else rounded((own + share) * rate),
                    "rate": rate,
                }
                for value, status, own, share in shown
            ]
    near = {"share": Decimal("1e-7"), "allocated_pct": Decimal("1e-3")}
    return Figures(("month", "tag_key", "tag_value"), rows, near)
