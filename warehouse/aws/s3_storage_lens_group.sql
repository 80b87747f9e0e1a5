-- One row per group of S3 Storage Lens: a filter of objects whose metrics dashboards show apart. Requested in the regions in which the
-- account has a bucket.
-- key: arn
-- resource: id=storage_lens_group_name
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region.
-- storage_lens_group_name: Name, unique in its account and region.
-- name: The same as storage_lens_group_name, as every item has one.
select
    item.StorageLensGroupArn as arn,
    split_part(item.StorageLensGroupArn, ':', 5) as account_id,
    item.HomeRegion as region,
    item."Name" as storage_lens_group_name,
    item."Name" as name,
    cell.*
from landing(
        's3_storage_lens_group',
        'STRUCT("Name" VARCHAR, StorageLensGroupArn VARCHAR, HomeRegion VARCHAR)'
    )
qualify
    row_number() over (
        partition by item.StorageLensGroupArn
        order by cell.is_stale asc, region <> item.HomeRegion asc, cell.collected_at desc, region asc
    ) = 1
