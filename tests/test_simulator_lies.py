"""Every lie of the simulated organisation: told of somebody who exists, and told by what AWS itself could answer."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from werkzeug.test import create_environ

from simulator.access import ROLE_NAMES, Policy, session_token
from simulator.app import Simulation, _without
from simulator.client import Simulator
from simulator.faults import FAULT_NAMES, Rule, make_lie
from simulator.world import KINDS, World

pytestmark = pytest.mark.large


@pytest.mark.parametrize("name", FAULT_NAMES)
def test_a_lie_says_who_is_lied_about_and_how(name: str) -> None:
    world = World()
    lie = make_lie(name, world)

    assert lie.name == name
    assert lie.role in KINDS
    assert lie.account_id == "*" or lie.account_id in world.accounts
    assert lie.description.endswith(".")
    assert lie.rules
    assert len(lie.operation.split(":")) == 2


def test_what_is_left_out_of_a_response_are_the_records_that_name_it_themselves() -> None:
    groups = [{"Keys": ["1", "EC2"], "Amount": "1"}, {"Keys": ["2", "EC2"], "Amount": "2"}]
    bill = {"ResultsByTime": [{"Start": "d", "Groups": groups}], "NextPageToken": None}

    assert _without(bill, "1") == {"ResultsByTime": [{"Start": "d", "Groups": groups[1:]}], "NextPageToken": None}
    assert _without(bill, "3") == bill


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule("truncate"), 1),
        (Rule("truncate", keep=1000), 0),
        (Rule("truncate", service="rds"), 0),
        (Rule("omit", item="no such thing"), 0),
        (Rule("foreign", item="000000000009"), 1),
        (Rule("throttle"), 1),
        (Rule("throttle", skip=1), 0),
        (Rule("misroute", role="management"), 0),
    ],
)
def test_a_lie_is_told_by_an_answer_that_is_another_one_for_it(rule: Rule, told: int) -> None:
    allowed = Policy({"Statement": [{"Effect": "Allow", "Action": "*"}]})
    simulation = Simulation(World, dict.fromkeys(KINDS, allowed), 1000)
    simulation.faults.rules.append(rule)
    account = simulation.world.reachable()[0].account_id
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=ASIA1/20261126/us-east-1/ec2/aws4_request, Signature=0",
        "X-Amz-Security-Token": session_token(account, ROLE_NAMES["workload"], "a-test", int(time.time()) + 60),
    }
    asked = {"Action": "DescribeInstances", "Version": "2016-11-15", "MaxResults": "1000"}
    where = "http://ec2.us-east-1.amazonaws.com"
    simulation.handle(create_environ("/", where, method="POST", data=asked, headers=headers))
    assert rule.told == told


@pytest.mark.parametrize("role", KINDS)
def test_a_misrouted_profile_reaches_the_other_account_and_the_others_their_own(
    organisation: Simulator, role: str
) -> None:
    truth = organisation.truth()
    profiles = {kind: f"acme{kind.capitalize()}" for kind in KINDS if kind != "workload"}
    told = organisation.lie(f"misrouted_{role}")
    workloads = {a["account_id"]: a["profile"] for a in truth["accounts"] if a["account_id"] in truth["reachable"]}

    reached = {kind: caller(profile) for kind, profile in profiles.items()}
    reached["workload"] = caller(workloads[next(a for a in workloads if a != told["account_id"])])

    assert reached[role] == told["account_id"]
    rest = {kind: truth["central"][kind] for kind in profiles if kind != role}
    assert {kind: reached[kind] for kind in rest} == rest
    organisation.stop_lying()
    assert role == "workload" or caller(profiles[role]) == truth["central"][role]


def caller(profile: str) -> str:
    session = boto3.Session(profile_name=profile)
    found: dict[str, Any] = session.client("sts", region_name="us-east-1").get_caller_identity()
    return str(found["Account"])


def test_the_bill_leaves_an_account_out_and_nobody_else(organisation: Simulator) -> None:
    truth = organisation.truth()
    ce = boto3.Session(profile_name="acmeBilling").client("ce", region_name="us-east-1")
    day = {"Start": truth["today"][:8] + "01", "End": truth["today"]}
    if day["Start"] == day["End"]:
        day["Start"] = "2026-01-01"

    def accounts() -> set[str]:
        answer = ce.get_cost_and_usage(
            TimePeriod=day,
            Granularity="MONTHLY",
            Metrics=["UnblendedCost"],
            GroupBy=[{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}],
        )
        return {group["Keys"][0] for result in answer["ResultsByTime"] for group in result["Groups"]}

    before = accounts()
    told = organisation.lie("bill_without_account")
    assert before - accounts() == {told["account_id"]}


@pytest.mark.parametrize("name", ["region_closed", "denied_listing", "garbage_forever", "down_workload"])
def test_a_lie_about_one_account_spares_the_others(organisation: Simulator, name: str) -> None:
    truth = organisation.truth()
    told = organisation.lie(name)
    others = [
        account
        for account in truth["accounts"]
        if account["account_id"] in truth["reachable"] and account["account_id"] != told["account_id"]
    ]
    assert len(others) == len(truth["reachable"]) - 1 > 1
    for account in others:
        ec2 = boto3.Session(profile_name=account["profile"]).client("ec2", region_name=truth["regions"][0])
        ec2.describe_instances()
        ec2.describe_volumes()
