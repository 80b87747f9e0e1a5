"""What the stub answers to the central roles: an organisation of any size, and a bill of one line an account and day.

As little as a whole night needs to be believed and published; what nobody measures is empty or not granted.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bench.canned import BILLING, MANAGEMENT, OPERATIONS, workload_accounts

ROOT = "r-be9c"
UNIT = "ou-be9c-w0rk10ad"
ORGANIZATION = f"arn:aws:organizations::{MANAGEMENT}:organization/o-benchbench"
ARN = f"arn:aws:organizations::{MANAGEMENT}"
FULL_ACCESS = {
    "Id": "p-FullAWSAccess",
    "Arn": "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess",
    "Name": "FullAWSAccess",
    "Description": "Allows access to every operation",
    "Type": "SERVICE_CONTROL_POLICY",
    "AwsManaged": True,
}

BILLED = {
    "SERVICE": "AWS Support (Business)",
    "RECORD_TYPE": "Support",
    "REGION": "global",
    "USAGE_TYPE": "Dollar",
}
"""The one line of each account's bill: a service that no listing would have to find anything for."""

PAGE = 20
"""Accounts on a page of the organisation's lists."""

Result = tuple[int, Mapping[str, Any]]


class Refused(Exception):
    """An error of AWS, by its code."""


