-- What the first look at the bill reads: each month's sums, and how many of their rows cannot be taken as they stand.
select
    date_trunc('month', usage_date)::date as month,
    slice,
    account_id,
    value,
    service,
    sum(unblended_cost) as unblended_cost,
    sum(amortized_cost) as amortized_cost,
    sum(net_unblended_cost) as net_unblended_cost,
    currency,
    sum((unblended_cost * rate)::decimal(28, 10)) as reporting_unblended_cost,
    sum((amortized_cost * rate)::decimal(28, 10)) as reporting_amortized_cost,
    sum((net_unblended_cost * rate)::decimal(28, 10)) as reporting_net_unblended_cost,
    reporting_currency,
    count(*) as row_count,
    count(*) filter (where is_stale) as stale_rows,
    count(*) filter (where is_estimated) as estimated_rows,
    count(*) filter (where rate is null) as unconverted_rows,
    count(*) filter (where net_unblended_cost is null) as rows_without_net,
    count(*) filter (where is_example_rate) as example_rate_rows,
    min(collected_at) as collected_at
from explorer.cost_day
group by all
order by slice, month, account_id, value, service
