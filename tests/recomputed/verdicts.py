"""How far the items can be relied on, what the bill adds up to, and what each table says of its own scope."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from recomputed.bill import total_of
from recomputed.figures import Figures, Row, recomputes
from recomputed.items import there
from recomputed.witnesses import inventoried
from recomputed.world import World, last_day, month_of, reference


def _value(fault: Decimal | int, judged: Decimal | int) -> Decimal | None:
    """Per cent, rounded down: what lacks the least is no hundred percent."""
    if not judged:
        return None
    return Decimal(100) if not fault else Decimal(10000 * (judged - fault) // judged) / 100


def _health(kpi: str, fault: int, judged: int, unknown: int) -> dict[str, Any]:
    return {
        "kpi": kpi,
        "scope": "organisation",
        "at_fault_count": fault,
        "judged_count": judged,
        "unknown_count": unknown,
        "value": _value(fault, judged),
    }


@recomputes("cmdb.health")
def health(world: World) -> Figures:
    """The figures of the organisation, but for completeness and orphans, which rest on every attribute and relation."""
    own = there(world)
    seen: set[tuple[str, ...]] = set()
    twice = 0
    for item in own:
        space = () if ":ec2:" in item.arn else (item.account_id, item.region)
        key = (item.part, *space, item.resource_id or item.arn)
        twice += key in seen
        seen.add(key)
    ownerless = [item for item in own if item.columns["owner_source"] == "none"]
    unread = sum(1 for item in ownerless if item.tags is None)
    active = [one["account_id"] for one in world.truth["accounts"] if one["state"] == "ACTIVE"]
    spend = inventoried(world)
    at_fault = [row for row in spend if row["verdict"] in ("not inventoried", "no listing")]
    judged = [row for row in spend if row["verdict"] != "unknown"]

    def money(rows: list[dict[str, Any]]) -> Decimal:
        return sum((row["unblended_cost"] for row in rows), Decimal(0))

    spent = _health("uninventoried_spend", len(at_fault), len(judged), len(spend) - len(judged))
    rows: list[Row] = [
        _health("staleness", 0, len(own), 0),
        _health("duplicate", twice, len(own), 0),
        _health("ownership", len(ownerless) - unread, len(own) - unread, unread),
        _health("coverage", sum(1 for name in active if name not in world.truth["reachable"]), len(active), 0),
        {
            **spent,
            "value": _value(money(at_fault), money(judged)) if at_fault else Decimal(100),
            "at_fault_cost": money(at_fault),
            "judged_cost": money(judged),
        },
    ]
    wanted = ", ".join(f"'{row['kpi']}'" for row in rows)
    return Figures(("kpi", "scope"), rows, where=f"scope = 'organisation' and kpi in ({wanted})")


@recomputes("cost.reconciliation")
def reconciliation(world: World) -> Figures:
    """Each slice, month and key holds the bill; nothing is missing."""
    rows: list[Row] = []

    def row(rule: str, scope: str, expected: Decimal | int) -> None:
        rows.append({"rule": rule, "scope": scope, "expected": Decimal(expected), "passed": True})

    for month in world.months:
        named, bill = f"{month:%Y-%m}", total_of(world, month)
        for cut in world.slices:
            if cut != "service":
                row("slices_agree", f"{cut} {named}", bill)
            last = min(last_day(month), world.today - dt.timedelta(days=2))
            row("no_day_is_missing", f"{cut} {named}", max((last - max(month, world.bill_days[0])).days + 1, 0))
        for key in world.tag_keys:
            row("allocation_adds_up_to_the_bill", f"{key} {named}", bill)
        for tag in reference("tag_key"):
            if tag["is_cut_by_service"] == "true":
                row("tags_by_service_are_the_bill", f"{tag['tag_key']} {named}", bill)
        row("daily_cost_is_the_monthly_total", named, bill)
        row("every_day_has_a_rate", named, sum(1 for day in world.bill_days if month_of(day) == month))
        if last_day(month) < world.first_estimated:
            row("closed_months_are_unchanged_or_restated", named, bill)
    # What AWS's own budgets count may lag behind the bill: whether that is within its tolerance is the rule's own.
    return Figures(("rule", "scope"), rows, where="rule <> 'budgets_count_what_the_bill_says'")


@recomputes("cost.restatement", "cost.tag_backfill")
def nothing_yet(_: World) -> Figures:
    """On a first night nothing has changed, and nobody asked for a backfill."""
    return Figures(("run_id",), [])


@recomputes("cost.focus_cost_and_usage")
def focus(world: World) -> Figures:
    """The bill in the words of FOCUS: what was bought is told from what was used."""
    rows: dict[tuple[dt.datetime, str, str, str], dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), Decimal(0))
    )
    names = {"BilledCost": "billed_cost", "EffectiveCost": "net_amortized_cost", "ListCost": "list_cost",
             "ContractedCost": "contracted_cost"}  # fmt: skip
    for line in world.ledger:
        is_bought = (
            line["record_type"] in ("RIFee", "Upfront", "SavingsPlanRecurringFee")
            or "HeavyUsage:" in line["usage_type"]
            or line["record_type"] == "Support"
        )
        kind = "Purchase" if is_bought else "other"
        day = dt.datetime.fromisoformat(line["usage_date"])
        covers_others = is_bought and line["record_type"] != "Support"
        for name, metric in names.items():
            # What covers other charges costs nothing by itself: what nobody used of it is with the use.
            of_kind = "other" if covers_others and name == "EffectiveCost" else kind
            rows[day, line["account_id"], line["service"], of_kind][name] += Decimal(line[metric])
    names_of_key = ("ChargePeriodStart", "SubAccountId", "ServiceName", "kind")
    kept = [
        dict(zip(names_of_key, key, strict=True)) | amounts for key, amounts in rows.items() if any(amounts.values())
    ]
    sums = ", ".join(f'sum("{name}") as "{name}"' for name in names)
    query = f"""
        select
            "ChargePeriodStart", "SubAccountId", "ServiceName", {sums},
            case when "ChargeCategory" = 'Purchase' then 'Purchase' else 'other' end as kind
        from cost.focus_cost_and_usage group by all
        having {" or ".join(f'sum("{name}") <> 0' for name in names)}
    """
    return Figures(names_of_key, kept, query=query)


# ------------------------------------------------------------------------------------------- by what was requested


def cells(world: World) -> dict[str, Counter[str]]:
    """Of each listing that is asked of accounts by itself: its cells that are judged (empty), or why they are not."""
    regions, hub = len(world.truth["regions"]), world.truth["central"]["operations"]
    found: dict[str, Counter[str]] = {}
    hub_asks = ("ec2_",)
    for listing in world.records:
        is_global = listing == "s3_bucket"
        counts: Counter[str] = Counter()
        for one in world.truth["accounts"]:
            name = one["account_id"]
            is_asked = name in world.truth["reachable"] or (name == hub and listing.startswith(hub_asks))
            if one["state"] == "CLOSED":
                continue
            if is_asked:
                counts[""] += 1 if is_global else regions
            else:
                # One cell stands for all regions of an account that nobody could ask.
                counts["account_suspended" if one["state"] != "ACTIVE" else "no_profile"] += 1
        found[listing] = counts
    return found


def reached(world: World) -> dict[str, Counter[str]]:
    """The same of the list of accounts and of the regions of each."""
    asked = [one for one in world.truth["accounts"] if one["state"] != "CLOSED"]
    regions: Counter[str] = Counter()
    for one in asked:
        if one["account_id"] in world.collected:
            regions[""] += 1
        else:
            regions["account_suspended" if one["state"] != "ACTIVE" else "no_profile"] += 1
    return {"organizations_account": Counter({"": 1}), "ec2_region": regions}


RESTS_ON = {
    "cmdb.finding_open_rule": ("ec2_security_group_rule", "ec2_security_group", "ec2_network_interface"),
    "cmdb.finding_vpc_without_flow_log": ("ec2_vpc", "ec2_subnet", "ec2_flow_log", "ec2_network_interface"),
}
"""What the findings of the network rest on, beside the list of accounts and regions, as their documentation says."""


@recomputes("audit.claim")
def claims(world: World) -> Figures:
    """What the findings of the network say of their scope."""
    wanted = ", ".join(f"'{name}'" for name in RESTS_ON)
    return Figures(("claim",), list(_claims(world)), where=f"claim in ({wanted})")


def _claims(world: World) -> Iterator[Row]:
    """Scope, judged and unknown of the findings of the network: every account and region, whoever reaches it."""
    known = {**cells(world), **reached(world)}
    for claim, listings in RESTS_ON.items():
        counts: Counter[str] = sum(
            (known[name] for name in (*listings, "organizations_account", "ec2_region")), Counter()
        )
        unknown = {why: count for why, count in counts.items() if why}
        yield {
            "claim": claim,
            "scope": sum(counts.values()),
            "judged": counts[""],
            "unknown": sum(unknown.values()),
            "unknown_reason": ", ".join(
                f"{why} {count}" for why, count in sorted(unknown.items(), key=lambda one: (-one[1], one[0]))
            )
            or None,
        }


@recomputes("cmdb.finding_unknown")
def finding_unknown(world: World) -> Figures:
    """Every place of a finding of the network that nobody could ask, a listing a row."""
    hub = world.truth["central"]["operations"]
    rows: list[Row] = []
    for claim, listings in RESTS_ON.items():
        for one, listing in itertools.product(world.truth["accounts"], (*listings, "ec2_region")):
            if one["state"] == "CLOSED" or one["account_id"] in (*world.truth["reachable"], hub):
                continue
            rows.append(
                {
                    "finding": claim.removeprefix("cmdb."),
                    "account_id": one["account_id"],
                    "region": "aws-global",
                    "listing": listing,
                    "skip_reason": "account_suspended" if one["state"] != "ACTIVE" else "no_profile",
                }
            )
    wanted = ", ".join(f"'{name.removeprefix('cmdb.')}'" for name in RESTS_ON)
    return Figures(("finding", "account_id", "region", "listing"), rows, where=f"finding in ({wanted})")
