"""What is collected: one entry an AWS listing.

Adding a resource type is one entry here, one SQL file under `warehouse/`, its rows in the simulated
organisation and one test of given rows. Permission, asset, checks and documentation follow from the entry.
Of a listing's data only the question stands here; the columns it lands with stand in its SQL file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from resources.aws.listing import Each, Listing
from resources.aws.messages import REQUEST_LIMIT
from resources.contract import ROLES, Role


@dataclass(frozen=True)
class Family:
    """Listings that one step collects, because they belong together.

    Attributes:
        name: the step's name.
        group: the Dagster group, a domain.
        listings: in an order in which each comes after those it is asked for (`Listing.each`).
        after: landing listings that must stand before this family is asked.
        priority: Dagster starts ready steps of higher priority first.
    """

    name: str
    group: str
    listings: tuple[Listing, ...]
    after: tuple[str, ...] = ()
    priority: int = 0

    @property
    def roles(self) -> tuple[Role, ...]:
        """Who asks, in the contract's order."""
        return tuple(role for role in ROLES if any(role in listing.roles for listing in self.listings))


ACCOUNT = "organizations_account"
"""The listing that says which accounts there are: untrusted, it blocks everything."""

REGION = "ec2_region"
"""The listing that says which regions an account has enabled."""

COST_DAILY = "cost_daily"

COST_TAG_SERVICE = "cost_tag_service_daily"

COST_MONTHLY = "cost_monthly"

COST_RESOURCE = "cost_resource_daily"

COST_TAG = "cost_allocation_tag"

COST_BY_MONTH = (COST_DAILY, COST_TAG_SERVICE, COST_MONTHLY)
"""The listings of the bill that are asked slice by slice and month by month, and the sum of its months."""

INSTANCE = "ec2_instance"

DATABASE = "rds_db_instance"

BUCKET = "s3_bucket"

FUNCTION = "lambda_function"

METRIC = "cloudwatch_metric"

# Without a size of the page EC2 answers everything at once, for as long as that takes.
WHOLE_PAGES = MappingProxyType({"MaxResults": 1000})

RDS_PAGES = MappingProxyType({"MaxRecords": 100})


@dataclass(frozen=True)
class Measured:
    """What CloudWatch is asked about the resources of a listing.

    Attributes:
        namespace: CloudWatch's namespace of their metrics.
        dimension: the dimension that names a resource.
        field: field of the listing's records with the dimension's value.
        metrics: the statistics asked of each metric, beside the number of samples.
    """

    namespace: str
    dimension: str
    field: str
    metrics: Mapping[str, tuple[str, ...]]


MEASURED: Mapping[str, Measured] = MappingProxyType(
    {
        INSTANCE: Measured(
            "AWS/EC2",
            "InstanceId",
            "InstanceId",
            {"CPUUtilization": ("Average", "Maximum"), "NetworkIn": ("Sum",), "NetworkOut": ("Sum",)},
        ),
        # Neptune and DocumentDB answer the same listing, but send their metrics to namespaces of their own.
        DATABASE: Measured(
            "AWS/RDS", "DBInstanceIdentifier", "DBInstanceIdentifier", {"DatabaseConnections": ("Maximum",)}
        ),
        FUNCTION: Measured("AWS/Lambda", "FunctionName", "FunctionName", {"Invocations": ("Sum",)}),
    }
)
"""The metrics that tell an idle resource from a busy one, by the listing of the resources."""

ORGANIZATION = Family(
    name="organization",
    group="organization",
    priority=20,
    listings=(
        Listing(
            ACCOUNT,
            "organizations:ListAccounts",
            roles=("management",),
            zero="impossible",
            records="Accounts",
            key=("Id",),
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_root",
            "organizations:ListRoots",
            roles=("management",),
            zero="impossible",
            records="Roots",
            key=("Id",),
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_organizational_unit",
            "organizations:ListOrganizationalUnitsForParent",
            roles=("management",),
            zero="ordinary",
            records="OrganizationalUnits",
            key=("Id",),
            owner="Arn",
            scope="global",
            each=Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id"),
        ),
        Listing(
            "organizations_account_parent",
            "organizations:ListAccountsForParent",
            roles=("management",),
            zero="ordinary",
            records="Accounts",
            key=("Id",),
            owner="Arn",
            scope="global",
            each=Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id"),
        ),
        Listing(
            "organizations_account_tag",
            "organizations:ListTagsForResource",
            roles=("management",),
            zero="ordinary",
            records="Tags",
            key=("Key",),
            scope="global",
            each=Each("ResourceId", of=(ACCOUNT,), field="Id"),
        ),
    ),
)

