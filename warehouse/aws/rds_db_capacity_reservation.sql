-- One row per capacity reservation for databases: capacity that is paid for whether databases run on it or not.
-- key: arn
-- resource: id=db_capacity_reservation_id state=state created=started_at gone=expired, cancelled, failed, unsupported
--   attributes=instance_class, engine, reserved_capacity, available_capacity, ends_at, committed_until
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_capacity_reservation_id: Id.
-- reservation_name: Its own name.
-- state: active, scheduled, pending, expired, cancelled, failed and others.
-- instance_class: Class of the databases, such as db.r6g.large.
-- engine: Database engine.
-- license_model: Licence model.
-- reserved_capacity: Databases that it has room for, in each zone.
-- available_capacity: Databases that there is still room for, in all zones; NULL where AWS reports none.
-- started_at: When it began, UTC.
-- ends_at: When it ends, UTC; NULL where somebody has to end it.
-- committed_until: Until when it cannot be cancelled, UTC; NULL where it can.
-- name: The same as reservation_name, as every item has one.
-- tags: Tags; an empty map where it has none.
select
    item.DBCapacityReservationArn as arn,
    split_part(item.DBCapacityReservationArn, ':', 5) as account_id,
    region,
    item.DBCapacityReservationIdentifier as db_capacity_reservation_id,
    item.DBCapacityReservationName as reservation_name,
    item."State" as state,
    item.DBInstanceClass as instance_class,
    item.Engine as engine,
    item.LicenseModel as license_model,
    item.ReservedCapacityPerAvailabilityZone as reserved_capacity,
    list_sum(
        list_transform(item.AvailableCapacityPerAvailabilityZoneList, lambda one: one.AvailableCapacity)
    )::bigint as available_capacity,
    item.StartDate as started_at,
    item.EndDate as ends_at,
    item.CommitmentInfo.CommitmentEndDate as committed_until,
    item.DBCapacityReservationName as name,
    tag_map(item.TagList) as tags,
    cell.*
from landing(
        'rds_db_capacity_reservation',
        'STRUCT(
        DBCapacityReservationArn VARCHAR, DBCapacityReservationIdentifier VARCHAR, DBCapacityReservationName VARCHAR,
        "State" VARCHAR, DBInstanceClass VARCHAR, Engine VARCHAR, LicenseModel VARCHAR,
        ReservedCapacityPerAvailabilityZone BIGINT,
        AvailableCapacityPerAvailabilityZoneList STRUCT(AvailabilityZone VARCHAR, AvailableCapacity BIGINT)[],
        StartDate TIMESTAMPTZ, EndDate TIMESTAMPTZ, CommitmentInfo STRUCT(CommitmentEndDate TIMESTAMPTZ),
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
