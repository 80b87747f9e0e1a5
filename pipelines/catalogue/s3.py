"""S3: buckets, their tags, and whether they hold anything."""

from pipelines.catalogue.names import BUCKET
from resources.aws.listing import Each, Listing

# The operations role has no part in S3: where the hub has such resources, a workload profile of its own asks.
LISTINGS: tuple[Listing, ...] = (
    Listing(
        BUCKET,
        "s3:ListBuckets",
        resource_type="AWS::S3::Bucket",
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
)
