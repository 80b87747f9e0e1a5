-- One row per id of a resource whose ids are unique in the world, with the one ARN that it stands for: who owns what is
-- shared is known here and not in each record that names the id. Not part of the public interface; read cmdb.resource.
-- materialized: full
-- key: resource_type, resource_id
-- resource_type: AWS's name of the type.
-- resource_id: The id, such as i-0123456789abcdef0.
-- arn: Amazon Resource Name; where several have the id, the first of those that are not retired, else of all.
with item as not materialized (
    select
        resource_type,
        resource_id,
        arn,
        status
    from cmdb.resource
    where starts_with(resource_type, 'AWS::EC2::')
        or resource_type in ('AWS::RDS::DBInstance', 'AWS::RDS::DBCluster')
),

several as materialized (
    -- Few have more than one ARN, such as a retired one: to choose among all would hold each ARN in memory.
    select hash(resource_type, resource_id) as id_hash
    from item
    group by id_hash
    having count(*) > 1
)

select -- noqa: AM07
    item.resource_type,
    item.resource_id,
    item.arn
from item
anti join several on hash(item.resource_type, item.resource_id) = several.id_hash
union all
select
    item.resource_type,
    item.resource_id,
    arg_min(item.arn, case when item.status = 'retired' then '1' else '0' end || item.arn) as arn
from item
semi join several on hash(item.resource_type, item.resource_id) = several.id_hash
group by item.resource_type, item.resource_id
