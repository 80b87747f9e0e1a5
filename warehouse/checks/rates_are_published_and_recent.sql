-- Every exchange rate that a day of the bill is shown by was published by somebody, and no spot rate is more than seven days
-- older than the day: banks publish none at weekends and on holidays. `cmdb fx import` brings newer ones.
-- about: cost.exchange_rate
-- severity: warn
-- refetch: nothing
select
    date_trunc('month', usage_date)::date as "month",
    currency,
    reporting_currency,
    rate_kind,
    rate_source,
    max(rate_age_days) as rate_age_days,
    case when is_example_rate then 'nobody published it' else 'it is too old' end as why,
    count(*) as day_count
from cost.exchange_rate
where is_example_rate or (rate_kind = 'spot' and rate_age_days > 7)
group by
    date_trunc('month', usage_date), currency, reporting_currency, rate_kind, rate_source, is_example_rate
