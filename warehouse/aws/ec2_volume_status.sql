-- One row per EBS volume with the results of AWS's status checks, and what is to be done where they fail. It is requested
-- where there is a volume.
-- key: arn
-- arn: Amazon Resource Name of the volume, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account of the volume: 12 digits, text because some begin with 0.
-- region: AWS region.
-- volume_id: Id of the volume.
-- availability_zone: Availability zone.
-- status: ok, impaired, warning or insufficient-data.
-- io_enabled_status: Whether it can be read and written: passed or failed; NULL where AWS does not say.
-- io_performance_status: How fast it is against what was bought: normal, degraded, severely-degraded, stalled,
--   insufficient-data or not-applicable.
-- events: What happened to it: not_before and not_after (UTC), event_type, such as potential-data-inconsistency, event_id,
--   instance_id and description. Ordered by begin.
-- action_codes: What its owner has to do, such as enable-volume-io, sorted.
-- initialization_percent: How much of its snapshot is loaded, 0 to 100; NULL where it was made without one.
select
    aws_arn('ec2', region, account_id, 'volume/' || item.VolumeId) as arn,
    account_id,
    region,
    item.VolumeId as volume_id,
    item.AvailabilityZone as availability_zone,
    item.VolumeStatus.Status as status,
    list_filter(
        coalesce(item.VolumeStatus.Details, []), lambda detail: detail.Name = 'io-enabled'
    )[1].Status as io_enabled_status,
    list_filter(
        coalesce(item.VolumeStatus.Details, []), lambda detail: detail.Name = 'io-performance'
    )[1].Status as io_performance_status,
    list_sort(
        list_transform(
            coalesce(item.Events, []),
            lambda event: {
                'not_before': event.NotBefore,
                'not_after': event.NotAfter,
                'event_type': event.EventType,
                'event_id': event.EventId,
                'instance_id': event.InstanceId,
                'description': event.Description
            }
        )
    ) as events,
    list_sort(list_transform(coalesce(item.Actions, []), lambda action: action.Code)) as action_codes,
    item.InitializationStatusDetails.Progress as initialization_percent,
    cell.*
from landing(
        'ec2_volume_status',
        'STRUCT(
        VolumeId VARCHAR, AvailabilityZone VARCHAR, VolumeStatus STRUCT(Status VARCHAR,
        Details STRUCT("Name" VARCHAR, Status VARCHAR)[]), Events STRUCT(EventId VARCHAR, EventType VARCHAR,
        Description VARCHAR, NotBefore TIMESTAMPTZ, NotAfter TIMESTAMPTZ, InstanceId VARCHAR)[],
        Actions STRUCT(Code VARCHAR)[], InitializationStatusDetails STRUCT(Progress BIGINT)
    )'
    )
