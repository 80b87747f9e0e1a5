-- One row per pool of addresses of an IPAM. Accounts that it is shared with list it as well, to take ranges of it. It stands
-- here once, under its owner and the home region of its IPAM. Its ranges and allocations need a request each, and are not
-- collected.
-- key: arn
-- owner: account_id
-- resource: id=ipam_pool_id state=state gone=delete-complete, isolate-complete attributes=description, ipam_id,
--   source_ipam_pool_id, scope_type, locale, address_family, pool_depth, is_auto_import, is_publicly_advertisable,
--   aws_service
-- relates: contained_in=AWS::EC2::IPAM:ipam_id contained_in=AWS::EC2::IPAMPool:source_ipam_pool_id
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region of its IPAM.
-- ipam_pool_id: Id, such as ipam-pool-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-complete, modify-complete, delete-failed and others; ends in -in-progress, -complete or -failed.
-- description: What its maker wrote; NULL where nothing.
-- ipam_id: IPAM.
-- source_ipam_pool_id: The pool that it is a part of; NULL for one at the top.
-- scope_type: public or private.
-- locale: Region in which ranges of it may be used; None for a pool of pools.
-- address_family: ipv4 or ipv6.
-- pool_depth: How many pools lie above it, itself included.
-- is_auto_import: True where it takes in ranges of existing resources by itself.
-- is_publicly_advertisable: True where its ranges may be announced to the internet; NULL for a private one.
-- aws_service: The service that its addresses are for, such as ec2; NULL where it is for none.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.IpamPoolArn as arn,
    item.OwnerId as account_id,
    coalesce(item.IpamRegion, region) as region,
    item.IpamPoolId as ipam_pool_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    nullif(item.Description, '') as description,
    split_part(item.IpamArn, '/', 2) as ipam_id,
    item.SourceIpamPoolId as source_ipam_pool_id,
    item.IpamScopeType as scope_type,
    item.Locale as locale,
    item.AddressFamily as address_family,
    item.PoolDepth as pool_depth,
    coalesce(item.AutoImport, false) as is_auto_import,
    item.PubliclyAdvertisable as is_publicly_advertisable,
    item.AwsService as aws_service,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_ipam_pool',
        'STRUCT(
        IpamPoolArn VARCHAR, OwnerId VARCHAR, IpamRegion VARCHAR, IpamPoolId VARCHAR, "State" VARCHAR,
        Description VARCHAR, IpamArn VARCHAR, SourceIpamPoolId VARCHAR, IpamScopeType VARCHAR, Locale VARCHAR,
        AddressFamily VARCHAR, PoolDepth BIGINT, AutoImport BOOLEAN, PubliclyAdvertisable BOOLEAN,
        AwsService VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where its owner lists it in other regions as well, the home region has the row.
where item.OwnerId <> cell.caller_account_id or coalesce(item.IpamRegion, region) = region
