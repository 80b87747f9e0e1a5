"""Fees of commitments and support as FOCUS wants them: purchases, and how often they are paid."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bills import ACCOUNT, OTHER, billed
from given import House

from pipelines.exports.focus import query
from pipelines.exports.focus_columns import written_columns

COMPUTE = "Amazon Elastic Compute Cloud - Compute"
RDS = "Amazon Relational Database Service"
PLANS = "Savings Plans for AWS Compute usage"
FIRST, LATER = "2026-11-01", "2026-11-02"


@pytest.fixture
def home(blank_home: House) -> House:
    blank_home.build("cost.focus_cost_and_usage")
    return blank_home


def charges(home: House) -> dict[tuple[str, str, str, str], Decimal]:
    """What is billed by account, service, category and frequency."""
    rows = home.rows('select * from cost.focus_cost_and_usage where "BilledCost" <> 0')
    keys = ("SubAccountId", "ServiceName", "ChargeCategory", "ChargeFrequency")
    found = {tuple(row[key] for key in keys): Decimal(row["BilledCost"]) for row in rows}
    assert len(found) == len(rows)
    return found  # type: ignore[return-value]


def test_fees_of_reservations_are_purchases_of_their_service(home: House) -> None:
    billed(
        home,
        [
            (FIRST, "service", ACCOUNT, COMPUTE, "130"),
            (FIRST, "usage_type", ACCOUNT, "APS2-HeavyUsage:m5.large", "100"),
            (FIRST, "usage_type", ACCOUNT, "APS2-BoxUsage:t3.large", "30"),
            (FIRST, "record_type", ACCOUNT, "RIFee", "40"),
            (FIRST, "record_type", ACCOUNT, "Upfront", "60"),
            (FIRST, "record_type", ACCOUNT, "Usage", "30"),
            (FIRST, "service", OTHER, RDS, "7"),
            (FIRST, "usage_type", OTHER, "HeavyUsage:db.m6g.large", "7"),
            (FIRST, "record_type", OTHER, "RIFee", "7"),
        ],
    )
    assert charges(home) == {
        (ACCOUNT, COMPUTE, "Usage", "Usage-Based"): 30,
        (ACCOUNT, COMPUTE, "Purchase", "Recurring"): 40,
        (ACCOUNT, COMPUTE, "Purchase", "One-Time"): 60,
        (OTHER, RDS, "Purchase", "Recurring"): 7,
    }


@pytest.mark.parametrize(
    ("usage_type", "service"),
    [
        ("USE1-HeavyUsage:dynamodb.read", "Amazon DynamoDB"),
        ("HeavyUsage:ds2.xlarge", "Amazon Redshift"),
        ("HeavyUsage:ra3.xlplus", "Amazon Redshift"),
        ("EU-HeavyUsage:r5.large.search", "Amazon OpenSearch Service"),
        ("HeavyUsage:cache.t3.medium", "Amazon ElastiCache"),
        ("USW2-HeavyUsage:u-6tb1.metal", COMPUTE),
        ("HeavyUsage:nobody.knows.it", None),
    ],
)
def test_a_fee_is_taken_out_of_the_service_that_is_reserved(home: House, usage_type: str, service: str | None) -> None:
    billed(
        home,
        [
            *((FIRST, "service", ACCOUNT, name, "10") for name in {COMPUTE, service or RDS}),
            (FIRST, "usage_type", ACCOUNT, usage_type, "4"),
            (FIRST, "record_type", ACCOUNT, "RIFee", "4"),
        ],
    )
    found = {name: amount for (_, name, category, _), amount in charges(home).items() if category == "Purchase"}
    assert found == ({service: 4} if service else {})


def test_what_is_billed_is_after_discounts_where_aws_gives_it_so(home: House) -> None:
    billed(home, [(FIRST, "service", ACCOUNT, COMPUTE, "10"), (FIRST, "service", OTHER, COMPUTE, "7")])
    with home.store.transaction() as connection:
        connection.execute("update cost.daily set net_unblended_cost = 8, billed_cost = null where unblended_cost = 10")
    found = {account: amount for (account, *_), amount in charges(home).items()}
    assert found == {ACCOUNT: 8, OTHER: 7}


@pytest.mark.parametrize(
    "service",
    [
        "AWS Support (Enterprise On-Ramp)",
        "AWS Premium Support",
        "AWS Business Support+",
        "AWS Enterprise Support+",
        "AWS Unified Operations",
    ],
)
def test_support_is_a_purchase_by_each_of_its_names(home: House, service: str) -> None:
    billed(home, [(FIRST, "service", ACCOUNT, service, "9")])
    assert charges(home) == {(ACCOUNT, service, "Purchase", "Recurring"): 9}


def test_savings_plans_and_support_are_purchases_by_their_name(home: House) -> None:
    billed(
        home,
        [
            (FIRST, "service", ACCOUNT, PLANS, "5"),
            (FIRST, "service", ACCOUNT, "AWS Support (Business)", "9"),
            (FIRST, "record_type", ACCOUNT, "SavingsPlanRecurringFee", "5"),
            (FIRST, "service", ACCOUNT, "Tax", "2"),
            (FIRST, "service", OTHER, PLANS, "12"),
            (FIRST, "record_type", OTHER, "SavingsPlanUpfrontFee", "12"),
        ],
    )
    assert charges(home) == {
        (ACCOUNT, PLANS, "Purchase", "Recurring"): 5,
        (ACCOUNT, "AWS Support (Business)", "Purchase", "Recurring"): 9,
        (ACCOUNT, "Tax", "Tax", "One-Time"): 2,
        (OTHER, PLANS, "Purchase", "One-Time"): 12,
    }


def test_what_is_paid_back_of_a_plan_is_a_credit(home: House) -> None:
    billed(home, [(FIRST, "service", ACCOUNT, PLANS, "-5")])
    assert charges(home) == {(ACCOUNT, PLANS, "Credit", "One-Time"): -5}


def amortized(home: House, cut: str, value: str, amount: str) -> None:
    """Let AWS spread a line of the bill over the term of what was bought."""
    with home.store.transaction() as connection:
        connection.execute(
            "update cost.daily set amortized_cost = $amount::decimal(28, 10) "
            "where slice = $cut and dimension_value = $value",
            {"amount": amount, "cut": cut, "value": value},
        )


def effective(home: House) -> dict[tuple[str, str], Decimal]:
    """What each service and category really cost."""
    rows = home.rows('select * from cost.focus_cost_and_usage where "EffectiveCost" <> 0')
    return {(row["ServiceName"], row["ChargeCategory"]): Decimal(row["EffectiveCost"]) for row in rows}


def test_what_covers_other_charges_costs_nothing_itself_and_what_nobody_used_of_it_is_use(home: House) -> None:
    billed(
        home,
        [
            (FIRST, "service", ACCOUNT, COMPUTE, "130"),
            (FIRST, "usage_type", ACCOUNT, "HeavyUsage:m5.large", "100"),
            (FIRST, "record_type", ACCOUNT, "RIFee", "40"),
            (FIRST, "record_type", ACCOUNT, "Upfront", "60"),
            (FIRST, "service", ACCOUNT, PLANS, "12"),
            (FIRST, "record_type", ACCOUNT, "SavingsPlanRecurringFee", "12"),
            (FIRST, "service", ACCOUNT, "AWS Support (Business)", "9"),
        ],
    )
    amortized(home, "service", COMPUTE, "77")
    amortized(home, "usage_type", "HeavyUsage:m5.large", "5")
    amortized(home, "service", PLANS, "3")
    assert effective(home) == {
        (COMPUTE, "Usage"): 77,
        (PLANS, "Usage"): 3,
        ("AWS Support (Business)", "Purchase"): 9,
    }
    assert charges(home)[ACCOUNT, PLANS, "Purchase", "Recurring"] == 12


def test_a_credit_is_as_effective_as_it_is_billed_and_the_days_sum_stays(home: House) -> None:
    billed(home, [(FIRST, "service", ACCOUNT, COMPUTE, "-2")])
    amortized(home, "service", COMPUTE, "3")
    assert effective(home) == {(COMPUTE, "Credit"): -2, (COMPUTE, "Usage"): 5}


@pytest.mark.parametrize(("version", "tax"), [("1.2", 3), ("1.4", 2)])
def test_a_tax_is_amortized_up_to_1_2_and_hosted_by_nobody_from_1_4_on(home: House, version: str, tax: int) -> None:
    billed(home, [(FIRST, "service", ACCOUNT, "Tax", "2"), (FIRST, "service", ACCOUNT, COMPUTE, "7")])
    amortized(home, "service", "Tax", "3")
    rows = {row["ServiceName"]: row for row in home.rows(query(written_columns(version)))}
    assert Decimal(rows["Tax"]["EffectiveCost"]) == tax
    assert Decimal(rows["Tax"]["BilledCost"]) == 2
    if version == "1.4":
        assert {name: (row["ServiceProviderName"], row["HostProviderName"]) for name, row in rows.items()} == {
            "Tax": ("AWS", None),
            COMPUTE: ("AWS", "AWS"),
        }


def test_parts_add_up_to_the_bill_to_the_last_digit(home: House) -> None:
    billed(
        home,
        [
            (FIRST, "service", ACCOUNT, COMPUTE, "100.0000000001"),
            (FIRST, "usage_type", ACCOUNT, "HeavyUsage:m5.large", "33.3333333333"),
            (FIRST, "record_type", ACCOUNT, "RIFee", "11.1111111111"),
            (FIRST, "record_type", ACCOUNT, "Upfront", "22.2222222222"),
            (LATER, "service", ACCOUNT, COMPUTE, "1"),
        ],
    )
    (row,) = home.rows(
        'select sum("BilledCost") as billed, sum("EffectiveCost") as effective from cost.focus_cost_and_usage'
    )
    assert (Decimal(row["billed"]), Decimal(row["effective"])) == (Decimal("101.0000000001"), Decimal("101.0000000001"))
