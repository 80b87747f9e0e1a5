-- One row per running instance with the results of AWS's status checks and the events that AWS has scheduled for it, such as a
-- retirement. Instances that do not run have no status.
-- key: arn
-- arn: Amazon Resource Name of the instance, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account of the instance: 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_id: Id of the instance.
-- availability_zone: Availability zone.
-- instance_state: State of the instance when it was listed; running, but for the seconds in which it stops.
-- instance_status: What AWS finds of the instance itself: ok, impaired, insufficient-data, initializing or not-applicable.
-- system_status: The same of the host below it, which AWS has to mend.
-- ebs_status: The same of its EBS volumes; NULL where AWS does not report it.
-- impaired_since: Since when the instance fails its check, UTC; NULL where it does not.
-- events: Scheduled events that are not over: event_id, code (instance-reboot, system-reboot, system-maintenance,
--   instance-retirement, instance-stop), description, not_before and not_after (UTC: earliest begin, latest end), deadline
--   (UTC: until when its begin may be moved). Ordered by begin.
-- next_event_at: When the first of them may begin, UTC; NULL where there is none.
select
    aws_arn('ec2', region, account_id, 'instance/' || item.InstanceId) as arn,
    account_id,
    region,
    item.InstanceId as instance_id,
    item.AvailabilityZone as availability_zone,
    item.InstanceState.Name as instance_state,
    item.InstanceStatus.Status as instance_status,
    item.SystemStatus.Status as system_status,
    item.AttachedEbsStatus.Status as ebs_status,
    item.InstanceStatus.Details[1].ImpairedSince as impaired_since,
    list_sort(
        list_transform(
            -- What is over is listed for a week, and its description begins so.
            list_filter(
                coalesce(item.Events, []),
                lambda event: not regexp_matches(
                    coalesce(event.Description, ''), '^\[(Completed|Canceled)\]'
                )
            ),
            lambda event: {
                'not_before': event.NotBefore,
                'not_after': event.NotAfter,
                'deadline': event.NotBeforeDeadline,
                'code': event.Code,
                'event_id': event.InstanceEventId,
                'description': event.Description
            }
        )
    ) as events,
    list_min(
        list_transform(
            list_filter(
                coalesce(item.Events, []),
                lambda event: not regexp_matches(
                    coalesce(event.Description, ''), '^\[(Completed|Canceled)\]'
                )
            ),
            lambda event: event.NotBefore
        )
    ) as next_event_at,
    cell.*
from landing(
        'ec2_instance_status',
        'STRUCT(
        InstanceId VARCHAR, AvailabilityZone VARCHAR, InstanceState STRUCT("Name" VARCHAR),
        InstanceStatus STRUCT(Status VARCHAR, Details STRUCT(ImpairedSince TIMESTAMPTZ)[]),
        SystemStatus STRUCT(Status VARCHAR), AttachedEbsStatus STRUCT(Status VARCHAR),
        Events STRUCT(
            InstanceEventId VARCHAR, Code VARCHAR, Description VARCHAR, NotBefore TIMESTAMPTZ,
            NotAfter TIMESTAMPTZ, NotBeforeDeadline TIMESTAMPTZ
        )[]
    )'
    )
