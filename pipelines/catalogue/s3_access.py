"""S3 Control: further ways to buckets, who is let in by them, and what is measured of them.

All but Multi-Region Access Points are of one region, and requested in the regions in which the account has a bucket.
An access point of another region, which leads to a bucket of another account, is not found.
"""

from types import MappingProxyType

from pipelines.catalogue.family import RARELY, SELDOM
from pipelines.catalogue.names import BUCKET
from resources.aws.listing import Each, Listing

IN_REGIONS_OF_BUCKETS = Each("", of=(BUCKET,), field="Name", region_field="BucketRegion")

TOKEN = ("NextToken", "NextToken")
"""Botocore has no paginator of most of these calls, and all of them have pages."""

FULL_PAGES = MappingProxyType({"MaxResults": 1000})

NOT_OFFERED = MappingProxyType({"MethodNotAllowed": "not_offered", "NotImplemented": "not_offered"})
"""How S3 refuses what it does not have in a region, or no longer has for an account."""

LISTINGS: tuple[Listing, ...] = (
    Listing(
        "s3_access_point",
        "s3control:ListAccessPoints",
        resource_type="AWS::S3::AccessPoint",
        roles=("workload",),
        zero="witnessed",
        records="AccessPointList",
        key=("Name",),
        owner="AccessPointArn",
        is_owner_optional=True,
        # Without it AWS leaves out those of file systems.
        parameters={**FULL_PAGES, "DataSourceType": "ALL"},
        account_parameter="AccountId",
        token=TOKEN,
        each=IN_REGIONS_OF_BUCKETS,
        every=SELDOM,
        arn_form="s3:accesspoint/",
    ),
    Listing(
        "s3_multi_region_access_point",
        "s3control:ListMultiRegionAccessPoints",
        resource_type="AWS::S3::MultiRegionAccessPoint",
        roles=("workload",),
        zero="witnessed",
        records="AccessPoints",
        # The alias is unique in the world; one that is being made may have none yet.
        key=("Name",),
        scope="global",
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/MrapOperations.html
        home="us-west-2",
        parameters=FULL_PAGES,
        account_parameter="AccountId",
        token=TOKEN,
        every=RARELY,
        arn_form="s3:accesspoint/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "s3_object_lambda_access_point",
        "s3control:ListAccessPointsForObjectLambda",
        resource_type="AWS::S3ObjectLambda::AccessPoint",
        roles=("workload",),
        zero="witnessed",
        records="ObjectLambdaAccessPointList",
        key=("Name",),
        owner="ObjectLambdaAccessPointArn",
        parameters=FULL_PAGES,
        account_parameter="AccountId",
        # Each of them stands on an access point. Since November 2025 only accounts that had some may make them, so an
        # account without any access point is never asked.
        each=Each("", of=("s3_access_point",), field="Name"),
        every=RARELY,
        arn_form="s3-object-lambda:accesspoint/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "s3_access_grants_instance",
        "s3control:ListAccessGrantsInstances",
        resource_type="AWS::S3::AccessGrantsInstance",
        roles=("workload",),
        zero="witnessed",
        records="AccessGrantsInstancesList",
        key=("AccessGrantsInstanceArn",),
        owner="AccessGrantsInstanceArn",
        parameters=FULL_PAGES,
        account_parameter="AccountId",
        token=TOKEN,
        each=IN_REGIONS_OF_BUCKETS,
        every=RARELY,
        arn_form="s3:access-grants/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "s3_access_grants_location",
        "s3control:ListAccessGrantsLocations",
        resource_type="AWS::S3::AccessGrantsLocation",
        roles=("workload",),
        zero="witnessed",
        records="AccessGrantsLocationsList",
        key=("AccessGrantsLocationArn",),
        owner="AccessGrantsLocationArn",
        parameters=FULL_PAGES,
        account_parameter="AccountId",
        token=TOKEN,
        each=Each("", of=("s3_access_grants_instance",), field="AccessGrantsInstanceArn"),
        every=SELDOM,
        arn_form="s3:access-grants/default/location/",
        skip_codes={"AccessGrantsInstanceNotExistsError": "parent_gone"},
    ),
    Listing(
        "s3_access_grant",
        "s3control:ListAccessGrants",
        resource_type="AWS::S3::AccessGrant",
        roles=("workload",),
        zero="witnessed",
        records="AccessGrantsList",
        key=("AccessGrantArn",),
        owner="AccessGrantArn",
        parameters=FULL_PAGES,
        account_parameter="AccountId",
        token=TOKEN,
        each=Each("", of=("s3_access_grants_instance",), field="AccessGrantsInstanceArn"),
        every=SELDOM,
        arn_form="s3:access-grants/default/grant/",
        skip_codes={"AccessGrantsInstanceNotExistsError": "parent_gone"},
    ),
    Listing(
        "s3_storage_lens_configuration",
        "s3control:ListStorageLensConfigurations",
        resource_type="AWS::S3::StorageLens",
        roles=("workload",),
        zero="witnessed",
        records="StorageLensConfigurationList",
        key=("StorageLensArn",),
        owner="StorageLensArn",
        account_parameter="AccountId",
        token=TOKEN,
        each=IN_REGIONS_OF_BUCKETS,
        every=RARELY,
        arn_form="s3:storage-lens/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "s3_storage_lens_group",
        "s3control:ListStorageLensGroups",
        resource_type="AWS::S3::StorageLensGroup",
        roles=("workload",),
        zero="witnessed",
        records="StorageLensGroupList",
        key=("StorageLensGroupArn",),
        owner="StorageLensGroupArn",
        account_parameter="AccountId",
        token=TOKEN,
        each=IN_REGIONS_OF_BUCKETS,
        every=RARELY,
        arn_form="s3:storage-lens-group/",
        skip_codes=NOT_OFFERED,
    ),
)