POLICY = Family(
    name="policy",
    group="policy",
    after=(ACCOUNT,),
    # What the management account has to say comes before the fan-out, since it takes seconds.
    priority=15,
    listings=(
        Listing(
            "organizations_root_policy_type",
            "organizations:ListRoots",
            roles=("management",),
            # An organisation of consolidated billing alone has no policies.
            zero="ordinary",
            records="Roots[].PolicyTypes",
            carry=("Id",),
            key=("Id", "Type"),
            scope="global",
        ),
        Listing(
            "organizations_policy",
            "organizations:ListPolicies",
            roles=("management",),
            zero="ordinary",
            # FullAWSAccess is always there, and AWS lets nobody delete it.
            zero_of={"SERVICE_CONTROL_POLICY": "impossible"},
            records="Policies",
            key=("Id",),
            owner="Arn",
            scope="global",
            # A type that is not enabled answers with an empty list, although AWS has an exception of that name too.
            each=Each(
                "Filter",
                of=("organizations_root_policy_type",),
                field="Type",
                enum="PolicyType",
                unlisted="policy_type_not_enabled",
            ),
            skip_codes={"PolicyTypeNotEnabledException": "policy_type_not_enabled"},
        ),
        Listing(
            "organizations_policy_content",
            "organizations:DescribePolicy",
            roles=("management",),
            zero="impossible",
            records="Policy",
            key=("PolicySummary.Id",),
            owner="PolicySummary.Arn",
            scope="global",
            each=Each("PolicyId", of=("organizations_policy",), field="Id"),
            skip_codes={"PolicyNotFoundException": "parent_gone"},
        ),
        Listing(
            "organizations_policy_target",
            "organizations:ListTargetsForPolicy",
            roles=("management",),
            zero="ordinary",
            records="Targets",
            key=("TargetId",),
            owner="Arn",
            scope="global",
            each=Each("PolicyId", of=("organizations_policy",), field="Id"),
            skip_codes={"PolicyNotFoundException": "parent_gone"},
        ),
    ),
)

