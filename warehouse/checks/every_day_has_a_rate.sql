-- Every day of the bill has a rate into the reporting currency; `cmdb fx import` brings those that are missing, and
-- CMDB_CURRENCY may name the currency of the bill.
-- about: cost.exchange_rate
-- refetch: nothing
select
    date_trunc('month', usage_date)::date as "month",
    currency,
    reporting_currency,
    count(*) as day_count
from cost.exchange_rate
where rate is null
group by date_trunc('month', usage_date), currency, reporting_currency
