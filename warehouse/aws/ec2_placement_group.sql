-- One row per placement group: how instances stand to each other in the data centre. Accounts that it is shared with list it
-- as well. It stands here once, under its owner.
-- key: arn
-- owner: account_id
-- resource: id=placement_group_id state=state gone=deleted attributes=placement_group_name, strategy, partition_count,
--   spread_level
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- placement_group_id: Id, such as pg-0123456789abcdef0.
-- placement_group_name: Its own name, by which instances name it.
-- name: Value of the tag Name, else its own name.
-- state: pending, available, deleting or deleted.
-- strategy: cluster (close together), spread (apart) or partition.
-- partition_count: How many partitions it has; NULL for another strategy.
-- spread_level: host or rack; NULL for another strategy.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    coalesce(
        item.GroupArn, aws_arn('ec2', region, account_id, 'placement-group/' || item.GroupName)
    ) as arn,
    coalesce(split_part(item.GroupArn, ':', 5), account_id) as account_id,
    region,
    item.GroupId as placement_group_id,
    item.GroupName as placement_group_name,
    coalesce(nullif(tag_map(item.Tags)['Name'], ''), item.GroupName) as name,
    item.State as state,
    item.Strategy as strategy,
    item.PartitionCount as partition_count,
    item.SpreadLevel as spread_level,
    if(
        coalesce(split_part(item.GroupArn, ':', 5), account_id) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_placement_group',
        'STRUCT(
        GroupArn VARCHAR, GroupId VARCHAR, GroupName VARCHAR, "State" VARCHAR, Strategy VARCHAR,
        PartitionCount BIGINT, SpreadLevel VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
