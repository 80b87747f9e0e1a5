-- One row per VPC, the default VPCs of each region included. A VPC of which subnets are shared with other accounts is
-- listed there too: it stands here once, under its owner.
-- key: arn
-- resource: id=vpc_id state=state attributes=cidr_block, cidr_blocks, ipv6_cidr_blocks, is_default
-- owner: account_id
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the VPC: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpc_id: Id, such as vpc-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending or available.
-- cidr_block: Primary IPv4 range, such as 10.0.0.0/16.
-- cidr_blocks: All IPv4 ranges that are associated with it, the primary one included.
-- ipv6_cidr_blocks: All IPv6 ranges that are associated with it.
-- is_default: True for the VPC that AWS makes in each region of an account.
-- instance_tenancy: default or dedicated.
-- dhcp_options_id: Id of its set of DHCP options; default where it has none of its own.
-- tags: Tags; an empty map where it has none, NULL where only other accounts listed it, which AWS does not show them.
select
    aws_arn('ec2', region, item.OwnerId, 'vpc/' || item.VpcId) as arn,
    item.OwnerId as account_id,
    region,
    item.VpcId as vpc_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.CidrBlock as cidr_block,
    list_transform(
        list_filter(
            coalesce(item.CidrBlockAssociationSet, []),
            lambda range: coalesce(range.CidrBlockState.State, '') = 'associated'
        ),
        lambda range: range.CidrBlock
    ) as cidr_blocks,
    list_transform(
        list_filter(
            coalesce(item.Ipv6CidrBlockAssociationSet, []),
            lambda range: coalesce(range.Ipv6CidrBlockState.State, '') = 'associated'
        ),
        lambda range: range.Ipv6CidrBlock
    ) as ipv6_cidr_blocks,
    coalesce(item.IsDefault, false) as is_default,
    item.InstanceTenancy as instance_tenancy,
    item.DhcpOptionsId as dhcp_options_id,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_vpc',
        'STRUCT(
        OwnerId VARCHAR, VpcId VARCHAR, "State" VARCHAR, CidrBlock VARCHAR, IsDefault BOOLEAN,
        InstanceTenancy VARCHAR, DhcpOptionsId VARCHAR,
        CidrBlockAssociationSet STRUCT(CidrBlock VARCHAR, CidrBlockState STRUCT("State" VARCHAR))[],
        Ipv6CidrBlockAssociationSet STRUCT(Ipv6CidrBlock VARCHAR, Ipv6CidrBlockState STRUCT("State" VARCHAR))[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
