"""The bill and the budgets of the simulated organisation, as the billing role sees them: boto3 over HTTP.

What is expected is added up here from `Simulator.ledger` or by `Simulator.ledger_sums`, which go line by line and
day by day; Cost Explorer's answers are made another way.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import botocore.exceptions
import botocore.loaders
import botocore.session
import pytest
from botocore.config import Config
from conftest import lead_to, policies, sign_in
from test_simulator_governance import code_of

from simulator.client import Simulator, SimulatorError, start
from simulator.explorer import Explorer
from simulator.ledger import METRICS, Ledger
from simulator.pages import Settings
from simulator.wire import Call
from simulator.world import World

pytestmark = pytest.mark.large

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=20)
LOADER = botocore.loaders.create_loader()
TODAY = dt.date(2026, 10, 15)
MONTH = (dt.date(2026, 9, 1), dt.date(2026, 10, 1))
COMPUTE = "Amazon Elastic Compute Cloud - Compute"

Record = dict[str, Any]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Four workload accounts, two regions, small pages, on a day that does not move."""
    directory = tmp_path_factory.mktemp("ledger")
    options: Record = {"accounts": 4, "regions": ("us-east-1", "ap-southeast-2"), "page_size": 4, "today": TODAY}
    with start(directory, policies(), **options) as simulator:
        sign_in(simulator)
        yield simulator


