-- One row per Spot Fleet request, ended ones included for as long as AWS lists them (two days).
-- key: arn
-- resource: id=spot_fleet_request_id state=state created=created_at gone=cancelled, failed attributes=request_type,
--   allocation_strategy, target_capacity, on_demand_target_capacity, fleet_role_arn, expires_at
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that made it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- spot_fleet_request_id: Id, such as sfr-01234567-89ab-cdef-0123-456789abcdef.
-- name: Value of the tag Name; NULL where there is none.
-- state: submitted, active, modifying, failed, cancelled, cancelled_running (its instances go on) or cancelled_terminating.
-- activity_status: error, pending_fulfillment, pending_termination or fulfilled.
-- request_type: request (once) or maintain (what is lost is replaced).
-- allocation_strategy: How it chooses pools of capacity, such as priceCapacityOptimized.
-- target_capacity: Units that it is to have.
-- on_demand_target_capacity: How many of them on demand.
-- fulfilled_capacity: Units that it has.
-- fleet_role_arn: The role by which it launches instances.
-- created_at: When it was made, UTC.
-- expires_at: When it ends by itself, UTC; NULL where it does not.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'spot-fleet-request/' || item.SpotFleetRequestId) as arn,
    account_id,
    region,
    item.SpotFleetRequestId as spot_fleet_request_id,
    tag_map(item.Tags)['Name'] as name,
    item.SpotFleetRequestState as state,
    item.ActivityStatus as activity_status,
    item.SpotFleetRequestConfig."Type" as request_type,
    item.SpotFleetRequestConfig.AllocationStrategy as allocation_strategy,
    item.SpotFleetRequestConfig.TargetCapacity as target_capacity,
    item.SpotFleetRequestConfig.OnDemandTargetCapacity as on_demand_target_capacity,
    item.SpotFleetRequestConfig.FulfilledCapacity as fulfilled_capacity,
    item.SpotFleetRequestConfig.IamFleetRole as fleet_role_arn,
    item.CreateTime as created_at,
    item.SpotFleetRequestConfig.ValidUntil as expires_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_spot_fleet',
        'STRUCT(
        SpotFleetRequestId VARCHAR, SpotFleetRequestState VARCHAR, ActivityStatus VARCHAR, CreateTime TIMESTAMPTZ,
        SpotFleetRequestConfig STRUCT(
            "Type" VARCHAR, AllocationStrategy VARCHAR, TargetCapacity BIGINT, OnDemandTargetCapacity BIGINT,
            FulfilledCapacity DOUBLE, IamFleetRole VARCHAR, ValidUntil TIMESTAMPTZ
        ),
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
