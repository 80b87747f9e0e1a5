-- S3's response to the request for a bucket's tags, by s3control:ListTagsForResource. Not part of the public interface;
-- read aws.s3_bucket.
-- key: account_id, region, arn
-- arn: Amazon Resource Name of the bucket.
-- account_id: The AWS account that owns the bucket: 12 digits, text because some begin with 0.
-- region: AWS region of the request.
-- error_code: S3's error code in place of tags, such as AccessDenied by the bucket's own policy; NULL where it gave them.
-- tags: Tags; an empty map where it has none (S3 then returns NoSuchTagSet or nothing), NULL where it refused.
select
    item.ResourceArn as arn,
    account_id,
    region,
    item.ErrorCode as error_code,
    if(
        coalesce(item.ErrorCode, 'NoSuchTagSet') = 'NoSuchTagSet',
        map_from_entries(
            list_transform(coalesce(item.Tags, []), lambda tag: { 'k': tag."Key", 'v': tag."Value" })
        ),
        null
    ) as tags,
    cell.*
from landing(
        's3_bucket_tag',
        'STRUCT(ResourceArn VARCHAR, ErrorCode VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[])'
    )
