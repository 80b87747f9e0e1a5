-- How the items of the business services that cost most hang together, by type: what is in, on or attached to what.
with shown as (
    select
        business_service,
        row_number() over (order by reporting_monthly_cost desc nulls last, business_service asc) as place
    from cmdb.application
    where resource_count > 0
    qualify place <= 6
)

select
    shown.place,
    shown.business_service,
    near.resource_type as from_type,
    case
        when far.business_service = shown.business_service then 'own'
        else coalesce(far.business_service, 'no business service')
    end as to_belongs_to,
    far.resource_type as to_type,
    count(*) as relation_count,
    string_agg(distinct held.relation, ', ' order by held.relation) as relations,
    bool_and(held.is_stale) as is_stale
from shown
inner join cmdb.resource as near
    on shown.business_service = near.business_service and near.status <> 'retired'
inner join cmdb.relationship as held on near.arn = held.from_arn and held.ended_at is null
inner join cmdb.resource as far on held.to_arn = far.arn and far.status <> 'retired'
group by all
order by shown.place asc, relation_count desc, from_type asc, to_belongs_to asc, to_type asc
limit 4000
