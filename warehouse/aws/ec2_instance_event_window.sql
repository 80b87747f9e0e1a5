-- One row per event window: when AWS may reboot, stop or terminate the instances that it is for, where AWS has to.
-- key: arn
-- resource: id=event_window_id state=state gone=deleted attributes=event_window_name, cron_expression, instance_ids, host_ids
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- event_window_id: Id, such as iew-0123456789abcdef0.
-- event_window_name: Its own name.
-- name: Value of the tag Name, else its own name.
-- state: creating, active, deleting or deleted.
-- cron_expression: When, as a cron expression, UTC; NULL where it has ranges.
-- instance_ids: Instances that it is for, sorted.
-- host_ids: Dedicated hosts that it is for, sorted.
-- target_tags: Tags of the instances that it is for.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'instance-event-window/' || item.InstanceEventWindowId) as arn,
    account_id,
    region,
    item.InstanceEventWindowId as event_window_id,
    item."Name" as event_window_name,
    coalesce(nullif(tag_map(item.Tags)['Name'], ''), item."Name") as name,
    item."State" as state,
    item.CronExpression as cron_expression,
    list_sort(coalesce(item.AssociationTarget.InstanceIds, [])) as instance_ids,
    list_sort(coalesce(item.AssociationTarget.DedicatedHostIds, [])) as host_ids,
    tag_map(item.AssociationTarget.Tags) as target_tags,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_instance_event_window',
        'STRUCT(
        InstanceEventWindowId VARCHAR, "Name" VARCHAR, "State" VARCHAR, CronExpression VARCHAR,
        AssociationTarget STRUCT(InstanceIds VARCHAR[], DedicatedHostIds VARCHAR[], Tags STRUCT("Key" VARCHAR, "Value"
        VARCHAR)[]),
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
