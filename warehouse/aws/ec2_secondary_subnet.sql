-- One row per subnet of a secondary network. Accounts that it is shared with list it as well. It stands here once, under its
-- owner. It is requested where there is a secondary network.
-- key: arn
-- owner: account_id
-- resource: id=secondary_subnet_id state=state zone=availability_zone gone=delete-complete, create-failed
--   attributes=secondary_network_id, network_type, cidr_blocks, state_reason
-- relates: contained_in=AWS::EC2::SecondaryNetwork:secondary_network_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- secondary_subnet_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-in-progress, create-complete, create-failed, delete-in-progress, delete-complete or delete-failed.
-- state_reason: Why it is in this state; NULL where AWS does not say.
-- secondary_network_id: Secondary network.
-- network_type: rdma.
-- availability_zone: Availability zone.
-- cidr_blocks: Its IPv4 ranges, sorted as text.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.SecondarySubnetArn as arn,
    coalesce(item.OwnerId, split_part(item.SecondarySubnetArn, ':', 5)) as account_id,
    region,
    item.SecondarySubnetId as secondary_subnet_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.StateReason as state_reason,
    item.SecondaryNetworkId as secondary_network_id,
    item.SecondaryNetworkType as network_type,
    item.AvailabilityZone as availability_zone,
    list_sort(
        list_transform(
            list_filter(
                coalesce(item.Ipv4CidrBlockAssociations, []), lambda block: block.State = 'associated'
            ),
            lambda block: block.CidrBlock
        )
    ) as cidr_blocks,
    if(
        coalesce(item.OwnerId, split_part(item.SecondarySubnetArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_secondary_subnet',
        'STRUCT(
        OwnerId VARCHAR, SecondarySubnetArn VARCHAR, SecondarySubnetId VARCHAR, "State" VARCHAR,
        StateReason VARCHAR, SecondaryNetworkId VARCHAR, SecondaryNetworkType VARCHAR, AvailabilityZone VARCHAR,
        Ipv4CidrBlockAssociations STRUCT(CidrBlock VARCHAR, "State" VARCHAR)[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
