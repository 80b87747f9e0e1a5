-- One row per pool of IPv6 addresses that the account brought to AWS.
-- key: arn
-- resource: id=ipv6_pool_id attributes=description, cidr_blocks
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- ipv6_pool_id: Id, such as ipv6pool-ec2-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- description: What its maker wrote; NULL where nothing.
-- cidr_blocks: Its ranges, sorted as text.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'ipv6pool-ec2/' || item.PoolId) as arn,
    account_id,
    region,
    item.PoolId as ipv6_pool_id,
    tag_map(item.Tags)['Name'] as name,
    nullif(item.Description, '') as description,
    list_sort(list_transform(coalesce(item.PoolCidrBlocks, []), lambda block: block.Cidr)) as cidr_blocks,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_ipv6_pool',
        'STRUCT(
        PoolId VARCHAR, Description VARCHAR, PoolCidrBlocks STRUCT(Cidr VARCHAR)[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
