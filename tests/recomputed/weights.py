"""What AWS did not measure by resource, shared out by hours at list price."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from statistics import median
from typing import Any

from recomputed.figures import shared_out
from recomputed.items import Item, items
from recomputed.network import listed
from recomputed.world import World, last_day, month_of, reference

FACTORS = {"nano": 1, "micro": 2, "small": 4, "medium": 8, "large": 16, "xlarge": 32}
"""AWS's normalization factors in quarters: a small one counts 1."""

OTHER_SERVICE = {"neptune": "Amazon Neptune", "docdb": "Amazon DocumentDB (with MongoDB compatibility)"}


def is_there(item: Item) -> bool:
    """Whether it costs by being there: neither retired nor at rest."""
    if item.status != "active":
        return False
    return {"AWS::EC2::Instance": item.state == "running", "AWS::RDS::DBInstance": item.state != "stopped"}.get(
        item.resource_type, True
    )


def quarters(size: str) -> int | None:
    """How large a size is."""
    if size in FACTORS:
        return FACTORS[size]
    several = re.fullmatch(r"(\d+)xlarge", size)
    return 32 * int(several[1]) if several else None


def _split(usage: str) -> tuple[str, str, str]:
    """Kind, family and size of a usage, such as `BoxUsage:`, `BoxUsage:m5`, `large`."""
    if usage.startswith("EBS:VolumeUsage."):
        return "EBS:VolumeUsage", usage, "small"
    found = re.match(r"([A-Za-z]+:(?:db\.)?)([^./]+)\.([^./]+)", usage)
    assert found, usage
    return found[1], found[1] + found[2], found[3]


@cache
def prices() -> dict[tuple[str, str], Decimal]:
    """The newest price of each usage and region; the region is empty where it is anywhere's."""
    found: dict[tuple[str, str], Decimal] = {}
    for row in sorted(reference("unit_price"), key=lambda row: row["valid_from"]):
        if row["usage"].startswith(("BoxUsage:", "InstanceUsage:db.", "EBS:VolumeUsage.")):
            found[row["usage"], row["region"]] = Decimal(row["amount"])
    return found


def price(usage: str, region: str) -> Decimal | None:
    """What an hour of it costs: of its type, of its family by size, or of the middle of all families."""
    kind, family, size = _split(usage)
    for place in (region, ""):
        if (usage, place) in prices():
            return prices()[usage, place]
    by_family: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for (name, place), amount in prices().items():
        kind_of, family_of, size_of = _split(name)
        if (count := quarters(size_of)) is not None:
            by_family[family_of, place].append(amount / count)
            if not place:
                by_family[kind_of, "*"].append(amount / count)
    own = quarters(size)
    for key in ((family, region), (family, ""), (kind, "*")):
        if own is not None and key in by_family:
            return Decimal(median(by_family[key])) * own
    return None


def _sizes(world: World) -> dict[str, tuple[str, Decimal, str]]:
    """By ARN the usage, how much of it an hour is, and the service that bills it where that is another."""
    found: dict[str, tuple[str, Decimal, str]] = {}
    for account, region, record in listed(world, "ec2_instance"):
        arn = f"arn:aws:ec2:{region}:{account}:instance/{record['InstanceId']}"
        found[arn] = (f"BoxUsage:{record['InstanceType']}", Decimal(1), "")
    for account, region, record in listed(world, "ec2_volume"):
        arn = f"arn:aws:ec2:{region}:{account}:volume/{record['VolumeId']}"
        # A price of a month is one of 730 hours.
        found[arn] = (f"EBS:VolumeUsage.{record['VolumeType']}", Decimal(record["Size"]) / 730, "")
    for _, _, record in listed(world, "rds_db_instance"):
        usage = f"InstanceUsage:{record['DBInstanceClass']}/{record['Engine']}"
        copies = Decimal(2 if record["MultiAZ"] else 1)
        found[record["DBInstanceArn"]] = (usage, copies, OTHER_SERVICE.get(record["Engine"], ""))
    return found


def by_weight(
    world: World, place: tuple[dt.date, str, str], bill: list[Decimal]
) -> dict[str, tuple[list[Decimal], Decimal]]:
    """What each resource bears of a service that AWS did not measure, and what it would cost at list price.

    What was billed before anybody looked belongs to resources that may be gone.
    """
    month, account, service = place
    rule = next((row for row in reference("cost_weight") if row["service"] == service), None)
    if rule is None or last_day(month) < world.today:
        return {}
    pool = [min(part, whole) for part, whole in zip(_used(world, place, rule), bill, strict=True)]
    weights: dict[str, int] = {}
    sizes, tariff = _sizes(world), Decimal("1e10")
    begin = dt.datetime.combine(month, dt.time(), dt.UTC)
    end = dt.datetime.combine(max(world.bill_days) + dt.timedelta(days=1), dt.time(), dt.UTC)
    for item in items(world):
        if item.resource_type != rule["resource_type"] or item.account_id != account or not is_there(item):
            continue
        usage, quantity, other = sizes[item.arn]
        if (other or service) != service or item.created is None:
            continue
        seconds = int((end - max(item.created, begin)).total_seconds())
        hour = price(usage, item.region)
        if hour is None:
            return {}
        if seconds > 0:
            weights[item.arn] = seconds * round(hour * quantity * tariff)
    if not sum(weights.values()) or not any(pool):
        return {}
    parts = [shared_out(max(amount, Decimal(0)), weights) for amount in pool]
    return {
        arn: ([part[arn] for part in parts], Decimal(weight) / 36_000_000_000_000) for arn, weight in weights.items()
    }


def _used(world: World, place: tuple[dt.date, str, str], rule: Mapping[str, Any]) -> list[Decimal]:
    """What the resources of a service are used for, without its fees, by usage types; both amounts."""
    month, account, _ = place
    sums = [Decimal(0), Decimal(0)]
    for day, name, usage, amounts in world.cells("usage_type"):
        if name == account and month_of(day) == month and re.search(rule["usage_pattern"], usage):
            sums = [sums[0] + amounts["unblended_cost"], sums[1] + amounts["amortized_cost"]]
    return sums
