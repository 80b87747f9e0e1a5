-- One row per dashboard of S3 Storage Lens, with the one that AWS made for the account. Requested in the regions in which the account
-- has a bucket. Whether it has metrics that cost money, AWS tells of one at a time, so it is not known.
-- key: arn
-- resource: id=storage_lens_configuration_id attributes=is_enabled
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region, where its metrics are kept.
-- storage_lens_configuration_id: Id; default-account-dashboard is AWS's own.
-- is_enabled: True where it collects metrics; NULL where AWS does not say.
-- name: The same as storage_lens_configuration_id, as every item has one.
select
    item.StorageLensArn as arn,
    split_part(item.StorageLensArn, ':', 5) as account_id,
    item.HomeRegion as region,
    item.Id as storage_lens_configuration_id,
    item.IsEnabled as is_enabled,
    item.Id as name,
    cell.*
from landing(
        's3_storage_lens_configuration',
        'STRUCT(Id VARCHAR, StorageLensArn VARCHAR, HomeRegion VARCHAR, IsEnabled BOOLEAN)'
    )
-- AWS does not document whether other regions list it too.
qualify
    row_number() over (
        partition by item.StorageLensArn
        order by cell.is_stale asc, region <> item.HomeRegion asc, cell.collected_at desc, region asc
    ) = 1
