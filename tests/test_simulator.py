"""The simulated organisation behaves as AWS does, and lies only when told to: plain boto3 over HTTP."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import botocore.loaders
import botocore.parsers
import botocore.session
import psutil
import pytest
from botocore.config import Config
from conftest import MakeOrganisation, lead_to, policies
from nights import program

from simulator.client import Simulator, SimulatorError, is_foreign, start

pytestmark = pytest.mark.large

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=5)
PATIENT = Config(retries={"mode": "legacy", "total_max_attempts": 7})

Record = dict[str, Any]


LOADER = botocore.loaders.create_loader()
"""Shared, because reading the service models is most of what a new session costs."""


def client(profile: str, service: str, region: str | None = None, config: Config = ONCE) -> Any:
    session = botocore.session.Session(profile=profile)
    session.register_component("data_loader", LOADER)
    return session.create_client(service, region_name=region, config=config)


def error_of(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def pages(profile: str, service: str, operation: str, region: str | None = None, **parameters: Any) -> list[Record]:
    return list(client(profile, service, region).get_paginator(operation).paginate(**parameters))


def instances(profile: str, region: str) -> list[Record]:
    return [
        instance
        for page in pages(profile, "ec2", "describe_instances", region)
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def workloads(truth: Record) -> list[Record]:
    return [account for account in truth["accounts"] if account["account_id"] in truth["reachable"]]


def identity(profile: str) -> Record:
    answer: Record = client(profile, "sts").get_caller_identity()
    return answer


# ---------------------------------------------------------------------- identities


def test_each_kind_of_identity_reaches_its_account(organisation: Simulator) -> None:
    truth = organisation.truth()
    arns = {
        "acmeManagement": f"arn:aws:sts::{truth['central']['management']}:assumed-role/OrgReader/cmdb",
        "acmeOperations": f"arn:aws:sts::{truth['central']['operations']}:assumed-role/OpsReader/vault",
        "acmeBilling": (f"arn:aws:sts::{truth['central']['billing']}:assumed-role/BillingReader/ana.tui@example.com"),
    }
    for account in workloads(truth):
        arns[account["profile"]] = f"arn:aws:sts::{account['account_id']}:assumed-role/CMDBReader/cmdb"
    for profile, arn in arns.items():
        assert identity(profile)["Arn"] == arn
    # …and the way there was a real one: a role, a program, a sign-in.
    calls = Counter((entry["service"], entry["operation"]) for entry in organisation.log())
    assert calls["sts", "AssumeRole"] == len(arns) - 1
    assert calls["sso", "GetRoleCredentials"] == 1


def test_profiles_with_mistakes_fail_each_in_its_own_way(organisation: Simulator) -> None:
    truth = organisation.truth()
    assert identity("acmeOperationsMisrouted")["Account"] == truth["central"]["management"]
    assert identity("acmeBillingMember")["Account"] == truth["billing_member"]
    assert truth["billing_member"] in truth["reachable"]
    assert error_of(lambda: identity("acmeNoSuchRole")) == ("AccessDenied", 403)
    assert error_of(lambda: identity("acmeExpired")) == ("ExpiredToken", 403)
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        identity("acmeUnreachable")
    suspended = next(account for account in truth["accounts"] if account["state"] == "SUSPENDED")
    assert suspended["profile"]
    assert error_of(lambda: identity(suspended["profile"])) == ("AccessDenied", 403)


def test_sessions_end(organisation: Simulator) -> None:
    organisation.configure(session_seconds=0)
    role = f"arn:aws:iam::{organisation.truth()['central']['management']}:role/OrgReader"
    made = client("acmeBootstrap", "sts").assume_role(RoleArn=role, RoleSessionName="short")["Credentials"]
    session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], "us-east-1")
    codes = {
        service: error_of(getattr(session.client(service, endpoint_url="http://aws.invalid"), operation))[0]
        for service, operation in (
            ("organizations", "list_roots"),
            ("sts", "get_caller_identity"),
            ("ec2", "describe_instances"),
        )
    }
    assert codes == {"organizations": "ExpiredTokenException", "sts": "ExpiredToken", "ec2": "RequestExpired"}


def test_plain_requests_and_proxied_ones_are_responded_alike(organisation: Simulator) -> None:
    keys = {"aws_access_key_id": "AKIACMDBBOOTSTRAP001", "aws_secret_access_key": "x"}
    for endpoint in (organisation.url, "http://aws.invalid"):
        sts = boto3.Session(**keys).client("sts", region_name="us-east-1", endpoint_url=endpoint, config=ONCE)
        assert sts.get_caller_identity()["Account"] == organisation.truth()["central"]["management"]


# ---------------------------------------------------------------------- organizations


def test_the_account_list_comes_in_pages_and_is_complete(organisation: Simulator) -> None:
    truth = organisation.truth()
    found = pages("acmeManagement", "organizations", "list_accounts")
    assert len(found) == -(-len(truth["accounts"]) // 5)
    assert all("NextToken" in page for page in found[:-1])
    assert "NextToken" not in found[-1]
    accounts = [account for page in found for account in page["Accounts"]]
    assert [(a["Id"], a["Name"], a["State"], a["Status"], a["JoinedMethod"], a["Paths"]) for a in accounts] == [
        (a["account_id"], a["name"], a["state"], a["status"], a["joined_method"], [a["id_path"]])
        for a in truth["accounts"]
    ]
    assert any(account["Id"].startswith("0") for account in accounts)
    assert {account["State"] for account in accounts} == {"ACTIVE", "SUSPENDED"}

    organisation.configure(page_sizes={"organizations:ListAccounts": 1})
    assert len(pages("acmeManagement", "organizations", "list_accounts")) == len(truth["accounts"])
    organisations = client("acmeManagement", "organizations")
    assert error_of(lambda: organisations.list_accounts(NextToken="made up"))[0] == "InvalidInputException"


def test_the_tree_can_be_walked(organisation: Simulator) -> None:
    truth = organisation.truth()
    organisations = client("acmeManagement", "organizations")
    (root,) = organisations.list_roots()["Roots"]
    seen: dict[str, str] = {}
    placed: dict[str, str] = {}

    def walk(parent: str, path: str) -> None:
        for page in pages("acmeManagement", "organizations", "list_accounts_for_parent", ParentId=parent):
            placed.update({account["Id"]: path for account in page["Accounts"]})
        for page in pages("acmeManagement", "organizations", "list_organizational_units_for_parent", ParentId=parent):
            for unit in page["OrganizationalUnits"]:
                below = f"{path}/{unit['Name']}".lstrip("/")
                seen[unit["Id"]] = below
                assert organisations.list_parents(ChildId=unit["Id"])["Parents"][0]["Id"] == parent
                walk(unit["Id"], below)

    walk(root["Id"], "")
    assert seen == {unit["ou_id"]: unit["path"] for unit in truth["organizational_units"]}
    assert placed == {account["account_id"]: account["ou_path"] for account in truth["accounts"]}
    assert max(unit["depth"] for unit in truth["organizational_units"]) >= 3
    assert any(not seen_in for seen_in in (unit["accounts"] for unit in truth["organizational_units"]))
    assert error_of(lambda: organisations.list_children(ParentId="r-none", ChildType="ACCOUNT"))[0] == (
        "ParentNotFoundException"
    )


def test_account_tags(organisation: Simulator) -> None:
    truth = organisation.truth()
    for account in truth["accounts"]:
        found = [
            tag
            for page in pages(
                "acmeManagement", "organizations", "list_tags_for_resource", ResourceId=account["account_id"]
            )
            for tag in page["Tags"]
        ]
        assert {tag["Key"]: tag["Value"] for tag in found} == account["tags"]
    assert any(account["tags"] for account in truth["accounts"])
    assert any(not account["tags"] for account in truth["accounts"])


def test_others_than_the_management_account_get_nothing_or_a_refusal(tmp_path: Path) -> None:
    """The policies would refuse them anyway; this is about a role that may, in the wrong account."""
    allowed = {**policies(), "operations": policies()["management"]}
    with start(tmp_path, allowed, resources=1) as other, pytest.MonkeyPatch.context() as patch:
        lead_to(other, patch)
        organisations = client("acmeOperations", "organizations")
        assert organisations.list_accounts()["Accounts"] == []
        assert (
            organisations.describe_organization()["Organization"]["MasterAccountId"]
            == (other.truth()["central"]["management"])
        )
        other.configure(org_mode="access-denied")
        assert error_of(organisations.list_accounts) == ("AccessDeniedException", 400)


# ---------------------------------------------------------------------- ec2 and its neighbours


def test_every_instance_is_found_once_with_its_awkward_values(organisation: Simulator) -> None:
    truth = organisation.truth()
    expected: dict[tuple[str, str], dict[str, Record]] = defaultdict(dict)
    for item in truth["instances"]:
        expected[item["account_id"], item["region"]][item["instance_id"]] = item
    for account in workloads(truth):
        for region in truth["regions"]:
            found = instances(account["profile"], region)
            wanted = expected[account["account_id"], region]
            assert sorted(i["InstanceId"] for i in found) == sorted(wanted)
            for instance in found:
                item = wanted[instance["InstanceId"]]
                assert {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])} == item["tags"]
                assert instance["State"]["Name"] == item["state"]
                assert instance["InstanceType"] == item["instance_type"]
                assert instance["LaunchTime"] == dt.datetime.fromisoformat(item["launched_at"])
    tags = [item["tags"] for item in truth["instances"]]
    assert {item["state"] for item in truth["instances"]} == {"running", "stopped", "terminated"}
    assert any(not each for each in tags)
    assert any(each and "Name" not in each for each in tags)
    assert max(map(len, tags)) == 50
    assert sum(map(len, tags)) > 1000
    text = json.dumps([tags, [account["name"] for account in truth["accounts"]]], ensure_ascii=False)
    assert all(character in text for character in "🥝📈'ō") and '\\"' in text


def test_pages_of_instances_say_whose_they_are(organisation: Simulator) -> None:
    truth = organisation.truth()
    account = workloads(truth)[0]
    found = pages(account["profile"], "ec2", "describe_instances", truth["regions"][0])
    assert len(found) > 1
    assert {reservation["OwnerId"] for page in found for reservation in page["Reservations"]} == {account["account_id"]}
    ec2 = client(account["profile"], "ec2", truth["regions"][0])
    assert error_of(lambda: ec2.describe_instances(NextToken="made up"))[0] == "InvalidNextToken"
    assert len(ec2.describe_instances(MaxResults=5)["Reservations"]) == 5
    organisation.configure(page_size=1000)
    assert len(pages(account["profile"], "ec2", "describe_instances", truth["regions"][0])) == 1


def test_some_accounts_have_nothing_in_some_regions(organisation: Simulator) -> None:
    truth = organisation.truth()
    counts = Counter((item["account_id"], item["region"]) for item in truth["instances"])
    empty = [
        (account["account_id"], region)
        for account in workloads(truth)
        for region in truth["regions"]
        if not counts[account["account_id"], region]
    ]
    assert empty


def test_regions_that_are_not_opted_in_are_listed_and_refused(organisation: Simulator) -> None:
    truth = organisation.truth()
    profile = workloads(truth)[0]["profile"]
    ec2 = client(profile, "ec2")
    assert [region["RegionName"] for region in ec2.describe_regions()["Regions"]] == sorted(truth["regions"])
    status = {r["RegionName"]: r["OptInStatus"] for r in ec2.describe_regions(AllRegions=True)["Regions"]}
    assert status == {
        **dict.fromkeys(truth["regions"], "opt-in-not-required"),
        **dict.fromkeys(truth["opt_in_regions"], "not-opted-in"),
    }
    elsewhere = truth["opt_in_regions"][0]
    assert error_of(client(profile, "ec2", elsewhere).describe_instances) == ("AuthFailure", 401)
    assert error_of(client(profile, "rds", elsewhere).describe_db_instances)[0] == "InvalidClientTokenId"


def test_tagging_and_resource_groups_respond_in_pages(organisation: Simulator) -> None:
    truth = organisation.truth()
    region = truth["regions"][0]
    tagged = {
        item["arn"]: item["tags"]
        for item in truth["instances"]
        if item["account_id"] == truth["central"]["operations"] and item["region"] == region and item["tags"]
    }
    tagged |= {other["arn"]: other["tags"] for other in truth["other_resources"] if "tagging" in other["known_by"]}
    organisation.configure(page_size=1)
    found = pages("acmeOperations", "resourcegroupstaggingapi", "get_resources", region)
    assert len(found) == len(tagged) > 1
    assert {
        mapping["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in mapping["Tags"]}
        for page in found
        for mapping in page["ResourceTagMappingList"]
    } == tagged
    groups = pages("acmeOperations", "resource-groups", "list_groups", region)
    assert [group["GroupName"] for page in groups for group in page["GroupIdentifiers"]] == [
        "payments",
        "shared-platform",
        "metering",
    ]
    nothing = client("acmeOperations", "resource-groups", truth["regions"][1]).list_groups()
    assert nothing["GroupIdentifiers"] == []


# ---------------------------------------------------------------------- refusals


def test_refusals_have_the_code_of_their_protocol(organisation: Simulator) -> None:
    profile = workloads(organisation.truth())[0]["profile"]
    refusals = {
        ("acmeManagement", "ec2", "describe_instances"): ("UnauthorizedOperation", 403),
        ("acmeManagement", "rds", "describe_db_instances"): ("AccessDenied", 403),
        ("acmeBilling", "s3", "list_buckets"): ("AccessDenied", 403),
        (profile, "organizations", "list_accounts"): ("AccessDeniedException", 400),
        ("acmeBilling", "lambda", "list_functions"): ("AccessDeniedException", 403),
    }
    for (who, service, operation), expected in refusals.items():
        assert error_of(getattr(client(who, service), operation)) == expected
    identity(profile)  # which needs no permission


def test_the_role_decides_not_the_account(organisation: Simulator) -> None:
    assert error_of(client("acmeBillingMember", "ec2").describe_instances)[0] == "UnauthorizedOperation"
    assert client("acmeBillingMember", "ce").get_cost_and_usage(**bill(organisation.truth()))


def test_a_missing_policy_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="no IAM policy document for billing"):
        start(tmp_path, {role: document for role, document in policies().items() if role != "billing"})


# ---------------------------------------------------------------------- the bill


def bill(truth: Record, days: int = 40, **more: Any) -> Record:
    end = dt.date.fromisoformat(truth["today"])
    return {
        "TimePeriod": {"Start": (end - dt.timedelta(days=days)).isoformat(), "End": end.isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        **more,
    }


def cost_pages(request: Record, profile: str = "acmeBilling") -> Iterator[Record]:
    ce = client(profile, "ce")
    while True:
        page = ce.get_cost_and_usage(**request)
        yield page
        if not (token := page.get("NextPageToken")):
            return
        request = {**request, "NextPageToken": token}


def summed(request: Record, profile: str = "acmeBilling") -> dict[Any, Decimal]:
    """Amount by first day of the period and group keys; no group may come twice."""
    found: dict[Any, Decimal] = {}
    for page in cost_pages(request, profile):
        for period in page["ResultsByTime"]:
            for group in period["Groups"]:
                key = (period["TimePeriod"]["Start"], *group["Keys"])
                assert key not in found
                found[key] = Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
            if period["Total"]:
                found[period["TimePeriod"]["Start"],] = Decimal(period["Total"]["UnblendedCost"]["Amount"])
    return found


GROUPINGS: list[tuple[str, ...]] = [
    (),
    ("SERVICE",),
    ("LINKED_ACCOUNT",),
    ("REGION", "LINKED_ACCOUNT"),
    ("RECORD_TYPE", "LINKED_ACCOUNT"),
    ("USAGE_TYPE", "LINKED_ACCOUNT"),
    ("SERVICE", "LINKED_ACCOUNT"),
    ("TAG:bc:business-service", "LINKED_ACCOUNT"),
    ("TAG:bc:cost-centre", "SERVICE"),
    ("TAG:bc:project",),
]
FIELDS = {
    "SERVICE": "service",
    "LINKED_ACCOUNT": "account_id",
    "REGION": "region",
    "RECORD_TYPE": "record_type",
    "USAGE_TYPE": "usage_type",
}


def group_by(grouping: tuple[str, ...]) -> Record:
    if not grouping:
        return {}
    return {
        "GroupBy": [
            {"Type": "TAG", "Key": name[4:]} if name.startswith("TAG:") else {"Type": "DIMENSION", "Key": name}
            for name in grouping
        ]
    }


def key_of(row: Record, name: str) -> str:
    if name.startswith("TAG:"):
        return f"{name[4:]}${row['tags'].get(name[4:], '')}"
    return str(row[FIELDS[name]])


@pytest.mark.parametrize("grouping", GROUPINGS, ids=lambda names: "+".join(names) or "none")
def test_every_grouping_adds_up_to_the_last_digit(organisation: Simulator, grouping: tuple[str, ...]) -> None:
    truth = organisation.truth()
    request = bill(truth, **group_by(grouping))
    start_day, end_day = (dt.date.fromisoformat(day) for day in request["TimePeriod"].values())
    expected: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for row in organisation.ledger(start_day, end_day):
        expected[row["usage_date"], *(key_of(row, name) for name in grouping)] += Decimal(row["unblended_cost"])
    assert summed(request) == expected

    monthly: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for (day, *keys), amount in expected.items():
        monthly[max(day[:7] + "-01", str(start_day)), *keys] += amount
    assert summed({**request, "Granularity": "MONTHLY"}) == monthly


def test_all_metrics_are_exact_and_differ(organisation: Simulator) -> None:
    columns = {
        "UnblendedCost": "unblended_cost",
        "BlendedCost": "blended_cost",
        "AmortizedCost": "amortized_cost",
        "NetUnblendedCost": "net_unblended_cost",
        "NetAmortizedCost": "net_amortized_cost",
        "BilledCost": "billed_cost",
        "ContractedCost": "contracted_cost",
        "ListCost": "list_cost",
        "UsageQuantity": "usage_quantity",
        "NormalizedUsageAmount": "usage_quantity",
    }
    request = bill(organisation.truth("ledger"), Metrics=[*columns])
    start_day, end_day = (dt.date.fromisoformat(day) for day in request["TimePeriod"].values())
    expected: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in organisation.ledger(start_day, end_day):
        for metric, column in columns.items():
            expected[row["usage_date"], metric] += Decimal(row[column])
    (page,) = cost_pages(request)
    assert {
        (period["TimePeriod"]["Start"], metric): Decimal(amount["Amount"])
        for period in page["ResultsByTime"]
        for metric, amount in period["Total"].items()
    } == expected
    for period in page["ResultsByTime"]:
        assert len({amount["Amount"] for amount in period["Total"].values()}) == len(columns) - 2


def test_filters(organisation: Simulator) -> None:
    truth = organisation.truth()
    accounts = truth["reachable"][:2]
    by = group_by(("SERVICE", "LINKED_ACCOUNT"))
    everything = summed(bill(truth, **by))

    def filtered(expression: Record) -> dict[Any, Decimal]:
        return summed(bill(truth, Filter=expression, **by))

    account = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": accounts}}
    tax = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax"]}}
    assert filtered(account) == {key: cost for key, cost in everything.items() if key[2] in accounts}
    assert filtered({"Not": tax}) == {key: cost for key, cost in everything.items() if key[1] != "Tax"}
    assert filtered({"And": [account, {"Not": tax}]}) == {
        key: cost for key, cost in everything.items() if key[2] in accounts and key[1] != "Tax"
    }
    assert filtered({"Or": [account, tax]}) == {
        key: cost for key, cost in everything.items() if key[2] in accounts or key[1] == "Tax"
    }
    prod = {"Key": "bc:environment", "Values": ["prod"]}
    tagged = filtered({"Tags": prod})
    absent = filtered({"Tags": {"Key": "bc:environment", "MatchOptions": ["ABSENT"]}})
    assert {key[1] for key in tagged} > {"Amazon Elastic Compute Cloud - Compute"}
    untagged = {"Tax", "AmazonCloudWatch"}
    assert untagged.isdisjoint(key[1] for key in tagged)
    assert untagged <= {key[1] for key in absent}
    assert sum(tagged.values()) + sum(filtered({"Not": {"Tags": prod}}).values()) == sum(everything.values())


def test_the_payer_sees_the_family_and_a_member_itself(organisation: Simulator) -> None:
    truth = organisation.truth()
    by = group_by(("LINKED_ACCOUNT",))
    assert {key[1] for key in summed(bill(truth, **by))} == {a["account_id"] for a in truth["accounts"]}
    assert {key[1] for key in summed(bill(truth, **by), "acmeBillingMember")} == {truth["billing_member"]}


@pytest.mark.parametrize(("today", "first_estimated"), [("2026-03-10", "2026-02-01"), ("2026-03-11", "2026-03-01")])
def test_recent_days_are_estimated(organisation: Simulator, today: str, first_estimated: str) -> None:
    organisation.configure(today=today)
    (page,) = cost_pages(bill(organisation.truth(), days=80))
    estimated = [p["TimePeriod"]["Start"] for p in page["ResultsByTime"] if p["Estimated"]]
    assert min(estimated) == first_estimated
    assert len(estimated) == (dt.date.fromisoformat(today) - dt.date.fromisoformat(first_estimated)).days


def test_cost_explorer_refuses_what_aws_refuses(organisation: Simulator) -> None:
    truth = organisation.truth()
    today = dt.date.fromisoformat(truth["today"])
    good = bill(truth)

    def refused(**changed: Any) -> str:
        return error_of(lambda: list(cost_pages({**good, **changed})))[0]

    same = {"Start": str(today), "End": str(today)}
    old = {"Start": str(today - dt.timedelta(days=460)), "End": str(today)}
    assert refused(TimePeriod=same) == "ValidationException"
    assert refused(TimePeriod=old) == "ValidationException"
    assert refused(Metrics=["Happiness"]) == "ValidationException"
    assert refused(Granularity="HOURLY") == "ValidationException"
    assert refused(**group_by(("SERVICE", "REGION", "LINKED_ACCOUNT"))) == "ValidationException"
    assert refused(Filter={"Dimensions": {"Key": "AZ", "Values": ["x"]}}) == "ValidationException"


def test_compute_on_the_bill_is_what_runs(organisation: Simulator) -> None:
    truth = organisation.truth()
    request = bill(
        truth,
        days=1,
        Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Elastic Compute Cloud - Compute"]}},
        **group_by(("LINKED_ACCOUNT", "REGION")),
    )
    running = {(i["account_id"], i["region"]) for i in truth["instances"] if i["state"] == "running"}
    assert {(key[1], key[2]) for key in summed(request)} == running


def test_budgets_show_the_month_so_far(organisation: Simulator) -> None:
    organisation.configure(budget_lag_days=0)
    truth = organisation.truth()
    found = [
        budget
        for page in pages("acmeBilling", "budgets", "describe_budgets", AccountId=truth["central"]["billing"])
        for budget in page["Budgets"]
        if "LinkedAccount" in budget.get("CostFilters", {})
    ]
    spent: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in truth["ledger"]:
        if row["month"] == truth["today"][:7] + "-01":
            spent[row["account_id"]] += Decimal(row["unblended_cost"])
    assert {
        budget["CostFilters"]["LinkedAccount"][0]: Decimal(budget["CalculatedSpend"]["ActualSpend"]["Amount"])
        for budget in found
    } == {a["account_id"]: spent[a["account_id"]] for a in truth["accounts"] if a["kind"] == "workload"}


# ---------------------------------------------------------------------- CloudTrail


def events(profile: str, region: str, **parameters: Any) -> list[Record]:
    return [
        event
        for page in pages(profile, "cloudtrail", "lookup_events", region, **parameters)
        for event in page["Events"]
    ]


def test_cloudtrail_knows_what_was_refused(organisation: Simulator) -> None:
    truth = organisation.truth()
    account, region = workloads(truth)[0], truth["regions"][1]
    organisation.configure(lookups_a_second=0)
    before = dt.datetime.now(dt.UTC)
    ec2 = client(account["profile"], "ec2", region)
    ec2.describe_instances()
    assert error_of(lambda: ec2.run_instances(MinCount=1, MaxCount=1))[0] == "UnauthorizedOperation"

    by_name = [{"AttributeKey": "Username", "AttributeValue": "cmdb"}]
    found = events(account["profile"], region, LookupAttributes=by_name, StartTime=before.replace(microsecond=0))
    details = {event["EventName"]: json.loads(event["CloudTrailEvent"]) for event in found}
    assert details["RunInstances"]["errorCode"] == "Client.UnauthorizedOperation"
    assert "errorCode" not in details["DescribeInstances"]
    assert details["RunInstances"]["userIdentity"]["arn"] == identity(account["profile"])["Arn"]
    assert details["RunInstances"]["eventSource"] == "ec2.amazonaws.com"
    assert {event["Username"] for event in found} == {"cmdb"}

    nobody = [{"AttributeKey": "Username", "AttributeValue": "nobody"}]
    assert events(account["profile"], region, LookupAttributes=nobody) == []
    assert events(account["profile"], truth["regions"][2], LookupAttributes=by_name) == []
    later = before + dt.timedelta(hours=1)
    assert events(account["profile"], region, StartTime=later, EndTime=later) == []


def test_cloudtrail_returns_two_lookups_a_second(organisation: Simulator) -> None:
    truth = organisation.truth()
    trail = client(workloads(truth)[0]["profile"], "cloudtrail", truth["regions"][0])
    trail.lookup_events()
    trail.lookup_events()
    # A busy machine may take longer than a second for three, but not always.
    until = time.monotonic() + 300
    with pytest.raises(botocore.exceptions.ClientError, match="ThrottlingException"):
        while time.monotonic() < until:
            trail.lookup_events()
    time.sleep(1.1)
    trail.lookup_events()


def test_cloudtrail_returns_fifty_on_a_page_and_may_be_late(organisation: Simulator) -> None:
    truth = organisation.truth()
    account, region = workloads(truth)[1], truth["regions"][2]
    organisation.configure(lookups_a_second=0)
    ec2 = client(account["profile"], "ec2", region)
    for _ in range(60):
        ec2.describe_regions()
    calls = [{"AttributeKey": "EventName", "AttributeValue": "DescribeRegions"}]
    found = pages(account["profile"], "cloudtrail", "lookup_events", region, LookupAttributes=calls)
    assert [len(page["Events"]) for page in found] == [50, 10]
    organisation.configure(trail_passes=False, trail_delay_seconds=600)
    assert events(account["profile"], region, LookupAttributes=calls) == []
    organisation.configure(trail_passed_minutes=9)
    assert events(account["profile"], region, LookupAttributes=calls) == []
    organisation.configure(trail_passed_minutes=30)
    assert len(events(account["profile"], region, LookupAttributes=calls)) == 60


def test_cloudtrail_shows_an_event_five_to_fifteen_minutes_after_its_call(organisation: Simulator) -> None:
    truth = organisation.truth()
    account, region = workloads(truth)[1], truth["regions"][2]
    organisation.configure(lookups_a_second=0, trail_passes=False)
    ec2 = client(account["profile"], "ec2", region)
    for _ in range(40):
        ec2.describe_regions()
    calls = [{"AttributeKey": "EventName", "AttributeValue": "DescribeRegions"}]

    def shown() -> int:
        return len(events(account["profile"], region, LookupAttributes=calls))

    assert shown() == 0
    organisation.configure(trail_passed_minutes=4)
    assert shown() == 0
    organisation.configure(trail_passed_minutes=10)
    assert 0 < shown() < 40
    organisation.configure(trail_passed_minutes=16)
    assert shown() == 40


def test_a_hidden_denial_returns_an_empty_list_and_only_cloudtrail_reports(organisation: Simulator) -> None:
    truth = organisation.truth()
    account, region = workloads(truth)[0], truth["regions"][0]
    organisation.configure(lookups_a_second=0, trail_passes=False)
    place = {"account": account["account_id"], "region": region}
    organisation.faults([{"action": "hidden_denial", "op": "DescribeVolumes", **place}])
    answer = client(account["profile"], "ec2", region).describe_volumes()
    assert answer["Volumes"] == []
    calls = [{"AttributeKey": "EventName", "AttributeValue": "DescribeVolumes"}]
    assert events(account["profile"], region, LookupAttributes=calls) == []
    organisation.configure(trail_passed_minutes=16)
    (event,) = events(account["profile"], region, LookupAttributes=calls)
    detail = json.loads(event["CloudTrailEvent"])
    assert detail["errorCode"] == "Client.UnauthorizedOperation"
    assert detail["requestID"] == answer["ResponseMetadata"]["RequestId"]


# ---------------------------------------------------------------------- lies


def test_silent_zero_is_a_plain_empty_response(organisation: Simulator) -> None:
    truth = organisation.truth()
    told = organisation.lie("silent_zero")
    assert told["role"] == "workload" and told["operation"] == "ec2:DescribeInstances"
    for account in workloads(truth):
        for region in truth["regions"]:
            found = instances(account["profile"], region)
            if account["account_id"] == told["account_id"]:
                assert found == []
    has = {item["region"] for item in truth["instances"] if item["account_id"] == told["account_id"]}
    assert has == set(truth["regions"])
    assert told["account_id"] in told["description"]
    organisation.stop_lying()
    lied_about = next(a for a in truth["accounts"] if a["account_id"] == told["account_id"])
    assert instances(lied_about["profile"], truth["regions"][0])


def test_denied_refuses_one_whole_account_but_sts(organisation: Simulator) -> None:
    truth = organisation.truth()
    told = organisation.lie("denied", account_id=truth["reachable"][2])
    victim = next(a for a in truth["accounts"] if a["account_id"] == told["account_id"])
    assert victim["account_id"] == truth["reachable"][2]
    assert identity(victim["profile"])["Account"] == victim["account_id"]
    assert error_of(client(victim["profile"], "ec2").describe_instances)[0] == "UnauthorizedOperation"
    assert error_of(client(victim["profile"], "ec2").describe_regions)[0] == "UnauthorizedOperation"
    assert error_of(client(victim["profile"], "cloudtrail").lookup_events)[0] == "AccessDeniedException"
    assert instances(workloads(truth)[0]["profile"], truth["regions"][0])


def test_same_account_twice_sends_operations_to_management(organisation: Simulator) -> None:
    before = identity("acmeOperations")["Account"]
    told = organisation.lie("same_account_twice")
    assert identity("acmeOperations")["Account"] == identity("acmeManagement")["Account"] == told["account_id"]
    organisation.stop_lying()
    assert identity("acmeOperations")["Account"] == before


def test_expired_takes_the_sign_in_and_the_sessions(organisation: Simulator) -> None:
    ce = client("acmeBilling", "ce")
    request = bill(organisation.truth())
    ce.get_cost_and_usage(**request)
    told = organisation.lie("expired")
    assert told["role"] == "billing"
    assert error_of(lambda: ce.get_cost_and_usage(**request)) == ("ExpiredTokenException", 400)
    with pytest.raises(botocore.exceptions.UnauthorizedSSOTokenError):
        identity("acmeBilling")
    assert identity("acmeManagement")


def test_throttle_forever_never_ends(organisation: Simulator) -> None:
    organisation.lie("throttle_forever")
    ce = client("acmeBilling", "ce")
    request = bill(organisation.truth())
    for _ in range(4):
        assert error_of(lambda: ce.get_cost_and_usage(**request)) == ("LimitExceededException", 400)


def test_empty_page_hides_nothing_from_those_who_follow_the_token(organisation: Simulator) -> None:
    truth = organisation.truth()
    organisation.lie("empty_page")
    found = pages("acmeManagement", "organizations", "list_accounts")
    assert found[0]["Accounts"] == [] and found[0]["NextToken"]
    assert sum(len(page["Accounts"]) for page in found) == len(truth["accounts"])
    account, region = workloads(truth)[0], truth["regions"][1]
    first = client(account["profile"], "ec2", region).describe_instances()
    assert first["Reservations"] == [] and first["NextToken"]
    assert len(instances(account["profile"], region)) == 8
    subnets = pages(account["profile"], "ec2", "describe_subnets", region)
    assert subnets[0]["Subnets"] == [] and sum(len(page["Subnets"]) for page in subnets) > 0


def test_throttle_passes_at_the_third_try(organisation: Simulator) -> None:
    truth = organisation.truth()
    organisation.lie("throttle")
    account = workloads(truth)[0]
    for region in truth["regions"][:2]:
        ec2 = client(account["profile"], "ec2", region)
        codes = [error_of(ec2.describe_instances) for _ in range(2)]
        assert codes == [("RequestLimitExceeded", 503)] * 2
        assert ec2.describe_instances()["Reservations"]
    assert client("acmeManagement", "organizations", config=PATIENT).list_roots()["Roots"]


def test_an_unknown_lie_is_refused_with_those_that_exist(organisation: Simulator) -> None:
    with pytest.raises(
        SimulatorError, match="there is no lie white; there are silent_zero, denied, same_account_twice"
    ):
        organisation.lie("white")


# ---------------------------------------------------------------------- other faults


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"action": "html503"}, botocore.exceptions.ClientError),
        ({"action": "garbage"}, botocore.parsers.ResponseParserError),
        ({"action": "reset"}, botocore.exceptions.ProxyConnectionError),
        ({"action": "cut"}, botocore.exceptions.HTTPClientError),
        ({"action": "delay", "seconds": 1.5}, botocore.exceptions.ReadTimeoutError),
        ({"action": "error", "code": "InternalError", "status": 500}, botocore.exceptions.ClientError),
    ],
    ids=lambda value: value["action"] if isinstance(value, dict) else "",
)
def test_broken_responses(organisation: Simulator, rule: Record, error: type[Exception]) -> None:
    truth = organisation.truth()
    place = (workloads(truth)[0]["profile"], "ec2", truth["regions"][0])
    ec2, hasty = client(*place), client(*place, ONCE.merge(Config(read_timeout=1)))
    ec2.describe_instances()
    organisation.clear_log()
    organisation.faults([{"service": "ec2", "op": "DescribeInstances", "times": 1, **rule}])
    # Only who waits for what is delayed is in haste: a busy machine delays everything.
    with pytest.raises(error):
        (hasty if rule["action"] == "delay" else ec2).describe_instances()
    assert ec2.describe_instances()["Reservations"]
    until = time.monotonic() + 300
    faults: list[str | None] = []
    while len(faults) < 2 and time.monotonic() < until:
        time.sleep(0.1)
        # A delayed answer is written down after the one that overtook it.
        faults = [call["fault"] for call in organisation.log() if call["operation"] == "DescribeInstances"]
    assert set(faults) == {rule["action"], None}


def test_a_truncated_listing_has_no_token(organisation: Simulator) -> None:
    organisation.faults([{"action": "truncate", "service": "organizations", "op": "ListAccounts", "keep": 2}])
    (page,) = pages("acmeManagement", "organizations", "list_accounts")
    assert len(page["Accounts"]) == 2


def test_rules_can_wait_and_look_into_the_request(organisation: Simulator) -> None:
    rule = {"action": "error", "service": "ce", "contains": "ListCost", "code": "ValidationException"}
    organisation.faults([rule, {"action": "throttle", "op": "ListRoots", "skip": 1, "times": 1}])
    request = bill(organisation.truth())
    assert list(cost_pages(request))
    assert error_of(lambda: list(cost_pages({**request, "Metrics": ["ListCost"]})))[0] == "ValidationException"
    organisations = client("acmeManagement", "organizations")
    organisations.list_roots()
    assert error_of(organisations.list_roots)[0] == "TooManyRequestsException"
    organisations.list_roots()
    with pytest.raises(SimulatorError, match="there is no action"):
        organisation.faults([{"action": "explode"}])


# ---------------------------------------------------------------------- later nights


def test_the_world_moves_on(organisation: Simulator) -> None:
    truth = organisation.truth()
    account, region = workloads(truth)[0], truth["regions"][0]
    there = {i["InstanceId"]: i for i in instances(account["profile"], region)}
    running = [key for key, value in there.items() if value["State"]["Name"] == "running"]
    organisation.change("terminate_instance", instance_id=running[0])
    organisation.change("stop_instance", instance_id=running[1])
    organisation.change("retag_instance", instance_id=running[2], tags={"Name": "nýtt"})
    organisation.change("forget_instance", instance_id=running[3])
    added = organisation.change("add_instance", account_id=account["account_id"], region=region)["instance_id"]
    after = {i["InstanceId"]: i for i in instances(account["profile"], region)}
    assert after[running[0]]["State"]["Name"] == "terminated"
    assert after[running[1]]["State"]["Name"] == "stopped"
    assert after[running[2]]["Tags"] == [{"Key": "Name", "Value": "nýtt"}]
    assert running[3] not in after and added in after
    # What nobody touched is as it was, to the last attribute.
    touched = {*running[:4], added}
    assert {key: value for key, value in after.items() if key not in touched} == {
        key: value for key, value in there.items() if key not in touched
    }
    organisation.change("start_instance", instance_id=running[1])
    assert {i["InstanceId"]: i["State"]["Name"] for i in instances(account["profile"], region)}[running[1]] == (
        "running"
    )
    with pytest.raises(SimulatorError, match="there is no instance i-none"):
        organisation.change("stop_instance", instance_id="i-none")


def test_accounts_move_close_and_leave(organisation: Simulator) -> None:
    truth = organisation.truth()
    mover, closer, leaver = workloads(truth)[:3]
    organisation.change("move_account", account_id=mover["account_id"], ou="Quarantine/Under review")
    organisation.change("close_account", account_id=closer["account_id"])
    organisation.change("remove_account", account_id=leaver["account_id"])
    found = {
        account["Id"]: account
        for page in pages("acmeManagement", "organizations", "list_accounts")
        for account in page["Accounts"]
    }
    now = {account["account_id"]: account for account in organisation.truth()["accounts"]}
    assert now[mover["account_id"]]["ou_path"] == "Quarantine/Under review"
    assert found[mover["account_id"]]["Paths"] == [now[mover["account_id"]]["id_path"]]
    assert found[closer["account_id"]]["State"] == "SUSPENDED"
    assert leaver["account_id"] not in found
    for gone in (closer, leaver):
        assert error_of(partial(identity, gone["profile"]))[0] == "AccessDenied"
    # What it cost stays in the payer's history.
    costs = summed(bill(truth, **group_by(("LINKED_ACCOUNT",))))
    assert leaver["account_id"] in {key[1] for key in costs}
    organisation.reset()
    assert organisation.truth() == truth


def test_a_day_of_the_bill_is_restated(organisation: Simulator) -> None:
    truth = organisation.truth()
    request = bill(truth, **group_by(("SERVICE", "LINKED_ACCOUNT")))
    before = summed(request)
    day = (dt.date.fromisoformat(truth["today"]) - dt.timedelta(days=3)).isoformat()
    key = (day, "AmazonCloudWatch", truth["reachable"][0])
    organisation.change("restate", usage_date=day, service=key[1], account_id=key[2], amount="-0.00000007")
    after = summed(request)
    assert after.pop(key) == before.pop(key) - Decimal("0.00000007")
    assert after == before


# ---------------------------------------------------------------------- the process


def test_no_test_can_reach_the_machines_own_accounts() -> None:
    assert {name: value for name, value in os.environ.items() if is_foreign(name)} == {"CMDB_SETTINGS": os.devnull}
    assert Path.home().name.startswith("cmdb-tests-")
    assert not (Path.home() / ".aws" / "config").exists() or "aws.invalid" in (
        (Path.home() / ".aws" / "config").read_text()
    )


def test_the_log_says_who_requested_what(organisation: Simulator) -> None:
    truth = organisation.truth()
    account = workloads(truth)[0]
    organisation.clear_log()
    client(account["profile"], "ec2", truth["regions"][1]).describe_instances(MaxResults=5)
    assumed, asked = organisation.log()
    assert assumed["operation"] == "AssumeRole"
    assert asked["number"] == 2
    assert {name: asked[name] for name in ("account_id", "role", "session", "service", "operation", "region")} == {
        "account_id": account["account_id"],
        "role": "workload",
        "session": "cmdb",
        "service": "ec2",
        "operation": "DescribeInstances",
        "region": truth["regions"][1],
    }
    assert asked["parameters"] == {"MaxResults": 5}
    assert (asked["status"], asked["error_code"], asked["fault"]) == (200, None, None)
    assert organisation.log(since=2) == []


def test_same_seed_same_organisation(make_organisation: MakeOrganisation) -> None:
    today = dt.date(2026, 3, 14)
    options = {"accounts": 4, "resources": 3, "today": today}
    first, again, other = (make_organisation(seed=seed, **options) for seed in (1, 1, 2))
    assert first.truth() == again.truth()
    assert first.truth()["organization_id"] != other.truth()["organization_id"]
    profile = next(a["profile"] for a in other.truth()["accounts"] if a["kind"] == "workload")
    with pytest.MonkeyPatch.context() as patch:
        answers = []
        for each in (first, again):
            lead_to(each, patch)
            answers.append(instances(profile, "us-east-1"))
    assert answers[0] == answers[1] != []


def test_it_scales_by_parameters(make_organisation: MakeOrganisation) -> None:
    large = make_organisation(accounts=2000, regions=["us-east-1", "ap-southeast-2"], resources=2, page_size=20)
    found = pages("acmeManagement", "organizations", "list_accounts")
    accounts = [account for page in found for account in page["Accounts"]]
    assert len({account["Id"] for account in accounts}) == 2003
    assert Counter(account["State"] for account in accounts)["SUSPENDED"] == 1
    assert len(instances(f"acme-{accounts[-2]['Name']}", "ap-southeast-2")) == 2
    assert large.log()[-1]["account_id"] == accounts[-2]["Id"]


def test_start_up_takes_little_cpu(make_organisation: MakeOrganisation) -> None:
    """Whatever else the machine does: each night of the tests starts one."""
    used = psutil.Process(make_organisation().pid).cpu_times()
    assert used.user + used.system < 20


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    started = program("simulator_alone", tmp_path, json.dumps(policies()))
    pid = int(subprocess.run(**started, capture_output=True, check=False).stdout)
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the simulator outlived its parent")
