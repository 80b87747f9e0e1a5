"""Until when AWS supports what there is, and what it costs beyond, by boto3's records and the ledger."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from recomputed.figures import Figures, Row, recomputes
from recomputed.network import of_everybody
from recomputed.world import World, month_of, reference

Dates = tuple[dt.date | None, dt.date | None, bool]

SOON = 180
"""Days."""


def _day(value: str) -> dt.date | None:
    return dt.date.fromisoformat(value) if value else None


def _dates(world: World) -> dict[tuple[str, str], Dates]:
    """The last days of both supports, and whether there is an extended one, by product and version: RDS goes first."""
    found = {
        (row["product"], row["version"]): (
            _day(row["standard_support_until"]),
            _day(row["extended_support_until"]),
            row["has_extended_support"] == "true",
        )
        for row in reference("end_of_life")
    }
    for record in of_everybody_by(world, "rds_db_major_engine_version"):
        ends = {
            one["LifecycleSupportName"].rpartition("rds-")[2]: one["LifecycleSupportEndDate"].date()
            for one in record["SupportedEngineLifecycles"]
        }
        if "standard-support" in ends:
            key = (record["Engine"], record["MajorEngineVersion"])
            is_extendable = found[key][2] if key in found else False
            found[key] = (ends["standard-support"], ends.get("extended-support"), is_extendable)
    return found


def of_everybody_by(world: World, listing: str) -> Iterator[dict[str, Any]]:
    """The records of a listing, whoever showed them."""
    for records in world.records[listing].values():
        yield from records


def _state(today: dt.date, standard: dt.date | None, extended: dt.date | None, is_extendable: bool) -> str:
    if standard is None:
        return "unknown"
    if today <= standard:
        return "ends soon" if (standard - today).days <= SOON else "supported"
    if extended and today <= extended:
        return "extended support"
    return "unknown" if is_extendable and extended is None else "ended"


def _things(world: World) -> Iterator[tuple[str, str, str, str]]:
    """ARN, kind, product and version of everything that has dates."""
    for arn, one in of_everybody(world, "rds_db_instance", "DBInstanceArn").items():
        yield arn, "engine", one["Engine"], one["EngineVersion"]
    for arn, one in of_everybody(world, "rds_db_cluster", "DBClusterArn").items():
        yield arn, "engine", one["Engine"], one["EngineVersion"]
    for arn, one in of_everybody(world, "lambda_function", "FunctionArn").items():
        if one.get("Runtime"):
            yield arn, "runtime", "lambda", one["Runtime"]


@recomputes("cmdb.end_of_life")
def end_of_life(world: World) -> Figures:
    """Each thing with the dates of the longest version that its own begins with."""
    dates, rows = _dates(world), list[Row]()
    for arn, kind, product, version in _things(world):
        fits = [
            major for name, major in dates if name == product and (version == major or version.startswith(f"{major}."))
        ]
        standard, extended, is_extendable = dates[product, max(fits, key=len)] if fits else (None, None, False)
        rows.append(
            {
                "arn": arn,
                "kind": kind,
                "product": product,
                "version": version,
                "state": _state(world.today, standard, extended, is_extendable),
                "standard_support_until": standard,
                "extended_support_until": extended,
                "days_left": (standard - world.today).days if standard else None,
            }
        )
    old = {(row["service"], row["family"]) for row in reference("instance_family")}
    authorities = {one["CertificateIdentifier"]: one["ValidTill"] for one in of_everybody_by(world, "rds_certificate")}
    for arn, one in of_everybody(world, "rds_db_instance", "DBInstanceArn").items():
        certificate = one["CertificateDetails"]
        # The demo's other authority has ended.
        ends = authorities.get(certificate["CAIdentifier"], certificate["ValidTill"]).date()
        rows.append(
            {
                "arn": arn,
                "kind": "certificate",
                "product": "rds",
                "version": one["CertificateDetails"]["CAIdentifier"],
                "state": _state(world.today, ends, None, False),
                "standard_support_until": ends,
                "days_left": (ends - world.today).days,
            }
        )
        family = one["DBInstanceClass"].rpartition(".")[0]
        if ("rds", family) in old:
            rows.append(_old(arn, family, one["DBInstanceClass"]))
    for (account, region), records in world.records["ec2_instance"].items():
        for one in records:
            family = one["InstanceType"].partition(".")[0]
            if one["State"]["Name"] != "terminated" and ("ec2", family) in old:
                arn = f"arn:aws:ec2:{region}:{account}:instance/{one['InstanceId']}"
                rows.append(_old(arn, family, one["InstanceType"]))
    return Figures(("arn", "kind"), [*rows, *_images(world)])


def _images(world: World) -> Iterator[Row]:
    """Each instance whose image ends some day, or has."""
    for (account, region), records in world.records["ec2_instance_image"].items():
        for one in records:
            image = one["ImageMetadata"]
            ends = image.get("DeprecationTime")
            day = dt.date.fromisoformat(ends[:10]) if ends else None
            if day is None and image["State"] != "deregistered":
                continue
            yield {
                "arn": f"arn:aws:ec2:{region}:{account}:instance/{one['InstanceId']}",
                "kind": "image",
                "product": image["Name"],
                "version": image["ImageId"],
                "state": _state(world.today, day, None, False) if day else "ended",
                "standard_support_until": day,
                "days_left": (day - world.today).days if day else None,
            }


def _old(arn: str, family: str, version: str) -> Row:
    """AWS publishes no end of an old generation."""
    return {
        "arn": arn,
        "kind": "generation",
        "product": family,
        "version": version,
        "state": "old generation",
        "standard_support_until": None,
        "days_left": None,
    }


@recomputes("cost.extended_support")
def extended_support(world: World) -> Figures:
    """The ledger's lines of extended support."""
    sums: dict[tuple[dt.date, str, str], Decimal] = defaultdict(Decimal)
    for line in world.ledger:
        if re.search("ExtendedSupport:", line["usage_type"]):
            month = month_of(dt.date.fromisoformat(line["usage_date"]))
            sums[month, line["account_id"], line["usage_type"]] += Decimal(line["unblended_cost"])
    names = ("month", "account_id", "usage_type")
    rows: list[Row] = [{**dict(zip(names, key, strict=True)), "unblended_cost": cost} for key, cost in sums.items()]
    return Figures(names, rows)


