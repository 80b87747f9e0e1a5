-- The newest month's bill by the value of each key: the ten that bear most, the others together, and what nobody answers for.
with ranked as (
    select
        *,
        row_number() over (
            partition by tag_key, status = 'allocated'
            order by reporting_cost desc nulls last, tag_value asc
        ) as place
    from cost.allocation
    where month = (select max(newest.month) from cost.allocation as newest)
)

select
    tag_key,
    case when status <> 'allocated' or place <= 10 then tag_value end as tag_value,
    status,
    least(if(status = 'allocated', place, 12), 11 + (status <> 'allocated')::integer) as place,
    count(*) as value_count,
    sum(direct_cost) as direct_cost,
    sum(shared_cost) as shared_cost,
    any_value(currency) as billing_currency,
    if(count(*) = count(reporting_cost), sum(reporting_cost), null) as cost,
    any_value(reporting_currency) as currency,
    100 * sum(share) as share_pct
from ranked
group by
    tag_key,
    case when status <> 'allocated' or place <= 10 then tag_value end,
    status,
    least(if(status = 'allocated', place, 12), 11 + (status <> 'allocated')::integer)
order by tag_key, place, tag_value
