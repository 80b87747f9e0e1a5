-- One row per IPAM (IP Address Manager): what plans and watches the address ranges of accounts and regions. In its advanced
-- tier each address that it watches costs money by the hour. Accounts that it is shared with list it as well. It stands here
-- once, under its owner and home region.
-- key: arn
-- owner: account_id
-- resource: id=ipam_id state=state gone=delete-complete, isolate-complete attributes=description, tier, operating_regions,
--   public_default_scope_id, private_default_scope_id, scope_count, resource_discovery_association_count
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Its home region.
-- ipam_id: Id, such as ipam-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-complete, modify-complete, delete-failed and others; ends in -in-progress, -complete or -failed.
-- description: What its maker wrote; NULL where nothing.
-- tier: free or advanced.
-- operating_regions: Regions whose addresses it watches.
-- public_default_scope_id: Its scope for public addresses.
-- private_default_scope_id: Its scope for private addresses.
-- scope_count: How many scopes it has.
-- resource_discovery_association_count: How many accounts' discoveries it is fed by, its own included.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.IpamArn as arn,
    item.OwnerId as account_id,
    coalesce(item.IpamRegion, region) as region,
    item.IpamId as ipam_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    nullif(item.Description, '') as description,
    item.Tier as tier,
    list_sort(
        list_transform(coalesce(item.OperatingRegions, []), lambda held: held.RegionName)
    ) as operating_regions,
    item.PublicDefaultScopeId as public_default_scope_id,
    item.PrivateDefaultScopeId as private_default_scope_id,
    item.ScopeCount as scope_count,
    item.ResourceDiscoveryAssociationCount as resource_discovery_association_count,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_ipam',
        'STRUCT(
        IpamArn VARCHAR, OwnerId VARCHAR, IpamRegion VARCHAR, IpamId VARCHAR, "State" VARCHAR, Description VARCHAR,
        Tier VARCHAR, OperatingRegions STRUCT(RegionName VARCHAR)[], PublicDefaultScopeId VARCHAR,
        PrivateDefaultScopeId VARCHAR, ScopeCount BIGINT, ResourceDiscoveryAssociationCount BIGINT,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where its owner lists it in other regions as well, the home region has the row.
where item.OwnerId <> cell.caller_account_id or coalesce(item.IpamRegion, region) = region
