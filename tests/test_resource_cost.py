"""What resources cost: what AWS measured, what follows from it, and what is nobody's."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from bills import ACCOUNT, Line, billed, days, service
from given import House, build, insert

from pipelines.models.checks import read_checks, run

COMPUTE = "Amazon Elastic Compute Cloud - Compute"
RULES = {check.name: check for check in read_checks()}


def instance(
    home: House, name: str, first: str, last: str | None = None, kind: str = "m5.large", state: str = "running"
) -> None:
    """An instance that was there, in that state, from one day to the other."""
    arn = f"arn:aws:ec2:ap-southeast-2:{ACCOUNT}:instance/{name}"
    columns: dict[str, Any] = {
        "arn": arn,
        "resource_id": name,
        "account_id": ACCOUNT,
        "region": "ap-southeast-2",
        "resource_type": "AWS::EC2::Instance",
        "status": "active" if last is None else "retired",
        "first_seen_at": f"{first}T00:00:00Z",
        "last_seen_at": f"{first}T00:00:00Z",
        "collected_at": f"{first}T00:00:00Z",
        "is_stale": False,
        "run_id": "night-1",
        "listing": "ec2_instance",
        "role": "workload",
        "caller_account_id": ACCOUNT,
        "cell_region": "ap-southeast-2",
    }
    version: dict[str, Any] = {
        "arn": arn,
        "valid_from": f"{first}T00:00:00Z",
        "valid_to": last and f"{last}T12:00:00Z",
        "is_current": last is None,
        "resource_type": "AWS::EC2::Instance",
        "account_id": ACCOUNT,
        "status": "active",
        "change": "discovered",
        "changed_attributes": [],
        "attributes": json.dumps({"state": state, "instance_type": kind}),
        "raw_hash": 1,
        "run_id": "night-1",
        "listing": "ec2_instance",
    }
    with home.store.transaction() as connection:
        for table, row in (("cmdb.resource", columns), ("cmdb.resource_version", version)):
            if table == "cmdb.resource":
                connection.execute("delete from cmdb.resource where arn = $arn", {"arn": arn})
            insert(connection, table, row)


def measured(home: House, first: str, last: str, amortized: dict[str, str] | None = None, **cost: str) -> None:
    """What AWS measured of each resource on each of these days; of `nobody` what belongs to none."""
    with home.store.transaction() as connection:
        for name, amount in cost.items():
            for day in days(first, last):
                connection.execute(
                    """
                    insert into cost.resource_daily by name
                    select
                        $day::date as usage_date, $account as account_id, $service as service, $name as resource_id,
                        $amount::decimal(28, 10) as unblended_cost, $amortized::decimal(28, 10) as amortized_cost,
                        'USD' as currency, false as is_estimated, false as is_stale,
                        '2026-11-24T14:00:00Z'::timestamptz as collected_at, 'night-1' as run_id,
                        'cost_resource_daily' as listing
                    """,
                    {
                        "day": day,
                        "account": ACCOUNT,
                        "service": COMPUTE,
                        "name": "NoResourceId" if name == "nobody" else name.replace("_", "-"),
                        "amount": amount,
                        "amortized": amount if amortized is None else amortized.get(name),
                    },
                )


def shares(home: House) -> dict[str | None, dict[str, Any]]:
    for name in ("cost.month_coverage", "cost.resource_cost"):
        build(home.store, home.models[name])
    with home.store.read() as connection:
        assert run(connection, RULES["resource_costs_add_up_to_the_bill"]).count == 0
    return {row["arn"] and row["arn"].rpartition("/")[2]: row for row in home.rows("from cost.resource_cost")}


def costs(home: House, *columns: str) -> dict[str | None, tuple[Any, ...]]:
    return {
        name: (f"{Decimal(row['cost']).normalize():f}", row["attribution"], *(row[column] for column in columns))
        for name, row in shares(home).items()
    }


def compute(amount: str, first: str = "2026-11-01", last: str = "2026-11-23") -> list[Line]:
    return service(first, last, amount, COMPUTE)


def test_the_fee_of_a_reservation_is_on_nobody(home: House) -> None:
    billed(home, [*compute("1", last="2026-11-01"), *compute("1", "2026-11-02")])
    home.execute("update cost.daily set unblended_cost = 1001 where usage_date = '2026-11-01'")
    for name in ("i-od", "i-ri"):
        instance(home, name, "2026-09-01")
    measured(home, "2026-11-14", "2026-11-23", i_od="1", i_ri="0")
    assert costs(home, "measured_cost", "extrapolated_cost", "measured_days", "extrapolated_days") == {
        "i-od": ("23", "extrapolated", "10.0000000000", "13.0000000000", 10, 13),
        "i-ri": ("0", "measured", "0.0000000000", "0.0000000000", 10, 13),
        None: ("1000", "unattributed", None, None, 10, None),
    }


def test_a_day_that_aws_has_not_counted_whole_makes_no_pace_slower(home: House) -> None:
    billed(home, [*compute("1", last="2026-11-22"), *compute("0.1", "2026-11-23")])
    instance(home, "i-1", "2026-09-01")
    measured(home, "2026-11-14", "2026-11-22", i_1="1")
    measured(home, "2026-11-23", "2026-11-23", i_1="0.1")
    assert costs(home) == {"i-1": ("22.1", "extrapolated")}


def test_where_aws_has_counted_no_day_whole_what_it_has_is_the_pace(home: House) -> None:
    billed(home, compute("0.5", "2026-11-22"))
    instance(home, "i-1", "2026-09-01")
    measured(home, "2026-11-23", "2026-11-23", i_1="0.5")
    assert costs(home) == {"i-1": ("1", "extrapolated")}


def test_what_went_before_anybody_measured_is_not_reported_of_others(home: House) -> None:
    billed(home, [*compute("101", last="2026-11-05"), *compute("1", "2026-11-06")])
    instance(home, "i-gone", "2026-09-01", "2026-11-05")
    instance(home, "i-stays", "2026-09-01")
    measured(home, "2026-11-14", "2026-11-23", i_stays="1")
    assert costs(home) == {"i-stays": ("23", "extrapolated"), None: ("500", "unattributed")}


def test_nothing_pays_for_days_before_it_was_there(home: House) -> None:
    billed(home, [*compute("1", last="2026-11-19"), *compute("101", "2026-11-20")])
    instance(home, "i-old", "2026-09-01")
    instance(home, "i-new", "2026-11-20")
    measured(home, "2026-11-22", "2026-11-23", i_old="1", i_new="100")
    assert costs(home, "extrapolated_days") == {
        "i-old": ("23", "extrapolated", 21),
        "i-new": ("400", "extrapolated", 2),
    }


def test_what_was_stopped_costs_nothing_while_it_was(home: House) -> None:
    billed(home, [*compute("5", last="2026-11-12"), *compute("15", "2026-11-13")])
    instance(home, "i-old", "2026-09-01")
    instance(home, "i-stopped", "2026-09-01", "2026-11-12", state="stopped")
    instance(home, "i-stopped", "2026-11-13")
    measured(home, "2026-11-14", "2026-11-23", i_old="5", i_stopped="10")
    assert costs(home) == {"i-old": ("115", "extrapolated"), "i-stopped": ("110", "extrapolated")}


def test_a_day_reports_no_more_than_its_bill_and_to_the_last_digit(home: House) -> None:
    billed(home, [*compute("0.0000000010", last="2026-11-13"), *compute("9", "2026-11-14")])
    for name in ("i-a", "i-b", "i-c"):
        instance(home, name, "2026-09-01")
    measured(home, "2026-11-14", "2026-11-23", i_a="3", i_b="3", i_c="3")
    assert costs(home) == {
        **dict.fromkeys(("i-a", "i-b", "i-c"), ("30.0000000039", "extrapolated")),
        None: ("0.0000000013", "unattributed"),
    }


def test_what_all_days_are_measured_of_is_measured_and_what_is_not_known_is_not_extrapolated(home: House) -> None:
    billed(home, compute("7", "2026-11-10"))
    instance(home, "i-known", "2026-09-01")
    measured(home, "2026-11-10", "2026-11-21", i_known="2", i_unknown="1", nobody="4")
    assert costs(home, "extrapolated_days") == {
        "i-known": ("28", "extrapolated", 2),
        # Nobody knows since when it was there.
        "i-unknown": ("12", "measured", 0),
        None: ("58", "unattributed", None),
    }
    measured(home, "2026-11-22", "2026-11-23", i_known="2")
    assert costs(home)["i-known"] == ("28", "measured")


def test_a_reserved_instance_is_reported_by_what_its_reservation_costs_too(home: House) -> None:
    billed(home, compute("1"))
    home.execute("update cost.daily set amortized_cost = 41")
    for name in ("i-od", "i-ri"):
        instance(home, name, "2026-09-01")
    measured(home, "2026-11-14", "2026-11-23", {"i_od": "1", "i_ri": "40"}, i_od="1", i_ri="0")
    assert costs(home, "amortized_cost") == {
        "i-od": ("23", "extrapolated", "23.0000000000"),
        "i-ri": ("0", "measured", "920.0000000000"),
    }


def test_amortized_cost_that_aws_gave_of_a_part_alone_is_reported_of_none(home: House) -> None:
    billed(home, compute("2", "2026-11-23", "2026-11-23"))
    for name in ("i-a", "i-b"):
        instance(home, name, "2026-09-01")
    measured(home, "2026-11-23", "2026-11-23", {"i_a": "1"}, i_a="1", i_b="1")
    assert {row["amortized_cost"] for row in shares(home).values()} == {None}


# ----------------------------------------------------------------------------------------- what nobody measured


def test_a_bill_is_shared_out_by_what_types_cost_and_not_by_their_size(home: House) -> None:
    billed(
        home,
        [
            *compute("1000", "2026-11-10", "2026-11-10"),
            ("2026-11-10", "usage_type", ACCOUNT, "APS2-BoxUsage:m5.24xlarge", "600"),
            ("2026-11-10", "usage_type", ACCOUNT, "APS2-BoxUsage:p4d.24xlarge", "300"),
            # The fee of a reservation is no use of an instance.
            ("2026-11-10", "usage_type", ACCOUNT, "APS2-HeavyUsage:m5.large", "100"),
        ],
    )
    for name, kind in (
        ("i-m5", "m5.24xlarge"),
        ("i-p4d", "p4d.24xlarge"),
        ("i-r5", "r5.2xlarge"),
        ("i-t3", "t3.2xlarge"),
    ):
        instance(home, name, "2026-09-01", kind=kind)
    found = shares(home)
    assert {name: (row["attribution"], row["weight_basis"]) for name, row in found.items()} == {
        "i-m5": ("allocated", "family"),
        "i-p4d": ("allocated", "price"),
        "i-r5": ("allocated", "price"),
        "i-t3": ("allocated", "family"),
        None: ("unattributed", None),
    }
    assert found[None]["cost"] == "100.0000000000"
    cost = {name: Decimal(row["cost"]) for name, row in found.items()}
    assert Decimal("5") < cost["i-p4d"] / cost["i-m5"] < Decimal("8")
    assert Decimal("1.3") < cost["i-r5"] / cost["i-t3"] < Decimal("1.6")
    assert sum(cost.values()) == 1000
    assert {row["weight_unit"] for name, row in found.items() if name} == {"USD at list price"}


def test_a_family_without_a_price_is_reported_by_its_size_and_says_so(home: House) -> None:
    billed(
        home,
        [
            *compute("90", "2026-11-10", "2026-11-10"),
            ("2026-11-10", "usage_type", ACCOUNT, "APS2-BoxUsage:m5.large", "90"),
        ],
    )
    instance(home, "i-odd", "2026-09-01", kind="q9.large")
    instance(home, "i-odd-too", "2026-09-01", kind="q9.xlarge")
    found = shares(home)
    assert {name: (row["cost"], row["weight_basis"]) for name, row in found.items()} == {
        "i-odd": ("30.0000000000", "size"),
        "i-odd-too": ("60.0000000000", "size"),
    }
    # A type that is of no size at all is of none: nobody pays for another.
    instance(home, "i-metal", "2026-09-01", kind="q9.metal")
    assert {name: row["cost"] for name, row in shares(home).items()} == {None: "90.0000000000"}


def test_a_bill_in_rupiah_is_shared_out_to_the_last_digit(home: House) -> None:
    amount = "987654321987654.0000000001"
    billed(
        home,
        [
            *compute(amount, "2026-11-10", "2026-11-10"),
            ("2026-11-10", "usage_type", ACCOUNT, "APS2-BoxUsage:m5.large", amount),
        ],
    )
    for number in range(3):
        instance(home, f"i-{number}", "2026-09-01")
    found = shares(home)
    assert sorted(row["cost"] for row in found.values()) == ["329218107329218.0000000000"] * 2 + [
        "329218107329218.0000000001"
    ]
