-- One row per scope of an IPAM: a space of addresses, public or private, within which no two ranges should overlap.
-- key: arn
-- owner: account_id
-- resource: id=ipam_scope_id state=state gone=delete-complete attributes=ipam_id, scope_type, is_default, pool_count,
--   description
-- relates: contained_in=AWS::EC2::IPAM:ipam_id
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region.
-- ipam_scope_id: Id, such as ipam-scope-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-complete, modify-complete, delete-failed and others; ends in -in-progress, -complete or -failed.
-- ipam_id: IPAM.
-- scope_type: public or private.
-- is_default: True where AWS made it with the IPAM.
-- pool_count: Number of pools in it.
-- description: What its maker wrote; NULL where nothing.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.IpamScopeArn as arn,
    coalesce(item.OwnerId, split_part(item.IpamScopeArn, ':', 5)) as account_id,
    coalesce(item.IpamRegion, region) as region,
    item.IpamScopeId as ipam_scope_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    split_part(item.IpamArn, '/', 2) as ipam_id,
    item.IpamScopeType as scope_type,
    item.IsDefault as is_default,
    item.PoolCount as pool_count,
    item.Description as description,
    if(
        coalesce(item.OwnerId, split_part(item.IpamScopeArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_ipam_scope',
        'STRUCT(
        OwnerId VARCHAR, IpamScopeId VARCHAR, IpamScopeArn VARCHAR, IpamArn VARCHAR, IpamRegion VARCHAR,
        IpamScopeType VARCHAR, IsDefault BOOLEAN, PoolCount BIGINT, "State" VARCHAR, Description VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where its owner lists it in other regions as well, the home region has the row.
where item.OwnerId <> cell.caller_account_id or coalesce(item.IpamRegion, region) = region
