-- One row per resource discovery of IPAM: whose addresses an IPAM watches, and in which regions.
-- key: arn
-- owner: account_id
-- resource: id=resource_discovery_id state=state gone=delete-complete attributes=is_default, operating_regions, description
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region.
-- resource_discovery_id: Id, such as ipam-res-disco-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-complete, modify-complete, delete-failed and others; ends in -in-progress, -complete or -failed.
-- is_default: True where AWS made it with an IPAM.
-- operating_regions: Regions that it watches, sorted.
-- description: What its maker wrote; NULL where nothing.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.IpamResourceDiscoveryArn as arn,
    coalesce(item.OwnerId, split_part(item.IpamResourceDiscoveryArn, ':', 5)) as account_id,
    coalesce(item.IpamResourceDiscoveryRegion, region) as region,
    item.IpamResourceDiscoveryId as resource_discovery_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.IsDefault as is_default,
    list_sort(
        list_transform(coalesce(item.OperatingRegions, []), lambda one: one.RegionName)
    ) as operating_regions,
    item.Description as description,
    if(
        coalesce(item.OwnerId, split_part(item.IpamResourceDiscoveryArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_ipam_resource_discovery',
        'STRUCT(
        OwnerId VARCHAR, IpamResourceDiscoveryId VARCHAR, IpamResourceDiscoveryArn VARCHAR,
        IpamResourceDiscoveryRegion VARCHAR, IsDefault BOOLEAN, OperatingRegions STRUCT(RegionName VARCHAR)[],
        "State" VARCHAR, Description VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where its owner lists it in other regions as well, the home region has the row.
where item.OwnerId <> cell.caller_account_id or coalesce(item.IpamResourceDiscoveryRegion, region) = region
