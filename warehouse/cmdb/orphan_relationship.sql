-- One row per relation that holds and end of it that is no configuration item: what the inventory cannot follow, by why.
-- materialized: view
-- key: from_arn, relation, to_arn, orphan_arn
-- from_arn: ARN of the item that the record is about; application:<name> for a business service.
-- relation: One of ref.relation.
-- to_arn: ARN of the other item, or its type and id where nobody knows its ARN.
-- orphan_arn: The end that is no item: from_arn or to_arn.
-- orphan_name: Name that the record gives it; NULL where it gives none.
-- orphan_resource_type: AWS's name of its type; NULL where AWS does not report it.
-- reason: not inventoried, retired, or type not collected: ref.resource_class has no such type, so that nobody can tell whether it is there.
-- source: The table of schema aws whose record states it.
-- account_id: The AWS account by the ARN of the orphan, 12 digits; empty where the ARN names none, NULL where there is no ARN.
-- first_seen_at: When the relation was stated first, UTC.
-- last_seen_at: When it was stated last, UTC.
with tip as (
    select
        held.*,
        held.from_arn as orphan_arn,
        held.from_resource_type as orphan_resource_type,
        null as orphan_name
    from cmdb.relationship as held
    where held.ended_at is null and held.from_resource_type is distinct from 'Application'
    union all
    select
        held.*,
        held.to_arn as orphan_arn,
        held.to_resource_type as orphan_resource_type,
        held.to_name as orphan_name
    from cmdb.relationship as held
    where held.ended_at is null
),

live as (
    select arn from cmdb.resource
    where status <> 'retired'
),

retired as (
    select arn from cmdb.resource
    where status = 'retired'
),

-- Most ends are items: these go first, by nothing but their ARN.
orphan as (
    select tip.*
    from tip
    anti join live on tip.orphan_arn = live.arn
)

select
    orphan.from_arn,
    orphan.relation,
    orphan.to_arn,
    orphan.orphan_arn,
    orphan.orphan_name,
    orphan.orphan_resource_type,
    case
        when retired.arn is not null then 'retired'
        when class.resource_type is null then 'type not collected'
        else 'not inventoried'
    end as reason,
    orphan.source,
    case
        when starts_with(orphan.orphan_arn, 'arn:') then split_part(orphan.orphan_arn, ':', 5)
    end as account_id,
    orphan.first_seen_at,
    orphan.last_seen_at,
    orphan.is_stale,
    orphan.run_id,
    orphan.listing,
    orphan.role,
    orphan.caller_account_id,
    orphan.cell_region,
    orphan.collected_at
from orphan
left join retired on orphan.orphan_arn = retired.arn
left join ref.resource_class as class on orphan.orphan_resource_type = class.resource_type
