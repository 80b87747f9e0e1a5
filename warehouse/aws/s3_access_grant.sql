-- One row per grant of S3 Access Grants: who may read or write which part of a bucket, without a word in the bucket's policy.
-- key: arn
-- resource: id=access_grant_id created=created_at attributes=access_grants_location_id, grantee_type, grantee, permission,
--   grant_scope, bucket_name
-- relates: contained_in=AWS::S3::AccessGrantsLocation:access_grants_location_arn associated_with=AWS::S3::Bucket:bucket_name
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- access_grant_id: Id.
-- access_grants_location_id: Location that it belongs to.
-- access_grants_location_arn: ARN of this location.
-- grantee_type: IAM, DIRECTORY_USER or DIRECTORY_GROUP.
-- grantee: Who has it: the ARN of a user or role, or the id of a user or group of the joined directory.
-- permission: READ, WRITE or READWRITE.
-- grant_scope: What it is a grant on, such as s3://BUCKET/PREFIX*.
-- bucket_name: Bucket of this scope; NULL where it is all buckets of the account and region.
-- application_arn: Application through which alone it may be used; NULL where any may.
-- created_at: When it was created, UTC.
-- name: The same as grant_scope, as every item has one.
select
    item.AccessGrantArn as arn,
    split_part(item.AccessGrantArn, ':', 5) as account_id,
    region,
    item.AccessGrantId as access_grant_id,
    item.AccessGrantsLocationId as access_grants_location_id,
    split_part(item.AccessGrantArn, '/grant/', 1)
    || '/location/'
    || item.AccessGrantsLocationId as access_grants_location_arn,
    item.Grantee.GranteeType as grantee_type,
    item.Grantee.GranteeIdentifier as grantee,
    item.Permission as permission,
    item.GrantScope as grant_scope,
    nullif(rtrim(split_part(item.GrantScope, '/', 3), '*'), '') as bucket_name,
    nullif(item.ApplicationArn, '') as application_arn,
    item.CreatedAt as created_at,
    item.GrantScope as name,
    cell.*
from landing(
        's3_access_grant',
        'STRUCT(
        AccessGrantArn VARCHAR, AccessGrantId VARCHAR, CreatedAt TIMESTAMPTZ, AccessGrantsLocationId VARCHAR,
        Grantee STRUCT(GranteeType VARCHAR, GranteeIdentifier VARCHAR), Permission VARCHAR, GrantScope VARCHAR,
        ApplicationArn VARCHAR
    )'
    )
