-- What the business services that cost most consist of: their items by type, and what others own of what they lean on.
with shown as (
    select
        business_service,
        row_number() over (order by reporting_monthly_cost desc nulls last, business_service asc) as place
    from cmdb.application
    where resource_count > 0
    qualify place <= 6
),

own as (
    select
        shown.place,
        shown.business_service,
        item.resource_type,
        'own' as belongs_to,
        item.arn
    from shown
    inner join cmdb.resource as item on shown.business_service = item.business_service
    where item.status <> 'retired'
),

foreign_item as (
    select distinct
        own.place,
        own.business_service,
        item.resource_type,
        coalesce(item.business_service, 'no business service') as belongs_to,
        item.arn
    from own
    inner join cmdb.relationship as held on own.arn = held.from_arn and held.ended_at is null
    inner join cmdb.resource as item on held.to_arn = item.arn and item.status <> 'retired'
    where item.business_service is distinct from own.business_service
),

every_item as (
    select * from own
    union all
    select * from foreign_item
)

select
    place,
    business_service,
    belongs_to,
    resource_type,
    count(*) as resource_count
from every_item
group by place, business_service, belongs_to, resource_type
order by place asc, belongs_to <> 'own' asc, resource_count desc, belongs_to asc, resource_type asc
limit 3000
