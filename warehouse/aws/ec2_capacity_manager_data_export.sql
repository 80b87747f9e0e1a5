-- One row per export of Capacity Manager: how much capacity of EC2 is used, delivered to an S3 bucket every hour.
-- key: arn
-- resource: id=capacity_manager_data_export_id created=created_at attributes=bucket_name, bucket_prefix, schedule,
--   output_format
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- capacity_manager_data_export_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- bucket_name: Bucket that it is delivered to.
-- bucket_prefix: Prefix within the bucket; NULL where there is none.
-- schedule: hourly.
-- output_format: csv or parquet.
-- last_delivery_status: pending, in-progress, delivered or failed.
-- last_delivery_message: What AWS says of it; NULL where nothing.
-- last_delivered_at: When it was delivered last, UTC; NULL where it was not yet.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id,
        'capacity-manager-data-export/' || item.CapacityManagerDataExportId
    ) as arn,
    account_id,
    region,
    item.CapacityManagerDataExportId as capacity_manager_data_export_id,
    tag_map(item.Tags)['Name'] as name,
    item.S3BucketName as bucket_name,
    item.S3BucketPrefix as bucket_prefix,
    item.Schedule as schedule,
    item.OutputFormat as output_format,
    item.LatestDeliveryStatus as last_delivery_status,
    item.LatestDeliveryStatusMessage as last_delivery_message,
    item.LatestDeliveryTime as last_delivered_at,
    item.CreateTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_capacity_manager_data_export',
        'STRUCT(
        CapacityManagerDataExportId VARCHAR, S3BucketName VARCHAR, S3BucketPrefix VARCHAR, Schedule VARCHAR,
        OutputFormat VARCHAR, CreateTime TIMESTAMPTZ, LatestDeliveryStatus VARCHAR,
        LatestDeliveryStatusMessage VARCHAR, LatestDeliveryTime TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
