"""The guard is on every way to AWS: whoever makes the client, and however the call is made."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from scripted_aws import ScriptedAws, ec2_error, scripted, static, write_profiles

from resources.aws.client import AwsClient
from resources.aws.guard import Guard
from resources.aws.signing_context import NoSigningContext
from resources.contract import ROLES, ContractViolation, Role, allows, iam_action

ACCOUNT = "011122223333"


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {"one": static(ACCOUNT)})
        yield server


@pytest.fixture
def reach(aws: ScriptedAws) -> Iterator[AwsClient]:
    reach = AwsClient("workload", home_region="us-east-1")
    yield reach
    reach.close()


@pytest.fixture
def session(reach: AwsClient) -> Any:
    """What code that is not ours is given."""
    return reach.session("one")


def client(session: Any, service: str, **settings: Any) -> Any:
    return session.client(service, region_name="us-east-1", **settings)


def test_a_refused_operation_says_who_may_and_is_not_sent(session: Any, aws: ScriptedAws) -> None:
    with pytest.raises(ContractViolation, match="the contract gives it to management") as refusal:
        client(session, "organizations").list_accounts()
    assert "Nothing was sent" in str(refusal.value)
    assert aws.log == []


def test_it_refuses_before_parameters_are_looked_at(session: Any) -> None:
    with pytest.raises(ContractViolation):
        client(session, "ec2").terminate_instances(NoSuchParameter=1)


def test_a_paginator_is_guarded(session: Any, aws: ScriptedAws) -> None:
    with pytest.raises(ContractViolation):
        list(client(session, "iam").get_paginator("list_users").paginate())
    assert aws.log == []


def test_a_waiter_is_guarded(session: Any, aws: ScriptedAws) -> None:
    waiter = client(session, "eks").get_waiter("cluster_active")
    with pytest.raises(ContractViolation):
        waiter.wait(name="c")
    assert aws.log == []


def test_presigned_urls_are_guarded(session: Any) -> None:
    s3 = client(session, "s3")
    with pytest.raises(ContractViolation):
        s3.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "k"})
    assert "Signature=" in s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "b"})


def test_a_presigned_post_is_guarded(session: Any) -> None:
    with pytest.raises(ContractViolation):
        client(session, "s3").generate_presigned_post("b", "k")


def test_a_database_token_is_guarded(session: Any) -> None:
    with pytest.raises(ContractViolation):
        client(session, "rds").generate_db_auth_token("db.example", 5432, "admin")


def test_resources_are_guarded(session: Any, aws: ScriptedAws) -> None:
    with pytest.raises(ContractViolation):
        session.resource("ec2", region_name="us-east-1").Instance("i-1").terminate()
    with pytest.raises(ContractViolation):
        session.resource("s3", region_name="us-east-1").Bucket("b").upload_file(__file__, "k")
    assert aws.log == []


def test_copies_of_a_session_are_guarded(session: Any, aws: ScriptedAws) -> None:
    copies = [
        copy.copy(session),
        boto3.Session(botocore_session=session._session),
        boto3.Session(botocore_session=copy.copy(session._session)),
    ]
    for each in copies:
        with pytest.raises(ContractViolation):
            client(each, "ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)
    assert aws.log == []


def test_own_keys_and_settings_do_not_get_around_it(session: Any, aws: ScriptedAws) -> None:
    made = client(
        session,
        "ec2",
        aws_access_key_id="AKIA999988887777",
        aws_secret_access_key="s",
        config=Config(parameter_validation=False, retries={"mode": "standard"}),
    )
    with pytest.raises(ContractViolation):
        made.delete_vpc(VpcId="v")
    assert aws.log == []


def test_a_signature_is_judged_under_the_name_that_the_endpoint_chose() -> None:
    request = AWSRequest()
    request.context = {}
    Guard("workload").refuse_signature("s3", "ListObjectsV2", request)
    request.context = {"signing": {"signing_name": "s3-outposts"}}
    with pytest.raises(ContractViolation, match="workload may not call s3-outposts:ListObjectsV2"):
        Guard("workload").refuse_signature("s3", "ListObjectsV2", request)


def test_what_the_clause_covers_is_sent(session: Any, aws: ScriptedAws) -> None:
    aws.script = lambda call: ec2_error("SomeError")
    with pytest.raises(Exception, match="SomeError"):
        client(session, "ec2").describe_vpcs()
    assert [(call.operation, call.account) for call in aws.log] == [("DescribeVpcs", ACCOUNT)]


def test_one_call_through_reach_is_guarded_before_credentials_are_touched(reach: AwsClient, aws: ScriptedAws) -> None:
    with pytest.raises(ContractViolation):
        reach.call("one", "ec2", "RunInstances", "us-east-1", ImageId="i", MinCount=1, MaxCount=1)
    with pytest.raises(ContractViolation):
        reach.call("no such profile", "organizations", "ListAccounts", "us-east-1")
    assert aws.log == []


def test_the_shared_clients_are_guarded_too(reach: AwsClient, aws: ScriptedAws) -> None:
    reach.identify("one")
    shared = reach.sessions.client("one", "ec2", "us-east-1")
    before = len(aws.log)
    with pytest.raises(ContractViolation, match="ec2:StopInstances"):
        shared.stop_instances(InstanceIds=["i-1"])
    # Another role may: it is the guard that refuses, not the model that has no such operation.
    with pytest.raises(ContractViolation, match="the contract gives it to operations"):
        reach.sessions.client("one", "resource-groups", "us-east-1").list_groups()
    with pytest.raises(AttributeError, match="no_such_operation"):
        shared.no_such_operation()
    assert len(aws.log) == before


def test_a_shared_client_outside_of_a_question_signs_for_nobody(reach: AwsClient, aws: ScriptedAws) -> None:
    reach.identify("one")
    shared = reach.sessions.client("one", "ec2", "us-east-1")
    before = len(aws.log)
    with pytest.raises(NoSigningContext, match="Nothing was sent"):
        shared.describe_vpcs()
    assert len(aws.log) == before


class _Passed(Exception):
    """The guard let the operation through; it ends here, before the network."""


def _stop(**_: Any) -> None:
    raise _Passed


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_of_these_services_meets_the_guard(role: Role, aws: ScriptedAws) -> None:
    """Through real clients; `tests/test_contract.py` has every service there is, without them."""
    reach = AwsClient(role, home_region="us-east-1")
    session = reach.session("one")
    # Services whose operations or signing names are not their IAM actions', and some that none may use.
    services = (
        "organizations",
        "budgets",
        "ce",
        "cloudtrail",
        "cloudwatch",
        "config",
        "docdb",
        "ec2",
        "iam",
        "invoicing",
        "lambda",
        "neptune",
        "rds",
        "resource-groups",
        "resourcegroupstaggingapi",
        "s3",
        "s3control",
        "sts",
    )

    passed = set()
    for service in services:
        made = client(session, service)
        made.meta.events.register_last("provide-client-params", _stop)
        signing_name = made.meta.service_model.signing_name
        for operation in made.meta.service_model.operation_names:
            action = iam_action(signing_name, operation)
            with pytest.raises(_Passed if allows(role, action) else ContractViolation):
                getattr(made, xform_name(operation))()
            if allows(role, action):
                passed.add(f"{service}:{operation}")
    reach.close()
    assert aws.log == []
    # By hand, so that it does not rest on the matching that it tests.
    everywhere = {"sts:GetCallerIdentity", "cloudtrail:LookupEvents"}
    may: dict[Role, set[str]] = {
        "management": {"organizations:ListAccounts", "organizations:DescribeOrganization"},
        "operations": {
            "ec2:DescribeVpcs",
            "resourcegroupstaggingapi:GetResources",
            "resource-groups:ListGroups",
        },
        "billing": {"ce:GetCostAndUsage", "budgets:DescribeBudgets"},
        "workload": {
            "ec2:DescribeInstances",
            "s3:ListBuckets",
            "lambda:ListFunctions",
            "neptune:DescribeDBClusters",
        },
    }
    may_not: dict[Role, set[str]] = {
        "management": {"organizations:CreateAccount", "ec2:DescribeInstances", "ce:GetCostAndUsage"},
        "operations": {"ec2:RunInstances", "resource-groups:CreateGroup", "s3:ListBuckets"},
        "billing": {"budgets:CreateBudget", "ce:GetDimensionValues", "organizations:ListAccounts"},
        "workload": {
            "s3:PutObject",
            "s3:GetObject",
            "lambda:Invoke",
            "organizations:ListAccounts",
            "sts:AssumeRole",
        },
    }
    assert everywhere | may[role] <= passed
    assert not may_not[role] & passed
