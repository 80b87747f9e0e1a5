-- Percent of each month's bill that stands against a value of the key, shared cost included; unknown where the key's part of
-- that month was not read or is empty.
select
    tag_key,
    month,
    max(allocated_pct) as allocated_pct,
    string_agg(distinct status, ', ' order by status)
    filter (where status not in ('allocated', 'shared', 'unallocated')) as why_unknown
from cost.allocation
where month >= (select max(newest.month) - interval 12 month from cost.allocation as newest)
group by tag_key, month
order by tag_key, month
