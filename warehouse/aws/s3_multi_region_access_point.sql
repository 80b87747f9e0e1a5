-- One row per Multi-Region Access Point: one address of buckets in several regions.
-- key: arn
-- resource: id=multi_region_access_point_name state=state created=created_at attributes=alias, bucket_names, bucket_regions,
--   blocks_public_access
-- relates: attached_to=AWS::S3::Bucket:bucket_names[]
-- arn: Amazon Resource Name, built from the alias, or from the name while it has none. AWS lists none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: aws-global, since it has no region of its own.
-- multi_region_access_point_name: Name, unique in its account.
-- alias: Alias, which ends in .mrap and is unique in the world; NULL while it is being made.
-- state: READY, CREATING, DELETING, PARTIALLY_CREATED, PARTIALLY_DELETED or INCONSISTENT_ACROSS_REGIONS.
-- bucket_names: Buckets behind it, sorted.
-- bucket_regions: Regions of these buckets, sorted, each once.
-- bucket_account_ids: The AWS accounts that own them, sorted, each once.
-- blocks_public_access: True where all four settings of its own public access block are on, false where one is off; NULL where AWS does not say.
-- created_at: When it was created, UTC.
-- name: The same as multi_region_access_point_name, as every item has one.
select
    -- It is requested in one region for all, so the partition is that of the only one that has it.
    'arn:aws:s3::' || account_id || ':accesspoint/' || coalesce(nullif(item."Alias", ''), item."Name") as arn,
    account_id,
    region,
    item."Name" as multi_region_access_point_name,
    nullif(item."Alias", '') as alias,
    item."Status" as state,
    list_sort(list_transform(coalesce(item.Regions, []), lambda one: one.Bucket)) as bucket_names,
    list_sort(
        list_distinct(list_transform(coalesce(item.Regions, []), lambda one: one.Region))
    ) as bucket_regions,
    list_sort(
        list_distinct(list_transform(coalesce(item.Regions, []), lambda one: one.BucketAccountId))
    ) as bucket_account_ids,
    item.PublicAccessBlock.BlockPublicAcls
    and item.PublicAccessBlock.IgnorePublicAcls
    and item.PublicAccessBlock.BlockPublicPolicy
    and item.PublicAccessBlock.RestrictPublicBuckets as blocks_public_access,
    item.CreatedAt as created_at,
    item."Name" as name,
    cell.*
from landing(
        's3_multi_region_access_point',
        'STRUCT(
        "Name" VARCHAR, "Alias" VARCHAR, CreatedAt TIMESTAMPTZ, "Status" VARCHAR,
        PublicAccessBlock STRUCT(
            BlockPublicAcls BOOLEAN, IgnorePublicAcls BOOLEAN, BlockPublicPolicy BOOLEAN, RestrictPublicBuckets BOOLEAN
        ),
        Regions STRUCT(Bucket VARCHAR, Region VARCHAR, BucketAccountId VARCHAR)[]
    )'
    )
