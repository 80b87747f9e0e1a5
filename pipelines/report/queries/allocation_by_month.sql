-- Percent of each month's bill that stands against a value of the key, shared cost included, up to the last whole month; unknown
-- where the key's part of that month was not read or is empty.
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
    string_agg(distinct status, ', ' order by status)
    filter (where status not in ('allocated', 'shared', 'unallocated')) as why_unknown
from cost.allocation
where month between (select shown.month - interval 12 month from shown) and (select shown.month from shown)
group by tag_key, month
order by tag_key, month
