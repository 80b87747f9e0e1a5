"""What is identified: list price, cut to what AWS measured and to what the account pays for the usage type."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from recomputed.bill import CURRENCY, by_resource
from recomputed.decommission import Finding, Use, amounts, findings
from recomputed.figures import Figures, Row, recomputes, rounded
from recomputed.items import Item, items
from recomputed.world import World, reference


def _cut(part: float, whole: float) -> Decimal:
    """A ratio, rounded down to ten decimals so that no sum comes out above what is paid."""
    return rounded(Decimal(math.trunc(part / whole * 1e10) / 1e10))


def _a_month(paid: Decimal, count: int) -> Decimal:
    return rounded(Decimal(float(max(paid, Decimal(0))) / count * 365 / 12))


def billed_usage(world: World) -> dict[tuple[str, str, str], Decimal]:
    """What the last seven complete days cost by account, region and usage, in the names of the list prices."""
    codes = {row["code"]: row["region"] for row in reference("region_code") if row["code"]}
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for day, account, name, money in world.cells("usage_type"):
        if not world.through - dt.timedelta(days=7) < day <= world.through:
            continue
        code, _, rest = name.partition("-")
        region, usage = (codes[code], rest) if code in codes and rest else ("us-east-1", name)
        usage = {"EBS:VolumeUsage": "EBS:VolumeUsage.standard", "ElasticIP:IdleAddress": "PublicIPv4:IdleAddress"}.get(
            usage, usage
        )
        for old, new in (("Multi-AZUsage:", "InstanceUsage:"), ("RDS:Multi-AZ-", "RDS:")):
            usage = new + usage.removeprefix(old) if usage.startswith(old) else usage
        if usage.startswith("EBS:"):
            usage = usage.replace(".piops", ".io1")
        sums[account, region, usage] += money["unblended_cost"]
    return sums


def _measured(world: World) -> dict[str, Decimal]:
    """What AWS measured of each item on the complete ones of its last fourteen days, as of a month."""
    known: dict[tuple[str, str], Item] = {}
    for item in items(world):
        known[item.account_id, item.arn] = known[item.account_id, item.resource_id] = item
    cost: dict[str, Decimal] = defaultdict(Decimal)
    seen: dict[str, set[dt.date]] = defaultdict(set)
    for (day, account, _, resource), (unblended, _) in by_resource(world).items():
        if (account, resource) in known and day <= world.through:
            arn = known[account, resource].arn
            cost[arn] += unblended
            seen[arn].add(day)
    return {arn: _a_month(paid, len(seen[arn])) for arn, paid in cost.items()}


@recomputes("cost.saving")
def saving(world: World) -> Figures:
    """What is identified: no more than AWS measured, and no more of a usage type than the account pays for it."""
    open_ones = [(one, amounts(world, one)) for one in findings(world) if one.verdict == "candidate"]
    # An amount that several rules find counts under the one that saves most of it.
    best: dict[str, tuple[Decimal, str, str]] = {}
    for one, parts in open_ones:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for use, amount in parts or []:
            sums[use.arn] += amount
        for arn, net in sums.items():
            if arn not in best or (-net, one.rule, one.arn) < (-best[arn][0], best[arn][1], best[arn][2]):
                best[arn] = (net, one.rule, one.arn)
    measured = _measured(world)
    claims: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    held: dict[tuple[str, str], dict[str, list[tuple[tuple[str, str, str], Decimal]]]] = {}
    ratios: dict[str, Decimal | None] = {}
    nets: dict[tuple[str, str], dict[str, Decimal]] = {}
    for one, parts in open_ones:
        own = [(use, amount) for use, amount in parts or [] if best[use.arn][1:] == (one.rule, one.arn)]
        nets[one.arn, one.rule] = defaultdict(Decimal)
        held[one.arn, one.rule] = defaultdict(list)
        gross: dict[str, Decimal] = defaultdict(Decimal)
        for use, amount in own:
            nets[one.arn, one.rule][use.arn] += amount
            gross[use.arn] += max(amount, Decimal(0))
        for arn, paid in gross.items():
            most = measured.get(arn)
            ratios[arn] = None if most is None else _cut(float(most), float(paid)) if paid > most else Decimal(1)
        for use, amount in own:
            if amount > 0:
                usage = use.usage.partition("/")[0] if use.usage.startswith("InstanceUsage:") else use.usage
                place = (one.account, one.region, usage)
                held[one.arn, one.rule][use.arn].append((place, amount))
                ratio = ratios[use.arn]
                claims[place] += rounded(amount * (Decimal(1) if ratio is None else ratio))
    billed = billed_usage(world)
    accounts = {account for account, _, _ in billed}
    caps: dict[tuple[str, str, str], Decimal | None] = {}
    for place, claimed in claims.items():
        paid = _a_month(billed.get(place, Decimal(0)), 7)
        if place[0] not in accounts:
            caps[place] = None
        else:
            caps[place] = _cut(float(paid), float(claimed)) if claimed > paid else Decimal(1)
    rows: list[Row] = []
    for one, parts in open_ones:
        key = (one.arn, one.rule)
        rows.append(_saving_row(world, one, parts, nets[key], held[key], ratios, caps))
    near = dict.fromkeys(("identified", "measured_saving", "capped_saving"), Decimal("1e-6"))
    return Figures(("month", "arn", "rule"), rows, near)


def _saving_row(
    world: World,
    one: Finding,
    parts: list[tuple[Use, Decimal]] | None,
    nets: Mapping[str, Decimal],
    held: Mapping[str, list[tuple[tuple[str, str, str], Decimal]]],
    ratios: Mapping[str, Decimal | None],
    caps: Mapping[tuple[str, str, str], Decimal | None],
) -> Row:
    zero = Decimal(0)
    cut: dict[str, Decimal] = {}
    is_held = True
    for arn, places in held.items():
        whole = sum((amount for _, amount in places), zero)
        kept = sum(
            (
                rounded(amount * (Decimal(1) if caps[place] is None else caps[place] or zero))
                for place, amount in places
            ),
            zero,
        )
        cut[arn] = _cut(float(kept), float(whole))
        is_held &= all(caps[place] is not None for place, _ in places)
    by_measure = {
        arn: rounded(net * (ratios[arn] if ratios[arn] is not None else Decimal(1))) for arn, net in nets.items()
    }  # type: ignore[operator]
    identified = max(sum((rounded(net * cut.get(arn, Decimal(1))) for arn, net in by_measure.items()), zero), zero)
    counted = bool(nets)
    list_saving = max(sum(nets.values(), zero), zero)
    measured = max(sum(by_measure.values(), zero), zero) if all(ratios[arn] is not None for arn in nets) else None
    capped = max(sum((rounded(net * cut.get(arn, Decimal(1))) for arn, net in nets.items()), zero), zero)
    is_cut = any(ratio < 1 for ratio in cut.values())
    limited = "bill" if is_cut else "measured" if measured is not None and measured < list_saving else "list price"
    return {
        "month": world.today.replace(day=1),
        "arn": one.arn,
        "rule": one.rule,
        "account_id": one.account,
        "identified": None if parts is None else identified,
        "accepted": None,
        "realised": None,
        "currency": None if parts is None else CURRENCY,
        "list_saving": list_saving if counted else None,
        "measured_saving": measured if counted else None,
        "capped_saving": capped if counted and is_held else None,
        "limited_by": limited if counted else None,
    }
