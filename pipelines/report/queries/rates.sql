-- By which rate each month of the bill is shown.
select
    date_trunc('month', usage_date)::date as month,
    currency as billing_currency,
    reporting_currency,
    min(rate) as lowest_rate,
    max(rate) as highest_rate,
    string_agg(distinct rate_kind, ', ' order by rate_kind) as rate_kinds,
    max(rate_date) as newest_rate_date,
    string_agg(distinct rate_source, ', ' order by rate_source) as rate_sources,
    max(rate_age_days) filter (rate_kind = 'spot') as oldest_spot_days,
    count(*) as day_count,
    count(*) filter (where rate is null) as days_without_rate
from cost.exchange_rate
where usage_date >= (
        select date_trunc('month', max(newest.usage_date)) - interval 13 month from cost.by_service as newest
    )
group by date_trunc('month', usage_date), currency, reporting_currency
order by month desc, billing_currency asc
