-- Whether a bucket holds anything, by s3:ListObjectsV2 of one key; asked only where CMDB_BUCKET_CONTENT asks for it. Not
-- part of the public interface; read aws.s3_bucket.
-- key: account_id, region, name
-- name: Name of the bucket.
-- account_id: The AWS account that owns the bucket: 12 digits, text because some begin with 0.
-- region: AWS region that was asked.
-- error_code: What S3 said instead, such as AccessDenied by the bucket's own policy; NULL where it answered.
-- has_objects: True where it holds an object, NULL where it refused to tell. Old versions of deleted objects do not count.
select
    item.Bucket as name,
    account_id,
    region,
    item.ErrorCode as error_code,
    item.KeyCount > 0 as has_objects,
    cell.*
from landing('s3_bucket_content', 'STRUCT(Bucket VARCHAR, ErrorCode VARCHAR, KeyCount BIGINT)')
