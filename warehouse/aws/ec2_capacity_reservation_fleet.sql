-- One row per fleet of capacity reservations: capacity of several types that is reserved, and paid for, together.
-- key: arn
-- resource: id=capacity_reservation_fleet_id state=state created=created_at gone=expired, cancelled, failed
--   attributes=target_capacity, fulfilled_capacity, capacity_reservation_ids, instance_types, ends_at
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- capacity_reservation_fleet_id: Id, such as crf-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: submitted, modifying, active, partially_fulfilled, expiring, expired, cancelling, cancelled or failed.
-- target_capacity: Capacity that is wanted, in its own units.
-- fulfilled_capacity: Capacity that there is.
-- capacity_reservation_ids: Its reservations, sorted.
-- instance_types: Instance types of its reservations, sorted.
-- created_at: When it was made, UTC.
-- ends_at: When it ends, UTC; NULL where somebody has to end it.
-- tags: Tags; an empty map where it has none.
select
    item.CapacityReservationFleetArn as arn,
    split_part(item.CapacityReservationFleetArn, ':', 5) as account_id,
    region,
    item.CapacityReservationFleetId as capacity_reservation_fleet_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.TotalTargetCapacity as target_capacity,
    item.TotalFulfilledCapacity as fulfilled_capacity,
    list_sort(
        list_distinct(
            list_filter(
                list_transform(
                    coalesce(item.InstanceTypeSpecifications, []), lambda one: one.CapacityReservationId
                ),
                lambda held: held is not null
            )
        )
    ) as capacity_reservation_ids,
    list_sort(
        list_distinct(
            list_filter(
                list_transform(
                    coalesce(item.InstanceTypeSpecifications, []), lambda one: one.InstanceType
                ),
                lambda held: held is not null
            )
        )
    ) as instance_types,
    item.CreateTime as created_at,
    item.EndDate as ends_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_capacity_reservation_fleet',
        'STRUCT(
        CapacityReservationFleetArn VARCHAR, CapacityReservationFleetId VARCHAR, "State" VARCHAR,
        TotalTargetCapacity BIGINT, TotalFulfilledCapacity DOUBLE,
        InstanceTypeSpecifications STRUCT(CapacityReservationId VARCHAR, InstanceType VARCHAR)[],
        CreateTime TIMESTAMPTZ, EndDate TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
