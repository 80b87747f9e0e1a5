-- How much of the bill of the last whole month stands against a value of each key, its part of the shared cost included, and how
-- much nobody answers for. Each key cuts the same bill another way.
with shown as (
    select coalesce(
        (
            select max(coverage.month)
            from cost.month_coverage as coverage
            where coverage.slice = 'service' and coverage.through_date = last_day(coverage.month)
        ),
        (select max(newest.month) from cost.allocation as newest)
    ) as month
)

select
    tag_key,
    month,
    max(allocated_pct) as allocated_pct,
    sum(reporting_cost) filter (where status = 'allocated') as allocated,
    sum(reporting_cost) filter (where status = 'shared') as shared,
    sum(reporting_cost) filter (where status = 'unallocated') as unallocated,
    sum(reporting_cost) filter (where status not in ('allocated', 'shared', 'unallocated')) as unknown,
    sum(reporting_cost) as total,
    any_value(reporting_currency) as currency,
    string_agg(distinct status, ', ' order by status)
    filter (where status not in ('allocated', 'shared', 'unallocated')) as why_unknown,
    count(*) filter (where reporting_cost is null) as without_rate_count
from cost.allocation
inner join shown using (month)
group by tag_key, month
order by allocated_pct desc nulls last, tag_key asc
