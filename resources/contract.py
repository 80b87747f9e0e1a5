"""The contract: which IAM actions each role may send. Data and matching, nothing else.

The one list of permissions there is. The guard, the IAM policies, the tables in the docs and the tests
derive from it. Standard library only, so that whatever imports it can trust it to do nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

Role = Literal["management", "operations", "billing", "workload"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True)
class Clause:
    """What the contract says of one role.

    Attributes:
        account: the account that its profile must reach, in words.
        profile_env: the environment variable that names its profile.
        allow: IAM action patterns that it may send, and needs.
        optional: IAM action patterns that it may send, and works without.
        remark: what a reader of the patterns should know.
    """

    account: str
    profile_env: str
    allow: tuple[str, ...]
    optional: tuple[str, ...] = ()
    remark: str = ""


CONTRACT: Final[Mapping[Role, Clause]] = MappingProxyType(
    {
        "management": Clause(
            account="the organisation's management account",
            profile_env="AWS_MANAGEMENT_PROFILE",
            allow=("organizations:List*", "organizations:Describe*"),
        ),
        "operations": Clause(
            account="the centralised operations (shared services) account",
            profile_env="AWS_OPERATIONS_PROFILE",
            allow=("resource-groups:List*", "tag:GetResources", "ec2:Describe*"),
            optional=(
                "resource-groups:GetGroupQuery",
                "resource-groups:GetTags",
                "config:DescribeConfigurationAggregators",
                "config:SelectAggregateResourceConfig",
                "cloudwatch:GetMetricData",
            ),
        ),
        "billing": Clause(
            account="the payer account",
            profile_env="AWS_BILLING_PROFILE",
            allow=("ce:GetCostAndUsage", "budgets:ViewBudget", "billing:View*"),
            optional=("ce:GetCostAndUsageWithResources", "ce:ListCostAllocationTags"),
            remark="`billing:View*` is the letter of the contract; AWS has no action of that name today.",
        ),
        "workload": Clause(
            account="each workload account, through a profile of its own",
            profile_env="AWS_PROFILE",
            allow=("ec2:Describe*", "rds:Describe*", "s3:List*", "lambda:List*"),
            optional=("cloudwatch:GetMetricData",),
            remark="Amazon DocumentDB and Neptune sign as `rds`, so `rds:Describe*` covers them too.",
        ),
    }
)

EVERY_ROLE: Final[tuple[str, ...]] = ("sts:GetCallerIdentity", "cloudtrail:LookupEvents")
"""Who am I, and what was I refused: the evidence that an empty answer needs."""

NO_ACTION: Final = ""
"""The action of an operation for which AWS publishes none. No clause matches it."""

RENAMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Signing names that are not the IAM prefix.
        "monitoring:*": "cloudwatch:*",
        "tagging:*": "tag:*",
        # Budgets guards its older read operations with one action. Those on budget actions have their own.
        "budgets:DescribeBudget": "budgets:ViewBudget",
        "budgets:DescribeBudgetNotificationsForAccount": "budgets:ViewBudget",
        "budgets:DescribeBudgetPerformanceHistory": "budgets:ViewBudget",
        "budgets:DescribeBudgets": "budgets:ViewBudget",
        "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
        "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
        # S3's actions are older than its operation names.
        "s3:ListBucketAnalyticsConfigurations": "s3:GetAnalyticsConfiguration",
        "s3:ListBucketIntelligentTieringConfigurations": "s3:GetIntelligentTieringConfiguration",
        "s3:ListBucketInventoryConfigurations": "s3:GetInventoryConfiguration",
        "s3:ListBucketMetricsConfigurations": "s3:GetMetricsConfiguration",
        "s3:ListBuckets": "s3:ListAllMyBuckets",
        "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
        "s3:ListObjectVersions": "s3:ListBucketVersions",
        "s3:ListObjects": "s3:ListBucket",
        "s3:ListObjectsV2": "s3:ListBucket",
        "s3:ListParts": "s3:ListMultipartUploadParts",
        # Directory buckets and Outposts sign as s3 and are guarded by other services' actions.
        "s3:ListAccessPointsForDirectoryBuckets": "s3express:ListAccessPointsForDirectoryBuckets",
        "s3:ListDirectoryBuckets": "s3express:ListAllMyDirectoryBuckets",
        "s3:ListRegionalBuckets": "s3-outposts:ListRegionalBuckets",
        # Newer than AWS's list of actions: what guards them is unknown, so nobody may send them.
        "ec2:DescribeCapacityReservationDateChangeQuotes": NO_ACTION,
        "ec2:DescribeMetricCategories": NO_ACTION,
        "ec2:DescribeNetworkingFlexCostAllocationPolicies": NO_ACTION,
        "ec2:DescribeNetworkingFlexCostAllocationPolicyAssociations": NO_ACTION,
        "ec2:DescribeTransitGatewayNetworkFunctionAttachments": NO_ACTION,
        "lambda:ListRuntimeAliases": NO_ACTION,
        "lambda:ListRuntimeVersions": NO_ACTION,
        "lambda:ListRuntimes": NO_ACTION,
        "rds:DescribeServerlessV2PlatformVersions": NO_ACTION,
    }
)
"""`signing name:Operation` to IAM action, wherever AWS names them differently; `*` is the operation's name.

