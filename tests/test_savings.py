"""Savings against the bill: nothing is identified beyond what is paid, and nothing realised unless the bill fell.

Each test is a few nights of one account, with its bill by usage type.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import test_replaced
from bills import SPOT, billed, seed, service, totals
from given import FIRST_NIGHT, WORKLOAD, Given, House, build
from test_decommission import cost, instance, last_part, measured_instance, snapshot, volume

Record = dict[str, Any]

GB2, GB3, SNAPSHOT = "APS2-EBS:VolumeUsage.gp2", "APS2-EBS:VolumeUsage.gp3", "APS2-EBS:SnapshotUsage"
BOX = "APS2-BoxUsage:t3.large"
COMPUTE = "Amazon Elastic Compute Cloud - Compute"
MONTH = Decimal(365) / 12


TONIGHT = (
    "ref.fx_rate",
    "aws.ec2_volume",
    "aws.ec2_instance",
    "aws.ec2_snapshot",
    "aws.ec2_image",
    "aws.cloudwatch_metric_daily",
    "cost.daily",
    "cost.exchange_rate",
    "stage.cost_resource_daily",
    "cost.resource_daily",
    "cmdb.resource",
    "cmdb.resource_version",
    "stage.decommission_finding",
    "cmdb.decommission_signal",
    "cost.month_coverage",
    "cost.saving",
)
"""What the nights of these tests change."""


@pytest.fixture
def home(home: House) -> House:
    seed(home, "ref.fx_rate", [(*SPOT, "2026-11-20", "2")])
    return home


def bill(first: dt.date, until: dt.date, spent: dict[str, list[tuple[str, str]]]) -> list[Given]:
    """The bill by usage type of each day up to the one before `until`: by usage type, from which day on what a day."""
    months: dict[str, list[Record]] = {}
    day = first
    while day < until:
        for usage, steps in spent.items():
            amount = [amount for since, amount in steps if since <= day.isoformat()][-1]
            if Decimal(amount):
                months.setdefault(f"{day:%Y-%m}", []).append(cost(day.isoformat(), WORKLOAD, usage, amount))
        day += timedelta(days=1)
    return [Given(f"cost_daily:usage_type:{month}", records) for month, records in months.items()]


def night(
    home: House,
    at: datetime,
    spent: dict[str, list[tuple[str, str]]],
    *,
    volumes: Iterable[Record] = (),
    instances: Iterable[Record] = (),
    snapshots: Iterable[Record] = (),
    more: Iterable[Given] = (),
    built: Iterable[str] = TONIGHT,
) -> None:
    """One night of the account, with all that the savings read."""
    first = FIRST_NIGHT.date() - timedelta(days=23)
    home.night(
        f"night-{at:%Y-%m-%d}",
        [
            *(
                Given(name, list(records)) if records else Given(name, (), "empty_verified")
                for name, records in (
                    ("ec2_volume", list(volumes)),
                    ("ec2_instance", list(instances)),
                    ("ec2_snapshot", list(snapshots)),
                )
            ),
            Given("ec2_image", (), "empty_verified"),
            *bill(first, at.date(), spent),
            *more,
        ],
        at,
    )
    for relation in built:
        build(home.store, home.models[relation])


def savings(home: House) -> dict[str, Record]:
    rows = home.rows('select * from cost.saving order by "month", rule')
    return {last_part(row["arn"]): row for row in rows}


def total(home: House, column: str) -> Decimal | None:
    (row,) = home.rows(f"select sum({column})::decimal(28, 10) as total from cost.saving")
    return None if row["total"] is None else Decimal(row["total"])


def after(days: int) -> datetime:
    return FIRST_NIGHT + timedelta(days=days)


# ------------------------------------------------------------------------------------------------ identified


def test_no_more_is_identified_than_the_account_pays_for_the_usage_type(home: House) -> None:
    # Thirty snapshots of one volume of 1,000 GiB: each has its whole size, and what is billed are the changes.
    snapshots = [snapshot(f"snap-{number}", VolumeSize=1000) for number in range(30)]
    night(home, FIRST_NIGHT, {SNAPSHOT: [("2026-01-01", "0.55")]}, snapshots=snapshots)
    paid = Decimal("0.55") * MONTH
    identified = total(home, "identified")
    assert identified is not None and paid - Decimal("0.001") < identified <= paid
    assert total(home, "list_saving") == 30 * 55
    row = savings(home)["snap-0"]
    assert (row["limited_by"], row["measured_saving"]) == ("bill", None)
    assert row["capped_saving"] == row["identified"]
    assert row["basis"].endswith("; cut to what the account pays for its usage types")
    assert Decimal(row["reporting_identified"]) == 2 * Decimal(row["identified"])
    assert row["reporting_currency"] == "NZD"
    (signal,) = home.rows("select * from cmdb.decommission_signal where arn like '%snap-0'")
    assert (Decimal(signal["reporting_monthly_saving"]), signal["reporting_currency"]) == (110, "NZD")


def test_days_that_are_known_to_cost_nothing_count_in_what_the_account_pays(home: House) -> None:
    unused = ["2026-11-19", "2026-11-20"]
    spent = {SNAPSHOT: [("2026-01-01", "0.7"), (unused[0], "0"), ("2026-11-21", "0.7")]}
    lines = [line for line in service("2026-11-01", "2026-11-23", "0.7") if line[0] not in unused]
    billed(home, lines)
    totals(home, lines)
    night(home, FIRST_NIGHT, spent, snapshots=[snapshot("snap-1", VolumeSize=1000)], built=())
    home.build("cost.saving")
    identified = total(home, "identified")
    # Five of the last seven complete days cost something.
    assert identified is not None and abs(identified - Decimal("0.5") * MONTH) < Decimal("0.001")


def test_a_region_is_capped_by_its_own_usage(home: House) -> None:
    spent = {"EBS:SnapshotUsage": [("2026-01-01", "100")], "APS2-EBS:VolumeUsage.gp3": [("2026-01-01", "1")]}
    night(home, FIRST_NIGHT, spent, snapshots=[snapshot("snap-1", VolumeSize=1000)])
    assert Decimal(savings(home)["snap-1"]["identified"]) == 0


def elsewhere(region: str, snapshots: list[Record]) -> list[Given]:
    """What a region of these names holds: snapshots alone."""
    empty = [Given(name, (), "empty_verified", region=region) for name in ("ec2_volume", "ec2_instance", "ec2_image")]
    held = Given("ec2_snapshot", snapshots, None if snapshots else "empty_verified", region=region)
    return [*empty, held]


@pytest.mark.parametrize(
    ("region", "code"), [("ap-southeast-6", "APS8"), ("ap-southeast-7", "APS9"), ("ap-east-2", "APE2")]
)
def test_a_young_region_is_capped_by_its_own_bill(home: House, region: str, code: str) -> None:
    found = elsewhere(region, [snapshot("snap-0", VolumeSize=1000)])
    night(home, FIRST_NIGHT, {f"{code}-EBS:SnapshotUsage": [("2026-01-01", "0.55")]}, more=found)
    row = savings(home)["snap-0"]
    assert abs(Decimal(row["capped_saving"]) - Decimal("0.55") * MONTH) < Decimal("0.001")


def test_a_region_without_a_code_has_no_cap(home: House) -> None:
    spent = {"XXN1-EBS:SnapshotUsage": [("2026-01-01", "0.55"), ("2026-11-24", "0")]}
    region = "xx-north-1"
    night(home, FIRST_NIGHT, spent, more=elsewhere(region, [snapshot("snap-0", VolumeSize=1000)]))
    row = savings(home)["snap-0"]
    assert row["capped_saving"] is None and row["limited_by"] == "list price"
    assert row["identified"] == row["list_saving"] and Decimal(row["identified"]) > 0
    night(home, after(1), spent, more=elsewhere(region, []))
    night(home, after(12), spent, more=elsewhere(region, []))
    row = savings(home)["snap-0"]
    assert (row["realised"], row["unknown_reason"]) == (None, "ref.region_code does not have its region")


def test_an_account_that_the_bill_by_usage_type_does_not_hold_keeps_its_list_price(home: House) -> None:
    night(home, FIRST_NIGHT, {}, snapshots=[snapshot("snap-1", VolumeSize=1000)])
    row = savings(home)["snap-1"]
    assert (Decimal(row["identified"]), row["capped_saving"], row["limited_by"]) == (55, None, "list price")


@pytest.mark.parametrize("is_measured", [True, False], ids=["measured", "by the bill"])
def test_what_a_commitment_covers_saves_nothing(home: House, is_measured: bool) -> None:
    # Of two idle instances one is reserved: it costs nothing unblended, and ending it saves nothing.
    list_price = Decimal("0.1056") * 730
    daily = list_price / MONTH
    measured = [
        Given(
            f"cost_resource_daily:{COMPUTE}",
            [
                cost(f"2026-11-{day}", WORKLOAD, name, amount)
                for day in (20, 21, 22)
                for name, amount in (("i-reserved", "0"), ("i-paid", f"{daily:.10f}"))
            ],
        )
    ]
    night(
        home,
        FIRST_NIGHT,
        {BOX: [("2026-01-01", f"{daily:.10f}")], "APS2-HeavyUsage:t3.large": [("2026-01-01", "9")]},
        instances=[instance("i-reserved"), instance("i-paid")],
        more=[
            Given(
                "cloudwatch_metric",
                [row for name in ("i-reserved", "i-paid") for row in measured_instance(FIRST_NIGHT, name)],
            ),
            *(measured if is_measured else ()),
        ],
    )
    found = savings(home)
    identified = total(home, "identified")
    assert identified is not None and abs(identified - list_price) < Decimal("0.00001")
    if is_measured:
        assert (Decimal(found["i-reserved"]["identified"]), found["i-reserved"]["limited_by"]) == (0, "measured")
    else:
        assert found["i-reserved"]["limited_by"] == "bill"


def test_a_day_that_aws_has_not_counted_whole_measures_nothing(home: House) -> None:
    # Of the 23rd AWS had a tenth when it was asked on the 24th; the mean of four days would be less than is paid.
    rate = Decimal("0.1056") * 730
    paid = {"2026-11-20": rate, "2026-11-21": rate, "2026-11-22": rate, "2026-11-23": rate / 10}
    costs = [cost(day, WORKLOAD, "i-idle", f"{amount / MONTH:.10f}") for day, amount in paid.items()]
    spent = {BOX: [("2026-01-01", "100"), ("2026-11-25", "1")]}
    measured = [
        Given("cloudwatch_metric", [*measured_instance(FIRST_NIGHT, "i-idle")]),
        Given(f"cost_resource_daily:{COMPUTE}", costs),
    ]
    night(home, FIRST_NIGHT, spent, instances=[instance("i-idle")], more=measured)
    row = savings(home)["i-idle"]
    for name in ("list_saving", "measured_saving", "identified"):
        assert abs(Decimal(row[name]) - rate) < Decimal("0.00001"), name
    # It is gone, and what AWS measured is never fetched again.
    for later in (1, 2, 14):
        night(home, after(later), spent)
    row = savings(home)["i-idle"]
    assert abs(Decimal(row["realised"]) - rate) < Decimal("0.00001")
    assert row["basis"].startswith("measured by AWS on 3 days before it went")


@pytest.mark.parametrize(
    ("size", "saving"),
    [
        pytest.param(333, "7.992", id="below 334 GiB gp3 has as much throughput without a fee"),
        pytest.param(334, "2.016", id="334 GiB"),
        pytest.param(1000, "18", id="1,000 GiB"),
    ],
)
def test_gp3_keeps_the_throughput_of_gp2(home: House, size: int, saving: str) -> None:
    night(home, FIRST_NIGHT, {}, volumes=[volume("vol-1", "gp2", size, at=("i-1",))])
    assert Decimal(savings(home)["vol-1"]["identified"]) == Decimal(saving)


# -------------------------------------------------------------------------------------- what a service keeps


@pytest.mark.parametrize(
    "other",
    [
        {"Tags": [{"Key": "aws:dlm:lifecycle-policy-id", "Value": "policy-1"}]},
        {"Tags": [{"Key": "aws:backup:source-resource", "Value": "vol-1"}]},
        {"Description": "This snapshot is created by the AWS Backup service."},
    ],
    ids=["lifecycle policy", "AWS Backup", "AWS Backup by its description"],
)
def test_snapshots_that_a_policy_keeps_are_no_candidates(home: House, other: Record) -> None:
    night(home, FIRST_NIGHT, {}, snapshots=[snapshot("snap-policy", **other), snapshot("snap-hand")])
    assert savings(home).keys() == {"snap-hand"}


@pytest.mark.parametrize(
    "other",
    [
        *(
            pytest.param({"Tags": [{"Key": key, "Value": "one"}]}, id=key)
            for key in (
                "aws:autoscaling:groupName",
                "aws:ec2:fleet-id",
                "aws:ec2spot:fleet-request-id",
                "aws:elasticmapreduce:job-flow-id",
            )
        ),
        pytest.param({"Operator": {"Managed": True, "Principal": "eks.amazonaws.com"}}, id="its operator"),
    ],
)
def test_what_a_service_makes_and_deletes_is_no_candidate(home: House, other: Record) -> None:
    names = ("i-member", "i-alone")

    def disk(name: str, of: str, *, ends_with_it: bool) -> Record:
        attachments = [{"InstanceId": of, "DeleteOnTermination": ends_with_it}]
        return volume(name, "gp2", Attachments=attachments, State="in-use")

    disks = [
        disk("vol-root", "i-member", ends_with_it=True),
        disk("vol-own", "i-member", ends_with_it=False),
        disk("vol-alone", "i-alone", ends_with_it=True),
    ]
    night(
        home,
        FIRST_NIGHT,
        {},
        instances=[instance("i-member", **other), instance("i-alone"), instance("i-old", "m4.large", **other)],
        volumes=[*disks, volume("vol-member", "gp2", at=("i-else",), **other)],
        more=[Given("cloudwatch_metric", [row for name in names for row in measured_instance(FIRST_NIGHT, name)])],
    )
    assert savings(home).keys() == {"i-alone", "vol-own", "vol-alone"}


# -------------------------------------------------------------------------------------------------- realised


@pytest.mark.large
def test_what_comes_and_goes_under_a_flat_bill_saves_nothing(home: House) -> None:
    spent = {SNAPSHOT: [("2026-01-01", "2.5")]}
    # One is deleted a day and another comes of age; the account pays the same for ever.
    for number in range(5):
        old = [snapshot(f"snap-{name}", VolumeSize=1000) for name in range(number, number + 4)]
        night(home, after(number), spent, snapshots=old)
    night(home, after(16), spent, snapshots=[snapshot(f"snap-{name}", VolumeSize=1000) for name in range(4, 8)])
    gone = home.rows("select * from cmdb.decommission_signal where resolution = 'gone'")
    assert len(gone) >= 3
    assert total(home, "realised") == 0
    assert total(home, "reporting_realised") == 0


def test_what_is_gone_saves_what_the_bill_fell_by(home: House) -> None:
    # A snapshot of 1,000 GiB by its list price, of which 2 dollars a day were billed.
    spent = {SNAPSHOT: [("2026-01-01", "10"), ("2026-11-24", "8")]}
    kept = snapshot("snap-kept", VolumeSize=1000)
    night(home, FIRST_NIGHT, spent, snapshots=[kept, snapshot("snap-gone", VolumeSize=10000)])
    night(home, after(1), spent, snapshots=[kept])
    night(home, after(2), spent, snapshots=[kept])
    row = savings(home)["snap-gone"]
    assert row["realised"] is None and row["unknown_reason"].endswith("the weeks before and after")
    night(home, after(14), spent, snapshots=[kept])
    row = savings(home)["snap-gone"]
    assert abs(Decimal(row["realised"]) - 2 * MONTH) < Decimal("0.00001")
    assert row["basis"].endswith("; capped at what the bill of its usage types fell by")
    assert Decimal(row["reporting_realised"]) == 2 * Decimal(row["realised"])


@pytest.mark.parametrize("is_another", [True, False], ids=["another of its name", "the same again"])
def test_what_was_saved_stays_so_when_another_of_its_name_is_made(home: House, is_another: bool) -> None:
    spent = {"APS2-RDS:GP2-Storage": [("2026-01-01", "20"), ("2026-11-25", "0")], BOX: [("2026-01-01", "1")]}
    gone = Given("rds_db_instance", (), "empty_verified")

    def database(number: int) -> Given:
        made = {} if number == 1 else {"InstanceCreateTime": "2026-12-30T00:00:00Z"}
        return test_replaced.database(number, **made, DBInstanceStatus="stopped" if number == 1 else "available")

    realised = []
    last = database(7) if is_another else database(1)
    for days, cell in ((0, database(1)), (1, gone), (2, gone), (14, gone), (40, last)):
        night(home, after(days), spent, more=[cell], built=("aws.rds_db_instance", *TONIGHT))
        rows = home.rows("select realised, unknown_reason from cost.saving where rule = 'stopped_database'")
        realised.append(
            [(row["realised"], row["unknown_reason"]) for row in rows if row["realised"] or row["unknown_reason"]]
        )
    assert realised[-2][0][0] and realised[-2][0][1] is None
    assert realised[-1] == (realised[-2] if is_another else [(None, "it is listed again")])


def test_of_what_was_changed_what_takes_its_place_is_subtracted(home: House) -> None:
    # 300 GiB of gp2 at 0.12 become gp3 at 0.096: 36 a month less, 28.8 more.
    day = f"{Decimal(36) / MONTH + Decimal('0.0001'):.10f}"
    more = f"{Decimal('28.8') / MONTH:.10f}"
    spent = {GB2: [("2026-01-01", day), ("2026-11-25", "0")], GB3: [("2026-01-01", "0"), ("2026-11-25", more)]}
    night(home, FIRST_NIGHT, spent, volumes=[volume("vol-1", "gp2", 300, at=("i-1",))])
    night(home, after(1), spent, volumes=[volume("vol-1", "gp3", 300, at=("i-1",))])
    night(home, after(14), spent, volumes=[volume("vol-1", "gp3", 300, at=("i-1",))])
    row = savings(home)["vol-1"]
    assert abs(Decimal(row["realised"]) - Decimal("7.2")) < Decimal("0.00001")
    assert row["basis"].endswith("; the bill of its usage types fell by as much")


@pytest.mark.parametrize(
    ("cpu", "state", "resolution", "realised"),
    [
        pytest.param(1, "stopped", "changed", "77.088", id="stopped"),
        pytest.param(80, "running", "used again", None, id="busy again"),
    ],
)
def test_an_idle_instance_that_is_stopped_is_not_used_again(
    home: House, cpu: float, state: str, resolution: str, realised: str | None
) -> None:
    daily = Decimal("0.1056") * 730 / MONTH
    spent = {BOX: [("2026-01-01", f"{daily + Decimal('0.0001'):.10f}"), ("2026-11-25", "0.0001")]}
    measured = [*measured_instance(FIRST_NIGHT, "i-idle")]
    night(home, FIRST_NIGHT, spent, instances=[instance("i-idle")], more=[Given("cloudwatch_metric", measured)])
    for days in (1, 14):
        later = [Given("cloudwatch_metric", [*measured_instance(after(days), "i-idle", cpu=cpu)])]
        night(home, after(days), spent, instances=[instance("i-idle", state=state)], more=later)
    (signal,) = home.rows("select resolution from cmdb.decommission_signal where rule = 'idle_instance'")
    assert signal["resolution"] == resolution
    amounts = [row["realised"] for row in home.rows("select realised from cost.saving where rule = 'idle_instance'")]
    if realised is None:
        assert not any(amounts)
    else:
        assert [abs(Decimal(amount) - Decimal(realised)) < Decimal("0.00001") for amount in amounts if amount] == [True]
