"""What a policy of the organisation denies: by the words of AWS, and by the documents."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from organization_policies import ALLOW_ALL, deny, region_deny
from scripted_aws import INSTANCES

from pipelines.trust.organization_policies import (
    BY_WORDS,
    DeniedRequest,
    PolicySkips,
    StoredPolicies,
    is_bare,
    is_refusal,
    named_in,
)
from resources.aws.messages import OPTIONAL_GRANT, Request, Response

ACCOUNT, MANAGEMENT, UNIT, ROOT = "111122223333", "999988887777", "ou-1", "r-1"
READER = f"arn:aws:sts::{ACCOUNT}:assumed-role/CMDBReader/cmdb"
ARN = "arn:aws:organizations::999988887777:policy/o-qv5af4abcd/service_control_policy/p-2kgnabcd"
WHO = f"User: {READER} is not authorized to perform: ec2:DescribeInstances"


def stored(document: Any, target: str = ROOT, *, is_complete: bool = True, allow: Any = ALLOW_ALL) -> StoredPolicies:
    """One policy, and what allows everything at each level."""
    text = document if isinstance(document, str) else json.dumps(document)
    everywhere = {place: {"p-FullAWSAccess"} for place in (ACCOUNT, UNIT, ROOT, MANAGEMENT)}
    if allow is None:
        everywhere[target] = set()
    everywhere[target] |= {"p-1"}
    return StoredPolicies(
        documents={"p-1": text, "p-FullAWSAccess": json.dumps(ALLOW_ALL)},
        names={"p-1": "Mine", "p-FullAWSAccess": "FullAWSAccess"},
        attached={place: frozenset(own) for place, own in everywhere.items()},
        parent_of={ACCOUNT: UNIT, UNIT: ROOT, MANAGEMENT: ROOT},
        management_account=MANAGEMENT,
        is_complete=is_complete,
    )


def asks(
    action: str = "ec2:DescribeInstances", region: str = "eu-west-1", caller: str = READER, account: str = ACCOUNT
) -> DeniedRequest:
    return DeniedRequest(account, action, region, caller)


def denies(document: Any, request: DeniedRequest | None = None, target: str = ROOT) -> bool:
    return bool(list(stored(document, target).denials(request or asks())))


# --------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("message", "kind", "policy"),
    [
        (f"{WHO} with an explicit deny in a service control policy", "service control policy", ""),
        (f"{WHO} with an explicit deny in a service control policy: {ARN}", "service control policy", "p-2kgnabcd"),
        (
            "You are not authorized to perform this operation. "
            f"{WHO} on resource: arn:aws:ec2:eu-west-1:1:instance/* with an explicit deny in a service control policy. "
            "Encoded authorization failure message: XQ_jqde5rHje6j9P",
            "service control policy",
            "",
        ),
        (
            f"{WHO} because no service control policy allows the ec2:DescribeInstances action",
            "service control policy",
            "",
        ),
        (
            f'{WHO} on resource: "arn:aws:s3:::b" with an explicit deny in a resource control policy: '
            f"{ARN.replace('service', 'resource')}. Go to https://console.example for details",
            "resource control policy",
            "p-2kgnabcd",
        ),
    ],
)
def test_the_words_of_aws_name_a_policy_of_the_organisation(message: str, kind: str, policy: str) -> None:
    denial = named_in(message)
    assert denial is not None
    assert (denial.kind, denial.policy_id, denial.known_by) == (kind, policy, BY_WORDS)
    assert not is_bare("AccessDenied", message)


@pytest.mark.parametrize(
    "reason",
    [
        "because no identity-based policy allows the ec2:DescribeInstances action",
        "with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/service_control_policy",
        "because no permissions boundary allows the ec2:DescribeInstances action",
        "with an explicit deny in a permissions boundary",
        "with an explicit deny in a session policy",
        "because no VPC endpoint policy allows the ec2:DescribeInstances action",
        "with an explicit deny in a VPC endpoint policy",
        "with an explicit deny in a resource-based policy",
    ],
)
def test_what_is_the_roles_own_business_is_no_policy_of_the_organisation(reason: str) -> None:
    """Not by AWS's words, and no stored policy may claim it: AWS has said whose it is."""
    assert named_in(f"{WHO} {reason}") is None
    assert not is_bare("AccessDenied", f"{WHO} {reason}")


