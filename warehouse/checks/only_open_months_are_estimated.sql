-- Only the days of the month of the request, and of the two before, are estimated: AWS closes a month about the
-- tenth of the next.
-- about: cost.daily
-- refetch: cost_daily
select
    slice,
    date_trunc('month', usage_date)::date as "month",
    max(collected_at) as collected_at,
    count(*) as row_count
from cost.daily
where is_estimated and usage_date < date_trunc('month', collected_at) - interval 2 months
group by slice, date_trunc('month', usage_date)
