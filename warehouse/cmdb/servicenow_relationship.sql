-- One row per relation between two rows of cmdb.servicenow_ci as ServiceNow takes it in: parent, type, child. Only relations
-- that hold, and only between items that are there: ServiceNow can take in no end that it does not know. Where a
-- database's subnet group is no item, the database is shown hosted on the VPC of the group.
-- materialized: view
-- key: parent, type, child
-- parent: correlation_id of the parent.
-- type: Name of ServiceNow's relationship type (ref.relation), parent's side first.
-- child: correlation_id of the child.
-- relation: The relation of cmdb.relationship that it stands for.
-- first_seen_at: When it was stated first, UTC.
-- last_seen_at: When it was stated last, UTC.
with there as (
    select correlation_id
    from cmdb.servicenow_ci
    where install_status <> 'Retired'
),

held as (
    select
        relationship.from_arn,
        relationship.relation,
        relationship.to_arn,
        relationship.first_seen_at,
        relationship.last_seen_at
    from cmdb.relationship as relationship
    where relationship.ended_at is null
    union all
    select
        database.from_arn,
        database.relation,
        subnet_group.to_arn,
        greatest(database.first_seen_at, subnet_group.first_seen_at) as first_seen_at,
        least(database.last_seen_at, subnet_group.last_seen_at) as last_seen_at
    from cmdb.relationship as database
    inner join cmdb.relationship as subnet_group on database.to_arn = subnet_group.from_arn
    where
        database.ended_at is null
        and subnet_group.ended_at is null
        and database.to_resource_type = 'AWS::RDS::DBSubnetGroup'
        and database.to_arn not in (select known.correlation_id from there as known)
)

select
    case known.servicenow_parent when 'from' then held.from_arn else held.to_arn end as parent,
    known.servicenow_type as "type",
    case known.servicenow_parent when 'from' then held.to_arn else held.from_arn end as child,
    -- Two relations may have one name there.
    min(held.relation) as relation,
    min(held.first_seen_at) as first_seen_at,
    max(held.last_seen_at) as last_seen_at
from held
inner join ref.relation as known using (relation)
semi join there as near on held.from_arn = near.correlation_id
semi join there as far on held.to_arn = far.correlation_id
group by all
