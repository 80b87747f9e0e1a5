"""S3: buckets, their tags, and whether they are empty."""

from pipelines.catalogue.names import BUCKET
from resources.aws.listing import Each, Listing

# The operations role has no permissions in S3: if the hub account has buckets, it needs a workload profile.
LISTINGS: tuple[Listing, ...] = (
    Listing(
        BUCKET,
        "s3:ListBuckets",
        resource_type="AWS::S3::Bucket",
        roles=("workload",),
        # The bill is a witness: storage that costs money is in a bucket.
        zero="witnessed",
        records="Buckets",
        key=("Name",),
        scope="global",
        # S3 returns the regions of buckets only in a paginated request.
        parameters={"MaxBuckets": 1000},
    ),
    Listing(
        "s3_bucket_tag",
        "s3control:ListTagsForResource",
        roles=("workload",),
        # S3 returns a record for each bucket, also for one without tags.
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
            # A bucket policy may deny what the role's policy allows.
            # Outside of the commercial regions S3 may not have the call for buckets: tags are unknown there.
            own_errors=("AccessDenied", "NoSuchTagSet", "MethodNotAllowed"),
        ),
        skip_codes={"NoSuchBucket": "parent_gone"},
    ),
    Listing(
        "s3_bucket_content",
        "s3:ListObjectsV2",
        roles=("workload",),
        # S3 returns a record for each bucket, also for one without objects.
        zero="impossible",
        records="@",
        required=("Name", "KeyCount"),
        key=("Bucket",),
        parameters={"MaxKeys": 1},
        account_parameter="ExpectedBucketOwner",
        echo=("Bucket",),
        # The names of objects may be confidential, and only their number matters here.
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
