"""The listings of the payer account: the bill, slice by slice, and the budgets."""

from dataclasses import replace

from pipelines.catalogue.family import Family
from pipelines.catalogue.names import (
    ACCOUNT,
    COST_ACCOUNT,
    COST_DAILY,
    COST_EXPORT,
    COST_MONTHLY,
    COST_RESOURCE,
    COST_TAG,
    COST_TAG_BACKFILL,
    COST_TAG_SERVICE,
)
from resources.aws.listing import Each, Listing
from resources.aws.messages import REQUEST_LIMIT

_COST_BY_DAY = Listing(
    COST_DAILY,
    "ce:GetCostAndUsage",
    roles=("billing",),
    zero="witnessed",
    records="ResultsByTime[].Groups",
    carry=("TimePeriod", "Estimated"),
    key=("TimePeriod.Start", "Keys"),
    scope="global",
    token=("NextPageToken", "NextPageToken"),
    skip_codes={REQUEST_LIMIT: "request_limit"},
)

COST = Family(
    name="cost",
    group="cost",
    after=(ACCOUNT,),
    # The bill comes before the inventory, so that a run's bill can be evidence against the same run's zeros.
    priority=10,
    listings=(
        _COST_BY_DAY,
        # The same request, grouped differently.
        replace(_COST_BY_DAY, name=COST_TAG_SERVICE),
        replace(_COST_BY_DAY, name=COST_ACCOUNT),
        Listing(
            COST_TAG,
            "ce:ListCostAllocationTags",
            roles=("billing",),
            zero="ordinary",
            records="CostAllocationTags",
            key=("TagKey", "Type"),
            scope="global",
            parameters={"MaxResults": 1000},
            # Cost Explorer returns allocation tags to the payer account only.
            skip_codes={REQUEST_LIMIT: "request_limit", "ValidationException": "not_offered"},
        ),
        Listing(
            COST_TAG_BACKFILL,
            "ce:ListCostAllocationTagBackfillHistory",
            roles=("billing",),
            zero="ordinary",
            records="BackfillRequests",
            # AWS takes one request in 24 hours.
            key=("RequestedAt",),
            scope="global",
            parameters={"MaxResults": 1000},
            skip_codes={REQUEST_LIMIT: "request_limit", "ValidationException": "not_offered"},
        ),
        Listing(
            COST_RESOURCE,
            "ce:GetCostAndUsageWithResources",
            roles=("billing",),
            zero="ordinary",
            records="ResultsByTime[].Groups",
            carry=("TimePeriod", "Estimated"),
            key=("TimePeriod.Start", "Keys"),
            scope="global",
            token=("NextPageToken", "NextPageToken"),
            # Resource-level data needs a switch in the billing console, besides the permission.
            skip_codes={REQUEST_LIMIT: "request_limit", "DataUnavailableException": "not_offered"},
        ),
        Listing(
            COST_MONTHLY,
            "ce:GetCostAndUsage",
            roles=("billing",),
            # Cost Explorer returns an entry for every requested month, also for a month without cost.
            zero="impossible",
            records="ResultsByTime",
            key=("TimePeriod.Start",),
            scope="global",
            token=("NextPageToken", "NextPageToken"),
            skip_codes={REQUEST_LIMIT: "request_limit"},
        ),
    ),
)

DATA_EXPORT = Family(
    name="data_export",
    group="cost",
    after=(ACCOUNT,),
    priority=10,
    listings=(
        Listing(
            COST_EXPORT,
            "s3:GetObject",
            roles=("billing",),
            # A delivery without lines is not whole.
            zero="impossible",
            records="@",
            required=("Body",),
            key=(
                "usage_date",
                "account_id",
                "charge_type",
                "service_code",
                "usage_type",
                "operation",
                "resource_id",
                "currency",
            ),
            scope="global",
            on_request="CMDB_DATA_EXPORT",
            is_supplement=True,
        ),
    ),
)

BUDGET = Family(
    name="budget",
    group="cost",
    after=(ACCOUNT,),
    priority=10,
    listings=(
        Listing(
            "budget",
            "budgets:DescribeBudgets",
            roles=("billing",),
            zero="witnessed",
            records="Budgets",
            key=("BudgetName",),
            scope="global",
            account_parameter="AccountId",
            parameters={"MaxResults": 100, "ShowFilterExpression": True},
        ),
        Listing(
            "budget_notification",
            "budgets:DescribeNotificationsForBudget",
            roles=("billing",),
            zero="ordinary",
            records="Notifications",
            key=("BudgetName", "NotificationType", "ComparisonOperator", "Threshold", "ThresholdType"),
            scope="global",
            account_parameter="AccountId",
            echo=("BudgetName",),
            parameters={"MaxResults": 100},
            each=Each("BudgetName", of=("budget",), field="BudgetName", in_one_cell=True),
            skip_codes={"NotFoundException": "parent_gone"},
        ),
    ),
)
