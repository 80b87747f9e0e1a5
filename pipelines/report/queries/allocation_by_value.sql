-- The bill of the last whole month by the value of each key: what each costs directly, its part of the shared cost, and both
-- together. The ten that bear most, the others together, and what nobody answers for.
with shown as (
    select coalesce(
        (
            select max(coverage.month)
            from cost.month_coverage as coverage
            where coverage.slice = 'service' and coverage.through_date = last_day(coverage.month)
        ),
        (select max(newest.month) from cost.allocation as newest)
    ) as month
),

ranked as (
    select
        allocation.*,
        row_number() over (
            partition by tag_key, status = 'allocated'
            order by reporting_cost desc nulls last, tag_value asc
        ) as place
    from cost.allocation as allocation
    inner join shown using (month)
)

select
    tag_key,
    case when status <> 'allocated' or place <= 10 then tag_value end as tag_value,
    status,
    least(if(status = 'allocated', place, 12), 11 + (status <> 'allocated')::integer) as place,
    count(*) as value_count,
    if(count(*) = count(reporting_cost), sum((direct_cost * rate)::decimal(28, 10)), null) as direct_cost,
    if(count(*) = count(reporting_cost), sum((shared_cost * rate)::decimal(28, 10)), null) as shared_cost,
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
