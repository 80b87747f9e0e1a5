-- One row per S3 bucket, in the region that it lies in, whatever region the request went to.
-- materialized: full
-- key: arn
-- resource: id=name created=created_at attributes=has_objects
-- arn: Amazon Resource Name, built from the name, since S3 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region of the bucket.
-- name: Name, which no other bucket of the world has.
-- created_at: When it was created, UTC, as S3 reports it; S3 moves it when some of the bucket's settings change.
-- tags: Tags; an empty map where it has none, NULL where they could not be read or its policy keeps us out.
-- has_objects: True where it holds an object, false where it is empty, NULL where that is unknown: requested only where CMDB_BUCKET_CONTENT is set. Old versions of deleted objects do not count.
-- content_seen_at: When has_objects was true, UTC; NULL where it is unknown.
-- record: The whole record as AWS gave it, JSON, without the fields that its listing redacts. NULL where an
--    earlier release collected the row and its landed record is gone.
select
    bucket.arn,
    bucket.account_id,
    bucket.region,
    bucket.name,
    bucket.created_at,
    tag.tags,
    content.has_objects,
    if(content.has_objects is null, null, content.collected_at) as content_seen_at,
    bucket.run_id,
    bucket.role,
    bucket.caller_account_id,
    bucket.cell_region,
    bucket.listing,
    bucket.collected_at,
    bucket.is_stale,
    bucket.record
from stage.s3_bucket as bucket
left join stage.s3_bucket_tag as tag
    on bucket.account_id = tag.account_id and bucket.region = tag.region and bucket.arn = tag.arn
left join stage.s3_bucket_content as content
    on
        bucket.account_id = content.account_id
        and bucket.region = content.region
        and bucket.name = content.name
-- In two accounts only while one of the two responses is stale: a name belongs to one account at a time.
qualify row_number() over (partition by bucket.arn order by bucket.is_stale asc, bucket.collected_at desc) = 1
