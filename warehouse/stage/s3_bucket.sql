-- Buckets of each account, by s3:ListBuckets. Not part of the public interface; read aws.s3_bucket.
-- key: account_id, arn
-- arn: Amazon Resource Name, built from the name, since S3 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region of the bucket.
-- name: Name, which no other bucket of the world has.
-- created_at: When it was created, UTC, as S3 reports it.
select
    -- S3's ARN has no region and no account in it.
    'arn:' || aws_partition(item.BucketRegion) || ':s3:::' || item.Name as arn,
    account_id,
    item.BucketRegion as region,
    item.Name as name,
    item.CreationDate as created_at,
    cell.*
from landing('s3_bucket', 'STRUCT("Name" VARCHAR, BucketRegion VARCHAR, CreationDate TIMESTAMPTZ)')
