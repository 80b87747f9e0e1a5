-- One row per location of S3 Access Grants: a bucket, a prefix of it or all buckets of the region, and the role that grants there
-- lend.
-- key: arn
-- resource: id=access_grants_location_id created=created_at attributes=location_scope, bucket_name, role_arn
-- relates: contained_in=AWS::S3::AccessGrantsInstance:access_grants_instance_arn associated_with=AWS::S3::Bucket:bucket_name
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- access_grants_location_id: Id; default where it is all buckets.
-- access_grants_instance_arn: Instance that it belongs to.
-- location_scope: What it covers: s3:// for all buckets of the account and region, s3://BUCKET, or a prefix of one.
-- bucket_name: Bucket that it covers, wholly or in part; NULL where it is all.
-- role_arn: IAM role that S3 takes on for those who have a grant there.
-- created_at: When it was registered, UTC.
-- name: The same as location_scope, as every item has one.
select
    item.AccessGrantsLocationArn as arn,
    split_part(item.AccessGrantsLocationArn, ':', 5) as account_id,
    region,
    item.AccessGrantsLocationId as access_grants_location_id,
    split_part(item.AccessGrantsLocationArn, '/location/', 1) as access_grants_instance_arn,
    item.LocationScope as location_scope,
    nullif(split_part(item.LocationScope, '/', 3), '') as bucket_name,
    item.IAMRoleArn as role_arn,
    item.CreatedAt as created_at,
    item.LocationScope as name,
    cell.*
from landing(
        's3_access_grants_location',
        'STRUCT(
        AccessGrantsLocationArn VARCHAR, AccessGrantsLocationId VARCHAR, CreatedAt TIMESTAMPTZ, LocationScope VARCHAR,
        IAMRoleArn VARCHAR
    )'
    )
