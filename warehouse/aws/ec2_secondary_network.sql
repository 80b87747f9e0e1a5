-- One row per secondary network: a network beside the VPCs by which processors of instances reach each other's memory.
-- Accounts that it is shared with list it as well. It stands here once, under its owner.
-- key: arn
-- owner: account_id
-- resource: id=secondary_network_id state=state gone=delete-complete, create-failed attributes=network_type, cidr_blocks,
--   state_reason
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- secondary_network_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-in-progress, create-complete, create-failed, delete-in-progress, delete-complete or delete-failed.
-- state_reason: Why it is in this state; NULL where AWS does not say.
-- network_type: rdma.
-- cidr_blocks: Its IPv4 ranges, sorted as text.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.SecondaryNetworkArn as arn,
    coalesce(item.OwnerId, split_part(item.SecondaryNetworkArn, ':', 5)) as account_id,
    region,
    item.SecondaryNetworkId as secondary_network_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.StateReason as state_reason,
    item."Type" as network_type,
    list_sort(
        list_transform(
            list_filter(
                coalesce(item.Ipv4CidrBlockAssociations, []), lambda block: block.State = 'associated'
            ),
            lambda block: block.CidrBlock
        )
    ) as cidr_blocks,
    if(
        coalesce(item.OwnerId, split_part(item.SecondaryNetworkArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_secondary_network',
        'STRUCT(
        OwnerId VARCHAR, SecondaryNetworkArn VARCHAR, SecondaryNetworkId VARCHAR, "State" VARCHAR,
        StateReason VARCHAR, "Type" VARCHAR, Ipv4CidrBlockAssociations STRUCT(CidrBlock VARCHAR,
        "State" VARCHAR)[], Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
