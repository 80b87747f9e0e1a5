"""Listings of the hub account alone: resource groups, and what Config and Resource Explorer know of all accounts."""

from pipelines.catalogue.family import Family
from pipelines.catalogue.names import ACCOUNT, EXPLORER
from resources.aws.listing import Each, Listing

HUB = Family(
    name="hub",
    group="resource_group",
    after=(ACCOUNT,),
    listings=(
        Listing(
            "resource_group",
            "resource-groups:ListGroups",
            resource_type="AWS::ResourceGroups::Group",
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
                # Of a group of a stack AWS reads the stack as the caller, whom the contract grants nothing of
                # CloudFormation.
                "ForbiddenException: *cloudformation:": "group_unresolved",
                # AWS cannot read the group's stack, so its members are unknown, even if the response is an empty list.
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
            each=Each(
                "Group",
                of=("resource_group",),
                field="GroupName",
                in_one_cell=True,
                # A group with a configuration, such as one of dedicated hosts or capacity reservations, has no query.
                own_errors=("BadRequestException",),
            ),
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
        Listing(
            EXPLORER,
            # Search ends after 1,000 results; ListResources has a token for more, unless a page may have 1,000 itself.
            "resource-explorer-2:ListResources",
            roles=("operations",),
            zero="witnessed",
            records="Resources",
            no_key="Resource Explorer updates its index while it is read, so that a resource may come twice: the table "
            "takes the newest.",
            # Of these services the listings show what there is.
            parameters={
                "Filters": {"FilterString": "-service:ec2 -service:lambda -service:rds -service:s3"},
                "MaxResults": 500,
            },
            cut_at=1000,
            is_large=True,
            is_supplement=True,
            on_request="CMDB_EXPLORER_VIEW",
        ),
    ),
)
