-- One row per snapshot of a volume, and per machine image, whose data everybody with an AWS account can read. Not part of the public
-- interface; read cmdb.exposure.
-- materialized: view
-- key: arn
-- arn: Amazon Resource Name.
-- entry: Its id.
-- kind: snapshot or image.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- name: Name of an image; NULL of a snapshot.
select
    arn,
    snapshot_id as entry,
    'snapshot' as kind,
    account_id,
    region,
    null as name,
    is_stale,
    run_id,
    listing,
    role,
    caller_account_id,
    cell_region,
    collected_at
from aws.ec2_public_snapshot
union all by name
select
    arn,
    image_id as entry,
    'image' as kind,
    account_id,
    region,
    name,
    is_stale,
    run_id,
    listing,
    role,
    caller_account_id,
    cell_region,
    collected_at
from aws.ec2_image
where is_public