class Organisation:
    """The management, operations and billing accounts' answers.

    Args:
        workloads: how many accounts there are besides these three.
        today: UTC; the bill ends with yesterday. Without it, the clock's.
    """

    def __init__(self, workloads: int, today: date | None = None) -> None:
        self.workloads = workload_accounts(workloads)
        self.accounts = [MANAGEMENT, OPERATIONS, BILLING, *self.workloads]
        self.ahead = timedelta()
        self._today = today

    @property
    def today(self) -> date:
        """The day it is, by a clock that is so far `ahead` of the machine's."""
        return self._today or (datetime.now(UTC) + self.ahead).date()

    def answer(self, operation: str, body: bytes) -> Result:
        """Status and document of a call with a JSON protocol."""
        asked: dict[str, Any] = json.loads(body) if body else {}
        method: Callable[[dict[str, Any]], dict[str, Any]] | None = getattr(self, f"_{operation}", None)
        if method is None:
            if operation in EMPTY:
                return 200, {EMPTY[operation]: []}
            if operation in NOT_GRANTED:
                return 400, {"__type": "AccessDeniedException", "message": f"not authorized to perform {operation}"}
            return 400, {"__type": "UnknownOperationException", "message": f"The stub does not know {operation}."}
        try:
            return 200, method(asked)
        except Refused as error:
            return 400, {"__type": str(error), "message": "Not here."}

    def _account(self, account: str) -> dict[str, Any]:
        return {
            "Id": account,
            "Arn": f"{ARN}:account/o-benchbench/{account}",
            "Name": f"account-{account}",
            "Email": f"{account}@example.com",
            "State": "ACTIVE",
            "Status": "ACTIVE",
            "JoinedMethod": "CREATED",
            "JoinedTimestamp": 1700000000.0,
        }

    def _paged(self, key: str, entries: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]) -> dict[str, Any]:
        start = int(asked.get("NextToken") or 0)
        answer: dict[str, Any] = {key: entries[start : start + PAGE]}
        return answer | ({"NextToken": str(start + PAGE)} if start + PAGE < len(entries) else {})

    def _ListAccounts(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._paged("Accounts", [self._account(account) for account in self.accounts], asked)

    def _ListAccountsForParent(self, asked: dict[str, Any]) -> dict[str, Any]:
        within = self.workloads if asked["ParentId"] == UNIT else self.accounts[:3]
        return self._paged("Accounts", [self._account(account) for account in within], asked)

    def _DescribeOrganization(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "Organization": {
                "Id": "o-benchbench",
                "Arn": ORGANIZATION,
                "FeatureSet": "ALL",
                "MasterAccountId": MANAGEMENT,
                "MasterAccountArn": f"{ARN}:account/o-benchbench/{MANAGEMENT}",
                "MasterAccountEmail": "management@example.com",
            }
        }

    def _DescribeAccount(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["AccountId"] not in self.accounts:
            raise Refused("AccountNotFoundException")
        return {"Account": self._account(asked["AccountId"])}

    def _ListRoots(self, asked: dict[str, Any]) -> dict[str, Any]:
        types = [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
        root = {"Id": ROOT, "Arn": f"{ARN}:root/o-benchbench/{ROOT}", "Name": "Root", "PolicyTypes": types}
        return {"Roots": [root]}

    def _ListOrganizationalUnitsForParent(self, asked: dict[str, Any]) -> dict[str, Any]:
        unit = {"Id": UNIT, "Arn": f"{ARN}:ou/o-benchbench/{UNIT}", "Name": "Workloads"}
        return {"OrganizationalUnits": [unit] if asked["ParentId"] == ROOT else []}

    def _ListTagsForResource(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": [{"Key": "env", "Value": "prod"}]}

    def _ListPolicies(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Policies": [FULL_ACCESS] if asked["Filter"] == "SERVICE_CONTROL_POLICY" else []}

    def _DescribePolicy(self, asked: dict[str, Any]) -> dict[str, Any]:
        content = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        return {"Policy": {"PolicySummary": FULL_ACCESS, "Content": json.dumps(content)}}

    def _ListTargetsForPolicy(self, asked: dict[str, Any]) -> dict[str, Any]:
        target = {"TargetId": ROOT, "Arn": f"{ARN}:root/o-benchbench/{ROOT}", "Name": "Root", "Type": "ROOT"}
        return {"Targets": [target]}

    def _DescribeResourcePolicy(self, asked: dict[str, Any]) -> dict[str, Any]:
        raise Refused("ResourcePolicyNotFoundException")

    def _GetCostAndUsage(self, asked: dict[str, Any]) -> dict[str, Any]:
        start, end = (date.fromisoformat(asked["TimePeriod"][name]) for name in ("Start", "End"))
        metrics: list[str] = asked["Metrics"]
        groups = [(group["Type"], group["Key"]) for group in asked.get("GroupBy", ())]
        results = []
        while start < end:
            following = start + timedelta(days=1)
            if asked["Granularity"] == "MONTHLY":
                following = min(end, (start.replace(day=1) + timedelta(days=32)).replace(day=1))
            days = (following - start).days
            lines: dict[tuple[str, ...], int] = {}
            for account in self.accounts:
                key = tuple(_value(kind, name, account) for kind, name in groups)
                lines[key] = lines.get(key, 0) + days * (10 + int(account[-1]))
            period = {"Start": start.isoformat(), "End": following.isoformat()}
            result: dict[str, Any] = {
                "TimePeriod": period,
                "Estimated": self._is_open(start),
                "Groups": [],
                "Total": {},
            }
            if groups:
                result["Groups"] = [
                    {"Keys": list(key), "Metrics": _amounts(metrics, cents)} for key, cents in lines.items()
                ]
            else:
                result["Total"] = _amounts(metrics, sum(lines.values()))
            results.append(result)
            start = following
        return {"ResultsByTime": results, "DimensionValueAttributes": []}

    def _is_open(self, day: date) -> bool:
        """Whether AWS may still change the bill of a day: until the tenth of the month after."""
        open_since = self.today.replace(day=1)
        if self.today.day <= 10:
            open_since = (open_since - timedelta(days=1)).replace(day=1)
        return day >= open_since


def _value(kind: str, name: str, account: str) -> str:
    if name == "LINKED_ACCOUNT":
        return account
    return f"{name}$" if kind == "TAG" else BILLED[name]


def _amounts(metrics: Sequence[str], cents: int) -> dict[str, Any]:
    return {metric: {"Amount": f"{cents // 100}.{cents % 100:02d}", "Unit": "USD"} for metric in metrics}


EMPTY: Mapping[str, str] = {
    "ListAWSServiceAccessForOrganization": "EnabledServicePrincipals",
    "ListDelegatedAdministrators": "DelegatedAdministrators",
    "ListInboundResponsibilityTransfers": "ResponsibilityTransfers",
    "ListOutboundResponsibilityTransfers": "ResponsibilityTransfers",
    "DescribeBudgets": "Budgets",
    "GetResources": "ResourceTagMappingList",
    "ListGroups": "GroupIdentifiers",
    "ListFunctions20150331": "Functions",
    "ListEventSourceMappings20150331": "EventSourceMappings",
    "ListLayers20181031": "Layers",
    "ListCapacityProviders": "CapacityProviders",
    "ListCodeSigningConfigs": "CodeSigningConfigs",
}
"""Lists that have nothing, and where the nothing stands."""

NOT_GRANTED = frozenset(
    {
        "DescribeConfigurationAggregators",
        "GetCostAndUsageWithResources",
        "ListCostAllocationTags",
        "ListCostAllocationTagBackfillHistory",
        "GetMetricData",
        "ListResources",
    }
)
"""The optional grants, none of which is given."""
