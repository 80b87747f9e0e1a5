-- One row per instance of S3 Access Grants: what holds the grants of an account in a region, of which there is at most one.
-- key: arn
-- resource: id=access_grants_instance_id created=created_at attributes=identity_center_instance_arn
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- access_grants_instance_id: Id, which is default.
-- identity_center_instance_arn: The IAM Identity Center whose users and groups may have grants; NULL where none is joined.
-- identity_center_application_arn: Its application of S3 Access Grants; NULL where none is joined.
-- created_at: When it was created, UTC.
-- name: The same as access_grants_instance_id, as every item has one.
select
    item.AccessGrantsInstanceArn as arn,
    split_part(item.AccessGrantsInstanceArn, ':', 5) as account_id,
    region,
    item.AccessGrantsInstanceId as access_grants_instance_id,
    item.IdentityCenterInstanceArn as identity_center_instance_arn,
    -- Its older name holds the application.
    coalesce(item.IdentityCenterApplicationArn, item.IdentityCenterArn) as identity_center_application_arn,
    item.CreatedAt as created_at,
    item.AccessGrantsInstanceId as name,
    cell.*
from landing(
        's3_access_grants_instance',
        'STRUCT(
        AccessGrantsInstanceArn VARCHAR, AccessGrantsInstanceId VARCHAR, CreatedAt TIMESTAMPTZ,
        IdentityCenterArn VARCHAR, IdentityCenterInstanceArn VARCHAR, IdentityCenterApplicationArn VARCHAR
    )'
    )
