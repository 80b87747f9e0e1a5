-- One row per prefix list resolver of an IPAM: it keeps managed prefix lists equal to the ranges that its rules name, so
-- security groups and routes that use the lists change by themselves. Accounts that it is shared with list it as well. It
-- stands here once, under its owner. It is requested where there is an IPAM.
-- key: arn
-- owner: account_id
-- resource: id=ipam_prefix_list_resolver_id state=state gone=delete-complete, isolate-complete attributes=ipam_id,
--   address_family, last_version_status, description
-- relates: contained_in=AWS::EC2::IPAM:ipam_id
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region.
-- ipam_prefix_list_resolver_id: Id, such as ipam-plr-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-complete, modify-complete, isolate-complete and others; ends in -in-progress, -complete or -failed.
-- ipam_id: IPAM.
-- address_family: ipv4 or ipv6.
-- last_version_status: Whether its last list of ranges could be made: pending, success or failure.
-- last_version_message: What AWS says of it; NULL where nothing.
-- description: What its maker wrote; NULL where nothing.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.IpamPrefixListResolverArn as arn,
    coalesce(item.OwnerId, split_part(item.IpamPrefixListResolverArn, ':', 5)) as account_id,
    coalesce(item.IpamRegion, region) as region,
    item.IpamPrefixListResolverId as ipam_prefix_list_resolver_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    split_part(item.IpamArn, '/', 2) as ipam_id,
    item.AddressFamily as address_family,
    item.LastVersionCreationStatus as last_version_status,
    item.LastVersionCreationStatusMessage as last_version_message,
    item.Description as description,
    if(
        coalesce(item.OwnerId, split_part(item.IpamPrefixListResolverArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_ipam_prefix_list_resolver',
        'STRUCT(
        OwnerId VARCHAR, IpamPrefixListResolverId VARCHAR, IpamPrefixListResolverArn VARCHAR, IpamArn VARCHAR,
        IpamRegion VARCHAR, "State" VARCHAR, AddressFamily VARCHAR, LastVersionCreationStatus VARCHAR,
        LastVersionCreationStatusMessage VARCHAR, Description VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where its owner lists it in other regions as well, the home region has the row.
where item.OwnerId <> cell.caller_account_id or coalesce(item.IpamRegion, region) = region
