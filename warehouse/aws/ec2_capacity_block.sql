-- One row per capacity block: accelerated instances that are paid for in advance, for some days.
-- key: arn
-- resource: id=capacity_block_id state=state created=created_at zone=availability_zone gone=expired, unavailable, cancelled,
--   failed, payment-failed attributes=ultraserver_type, capacity_reservation_ids, started_at, ends_at
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- capacity_block_id: Id, such as cb-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: payment-pending, scheduled, active, expired, unavailable, cancelled, failed or payment-failed.
-- availability_zone: Availability zone.
-- ultraserver_type: Type of UltraServer; NULL for single instances.
-- capacity_reservation_ids: Its capacity reservations, sorted.
-- created_at: When it was bought, UTC.
-- started_at: When it begins, UTC.
-- ends_at: When it ends, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'capacity-block/' || item.CapacityBlockId) as arn,
    account_id,
    region,
    item.CapacityBlockId as capacity_block_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.AvailabilityZone as availability_zone,
    item.UltraserverType as ultraserver_type,
    list_sort(coalesce(item.CapacityReservationIds, [])) as capacity_reservation_ids,
    item.CreateDate as created_at,
    item.StartDate as started_at,
    item.EndDate as ends_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_capacity_block',
        'STRUCT(
        CapacityBlockId VARCHAR, "State" VARCHAR, AvailabilityZone VARCHAR, UltraserverType VARCHAR,
        CapacityReservationIds VARCHAR[], CreateDate TIMESTAMPTZ, StartDate TIMESTAMPTZ, EndDate TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
