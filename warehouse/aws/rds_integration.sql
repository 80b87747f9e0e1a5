-- One row per zero-ETL integration: RDS copies the data of a database to a warehouse by itself, wherever that is.
-- key: arn
-- resource: id=integration_name state=status created=created_at attributes=source_arn, target_arn, is_cross_account,
--   kms_key_arn, description
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- integration_name: Name.
-- status: active, creating, syncing, needs_attention, failed and others, in RDS's own words.
-- source_arn: Database or cluster that is copied.
-- target_arn: Where the copy goes, of whatever account.
-- is_cross_account: True where the copy goes to another account.
-- data_filter: What is copied; NULL for everything.
-- kms_key_arn: Key that it is encrypted with.
-- description: What its maker wrote; NULL where nothing.
-- error_codes: What went wrong, sorted; an empty list where nothing did.
-- created_at: When it was made, UTC.
-- name: The same as integration_name, as every item has one.
-- tags: Tags; an empty map where it has none.
select
    item.IntegrationArn as arn,
    split_part(item.IntegrationArn, ':', 5) as account_id,
    region,
    item.IntegrationName as integration_name,
    item.Status as status,
    item.SourceArn as source_arn,
    item.TargetArn as target_arn,
    split_part(item.TargetArn, ':', 5) <> split_part(item.IntegrationArn, ':', 5) as is_cross_account,
    item.DataFilter as data_filter,
    item.KMSKeyId as kms_key_arn,
    item.Description as description,
    list_sort(list_transform(coalesce(item.Errors, []), lambda one: one.ErrorCode)) as error_codes,
    item.CreateTime as created_at,
    item.IntegrationName as name,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'rds_integration',
        'STRUCT(
        IntegrationArn VARCHAR, IntegrationName VARCHAR, "Status" VARCHAR, SourceArn VARCHAR, TargetArn VARCHAR,
        DataFilter VARCHAR, KMSKeyId VARCHAR, Description VARCHAR, Errors STRUCT(ErrorCode VARCHAR)[],
        CreateTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
