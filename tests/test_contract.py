import json
import pickle
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from botocore_models import service_model
from every_operation import every_operation, is_let_through, signing_names

from pipelines.catalogue.registry import listings
from pipelines.collection.data_export import OBJECTS
from resources import contract
from resources.contract import (
    CONTRACT,
    EVERY_ROLE,
    NO_ACTION,
    OF_ONE_EXPORT,
    ROLES,
    ContractViolation,
    Role,
    allows,
    check,
    iam_action,
    is_optional,
    policy,
    roles_allowing,
)
from tools.docs import contract as contract_docs

ROOT = Path(__file__).resolve().parent.parent

# The oracle of the guard, written by hand from the contract's text and AWS's documentation, in botocore's
# names of services and operations. Nothing in it comes from resources/contract.py.
MAY = """
management  organizations             DescribeOrganization
management  organizations             ListAccounts
management  organizations             ListRoots
management  organizations             ListPolicies
management  organizations             ListDelegatedAdministrators
management  organizations             ListAWSServiceAccessForOrganization
management  organizations             ListTagsForResource
management  sts                       GetCallerIdentity
management  cloudtrail                LookupEvents
operations  resource-groups           ListGroups
operations  resource-groups           ListGroupResources
operations  resourcegroupstaggingapi  GetResources
operations  ec2                       DescribeFlowLogs
operations  ec2                       DescribeSecurityGroups
operations  ec2                       DescribeRegions
operations  sts                       GetCallerIdentity
operations  cloudtrail                LookupEvents
billing     ce                        GetCostAndUsage
billing     budgets                   DescribeBudget
billing     budgets                   DescribeBudgets
billing     budgets                   DescribeNotificationsForBudget
billing     sts                       GetCallerIdentity
billing     cloudtrail                LookupEvents
workload    ec2                       DescribeInstances
workload    ec2                       DescribeVolumes
workload    ec2                       DescribeInstanceAttribute
workload    rds                       DescribeDBInstances
workload    docdb                     DescribeDBClusters
workload    neptune                   DescribeDBClusters
workload    s3                        ListBuckets
workload    s3                        ListObjectsV2
workload    s3                        ListObjectVersions
workload    s3                        ListParts
workload    s3control                 ListTagsForResource
workload    s3control                 ListAccessPoints
workload    lambda                    ListFunctions
workload    lambda                    ListTags
workload    sts                       GetCallerIdentity
workload    cloudtrail                LookupEvents
"""

MAY_WITH_AN_OPTIONAL_GRANT = """
operations  resource-groups           GetGroupQuery
operations  resource-groups           GetTags
operations  config                    DescribeConfigurationAggregators
operations  config                    SelectAggregateResourceConfig
operations  cloudwatch                GetMetricData
operations  resource-explorer-2       ListResources
operations  resource-explorer-2       Search
billing     ce                        GetCostAndUsageWithResources
billing     ce                        ListCostAllocationTags
billing     ce                        ListCostAllocationTagBackfillHistory
billing     s3                        GetObject
billing     s3                        ListObjects
billing     s3                        ListObjectsV2
workload    cloudwatch                GetMetricData
"""