@pytest.mark.parametrize(
    ("code", "message", "bare"),
    [
        ("AccessDenied", "Access Denied", True),
        ("UnauthorizedOperation", "You are not authorized to perform this operation.", True),
        ("AccessDeniedException", f"{WHO} with an explicit deny", True),
        ("AuthFailure", None, True),
        ("OptInRequired", "You are not subscribed to this service.", False),
        ("ExpiredToken", "The provided token has expired.", False),
        (None, None, False),
    ],
)
def test_a_refusal_that_names_nothing_may_have_a_policy_behind_it(code: str, message: str, bare: bool) -> None:
    assert is_bare(code, message) is bare


def answered(outcome: Any = "denied", **what: Any) -> Response:
    now = datetime.now(UTC)
    asked = Request("reader", ACCOUNT, "eu-west-1", INSTANCES, "workload")
    known = {"error_code": "AccessDenied", "error_message": "Access Denied", "caller_account_id": ACCOUNT}
    return Response(asked, outcome, now, now, **(known | what))


def test_only_a_refusal_of_the_request_itself_is_one() -> None:
    assert is_refusal(answered())
    assert is_refusal(answered("skipped", skip_reason=OPTIONAL_GRANT))
    assert not is_refusal(answered("skipped", skip_reason="not_offered"))
    assert not is_refusal(answered("failed"))
    assert not is_refusal(answered(error_code="ExpiredToken"))
    # The way to the account is refused, not the account.
    assert not is_refusal(answered(caller_account_id=None))
    words = "User: x is not authorized to perform: sts:AssumeRole with an explicit deny in a service control policy"
    assert not is_refusal(answered(error_message=words))


# ----------------------------------------------------------------------------------------- documents