@pytest.fixture
def bill(small: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The simulator, which this process's environment leads to; as new after each test."""
    lead_to(small, monkeypatch)
    yield small
    small.reset()


@pytest.fixture(scope="module")
def year(small: Simulator) -> list[Record]:
    """Every line on every day since October of last year: 365 days, and the days of this month."""
    return small.ledger(dt.date(2025, 10, 1), TODAY)


@functools.cache
def _client(_proxy: str, profile: str, service: str) -> Any:
    session = botocore.session.Session(profile=profile)
    session.register_component("data_loader", LOADER)
    return session.create_client(service, region_name="us-east-1", config=ONCE)


def client(service: str, profile: str = "acmeBilling") -> Any:
    return _client(os.environ["HTTP_PROXY"], profile, service)


def question(start_day: dt.date, end_day: dt.date, *by: str, **more: Any) -> Record:
    """A request; `by` are dimensions, or `tag:KEY`."""
    groups = [
        {"Type": "TAG", "Key": name[4:]} if name.startswith("tag:") else {"Type": "DIMENSION", "Key": name}
        for name in by
    ]
    asked: Record = {
        "TimePeriod": {"Start": start_day.isoformat(), "End": end_day.isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        **({"GroupBy": groups} if groups else {}),
    }
    return {**asked, **more}


def pages(request: Record, profile: str = "acmeBilling", operation: str = "get_cost_and_usage") -> list[Record]:
    ask = getattr(client("ce", profile), operation)
    found = [ask(**request)]
    while token := found[-1].get("NextPageToken"):
        found.append(ask(**request, NextPageToken=token))
    return found


def groups_of(found: list[Record]) -> dict[tuple[str, ...], dict[str, str]]:
    """Amounts by metric of every group of every period; none may come twice."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for page in found:
        for period in page["ResultsByTime"]:
            for group in period["Groups"]:
                key = (period["TimePeriod"]["Start"], *group["Keys"])
                assert key not in groups
                groups[key] = {name: amount["Amount"] for name, amount in group["Metrics"].items()}
    return groups


def column(metric: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in metric).lstrip("_")


def costs(request: Record, profile: str = "acmeBilling") -> dict[tuple[str, ...], Decimal]:
    return {key: Decimal(amounts["UnblendedCost"]) for key, amounts in groups_of(pages(request, profile)).items()}


def sums(rows: list[Record], *by: str, metric: str = "unblended_cost") -> dict[Any, Decimal]:
    """The ledger's rows added up here."""
    found: dict[Any, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[tuple(row[name] for name in by)] += Decimal(row[metric])
    return dict(found)


# ---------------------------------------------------------------------- the sums

COLUMNS = {
    "SERVICE": "service",
    "REGION": "region",
    "RECORD_TYPE": "record_type",
    "USAGE_TYPE": "usage_type",
    "OPERATION": "operation",
    "INSTANCE_TYPE": "instance_type",
    "PURCHASE_TYPE": "purchase_type",
}


@pytest.mark.parametrize("name", [*COLUMNS, "tag:bc:cost-centre", "tag:bc:project"])
def test_every_slice_equals_the_ledger_on_every_metric(bill: Simulator, name: str) -> None:
    by = COLUMNS.get(name, name)
    prefix = f"{name[4:]}$" if name.startswith("tag:") else ""

    def expected(start_day: dt.date, end_day: dt.date, unit: str) -> dict[tuple[str, ...], dict[str, str]]:
        return {
            (row[unit], row["account_id"], prefix + row[by]): {metric: row[column(metric)] for metric in METRICS}
            for row in bill.ledger_sums(start_day, end_day, unit, "account_id", by)
        }

    def found(start_day: dt.date, end_day: dt.date, granularity: str) -> dict[tuple[str, ...], dict[str, str]]:
        asked = question(start_day, end_day, "LINKED_ACCOUNT", name, Metrics=[*METRICS], Granularity=granularity)
        return groups_of(pages(asked))

    assert found(*MONTH, "DAILY") == expected(*MONTH, "usage_date")
    year = dt.date(2025, 9, 1)
    assert found(year, TODAY, "MONTHLY") == expected(year, TODAY, "month")


def test_the_sums_are_those_of_the_rows(bill: Simulator) -> None:
    rows = bill.ledger(*MONTH)
    for by in (("account_id", "service"), ("usage_date", "record_type"), ("region",)):
        for metric in ("unblended_cost", "net_amortized_cost", "list_cost"):
            found = {tuple(row[name] for name in by): Decimal(row[metric]) for row in bill.ledger_sums(*MONTH, *by)}
            assert found == sums(rows, *by, metric=metric)
    with pytest.raises(SimulatorError, match="no column happiness"):
        bill.ledger_sums(*MONTH, "happiness")


def test_the_bill_has_everything_that_makes_bills_difficult(bill: Simulator, year: list[Record]) -> None:
    rows = year
    assert {row["record_type"] for row in rows} == {
        "Usage",
        "Tax",
        "Support",
        "Credit",
        "Refund",
        "SavingsPlanCoveredUsage",
        "SavingsPlanNegation",
        "SavingsPlanRecurringFee",
        "DiscountedUsage",
        "RIFee",
        "Upfront",
    }
    assert {row["region"] for row in rows} == {"us-east-1", "ap-southeast-2", "global", "NoRegion"}
    amounts = {Decimal(row["unblended_cost"]) for row in rows if row["record_type"] == "Usage"}
    assert {Decimal("0.000000001"), Decimal("-0.000000001")} < amounts
    negative = {row["record_type"] for row in rows if Decimal(row["unblended_cost"]) < 0}
    assert negative == {"Usage", "Credit", "Refund", "SavingsPlanNegation"}
    names = ("unblended_cost", "amortized_cost", "net_unblended_cost", "net_amortized_cost")
    by_day = [sums(rows, "usage_date", metric=name) for name in names]
    assert all(len({total[day] for total in by_day}) == len(names) for day in by_day[0])
    # The payer buys the plans that others use: amortized costs lie elsewhere.
    by_account = [sums(rows, "account_id", metric=name) for name in names[:2]]
    truth = bill.truth("network")
    commit = {(account,) for account in [truth["central"]["billing"], *truth["reachable"]]}
    assert {account for account in by_account[0] if by_account[0][account] != by_account[1][account]} >= commit


def test_commitments_cost_the_same_paid_or_amortized(year: list[Record]) -> None:
    """A plan on each day; reservations over the 365 days that a fee upfront covers."""
    rows = [row for row in year if row["usage_date"] < "2026-10-01"]
    plan = [row for row in rows if row["record_type"].startswith("SavingsPlan")]
    assert sums(plan, "usage_date") == sums(plan, "usage_date", metric="amortized_cost")
    reserved = [row for row in rows if row["record_type"] in {"DiscountedUsage", "RIFee", "Upfront"}]
    # A host was paid upfront for three years, before these.
    hosts = [row for row in reserved if "HostUsage:" in row["usage_type"]]
    assert {Decimal(row["unblended_cost"]) for row in hosts} == {Decimal(0)}
    assert all(Decimal(row["amortized_cost"]) > 0 for row in hosts)
    reserved = [row for row in reserved if row not in hosts]
    assert sums(reserved, "account_id") == sums(reserved, "account_id", metric="amortized_cost")
    assert len(sums(reserved, "account_id")) > 3
    assert {row["service"] for row in plan} == {COMPUTE, "Savings Plans for AWS Compute usage"}


# ---------------------------------------------------------------------- pages and refusals


def test_a_day_is_split_over_two_pages(bill: Simulator) -> None:
    asked = question(*MONTH, "SERVICE", "LINKED_ACCOUNT")
    whole = costs(asked)
    bill.configure(page_sizes={"ce:GetCostAndUsage": 61})
    found = pages(asked)
    last = [(page["ResultsByTime"][-1], following["ResultsByTime"][0]) for page, following in itertools.pairwise(found)]
    assert any(before["TimePeriod"] == after["TimePeriod"] for before, after in last)
    assert costs(asked) == whole
    token = found[0]["NextPageToken"]
    ce = client("ce")
    assert code_of(lambda: ce.get_cost_and_usage(**{**asked, "Metrics": ["ListCost"]}, NextPageToken=token)) == (
        "RequestChangedException"
    )
    assert code_of(lambda: ce.get_cost_and_usage(**asked, NextPageToken="made up")) == "InvalidNextTokenException"


def test_what_cost_explorer_refuses(bill: Simulator) -> None:
    def refused(asked: Record) -> str:
        return code_of(lambda: client("ce").get_cost_and_usage(**asked))

    day = dt.timedelta(days=1)
    service = {"Dimensions": {"Key": "SERVICE", "Values": [COMPUTE]}}
    for asked in (
        question(TODAY, TODAY),
        question(TODAY, TODAY - day),
        question(TODAY + day, TODAY + 2 * day),
        question(dt.date(2025, 7, 31), TODAY),
        question(*MONTH, TimePeriod={"Start": "2026-9-1", "End": "2026-10-01"}),
        question(*MONTH, Granularity="HOURLY"),
        question(*MONTH, Metrics=[]),
        question(*MONTH, Metrics=["Happiness"]),
        question(*MONTH, "SERVICE", "REGION", "RECORD_TYPE"),
        question(*MONTH, "RESOURCE_ID"),
        question(*MONTH, Filter={**service, "Not": service}),
        question(*MONTH, Filter={"And": [service]}),
        question(*MONTH, Filter={"Dimensions": {**service["Dimensions"], "MatchOptions": ["CONTAINS"]}}),
    ):
        assert refused(asked) == "ValidationException", asked
    assert pages(question(dt.date(2025, 8, 1), TODAY, Granularity="MONTHLY"))
    bill.configure(refused_metrics=["BilledCost", "ContractedCost", "ListCost"], refused_groups=["REGION"])
    assert refused(question(*MONTH, Metrics=["UnblendedCost", "ListCost"])) == "ValidationException"
    assert refused(question(*MONTH, "REGION")) == "ValidationException"
    assert costs(question(*MONTH, "SERVICE"))
    bill.faults([{"action": "throttle", "service": "ce", "times": 1}])
    assert refused(question(*MONTH)) == "LimitExceededException"
    bill.configure(refused_actions={"billing": ["ce:*"]})
    assert refused(question(*MONTH)) == "AccessDeniedException"


def test_filters_and_groups_together(bill: Simulator) -> None:
    rows = bill.ledger(*MONTH)
    accounts = sorted({row["account_id"] for row in rows})[:2]
    expression = {
        "And": [
            {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": accounts}},
            {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax", "Credit", "Refund"]}}},
            {"Or": [
                {"Tags": {"Key": "bc:environment", "Values": ["prod", "Prod"]}},
                {"Tags": {"Key": "bc:environment", "MatchOptions": ["ABSENT"]}},
            ]},
        ]
    }  # fmt: skip
    wanted = [
        row
        for row in rows
        if row["account_id"] in accounts
        and row["record_type"] not in {"Tax", "Credit", "Refund"}
        and row["tags"].get("bc:environment", "") in {"prod", "Prod", ""}
    ]
    asked = question(*MONTH, "SERVICE", "USAGE_TYPE", Filter=expression)
    assert costs(asked) == sums(wanted, "usage_date", "service", "usage_type")


def test_resources_are_another_permission_and_fourteen_days(bill: Simulator) -> None:
    first = TODAY - dt.timedelta(days=14)
    compute = {"Dimensions": {"Key": "SERVICE", "Values": [COMPUTE]}}
    asked = question(first, TODAY, "RESOURCE_ID", "LINKED_ACCOUNT", Filter=compute)
    rows = [row for row in bill.ledger(first, TODAY) if row["service"] == COMPUTE]
    bill.configure(page_sizes={"ce:GetCostAndUsageWithResources": 29})
    found = groups_of(pages(asked, operation="get_cost_and_usage_with_resources"))
    assert {key: Decimal(amounts["UnblendedCost"]) for key, amounts in found.items()} == sums(
        rows, "usage_date", "resource_id", "account_id"
    )
    known = {instance["instance_id"] for instance in bill.truth("network")["instances"]}
    listed = bill.truth("listings")
    known |= {row["arn"] for kind in ("hosts", "capacity_reservations") for row in listed[kind]}
    assert {key[1] for key in found} - known == {"NoResourceId"}

    def refused(request: Record) -> str:
        return code_of(lambda: client("ce").get_cost_and_usage_with_resources(**request))

    assert refused(question(first - dt.timedelta(days=1), TODAY, "RESOURCE_ID", Filter=compute)) == (
        "ValidationException"
    )
    assert refused(question(first, TODAY, "SERVICE", Filter=compute)) == "ValidationException"
    assert refused(question(first, TODAY, "RESOURCE_ID", Filter={"Not": compute})) == "ValidationException"
    bill.configure(has_resource_costs=False)
    assert refused(asked) == "DataUnavailableException"
    bill.configure(refused_actions={"billing": ["ce:GetCostAndUsageWithResources"]})
    assert refused(asked) == "AccessDeniedException"


# ---------------------------------------------------------------------- tags


def values(key: str) -> set[str]:
    return {group[1] for group in costs(question(*MONTH, f"tag:{key}"))}


def test_values_are_spelt_in_several_ways_and_a_share_has_none(bill: Simulator) -> None:
    assert {"bc:environment$prod", "bc:environment$Prod", "bc:environment$PROD", "bc:environment$"} < values(
        "bc:environment"
    )
    spelt: defaultdict[str, set[str]] = defaultdict(set)
    for value in values("bc:cost-centre"):
        spelt["".join(filter(str.isdigit, value)).lstrip("0")].add(value)
    assert any(len(same) > 2 for number, same in spelt.items() if number)
    assert {"bc:capability$", "bc:capability$Customer Billing", "bc:capability$customer-billing"} <= values(
        "bc:capability"
    )
    assert values("no such key") == {"no such key$"}
    found = costs(question(*MONTH, "tag:bc:cost-centre", Granularity="MONTHLY"))
    untagged = [row for row in bill.ledger(*MONTH) if not row["tags"].get("bc:cost-centre")]
    assert found["2026-09-01", "bc:cost-centre$"] == sums(untagged)[()]
    share = found["2026-09-01", "bc:cost-centre$"] / sum(found.values())
    assert Decimal("0.1") < share < Decimal("0.8")


def tags_listed(**wanted: Any) -> dict[str, Record]:
    found = client("ce").get_paginator("list_cost_allocation_tags").paginate(**wanted)
    return {tag["TagKey"]: tag for page in found for tag in page["CostAllocationTags"]}


def test_a_key_is_not_activated_or_not_used(bill: Simulator) -> None:
    assert values("bc:project") == {"bc:project$"}
    listed = tags_listed()
    assert len(listed) == 8
    assert listed["bc:project"]["Status"] == "Inactive"
    assert {key for key, tag in listed.items() if tag["Status"] == "Active"} == {*tags_listed(Status="Active")}
    bill.configure(inactive_tags=[], unused_tags=["bc:capability"])
    assert "bc:project$Meter Refresh" in values("bc:project")
    assert values("bc:capability") == {"bc:capability$"}
    listed = tags_listed(TagKeys=["bc:project", "bc:capability"])
    assert {key: (tag["Status"], "LastUsedDate" in tag) for key, tag in listed.items()} == {
        "bc:project": ("Active", True),
        "bc:capability": ("Active", False),
    }
    bill.configure(refused_actions={"billing": ["ce:ListCostAllocationTags"]})
    assert code_of(client("ce").list_cost_allocation_tags) == "AccessDeniedException"


# ---------------------------------------------------------------------- time


def test_later_runs_find_days_restated(bill: Simulator) -> None:
    since, until = dt.date(2026, 9, 1), dt.date(2026, 10, 3)
    bill.configure(today="2026-10-05")
    before = costs(question(since, until, "LINKED_ACCOUNT", "SERVICE"))
    bill.configure(today="2026-10-06")
    after = costs(question(since, until, "LINKED_ACCOUNT", "SERVICE"))
    first = bill.truth("network")["reachable"][0]
    changed = {key: after[key] - before[key] for key in before if before[key] != after[key]}
    assert changed == {("2026-09-30", first, "AmazonCloudWatch"): Decimal("-0.4321")}

    bill.change(
        "restate",
        usage_date="2026-09-01",
        until="2026-10-01",
        account_id=first,
        service=COMPUTE,
        amount="-0.00000001",
        record_type="Refund",
    )
    restated = costs(question(since, until, "LINKED_ACCOUNT", "SERVICE"))
    assert {restated[key] - after[key] for key in after if restated[key] != after[key]} == {Decimal("-0.00000001")}
    assert len([key for key in after if restated[key] != after[key]]) == 30
    with pytest.raises(SimulatorError, match="there is no record type Gift; there are Usage, Tax"):
        bill.change(
            "restate", usage_date="2026-09-01", account_id=first, service=COMPUTE, amount="1", record_type="Gift"
        )


def test_days_that_are_settled_keep_their_tags_and_later_ones_show_the_new_ones(bill: Simulator) -> None:
    since, settled = TODAY - dt.timedelta(days=4), TODAY - dt.timedelta(days=2)
    instance = next(i for i in bill.truth()["instances"] if i["state"] == "running" and "bc:environment" in i["tags"])

    def shown() -> list[str]:
        lines = [line for line in bill.ledger(since, TODAY) if line["resource_id"] == instance["instance_id"]]
        return [line["tags"]["bc:environment"] for line in sorted(lines, key=lambda line: str(line["usage_date"]))]

    old, total = instance["tags"]["bc:environment"], bill.ledger_sums(*MONTH, "account_id")
    days = len(shown()) // 4
    bill.change("settle_bill", day=settled.isoformat())
    bill.change("retag_instance", instance_id=instance["instance_id"], tags={"bc:environment": "new"})
    assert shown() == [old] * 2 * days + ["new"] * 2 * days
    assert bill.ledger_sums(*MONTH, "account_id") == total


def test_the_newest_days_may_be_short_of_costs(bill: Simulator) -> None:
    asked = question(TODAY - dt.timedelta(days=5), TODAY, "SERVICE")
    whole = costs(asked)
    bill.configure(incomplete_days=2)
    short = costs(asked)
    assert {key[0] for key in whole if short[key] < whole[key]} == {"2026-10-13", "2026-10-14"}
    assert all(short[key] <= whole[key] for key in whole if whole[key] > 0)


def test_accounts_come_and_go_within_a_month(bill: Simulator) -> None:
    new = bill.change("add_account", name="new one", joined_on="2026-09-17")["account_id"]
    gone = bill.truth("network")["reachable"][1]
    bill.change("remove_account", account_id=gone, left_on="2026-09-12")
    found = costs(question(*MONTH, "LINKED_ACCOUNT"))
    days: dict[str, list[str]] = defaultdict(list)
    for day, account in found:
        days[account].append(day)
    assert (min(days[new]), max(days[new])) == ("2026-09-17", "2026-09-30")
    assert (min(days[gone]), max(days[gone])) == ("2026-09-01", "2026-09-11")
    assert found == sums(bill.ledger(*MONTH), "usage_date", "account_id")
    names = {
        entry["Value"]: entry["Attributes"]["description"]
        for page in pages(question(*MONTH, "LINKED_ACCOUNT"))
        for entry in page["DimensionValueAttributes"]
    }
    assert names[new] == "new one"
    assert names.keys() == days.keys()


def test_a_member_sees_itself(bill: Simulator) -> None:
    member = bill.truth("network")["billing_member"]
    family = costs(question(*MONTH, "LINKED_ACCOUNT", "SERVICE"))
    own = costs(question(*MONTH, "LINKED_ACCOUNT", "SERVICE"), "acmeBillingMember")
    assert own == {key: cost for key, cost in family.items() if key[1] == member}
    assert 0 < sum(own.values()) < sum(family.values()) / 3
    budgets = client("budgets", "acmeBillingMember")
    (budget,) = budgets.describe_budgets(AccountId=member)["Budgets"]
    spent = sums(bill.ledger(dt.date(2026, 10, 1), TODAY - dt.timedelta(days=1)), "account_id")
    assert Decimal(budget["CalculatedSpend"]["ActualSpend"]["Amount"]) == spent[member,]
    payer = bill.truth("network")["central"]["billing"]
    assert code_of(lambda: budgets.describe_budgets(AccountId=payer)) == "AccessDeniedException"
    assert code_of(client("ce", "acmeBillingMember").list_cost_allocation_tags) == "ValidationException"


# ---------------------------------------------------------------------- budgets


def matches(row: Record, condition: Record) -> bool:
    """A row of the ledger against an expression, understood here once more."""
    ((kind, body),) = condition.items()
    if kind == "And":
        return all(matches(row, part) for part in body)
    if kind == "Not":
        return not matches(row, body)
    if kind == "Tags":
        return row["tags"].get(body["Key"], "") in body["Values"]
    names = {"LINKED_ACCOUNT": "account_id", **COLUMNS}
    return row[names[body["Key"]]] in body["Values"]


COMMITMENTS = {
    "reservations used": ("DiscountedUsage", "RIFee"),
    "savings plans used": ("SavingsPlanCoveredUsage", "SavingsPlanRecurringFee"),
}
"""Budgets in per cent, with the record types of what is used of a commitment and of what is not."""


def used_of(rows: list[Record], name: str) -> Decimal:
    used, unused = (
        sum((Decimal(row["amortized_cost"]) for row in rows if row["record_type"] == kind), Decimal())
        for kind in COMMITMENTS[name]
    )
    return 100 * used / (used + unused)


def described(bill: Simulator, **more: Any) -> dict[str, Record]:
    payer = bill.truth("network")["central"]["billing"]
    found = list(client("budgets").get_paginator("describe_budgets").paginate(AccountId=payer, **more))
    assert len(found) > 3
    return {budget["BudgetName"]: budget for page in found for budget in page["Budgets"]}


def test_budgets_follow_from_the_ledger(bill: Simulator, year: list[Record]) -> None:
    budgets = described(bill)
    rows = [row for row in year if row["usage_date"] >= "2026-01-01"]
    truth = bill.truth("budgets")["budgets"]
    assert {row["budget_name"] for row in truth} == budgets.keys()
    for expected in truth:
        name = expected["budget_name"]
        spend = budgets[name]["CalculatedSpend"]
        assert Decimal(spend["ActualSpend"]["Amount"]) == Decimal(expected["actual"])
        assert spend.get("ForecastedSpend", {}).get("Amount") == expected["forecast"]
        assert budgets[name]["LastUpdatedTime"].date() == TODAY - dt.timedelta(days=1)
        assert budgets[name]["HealthStatus"].keys() == {"Status", "LastUpdatedTime"}
        assert budgets[name]["BillingViewArn"].endswith(":billingview/primary")
        period = [row for row in rows if expected["period_start"] <= row["usage_date"] < expected["as_of"]]
        if expected["unit"] == "PERCENTAGE":
            # Rounded down, as the decimals of the bill are.
            assert 0 <= used_of(period, name) - Decimal(expected["actual"]) < Decimal("1e-9"), name
            assert 0 < Decimal(expected["actual"]) < 100
            continue
        there = [row for row in period if matches(row, expected["condition"])]
        total = sum((Decimal(row[column(expected["metric"])]) for row in there), Decimal())
        assert Decimal(expected["actual"]) == total, name
        assert total > 0, name
    assert {budget["BudgetType"] for budget in budgets.values()} == {
        "COST",
        "USAGE",
        "RI_UTILIZATION",
        "SAVINGS_PLANS_UTILIZATION",
    }
    assert {budget["TimeUnit"] for budget in budgets.values()} == {"DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY"}
    assert {"ForecastedSpend" in budget["CalculatedSpend"] for budget in budgets.values()} == {True, False}
    used = {budget["BudgetName"] for budget in budgets.values() if "UTILIZATION" in budget["BudgetType"]}
    assert used == COMMITMENTS.keys()


def test_cost_types_and_filters_are_said(bill: Simulator) -> None:
    budgets = described(bill)
    assert budgets["organisation"]["CostTypes"]["IncludeTax"] is True
    assert budgets["no subscriptions"]["CostTypes"]["IncludeSubscription"] is False
    assert budgets["blended quarter"]["CostTypes"]["UseBlended"] is True
    assert budgets["kōwhai: 'prod' 🥝"]["CostFilters"] == {"TagKeyValue": ["user:bc:environment$prod"]}
    assert "CostTypes" not in budgets["EC2 hours"]
    by_expression = budgets["net, by expression"]
    assert (by_expression["Metrics"], "FilterExpression" in by_expression) == (["NetUnblendedCost"], False)
    assert "And" in described(bill, ShowFilterExpression=True)["net, by expression"]["FilterExpression"]


def test_notifications_ring_beyond_their_threshold(bill: Simulator) -> None:
    payer = bill.truth("network")["central"]["billing"]
    budgets = client("budgets")
    states = set()
    for expected in bill.truth("budgets")["budgets"]:
        asked = {"AccountId": payer, "BudgetName": expected["budget_name"]}
        paged = budgets.get_paginator("describe_notifications_for_budget").paginate(**asked, MaxResults=1)
        found = [notice for page in paged for notice in page["Notifications"]]
        assert [(n["NotificationType"], n["Threshold"], n["NotificationState"]) for n in found] == [
            (alert["kind"], alert["threshold"], alert["state"]) for alert in expected["alerts"]
        ]
        for notice in found:
            amount = expected["actual"] if notice["NotificationType"] == "ACTUAL" else expected["forecast"]
            if notice["ThresholdType"] == "PERCENTAGE" and notice["ComparisonOperator"] == "GREATER_THAN" and amount:
                is_beyond = Decimal(amount) > Decimal(str(notice["Threshold"])) * Decimal(expected["limit"]) / 100
                assert notice["NotificationState"] == ("ALARM" if is_beyond else "OK")
            states.add(notice["NotificationState"])
            people = budgets.describe_subscribers_for_notification(**asked, Notification=notice)["Subscribers"]
            assert people[0] == {"SubscriptionType": "EMAIL", "Address": "finance@example.com"}
    assert states == {"OK", "ALARM"}
    everything = budgets.get_paginator("describe_budget_notifications_for_account").paginate(AccountId=payer)
    found = {b["BudgetName"] for page in everything for b in page["BudgetNotificationsForAccount"]}
    assert found == {row["budget_name"] for row in bill.truth("budgets")["budgets"] if row["alerts"]}
    assert code_of(lambda: budgets.describe_budget(AccountId=payer, BudgetName="none")) == "NotFoundException"


def test_a_budget_has_a_history(bill: Simulator) -> None:
    payer = bill.truth("network")["central"]["billing"]
    paged = client("budgets").get_paginator("describe_budget_performance_history").paginate(
        AccountId=payer, BudgetName="organisation"
    )  # fmt: skip
    amounts = [row for page in paged for row in page["BudgetPerformanceHistory"]["BudgetedAndActualAmountsList"]]
    expected = bill.ledger_sums(dt.date(2025, 10, 1), TODAY - dt.timedelta(days=1), "month")
    assert {row["TimePeriod"]["Start"].date().isoformat(): row["ActualAmount"]["Amount"] for row in amounts} == {
        row["month"]: row["unblended_cost"] for row in expected
    }


# ---------------------------------------------------------------------- scale


def test_a_month_of_sixty_accounts_takes_less_than_a_second() -> None:
    world, settings = World(workloads=57, today=TODAY), Settings()
    explorer = Explorer(Ledger(world, settings), settings)
    asked = question(*MONTH, "LINKED_ACCOUNT", "SERVICE", Metrics=[*METRICS])
    began = time.process_time()
    token: dict[str, str] = {}
    groups = 0
    while True:
        call = Call({}, b"", "ce", "us-east-1", "GetCostAndUsage", account_id=world.billing)
        call.parameters = {**asked, **token}
        page = explorer.handlers["ce", "GetCostAndUsage"](call)
        groups += sum(len(period["Groups"]) for period in page["ResultsByTime"])
        if "NextPageToken" not in page:
            break
        token = {"NextPageToken": page["NextPageToken"]}
    assert groups > 60 * 6 * 30
    assert time.process_time() - began < 1
