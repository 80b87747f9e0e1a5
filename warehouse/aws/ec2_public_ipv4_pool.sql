-- One row per pool of public IPv4 addresses that the account brought to AWS, or took from an IPAM.
-- key: arn
-- resource: id=public_ipv4_pool_id attributes=description, address_ranges, address_count, available_address_count,
--   network_border_group
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- public_ipv4_pool_id: Id, such as ipv4pool-ec2-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- description: What its maker wrote; NULL where nothing.
-- address_ranges: Its ranges, first and last address each, such as 203.0.113.0-203.0.113.255.
-- address_count: Number of addresses.
-- available_address_count: Number of addresses that nothing has.
-- network_border_group: Zones from which AWS announces it: the region, or a Local Zone.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'ipv4pool-ec2/' || item.PoolId) as arn,
    account_id,
    region,
    item.PoolId as public_ipv4_pool_id,
    tag_map(item.Tags)['Name'] as name,
    nullif(item.Description, '') as description,
    list_sort(
        list_transform(
            coalesce(item.PoolAddressRanges, []),
            lambda range: range.FirstAddress || '-' || range.LastAddress
        )
    ) as address_ranges,
    item.TotalAddressCount as address_count,
    item.TotalAvailableAddressCount as available_address_count,
    item.NetworkBorderGroup as network_border_group,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_public_ipv4_pool',
        'STRUCT(
        PoolId VARCHAR, Description VARCHAR, PoolAddressRanges STRUCT(FirstAddress VARCHAR,
        LastAddress VARCHAR)[], TotalAddressCount BIGINT, TotalAvailableAddressCount BIGINT,
        NetworkBorderGroup VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
