"""The contract: which IAM actions each role may send. Data and matching, nothing else.

It is the only list of permissions. The guard, the IAM policies, the tables in the docs and the tests derive from it. It
uses only the standard library, so that importing it has no side effects.
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
    """The contract's entry for one role.

    Attributes:
        account: the account that the role's profile must lead to, in words.
        profile_env: the environment variable that names the role's profile.
        allow: IAM action patterns that the role may send, and needs.
        optional: IAM action patterns that the role may send, and works without.
        remark: a note for readers of the patterns.
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
                "resource-explorer-2:Search",
            ),
        ),
        "billing": Clause(
            account="the payer account",
            profile_env="AWS_BILLING_PROFILE",
            allow=("ce:GetCostAndUsage", "budgets:ViewBudget", "billing:View*"),
            optional=(
                "ce:GetCostAndUsageWithResources",
                "ce:ListCostAllocationTags",
                "ce:ListCostAllocationTagBackfillHistory",
                "s3:GetObject",
                "s3:ListBucket",
            ),
            remark="`billing:View*` is the letter of the contract; AWS has no action of that name today. "
            "`s3:GetObject` and `s3:ListBucket` are for the data export: the policy grants them on its folder alone.",
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
"""The evidence that an empty response needs: the caller's identity, and CloudTrail's record of its calls."""

OF_ONE_EXPORT: Final = ("s3:GetObject", "s3:ListBucket")
"""Optional grants of the billing role on one folder of one bucket, that of the data export, and on nothing else."""

NO_ACTION: Final = ""
"""The action of an operation for which AWS publishes none. No clause matches it."""

RENAMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Signing names that are not the IAM prefix.
        "monitoring:*": "cloudwatch:*",
        "tagging:*": "tag:*",
        # Budgets guards its older read operations with one action. Operations on budget actions have their own.
        "budgets:DescribeBudget": "budgets:ViewBudget",
        "budgets:DescribeBudgetNotificationsForAccount": "budgets:ViewBudget",
        "budgets:DescribeBudgetPerformanceHistory": "budgets:ViewBudget",
        "budgets:DescribeBudgets": "budgets:ViewBudget",
        "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
        "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
        # Resource Explorer guards both of its queries with the action of the older one.
        "resource-explorer-2:ListResources": "resource-explorer-2:Search",
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
        # Directory buckets and Outposts sign as s3, but other services' actions guard them.
        "s3:ListAccessPointsForDirectoryBuckets": "s3express:ListAccessPointsForDirectoryBuckets",
        "s3:ListDirectoryBuckets": "s3express:ListAllMyDirectoryBuckets",
        "s3:ListRegionalBuckets": "s3-outposts:ListRegionalBuckets",
        # Newer than AWS's list of actions: the guarding action is unknown, so no role may send these operations.
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
"""`signing name:Operation` to IAM action, where AWS's names for the two differ; `*` is the operation's name.

`tests/test_contract_iam.py` proves that it covers every operation of the pinned botocore.
"""


class ContractViolation(Exception):
    """A role was about to make a call that its clause does not cover. Nothing was sent."""

    def __init__(self, role: Role, call: str, action: str) -> None:
        self.role = role
        self.call = call
        self.action = action
        super().__init__(_refusal(role, call, action))

    def __reduce__(self) -> tuple[type["ContractViolation"], tuple[Role, str, str]]:
        """Rebuild from the three arguments, not from the sentence: worker processes pickle exceptions."""
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
    """Whether the role may send the action, by its clause, by an optional grant, or as every role."""
    clause = CONTRACT[role]
    return _matches(action, (*clause.allow, *clause.optional, *EVERY_ROLE))


def is_optional(role: Role, action: str) -> bool:
    """Whether only an optional grant allows the action, so that the role must work without it."""
    clause = CONTRACT[role]
    return _matches(action, clause.optional) and not _matches(action, (*clause.allow, *EVERY_ROLE))


def roles_allowing(action: str) -> tuple[Role, ...]:
    """The roles that may send the action, in the contract's order."""
    return tuple(role for role in ROLES if allows(role, action))


def check(role: Role, signing_name: str, operation: str) -> None:
    """Check that a role may send an operation.

    Raises:
        ContractViolation: the role's clause does not cover the operation's IAM action.
    """
    action = iam_action(signing_name, operation)
    if not allows(role, action):
        raise ContractViolation(role, f"{signing_name}:{operation}", action)


def policy(role: Role, *, optional: bool = False, export: str = "", partition: str = "aws") -> dict[str, Any]:
    """The least-privilege IAM policy document of a role, optional grants in statements of their own.

    Args:
        role: the role.
        optional: whether the document has the optional grants.
        export: bucket and folder of the data export, `BUCKET/FOLDER`; without one nothing is granted in S3 for it.
        partition: the partition of the bucket, such as `aws-cn`.
    """
    clause = CONTRACT[role]
    statements = [_statement("Contract", clause.allow), _statement("EveryRole", EVERY_ROLE)]
    everywhere = [action for action in clause.optional if action not in OF_ONE_EXPORT]
    if optional and everywhere:
        statements.append(_statement("OptionalGrants", everywhere))
    if optional and export and clause.optional != tuple(everywhere):
        statements += _of_one_export(f"arn:{partition}:s3:::", *export.split("/", 1))
    return {"Version": "2012-10-17", "Statement": statements}


def _of_one_export(prefix: str, bucket: str, folder: str) -> list[dict[str, Any]]:
    objects = _statement("DataExportObjects", ["s3:GetObject"])
    listing = _statement("DataExportListing", ["s3:ListBucket"])
    return [
        {**objects, "Resource": f"{prefix}{bucket}/{folder}/*"},
        {**listing, "Resource": f"{prefix}{bucket}", "Condition": {"StringLike": {"s3:prefix": f"{folder}/*"}}},
    ]


def _statement(sid: str, actions: Iterable[str]) -> dict[str, Any]:
    # Every resource: the role exists to discover which resources there are.
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": "*"}


def _matches(action: str, patterns: Iterable[str]) -> bool:
    return any(_compiled(pattern).fullmatch(action) for pattern in patterns)


@cache  # equivalent: It spares compiling the same pattern again; what matches is the same.
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as IAM interprets it, with `*` as its only wildcard; unlike IAM's it is case-sensitive."""
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