`tests/test_contract_iam.py` proves it complete for every operation of the pinned botocore.
"""


class ContractViolation(Exception):
    """A role was about to call what its clause does not cover. Nothing was sent."""

    def __init__(self, role: Role, call: str, action: str) -> None:
        self.role = role
        self.call = call
        self.action = action
        super().__init__(_refusal(role, call, action))

    def __reduce__(self) -> tuple[type["ContractViolation"], tuple[Role, str, str]]:
        """Rebuild from the three facts, not from the sentence: worker processes pickle exceptions."""
        return type(self), (self.role, self.call, self.action)


def iam_action(signing_name: str, operation: str) -> str:
    """The IAM action that guards an operation; `NO_ACTION` where AWS publishes none.

    Args:
        signing_name: botocore's `service_model.signing_name`, such as `tagging` or `rds` (for Neptune too).
        operation: AWS's operation name, such as `GetResources`.
    """
    call = f"{signing_name}:{operation}"
    action = RENAMED.get(call, RENAMED.get(f"{signing_name}:*", call))
    return action.replace("*", operation)


def allows(role: Role, action: str) -> bool:
    """Whether the role may send the action: by its clause, its optional grants, or because every role may."""
    clause = CONTRACT[role]
    return _matches(action, (*clause.allow, *clause.optional, *EVERY_ROLE))


def is_optional(role: Role, action: str) -> bool:
    """Whether the role may send the action only by an optional grant, and must work without it."""
    clause = CONTRACT[role]
    return _matches(action, clause.optional) and not _matches(action, (*clause.allow, *EVERY_ROLE))


def roles_allowing(action: str) -> tuple[Role, ...]:
    """The roles that may send the action, in the contract's order."""
    return tuple(role for role in ROLES if allows(role, action))


def check(role: Role, signing_name: str, operation: str) -> None:
    """Let an operation pass in silence, or refuse it.

    Raises:
        ContractViolation: the role's clause does not cover the operation's IAM action.
    """
    action = iam_action(signing_name, operation)
    if not allows(role, action):
        raise ContractViolation(role, f"{signing_name}:{operation}", action)


def policy(role: Role, *, optional: bool = False) -> dict[str, Any]:
    """The least-privilege IAM policy document of a role, optional grants in a statement of their own."""
    clause = CONTRACT[role]
    statements = [_statement("Contract", clause.allow), _statement("EveryRole", EVERY_ROLE)]
    if optional and clause.optional:
        statements.append(_statement("OptionalGrants", clause.optional))
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(sid: str, actions: Iterable[str]) -> dict[str, Any]:
    # Every resource: which ones there are is what the role is to find out.
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": "*"}


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(_compiled(pattern).fullmatch(action) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as IAM reads it, where `*` alone is special; stricter than IAM in minding the case."""
    return re.compile(re.escape(pattern).replace(r"\*", ".*"))


def _refusal(role: Role, call: str, action: str) -> str:
    if action == NO_ACTION:
        return (
            f"{role} may not call {call}: AWS publishes no IAM action for it that the contract could give.\n"
            "Nothing was sent. If AWS names its action by now, put it into RENAMED in resources/contract.py."
        )
    requested = call if action == call else f"{call} (IAM action {action})"
    others = " and ".join(roles_allowing(action))
    if others:
        return (
            f"{role} may not call {requested}: the contract gives it to {others}.\n"
            "Nothing was sent. Change the listing's role in pipelines/catalogue/, "
            "or amend CONTRACT in resources/contract.py."
        )
    return (
        f"{role} may not call {requested}: the contract gives it to no role.\n"
        "Nothing was sent. Leave the call out, or amend CONTRACT in resources/contract.py."
    )