DELEGATION = Family(
    name="delegation",
    group="organization",
    after=(ACCOUNT,),
    priority=15,
    listings=(
        Listing(
            "organizations_enabled_service",
            "organizations:ListAWSServiceAccessForOrganization",
            roles=("management",),
            zero="ordinary",
            records="EnabledServicePrincipals",
            key=("ServicePrincipal",),
            scope="global",
        ),
        Listing(
            "organizations_delegated_administrator",
            "organizations:ListDelegatedAdministrators",
            roles=("management",),
            zero="ordinary",
            records="DelegatedAdministrators",
            key=("Id",),
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_delegated_service",
            "organizations:ListDelegatedServicesForAccount",
            roles=("management",),
            # An administrator administers something; one that was deregistered a moment ago is refused.
            zero="impossible",
            records="DelegatedServices",
            key=("ServicePrincipal",),
            scope="global",
            each=Each("AccountId", of=("organizations_delegated_administrator",), field="Id"),
            skip_codes={"AccountNotRegisteredException": "parent_gone"},
        ),
        Listing(
            "organizations_resource_policy",
            "organizations:DescribeResourcePolicy",
            roles=("management",),
            zero="impossible",
            records="ResourcePolicy",
            key=("ResourcePolicySummary.Id",),
            owner="ResourcePolicySummary.Arn",
            scope="global",
            skip_codes={"ResourcePolicyNotFoundException": "no_resource_policy"},
        ),
    ),
)

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
    # Before the inventory, so that tonight's bill can bear witness against tonight's zeros.
    priority=10,
    listings=(
        _COST_BY_DAY,
        # The same question, cut another way.
        replace(_COST_BY_DAY, name=COST_TAG_SERVICE),
        Listing(
            COST_TAG,
            "ce:ListCostAllocationTags",
            roles=("billing",),
            zero="ordinary",
            records="CostAllocationTags",
            key=("TagKey", "Type"),
            scope="global",
            parameters={"MaxResults": 1000},
            # Only the payer knows them.
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
            # Resource-level data is switched on in the console, apart from the grant.
            skip_codes={REQUEST_LIMIT: "request_limit", "DataUnavailableException": "not_offered"},
        ),
        Listing(
            COST_MONTHLY,
            "ce:GetCostAndUsage",
            roles=("billing",),
            # Each month that was asked for is answered, if with nothing.
            zero="impossible",
            records="ResultsByTime",
            key=("TimePeriod.Start",),
            scope="global",
            token=("NextPageToken", "NextPageToken"),
            skip_codes={REQUEST_LIMIT: "request_limit"},
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

REGIONS = Family(
    name="region",
    group="inventory",
    after=(ACCOUNT,),
    listings=(
        Listing(
            REGION,
            "ec2:DescribeRegions",
            roles=("operations", "workload"),
            zero="impossible",
            records="Regions",
            key=("RegionName",),
            scope="global",
            parameters={"AllRegions": True},
        ),
    ),
)

COMPUTE: tuple[Listing, ...] = (
    Listing(
        INSTANCE,
        "ec2:DescribeInstances",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Reservations[].Instances",
        carry=("OwnerId",),
        key=("InstanceId",),
        owner="OwnerId",
        parameters=WHOLE_PAGES,
    ),
)

# What is shared with an account is listed there too, under its owner's id, and who shares a VPC sees the interfaces of
# others in it: no owner is demanded of a VPC and its parts.
NETWORK: tuple[Listing, ...] = (
    Listing(
        "ec2_vpc",
        "ec2:DescribeVpcs",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Vpcs",
        key=("VpcId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_subnet",
        "ec2:DescribeSubnets",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Subnets",
        key=("SubnetId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_security_group",
        "ec2:DescribeSecurityGroups",
        roles=("operations", "workload"),
        zero="witnessed",
        records="SecurityGroups",
        key=("GroupId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_security_group_rule",
        "ec2:DescribeSecurityGroupRules",
        roles=("operations", "workload"),
        zero="witnessed",
        records="SecurityGroupRules",
        key=("SecurityGroupRuleId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_flow_log",
        "ec2:DescribeFlowLogs",
        roles=("operations", "workload"),
        # Losing them in silence would make a finding of every VPC.
        zero="witnessed",
        records="FlowLogs",
        key=("FlowLogId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_network_interface",
        "ec2:DescribeNetworkInterfaces",
        roles=("operations", "workload"),
        zero="witnessed",
        records="NetworkInterfaces",
        key=("NetworkInterfaceId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_address",
        "ec2:DescribeAddresses",
        roles=("operations", "workload"),
        # AWS answers all at once: there are no pages.
        zero="witnessed",
        records="Addresses",
        key=("AllocationId",),
    ),
    Listing(
        "ec2_nat_gateway",
        "ec2:DescribeNatGateways",
        roles=("operations", "workload"),
        zero="witnessed",
        records="NatGateways",
        key=("NatGatewayId",),
        parameters=WHOLE_PAGES,
    ),
)

# What the bill calls EC2 - Other is volumes, snapshots, gateways, addresses and traffic in one: it bears no witness to
# any of them. Losing one of these listings in silence would make savings of all that it held, so that the last count
# does.
STORAGE: tuple[Listing, ...] = (
    Listing(
        "ec2_volume",
        "ec2:DescribeVolumes",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Volumes",
        key=("VolumeId",),
        owner="OwnerId",
        is_owner_optional=True,
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_snapshot",
        "ec2:DescribeSnapshots",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Snapshots",
        key=("SnapshotId",),
        owner="OwnerId",
        # Those of everybody else would come too.
        parameters={**WHOLE_PAGES, "OwnerIds": ["self"]},
    ),
    Listing(
        "ec2_image",
        "ec2:DescribeImages",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Images",
        key=("ImageId",),
        owner="OwnerId",
        # A disabled image keeps its snapshots, and they cost.
        parameters={**WHOLE_PAGES, "Owners": ["self"], "IncludeDisabled": True},
    ),
)

# The operations role has no part in these: where the hub has such resources, a workload profile of its own asks.
MANAGED: tuple[Listing, ...] = (
    Listing(
        DATABASE,
        "rds:DescribeDBInstances",
        roles=("workload",),
        # The bill speaks for these four together, since what is left of a database costs too.
        zero="witnessed",
        records="DBInstances",
        key=("DBInstanceArn",),
        owner="DBInstanceArn",
        parameters=RDS_PAGES,
        redact=("MasterUserPassword",),
    ),
    Listing(
        "rds_db_cluster",
        "rds:DescribeDBClusters",
        roles=("workload",),
        zero="witnessed",
        records="DBClusters",
        key=("DBClusterArn",),
        owner="DBClusterArn",
        parameters={**RDS_PAGES, "IncludeShared": False},
        redact=("MasterUserPassword",),
    ),
    Listing(
        "rds_db_snapshot",
        "rds:DescribeDBSnapshots",
        roles=("workload",),
        # Losing them in silence would hide what is left of deleted databases.
        zero="witnessed",
        records="DBSnapshots",
        key=("DBSnapshotArn",),
        owner="DBSnapshotArn",
        parameters={**RDS_PAGES, "IncludeShared": False, "IncludePublic": False},
    ),
    Listing(
        "rds_db_cluster_snapshot",
        "rds:DescribeDBClusterSnapshots",
        roles=("workload",),
        zero="witnessed",
        records="DBClusterSnapshots",
        key=("DBClusterSnapshotArn",),
        owner="DBClusterSnapshotArn",
        parameters={**RDS_PAGES, "IncludeShared": False, "IncludePublic": False},
    ),
    Listing(
        BUCKET,
        "s3:ListBuckets",
        roles=("workload",),
        # Storage that is billed lies in a bucket.
        zero="witnessed",
        records="Buckets",
        key=("Name",),
        scope="global",
        # S3 tells the regions of buckets only to those who ask for pages.
        parameters={"MaxBuckets": 1000},
    ),
    Listing(
        "s3_bucket_tag",
        "s3control:ListTagsForResource",
        roles=("workload",),
        # Each bucket has its record, if one without tags.
        zero="impossible",
        records="@",
        required=("Tags",),
        key=("ResourceArn",),
        account_parameter="AccountId",
        echo=("ResourceArn",),
        each=Each(
            "ResourceArn",
            of=(BUCKET,),
            field="Name",
            region_field="BucketRegion",
            form="arn:{partition}:s3:::{value}",
            in_one_cell=True,
            # A bucket's own policy may refuse what the role's allows.
            own_errors=("AccessDenied", "NoSuchTagSet"),
        ),
        skip_codes={"NoSuchBucket": "parent_gone"},
    ),
    Listing(
        "s3_bucket_content",
        "s3:ListObjectsV2",
        roles=("workload",),
        # Each bucket has its record, if one that counts nothing.
        zero="impossible",
        records="@",
        required=("Name", "KeyCount"),
        key=("Bucket",),
        parameters={"MaxKeys": 1},
        account_parameter="ExpectedBucketOwner",
        echo=("Bucket",),
        # What the objects are called is nobody's business here.
        redact=("Contents", "NextContinuationToken"),
        first_page_only=True,
        on_request="CMDB_BUCKET_CONTENT",
        each=Each(
            "Bucket",
            of=(BUCKET,),
            field="Name",
            region_field="BucketRegion",
            in_one_cell=True,
            own_errors=("AccessDenied",),
        ),
        skip_codes={"NoSuchBucket": "parent_gone"},
    ),
    Listing(
        FUNCTION,
        "lambda:ListFunctions",
        roles=("workload",),
        zero="witnessed",
        records="Functions",
        key=("FunctionArn",),
        owner="FunctionArn",
        # More than 50 Lambda does not put on a page.
        parameters={"MaxItems": 50},
        # The variables of a function's environment hold its passwords.
        redact=("Environment",),
    ),
    Listing(
        "lambda_function_tag",
        "lambda:ListTags",
        roles=("workload",),
        # Each function has its record, if one without tags.
        zero="impossible",
        records="@",
        required=("Tags",),
        key=("Resource",),
        echo=("Resource",),
        each=Each(
            "Resource",
            of=(FUNCTION,),
            field="FunctionArn",
            in_one_cell=True,
            own_errors=("AccessDeniedException",),
        ),
        skip_codes={"ResourceNotFoundException": "parent_gone"},
    ),
)

INVENTORY = Family(
    name="inventory",
    group="inventory",
    after=(ACCOUNT,),
    # One step, so that CloudTrail is asked once a night for the zeros of an account and region.
    listings=(*COMPUTE, *NETWORK, *MANAGED, *STORAGE),
)

HUB = Family(
    name="hub",
    group="resource_group",
    after=(ACCOUNT,),
    listings=(
        Listing(
            "resource_group",
            "resource-groups:ListGroups",
            roles=("operations",),
            zero="ordinary",
            records="GroupIdentifiers",
            key=("GroupArn",),
            owner="GroupArn",
            parameters={"MaxResults": 50},
        ),
        Listing(
            "resource_group_member",
            "resource-groups:ListGroupResources",
            roles=("operations",),
            zero="ordinary",
            records="ResourceIdentifiers",
            key=("ResourceArn",),
            errors="QueryErrors",
            parameters={"MaxResults": 50},
            each=Each("Group", of=("resource_group",), field="GroupName"),
            skip_codes={
                "NotFoundException": "parent_gone",
                # The group's stack cannot be read, so what it holds is not known, whatever the list says.
                "CLOUDFORMATION_STACK_INACTIVE": "group_unresolved",
                "CLOUDFORMATION_STACK_NOT_EXISTING": "group_unresolved",
                "CLOUDFORMATION_STACK_UNASSUMABLE_ROLE": "group_unresolved",
                "RESOURCE_TYPE_NOT_SUPPORTED": "group_unresolved",
            },
        ),
        Listing(
            "resource_group_query",
            "resource-groups:GetGroupQuery",
            roles=("operations",),
            zero="impossible",
            records="GroupQuery",
            key=("Group",),
            echo=("Group",),
            each=Each("Group", of=("resource_group",), field="GroupName", in_one_cell=True),
            skip_codes={"NotFoundException": "parent_gone"},
        ),
        Listing(
            "resource_group_tag",
            "resource-groups:GetTags",
            roles=("operations",),
            zero="impossible",
            records="Tags",
            key=("Arn",),
            echo=("Arn",),
            each=Each("Arn", of=("resource_group",), field="GroupArn", in_one_cell=True),
            skip_codes={"NotFoundException": "parent_gone"},
        ),
        Listing(
            "tagged_resource",
            "resourcegroupstaggingapi:GetResources",
            roles=("operations",),
            zero="witnessed",
            records="ResourceTagMappingList",
            key=("ResourceARN",),
            owner="ResourceARN",
            parameters={"ResourcesPerPage": 100},
        ),
    ),
)

AGGREGATION = Family(
    name="aggregation",
    group="inventory",
    after=(ACCOUNT,),
    listings=(
        Listing(
            "config_aggregator",
            "config:DescribeConfigurationAggregators",
            roles=("operations",),
            zero="ordinary",
            records="ConfigurationAggregators",
            key=("ConfigurationAggregatorArn",),
            owner="ConfigurationAggregatorArn",
            parameters={"Limit": 100},
        ),
        Listing(
            "config_resource",
            "config:SelectAggregateResourceConfig",
            roles=("operations",),
            zero="witnessed",
            records="Results",
            no_key="An aggregator lists a global resource once for each region that records it, and what is recorded "
            "anew while it is read twice: the table takes the newest.",
            json_text=True,
            is_large=True,
            parameters={
                "Expression": "SELECT accountId, awsRegion, arn, resourceType, resourceId, resourceName, "
                "availabilityZone, resourceCreationTime, configurationItemCaptureTime, configurationItemStatus, tags",
                "Limit": 100,
            },
            each=Each("ConfigurationAggregatorName", of=("config_aggregator",), field="ConfigurationAggregatorName"),
            skip_codes={"NoSuchConfigurationAggregatorException": "parent_gone"},
        ),
    ),
)

METRICS = Family(
    name="metric",
    group="inventory",
    after=(ACCOUNT,),
    listings=(
        Listing(
            METRIC,
            "cloudwatch:GetMetricData",
            roles=("operations", "workload"),
            # Every query has its result, if one without a point.
            zero="impossible",
            records="MetricDataResults",
            # One result may come in pieces, on several pages: each has its own days.
            key=("Label", "Timestamps", "StatusCode"),
            echo=("StartTime", "EndTime"),
            parameters={"ScanBy": "TimestampAscending"},
            each=Each("MetricDataQueries", of=tuple(MEASURED), in_one_cell=True),
        ),
    ),
)

FAMILIES: tuple[Family, ...] = (
    ORGANIZATION,
    POLICY,
    DELEGATION,
    COST,
    BUDGET,
    REGIONS,
    INVENTORY,
    HUB,
    AGGREGATION,
    METRICS,
)


def listings(families: Iterable[Family] = FAMILIES) -> dict[str, Listing]:
    """Every listing by its name."""
    return {listing.name: listing for family in families for listing in family.listings}


def family_of(listing: str) -> Family:
    """The family that collects a listing.

    Raises:
        KeyError: no family has a listing of this name.
    """
    for family in FAMILIES:
        if any(entry.name == listing for entry in family.listings):
            return family
    raise KeyError(listing)


def read_back() -> set[str]:
    """Listings whose landed records the collection of others reads: accounts, regions, parents."""
    parents = {name for listing in listings().values() if listing.each is not None for name in listing.each.of}
    return parents | {ACCOUNT, REGION}
