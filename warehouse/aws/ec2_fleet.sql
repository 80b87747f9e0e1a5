-- One row per EC2 Fleet: instances that are launched together, of several types and prices. Those of type instant are listed by
-- nobody who does not name them.
-- key: arn
-- resource: id=fleet_id state=state created=created_at gone=deleted, failed attributes=fleet_type, target_capacity,
--   on_demand_capacity, spot_capacity, fulfilled_capacity, launch_template_ids, valid_until
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- fleet_id: Id, such as fleet-01234567-89ab-cdef-0123-456789abcdef.
-- name: Value of the tag Name; NULL where there is none.
-- state: submitted, active, modifying, deleted, failed, deleted_running or deleted_terminating.
-- activity_status: error, pending_fulfillment, pending_termination or fulfilled; NULL where AWS reports none.
-- fleet_type: request or maintain.
-- target_capacity: Capacity that is wanted, in its own units.
-- on_demand_capacity: Part of it that is wanted on demand.
-- spot_capacity: Part of it that is wanted as Spot.
-- fulfilled_capacity: Capacity that there is.
-- launch_template_ids: Launch templates, sorted.
-- is_replacing_unhealthy: True where it replaces instances that do not respond.
-- created_at: When it was made, UTC.
-- valid_until: When it ends, UTC; NULL where somebody has to end it.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'fleet/' || item.FleetId) as arn,
    account_id,
    region,
    item.FleetId as fleet_id,
    tag_map(item.Tags)['Name'] as name,
    item.FleetState as state,
    item.ActivityStatus as activity_status,
    item."Type" as fleet_type,
    item.TargetCapacitySpecification.TotalTargetCapacity as target_capacity,
    item.TargetCapacitySpecification.OnDemandTargetCapacity as on_demand_capacity,
    item.TargetCapacitySpecification.SpotTargetCapacity as spot_capacity,
    item.FulfilledCapacity as fulfilled_capacity,
    list_sort(
        list_distinct(
            list_filter(
                list_transform(
                    coalesce(item.LaunchTemplateConfigs, []),
                    lambda one: one.LaunchTemplateSpecification.LaunchTemplateId
                ),
                lambda id: id is not null
            )
        )
    ) as launch_template_ids,
    item.ReplaceUnhealthyInstances as is_replacing_unhealthy,
    item.CreateTime as created_at,
    item.ValidUntil as valid_until,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_fleet',
        'STRUCT(
        FleetId VARCHAR, FleetState VARCHAR, ActivityStatus VARCHAR, "Type" VARCHAR,
        TargetCapacitySpecification STRUCT(TotalTargetCapacity BIGINT, OnDemandTargetCapacity BIGINT, SpotTargetCapacity
        BIGINT),
        FulfilledCapacity DOUBLE,
        LaunchTemplateConfigs STRUCT(LaunchTemplateSpecification STRUCT(LaunchTemplateId VARCHAR))[],
        ReplaceUnhealthyInstances BOOLEAN, CreateTime TIMESTAMPTZ, ValidUntil TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