MAY_NOT = """
management  ec2                       DescribeInstances
management  s3                        ListBuckets
management  ce                        GetCostAndUsage
management  resource-groups           ListGroups
management  cloudwatch                GetMetricData
management  organizations             CreateAccount
management  organizations             LeaveOrganization
management  organizations             AttachPolicy
management  organizations             EnablePolicyType
management  account                   ListRegions
management  iam                       ListAccountAliases
management  sts                       AssumeRole
management  cloudtrail                DescribeTrails
operations  organizations             DescribeOrganization
operations  organizations             ListAccounts
operations  organizations             ListPolicies
operations  organizations             ListDelegatedAdministrators
operations  resource-groups           GetGroup
operations  cloudwatch                ListMetrics
billing     invoicing                 ListInvoiceSummaries
operations  resource-groups           SearchResources
operations  resource-groups           DeleteGroup
operations  resource-groups           Tag
operations  resourcegroupstaggingapi  GetTagKeys
operations  resourcegroupstaggingapi  TagResources
operations  ec2                       RunInstances
operations  ec2                       GetConsoleOutput
operations  ec2                       SearchTransitGatewayRoutes
operations  ec2                       DescribeMetricCategories
operations  rds                       DescribeDBInstances
operations  config                    DescribeConfigRules
operations  config                    PutConfigurationAggregator
operations  resource-explorer-2       ListViews
operations  resource-explorer-2       GetView
operations  resource-explorer-2       CreateIndex
operations  resource-explorer-2       UpdateView
workload    resource-explorer-2       ListResources
management  resource-explorer-2       Search
operations  cloudwatch                PutMetricData
operations  cloudwatch                GetMetricStatistics
operations  sts                       AssumeRole
billing     ce                        GetCostForecast
billing     ce                        GetDimensionValues
billing     ce                        GetTags
billing     ce                        UpdateCostAllocationTagsStatus
billing     budgets                   CreateBudget
billing     budgets                   DescribeBudgetAction
billing     budgets                   DescribeBudgetActionsForAccount
billing     budgets                   ListTagsForResource
billing     billing                   ListBillingViews
billing     billing                   GetBillingView
billing     invoicing                 GetInvoicePDF
billing     ec2                       DescribeInstances
billing     organizations             ListAccounts
billing     sts                       AssumeRole
workload    organizations             ListAccounts
workload    ce                        GetCostAndUsage
workload    budgets                   DescribeBudgets
workload    resourcegroupstaggingapi  GetResources
workload    ec2                       TerminateInstances
workload    ec2                       GetPasswordData
workload    ec2                       CreateTags
workload    rds                       DownloadDBLogFilePortion
workload    rds                       ListTagsForResource
workload    rds                       DeleteDBInstance
workload    rds                       DescribeServerlessV2PlatformVersions
workload    docdb                     DeleteDBCluster
workload    docdb-elastic             ListClusters
workload    s3                        GetObject
workload    s3                        PutObject
workload    s3                        DeleteBucket
workload    s3                        GetBucketTagging
workload    s3                        HeadBucket
workload    s3                        ListBucketMetricsConfigurations
workload    s3                        ListBucketInventoryConfigurations
workload    s3                        ListBucketAnalyticsConfigurations
workload    s3                        ListBucketIntelligentTieringConfigurations
workload    s3                        ListDirectoryBuckets
workload    s3control                 ListRegionalBuckets
workload    s3control                 CreateJob
workload    s3vectors                 ListVectorBuckets
workload    lambda                    GetFunction
workload    lambda                    Invoke
workload    lambda-core               ListRuntimes
workload    cloudwatch                ListMetrics
workload    secretsmanager            ListSecrets
workload    ssm                       GetParameter
workload    kms                       Decrypt
workload    sts                       AssumeRole
workload    sts                       GetSessionToken
"""

# The same, for everything botocore knows: patterns of `service:Operation`, in botocore's names.
MAY_AT_ALL: Mapping[Role, str] = {
    "management": "organizations:List* organizations:Describe*",
    "operations": """
        resource-groups:List* resource-groups:GetGroupQuery resource-groups:GetTags
        resourcegroupstaggingapi:GetResources ec2:Describe* cloudwatch:GetMetricData
        config:DescribeConfigurationAggregators config:SelectAggregateResourceConfig
        resource-explorer-2:Search resource-explorer-2:ListResources""",
    "billing": """
        ce:GetCostAndUsage ce:GetCostAndUsageWithResources
        ce:ListCostAllocationTags ce:ListCostAllocationTagBackfillHistory
        budgets:DescribeBudget budgets:DescribeBudgets
        budgets:DescribeBudgetNotificationsForAccount budgets:DescribeBudgetPerformanceHistory
        budgets:DescribeNotificationsForBudget budgets:DescribeSubscribersForNotification
        s3:GetObject s3:ListObjects s3:ListObjectsV2""",
    "workload": """
        ec2:Describe* rds:Describe* docdb:Describe* neptune:Describe* cloudwatch:GetMetricData
        s3:ListBuckets s3:ListObject* s3:ListMultipartUploads s3:ListParts s3control:List*
        lambda:List* lambda-core:ListNetworkConnector* lambda-microvms:List* lambda-web:List*""",
}
EVERY_ROLE_MAY = "sts:GetCallerIdentity cloudtrail:LookupEvents"
NOBODY_MAY = """
    ec2:DescribeCapacityReservationDateChangeQuotes ec2:DescribeMetricCategories
    ec2:DescribeNetworkingFlexCostAllocationPolic* ec2:DescribeTransitGatewayNetworkFunctionAttachments
    *:DescribeServerlessV2PlatformVersions s3control:ListRegionalBuckets
    s3control:ListAccessPointsForDirectoryBuckets"""

