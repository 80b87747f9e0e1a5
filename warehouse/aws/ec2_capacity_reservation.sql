-- One row per on-demand capacity reservation, ended ones included for as long as AWS lists them. It is paid for whether
-- instances use it or not. Accounts that it is shared with list it as well. It stands here once, under its owner.
-- key: arn
-- owner: account_id
-- resource: id=capacity_reservation_id state=state created=created_at zone=availability_zone
--   gone=expired, cancelled, failed, payment-failed, unsupported, unavailable
--   attributes=instance_type, instance_platform, tenancy, total_instance_count, instance_match_criteria, end_date_type,
--   ends_at, reservation_type, capacity_reservation_fleet_id, placement_group_arn
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- capacity_reservation_id: Id, such as cr-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: active, scheduled, pending, expired, cancelled, failed and others.
-- instance_type: Instance type.
-- instance_platform: Operating system, such as Linux/UNIX.
-- availability_zone: Availability zone.
-- tenancy: default or dedicated.
-- total_instance_count: How many instances it holds capacity for.
-- available_instance_count: How many of them nobody uses.
-- instance_match_criteria: open (every instance that fits uses it) or targeted (only those that name it).
-- reservation_type: default or capacity-block.
-- end_date_type: unlimited or limited.
-- capacity_reservation_fleet_id: The group of reservations that made it; NULL where none did.
-- placement_group_arn: Placement group; NULL where it has none.
-- unused_reservation_billing_owner_id: The AWS account that pays for what nobody uses, where it is not the owner: 12 digits.
-- created_at: When it was made, UTC.
-- ends_at: When it ends by itself, UTC; NULL where it does not.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.CapacityReservationArn as arn,
    coalesce(item.OwnerId, split_part(item.CapacityReservationArn, ':', 5)) as account_id,
    region,
    item.CapacityReservationId as capacity_reservation_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.InstanceType as instance_type,
    item.InstancePlatform as instance_platform,
    item.AvailabilityZone as availability_zone,
    item.Tenancy as tenancy,
    item.TotalInstanceCount as total_instance_count,
    item.AvailableInstanceCount as available_instance_count,
    item.InstanceMatchCriteria as instance_match_criteria,
    item.ReservationType as reservation_type,
    item.EndDateType as end_date_type,
    item.CapacityReservationFleetId as capacity_reservation_fleet_id,
    item.PlacementGroupArn as placement_group_arn,
    item.UnusedReservationBillingOwnerId as unused_reservation_billing_owner_id,
    item.CreateDate as created_at,
    item.EndDate as ends_at,
    if(
        coalesce(item.OwnerId, split_part(item.CapacityReservationArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_capacity_reservation',
        'STRUCT(
        CapacityReservationArn VARCHAR, OwnerId VARCHAR, CapacityReservationId VARCHAR, "State" VARCHAR,
        InstanceType VARCHAR, InstancePlatform VARCHAR, AvailabilityZone VARCHAR, Tenancy VARCHAR,
        TotalInstanceCount BIGINT, AvailableInstanceCount BIGINT, InstanceMatchCriteria VARCHAR,
        ReservationType VARCHAR, EndDateType VARCHAR, CapacityReservationFleetId VARCHAR, PlacementGroupArn VARCHAR,
        UnusedReservationBillingOwnerId VARCHAR, CreateDate TIMESTAMPTZ, EndDate TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
