-- One row per dedicated host, released ones included for as long as AWS lists them. It is paid for whether instances run on it
-- or not. Accounts that it is shared with list it as well. It stands here once, under its owner.
-- key: arn
-- owner: account_id
-- resource: id=host_id state=state created=allocated_at zone=availability_zone gone=released, released-permanent-failure
--   attributes=instance_type, instance_family, socket_count, core_count, total_vcpu_count, is_auto_placement,
--   is_host_recovery, host_reservation_id, released_at
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- host_id: Id, such as h-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, under-assessment, permanent-failure, released or released-permanent-failure.
-- availability_zone: Availability zone.
-- instance_type: The only instance type that runs on it; NULL where several do.
-- instance_family: Instance family, such as m5; NULL where AWS does not report it.
-- socket_count: Sockets, by which some licences are counted.
-- core_count: Physical cores, by which others are counted.
-- total_vcpu_count: Virtual CPUs.
-- available_vcpu_count: Virtual CPUs that no instance uses.
-- instance_ids: Instances that run on it, of whatever account.
-- is_auto_placement: True where instances that name no host may be put onto it.
-- is_host_recovery: True where AWS restarts its instances on another host when it fails.
-- host_reservation_id: Reservation that covers it; NULL where none does.
-- allocated_at: When it was allocated, UTC.
-- released_at: When it was released, UTC; NULL where it was not.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn('ec2', region, coalesce(item.OwnerId, account_id), 'dedicated-host/' || item.HostId) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.HostId as host_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.AvailabilityZone as availability_zone,
    item.HostProperties.InstanceType as instance_type,
    item.HostProperties.InstanceFamily as instance_family,
    item.HostProperties.Sockets as socket_count,
    item.HostProperties.Cores as core_count,
    item.HostProperties.TotalVCpus as total_vcpu_count,
    item.AvailableCapacity.AvailableVCpus as available_vcpu_count,
    list_sort(list_transform(coalesce(item.Instances, []), lambda held: held.InstanceId)) as instance_ids,
    item.AutoPlacement = 'on' as is_auto_placement,
    item.HostRecovery = 'on' as is_host_recovery,
    item.HostReservationId as host_reservation_id,
    item.AllocationTime as allocated_at,
    item.ReleaseTime as released_at,
    if(coalesce(item.OwnerId, account_id) = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_host',
        'STRUCT(
        OwnerId VARCHAR, HostId VARCHAR, "State" VARCHAR, AvailabilityZone VARCHAR,
        HostProperties STRUCT(
            InstanceType VARCHAR, InstanceFamily VARCHAR, Sockets BIGINT, Cores BIGINT, TotalVCpus BIGINT
        ),
        AvailableCapacity STRUCT(AvailableVCpus BIGINT), Instances STRUCT(InstanceId VARCHAR)[],
        AutoPlacement VARCHAR, HostRecovery VARCHAR, HostReservationId VARCHAR, AllocationTime TIMESTAMPTZ,
        ReleaseTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