Case = tuple[Role, str, str]


def cases(table: str) -> list[Case]:
    rows = [line.split() for line in table.splitlines() if line]
    known: dict[str, Role] = {role: role for role in ROLES}
    return [(known[role], service, operation) for role, service, operation in rows]


def matches_any(name: str, patterns: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


@pytest.mark.parametrize("case", cases(MAY + MAY_WITH_AN_OPTIONAL_GRANT), ids="-".join)
def test_the_guard_lets_through(case: Case) -> None:
    role, service, operation = case
    check(role, signing_names()[service, operation], operation)


@pytest.mark.parametrize("case", cases(MAY_NOT), ids="-".join)
def test_the_guard_refuses(case: Case) -> None:
    role, service, operation = case
    with pytest.raises(ContractViolation):
        check(role, signing_names()[service, operation], operation)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.timeout(120)
def test_every_operation_is_refused_unless_the_contract_allows_it(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        pytest.fail("the contract opened a socket")

    monkeypatch.setattr(socket, "socket", no_network)
    let_through, expected = set(), set()
    operations = every_operation()
    started = time.process_time()
    for service, signing_name, operation in operations:
        name = f"{service}:{operation}"
        if is_let_through(role, signing_name, operation):
            let_through.add(name)
        if matches_any(name, MAY_AT_ALL[role] + " " + EVERY_ROLE_MAY) and not matches_any(name, NOBODY_MAY):
            expected.add(name)
    assert let_through == expected
    assert len(operations) > 20_000
    assert time.process_time() - started < 60


def test_the_botocore_wide_test_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    amend(monkeypatch, "workload", "kms:Decrypt")
    with pytest.raises(AssertionError, match="kms:Decrypt"):
        test_every_operation_is_refused_unless_the_contract_allows_it("workload", monkeypatch)


def test_patterns_are_whole_and_mind_the_case() -> None:
    assert allows("workload", "ec2:DescribeInstances")
    assert not allows("workload", "ec2:describeInstances")
    assert not allows("workload", "xec2:DescribeInstances")
    assert not allows("billing", "ce:GetCostAndUsageX")
    assert not allows("workload", "ec2xDescribeInstances")
    assert not any(allows(role, NO_ACTION) for role in ROLES)


def test_special_characters_of_other_matchers_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    amend(monkeypatch, "billing", "ce:[A-Z].ist*")
    assert not allows("billing", "ce:ListCostCategoryDefinitions")
    assert allows("billing", "ce:[A-Z].istX")


def test_renamed_actions() -> None:
    assert iam_action("ec2", "DescribeInstances") == "ec2:DescribeInstances"
    assert iam_action("s3", "ListBuckets") == "s3:ListAllMyBuckets"
    assert iam_action("s3", "ListObjectsV2") == "s3:ListBucket"
    assert iam_action("s3", "ListObjectVersions") == "s3:ListBucketVersions"
    assert iam_action("tagging", "GetResources") == "tag:GetResources"
    assert iam_action("monitoring", "GetMetricData") == "cloudwatch:GetMetricData"
    assert iam_action("budgets", "DescribeBudgets") == "budgets:ViewBudget"
    assert iam_action("budgets", "DescribeBudgetAction") == "budgets:DescribeBudgetAction"
    assert iam_action("lambda", "ListRuntimes") == NO_ACTION


def test_optional_grants_are_told_from_required_ones() -> None:
    for role, service, operation in cases(MAY):
        assert not is_optional(role, iam_action(signing_names()[service, operation], operation))
    for role, service, operation in cases(MAY_WITH_AN_OPTIONAL_GRANT):
        assert is_optional(role, iam_action(signing_names()[service, operation], operation))
    assert not is_optional("management", "cloudwatch:GetMetricData")


def test_what_is_required_or_every_roles_is_not_optional_although_it_is_named_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    actions = ("cloudwatch:GetMetricData", "ec2:DescribeVpcs", "sts:GetCallerIdentity")
    clause = replace(CONTRACT["workload"], optional=actions)
    monkeypatch.setattr(contract, "CONTRACT", {**CONTRACT, "workload": clause})
    assert [is_optional("workload", action) for action in actions] == [True, False, False]


def test_roles_that_may() -> None:
    assert roles_allowing("organizations:ListAccounts") == ("management",)
    assert roles_allowing("ec2:DescribeInstances") == ("operations", "workload")
    assert roles_allowing("sts:GetCallerIdentity") == ROLES
    assert roles_allowing("s3:GetObject") == ("billing",)
    assert roles_allowing("s3:PutObject") == ()
    assert roles_allowing(NO_ACTION) == ()


# What a refusal says.


@pytest.mark.parametrize(
    ("role", "signing_name", "operation", "message"),
    [
        (
            "operations",
            "organizations",
            "ListAccounts",
            "operations may not call organizations:ListAccounts: the contract gives it to management.\n"
            "Nothing was sent. Change the listing's role in pipelines/catalogue/, "
            "or amend CONTRACT in resources/contract.py.",
        ),
        (
            "billing",
            "s3",
            "ListBuckets",
            "billing may not call s3:ListBuckets (IAM action s3:ListAllMyBuckets): "
            "the contract gives it to workload.\n"
            "Nothing was sent. Change the listing's role in pipelines/catalogue/, "
            "or amend CONTRACT in resources/contract.py.",
        ),
        (
            "management",
            "ec2",
            "DescribeInstances",
            "management may not call ec2:DescribeInstances: "
            "the contract gives it to operations and workload.\n"
            "Nothing was sent. Change the listing's role in pipelines/catalogue/, "
            "or amend CONTRACT in resources/contract.py.",
        ),
        (
            "workload",
            "s3",
            "PutObject",
            "workload may not call s3:PutObject: the contract gives it to no role.\n"
            "Nothing was sent. Leave the call out, or amend CONTRACT in resources/contract.py.",
        ),
        (
            "workload",
            "lambda",
            "ListRuntimes",
            "workload may not call lambda:ListRuntimes: "
            "AWS publishes no IAM action for it that the contract could give.\n"
            "Nothing was sent. If AWS names its action by now, put it into RENAMED in resources/contract.py.",
        ),
    ],
)
def test_a_refusal_says_what_why_and_what_to_do(role: Role, signing_name: str, operation: str, message: str) -> None:
    with pytest.raises(ContractViolation) as refusal:
        check(role, signing_name, operation)
    assert str(refusal.value) == message
    # It crosses the border of a worker process unchanged.
    assert str(pickle.loads(pickle.dumps(refusal.value))) == message


# The IAM policies.


def grants(document: Mapping[str, Any], action: str) -> bool:
    """IAM's own reading of the documents that we print, as far as they go."""
    return any(
        fnmatchcase(action, pattern)
        for statement in document["Statement"]
        if statement["Effect"] == "Allow" and statement["Resource"] == "*"
        for pattern in statement["Action"]
    )


def test_a_policy_document() -> None:
    assert policy("billing", optional=True) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Contract",
                "Effect": "Allow",
                "Action": ["ce:GetCostAndUsage", "budgets:ViewBudget", "billing:View*"],
                "Resource": "*",
            },
            {
                "Sid": "EveryRole",
                "Effect": "Allow",
                "Action": ["sts:GetCallerIdentity", "cloudtrail:LookupEvents"],
                "Resource": "*",
            },
            {
                "Sid": "OptionalGrants",
                "Effect": "Allow",
                "Action": [
                    "ce:GetCostAndUsageWithResources",
                    "ce:ListCostAllocationTags",
                    "ce:ListCostAllocationTagBackfillHistory",
                ],
                "Resource": "*",
            },
        ],
    }


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_every_policy_is_one_that_iam_takes(role: Role, optional: bool) -> None:
    document = policy(role, optional=optional)
    text = json.dumps(document)
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert json.loads(text) == document
    assert len(text) < 6144, "the size of a managed policy"
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
    assert all(statement["Action"] for statement in document["Statement"])
    assert ("OptionalGrants" in sids) == (optional and bool(CONTRACT[role].optional))


