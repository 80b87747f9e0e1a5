-- The bill of the running month day by day, in the reporting currency. A day is complete when it ended a day or more before
-- it was asked.
with day_cost as (
    select
        usage_date,
        if(count(*) = count(reporting_unblended_cost), sum(reporting_unblended_cost), null) as cost,
        any_value(reporting_currency) as currency,
        usage_date <= max(collected_at)::date - 2 as is_complete
    from cost.by_service
    where usage_date >= (select date_trunc('month', max(newest.usage_date)) from cost.by_service as newest)
    group by usage_date
)

select
    usage_date,
    cost,
    -- From a day without a rate on, what the month came to is unknown.
    if(
        count(cost) over so_far = count(*) over so_far,
        sum(cost) over so_far,
        null
    ) as cost_so_far,
    currency,
    is_complete
from day_cost
window so_far as (order by usage_date)
order by usage_date
