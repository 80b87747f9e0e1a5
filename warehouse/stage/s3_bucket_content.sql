-- Whether a bucket holds anything, by s3:ListObjectsV2 of one key; requested only where CMDB_BUCKET_CONTENT is set. Not
-- part of the public interface; read aws.s3_bucket.
-- key: account_id, region, name
-- name: Name of the bucket.
-- account_id: The AWS account that owns the bucket: 12 digits, text because some begin with 0.
-- region: AWS region of the request.
-- error_code: S3's error code, such as AccessDenied by the bucket's own policy; NULL where it responded.
-- has_objects: True where it holds an object, NULL where it refused. Old versions of deleted objects do not count.
select
    item.Bucket as name,
    account_id,
    region,
    item.ErrorCode as error_code,
    item.KeyCount > 0 as has_objects,
    cell.*
from landing('s3_bucket_content', 'STRUCT(Bucket VARCHAR, ErrorCode VARCHAR, KeyCount BIGINT)')