def test_a_policy_grants_what_the_guard_lets_through_and_no_more() -> None:
    for role, service, operation in cases(MAY):
        assert grants(policy(role), iam_action(signing_names()[service, operation], operation))
    for role, service, operation in cases(MAY_WITH_AN_OPTIONAL_GRANT):
        action = iam_action(signing_names()[service, operation], operation)
        assert not grants(policy(role), action)
        assert grants(policy(role, optional=True), action) is (action not in OF_ONE_EXPORT)
    for role, service, operation in cases(MAY_NOT):
        action = iam_action(signing_names()[service, operation], operation)
        assert not grants(policy(role, optional=True), action)


def test_the_grants_of_the_data_export_are_on_its_folder_alone() -> None:
    place = "acme-exports/billing/hourly"
    document = policy("billing", optional=True, export=place, partition="aws-cn")
    assert document["Statement"][:-2] == policy("billing", optional=True)["Statement"]
    assert document["Statement"][-2:] == [
        {
            "Sid": "DataExportObjects",
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": "arn:aws-cn:s3:::acme-exports/billing/hourly/*",
        },
        {
            "Sid": "DataExportListing",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": "arn:aws-cn:s3:::acme-exports",
            "Condition": {"StringLike": {"s3:prefix": "billing/hourly/*"}},
        },
    ]
    assert {*OF_ONE_EXPORT} <= {*CONTRACT["billing"].optional}
    of_aws = policy("billing", optional=True, export=place)
    assert [statement["Resource"] for statement in of_aws["Statement"][-2:]] == [
        "arn:aws:s3:::acme-exports/billing/hourly/*",
        "arn:aws:s3:::acme-exports",
    ]
    assert policy("billing", export=place) == policy("billing")
    assert policy("workload", optional=True, export=place) == policy("workload", optional=True)


def test_a_policy_belongs_to_its_caller() -> None:
    policy("workload")["Statement"][0]["Action"].append("iam:*")
    assert not grants(policy("workload"), "iam:ListUsers")


# The contract is one piece of data, and stands alone.


@pytest.mark.parametrize("module", ["resources.contract", "tools.docs.contract"])
def test_the_contract_needs_only_the_standard_library(module: str) -> None:
    assert imports_without_packages(module) == 0


def test_the_import_test_can_fail() -> None:
    assert imports_without_packages("botocore") != 0


def imports_without_packages(module: str) -> int:
    command = [sys.executable, "-S", "-c", f"import {module}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


PERMISSION = re.compile(r"""["'][a-z0-9-]+:[A-Z]\w*\*["']""")


def test_no_second_list_of_permissions() -> None:
    sources = [
        path
        for package in ("resources", "pipelines")
        for path in (ROOT / package).rglob("*.py")
        if PERMISSION.search(path.read_text(encoding="utf-8"))
    ]
    assert sources == [ROOT / "resources" / "contract.py"]


def test_the_contract_cannot_be_changed_at_run_time() -> None:
    with pytest.raises(TypeError):
        CONTRACT["workload"] = CONTRACT["management"]  # type: ignore[index]  # the mistake under test
    assert tuple(CONTRACT) == ROLES
    assert isinstance(EVERY_ROLE, tuple)


# The rendered documents.


def amend(monkeypatch: pytest.MonkeyPatch, role: Role, action: str) -> None:
    """Give a role one action more, for one test."""
    clause = replace(CONTRACT[role], allow=(*CONTRACT[role].allow, action))
    amended = {**CONTRACT, role: clause}
    monkeypatch.setattr(contract, "CONTRACT", amended)
    monkeypatch.setattr(contract_docs, "CONTRACT", amended)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a README that has a place for the table, and freshly rendered documents."""
    readme = f"# A title\n\n{contract_docs.BEGIN}\n{contract_docs.END}\n\nA last line.\n"
    (tmp_path / "README.md").write_text(readme, encoding="utf-8")
    assert contract_docs.main([], root=tmp_path) == 0
    return tmp_path


def test_the_documents_of_this_checkout_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert contract_docs.main(["--check"], root=ROOT) == 0, capsys.readouterr().err


def test_an_amended_contract_makes_the_documents_stale(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert contract_docs.main(["--check"], root=checkout) == 0
    amend(monkeypatch, "billing", "ce:GetCostForecast")
    capsys.readouterr()
    assert contract_docs.main(["--check"], root=checkout) == 1
    assert capsys.readouterr().err == (
        "docs/concepts/contract.md is stale: run `python -m tools.docs.contract`.\n"
        "README.md is stale: run `python -m tools.docs.contract`.\n"
    )
    assert contract_docs.main([], root=checkout) == 0
    assert contract_docs.main(["--check"], root=checkout) == 0
    for name in ("README.md", "docs/concepts/contract.md"):
        assert "`ce:GetCostForecast`" in (checkout / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "docs/concepts/contract.md"])
def test_an_edited_document_is_stale_and_written_anew(checkout: Path, name: str) -> None:
    original = (checkout / name).read_text(encoding="utf-8")
    (checkout / name).write_text(original.replace("ec2:Describe*", "ec2:*"), encoding="utf-8")
    assert contract_docs.main(["--check"], root=checkout) == 1
    assert (checkout / name).read_text(encoding="utf-8") != original, "--check writes nothing"
    assert contract_docs.main([], root=checkout) == 0
    assert (checkout / name).read_text(encoding="utf-8") == original


def test_the_readme_keeps_what_is_around_the_table(checkout: Path) -> None:
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    assert readme.startswith(f"# A title\n\n{contract_docs.BEGIN}\n| role |")
    assert readme.endswith(f" |\n{contract_docs.END}\n\nA last line.\n")


def test_without_a_readme_the_page_is_written_and_nothing_is_invented(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert contract_docs.main([], root=tmp_path) == 1
    assert capsys.readouterr().err == "README.md does not exist, so its table was left out.\n"
    assert (tmp_path / "docs" / "concepts" / "contract.md").read_text(encoding="utf-8") == contract_docs.contract_page()
    assert not (tmp_path / "README.md").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no markers", "The text must contain [ once; it is there 0 times."),
        ("[ but no end", "The text must contain ] once; it is there 0 times."),
        ("[ twice [ ]", "The text must contain [ once; it is there 2 times."),
        ("the end ] before [ it", "] comes before [."),
    ],
)
def test_markers_that_cannot_be_replaced_between(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        contract_docs.replace_between(text, "[", "]", "body")


def test_the_page_names_every_pattern_and_every_renamed_operation() -> None:
    page = contract_docs.contract_page()
    for clause in CONTRACT.values():
        for name in (clause.profile_env, *clause.allow, *clause.optional):
            assert f"`{name}`" in page
    for call in contract.RENAMED:
        assert f"| `{call}` |" in page


def test_every_optional_grant_has_a_caller() -> None:
    """A grant that no listing asks for is a right that somebody gives for nothing."""
    asked: dict[str, set[str]] = {role: set() for role in ROLES}
    for listing in listings().values():
        service, _, operation = listing.call.partition(":")
        signing = service_model(service).signing_name
        for role in listing.roles:
            asked[role].add(iam_action(signing, operation))
    # What finds the objects of the export, and is landed nowhere.
    asked["billing"].add(iam_action(OBJECTS.service, OBJECTS.operation))
    unused = {role: set(CONTRACT[role].optional) - asked[role] for role in ROLES}
    assert unused == {role: set() for role in ROLES}