@pytest.mark.parametrize(
    ("request_", "denied"),
    [
        (asks(), True),
        (asks(region="us-east-1"), False),
        (asks("rds:DescribeDBInstances"), True),
        (asks("ec2:DescribeRegions"), False),
        (asks("S3:listallmybuckets"), False),
        (asks("s3:ListTagsForResource"), True),
        (asks("config:SelectAggregateResourceConfig"), False),
        (asks(caller=f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSControlTowerExecution/x"), False),
        (asks(account=MANAGEMENT), False),
        (asks(account="000000000000"), False),
    ],
)
@pytest.mark.parametrize("target", [ROOT, UNIT, ACCOUNT])
def test_the_region_control_of_a_landing_zone(request_: DeniedRequest, denied: bool, target: str) -> None:
    assert denies(region_deny("us-east-1", "us-west-2"), request_, target) is denied


def test_a_policy_elsewhere_denies_nothing_here() -> None:
    elsewhere = replace(stored(deny("*")), attached={"ou-2": frozenset({"p-1"})})
    assert not list(elsewhere.denials(asks()))
    assert not list(replace(stored(deny("*")), management_account="").denials(asks()))


@pytest.mark.parametrize(
    ("condition", "denied"),
    [
        ({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-north-1"]}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, False),
        ({"StringLike": {"aws:requestedregion": "eu-*"}}, True),
        ({"StringNotLike": {"aws:RequestedRegion": ["us-*", "ap-*"]}}, True),
        ({"StringNotLike": {"aws:RequestedRegion": ["us-*", "eu-*"]}}, False),
        ({"StringNotEqualsIfExists": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"ForAnyValue:StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"ForAnyValue:StringEquals": {"aws:RequestedRegion": "us-east-1"}}, False),
        ({"StringNotEqualsIgnoreCase": {"aws:RequestedRegion": "EU-WEST-1"}}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/CMDB*"}}, True),
        ({"ArnNotLike": {"aws:PrincipalARN": "arn:aws:iam::*:role/CMDB*"}}, False),
        ({"StringNotLike": {"aws:PrincipalARN": "arn:*:iam::*:role/CMDBReader"}}, False),
        ({"StringNotLike": {"aws:PrincipalARN": ["arn:*:iam::*:role/Other"]}}, True),
        # The role's path is not known, and an exemption of a path may be ours; those that AWS keeps are not.
        ({"ArnNotLike": {"aws:PrincipalARN": "arn:aws:iam::*:role/audit/*"}}, False),
        ({"ArnNotLike": {"aws:PrincipalARN": "arn:aws:iam::*:role/audit/Other"}}, True),
        ({"ArnNotLike": {"aws:PrincipalARN": "arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/*"}}, True),
        # Nothing is known of these, so nothing is claimed.
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}, False),
        ({"StringNotEquals": {"aws:RequestedRegion": "${aws:PrincipalTag/region}"}}, False),
        ({"StringNotEquals": {"aws:RequestedRegion": "us-east-1", "ec2:Region": "us-east-1"}}, False),
        ({"Null": {"aws:PrincipalArn": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": True}}, False),
        ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, False),
    ],
)
def test_a_condition_holds_or_it_is_no_evidence(condition: Any, denied: bool) -> None:
    assert denies(deny("ec2:*", Condition=condition)) is denied


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no JSON",
        "[]",
        '{"Statement": "x"}',
        {"Statement": [{"Effect": "Deny", "Action": "ec2:*", "Resource": "arn:aws:ec2:*:*:instance/*"}]},
        {"Statement": [{"Effect": "Deny", "Action": "ec2:*", "NotResource": "arn:aws:ec2:*:*:instance/*"}]},
        {"Statement": [{"Effect": "Deny", "Action": ["ec2:Run*", "ec2:DescribeInstance"], "Resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    ],
)
def test_what_does_not_deny_it_for_sure_is_no_evidence(document: Any) -> None:
    assert not denies(document)


def test_one_statement_may_stand_alone_and_a_glob_is_no_regular_expression() -> None:
    assert denies({"Statement": {"Effect": "Deny", "Action": "ec2:Describe?nstances", "Resource": ["*"]}})
    assert not denies(deny("ec2.Describe[I]nstances"))


def test_a_list_of_what_is_allowed_denies_the_rest() -> None:
    allows_s3 = {"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}
    (denial,) = stored(allows_s3, UNIT, allow=None).denials(asks())
    assert denial.policy_id == "p-1" and UNIT in denial.policy_name
    assert not list(stored(allows_s3, UNIT, allow=None).denials(asks("s3:ListAllMyBuckets")))
    # Beside FullAWSAccess it limits nothing, and where something is not known it is no evidence.
    assert not list(stored(allows_s3, UNIT).denials(asks()))
    assert not list(stored(allows_s3, UNIT, allow=None, is_complete=False).denials(asks()))
    assert not list(stored("no JSON", UNIT, allow=None).denials(asks()))
    open_ended = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"x": "y"}}}]}
    assert not list(stored(open_ended, UNIT, allow=None).denials(asks()))


def test_a_response_of_two_runs_that_closes_a_circle_ends() -> None:
    circle = replace(stored(deny("*"), UNIT), parent_of={ACCOUNT: UNIT, UNIT: ACCOUNT})
    assert [denial.policy_id for denial in circle.denials(asks())] == ["p-1"]


# ------------------------------------------------------------------------------------------ sentence


def test_a_policy_is_reported_in_one_sentence() -> None:
    skips = PolicySkips(
        "service control policy", "p-abc", "RegionDeny", ("ec2", "rds"), ("ap-southeast-2", "eu-west-1"), 40, 1680, 0
    )
    assert skips.sentence() == (
        "Service control policy p-abc (RegionDeny) denies ec2, rds in ap-southeast-2, eu-west-1 for 40 accounts: "
        "1680 cells are skipped and keep their last rows, marked stale."
    )
    more = replace(skips, trusted_before=3, billed=((ACCOUNT, "eu-west-1"),)).sentence()
    assert more.endswith(
        " 3 of them had a response before. The bill of the last days shows usage in 111122223333 in eu-west-1: what "
        "runs there is not seen."
    )
    one = replace(skips, policy_id="", policy_name="", account_count=1, cell_count=1).sentence()
    assert one.startswith("A service control policy that AWS does not name denies ec2, rds in ")
    assert "for 1 account: 1 cell is skipped and keeps its last rows" in one
    some = replace(skips, regions=("aws-global", "eu-west-1")).sentence()
    assert " denies ec2, rds in eu-west-1 for 40 accounts: " in some
    everywhere = replace(skips, services=("s3",), regions=("aws-global",)).sentence()
    assert " denies s3 for 40 accounts: " in everywhere
    few = replace(skips, account_count=2, accounts=(ACCOUNT, "444455556666")).sentence()
    assert f"for 2 accounts ({ACCOUNT}, 444455556666): " in few
    many = replace(skips, accounts=(ACCOUNT, "444455556666", "777788889999")).sentence()
    assert "for 40 accounts: " in many
