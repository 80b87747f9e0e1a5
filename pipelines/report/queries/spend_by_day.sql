-- The bill of the running month day by day, in the reporting currency. Which days are complete
-- is in cost.month_coverage.
with day_cost as (
    select
        cost.usage_date,
        if(count(*) = count(cost.reporting_unblended_cost), sum(cost.reporting_unblended_cost), null) as cost,
        any_value(cost.reporting_currency) as currency,
        coalesce(bool_and(cost.usage_date <= coverage.through_date), false) as is_complete
    from cost.by_service as cost
    inner join cost.month_coverage as coverage
        on coverage.slice = 'service' and date_trunc('month', cost.usage_date) = coverage.month
    where cost.usage_date
        >= (select date_trunc('month', max(newest.usage_date)) from cost.by_service as newest)
    group by cost.usage_date
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