def _tariff(today: dt.date, region: str) -> dict[str, Decimal]:
    """Price of a vCPU-hour by tier: the region's own goes before the one for all."""
    rows = [row for row in reference("unit_price") if row["usage"].startswith("ExtendedSupport:")]
    known = [row for row in rows if row["region"] in {"", region} and dt.date.fromisoformat(row["valid_from"]) <= today]
    known.sort(key=lambda row: (row["region"] != "", row["valid_from"]))
    return {row["usage"].partition(":")[2]: Decimal(row["amount"]) for row in known}


@recomputes("cost.extended_support_forecast")
def extended_support_forecast(world: World) -> Figures:
    """Each day of the year before us at the price of that day, for each vCPU."""
    cores = {
        one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in of_everybody_by(world, "ec2_instance_type")
    }
    databases = of_everybody(world, "rds_db_instance", "DBInstanceArn")
    rows = list[Row]()
    for thing in end_of_life(world).rows:
        ends, last = thing["standard_support_until"], thing.get("extended_support_until")
        if thing["product"] not in {"postgres", "mysql", "aurora-postgresql", "aurora-mysql"} or not (ends and last):
            continue
        database = databases.get(thing["arn"])
        if database is None or last < max(world.today, ends + dt.timedelta(1)) or (ends - world.today).days >= 365:
            continue
        vcpus = cores.get(database["DBInstanceClass"].removeprefix("db."))
        row: Row = {"arn": thing["arn"], "vcpu_count": None, "monthly_cost": None, "next_year_cost": None}
        rows.append(row)
        if vcpus is None:
            continue
        row["vcpu_count"] = vcpus * (2 if database["MultiAZ"] else 1)
        first = max(world.today, ends + dt.timedelta(1))
        day = 28 if (ends.month, ends.day) == (2, 29) else ends.day
        year_three_from = ends.replace(year=ends.year + 2, day=day) + dt.timedelta(1)
        tariff = _tariff(world.today, thing["arn"].split(":")[3])
        of_day = {
            day: tariff["Yr3" if day >= year_three_from and thing["product"] != "aurora-mysql" else "Yr1-Yr2"]
            for day in [first, *(world.today + dt.timedelta(number) for number in range(365))]
        }
        year = sum(price for day, price in of_day.items() if ends < day <= last and (day - world.today).days < 365)
        row["monthly_cost"], row["next_year_cost"] = (
            row["vcpu_count"] * amount for amount in (730 * of_day[first], 24 * Decimal(year))
        )
    return Figures(("arn",), rows)
